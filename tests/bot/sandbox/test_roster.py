"""People and groups that change: through the workspace, as the Web API tells it, and by the controls of the page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, get_args

import httpx
import pytest
from playwright.async_api import expect
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import page
from bot.sandbox.model import BOT_TOKEN, BOT_USER_ID, OTHER_TEAM_ID, SLACKBOT_ID, TEAM_ID, Standing
from bot.sandbox.server import Running, create_app, serve
from bot.sandbox.workspace import Workspace, default_workspace
from tests.browser import PATIENCE, launched, needs_browser

ROSTER = "/?as=U0ANA&in=people"


@pytest.fixture
def workspace() -> Workspace:
    """By the real clock: a browser knows no other."""
    return default_workspace()


@pytest.fixture
async def running(workspace: Workspace) -> AsyncIterator[Running]:
    async with serve(workspace, app=create_app(workspace, more_routes=page.routes(workspace))) as served:
        yield served


@pytest.fixture
async def http(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    ours = {"x-postroom-page": "1"}
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, headers=ours) as client:
        yield client


@pytest.fixture
def client(running: Running) -> AsyncWebClient:
    return AsyncWebClient(BOT_TOKEN, base_url=running.api_url, retry_handlers=[])


TRAITS = ("deleted", "is_restricted", "is_ultra_restricted", "is_stranger")
SHOWN: dict[Standing, tuple[str, ...]] = {
    "member": (),
    "guest": ("is_restricted",),
    "single_channel_guest": ("is_restricted", "is_ultra_restricted"),
    "stranger": ("is_stranger",),
    "deactivated": ("deleted",),
}


@pytest.mark.parametrize("standing", get_args(Standing))
async def test_what_somebody_is_shows_in_users_info_and_can_be_taken_back(
    client: AsyncWebClient, workspace: Workspace, standing: Standing
) -> None:
    async def traits() -> tuple[tuple[str, ...], str]:
        user: dict[str, Any] = (await client.users_info(user="U0OMAR"))["user"]
        return tuple(trait for trait in TRAITS if user[trait]), user["team_id"]

    assert workspace.set_standing("omar", standing).standing == standing
    assert await traits() == (SHOWN[standing], OTHER_TEAM_ID if standing == "stranger" else TEAM_ID)
    workspace.set_standing("omar", "member")
    assert await traits() == ((), TEAM_ID)


async def test_slack_does_not_call_its_own_bot_one(client: AsyncWebClient) -> None:
    assert not (await client.users_info(user=SLACKBOT_ID))["user"]["is_bot"]
    assert (await client.users_info(user=BOT_USER_ID))["user"]["is_bot"]


async def test_who_comes_back_is_what_they_were_before(workspace: Workspace) -> None:
    workspace.set_standing("omar", "guest")
    assert workspace.deactivate("omar").standing == "deactivated"
    with pytest.raises(PermissionError):
        await workspace.person("omar").types("hello", channel="#outreach")

    assert workspace.reactivate("omar").standing == "guest"
    await workspace.person("omar").types("hello", channel="#outreach")
    assert [message.text for message in workspace.messages("C0OUTREACH")] == ["hello"]


async def test_a_disabled_group_is_found_only_where_somebody_asks_for_disabled_ones(
    client: AsyncWebClient, workspace: Workspace
) -> None:
    async def listed(**options: Any) -> dict[str, int]:
        found = (await client.usergroups_list(**options))["usergroups"]
        return {group["handle"]: group["date_delete"] for group in found}

    workspace.disable_group("@finance")
    assert await listed() == {"growth": 0}
    assert (await listed(include_disabled=True))["finance"] > 0
    with pytest.raises(SlackApiError, match="no_such_subteam"):
        await client.usergroups_users_list(usergroup="S0FINANCE")
    disabled = await client.usergroups_users_list(usergroup="S0FINANCE", include_disabled=True)
    assert disabled["users"] == ["U0OMAR"]

    workspace.enable_group("finance")
    assert (await client.usergroups_users_list(usergroup="S0FINANCE"))["users"] == ["U0OMAR"]
    workspace.remove_group("finance")
    with pytest.raises(SlackApiError, match="no_such_subteam"):
        await client.usergroups_users_list(usergroup="S0FINANCE", include_disabled=True)
    with pytest.raises(KeyError):
        workspace.group("finance")


async def test_the_page_changes_people_and_groups(http: httpx.AsyncClient, workspace: Workspace) -> None:
    async def does(deed: str, **body: Any) -> tuple[int, str]:
        answer = await http.post(f"/do/{deed}", json={"as": "U0ANA", **body})
        return answer.status_code, answer.json().get("trouble", "")

    assert await does("standing", user="U0OMAR", value="guest") == (200, "")
    assert workspace.user("omar").standing == "guest"
    assert await does("membership", group="S0FINANCE", user="U0ANA", value=True) == (200, "")
    assert await does("membership", group="S0FINANCE", user="U0ANA", value=True) == (200, "")
    assert await does("membership", group="S0FINANCE", user="U0OMAR", value=False) == (200, "")
    assert workspace.group("finance").members == ("U0ANA",)
    assert await does("group", group="S0FINANCE", value=False) == (200, "")
    assert workspace.group("finance").date_delete

    status, words = await does("standing", user="U0ANA", value="deactivated")
    assert (status, words) == (409, "Nobody changes what they are themselves. Act as somebody else first.")
    for nonsense in (
        {"user": "U0OMAR", "value": "king"},
        {"user": BOT_USER_ID, "value": "guest"},
        {"user": "U0NOBODY", "value": "guest"},
    ):
        assert (await does("standing", **nonsense))[0] == 400
    assert (await does("group", group="S0GONE", value=True))[0] == 400
    assert (await does("membership", group="S0FINANCE", user="U0NOBODY", value=True))[0] == 400


async def test_whoever_is_deactivated_can_do_nothing_more_in_the_window_they_have_open(
    http: httpx.AsyncClient, workspace: Workspace
) -> None:
    workspace.deactivate("omar")
    for deed, body in (("type", {"in": "C0OUTREACH", "text": "hello"}), ("home", {})):
        answer = await http.post(f"/do/{deed}", json={"as": "U0OMAR", **body})
        assert answer.status_code == 409
        assert answer.json()["trouble"] == "The account of omar is deactivated."
    assert workspace.messages("C0OUTREACH") == []


async def test_mentions_reach_a_command_as_references_only_where_the_app_has_it_escaped(
    http: httpx.AsyncClient, workspace: Workspace
) -> None:
    workspace.app.escaped = frozenset({"/postroom"})
    workspace.app.ack_timeout = 0.01
    for text in ("/postroom away <3 @finn see acme.com", "/domain buy <3 @finn acme.com", "/postroom"):
        await http.post("/do/type", json={"as": "U0ANA", "in": "C0OUTREACH", "text": text})

    assert [sent.payload["text"] for sent in workspace.delivery.log] == [
        "away &lt;3 <@U0FINN> see <http://acme.com|acme.com>",
        "buy <3 @finn acme.com",
        "",
    ]


@needs_browser
async def test_one_window_looks_after_people_while_others_see_it_at_once(
    running: Running, workspace: Workspace
) -> None:
    group = workspace.post("C0OUTREACH", "U0OMAR", "Ask <!subteam^S0FINANCE> or <@U0FINN>.")
    async with launched() as browser:
        ana, omar, phone = [
            await (await browser.new_context(viewport={"width": width, "height": 844})).new_page()
            for width in (1280, 1280, 390)
        ]
        for window in (ana, omar, phone):
            window.set_default_timeout(PATIENCE)
        await omar.goto(f"{running.url}/?as=U0OMAR&in=C0OUTREACH")
        await ana.goto(f"{running.url}/?as=U0ANA&in=C0OUTREACH")
        assert "@finance or @Finn Larsen" in await ana.get_by_test_id("message").inner_text()

        await ana.get_by_role("link", name="People and groups").click()
        roster = ana.get_by_test_id("roster")
        await expect(ana).to_have_url(re.compile("in=people"))
        await expect(ana).to_have_title(re.compile("People and groups as Ana Ruiz"))
        await roster.get_by_label("Finn Larsen @finn").select_option("Single-channel guest")
        await expect(ana.get_by_test_id("act-as").get_by_role("listitem").nth(2)).to_contain_text("guest")
        finance = roster.get_by_test_id("roster-group").filter(has_text="@finance")
        await finance.get_by_label("Ana Ruiz").check()
        await expect(finance.get_by_label("Ana Ruiz")).to_be_checked()
        await finance.get_by_label("Enabled").uncheck()
        await expect(finance).to_contain_text("@finance, disabled")
        await roster.get_by_label("Omar Haddad @omar").select_option("Deactivated")
        await expect(ana.get_by_test_id("act-as").get_by_role("listitem")).to_have_count(2)

        await expect(omar.get_by_text("The account of Omar Haddad is deactivated.")).to_be_visible()
        assert workspace.user("finn").standing == "single_channel_guest"
        assert set(workspace.group("finance").members) == {"U0OMAR", "U0ANA"}

        await phone.goto(f"{running.url}{ROSTER}")
        await expect(phone.get_by_test_id("roster")).to_be_visible()
        assert await phone.evaluate("document.documentElement.scrollWidth") == 390
        await phone.goto(f"{running.url}/?as=U0ANA&in=C0OUTREACH")
        await expect(phone.locator(f"#m-{group.ts.replace('.', '-')} .mention.you")).to_have_text("@finance")


@needs_browser
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
async def test_a_menu_on_the_last_card_opens_where_it_can_be_read(
    running: Running, workspace: Workspace, width: int, height: int
) -> None:
    options = [{"text": {"type": "plain_text", "text": f"Thing {at}"}, "value": str(at)} for at in range(5)]
    press = {"type": "button", "text": {"type": "plain_text", "text": "A button that is as wide as it gets"}}
    elements = [press | {"action_id": "press"}, {"type": "overflow", "action_id": "more", "options": options}]
    blocks = ({"type": "actions", "block_id": "deeds", "elements": elements},)
    workspace.app.ack_timeout = 0.01
    workspace.post(workspace.dm("omar").id, BOT_USER_ID, "card", blocks=blocks, by_app=True)
    async with launched() as browser:
        omar = await browser.new_page(viewport={"width": width, "height": height})
        await omar.goto(f"{running.url}/?as=U0OMAR&in=D0OMAR")
        await omar.get_by_role("button", name="More actions").click(timeout=PATIENCE)
        for at in range(5):
            await expect(omar.get_by_role("menuitem", name=f"Thing {at}")).to_be_in_viewport(ratio=1)
        await omar.get_by_role("menuitem", name="Thing 4").click(timeout=PATIENCE)
        await expect(omar.get_by_role("menu")).to_be_hidden()

    [sent] = [one.payload for one in workspace.delivery.log if one.payload.get("type") == "block_actions"]
    assert sent["actions"][0]["selected_option"]["value"] == "4"
    assert sent["channel"]["id"] == "D0OMAR"
