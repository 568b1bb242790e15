"""What every action makes of answers that nobody expects: each fact in each of its provider's answers, replaced.

What the clients make of them is tried in `test_contract.py`. Here it is what a person would read in the end: no call
breaks Postroom, nothing is written that could not be stored, and nobody is shown Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from string import Template
from typing import Any

import pytest
from pydantic import BaseModel

from handlers.slack import entered
from providers import mailin
from providers.accounts import Account, PriceList
from providers.action import Action, Effect, Pending, Refused, Revealed
from providers.catalogue import open_account
from providers.errors import ProviderError
from providers.files import lines_of, wanted_of
from providers.http import Answer
from providers.http import _parsed as parsed
from tests.e2e.actions.case import Case
from tests.e2e.actions.tables import CASES, OTHER_WAYS
from tests.house import _SIMULATED, HandClock, _account
from tests.providers.test_contract import places, replaced

SIMULATED = {**_SIMULATED, "mailin": (mailin.sandbox.MailinSandbox, mailin.sandbox.serve)}
ODD_VALUES: tuple[Any, ...] = (None, True, "", "²", "9" * 5000, 10**30, [], ["x"], {"x": "x"}, [{"x": "x"}], [[None]])
OF_PYTHON = re.compile(r"\{'|\['|\[\{|\[\[|\[None|\bNone\b(?! of| have)")

Phase = tuple[str, Callable[[], Awaitable[Any]], list[Answer]]
"""Something that an action does, and the answers that its provider gave to it."""


class Line:
    """Listens in on a transport; told what to answer, it answers in its place."""

    def __init__(self, transport: Any) -> None:
        self.heard: list[Answer] = []
        self._call, self._instead = transport.call, list[Answer]()
        transport.call = self.call

    def answers(self, instead: Iterable[Answer]) -> None:
        """From now on these, one after the other, and the last again and again."""
        self._instead = list(instead)

    async def call(self, *args: Any, **kwargs: Any) -> Answer:
        if not self._instead:
            self.heard.append(await self._call(*args, **kwargs))
            return self.heard[-1]
        return self._instead.pop(0) if len(self._instead) > 1 else self._instead[0]


@asynccontextmanager
async def opened(case: Case) -> AsyncIterator[tuple[Action, Account, HandClock]]:
    """The case's action, as it is asked, and an account at a sandbox where it can be done."""
    clock = HandClock()
    make, serve = SIMULATED[case.provider]
    sandbox = make(clock)
    names = case.ready(sandbox)
    async with AsyncExitStack() as stack:
        url = (await stack.enter_async_context(serve(sandbox))).url
        settings = _account(case.provider, {case.provider: url}, 0.0)
        account = open_account("main", settings, PriceList(), clock, clock.sleep)
        stack.push_async_callback(account.client.aclose)
        kind = case.action
        said = {**kind.prefill(Template(case.words).safe_substitute(names).split()), **case.fills}
        lines = {}
        for name, (_, content) in case.files.items():
            wanted = wanted_of(kind.model_fields[name])
            assert wanted is not None
            lines[name] = lines_of(content, wanted)
        yield entered.judged(kind, said, lines), account, clock


async def played(action: Action, account: Account, clock: HandClock, line: Line) -> list[Phase]:
    """All that the action does from the form to its end, as it goes when the provider is well."""
    client, phases = account.client, list[Phase]()

    async def plays(name: str, does: Callable[[], Awaitable[Any]]) -> Any:
        line.heard = []
        try:
            return await does()
        except (ProviderError, Refused) as refusal:
            return refusal
        finally:
            phases.append((name, does, line.heard))

    if action.effect is Effect.REVEAL:
        await plays("reveal", lambda: action.reveal(client))
        return phases
    if action.effect is not Effect.READ:
        await plays("check", lambda: action.check(client))
        await plays("quote", lambda: action.quote(client, account.prices))
    begun = await plays("run", lambda: action.run(client, "req#1"))
    if isinstance(begun, Pending):
        for _ in range(2):
            clock.advance(hours=3)
            await plays("poll", lambda: action.poll(client, begun.ref))
        await plays("poll_many", lambda: type(action).poll_many(client, [(action, begun.ref)]))
    if action.effect is not Effect.READ:
        await plays("reconcile", lambda: action.reconcile(client, "req#1"))
    return phases


def odd_ones(answer: Answer) -> Iterator[tuple[Answer, str]]:
    """The answer with each thing in it replaced by each odd one, and where."""
    for path in places(answer.body):
        for value in ODD_VALUES:
            content = json.dumps(replaced(answer.body, path, value)).encode()
            odd = Answer(answer.status, parsed(content), content, answer.headers)
            yield odd, f"{'.'.join(map(str, path)) or 'the whole'} = {str(value)[:30]!r}"


def read_of(told: Any) -> str:
    """What a person reads of it; raises where it could not be stored. What a REVEAL shows is the provider's own."""
    if isinstance(told, list | tuple):
        return "\n".join(map(read_of, told))
    if isinstance(told, Revealed):
        return told.summary
    if not isinstance(told, BaseModel):
        return "" if told is None else str(told)
    stored = json.loads(told.model_dump_json())
    return "\n".join(texts({name: said for name, said in stored.items() if name != "ref"}))


def texts(said: Any) -> Iterator[str]:
    """Every text in it."""
    if isinstance(said, str):
        yield said
    for inner in said.values() if isinstance(said, dict) else said if isinstance(said, list) else ():
        yield from texts(inner)


@pytest.mark.parametrize("case", [*CASES, *OTHER_WAYS], ids=str)
async def test_none_breaks_an_action_or_reaches_a_person_as_python(case: Case) -> None:
    wrong: set[str] = set()
    async with opened(case) as (action, account, clock):
        await account.client.verify_credentials()
        line = Line(account.client._transport)
        phases = await played(action, account, clock, line)
        assert any(heard for _, _, heard in phases)
        for phase, does, heard in phases:
            for number, answer in enumerate(heard):
                for odd, what in odd_ones(answer):
                    line.answers([*heard[:number], odd, *heard[number + 1 :]])
                    at = f"{phase}, answer {number}, {what}"
                    try:
                        read = read_of(await does())
                    except (ProviderError, Refused) as refusal:
                        read = str(refusal)
                    except Exception as error:
                        wrong.add(f"{at}: {type(error).__name__}: {error}"[:300])
                        continue
                    if OF_PYTHON.search(read):
                        wrong.add(f"{at}: {read}"[:300])
    assert not wrong
