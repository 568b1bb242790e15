"""An operator at the command line: who would decide this, and what would a changed file have changed?"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bot.cli import _cli
from bot.policy import policy_commands
from bot.policy_settings import ApprovalSettings, RuleSettings
from tests.house import House, open_house

HEAD = """
[slack]
approvals_channel = "C0APPROVALS"
[accounts.mailin-main]
provider = "mailin"
email = "env:NOT_SET_HERE"
password = "env:NOT_SET_HERE_EITHER"
[prices.mailin]
currency = "USD"
"domain.com" = "12.50"
[approvals]
approvers = ["U0OMAR", "U0FINN"]
"""
LITTLE = """
[[approvals.rules]]
name = "a little"
action = "domain buy"
under = "20"
currency = "USD"
auto_below = "20"
"""
MUCH = """
[[approvals.rules]]
name = "a lot"
action = "domain *"
over = "100"
currency = "USD"
requesters = ["S0GROWTH"]
approvers = ["U0OMAR", "S0FINANCE"]
needs = 2
wait_hours = 48
remind_after_hours = [4, 24]
escalate_to = ["U0FINN"]
escalate_after_hours = 24
"""
BUDGET = """
[[budgets]]
name = "Outreach"
amount = "30"
currency = "USD"
team = "C0OUTREACH"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a settings file may be written."""
    return tmp_path / "changed.toml"


@pytest.fixture
async def past(tmp_path: Path) -> AsyncIterator[House]:
    """A Postroom whose people asked for three things, by one rule of which the little needs no approval."""
    rule = RuleSettings.model_validate(
        {"name": "before", "action": "domain buy", "auto_below": "13", "currency": "USD", "requesters": ("S0GROWTH",)}
    )
    async with open_house(tmp_path, starts=False) as house:
        await house.starts(approvals=ApprovalSettings(approvers=("U0OMAR", "U0FINN"), rules=(rule,)))
        await house.asks(house.ana, "acme.com")  # 12.50: by itself
        await house.runs_for(minutes=10)
        await house.approved(house.ana, "acme.biz")  # 16.75
        await house.runs_for(days=1)
        await house.asks(house.ana, *(f"acme{n}.com" for n in range(9)))  # 112.50
        yield house


def says(file: Path, text: str) -> None:
    """The settings file says this, and nothing else."""
    file.write_text(text)


def policy(tmp_path: Path, *words: str | Path) -> Result:
    env = {"POSTROOM_DATABASE": str(tmp_path / "postroom.db"), "POSTROOM_CONFIG": str(tmp_path / "changed.toml")}
    return CliRunner().invoke(policy_commands(), [str(word) for word in words], env=env)


# Explaining.


def test_each_rule_and_what_follows_needs_no_secret(tmp_path: Path, file: Path) -> None:
    says(file, HEAD + LITTLE + MUCH + BUDGET)

    said = policy(
        tmp_path, "explain", "--action", "domain buy", "--account", "mailin-main", "--amount", "118", "--currency",
        "USD", "--channel", "C0OUTREACH", "--requester", "U0ANA", "--group", "S0GROWTH",
    )  # fmt: skip

    assert said.exit_code == 0
    assert said.output.splitlines() == [
        "- The rule “a little” is not about this: it is for less than 20 USD.",
        "- The rule “a lot” is about this.",
        "- 2 different people have to say yes, of: U0OMAR or S0FINANCE.",
        "- It expires after 48 hours.",
        "- The thread is reminded after 4 hours, 24 hours.",
        "- After 24 hours, U0FINN may decide it as well.",
        "- It counts against the budget “Outreach”: 30 USD a month, more is refused.",
    ]


def test_who_is_in_no_group_is_said_so(tmp_path: Path, file: Path) -> None:
    says(file, HEAD + MUCH)

    said = policy(tmp_path, "explain", "--action", "/domain  buy", "--provider", "mailin", "--amount", "118")

    assert "The rule “a lot” is not about this: it is for what S0GROWTH asks." in said.output
    assert "Whoever asks counts as not in S0GROWTH: --group says otherwise." in said.output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--action", "domain buy", "--account", "mailin-main"], "Nobody knows the price"),
        (["--action", "domain buy", "--account", "mailin-main", "--amount", "5"], "so nobody has to be asked"),
        (["--action", "domain delete", "--account", "mailin-main"], "No rule is about this"),
        (["--action", "domain forward", "--account", "mailin-main"], "runs when it is asked"),
    ],
)
def test_what_costs_nothing_little_or_nobody_knows_what(
    tmp_path: Path, file: Path, words: list[str], sentence: str
) -> None:
    says(file, HEAD + LITTLE)

    said = policy(tmp_path, "explain", *words)

    assert said.exit_code == 0, said.output
    assert sentence in said.output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Name a request"),
        (["--action", "domain bye"], "Did you mean domain buy"),
        (["--action", "domain buy", "--account", "mailin-mian"], "Known are: mailin-main."),
        (["--action", "domain buy", "--provider", "nowhere"], "is not to be had at nowhere"),
        (["--action", "domain buy", "--account", "mailin-main", "--amount", "a lot"], "--amount takes digits"),
        (["--action", "domain buy", "--account", "mailin-main", "--requester", "ana"], "--requester takes an id"),
        (["--action", "domain buy", "--account", "mailin-main", "--group", "growth"], "--group takes the id"),
        (["req_1", "--action", "domain buy"], "not both"),
        (["req_1"], "There is no database"),
    ],
)
def test_mistakes_are_said_plainly(tmp_path: Path, file: Path, words: list[str], sentence: str) -> None:
    says(file, HEAD)

    said = policy(tmp_path, "explain", *words)

    assert said.exit_code == 2
    assert sentence in said.output
    assert "Traceback" not in said.output


def test_a_file_with_mistakes(tmp_path: Path, file: Path) -> None:
    says(file, HEAD + MUCH.replace("needs = 2", "needs = 0"))

    said = policy(tmp_path, "explain", "--action", "domain buy", "--account", "mailin-main")

    assert said.exit_code == 2
    assert "approvals.rules[1].needs: must be at least 1." in said.output


async def test_a_request_as_it_was_ruled_and_by_the_file_as_it_is(past: House, tmp_path: Path, file: Path) -> None:
    story = await past.story_of(past.ana)
    says(file, HEAD + MUCH)

    said = policy(tmp_path, "explain", story.id.removeprefix("req_"))

    assert said.exit_code == 0
    first, second = said.output.split("By the file as it is now")
    assert f"{story.id}, 2026-03-03 09:10 UTC, domain buy with mailin-main, 112.50 USD, asked by U0ANA." in first
    assert "The rule “before” is about this." in first
    assert "The rule “a lot” is about this." in second  # in S0GROWTH, as was looked up then
    unknown = policy(tmp_path, "explain", "req_0000000000")
    assert (unknown.exit_code, "no such request" in unknown.output) == (2, True)


# Simulating.


async def test_what_would_have_been_different(past: House, tmp_path: Path, file: Path) -> None:
    says(file, HEAD + LITTLE + MUCH)
    before = (tmp_path / "postroom.db").read_bytes()

    said = policy(tmp_path, "simulate", "--file", file)

    assert said.exit_code == 0, said.output
    first, second, third, *summary = said.output.splitlines()
    assert first.endswith(
        "would have been approved by itself by the rule “a little”; it was approved by itself by the rule “before”"
    )
    assert second.endswith(
        "16.75 USD, asked by U0ANA: would have been approved by itself by the rule “a little”; it was asked of "
        "U0OMAR or U0FINN (1 must say yes) by the rule “before”"
    )
    assert third.endswith(
        "would have been asked of U0OMAR or S0FINANCE (2 must say yes) by the rule “a lot”; it was asked of U0OMAR or "
        "U0FINN (1 must say yes) by the rule “before”"
    )
    assert summary[0] == (
        "Of 3 requests, 3 would have been decided otherwise (1 by itself instead of asked, 1 by other people or "
        "another number of them, 1 by another rule with the same people), 0 the same."
    )
    assert summary[-1] == "Nothing was changed."
    assert (tmp_path / "postroom.db").read_bytes() == before


async def test_the_same_rules_change_nothing(past: House, tmp_path: Path, file: Path) -> None:
    same = '[[approvals.rules]]\nname = "before"\naction = "domain buy"\nauto_below = "13"\ncurrency = "USD"\n'
    says(file, HEAD + same + 'requesters = ["S0GROWTH"]\n')

    said = policy(tmp_path, "simulate", "--file", file)

    assert said.output.splitlines() == [
        "Of 3 requests, 0 would have been decided otherwise, 3 the same.",
        "Nothing was changed.",
    ]


async def test_since_a_day_and_groups_that_nobody_looked_up(past: House, tmp_path: Path, file: Path) -> None:
    says(file, HEAD + LITTLE + MUCH.replace("S0GROWTH", "S0OTHERS"))

    said = policy(tmp_path, "simulate", "--file", file, "--since", "2026-03-03")

    assert "Of 1 request since 2026-03-03, 1 would have been decided otherwise" in said.output
    assert "by the defaults" in said.output
    assert "Whoever asked counts as in S0OTHERS only where that was looked up then." in said.output
    assert policy(tmp_path, "simulate", "--file", file, "--since", "yesterday").exit_code == 2


async def test_a_smaller_budget_fills_up_as_it_would_have(past: House, tmp_path: Path, file: Path) -> None:
    says(file, HEAD + BUDGET)

    said = policy(tmp_path, "simulate", "--file", file, "--since", "2026-03-03")

    assert "would have been refused, over the budget “Outreach”" in said.output
    assert "1 refused" in said.output
    roomy = BUDGET.replace('"30"', '"141.75"')  # 12.50 + 16.75 + 112.50
    says(file, HEAD + roomy)
    assert "refused, over" not in policy(tmp_path, "simulate", "--file", file).output
    says(file, HEAD + roomy.replace("141.75", "141.74"))
    assert "refused, over" in policy(tmp_path, "simulate", "--file", file).output


async def test_what_cannot_be_compared_is_counted(past: House, tmp_path: Path, file: Path) -> None:
    says(file, HEAD)
    await past.stops()
    with closing(sqlite3.connect(tmp_path / "postroom.db")) as writing, writing:
        writing.execute("UPDATE requests SET ruling = NULL WHERE quote LIKE '%16.75%'")
        writing.execute("UPDATE requests SET command = 'domain juggle' WHERE quote LIKE '%acme0%'")

    said = policy(tmp_path, "simulate", "--file", file)

    assert said.exit_code == 0
    assert "Of 1 request," in said.output
    assert "Not compared: 1 request from before rulings were kept." in said.output
    assert "Not compared: 1 request that this version of Postroom cannot read." in said.output


def test_it_is_a_command_of_postroom(tmp_path: Path, file: Path) -> None:
    says(file, HEAD)

    said = CliRunner().invoke(_cli(), ["policy", "simulate", "--file", str(file)], env={"POSTROOM_DATABASE": "no.db"})

    assert said.exit_code == 2
    assert "There is no database at no.db." in said.output
