"""What everybody depends on is away for a while: Slack, a provider, room on the disk, the right time.

Nothing is lost, nothing is done twice, nothing hangs for ever, and people are told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from crash_stage import set_scene

from bot import app, scheduler
from bot.policy_settings import ApprovalSettings, BudgetSettings
from bot.sandbox.faults import ANY_METHOD, HANDSHAKE
from bot.sandbox.faults import Fault as SlackFault
from handlers.slack import delivery
from providers.mailin import sandbox as mailin
from providers.mailin.client import MailinSettings
from providers.mailin.sandbox import Fault, Operation, Work
from providers.simulator import serving
from storage import audit
from storage.records import Fact, Message, MessageKind, Request, RequestState, new_id
from storage.sqlite import StoreUnavailable
from tests.house import House, open_house

UNSTORED = "nothing was stored and nothing was done. Try again in a few minutes"


@contextlib.asynccontextmanager
async def house_with(folder: Path, **said: Any) -> AsyncIterator[House]:
    """A house with a budget, whose `[approvals]` say this."""
    async with open_house(folder, starts=False) as opened:
        approvals = ApprovalSettings(**{"approvers": ("U0OMAR", "U0FINN"), **said})
        await opened.starts(approvals=approvals, budgets=(sales(),))
        yield opened


def sales() -> BudgetSettings:
    return BudgetSettings(name="Sales", amount=Decimal(2000), currency="USD", team="C0OUTREACH")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with house_with(tmp_path) as opened:
        yield opened


def balanced(house: House, spent: str, reserved: str = "0") -> None:
    """What the months have is the sum of what the requests hold, and that is this in dollars; the audit is whole."""
    units = [int(Decimal(one) * 1_000_000) for one in (reserved, spent)]
    for table in ("budget_months", "reservations"):
        [sums] = house.on_disk(f"SELECT COALESCE(SUM(reserved), 0), COALESCE(SUM(spent), 0) FROM {table}")
        assert list(sums) == units, table
    with audit.opened(house.settings.database) as connection:
        assert isinstance(audit.verify(connection), audit.Verified)


def said_once(house: House) -> None:
    """Nothing is owed, and nothing stands anywhere twice."""
    assert house.on_disk("SELECT kind, body FROM messages WHERE sent < wanted") == []
    posted = Counter(
        message.metadata["event_payload"]["id"]
        for channel in house.slack.channels
        for message in house.slack.messages(channel)
        if message.metadata
    )
    owed = {name for (name,) in house.on_disk("SELECT id FROM messages")}
    assert posted == Counter(owed)


async def has_the_order(house: House) -> None:
    """The order is at the provider, which has not answered yet."""
    while not house.calls["buy"]:  # noqa: ASYNC110 - the provider tells nobody
        await asyncio.sleep(0.01)


class TestSlackIsAway:
    """For ten minutes no method is answered, and the socket is dead."""

    async def goes(self, house: House, fault: SlackFault) -> None:
        house.slack.faults.add(ANY_METHOD, fault, times=None)
        house.slack.faults.add(HANDSHAKE, fault, times=None)
        await house.slack.delivery.drop()

    async def comes_back(self, house: House) -> None:
        house.slack.faults.clear()
        link = house.inside.link
        assert link is not None
        await link.supervise()  # its beat
        await link.connect()
        await house.slack.wait_for_bot()

    @pytest.mark.parametrize("fault", [SlackFault.cut_before(), SlackFault.cut_after(), SlackFault.server_error()])
    async def test_what_happened_meanwhile_is_said_once_when_it_is_back(self, house: House, fault: SlackFault) -> None:
        waiting = await house.asks(house.ana, "waits.com")
        working = await house.approved(house.ana, "works.com")
        unclear = await house.asks(house.ana, "unclear.com")
        house.mailin.faults.add(Operation.BUY, Fault.cut_after())
        await house.omar.clicks(unclear.card, "approve")

        await self.goes(house, fault)
        link = house.inside.link
        assert link is not None
        async with asyncio.timeout(10):
            while await link.is_connected():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert (await house.inside.health())["socket"] == "not connected to Slack"  # /readyz is red
        ack = await house.finn.clicks(waiting.card, "approve")
        assert ack is not None
        assert not ack.ok  # Slack tells him that it failed
        await house.runs_for(minutes=10)
        assert sorted(house.bought) == ["unclear.com", "works.com"]
        assert await working.state() is RequestState.SUCCEEDED
        assert await waiting.state() is RequestState.AWAITING

        await self.comes_back(house)
        assert await link.is_connected()
        await house.runs_for(minutes=2)
        said_once(house)
        assert [line.split()[0] for line in working.thread] == [
            ":raised_hand:", ":white_check_mark:", ":package:", ":tada:",
        ]  # fmt: skip
        assert working.card.reads("Done.")
        assert working.parent.reads("Done.")
        assert [line.split()[0] for line in unclear.thread][:3] == [":raised_hand:", ":white_check_mark:", ":mag:"]
        assert unclear.thread[-1].startswith(":tada:")

        await house.finn.clicks(waiting.card, "approve")
        await house.runs_for(minutes=5)
        assert await waiting.state() is RequestState.SUCCEEDED
        assert Counter(house.bought) == Counter(["unclear.com", "works.com", "waits.com"])
        said_once(house)
        balanced(house, "37.50")

    async def test_it_is_away_at_the_start_of_a_process_that_has_a_lot_to_say(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.slack.faults.add("chat.update", SlackFault.cut_before(), times=None)
        house.slack.faults.add("chat.postMessage", SlackFault.cut_before(), times=None)
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=2)
        await house.restarts()
        await house.runs_for(minutes=8)
        assert house.bought == ["acme.com"]
        assert len(story.thread) == 1

        house.slack.faults.clear()
        await house.runs_for(minutes=2)
        said_once(house)
        assert [line.split()[0] for line in story.thread] == [
            ":raised_hand:", ":white_check_mark:", ":package:", ":tada:",
        ]  # fmt: skip

    async def test_the_real_program_hears_again_after_it_was_refused(self, nursery: Path) -> None:
        async with set_scene(nursery) as scene:
            scene.workspace.faults.add(HANDSHAKE, SlackFault.error("not_now"), times=2)
            await scene.workspace.delivery.drop()
            await scene.waits(lambda: scene.workspace.delivery.connections == 1, "the bot connected again")
            await scene.ana_confirms(await scene.ana_asks())
            await scene.is_asked()
            scene.is_over = True


class Away:
    """A provider that can be taken off the network: its port refuses connections until it comes back."""

    def __init__(self, sandbox: mailin.MailinSandbox) -> None:
        self._app = mailin.create_app(sandbox)
        self._stack = contextlib.AsyncExitStack()
        self.url = ""

    async def comes_back(self) -> None:
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        self.url = await self._stack.enter_async_context(serving(self._app, port=port))

    async def goes(self) -> None:
        await self._stack.aclose()


class TestProviderIsAway:
    """For an hour, before, during and after something is sent."""

    @pytest.fixture
    async def provider(self, tmp_path: Path) -> AsyncIterator[tuple[House, Away]]:
        async with open_house(tmp_path, accounts=(), starts=False) as house:
            away = Away(house.mailin)
            await away.comes_back()
            settings = MailinSettings(
                provider="mailin",
                base_url=away.url,
                min_seconds_between_calls=0,
                min_seconds_between_writes=0,
                email=mailin.SANDBOX_EMAIL,
                password=mailin.SANDBOX_PASSWORD,
            )
            await house.starts(accounts={"mailin-main": settings}, budgets=(sales(),))
            yield house, away
            await away.goes()

    async def test_before_it_is_asked_for_the_form_says_so(self, provider: tuple[House, Away]) -> None:
        house, away = provider
        await away.goes()
        form = await house.form(house.ana, "/domain buy acme.com")
        await house.ana.fills(form, reason="Now")
        await house.ana.submits(form)
        again = await house.ana.sees_modal(
            lambda modal: modal.callback_id == "form" and modal.reads("Nothing was asked")
        )
        assert again.values["domains"] == "acme.com"
        assert house.on_disk("SELECT 1 FROM requests WHERE state <> 'draft'") == []

        await house.runs_for(hours=1)
        await away.comes_back()
        await house.ana.submits(again)
        review = await house.ana.sees_modal("review")
        assert (await house.ana.submits(review)).result == "cleared"
        await house.story_of(house.ana)
        balanced(house, "0", "12.50")

    async def test_before_it_is_sent_nothing_is_bought_and_the_thread_says_so(
        self, provider: tuple[House, Away]
    ) -> None:
        house, away = provider
        story = await house.asks(house.ana, "acme.com")
        await away.goes()
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(hours=1)
        await away.comes_back()
        await house.runs_for(hours=1)

        assert house.bought == []
        assert await story.state() is RequestState.FAILED
        assert "could not be reached, so nothing was sent" in story.thread[-1]
        assert "*What to do now:*" in story.thread[-1]
        said_once(house)
        balanced(house, "0")

    @pytest.mark.parametrize("work", list(Work))
    async def test_during_the_sending_it_is_found_out_afterwards(
        self, provider: tuple[House, Away], work: Work
    ) -> None:
        house, away = provider
        story = await house.asks(house.ana, "acme.com", "acme.co")
        house.mailin.faults.add(Operation.BUY_MULTIPLE, Fault.cut_after(work=work))
        await house.omar.clicks(story.card, "approve")
        await house.inside.runs.run_approved()
        await house.inside.runs.executions.settled()
        await away.goes()
        await house.runs_for(hours=1)
        assert await story.state() is RequestState.UNKNOWN
        assert not story.card.reads("Needs a person")  # who cannot look can prove nothing

        await away.comes_back()
        await house.runs_for(hours=1)
        assert house.calls["buy_multiple"] == 1
        bought = {Work.ALL: ["acme.com", "acme.co"], Work.HALF: ["acme.com"], Work.NOTHING: []}[work]
        assert house.bought == bought
        if work is Work.ALL:
            assert await story.state() is RequestState.SUCCEEDED
        else:
            assert story.card.reads("Needs a person")
            await house.omar.clicks(story.card, "settle_did_not")
            await house.tick()
            assert await story.state() is RequestState.FAILED
        said_once(house)
        balanced(house, {2: "40.50", 1: "12.50", 0: "0"}[len(bought)])

    async def test_after_it_was_accepted_it_is_watched_on(self, provider: tuple[House, Away]) -> None:
        house, away = provider
        story = await house.approved(house.ana, "acme.com")
        assert await story.state() is RequestState.WORKING
        await away.goes()
        await house.runs_for(hours=1)
        assert await story.state() is RequestState.WORKING

        await away.comes_back()
        await house.runs_for(hours=1)
        assert await story.state() is RequestState.SUCCEEDED
        assert len(story.thread) == 4
        assert house.bought == ["acme.com"]
        said_once(house)
        balanced(house, "12.50")

    async def test_it_answers_503_for_an_hour(self, provider: tuple[House, Away]) -> None:
        house, _ = provider
        story = await house.asks(house.ana, "acme.com")
        other = await house.approved(house.ana, "other.com")
        for operation in Operation:
            house.mailin.faults.add(operation, Fault.answers(503), times=10_000)
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(hours=1)
        assert house.bought == ["other.com"]
        house.mailin.faults.clear()
        await house.runs_for(hours=1)
        assert await other.state() is RequestState.SUCCEEDED
        assert house.calls["buy"] <= 2
        if await story.state() is not RequestState.FAILED:
            assert story.card.reads("Needs a person")
            await house.omar.clicks(story.card, "settle_did_not")
            await house.tick()
        assert house.bought == ["other.com"]
        said_once(house)
        balanced(house, "12.50")


class TestDiskIsFull:
    async def fills_up(self, house: House) -> None:
        """No fact fits into the audit any more, and no form among the requests; SQLite itself refuses to grow."""
        database = house.inside.store._database
        pages = await database.write(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await database.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone())
        store, now = house.inside.store, house.clock.now()
        for size in (3000, 1000, 300, 100, 30, 10, 3, 1, 1):
            for write in (
                lambda size=size: store.facts.note("", Fact("x", "x", {"": "x" * size}), now),
                lambda size=size: store.drafts.create(
                    Request(new_id("req"), "T", "U0NOBODY", "C", "", now, now, reason="x" * size)
                ),
            ):
                with contextlib.suppress(StoreUnavailable):
                    while True:
                        await write()

    async def has_room(self, house: House) -> None:
        database = house.inside.store._database
        await database.write(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchone())

    async def test_at_the_form(self, house: House) -> None:
        form = await house.form(house.ana, "/domain buy acme.com")
        await house.ana.fills(form, reason="why " * 120)
        await self.fills_up(house)
        sent = await house.ana.submits(form)
        assert sent.result == "errors"
        assert UNSTORED in str(sent.errors)
        assert form.values["domains"] == "acme.com"

        await self.has_room(house)
        assert (await house.ana.submits(form)).result == "updated"
        await house.ana.submits(await house.ana.sees_modal("review"))
        await house.story_of(house.ana)
        balanced(house, "0", "12.50")

    async def test_at_the_command(self, house: House) -> None:
        await self.fills_up(house)
        await house.ana.types("/domain buy", channel="#outreach")
        await house.inside.background.settled()
        assert UNSTORED in house.privately(house.ana, "#outreach")[-1]
        assert house.ana.modal is None

        await self.has_room(house)
        await house.form(house.ana, "/domain buy")

    async def test_at_the_submit(self, house: House) -> None:
        review = await house.review(house.ana, "acme.com")
        await self.fills_up(house)
        sent = await house.ana.submits(review)
        assert sent.result == "updated"
        assert sent.modal is not None
        assert sent.modal.callback_id == "form"
        assert sent.modal.reads(UNSTORED)
        assert sent.modal.values["domains"] == "acme.com"
        assert house.on_disk("SELECT 1 FROM requests WHERE state <> 'draft'") == []
        assert house.on_disk("SELECT 1 FROM messages") == []
        balanced(house, "0")

        await self.has_room(house)
        assert (await house.ana.submits(sent.modal)).result == "updated"
        await house.ana.submits(await house.ana.sees_modal("review"))
        story = await house.story_of(house.ana)
        assert len(story.thread) == 1
        balanced(house, "0", "12.50")

    async def test_at_the_vote(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await self.fills_up(house)
        await house.omar.clicks(story.card, "approve")
        await house.inside.background.settled()
        assert UNSTORED in house.privately(house.omar, "#approvals")[-1]
        assert await story.state() is RequestState.AWAITING
        assert house.on_disk("SELECT 1 FROM votes") == []

        await self.has_room(house)
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)
        assert house.bought == ["acme.com"]
        assert len(story.thread) == 4
        said_once(house)
        balanced(house, "12.50")

    async def test_at_the_intent(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "approve")
        await self.fills_up(house)
        for _ in range(3):
            await house.inside.runs.run_approved()
            await house.inside.runs.executions.settled()
        assert house.calls["buy"] == 0
        assert await story.state() is RequestState.APPROVED
        assert house.on_disk("SELECT 1 FROM intents") == []
        assert "store" not in await house.inside.health()

        await self.has_room(house)
        await house.runs_for(minutes=5)
        assert house.bought == ["acme.com"]
        assert house.calls["buy"] == 1
        said_once(house)
        balanced(house, "12.50")

    async def test_at_the_outcome(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.mailin.faults.add(Operation.BUY, Fault.slow(0.3))
        await house.omar.clicks(story.card, "approve")
        await house.inside.runs.run_approved()
        await has_the_order(house)
        await self.fills_up(house)
        await house.inside.runs.executions.settled()
        assert await story.state() is RequestState.EXECUTING

        await self.has_room(house)
        await house.passes(minutes=5)
        await house.runs_for(hours=1)
        assert house.bought == ["acme.com"]
        assert house.calls["buy"] == 1
        assert await story.state() is RequestState.SUCCEEDED
        assert ":mag:" in story.thread[2]
        said_once(house)
        balanced(house, "12.50")


class TestClockIsSetBack:
    """By an hour, while something waits for a moment that was near."""

    async def test_the_beats_go_on(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scheduler, "WATCH_SECONDS", 0.05)
        beats = scheduler.Beats(house.inside.store, house.clock)
        beaten = asyncio.Queue[None]()
        beats.add("slow", partial(beaten.put, None), timedelta(hours=2))
        beats.start()
        async with asyncio.timeout(10):
            await beaten.get()
            house.clock.advance(hours=-1)
            await beaten.get()
        await beats.stop(1)

    async def test_what_is_owed_to_slack_is_said_without_delay(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.slack.faults.add("chat.postMessage", SlackFault.cut_before(), times=None)
        house.slack.faults.add("chat.update", SlackFault.cut_before(), times=None)
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=1)
        assert house.bought == ["acme.com"]
        house.clock.advance(hours=-1)
        house.slack.faults.clear()

        await house.runs_for(minutes=2)
        assert len(story.thread) >= 3
        said_once(house)
        await house.runs_for(hours=2)
        assert await story.state() is RequestState.SUCCEEDED
        assert len(story.thread) == 4
        said_once(house)

    async def test_a_job_is_watched_to_its_end(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com")
        house.clock.advance(hours=-1)
        await house.restarts()
        await house.runs_for(hours=3)
        assert await story.state() is RequestState.SUCCEEDED
        assert house.calls["buy"] == 1
        said_once(house)
        balanced(house, "12.50")

    async def test_an_undo_window_is_never_shorter_and_ends(self, tmp_path: Path) -> None:
        async with house_with(tmp_path, undo_seconds=60) as house:
            stopped, sent = [await house.asks(house.ana, name) for name in ("stopped.com", "sent.com")]
            for story in (stopped, sent):
                await house.omar.clicks(story.card, "approve")
            await house.runs_for(seconds=30)
            house.clock.advance(hours=-1)
            await house.runs_for(seconds=20)
            assert house.bought == []
            await house.finn.clicks(stopped.card, "stop")
            await house.runs_for(hours=2)
            assert house.bought == ["sent.com"]
            assert await stopped.state() is RequestState.AWAITING
            said_once(house)
            balanced(house, "12.50", "12.50")

    async def test_a_dead_process_is_found_out(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.mailin.faults.add(Operation.BUY, Fault.slow(0.3))
        await house.omar.clicks(story.card, "approve")
        await house.inside.runs.run_approved()
        await has_the_order(house)
        await house.inside.runs.executions.drain(0)
        house.clock.advance(hours=-1)
        await house.restarts()
        await house.passes(hours=2)
        await house.runs_for(hours=1)
        assert await story.state() is RequestState.SUCCEEDED
        assert house.bought == ["acme.com"]
        assert house.calls["buy"] == 1
        said_once(house)
        balanced(house, "12.50")

    async def test_what_a_dead_process_had_claimed_is_done_by_the_next(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com")
        other = await house.asks(house.ana, "other.com")
        await house.omar.clicks(other.card, "approve")
        house.clock.advance(minutes=1)
        store, now = house.inside.store, house.clock.now()
        assert await store.jobs.claim_due(now, now + timedelta(minutes=1))
        assert await store.outbox.claim(now, now + timedelta(minutes=1))
        house.clock.advance(hours=-1)
        await house.restarts()
        await house.passes(hours=2)
        await house.runs_for(hours=1)
        assert await story.state() is RequestState.SUCCEEDED
        assert await other.state() is RequestState.SUCCEEDED
        assert sorted(house.bought) == ["acme.com", "other.com"]
        said_once(house)
        balanced(house, "25")

    async def test_a_request_that_waits_is_reminded_of_and_expires(self, tmp_path: Path) -> None:
        async with house_with(tmp_path, wait_hours=3, remind_after_hours=(1,)) as house:
            story = await house.asks(house.ana, "acme.com")
            await house.runs_for(minutes=30)
            house.clock.advance(hours=-1)
            await house.runs_for(hours=5)
            assert await story.state() is RequestState.EXPIRED
            assert [line.split()[0] for line in story.thread] == [":raised_hand:", ":alarm_clock:", ":alarm_clock:"]
            said_once(house)
            balanced(house, "0")

    async def test_a_right_to_decide_lasts_no_longer(self, tmp_path: Path) -> None:
        async with house_with(tmp_path, approvers=("S0FINANCE",)) as house:
            first, second = [await house.asks(house.ana, name) for name in ("first.com", "second.com")]
            await house.omar.clicks(first.card, "approve")
            house.slack.set_group("finance", ["U0FINN"])
            house.clock.advance(hours=-1)
            await house.omar.clicks(second.card, "approve")
            await house.inside.background.settled()
            assert "not among the people" in house.privately(house.omar, "#approvals")[-1]
            assert await second.state() is RequestState.AWAITING


class TestWhatSlackHasAlready:
    """It may have taken a message, and nobody heard so: then it is looked for, and not said twice."""

    async def test_it_is_found_below_all_that_was_written_in_the_channel_since(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(delivery, "LOOK_PAGES", 1)
        house.slack.faults.add("chat.postMessage", SlackFault.cut_after(), times=2)
        sent = await house.review(house.ana, "acme.com")
        await house.ana.submits(sent)
        await house.inside.delivery.deliver()
        assert house.on_disk("SELECT COUNT(*) FROM messages WHERE begun = 1") == [(2,)]
        await house.stops()
        house.clock.advance(days=3)  # a weekend, on which people go on talking
        for channel in ("C0OUTREACH", "C0APPROVALS"):
            for number in range(250):
                house.slack.post(channel, "U0FINN", f"By the way, number {number}")
        await house.starts()
        await house.runs_for(minutes=1)
        said_once(house)

    async def test_one_that_can_no_longer_be_changed_is_posted_anew_also_after_a_lost_answer(
        self, house: House
    ) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.slack.faults.add("chat.update", SlackFault.error("edit_window_closed"), times=None)
        house.slack.faults.add("chat.postMessage", SlackFault.server_error(), times=None)
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=1)
        house.slack.faults.clear("chat.postMessage")
        await house.runs_for(minutes=10)
        assert await story.state() is RequestState.SUCCEEDED
        assert house.on_disk("SELECT kind, attempts FROM messages WHERE sent < wanted") == []


class TestTheStoreFailsForOne:
    async def test_the_other_messages_are_posted_before_the_beat_ends(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent = await house.review(house.ana, "acme.com")
        await house.ana.submits(sent)
        outbox, written = house.inside.store.outbox, list[MessageKind]()
        note_sent = outbox.sent

        async def fails_for_the_card(message: Message, **where: str) -> None:
            if message.kind is MessageKind.CARD:
                raise StoreUnavailable("The disk is full.")
            for _ in range(100):  # it takes its turn after the other one's end
                await asyncio.sleep(0)
            await note_sent(message, **where)
            written.append(message.kind)

        with monkeypatch.context() as patched:
            patched.setattr(outbox, "sent", fails_for_the_card)
            with pytest.raises(StoreUnavailable):
                await house.inside.delivery.deliver()
            assert written == [MessageKind.PARENT]
        await house.passes(minutes=2)
        said_once(house)


class TestTheStartFails:
    async def test_what_was_sent_meanwhile_is_waited_for(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "approve")
        await house.stops()
        house.mailin.faults.add(Operation.BUY, Fault.slow(0.3))

        async def refused(*_: object) -> None:
            await has_the_order(house)
            raise app.CannotStart("Slack refuses the app token (invalid_auth), so Postroom did not start.")

        monkeypatch.setattr(app, "_try_app_token", refused)
        async with asyncio.timeout(30):
            with pytest.raises(app.CannotStart):
                await app.run(replace(house.settings, port=0), asyncio.Event(), clock=house.clock)
        assert house.on_disk("SELECT state FROM requests") == [("working",)]
        assert house.bought == ["acme.com"]
