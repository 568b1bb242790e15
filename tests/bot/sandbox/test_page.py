"""The page over the local workspace: over HTTP what may be asked and who is told what, in a browser how it works."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, expect
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import page
from bot.sandbox.markup import Words, as_sent, as_typed
from bot.sandbox.model import APP_TOKEN, BOT_TOKEN, BOT_USER_ID, SIGNING_SECRET, Shortcut, User
from bot.sandbox.screen import Screens
from bot.sandbox.server import Running, create_app, serve
from bot.sandbox.workspace import Workspace, default_workspace
from tests.browser import PATIENCE, launched, needs_browser

OUTREACH = "C0OUTREACH"
APPROVALS = "C0APPROVALS"
OURS = {"x-postroom-page": "1"}
COMMANDS = (
    page.SlashCommand("/domain buy", "<names>", "Buy one or more domains"),
    page.SlashCommand("/domain list", "", "Show the domains we have"),
    page.SlashCommand("/mailbox add", "<domain>", "Add mailboxes"),
)


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def section(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def option(value: str, words: str = "") -> dict[str, Any]:
    return {"text": plain(words or value), "value": value}


def button(action_id: str, words: str, **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "text": plain(words), **more}


def field(block_id: str, label: str, kind: str = "plain_text_input", **more: Any) -> dict[str, Any]:
    block_keys = {"hint", "optional", "dispatch_action"}
    element = {"type": kind, "action_id": "value", **{key: more[key] for key in more if key not in block_keys}}
    block = {key: more[key] for key in more if key in block_keys}
    return {"type": "input", "block_id": block_id, "label": plain(label), "element": element, **block}


def modal(title: str, callback_id: str, blocks: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"type": "modal", "title": plain(title), "callback_id": callback_id, "blocks": blocks, **more}


@pytest.fixture
def workspace() -> Workspace:
    """By the real clock: a browser knows no other. But nothing is late on it, however slow the machine."""
    workspace = default_workspace()
    workspace.app.ack_timeout = PATIENCE / 1000
    workspace.tickets.trigger_lifetime = timedelta(milliseconds=PATIENCE)
    return workspace


@pytest.fixture
async def running(workspace: Workspace) -> AsyncIterator[Running]:
    routes = page.routes(workspace, commands=COMMANDS)
    async with serve(workspace, app=create_app(workspace, more_routes=routes)) as served:
        yield served


@pytest.fixture
async def http(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as client:
        yield client


async def look(http: httpx.AsyncClient, who: str = "U0ANA", where: str = OUTREACH, **query: str) -> str:
    answer = await http.get("/", params={"as": who, "in": where, **query})
    assert answer.status_code == 200
    return answer.text


# --------------------------------------------------------------- what stands on the page


async def test_the_address_says_who_and_where_and_the_first_paint_has_the_messages(http, workspace):
    workspace.post(OUTREACH, "U0OMAR", "*Two* domains, please")
    bare = await http.get("/")
    assert bare.status_code == 307
    assert bare.headers["location"] == "/?as=U0ANA&in=C0OUTREACH"
    assert (await http.get("/?as=omar&in=nowhere")).headers["location"] == "/?as=U0OMAR&in=C0OUTREACH"
    html = await look(http)
    assert "<strong>Two</strong> domains, please" in html
    assert "#outreach as Ana Ruiz · Postroom · local workspace" in html


ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "<javascript:alert(1)|click>",
    '<https://a.test/"onmouseover=alert(1)|x>',
    "&lt;script&gt;alert(2)&lt;/script&gt;",
    "```</pre><script>alert(3)</script>```",
    "`<script>`",
    "*<script>*",
    "<@<script>>",
    "<!date^1^{date}<script>|<script>>",
    "<#C1|<b>x</b>>",
)


async def test_nothing_anybody_wrote_becomes_html(http, workspace):
    for number, attack in enumerate(ATTACKS):
        author = workspace.add_user(User(f"U0EVE{number}", f"eve{number}", attack), "outreach")
        workspace.post(OUTREACH, author.id, attack)
        workspace.post(OUTREACH, BOT_USER_ID, attack, blocks=every_block(attack), by_app=True)
        view = modal(attack, attack, [section(attack, block_id="m1"), field(attack, attack, placeholder=plain(attack))])
        opened = workspace.views.open("U0ANA", view | {"submit": plain(attack)})
        workspace.views.show_errors(opened, {attack: attack}, trouble=attack)
        html = await look(http)
        assert not re.findall(r"<(?:script(?! type=\"module\" src=\"/static/page.js\")|img|svg onload|b>)", html)
        assert not re.findall(r"<[^>]*\son\w+=", re.sub(r"\"[^\"]*\"", '""', html))
        assert 'href="javascript:' not in html


def every_block(words: str) -> tuple[dict[str, Any], ...]:
    cell = {"type": "raw_text", "text": words}
    inline = [{"type": "text", "text": words}, {"type": "link", "url": words, "text": words}]
    menu = {"type": "static_select", "action_id": words, "placeholder": plain(words), "options": [option(words)]}
    picture = {"type": "image", "image_url": "https://a.test/x.png", "alt_text": words, "title": plain(words)}
    confirm = {"title": plain(words), "text": plain(words), "confirm": plain(words), "deny": plain(words)}
    blocks = (
        {"type": "header", "text": plain(words)},
        section(words, fields=[plain(words)], accessory=button("x", words, value=words, confirm=confirm)),
        picture,
        {"type": "table", "rows": [[cell], [cell]]},
        {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": inline}]},
        {"type": "markdown", "text": words},
        {"type": "actions", "elements": [menu]},
    )
    return tuple({**block, "block_id": f"{words}{at}"} for at, block in enumerate(blocks))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("*bold* _italic_ ~gone~ `code`", "<strong>bold</strong> <em>italic</em> <s>gone</s> <code>code</code>"),
        ("a_b_c 2*3*4 snake_case_", "a_b_c 2*3*4 snake_case_"),
        ("*_both_*", "<strong><em>both</em></strong>"),
        ("`*not bold*`", "<code>*not bold*</code>"),
        ("```\na < b\n```", "<pre>a &lt; b</pre>"),
        ("&gt; said\nthen", "<blockquote>said</blockquote>then"),
        ("> said\n> twice", "<blockquote>said<br>\ntwice</blockquote>"),
        ("a &amp; b &lt;c&gt;", "a &amp; b &lt;c&gt;"),
        ("hi <@U0OMAR>", 'hi <span class="mention">@Omar Haddad</span>'),
        ("hi <@U0ANA>", 'hi <span class="mention you">@Ana Ruiz</span>'),
        ("<#C0OUTREACH>", '<span class="mention">#outreach</span>'),
        ("<!subteam^S0GROWTH>", '<span class="mention you">@growth</span>'),
        ("<!channel>", '<span class="mention you">@channel</span>'),
        (":white_check_mark: :nope:", "✅ :nope:"),
        (
            "<https://a.test|*A* & b>",
            'href="https://a.test" target="_blank" rel="noopener noreferrer nofollow"><strong>A</strong> &amp; b</a>',
        ),
        ("see https://a.test/x_y_z.", 'rel="noopener noreferrer nofollow">https://a.test/x_y_z</a>.'),
        (
            "<https://acme.slack.test/archives/C0OUTREACH/p1772442000000001|Thread>",
            '<a href="/?as=U0ANA&amp;in=C0OUTREACH&amp;thread=1772442000.000001" data-nav>Thread</a>',
        ),
        ("<https://acme.slack.test/archives/../p1|Thread>", 'href="https://acme.slack.test/archives/../p1" target='),
        ("<mailto:a@b.test>", ">a@b.test</a>"),
        ("<!date^0^{date_num} {time}|long ago>", ">1970-01-01 01:00</time>"),
        ("<!date^x^{date}|long ago>", "long ago"),
    ],
)
def test_mrkdwn_as_html(workspace, written, shown):
    assert shown in Words(workspace, "U0ANA").mrkdwn(written)


def test_verbatim_text_makes_no_links_of_its_own(workspace):
    said = {"type": "mrkdwn", "text": "*see* https://a.test <https://b.test|b>"}
    words = Words(workspace, "U0ANA")
    assert "https://a.test</a>" in words.text(said)
    verbatim = words.text(said | {"verbatim": True})
    assert "<strong>see</strong> https://a.test <a href" in verbatim


def test_what_a_person_types_is_escaped_and_names_become_references(workspace):
    assert as_typed(workspace, "<b> & @omar, in #outreach @nobody a@b.test @finance") == (
        "&lt;b&gt; &amp; <@U0OMAR>, in <#C0OUTREACH|outreach> @nobody a@b.test <!subteam^S0FINANCE>"
    )


def test_names_in_what_a_person_types_become_links_as_in_slack_but_not_in_code(workspace):
    assert as_sent(workspace, "acme.com, https://acme.co/x ana@acme.com `acme.ca` ```acme.biz\nacme.io```") == (
        "<http://acme.com|acme.com>, <https://acme.co/x> <mailto:ana@acme.com|ana@acme.com> `acme.ca`"
        " ```acme.biz\nacme.io```"
    )


def test_a_block_that_the_page_does_not_draw_is_named(workspace):
    window = Screens(workspace).window("U0ANA", "home", None)
    workspace.views.publish("U0ANA", {"type": "home", "blocks": [{"type": "brand_new", "block_id": "b"}]})
    assert "does not draw a “brand_new” block" in Screens(workspace).page(window)


# --------------------------------------------------------------- who may ask


async def test_a_foreign_host_name_gets_nothing(http):
    for host in ("evil.test", "evil.test:80", "127.0.0.1.evil.test", "", "["):
        for path in ("/", "/events?as=U0ANA&in=C0OUTREACH", "/static/page.js"):
            answer = await http.get(path, headers={"host": host})
            assert answer.status_code in {400, 403}
            assert "Ana" not in answer.text


async def test_the_names_of_this_machine_are_fine(http):
    for host in ("localhost", "localhost:1234", "127.0.0.1:1", "[::1]:8065"):
        assert (await http.get("/?as=U0ANA&in=C0OUTREACH", headers={"host": host})).status_code == 200


async def test_changes_are_taken_from_the_page_itself_only(http, workspace, running):
    body = {"as": "U0ANA", "in": OUTREACH, "text": "hello"}
    foreign = [
        {"json": body},
        {"json": body, "headers": {**OURS, "origin": "http://evil.test"}},
        {"json": body, "headers": {**OURS, "origin": "null"}},
        {"json": body, "headers": {**OURS, "origin": running.url.replace("127.0.0.1", "localhost")}},
        {"json": body, "headers": {**OURS, "host": "evil.test", "origin": "http://evil.test"}},
        {"content": json.dumps(body), "headers": {**OURS, "content-type": "text/plain"}},
        {"data": body, "headers": OURS},
    ]
    for request in foreign:
        assert (await http.post("/do/type", **request)).status_code == 403
    assert (await http.get("/do/type")).status_code == 405
    assert workspace.messages(OUTREACH) == []
    own = await http.post("/do/type", json=body, headers={**OURS, "origin": running.url})
    assert own.json() == {"ok": True}
    assert [message.text for message in workspace.messages(OUTREACH)] == ["hello"]


async def test_requests_that_make_no_sense_are_refused_in_a_sentence(http, workspace):
    async def post(deed: str, **body: Any) -> tuple[int, str]:
        answer = await http.post(f"/do/{deed}", json=body, headers=OURS)
        return answer.status_code, answer.json()["trouble"]

    secret = workspace.post(OUTREACH, BOT_USER_ID, "for Omar", ephemeral_to="U0OMAR")
    click = {"block_id": "b", "action_id": "a"}
    assert (await post("nothing"))[0] == 404
    assert (await post("type"))[0] == 400
    assert (await post("type", **{"as": "U0NOBODY", "in": OUTREACH, "text": "x"}))[0] == 400
    for target in ({"channel": OUTREACH, "ts": "1.0"}, {"channel": OUTREACH, "ts": secret.ts}, {"view": "V1"}):
        status, words = await post("click", **{"as": "U0ANA", **target, **click})
        assert (status, words.split(".")[0]) == (409, "That is not there any more")
    assert (
        await http.post("/do/type", content=b"{", headers=OURS | {"content-type": "application/json"})
    ).status_code == 400
    workspace.remove("#outreach", "finn")
    status, words = await post("type", **{"as": "U0FINN", "in": OUTREACH, "text": "x"})
    assert (status, words) == (409, "finn is not in #outreach.")


async def test_answers_carry_a_policy_that_forbids_inline_scripts_and_foreign_things(http):
    headers = (await http.get("/?as=U0ANA&in=C0OUTREACH")).headers
    assert "default-src 'none'; script-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


# --------------------------------------------------------------- who is told what


@contextlib.asynccontextmanager
async def stream(
    http: httpx.AsyncClient, who: str, where: str = OUTREACH, **query: str
) -> AsyncIterator[Callable[..., Any]]:
    """Reads a window's stream; `told()` answers all events up to the first quiet moment."""
    events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async with http.stream("GET", "/events", params={"as": who, "in": where, **query}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def read() -> None:
            name = ""
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    events.put_nowait((name, json.loads(line.removeprefix("data: "))))

        reading = asyncio.ensure_future(read())

        async def told() -> list[tuple[str, Any]]:
            found = [await asyncio.wait_for(events.get(), 5)]
            with contextlib.suppress(TimeoutError):
                while True:
                    found.append(await asyncio.wait_for(events.get(), 0.15))
            return found

        try:
            yield told
        finally:
            reading.cancel()


async def test_a_window_first_gets_everything_and_then_what_changes(http, workspace):
    before = workspace.post(OUTREACH, "U0ANA", "before")
    async with stream(http, "U0ANA") as told:
        [(name, regions)] = await told()
        assert name == "regions"
        assert set(regions) == {"sidebar", "banner", "place", "thread", "modal"}
        assert ">before<" in regions["place"]
        workspace.update(before, text="after", edited_ts="1")
        workspace.delete(workspace.post(OUTREACH, "U0OMAR", "never mind"))
        workspace.post(APPROVALS, "U0OMAR", "elsewhere")
        events = await told()
    assert [name for name, _ in events] == ["message", "removed", "regions"]
    assert ">after<" in events[0][1]["html"]
    assert "(edited)" in events[0][1]["html"]
    assert "1 unread" in events[2][1]["sidebar"]
    assert "elsewhere" not in json.dumps(events)


async def test_only_the_one_it_is_for_is_told(http, workspace):
    workspace.add_channel(workspace.channel("#general").__class__("C0SECRET", "secret", ("U0ANA",), is_private=True))
    workspace.dm("U0ANA"), workspace.dm("U0OMAR")
    async with stream(http, "U0ANA") as ana_is_told, stream(http, "U0OMAR") as omar_is_told:
        await ana_is_told(), await omar_is_told()
        note = workspace.post(OUTREACH, BOT_USER_ID, "sesame for Ana", ephemeral_to="U0ANA")
        workspace.update(note, text="sesame again")
        workspace.views.open("U0ANA", modal("Sesame", "x", [section("sesame modal", block_id="b")]))
        workspace.tell("U0ANA", "sesame notice")
        workspace.post("C0SECRET", "U0ANA", "sesame channel")
        workspace.post(workspace.dm("U0ANA").id, BOT_USER_ID, "sesame dm")
        for_ana = json.dumps(await ana_is_told())
        workspace.post(OUTREACH, "U0ANA", "for all")
        for_omar = json.dumps(await omar_is_told())
    assert all(word in for_ana for word in ("sesame again", "sesame modal", "sesame notice", "Only visible to you"))
    assert "for all" in for_omar
    assert "esame" not in for_omar
    assert "esame" not in await look(http, "U0OMAR")
    assert "esame" not in (await http.get("/?as=U0OMAR&in=C0SECRET", follow_redirects=True)).text


async def test_a_home_tab_and_a_thread_are_live(http, workspace):
    root = workspace.post(OUTREACH, "U0ANA", "root")
    async with stream(http, "U0ANA", "home") as home_is_told, stream(http, "U0OMAR", thread=root.ts) as thread_is_told:
        await home_is_told(), await thread_is_told()
        workspace.views.publish("U0ANA", {"type": "home", "blocks": [section("for Ana", block_id="b")]})
        workspace.post(OUTREACH, BOT_USER_ID, "reply", thread_ts=root.ts)
        assert "for Ana" in (await home_is_told())[0][1]["place"]
        events = dict(await thread_is_told())
    assert "1 reply" in re.sub(r"<[^>]+>", "", events["message"]["html"])
    assert "reply" in events["regions"]["thread"]


async def test_leaving_a_stream_leaves_nothing_behind(http, workspace):
    async with stream(http, "U0ANA") as told:
        await told()
        assert len(workspace._feeds) == 1
    for _ in range(50):
        if not workspace._feeds:
            break
        await asyncio.sleep(0.02)
    assert not workspace._feeds


async def test_a_server_that_stops_ends_its_streams_without_a_complaint(workspace, caplog):
    app = create_app(workspace, more_routes=page.routes(workspace))
    async with httpx.AsyncClient(trust_env=False) as client:
        async with serve(workspace, app=app) as served:
            request = client.build_request("GET", f"{served.url}/events?as=U0ANA&in={OUTREACH}")
            answer = await client.send(request, stream=True)
            lines = answer.aiter_lines()
            assert await anext(lines) == "retry: 1000"
        with contextlib.suppress(httpx.HTTPError):
            async for _ in lines:
                pass
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    assert not workspace._feeds


# --------------------------------------------------------------- in a browser


def card(state: str) -> list[dict[str, Any]]:
    confirm = {
        "title": plain("Spend $40.50?"),
        "text": plain("It is bought at once."),
        "confirm": plain("Buy"),
        "deny": plain("Wait"),
    }
    blocks = [{"type": "header", "text": plain("Buy 2 domains")}, section(state)]
    if state == "Waiting":
        buttons = [
            button("approve", "Approve", style="primary", confirm=confirm),
            button("deny", "Deny", style="danger"),
        ]
        more = {"type": "overflow", "action_id": "more", "options": [option("history", "Show the history")]}
        blocks.append({"type": "actions", "elements": [*buttons, more]})
    return blocks


def kinds() -> list[dict[str, Any]]:
    several = [option("a", "Alpha"), option("b", "Beta"), option("c", "Gamma")]
    return [
        field("radio", "Radio", "radio_buttons", options=several, initial_option=several[0]),
        field("checks", "Checks", "checkboxes", options=several, optional=True),
        field("one", "One", "static_select", options=several, placeholder=plain("Pick one")),
        field("many", "Many", "multi_static_select", options=several, optional=True),
        field("number", "Number", "number_input", is_decimal_allowed=False, max_value="9"),
        field("email", "Email", "email_text_input", optional=True),
        field("url", "Address", "url_text_input", optional=True),
        field("day", "Day", "datepicker", optional=True),
        field("time", "Time", "timepicker", optional=True),
        field("moment", "Moment", "datetimepicker", optional=True),
        field("user", "User", "users_select", optional=True),
        field("channel", "Channel", "conversations_select", optional=True),
        field("found", "Found", "external_select", min_query_length=1, optional=True),
        field("founds", "Several found", "multi_external_select", min_query_length=1, optional=True),
        field("file", "File", "file_input", optional=True),
    ]


def small_bot(running: Running, submitted: list[dict[str, Any]], priced: asyncio.Event) -> AsyncApp:
    """A bot like ours, without the rest: it asks in a modal, posts a card, and changes it on a click."""
    client = AsyncWebClient(BOT_TOKEN, base_url=running.api_url, retry_handlers=[])
    app = AsyncApp(client=client, signing_secret=SIGNING_SECRET, process_before_response=True)
    later: set[asyncio.Task[None]] = set()
    domains = field("domains", "Domains", multiline=True, hint=plain("One per line"), placeholder=plain("acme.com"))
    note = field("note", "Note", optional=True)
    submit = {"submit": plain("Check"), "close": plain("Cancel")}

    @app.command("/domain")
    async def opens(ack: Any, body: Any) -> None:
        if "list" in body["text"]:
            await ack("There is *one* domain: acme.com")
            return
        await ack()
        prefilled = field("domains", "Domains", multiline=True, hint=plain("One per line"), initial_value=body["text"])
        first = prefilled if body["text"] else domains
        await client.views_open(
            trigger_id=body["trigger_id"], view=modal("Buy domains", "buy", [first, note], **submit)
        )

    @app.command("/kinds")
    async def opens_kinds(ack: Any, body: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=modal("All kinds", "kinds", kinds(), **submit))

    @app.view("kinds")
    async def takes_kinds(ack: Any, body: Any) -> None:
        submitted.append({name: one["value"] for name, one in body["view"]["state"]["values"].items()})
        await ack()

    @app.view("buy")
    async def checks(ack: Any, body: Any) -> None:
        values = body["view"]["state"]["values"]
        if "taken.com" in values["domains"]["value"]["value"]:
            await ack(response_action="errors", errors={"domains": "taken.com belongs to somebody else."})
            return
        wait = {"submit": plain("Wait"), "submit_disabled": True}
        checking = modal("Checking", "buy", [section("Asking for prices…"), note], **wait)
        await ack(response_action="update", view=checking)

        async def fill() -> None:
            await priced.wait()
            review = modal("Review", "review", [section("Together *$40.50*"), note], submit=plain("Ask"))
            await client.views_update(view_id=body["view"]["id"], view=review)

        later.add(asyncio.ensure_future(fill()))

    @app.view("review")
    async def asks(ack: Any, body: Any) -> None:
        note = body["view"]["state"]["values"]["note"]["value"]["value"]
        if note == "sure?":
            view = modal("Sure?", "review", [section("Really?")], submit=plain("Really"))
            await ack(response_action="push", view=view)
            return
        await ack(response_action="clear")
        await client.chat_postMessage(channel=APPROVALS, text="Buy 2 domains", blocks=card("Waiting"))

    @app.action("approve")
    async def approves(ack: Any, body: Any) -> None:
        await ack()
        place = {"channel": body["channel"]["id"], "ts": body["message"]["ts"]}
        decided = card(f":white_check_mark: Approved by <@{body['user']['id']}>")
        await client.chat_update(**place, text="Approved", blocks=decided)
        await client.chat_postMessage(channel=place["channel"], thread_ts=place["ts"], text="Bought both.")

    @app.action("deny")
    async def may_not(ack: Any, respond: Any) -> None:
        await ack()
        await respond(text="Only Omar may do that.", replace_original=False, response_type="ephemeral")

    @app.action("more")
    async def history(ack: Any, body: Any, respond: Any) -> None:
        await ack()
        await respond(text=f"Chosen: {body['actions'][0]['selected_option']['value']}", replace_original=False)

    @app.options("value")
    async def offers(ack: Any, body: Any) -> None:
        names = ("Spring campaign", "Sprinklers", "Partners")
        await ack(options=[option(f"id-{one[:4]}", one) for one in names if body["value"].lower() in one.lower()])

    @app.event("app_home_opened")
    async def home(event: Any) -> None:
        blocks = [
            section(f"Welcome, <@{event['user']}>"),
            {"type": "actions", "elements": [button("new", "New request")]},
        ]
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})

    @app.action("new")
    async def new(ack: Any, body: Any) -> None:
        await ack()
        await client.views_open(
            trigger_id=body["trigger_id"], view=modal("Buy domains", "buy", [domains, note], **submit)
        )

    return app


@pytest.fixture
def submitted() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def priced() -> asyncio.Event:
    """Set as soon as the bot knows the prices: until then its modal is still checking."""
    return asyncio.Event()


@pytest.fixture
async def bot(
    running: Running, workspace: Workspace, submitted: list[dict[str, Any]], priced: asyncio.Event
) -> AsyncIterator[AsyncApp]:
    app = small_bot(running, submitted, priced)
    handler = AsyncSocketModeHandler(app, APP_TOKEN)
    await handler.connect_async()
    await workspace.wait_for_bot()
    yield app
    await handler.close_async()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with launched() as started:
        yield started


Opens = Callable[..., Any]


@pytest.fixture
async def opens(browser: Browser, running: Running) -> AsyncIterator[Opens]:
    """`await opens("U0ANA", OUTREACH)`: one more window. A mistake in its scripts fails the test."""
    complaints: list[str] = []

    async def window(who: str, where: str = OUTREACH, *, width: int = 1280, height: int = 800) -> Page:
        context = await browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(PATIENCE)
        shown = await context.new_page()
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        await shown.goto(f"{running.url}/?as={who}&in={where}")
        return shown

    yield window
    assert [one for one in complaints if "net::ERR_INTERNET_DISCONNECTED" not in one] == []


def composer(shown: Page) -> Locator:
    return shown.get_by_test_id("composer").get_by_role("combobox")


def message(shown: Page, words: str) -> Locator:
    return shown.get_by_test_id("message").filter(has_text=words)


@needs_browser
async def test_a_request_from_the_command_to_the_decision_in_two_windows(bot, opens, priced):
    ana, omar = await opens("U0ANA"), await opens("U0OMAR", APPROVALS)

    await composer(ana).fill("/domain taken.com")
    await composer(ana).press("Enter")
    dialog = ana.get_by_role("dialog", name="Buy domains")
    domains = dialog.get_by_role("textbox", name="Domains")
    await expect(domains).to_have_value("taken.com")
    await expect(domains).to_be_focused()
    await expect(dialog.get_by_text("One per line")).to_be_visible()

    await dialog.get_by_role("textbox", name="Note").fill("for spring")
    await dialog.get_by_role("button", name="Check").click()
    await expect(dialog.get_by_test_id("error")).to_have_text("taken.com belongs to somebody else.")
    await expect(domains).to_be_focused()
    await expect(domains).to_have_attribute("aria-invalid", "true")
    await expect(domains).to_have_accessible_description("taken.com belongs to somebody else. One per line")

    await domains.fill("acme-mail.com\nacme-hq.co")
    await expect(dialog.get_by_test_id("error")).to_have_count(0)
    await dialog.get_by_role("button", name="Check").click()
    await expect(ana.get_by_role("dialog", name="Checking")).to_be_visible()
    note = ana.get_by_role("textbox", name="Note")
    await note.press("End")
    await note.press_sequentially(", please")
    priced.set()
    review = ana.get_by_role("dialog", name="Review")
    await expect(review).to_be_visible()
    await expect(note).to_be_focused()
    await expect(note).to_have_value("for spring, please")
    await review.get_by_role("button", name="Ask").click()
    await expect(ana.get_by_test_id("modal")).to_be_hidden()
    await expect(composer(ana)).to_be_focused()
    await expect(ana.get_by_role("link", name="approvals 1 unread")).to_be_visible()

    await ana.get_by_role("link", name="approvals").click()
    await message(ana, "Buy 2 domains").get_by_role("button", name="Deny").click()
    await expect(message(ana, "Only Omar may do that.")).to_contain_text("Only visible to you")

    omars_card = message(omar, "Buy 2 domains")
    await expect(omars_card).to_have_count(1)
    await expect(message(omar, "Only Omar may do that.")).to_have_count(0)
    await omars_card.get_by_role("button", name="Approve").click()
    confirm = omar.get_by_role("dialog", name="Spend $40.50?")
    await expect(confirm).to_have_accessible_description("It is bought at once.")
    await confirm.get_by_role("button", name="Wait").click()
    await expect(confirm).to_be_hidden()
    approve = omars_card.get_by_role("button", name="Approve")
    await expect(approve).to_be_focused()
    await approve.click()
    await confirm.get_by_role("button", name="Buy").click()

    for shown in (ana, omar):
        changed = message(shown, "Approved by @Omar Haddad")
        await expect(changed.get_by_role("button")).to_have_count(0)
        await expect(changed).to_contain_text("✅")
        await expect(changed.get_by_role("link", name="1 reply")).to_be_visible()
    await ana.get_by_role("link", name="1 reply").click()
    thread = ana.get_by_test_id("thread")
    await expect(message(thread, "Bought both.")).to_be_visible()  # type: ignore[arg-type]
    await omar.get_by_role("link", name="1 reply").click()
    reply = omar.get_by_test_id("thread").get_by_role("textbox", name="Reply in thread")
    await expect(reply).to_be_focused()
    await reply.fill("Thanks <b>you</b> @ana")
    await reply.press("Enter")
    await expect(thread.get_by_test_id("message").last).to_contain_text("Thanks <b>you</b> @Ana Ruiz")
    await ana.get_by_role("link", name="Close thread").click()
    await expect(thread).to_be_hidden()


@needs_browser
async def test_every_kind_of_field_by_keyboard_and_mouse(bot, opens, submitted, workspace):
    ana = await opens("U0ANA")
    await composer(ana).fill("/kinds")
    await composer(ana).press("Enter")
    dialog = ana.get_by_role("dialog", name="All kinds")
    await dialog.get_by_role("button", name="Check").click()
    await expect(dialog.get_by_test_id("error")).to_have_text(["Please complete this required field."] * 2)

    await dialog.get_by_role("radio", name="Beta").check()
    await dialog.get_by_role("group", name="Checks").get_by_role("checkbox", name="Gamma").check()
    await dialog.get_by_role("combobox", name="One").select_option("Beta")
    await dialog.get_by_role("group", name="Many").get_by_role("checkbox", name="Alpha").check()
    await dialog.get_by_role("group", name="Many").get_by_role("checkbox", name="Gamma").check()
    await dialog.get_by_role("textbox", name="Number").fill("12")
    await dialog.get_by_role("textbox", name="Email").fill("ana@acme.test")
    await dialog.get_by_role("textbox", name="Address").fill("https://acme.test")
    await dialog.get_by_label("Day (optional)", exact=True).fill("2026-03-04")
    await dialog.get_by_label("Time (optional)", exact=True).fill("15:30")
    await dialog.get_by_label("Moment (optional)", exact=True).fill("2026-03-04T15:30")
    await dialog.get_by_role("combobox", name="User").select_option("Omar Haddad")
    await dialog.get_by_role("combobox", name="Channel").select_option("#approvals")
    found = dialog.get_by_role("combobox", name="Found (optional)", exact=True)
    await found.press_sequentially("spr")
    offered = dialog.get_by_role("listbox", name="Found").get_by_role("option")
    await expect(offered).to_have_text(["Spring campaign", "Sprinklers"])
    await found.press("ArrowDown")
    await found.press("ArrowDown")
    await found.press("Enter")
    await expect(dialog.get_by_role("button", name="Remove Sprinklers")).to_be_visible()
    several = dialog.get_by_role("combobox", name="Several found")
    for words in ("part", "spring"):
        await several.press_sequentially(words)
        await offered.first.click()
    await dialog.get_by_role("button", name="Remove Partners").click()
    file = dialog.get_by_label("File (optional)", exact=True)
    await file.set_input_files(
        [{"name": f"{n}.txt", "mimeType": "text/plain", "buffer": b"Gr\xc3\xbc\xc3\x9fe"} for n in "ab"]
    )
    await dialog.get_by_role("button", name="Remove a.txt").click()
    await expect(dialog.get_by_role("button", name="Remove a.txt")).to_be_hidden()
    await expect(dialog.get_by_role("button", name="Remove b.txt")).to_be_visible()
    await dialog.get_by_role("button", name="Check").click()
    await expect(dialog.get_by_test_id("error")).to_have_text("Please enter a number of at most 9.")
    await dialog.get_by_role("textbox", name="Number").fill("3")
    await dialog.get_by_role("textbox", name="Number").press("Enter")
    await expect(ana.get_by_test_id("modal")).to_be_hidden()

    [values] = submitted
    chosen = {name: state["selected_option"]["value"] for name, state in values.items() if "selected_option" in state}
    assert chosen == {"radio": "b", "one": "b", "found": "id-Spri"}
    several_chosen = {
        name: [one["value"] for one in state["selected_options"]]
        for name, state in values.items()
        if "selected_options" in state
    }
    assert several_chosen == {"checks": ["c"], "many": ["a", "c"], "founds": ["id-Spri"]}
    assert (values["number"]["value"], values["email"]["value"]) == ("3", "ana@acme.test")
    [attached] = values["file"]["files"]
    assert (attached["name"], attached["size"], attached["filetype"]) == ("b.txt", 7, "txt")
    assert (values["day"]["selected_date"], values["time"]["selected_time"]) == ("2026-03-04", "15:30")
    assert values["moment"]["selected_date_time"] == 1772634600  # half past three in Berlin, where Ana is
    assert (values["user"]["selected_user"], values["channel"]["selected_conversation"]) == ("U0OMAR", APPROVALS)


@needs_browser
async def test_commands_are_offered_and_a_stack_of_modals_is_closed(bot, opens, priced, workspace):
    priced.set()
    ana = await opens("U0ANA")
    box = composer(ana)
    await box.press_sequentially("/dom")
    options = ana.get_by_role("option")
    await expect(options).to_have_text([re.compile("/domain buy.*<names>", re.S), re.compile("/domain list", re.S)])
    await box.press("ArrowDown")
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    await box.press("Enter")
    await expect(box).to_have_value("/domain list ")
    await box.press("Enter")
    await expect(message(ana, "There is one domain: acme.com")).to_contain_text("Only visible to you")

    await box.fill("/domain buy")
    await box.press("Escape")
    await box.press("Enter")
    dialog = ana.get_by_test_id("modal")
    await dialog.get_by_role("textbox", name="Domains").fill("acme.com")
    await dialog.get_by_role("textbox", name="Note").fill("sure?")
    await dialog.get_by_role("button", name="Check").click()
    await dialog.get_by_role("button", name="Ask").click()
    await expect(dialog.get_by_role("heading")).to_have_text("Sure?")
    await ana.keyboard.press("Escape")
    await expect(dialog.get_by_role("heading")).to_have_text("Review")
    await dialog.get_by_role("button", name="Ask").click()
    await dialog.get_by_role("button", name="Close dialog").click()
    await expect(dialog).to_be_hidden()
    assert workspace.views.top("U0ANA") is None
    await expect(box).to_be_focused()


@needs_browser
async def test_the_home_tab_the_switch_of_persons_and_a_menu(bot, opens, workspace):
    workspace.post(APPROVALS, BOT_USER_ID, "card", blocks=(), by_app=True)
    ana = await opens("U0ANA")
    await ana.get_by_role("link", name="Postroom home").click()
    home = ana.get_by_test_id("home")
    await expect(home).to_contain_text("Welcome, @Ana Ruiz")
    await home.get_by_role("button", name="New request").click()
    await expect(ana.get_by_role("dialog", name="Buy domains")).to_be_visible()
    await ana.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await expect(ana.get_by_test_id("modal")).to_be_hidden()

    await ana.get_by_role("link", name="Omar").click()
    await expect(home).to_contain_text("Welcome, @Omar Haddad")
    await expect(ana).to_have_url(re.compile("as=U0OMAR&in=home"))
    await ana.go_back()
    await expect(home).to_contain_text("Welcome, @Ana Ruiz")

    await workspace_card(workspace)
    await ana.get_by_role("link", name="approvals").click()
    await ana.get_by_role("button", name="More actions").focus()
    await ana.keyboard.press("Enter")
    await expect(ana.get_by_role("menuitem", name="Show the history")).to_be_focused()
    await ana.keyboard.press("Enter")
    await expect(message(ana, "Chosen: history")).to_be_visible()


async def workspace_card(workspace: Workspace) -> None:
    client = AsyncWebClient(BOT_TOKEN, base_url=f"{workspace.base_url}/api/", retry_handlers=[])
    await client.chat_postMessage(channel=APPROVALS, text="Buy 2 domains", blocks=card("Waiting"))


@needs_browser
async def test_without_a_bot_people_are_told_and_after_a_gap_the_window_catches_up(opens, workspace, running):
    ana = await opens("U0ANA")
    await expect(ana.get_by_text("Postroom is not connected.")).to_be_visible()
    await composer(ana).fill("/domain buy")
    await composer(ana).press("Escape")
    await composer(ana).press("Enter")
    await expect(message(ana, "failed because the app did not respond")).to_contain_text("Only visible to you")
    workspace.post(
        OUTREACH,
        BOT_USER_ID,
        "card",
        by_app=True,
        blocks=tuple({**block, "block_id": f"b{at}"} for at, block in enumerate(card("Waiting"))),
    )
    await ana.get_by_role("button", name="Deny").click()
    await expect(ana.get_by_test_id("notices")).to_contain_text("Apps need to respond within three seconds")

    await ana.context.set_offline(True)
    await ana.evaluate("() => fetch('/').catch(() => null)")
    workspace.post(OUTREACH, "U0OMAR", "while you were away")
    await ana.context.set_offline(False)
    await expect(message(ana, "while you were away")).to_be_visible()


@needs_browser
async def test_on_a_phone_the_sidebar_is_a_drawer_and_a_thread_covers_the_channel(opens, workspace):
    root = workspace.post(OUTREACH, "U0OMAR", "Which <script>document.title='broken'</script> ones?")
    workspace.post(OUTREACH, "U0ANA", "These", thread_ts=root.ts)
    finn = await opens("U0FINN", width=390, height=844)
    await expect(message(finn, "<script>document.title='broken'</script>")).to_be_visible()
    assert await finn.evaluate("document.documentElement.scrollWidth") == 390
    sidebar = finn.get_by_role("complementary", name="Workspace")
    await expect(sidebar).to_be_hidden()
    await finn.get_by_role("button", name="Open menu").click()
    await expect(sidebar.get_by_role("link", name="outreach")).to_be_focused()
    await finn.keyboard.press("Escape")
    await expect(sidebar).to_be_hidden()
    await finn.get_by_role("link", name="1 reply").click()
    await expect(finn.get_by_test_id("thread")).to_be_visible()
    await expect(composer(finn)).to_be_hidden()
    assert await finn.evaluate("document.documentElement.scrollWidth") == 390
    await finn.get_by_role("link", name="Close thread").click()
    await expect(composer(finn)).to_be_focused()


@needs_browser
async def test_shortcuts_stand_beside_the_composer_and_in_the_menu_of_a_message(opens, workspace, bot, submitted):
    workspace.app.shortcuts = (
        Shortcut("global", "ask", "Ask it", "From anywhere"),
        Shortcut("message", "from", "Use this", "With what stands there"),
    )

    @bot.shortcut("ask")
    async def asks(ack: Any, client: Any, body: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=modal("Asked", "asked", [section("What?")]))

    @bot.shortcut({"type": "message_action", "callback_id": "from"})
    async def uses(ack: Any, client: Any, body: Any) -> None:
        await ack()
        shown = modal("Used", "used", [section(f"Of {body['message']['text']}")])
        await client.views_open(trigger_id=body["trigger_id"], view=shown)

    workspace.post(OUTREACH, BOT_USER_ID, "for you", by_app=True, ephemeral_to="U0ANA")
    workspace.post(OUTREACH, "U0OMAR", "these two")
    ana = await opens("U0ANA")

    await ana.get_by_role("button", name="Shortcuts").click()
    await expect(ana.get_by_role("menuitem", name="Ask it From anywhere")).to_be_focused()
    await ana.keyboard.press("Enter")
    await expect(ana.get_by_role("dialog", name="Asked")).to_contain_text("What?")
    await ana.get_by_role("button", name="Close", exact=True).click()

    said = message(ana, "these two")
    await said.hover()
    await said.get_by_role("button", name="More actions").click()
    await said.get_by_role("menuitem", name="Use this").click()
    await expect(ana.get_by_role("dialog", name="Used")).to_contain_text("Of these two")
    await expect(message(ana, "for you").get_by_role("button", name="More actions")).to_have_count(0)
