"""Lists that are handed over as files: attached to a form, read, reviewed, approved, and in the provider's books."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import openpyxl
import pytest
import structlog
from pydantic import BeforeValidator, Field, SecretStr

from bot.sandbox.faults import FILE
from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.modal import Modal
from bot.sandbox.people import NotTaken
from handlers.slack import forms
from providers.accounts import Account
from providers.action import Action, Done, Effect, Outcome
from providers.catalogue import registered
from providers.fields import parse_addresses
from providers.files import MOST_BYTES, from_file, lines_of
from providers.instantly.sandbox import InstantlySandbox
from providers.mailin.actions.verification import VerifyFile, VerifyList
from storage.records import RequestState
from tests.house import REASON, House, Story, open_house, reading

AWAY = "Slack did not hand over the file just now. Send the form again, or paste the lines instead. Nothing was asked."
CLOSED = "Slack did not let Postroom read the file."
GONE = "The file is not in Slack any more. Attach it once more, or paste the lines instead. Nothing was asked."
ELSEWHERE = "The file does not lie in Slack itself."


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, accounts=("mailin-main", "instantly-main")) as house:
        yield house


def as_csv(*rows: Sequence[str]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()


def as_xlsx(*rows: Sequence[str]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def addresses(number: int) -> list[str]:
    return [f"person-number-{n:04}@acme.com" for n in range(number)]


def listed(number: int) -> bytes:
    return as_csv(["Name", "E-mail"], *(["Somebody", address] for address in addresses(number)))


async def with_file(
    house: House, words: str, field: str, content: bytes, name: str = "list.csv", **typed: Any
) -> Modal:
    """A form with a file attached to one of its fields, ready to be sent."""
    form = await house.form(house.ana, words)
    await house.ana.fills(form, **typed)
    return await house.ana.attaches(form, f"{field}.file", (name, content))


async def reviewed(house: House, form: Modal) -> Modal:
    sent = await house.ana.submits(form)
    assert sent.result == "updated", sent
    return await house.ana.sees_modal("review")


async def back(house: House, form: Modal) -> Modal:
    """The form is sent, read, and comes back with what is wrong."""
    sent = await house.ana.submits(form)
    assert sent.result == "updated", sent
    return await house.ana.sees_modal("form")


async def confirmed(house: House, form: Modal) -> Story:
    sent = await house.ana.submits(await reviewed(house, form))
    assert sent.result == "cleared", sent
    return await house.story_of(house.ana)


async def approved(house: House, form: Modal) -> Story:
    story = await confirmed(house, form)
    await house.omar.clicks(story.card, "approve")
    await house.runs_for(minutes=10)
    return story


async def nothing_asked(house: House) -> None:
    await house.tick()
    assert house.on_disk("SELECT id FROM requests WHERE state <> 'draft'") == []
    assert house.calls.total() == 0


def fetched(house: House) -> list[str]:
    return [call.outcome for call in house.slack.calls if call.method == FILE]


class TestVerifying:
    async def test_a_file_is_read_reviewed_approved_and_verified(self, house: House) -> None:
        form = await with_file(house, "/verify list", "addresses", listed(499), reason=REASON, addresses="bo@acme.com")
        review = await reviewed(house, form)

        said = reading(review.blocks)
        assert "Verify 500 addresses (standard)" in said
        assert (
            "500 addresses: bo@acme.com, person-number-0000@acme.com, person-number-0001@acme.com and 497 more" in said
        )
        assert "person-number-0002" not in said
        assert "Total: 500 credits" in said

        await house.ana.submits(review)
        story = await house.story_of(house.ana)
        assert "and 497 more" in reading(story.card.blocks)
        assert len(reading(story.card.blocks)) < 800
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=10)

        assert await story.state() is RequestState.SUCCEEDED
        [task] = house.mailin.tasks.values()
        assert list(task.addresses) == ["bo@acme.com", *addresses(499)]
        assert fetched(house) == ["ok"]

    async def test_a_workbook_of_thousands(self, house: House) -> None:
        rows = [["Mail"], *([address] for address in addresses(6000))]
        story = await approved(
            house, await with_file(house, "/verify file", "addresses", as_xlsx(*rows), "Leads.XLSX", reason=REASON)
        )

        assert await story.state() is RequestState.SUCCEEDED
        [task] = house.mailin.tasks.values()
        assert list(task.addresses) == addresses(6000)
        assert house.calls["verify_file"] == 1
        assert "6,000 addresses" in reading(story.card.blocks)

    async def test_what_is_approved_is_what_was_read(self, house: House) -> None:
        """The lines are the request's own input: what becomes of the file later changes nothing."""
        story = await confirmed(house, await with_file(house, "/verify list", "addresses", listed(3), reason=REASON))
        house.slack.attachments.clear()
        await house.restarts()

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=10)

        [task] = house.mailin.tasks.values()
        assert list(task.addresses) == addresses(3)

    async def test_back_from_the_review_everything_is_still_there(self, house: House) -> None:
        """More than fits into the input: it is not shown there, and kept all the same."""
        review = await reviewed(house, await with_file(house, "/verify list", "addresses", listed(500), reason=REASON))
        await house.ana.clicks(review, "edit")
        form = await house.ana.sees_modal("form")

        assert form.values["addresses"] is None
        assert "*Addresses:* 500 are kept from before: person-number-0000@acme.com, " in reading(form.blocks)
        await house.ana.fills(form, kind="catch_all")
        review = await reviewed(house, form)
        assert "Verify 500 addresses (catch-all)" in reading(review.blocks)

        await house.ana.clicks(review, "edit")
        form = await house.ana.sees_modal("form")
        await house.ana.fills(form, addresses="bo@acme.com")
        assert "Verify 1 address (catch-all)" in reading((await reviewed(house, form)).blocks)

    async def test_what_fits_into_the_input_is_shown_there_again(self, house: House) -> None:
        review = await reviewed(house, await with_file(house, "/verify list", "addresses", listed(3), reason=REASON))
        await house.ana.clicks(review, "edit")
        form = await house.ana.sees_modal("form")

        assert form.values["addresses"] == "\n".join(addresses(3))
        assert "kept from before" not in reading(form.blocks)

    async def test_a_provider_says_no_and_nothing_has_to_be_attached_again(self, house: House) -> None:
        house.mailin.ledger = [("Purchased credits", 10)]
        form = await with_file(house, "/verify list", "addresses", listed(500), reason=REASON)
        await house.ana.submits(form)
        form = await house.ana.sees_modal("form")
        assert "This costs 500 credits, and the account has 10." in reading(form.blocks)

        house.mailin.ledger = [("Purchased credits", 1000)]
        assert "Verify 500 addresses" in reading((await reviewed(house, form)).blocks)


class TestEveryField:
    async def test_domains(self, house: House) -> None:
        names = [f"acme-{n:02}.com" for n in range(60)]
        rows = [["Registrar", "Domain name"], *(["any", f"https://{name.upper()}/"] for name in [*names, names[0]])]

        story = await approved(
            house, await with_file(house, "/domain buy-many", "domains", as_csv(*rows), reason=REASON)
        )

        assert await story.state() is RequestState.SUCCEEDED
        assert sorted(house.bought) == names

    async def test_mailboxes_out_of_a_pattern_and_a_file_of_names(self, house: House) -> None:
        house.mailin.own("acme.com")
        rows = [["Last name", "First name"], ["Ruiz", "Ana"], ["Muñoz Díaz", "Bo"]]
        typed = {"mailboxes": "{f}.{last}@acme.com", "reason": REASON}
        form = await with_file(house, "/mailbox create", "mailboxes", as_xlsx(*rows), "team.xlsx", **typed)

        await approved(house, form)

        assert {box.username: box.name for box in house.mailin.mailboxes.values()} == {
            "a.ruiz@acme.com": "Ana Ruiz",
            "b.munozdiaz@acme.com": "Bo Muñoz Díaz",
        }

    async def test_leads(self, house: House) -> None:
        instantly: InstantlySandbox = house.sandboxes["instantly"]
        campaign = instantly.add_campaign("Spring")
        form = await with_file(house, "/campaign leads", "leads", listed(900), campaign=campaign.id)

        sent = await house.ana.submits(form)
        assert sent.result == "updated", sent
        story = await house.story_of(house.ana)

        assert await story.state() is RequestState.SUCCEEDED
        assert campaign.leads == addresses(900)
        assert "Add 900 leads" in reading(story.parent.blocks)

    async def test_a_hundred_mailboxes_of_an_azure_order(self, house: House) -> None:
        rows = [["email", "name"], *([f"box{n}@acme.com", f"Box {n}"] for n in range(100))]
        form = await with_file(house, "/postroom order-add acme.com", "mailboxes", as_csv(*rows), reason=REASON)

        story = await confirmed(house, form)
        assert "box0@acme.com, box1@acme.com, box2@acme.com and 97 more" in reading(story.card.blocks)
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=10)

        assert await story.state() is RequestState.SUCCEEDED
        [order] = house.mailin.orders.values()
        assert (order.mode, len(order.mailboxes)) == ("manual", 100)


class TestMistakes:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (as_csv(["email"], ["ana@acme.com"], ["foo"]), "Row 3: “foo” is not an e-mail address. Nothing was asked."),
            (b"", "The file is empty. Nothing was asked."),
            (b"\x89PNG\r\n\x1a\n\x00\x00", "This is neither CSV nor XLSX."),
        ],
    )
    async def test_what_is_wrong_with_it_stands_above_the_form(
        self, house: House, content: bytes, sentence: str
    ) -> None:
        form = await back(
            house, await with_file(house, "/verify list", "addresses", content, reason=REASON, kind="catch_all")
        )

        assert f":warning: Addresses, from a file: {sentence}" in reading(form.blocks)
        assert "is kept from before" not in reading(form.blocks)  # it is of no use
        assert (form.values["kind"], form.values["reason"]) == ("catch_all", REASON)
        await nothing_asked(house)

        assert (await house.ana.submits(form)).errors == {"addresses": "Fill this in, or attach a file."}
        await house.ana.attaches(form, "addresses.file", ("better.csv", listed(3)))
        assert "Verify 3 addresses (catch-all)" in reading((await reviewed(house, form)).blocks)

    async def test_too_many_rows(self, house: House) -> None:
        """Nothing is wrong with the file itself: another one takes its place, or another command is asked."""
        form = await back(house, await with_file(house, "/verify list", "addresses", listed(501), reason=REASON))

        said = reading(form.blocks)
        assert ":warning: Addresses, from a file: These are 501 addresses; at most 500 go into one request." in said
        assert "*Addresses, from a file:* list.csv is kept from before." in said
        await nothing_asked(house)

        await house.ana.attaches(form, "addresses.file", ("less.csv", listed(2)))
        assert "Verify 2 addresses" in reading((await reviewed(house, form)).blocks)

    async def test_one_too_big_is_not_even_fetched(self, house: House) -> None:
        form = await with_file(house, "/verify list", "addresses", b"x" * (MOST_BYTES + 1), reason=REASON)
        sent = await house.ana.submits(form)

        assert sent.errors == {
            "addresses.file": "The file has 5.0 MB; at most 5 MB can be read here. Nothing was asked."
        }
        assert fetched(house) == []
        await nothing_asked(house)

    async def test_what_was_typed_for_another_account_is_still_there(self, tmp_path: Path) -> None:
        async with open_house(tmp_path, accounts=("mailin-main", "smailor-main")) as house:
            house.mailin.own("acme.com")
            form = await house.form(house.ana, "/mailbox create")
            await house.ana.chooses(form, "account", "smailor-main")
            form = await house.ana.sees_modal(lambda modal: "display_name" in modal.fields)
            await house.ana.fills(form, display_name="Ana of sales")
            await house.ana.chooses(form, "account", "mailin-main")
            form = await house.ana.sees_modal(lambda modal: "mailboxes" in modal.fields)
            await house.ana.fills(form, reason=REASON)
            await house.ana.attaches(form, "mailboxes.file", ("team.csv", b"email,name\nfoo,Ana"))
            form = await back(house, form)
            assert form.reads("Row 2: “foo” is not an e-mail address.")

            await house.ana.chooses(form, "account", "smailor-main")
            form = await house.ana.sees_modal(lambda modal: "display_name" in modal.fields)
            assert form.values["display_name"] == "Ana of sales"

    async def test_a_mistake_in_what_was_typed_beside_it(self, house: House) -> None:
        form = await with_file(house, "/verify list", "addresses", listed(3), addresses="foo", reason=REASON)
        form = await back(house, form)

        said = reading(form.blocks)
        assert ":warning: Addresses: “foo” is not an e-mail address. One looks like ana@acme-mail.com." in said
        assert "list.csv is kept from before. Attach another file to put it in its place." in said
        assert form.values["addresses"] == "foo"
        await house.ana.fills(form, addresses=None)

        assert "Verify 3 addresses" in reading((await reviewed(house, form)).blocks)

    async def test_a_mistake_that_does_not_depend_on_it_is_told_at_once(self, house: House) -> None:
        """And the file stays where it is, in Slack's own form."""
        form = await with_file(house, "/postroom order-add", "mailboxes", b"", domain="foo", reason=REASON)

        assert (await house.ana.submits(form)).errors == {
            "domain": "“foo” is not a domain name. A domain looks like acme-mail.com.",
        }
        assert fetched(house) == []

    async def test_neither_typed_nor_attached(self, house: House) -> None:
        form = await house.form(house.ana, "/verify list")
        await house.ana.fills(form, reason=REASON)

        assert (await house.ana.submits(form)).errors == {"addresses": "Fill this in, or attach a file."}

    @pytest.mark.parametrize(
        ("files", "said"),
        [
            ([("list.pdf", b"%PDF")], "You can attach: csv, xlsx."),
            ([("a.csv", b""), ("b.csv", b"")], "You can attach 1 file here."),
            ([("big.csv", b"x" * (10 * 1024 * 1024 + 1))], "You can attach up to 10 MB."),
        ],
    )
    async def test_what_slack_itself_refuses(self, house: House, files: list[tuple[str, bytes]], said: str) -> None:
        form = await house.form(house.ana, "/verify list")

        with pytest.raises(NotTaken, match=said):
            await house.ana.attaches(form, "addresses.file", *files)

    async def test_a_file_of_another_kind_under_a_good_name(self, house: House) -> None:
        form = await with_file(
            house, "/verify list", "addresses", as_xlsx(["email"], ["a@b.co"]), "x.csv", reason=REASON
        )

        assert "Verify 1 address" in reading((await reviewed(house, form)).blocks)


class TestFetching:
    async def test_slack_is_answered_before_the_file_is_fetched(self, house: House) -> None:
        house.slack.faults.add(FILE, SlackFault.slow(20))
        form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)

        sent = await house.ana.submits(form)
        assert sent.result == "updated"
        reading_it = await house.ana.sees_modal("checking")
        assert reading_it.reads("Reading what you sent …")
        assert fetched(house) == []
        other = await house.form(house.omar, "/domain buy acme.com")  # nobody else waits for it
        assert other.values["domains"] == "acme.com"

    async def test_long_lists_are_read_apart_from_what_answers_slack(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The file, what it makes of the form, and the form sent once more: each in a thread, and once."""
        where: list[tuple[str, bool]] = []

        def noting(what: str, work: Callable[..., Any]) -> Callable[..., Any]:
            def note(*given: Any) -> Any:
                where.append((what, threading.current_thread() is threading.main_thread()))
                return work(*given)

            return note

        monkeypatch.setattr("handlers.slack.files.lines_of", noting("file", lines_of))
        monkeypatch.setattr(VerifyFile, "model_validate", noting("form", VerifyFile.model_validate))
        house.mailin.ledger = [("Purchased credits", 10)]
        form = await with_file(house, "/verify file", "addresses", listed(6000), reason=REASON)
        form = await back(house, form)
        assert form.reads("*Addresses:* 6,000 are kept from before")
        assert where == [("form", True), ("file", False), ("form", False)]  # the first without any addresses

        where.clear()
        house.mailin.ledger = [("Purchased credits", 10_000)]
        story = await approved(house, form)
        assert await story.state() is RequestState.SUCCEEDED
        assert where == [("form", True), ("form", False)]

    async def test_slack_is_slow(self, house: House) -> None:
        """Slack waits three seconds for the answer to a form, and ten times as long is what it takes itself."""
        house.slack.faults.add(FILE, SlackFault.slow(0.3))
        form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)

        assert "Verify 3 addresses" in reading((await reviewed(house, form)).blocks)

    async def test_a_file_that_does_not_come(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("handlers.slack.files.PATIENCE", 0.05)
        house.slack.faults.add(FILE, SlackFault.slow(20))
        form = await back(house, await with_file(house, "/verify list", "addresses", listed(3), reason=REASON))

        assert f"Addresses, from a file: {AWAY}" in reading(form.blocks)
        assert "list.csv is kept from before." in reading(form.blocks)
        await nothing_asked(house)
        monkeypatch.undo()
        assert "Verify 3 addresses" in reading((await reviewed(house, form)).blocks)

    @pytest.mark.parametrize("fault", [SlackFault.server_error(), SlackFault.cut_before(), SlackFault.rate_limited(9)])
    async def test_slack_is_broken(self, house: House, fault: SlackFault) -> None:
        house.slack.faults.add(FILE, fault, times=None)
        form = await with_file(house, "/verify list", "addresses", listed(3), addresses="bo@acme.com", reason=REASON)
        form = await back(house, form)
        house.slack.faults.clear(FILE)

        assert f"Addresses, from a file: {AWAY}" in reading(form.blocks)
        await nothing_asked(house)

        # Nothing has to be typed or attached again.
        assert "list.csv is kept from before." in reading(form.blocks)
        assert "Verify 4 addresses" in reading((await reviewed(house, form)).blocks)

    async def test_the_window_was_closed_meanwhile(self, house: House) -> None:
        """What was sent is kept, and so is what was wrong with it."""
        house.slack.faults.add(FILE, SlackFault.slow(0.3))
        form = await with_file(house, "/verify list", "addresses", b"email\nfoo", reason=REASON)
        await house.ana.submits(form)
        await house.ana.closes(await house.ana.sees_modal("checking"))
        await house.tick()

        [told] = house.ana.ephemerals("#outreach")
        assert "*Verify a list*: the check is done, but the window was closed. Nothing was asked." in reading(
            told.blocks
        )
        await house.ana.clicks(told, "resume")
        form = await house.ana.sees_modal("form")
        assert form.values["reason"] == REASON
        await house.ana.fills(form, addresses="bo@acme.com")
        assert "Verify 1 address" in reading((await reviewed(house, form)).blocks)

    async def test_what_comes_too_late_changes_nothing(self, house: House) -> None:
        """The window is closed while a bad file is read; its form is opened and sent again, with a good one."""
        house.slack.faults.add(FILE, SlackFault.slow(0.6))
        form = await with_file(house, "/verify list", "addresses", b"email\nfoo", reason=REASON)
        await house.ana.submits(form)
        checking = await house.ana.sees_modal("checking")
        [draft] = house.on_disk("SELECT id FROM requests")
        again = forms.form(
            VerifyList, draft[0], [Account("mailin-main", "mailin", None)], account="mailin-main", reason=REASON
        )
        await house.inside.client.views_update(view_id=checking.id, view=again)
        form = await house.ana.sees_modal("form")
        await house.ana.attaches(form, "addresses.file", ("good.csv", listed(3)))
        assert "Verify 3 addresses" in reading((await reviewed(house, form)).blocks)

        await house.tick()

        review = await house.ana.sees_modal("review")
        assert "Verify 3 addresses" in reading(review.blocks)
        assert (await house.ana.submits(review)).result == "cleared"

    async def test_the_process_dies_while_it_reads(self, house: House) -> None:
        house.slack.faults.add(FILE, SlackFault.slow(20))
        form = await with_file(house, "/verify list", "addresses", listed(3), addresses="bo@acme.com", reason=REASON)
        await house.ana.submits(form)
        await house.ana.sees_modal("checking")

        await house.stops()
        house.clock.advance(minutes=1)
        await house.starts()
        await house.tick()

        review = await house.ana.sees_modal("review")
        assert "Verify 4 addresses" in reading(review.blocks)
        sent = await house.ana.submits(review)
        assert sent.result == "cleared"

    async def test_a_form_that_slack_sends_twice_is_asked_once(self, house: House) -> None:
        house.slack.faults.add(FILE, SlackFault.slow(0.2))
        form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)
        await house.ana.submits(form)
        await house.replays()
        review = await house.ana.sees_modal("review")
        await house.tick()

        assert (await house.ana.submits(await house.ana.sees_modal("review"))).result == "cleared"
        assert "Verify 3 addresses" in reading(review.blocks)
        await house.tick()
        assert len(house.on_disk("SELECT id FROM requests WHERE state <> 'draft'")) == 1

    async def test_the_app_may_not_read_files(self, house: House) -> None:
        house.slack.app.scopes = house.slack.app.scopes - {"files:read"}
        form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)

        with structlog.testing.capture_logs() as log:
            form = await back(house, form)

        assert f"Addresses, from a file: {CLOSED}" in reading(form.blocks)
        assert [entry["cure"] for entry in log if entry["event"] == "file_not_read"] == [
            "give the app the scope files:read"
        ]

    async def test_it_was_removed_in_slack_meanwhile(self, house: House) -> None:
        """Nothing is wrong with Postroom, and there is no use in keeping it to be sent again."""
        form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)
        house.slack.attachments.clear()
        form = await back(house, form)

        assert f"Addresses, from a file: {GONE}" in reading(form.blocks)
        assert "is kept from before" not in reading(form.blocks)
        await nothing_asked(house)

    async def test_slack_sends_the_id_alone(self, house: House) -> None:
        """As it does of some files of shared channels."""
        form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)
        file = attached(form)
        stub = {"id": file["id"], "file_access": "check_file_info"}

        assert GONE in await sends(house, form, stub | {"id": "F0NOTHERE"})
        assert "Verify 3 addresses" in await sends(house, form, stub)


class ImportAddresses(
    Action, provider="mailin", command="mailbox import", title="Import addresses", effect=Effect.WRITE
):
    """Import addresses, all with one password."""

    addresses: Annotated[list[str], BeforeValidator(parse_addresses)] = Field(
        title="Addresses", json_schema_extra=from_file("email")
    )
    password: SecretStr | None = Field(None, title="Password")

    def subjects(self) -> tuple[str, ...]:
        return tuple(self.addresses)

    async def run(self, client: Any, key: str) -> Outcome:
        given = "none" if self.password is None else "right" if self.password.get_secret_value() == SECRET else "wrong"
        return Done(summary=f"{len(self.addresses)} addresses, the {given} password.")


SECRET = "only-for-mailin-1234"


class TestASecretBesideAFile:
    """While the file is read, the password is where passwords are: in memory, and nowhere else."""

    @pytest.fixture
    async def house(self, tmp_path: Path) -> AsyncIterator[House]:
        one, *others = registered()
        providers = (replace(one, actions=(*one.actions, ImportAddresses)), *others)
        async with open_house(tmp_path, providers=providers) as house:
            yield house

    async def test_it_reaches_the_provider_and_not_the_disk(self, house: House) -> None:
        house.slack.faults.add(FILE, SlackFault.slow(0.2))
        form = await with_file(house, "/mailbox import", "addresses", listed(3), password=SECRET)
        await house.ana.submits(form)
        await house.ana.sees_modal("checking")
        assert SECRET.encode() not in b"".join(file.read_bytes() for file in house.settings.database.parent.iterdir())

        story = await house.story_of(house.ana)

        assert story.thread[-1] == ":tada: <@U0ANA> 3 addresses, the right password."

    async def test_when_the_process_dies_it_has_to_be_typed_again(self, house: House) -> None:
        house.slack.faults.add(FILE, SlackFault.slow(20))
        form = await with_file(house, "/mailbox import", "addresses", listed(3), password=SECRET)
        await house.ana.submits(form)
        await house.stops()
        house.clock.advance(minutes=1)
        await house.starts()
        await house.tick()

        form = await house.ana.sees_modal("form")
        assert form.reads("it was restarted after you typed it. Nothing was asked: type it once more.")
        await house.ana.fills(form, password=SECRET)
        await house.ana.submits(form)
        story = await house.story_of(house.ana)
        assert story.thread[-1] == ":tada: <@U0ANA> 3 addresses, the right password."


class TestForged:
    """The bot's token opens whatever the bot may do, so it goes to Slack's own host and nowhere else."""

    async def test_no_token_goes_to_another_host(self, house: House) -> None:
        async with eavesdropper() as (url, heard):
            form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)
            ours, file = house.slack.base_url, attached(form)
            for place in (
                f"{url}/list.csv",
                f"{ours}@{url.removeprefix('http://')}/list.csv",
                f"{ours.replace('127.0.0.1', 'localhost')}/list.csv",
                f"{ours}0/list.csv",
                "//files.slack.com/list.csv",
                "https://files.slack.com.evil.example/list.csv",
                "file:///etc/passwd",
                "http://[",
                "list.csv",
            ):
                assert ELSEWHERE in await sends(house, form, file | {"url_private_download": place}), place
            assert heard == []
        await nothing_asked(house)

    async def test_nor_after_a_redirection(self, house: House) -> None:
        async with eavesdropper() as (url, heard):
            form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)
            house.slack.team_url = f"{url}/"  # where people log in, and where the workspace sends us now
            house.slack.app.scopes = house.slack.app.scopes - {"files:read"}

            form = await back(house, form)

            assert CLOSED in reading(form.blocks)
            assert fetched(house) == ["not_allowed"]
            assert heard == []

    @pytest.mark.parametrize("files", [None, "x", [], [None], ["F1"]])
    async def test_what_is_no_file_at_all(self, house: House, files: Any) -> None:
        form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)

        assert await sends(house, form, files, raw=True) == "addresses: Fill this in, or attach a file."
        await nothing_asked(house)

    @pytest.mark.parametrize("file", [{}, {"id": None}, {"url_private_download": 7}, {"size": "big"}, {"name": ["x"]}])
    async def test_any_shape_is_answered(self, house: House, file: Any) -> None:
        form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)

        assert f"Addresses, from a file: {CLOSED}" in await sends(house, form, file)
        await nothing_asked(house)

    async def test_a_size_that_is_not_true(self, house: House) -> None:
        form = await with_file(house, "/verify list", "addresses", b"x" * (MOST_BYTES + 1), reason=REASON)

        assert "at most 5 MB can be read here" in await sends(house, form, attached(form) | {"size": 10})


def attached(form: Modal) -> dict[str, Any]:
    [file] = form.values["addresses.file"]
    found: dict[str, Any] = file
    return found


async def sends(house: House, form: Modal, file: Any, *, raw: bool = False) -> str:
    """Slack sends the form with this for its file; returns what the person reads in the end."""
    view = form.view.to_slack()
    view["state"]["values"]["addresses.file"]["value"]["files"] = file if raw else [file]
    said: Any = (await house.sends(house.ana, "view_submission", view=view)).payload
    if said["response_action"] == "errors":
        return "\n".join(f"{block}: {sentence}" for block, sentence in said["errors"].items())
    await house.tick()
    shown = house.slack.views.find(form.id)
    assert shown is not None
    return reading(shown.content["blocks"])


@contextlib.asynccontextmanager
async def eavesdropper() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A host that is not Slack, and what it heard from whoever called."""
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    listening = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", heard
