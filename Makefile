# Everything a newcomer needs: `make demo` and `make test`. Nothing but Python 3.11+ has to be there first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo demo-page test crash lint types contract bench peers mutants pictures docs pin clean setup
.DEFAULT_GOAL := demo

setup: .venv/.ready

.venv/.ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Postroom needs Python 3.11 or newer; try: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Setting up (first time only, about half a minute) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## play the whole story by itself, then offer the page
	@$(BIN)/postroom demo

demo-page: setup  ## a local workspace to click in: http://127.0.0.1:8065
	@$(BIN)/postroom demo --page

# What was compiled once is kept, whatever the environment says: compiling all tests takes twelve seconds of each worker.
CACHED := PYTHONDONTWRITEBYTECODE=

test: setup  ## all tests, browser included where there is one
	@$(CACHED) $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

crash: setup  ## every story killed at every one of its moments (many minutes)
	@$(CACHED) POSTROOM_CRASH_EVERYWHERE=1 $(BIN)/python -m pytest -n 2 tests/e2e/test_crash_everywhere.py tests/e2e/test_crash_money.py

pictures: setup  ## take the README's pictures anew
	@POSTROOM_PICTURES=$(CURDIR)/docs/images $(BIN)/python -m pytest tests/e2e/test_browser*.py

docs: setup  ## write docs/actions.md from the catalogue
	@$(BIN)/python -m bot.reference > docs/actions.md

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup
	@$(BIN)/mypy

contract: setup  ## who may import whom
	@$(BIN)/lint-imports

bench: setup
	@$(BIN)/python -m tests.bench

peers: setup  ## those whom `make bench` compares with, where it says "not installed"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation -e '.[bench]'

mutants: setup  ## changes to the rules and the money path that no test notices (an hour or so); docs/testing.md
	@$(BIN)/python -m tests.mutants run $(MUTANTS) && $(BIN)/python -m tests.mutants results

pin:  ## choose versions anew; needs uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev pyproject.toml -o requirements.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
