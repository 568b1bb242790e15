"""Lists that are handed over as files: attached to a form, read, reviewed, approved, and in the provider's books."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import structlog

from bot.sandbox.faults import FILE
from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.modal import Modal
from bot.sandbox.people import NotTaken
from providers.files import MOST_BYTES
from providers.instantly.sandbox import InstantlySandbox
from storage.records import RequestState
from tests.house import REASON, House, Story, open_house, reading

AWAY = "Slack did not hand over the file just now. Send the form again, or paste the lines instead. Nothing was asked."
CLOSED = "Slack did not let Postroom read the file."
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
    assert await house.inside.store.open_requests() == []
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
            (listed(501), "These are 501 addresses; at most 500 go into one request. Ask with “verify file” instead."),
            (b"x" * (MOST_BYTES + 1), "The file has 5.0 MB; at most 5 MB can be read here. Nothing was asked."),
        ],
    )
    async def test_what_is_wrong_with_it_stands_under_it(self, house: House, content: bytes, sentence: str) -> None:
        form = await with_file(house, "/verify list", "addresses", content, reason=REASON)

        sent = await house.ana.submits(form)

        assert list(sent.errors) == ["addresses.file"]
        assert sent.errors["addresses.file"].startswith(sentence)
        await nothing_asked(house)

    async def test_one_too_big_is_not_even_fetched(self, house: House) -> None:
        form = await with_file(house, "/verify list", "addresses", b"x" * (MOST_BYTES + 1), reason=REASON)
        await house.ana.submits(form)

        assert fetched(house) == []

    async def test_after_a_mistake_it_need_not_be_attached_again(self, house: House) -> None:
        form = await with_file(house, "/verify list", "addresses", listed(3), addresses="foo", reason=REASON)

        sent = await house.ana.submits(form)
        assert sent.errors == {"addresses": "“foo” is not an e-mail address. One looks like ana@acme-mail.com."}
        await house.ana.fills(form, addresses=None)

        assert "Verify 3 addresses" in reading((await reviewed(house, form)).blocks)

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
    async def test_slack_is_slow(self, house: House) -> None:
        """Slack itself waits three seconds for the answer to a form."""
        house.slack.faults.add(FILE, SlackFault.slow(3))
        form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)

        began = time.monotonic()
        waiting = asyncio.ensure_future(house.ana.submits(form))
        other = await house.form(house.omar, "/domain buy acme.com")
        assert time.monotonic() - began < 1  # nobody else waits for it
        assert other.values["domains"] == "acme.com"
        assert (await waiting).errors == {"addresses.file": AWAY}
        assert time.monotonic() - began < 2.8
        await nothing_asked(house)

        assert "Verify 3 addresses" in reading((await reviewed(house, form)).blocks)

    @pytest.mark.parametrize("fault", [SlackFault.server_error(), SlackFault.cut_before(), SlackFault.rate_limited(9)])
    async def test_slack_is_broken(self, house: House, fault: SlackFault) -> None:
        house.slack.faults.add(FILE, fault, times=None)
        form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)

        assert (await house.ana.submits(form)).errors == {"addresses.file": AWAY}
        await nothing_asked(house)

    async def test_the_app_may_not_read_files(self, house: House) -> None:
        house.slack.app.scopes = house.slack.app.scopes - {"files:read"}
        form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)

        with structlog.testing.capture_logs() as log:
            sent = await house.ana.submits(form)

        assert sent.errors["addresses.file"].startswith(CLOSED)
        assert [(entry["event"], entry["cure"]) for entry in log] == [
            ("file_not_read", "give the app the scope files:read")
        ]

    async def test_slack_sends_the_id_alone(self, house: House) -> None:
        """As it does of some files of shared channels."""
        form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)
        file = attached(form)
        stub = {"id": file["id"], "file_access": "check_file_info"}

        ack = await sends(house, form, stub)
        assert ack["response_action"] == "update"
        gone = await sends(house, form, stub | {"id": "F0NOTHERE"})
        assert gone["errors"]["addresses.file"].startswith(CLOSED)


class TestForged:
    """The bot's token opens whatever the bot may do, so it goes to Slack's own host and nowhere else."""

    async def test_no_token_goes_to_another_host(self, house: House) -> None:
        async with eavesdropper() as (url, heard):
            form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)
            ours = house.slack.base_url
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
                said = await sends(house, form, attached(form) | {"url_private_download": place})
                assert said["errors"]["addresses.file"].startswith(ELSEWHERE), place
            assert heard == []
        await nothing_asked(house)

    async def test_nor_after_a_redirection(self, house: House) -> None:
        async with eavesdropper() as (url, heard):
            form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)
            house.slack.team_url = f"{url}/"  # where people log in, and where the workspace sends us now
            house.slack.app.scopes = house.slack.app.scopes - {"files:read"}

            sent = await house.ana.submits(form)

            assert sent.errors["addresses.file"].startswith(CLOSED)
            assert fetched(house) == ["not_allowed"]
            assert heard == []

    @pytest.mark.parametrize(
        "files",
        [None, "x", [], [None], ["F1"], [{}], [{"id": None}], [{"url_private_download": 7}], [{"size": "big"}]],
    )
    async def test_any_shape_is_answered(self, house: House, files: Any) -> None:
        form = await with_file(house, "/verify list", "addresses", listed(3), reason=REASON)

        said = await sends(house, form, files, raw=True)

        assert said["response_action"] == "errors"
        await nothing_asked(house)

    async def test_a_size_that_is_not_true(self, house: House) -> None:
        form = await with_file(house, "/verify list", "addresses", b"x" * (MOST_BYTES + 1), reason=REASON)

        said = await sends(house, form, attached(form) | {"size": 10})

        assert "at most 5 MB can be read here" in said["errors"]["addresses.file"]


def attached(form: Modal) -> dict[str, Any]:
    [file] = form.values["addresses.file"]
    found: dict[str, Any] = file
    return found


async def sends(house: House, form: Modal, file: Any, *, raw: bool = False) -> Any:
    """Slack sends the form with this for its file; returns what the app answered."""
    view = form.view.to_slack()
    view["state"]["values"]["addresses.file"]["value"]["files"] = file if raw else [file]
    return (await house.sends(house.ana, "view_submission", view=view)).payload


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
