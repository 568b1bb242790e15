"""Tokens and passwords appear nowhere: in no log, error, database row, message or view."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from bot import app
from bot.logs import configure_logging
from bot.sandbox.faults import Fault as SlackFault
from bot.settings import ApprovalSettings, LoggingSettings
from providers.accounts import AccountSettings
from providers.mailin.sandbox import SANDBOX_EMAIL, SANDBOX_PASSWORD, Fault, Work
from tests.house import House, Modal, Person, open_house, reading


class Everything(logging.Handler):
    """Keeps all that is logged, with its traceback and arguments, and what was raised."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            error: BaseException | None = record.exc_info[1]
            while error is not None:
                self.errors.append(f"{error!r} {error}")
                error = error.__cause__ or error.__context__


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """The log of everything at debug, libraries included, as the operator would have it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def switch_on(house: House, stream: io.StringIO) -> Everything:
    """Log everything: to `stream` as the process would, and every exception aside."""
    configure_logging(LoggingSettings(level="debug", format="json"), stream, house.settings.secrets())
    structlog.configure(cache_logger_on_first_use=False)  # or the loggers of this process would stay as they are now
    aside = Everything()
    logging.getLogger().addHandler(aside)
    return aside


def files_in(folder: Path) -> str:
    """Every byte that was written there."""
    return "".join(path.read_bytes().decode("latin-1") for path in folder.iterdir())


def with_password(house: House, password: str) -> dict[str, AccountSettings]:
    account = house.settings.accounts["mailin-main"]
    return {"mailin-main": account.model_copy(update={"password": SecretStr(password)})}


async def test_a_day_of_mishaps_tells_no_secret(tmp_path: Path, logged: io.StringIO) -> None:
    async with open_house(tmp_path, starts=False, quiet=False) as house:
        aside = switch_on(house, logged)
        await house.starts()
        tokens = set[str]()

        async def mishap(fault: Fault, *operations: str, times: int = 1) -> None:
            for operation in operations:
                house.mailin.faults.add(operation, fault, times=times)

        # All goes well, once.
        await house.approved(house.ana, "acme.com", "acme.co")
        await house.runs_for(minutes=5)
        tokens |= set(house.mailin._tokens)

        # The provider fails in every way.
        for number, fault in enumerate(
            [
                Fault.cut_after(),
                Fault.malformed(),
                Fault.answers(500, work=Work.HALF),
                Fault.answers(429),
                Fault.cut_before(),
            ]
        ):
            story = await house.asks(house.ana, f"acme-{number}.com")
            await mishap(fault, "buy")
            await mishap(Fault.unknown_shape(), "job_status", "domains", times=2)
            await house.omar.clicks(story.card, "approve")
            await house.runs_for(minutes=10)
        await mishap(Fault.answers(500), "availability", times=3)
        await house.ana.types("/domain check acme.com", channel="#outreach")
        await house.tick()

        # Its log-in runs out, breaks, and is refused.
        for fault in (Fault.answers(500), Fault.malformed(), Fault.unknown_shape(), Fault.cut_in_answer()):
            house.mailin.expire_tokens()
            await mishap(fault, "login", times=3)
            await house.ana.types("/domain list", channel="#outreach")
            await house.tick()
            house.mailin.faults.clear()
        await house.restarts(accounts=with_password(house, "wrong-but-secret"))
        await house.ana.types("/domain list", channel="#outreach")
        await house.tick()
        assert "refused this account's e-mail and password" in house.privately(house.ana, "#outreach")[-1]
        await house.restarts(accounts=with_password(house, SANDBOX_PASSWORD))

        # Slack fails, too.
        for method in ("chat.postMessage", "chat.update", "views.open", "views.update", "response_url"):
            for slack_fault in (SlackFault.server_error(), SlackFault.cut_after(), SlackFault.error("fatal_error")):
                house.slack.faults.add(method, slack_fault)
        for _ in range(4):
            await house.ana.types("/domain buy x.com", channel="#outreach")
            await house.ana.types("/domain list", channel="#outreach")
            await house.tick()
        house.slack.faults.clear()
        await house.asks(house.ana, "later.com")
        await house.runs_for(minutes=10)
        house.inside.store.close()
        await house.ana.types("/domain buy x.com", channel="#outreach")
        await house.inside.background.settled()
        tokens |= set(house.mailin._tokens)
        asked = [
            repr(call.arguments) + repr(call.answer) for call in house.slack.calls if "connections" not in call.method
        ]
        await house.stops()

        secrets = {
            "bot token": house.slack.app.bot_token,
            "app token": house.slack.app.app_token,
            "signing secret": house.slack.app.signing_secret,
            "e-mail": SANDBOX_EMAIL,
            "password": SANDBOX_PASSWORD,
            "wrong password": "wrong-but-secret",
            **{f"provider token {number}": token for number, token in enumerate(tokens)},
        }
        places = {
            "the log": logged.getvalue(),
            "an exception": "\n".join(aside.errors),
            "the database": files_in(tmp_path),
            "the workspace": house.everything_shown(),
            "a call to Slack": "\n".join(asked),
        }
        assert len(tokens) > 1
        assert len(places["the log"]) > 100_000
        assert "mailin-main" in places["the database"]
        assert aside.errors
        found = [(what, where) for where, text in places.items() for what, secret in secrets.items() if secret in text]
        assert found == []
        # Whoever has a response_url can answer in the person's place for half an hour; it is nobody's to keep.
        assert "/response/" not in places["the database"]


async def test_a_refused_token_is_not_repeated(tmp_path: Path) -> None:
    async with open_house(tmp_path, starts=False) as house:
        wrong = replace(
            house.settings, slack=house.settings.slack.model_copy(update={"bot_token": SecretStr("xoxb-x1y2")})
        )

        with pytest.raises(app.CannotStart) as refused:
            await house.starts(**{"slack": wrong.slack})

        assert "Slack refuses the bot token (invalid_auth)" in str(refused.value)
        assert "xoxb" not in str(refused.value)


@pytest.mark.parametrize("word", ["invalid_auth", "missing_scope", "not_allowed_token_type"])
async def test_an_app_token_that_opens_no_connection_is_said_at_the_start(house: House, word: str) -> None:
    """It was made without connections:write, say: tried for ever, it would only look as if Slack were away."""
    house.slack.faults.add("apps.connections.open", SlackFault.error(word))

    with pytest.raises(app.CannotStart) as refused:
        await house.inside.start()

    assert f"Slack refuses the app token ({word})" in str(refused.value)
    assert "connections:write" in str(refused.value)
    await house.inside.beats.stop(0)


async def test_nothing_that_is_shown_of_the_house_itself_tells_one(house: House) -> None:
    """repr() ends up in tracebacks and logs: of the settings, the accounts, their clients."""
    shown = "".join(
        repr(thing)
        for thing in (
            house.settings,
            house.inside.accounts,
            *[account.client for account in house.inside.accounts.values()],
            house.inside.requests,
        )
    )

    for secret in (SANDBOX_EMAIL, SANDBOX_PASSWORD, house.slack.app.bot_token, house.slack.app.signing_secret):
        assert secret not in shown
    assert reading([]) == ""


# What people hand over: a mailbox's new password, the keys of accounts elsewhere.

PASSWORD = "Corr3ct-horse-9x"
KEY = "key-4f1e9a77c0"
LOST = "Postroom never stores a password or a key, and it was restarted after you typed it."


def kept_anywhere(house: House, folder: Path, secret: str) -> list[str]:
    """The places in which a secret can be found, apart from the provider's own books and the form in Slack."""
    told = [repr(call.arguments) + repr(call.answer) for call in house.slack.calls]
    places = {"disk": files_in(folder), "workspace": house.everything_shown(), "calls to Slack": "".join(told)}
    return [where for where, text in places.items() if secret in text]


async def asks_for_password(house: House, address: str = "ana@acme.com", password: str = PASSWORD) -> Modal:
    form = await house.form(house.ana, f"/mailbox password {address}")
    await house.ana.fills(form, password=password)
    sent = await house.ana.submits(form)
    assert sent.modal is not None, sent
    return sent.modal


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_new_password_goes_to_the_provider_and_nowhere_else(
    tmp_path: Path, logged: io.StringIO, mode: str
) -> None:
    async with open_house(tmp_path, mode=mode, starts=False, quiet=False) as house:
        aside = switch_on(house, logged)
        await house.starts()
        [box] = house.mailin.own_mailboxes("ana@acme.com")

        form = await house.form(house.ana, "/mailbox password ana@acme.com typed-too-early")
        assert form.values == {"account": "mailin-main", "mailbox": "ana@acme.com", "password": None}
        assert form.reads(
            "Slack does not hide what you type here. Postroom uses it once, and never stores or shows it."
        )
        await house.ana.fills(form, password="short")
        assert (await house.ana.submits(form)).errors == {
            "password": "This has 5 characters; it has to have from 8 to 24."
        }
        await house.ana.fills(form, password=PASSWORD)
        await house.ana.submits(form)
        story = await house.story_of(house.ana)

        assert box.password == PASSWORD
        assert story.thread == [
            ":tada: <@U0ANA> ana@acme.com has its new password. Log in anew wherever it is used.",
        ]
        # The provider has nothing of that name, breaks, and says nothing at all: its errors tell no secret either.
        for fault in (Fault.answers(500), Fault.cut_after(), Fault.malformed()):
            house.mailin.faults.add("mailbox_password", fault)
            await asks_for_password(house)
            await house.runs_for(minutes=5)
        await asks_for_password(house, "nobody@acme.com")
        await house.tick()
        # The database goes away while a form is on its way: what breaks is logged with its traceback.
        form = await house.form(house.ana, "/mailbox password ana@acme.com")
        await house.ana.fills(form, password=PASSWORD)
        house.inside.store.close()
        await house.ana.submits(form)
        await house.inside.background.settled()
        await house.stops()

        assert [line[:200] for line in logged.getvalue().splitlines() if PASSWORD in line] == []
        assert ("Received message (type: TEXT, session: " in logged.getvalue()) == (mode == "socket")
        assert aside.errors
        assert PASSWORD not in "\n".join(aside.errors)
        assert kept_anywhere(house, tmp_path, PASSWORD) == []
        assert "typed-too-early" not in files_in(tmp_path)


@pytest.mark.parametrize(
    ("command", "typed", "hidden", "said"),
    [
        (
            "inbox-provider-add",
            {"name": "Sales", "kind": "smartlead", "api_key": KEY},
            {"api_key": KEY},
            "Mailin knows the sequencer “Sales” (Smartlead) now as number 2.",
        ),
        (
            "inbox-provider-add",
            {"name": "Sales", "kind": "manyreach", "username": "ana@acme.com", "password": PASSWORD},
            {"password": PASSWORD},
            "Mailin knows the sequencer “Sales” (ManyReach) now as number 2.",
        ),
        (
            "inbox-provider-update",
            {"inbox_provider": "1", "api_key": KEY},
            {"api_key": KEY},
            "Mailin has the new keys of sequencer 1, “Old”.",
        ),
        (
            "registrar-add",
            {
                "name": "Names", "kind": "namecheap", "api_key": KEY, "secret_api_key": PASSWORD, "api_user": "ana",
                "username": "ana", "whitelisted_ip": "203.0.113.7",
            },
            {"api_key": KEY, "secret_api_key": PASSWORD},
            "Mailin knows the registrar “Names” (Namecheap) now as number 2.",
        ),
        (
            "registrar-update",
            {"registrar": "1", "api_key": KEY, "secret_api_key": PASSWORD},
            {"api_key": KEY, "secret_api_key": PASSWORD},
            "Mailin has the new keys of registrar 1, “Old”.",
        ),
    ],
)  # fmt: skip
async def test_the_keys_of_accounts_elsewhere_go_to_the_provider_and_nowhere_else(
    house: House, tmp_path: Path, command: str, typed: dict[str, str], hidden: dict[str, str], said: str
) -> None:
    old = {"name": "Old", "provider": "plusvibe", "workspace_id": "w-7"}
    house.mailin.inbox_providers[house.mailin.next_id("inbox_provider")] = dict(old)
    house.mailin.registrars[house.mailin.next_id("registrar")] = {"name": "Old", "provider": "porkbun"}

    form = await house.form(house.ana, f"/postroom {command}")
    await house.ana.fills(form, **typed)
    await house.ana.submits(form)
    story = await house.story_of(house.ana)

    assert said in story.thread[-1]
    books = house.mailin.inbox_providers if "inbox" in command else house.mailin.registrars
    changed = books[2 if "add" in command else 1]
    assert {name: changed[name] for name in hidden} == hidden
    assert changed.get("workspace_id") == (old["workspace_id"] if command == "inbox-provider-update" else None)
    for secret in hidden.values():
        assert kept_anywhere(house, tmp_path, secret) == []


async def test_a_restart_before_it_was_used_ends_the_request_and_says_why(house: House) -> None:
    [box] = house.mailin.own_mailboxes("ana@acme.com")
    before = box.password
    await asks_for_password(house)
    await house.inside.lookups.settled()
    assert house.on_disk("SELECT state FROM requests") == [("approved",)]

    await house.restarts()
    story = await house.story_of(house.ana)

    assert story.thread[-1].splitlines() == [
        f":x: <@U0ANA> {LOST} So it is gone, and nothing was done.",
        "*What to do now:* Ask again with the command, and type it once more.",
    ]
    assert box.password == before
    assert house.calls["mailbox_password"] == 0


async def test_a_restart_during_the_check_gives_the_form_back_without_it(house: House) -> None:
    [box] = house.mailin.own_mailboxes("ana@acme.com")
    await asks_for_password(house)
    assert house.on_disk("SELECT checking_since IS NOT NULL FROM requests") == [(1,)]

    house.clock.advance(seconds=1)
    await house.restarts()
    await house.tick()
    form = await house.ana.sees_modal("form")
    assert form.reads(f"{LOST} Nothing was asked: type it once more.")
    assert form.values == {"account": "mailin-main", "mailbox": "ana@acme.com", "password": None}
    await house.ana.fills(form, password=PASSWORD)
    await house.ana.submits(form)
    await house.tick()

    assert box.password == PASSWORD


async def test_going_back_to_the_form_asks_for_it_anew(house: House, tmp_path: Path) -> None:
    [box] = house.mailin.own_mailboxes("ana@acme.com")
    await asks_for_password(house, "anna@acme.com", password="Mist4ken-one")
    await house.tick()

    form = await house.ana.sees_modal("form")
    assert form.reads("anna@acme.com is not among the mailboxes of this account.")
    assert form.values["password"] is None
    await house.ana.fills(form, mailbox="ana@acme.com")
    assert (await house.ana.submits(form)).result == "errors"
    await house.ana.fills(form, password=PASSWORD)
    await house.ana.submits(form)
    await house.tick()

    assert box.password == PASSWORD
    assert kept_anywhere(house, tmp_path, PASSWORD) == kept_anywhere(house, tmp_path, "Mist4ken-one") == []


async def test_what_was_handed_over_is_forgotten_when_it_was_used_or_nobody_went_on(house: House) -> None:
    house.mailin.own_mailboxes("ana@acme.com")
    vault = house.inside.requests.vault
    await asks_for_password(house)
    await house.inside.lookups.settled()
    assert len(vault.requests()) == 1
    await house.tick()
    assert vault.requests() == []

    await asks_for_password(house, "nobody@acme.com")
    await house.tick()
    assert len(vault.requests()) == 1
    assert PASSWORD not in repr(vault)
    house.clock.advance(days=2)
    await house.inside.housekeeping.tidy()
    await house.inside.drafts.forget_secrets()
    assert vault.requests() == []


async def asks_for_credentials(house: House, who: Person) -> str:
    form = await house.form(who, "/mailbox credentials ana@acme.com")
    await who.submits(form)
    await house.tick()
    assert who.modal is not None
    return reading(who.modal.blocks)


@pytest.mark.parametrize(
    ("may_reveal", "shown_to", "whom"),
    [
        (None, ["finn"], "those who may approve"),
        (("U0ANA", "S0FINANCE"), ["ana", "omar"], "those whom Postroom's settings name for that"),
        ((), [], "those whom Postroom's settings name for that"),
    ],
)
async def test_credentials_are_shown_to_those_whom_the_settings_name(
    house: House, may_reveal: tuple[str, ...] | None, shown_to: list[str], whom: str
) -> None:
    [box] = house.mailin.own_mailboxes("ana@acme.com")
    # Of the group S0FINANCE is Omar alone.
    await house.restarts(approvals=ApprovalSettings(approvers=("U0FINN",), may_reveal=may_reveal))

    seen = {who.user.name: await asks_for_credentials(house, who) for who in (house.ana, house.omar, house.finn)}

    assert [name for name, read in seen.items() if box.password in read] == shown_to
    refusals = [read for read in seen.values() if box.password not in read]
    assert set(refusals) <= {f"Credentials are shown only to {whom}. Nothing was shown."}
    assert len(house.on_disk("SELECT 1 FROM audit WHERE what = 'reveal_refused'")) == len(refusals)


async def test_what_is_shown_is_not_in_the_log_even_at_debug(house: House, logged: io.StringIO) -> None:
    [box] = house.mailin.own_mailboxes("ana@acme.com")
    switch_on(house, logged)

    assert box.password in await asks_for_credentials(house, house.omar)

    assert "provider call" in logged.getvalue()
    assert box.password not in logged.getvalue()


async def test_a_form_that_comes_back_says_which_secrets_have_to_be_typed_again(house: House) -> None:
    form = await house.form(house.ana, "/postroom registrar-add")
    await house.ana.fills(form, name="A", kind="porkbun", api_key="KEY-ONE-1234", secret_api_key="SECRET-TWO-1234")
    assert not form.reads("type it once more")
    house.mailin.faults.add("registrars", Fault.answers(500), times=9)
    await house.ana.submits(form)
    await house.runs_for(minutes=2)

    again = await house.ana.sees_modal("form")

    told = [str(block.get("hint")) for block in again.blocks if "type it once more" in str(block.get("hint"))]
    assert len(told) == 2
    assert again.values["secret_api_key"] is None


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_purchase_keeps_what_was_handed_over_until_the_decision(tmp_path: Path, restarted: bool) -> None:
    async with open_house(tmp_path, accounts=("scaledmail-main",)) as house:
        sandbox = house.sandboxes["scaledmail"]
        sandbox.put_on_shelf("warm-one.com")
        form = await house.form(house.ana, "/prewarm buy warm-one.com")
        await house.ana.fills(
            form, sequencer="Instantly", sequencer_username="ana@acme.com", sequencer_password=PASSWORD,
            sequencer_link="https://app.instantly.ai", reason="For ACME",
        )  # fmt: skip
        await house.ana.submits(form)
        review = await house.ana.sees_modal("review")
        await house.ana.submits(review)
        story = await house.story_of(house.ana)
        if restarted:
            await house.restarts()

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(hours=1)

        if restarted:
            assert story.thread[-1].startswith(f":x: <@U0ANA> {LOST} So it is gone, and nothing was done.")
            assert sandbox.calls["buy"] == 0
        else:
            assert [one["password"] for one in sandbox.sequencers] == [PASSWORD]
        assert kept_anywhere(house, tmp_path, PASSWORD) == []
