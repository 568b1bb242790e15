"""Who may act and who belongs to a group, asked of a Slack that changes its mind, dawdles and breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.faults import Fault
from bot.sandbox.model import BOT_TOKEN, BOT_USER_ID, SLACKBOT_ID, TEAM_ID, User
from bot.sandbox.server import serve
from bot.sandbox.workspace import Workspace, default_workspace
from handlers.slack import people
from handlers.slack.people import SlackDirectory
from handlers.who import DirectoryUnavailable
from tests.house import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def workspace(clock: HandClock) -> Workspace:
    return default_workspace(clock=clock)


@pytest.fixture
async def directory(workspace: Workspace, clock: HandClock) -> AsyncIterator[SlackDirectory]:
    async with serve(workspace) as running:
        client = AsyncWebClient(BOT_TOKEN, base_url=running.api_url, retry_handlers=[])
        yield SlackDirectory(client, clock, TEAM_ID)


def asked(workspace: Workspace, method: str) -> int:
    return sum(1 for call in workspace.calls if call.method == method)


@pytest.mark.parametrize(
    ("traits", "active"),
    [
        ({}, True),
        ({"deleted": True}, False),
        ({"is_bot": True}, False),
        ({"is_restricted": True}, False),
        ({"is_restricted": True, "is_ultra_restricted": True}, False),
        ({"team_id": "T0ELSEWHERE"}, False),
    ],
    ids=str,
)
async def test_only_a_full_member_who_is_still_here_is_active(
    workspace: Workspace, directory: SlackDirectory, traits: dict[str, object], active: bool
) -> None:
    workspace.add_user(replace(User("U0EVA", "eva", "Eva Stein"), **traits))  # type: ignore[arg-type]

    assert await directory.is_active("U0EVA") is active


@pytest.mark.parametrize("nobody", [BOT_USER_ID, SLACKBOT_ID, "U0NOBODY", "W0", "not an id"])
async def test_bots_and_nobodies_are_not_active(directory: SlackDirectory, nobody: str) -> None:
    assert not await directory.is_active(nobody)


async def test_a_colleague_of_the_same_organization_is_active_where_they_also_belong(directory: SlackDirectory) -> None:
    class Organization:
        async def users_info(self, *, user: str) -> dict[str, object]:
            teams = {"U0HERE": ["T0HOME", TEAM_ID], "U0THERE": ["T0HOME"]}[user]
            return {"user": {"id": user, "team_id": "T0HOME", "enterprise_user": {"id": user, "teams": teams}}}

    directory = SlackDirectory(Organization(), HandClock(), TEAM_ID)  # type: ignore[arg-type]

    assert await directory.is_active("U0HERE")
    assert not await directory.is_active("U0THERE")


async def test_a_deactivated_person_is_noticed_within_a_minute_and_asked_for_once_until_then(
    workspace: Workspace, directory: SlackDirectory, clock: HandClock
) -> None:
    assert await directory.is_active("U0OMAR")
    workspace.deactivate("omar")
    clock.advance(seconds=59)
    assert await directory.is_active("U0OMAR")
    assert asked(workspace, "users.info") == 1

    clock.advance(seconds=1)
    assert not await directory.is_active("U0OMAR")
    workspace.reactivate("omar")
    clock.advance(seconds=60)
    assert await directory.is_active("U0OMAR")


async def test_a_clock_that_was_set_back_does_not_stretch_the_minute(
    workspace: Workspace, directory: SlackDirectory, clock: HandClock
) -> None:
    assert await directory.is_active("U0OMAR")
    workspace.deactivate("omar")
    clock.advance(hours=-3)

    assert not await directory.is_active("U0OMAR")


async def test_many_who_ask_the_same_wait_for_one_call(workspace: Workspace, directory: SlackDirectory) -> None:
    workspace.faults.add("users.info", Fault.slow(0.1), times=None)
    workspace.faults.add("usergroups.users.list", Fault.slow(0.1), times=None)

    active = await asyncio.gather(*(directory.is_active("U0OMAR") for _ in range(20)))
    members = await asyncio.gather(*(directory.members("S0FINANCE") for _ in range(20)))

    assert active == [True] * 20
    assert members == [frozenset({"U0OMAR"})] * 20
    assert asked(workspace, "users.info") == asked(workspace, "usergroups.users.list") == 1


BROKEN = (
    Fault.rate_limited(30),
    Fault.server_error(),
    Fault.cut_before(),
    Fault.cut_after(),
    Fault.error("internal_error"),
    Fault.error("missing_scope"),
    Fault.slow(30),
)


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: f"{fault.kind}-{fault.code}")
async def test_what_slack_does_not_say_is_neither_yes_nor_no_and_is_asked_again(
    workspace: Workspace, directory: SlackDirectory, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "PATIENCE", 0.3)
    for method in ("users.info", "usergroups.users.list"):
        workspace.faults.add(method, fault, times=None)  # the HTTP library repeats a reading call that was cut

    with pytest.raises(DirectoryUnavailable, match="user U0OMAR: "):
        await directory.is_active("U0OMAR")
    with pytest.raises(DirectoryUnavailable, match="user group S0FINANCE: "):
        await directory.members("S0FINANCE")

    workspace.faults.clear()
    assert await directory.is_active("U0OMAR")
    assert await directory.members("S0FINANCE") == {"U0OMAR"}


async def test_a_slow_slack_is_given_up_while_the_click_can_still_be_answered(
    workspace: Workspace, directory: SlackDirectory
) -> None:
    workspace.faults.add("users.info", Fault.slow(30), times=None)
    began = asyncio.get_running_loop().time()

    answers = await asyncio.gather(*(directory.is_active("U0OMAR") for _ in range(3)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [DirectoryUnavailable] * 3
    assert asyncio.get_running_loop().time() - began < 2.5


async def test_nobody_is_in_a_group_that_is_disabled_or_gone(
    workspace: Workspace, directory: SlackDirectory, clock: HandClock
) -> None:
    assert await directory.members("S0GONE") == frozenset()
    assert await directory.members("S0GROWTH") == {"U0ANA", "U0FINN"}

    workspace.disable_group("growth")
    clock.advance(seconds=60)
    assert await directory.members("S0GROWTH") == frozenset()

    workspace.enable_group("growth")
    workspace.set_group("growth", ["omar"])
    clock.advance(seconds=60)
    assert await directory.members("S0GROWTH") == {"U0OMAR"}


async def test_no_more_is_remembered_than_so_many(
    workspace: Workspace, directory: SlackDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "MOST_REMEMBERED", 2)
    for one in ("U0ANA", "U0OMAR", "U0ANA", "U0FINN"):  # Omar is the one asked for the longest ago
        assert await directory.is_active(one)
    assert asked(workspace, "users.info") == 3

    assert await directory.is_active("U0ANA")
    assert asked(workspace, "users.info") == 3
    assert await directory.is_active("U0OMAR")
    assert asked(workspace, "users.info") == 4


async def test_the_time_zone_is_the_persons_own_and_utc_where_slack_does_not_say(
    workspace: Workspace, directory: SlackDirectory, clock: HandClock
) -> None:
    workspace.add_user(User("U0EVA", "eva", "Eva Stein", tz="America/Los_Angeles"))
    workspace.add_user(User("U0ODD", "odd", "Odd Place", tz="Mars/../Olympus"))
    workspace.add_user(User("U0NOT", "not", "Not Said", tz=""))

    assert await directory.time_zone("U0EVA") == "America/Los_Angeles"
    assert await directory.time_zone("U0ODD") == "UTC"
    assert await directory.time_zone("U0NOT") == "UTC"
    assert await directory.time_zone("U0NOBODY") == "UTC"
    workspace.faults.add("users.info", Fault.server_error())
    assert await directory.time_zone("U0ANA") == "UTC"
