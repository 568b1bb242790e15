"""What is too early waits for its time, over restarts, and the thread says when it goes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.modal import Modal
from bot.sandbox.people import Person
from handlers.slack.words import moment
from providers.mailapi.sandbox import MailApiSandbox
from providers.simulator import Fault
from storage.records import RequestState
from tests.house import House, Story, open_house, reading

LABELS = [f"s{number:02}" for number in range(23)]
NAMES = [f"{label}.acme.com" for label in LABELS]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, accounts=("mailin-main", "mailapi-main")) as opened:
        opened.sandboxes["mailapi"].own("acme.com")
        yield opened


def mailapi(house: House) -> MailApiSandbox:
    found = house.sandboxes["mailapi"]
    assert isinstance(found, MailApiSandbox)
    return found


async def sends(house: House, who: Person, *labels: str) -> Modal:
    """Somebody asks for sub-domains of acme.com at MailAPI; what they see when it was checked."""
    form = await house.form(who, "/domain subdomain")
    await who.chooses(form, "account", "mailapi-main")
    form = await who.sees_modal(lambda modal: "labels" in modal.fields)
    await who.fills(form, domain="acme.com", labels="\n".join(labels))
    sent = await who.submits(form)
    assert sent.result == "updated", sent
    await house.inside.lookups.settled()
    return await who.sees_modal(lambda modal: modal.callback_id != "checking")


async def asks_for(house: House, *labels: str, who: Person | None = None) -> Story:
    """Ana, or somebody else, asks for them, and goes on where a review says that they have to wait."""
    who = who or house.ana
    shown = await sends(house, who, *labels)
    if shown.callback_id == "review":
        assert (await who.submits(shown)).result == "cleared"
    return await house.story_of(who)


def row(at: datetime, names: list[str]) -> str:
    return f"• {moment(at)}: {', '.join(names)}"


async def test_a_long_list_goes_hour_by_hour_and_the_thread_says_when(house: House) -> None:
    story = await asks_for(house, *LABELS)
    first, second = house.clock.now() + timedelta(hours=1), house.clock.now() + timedelta(hours=2)

    assert mailapi(house).made == NAMES[:10]
    assert story.thread[-1].splitlines() == [
        ":alarm_clock: MailAPI has taken 10 of 23 sub-domains of acme.com; it takes at most 10 an hour. "
        "The rest goes by itself:",
        row(first, NAMES[10:20]),
        row(second, NAMES[20:]),
    ]
    assert f"*Waiting for its time:* it goes on {moment(first)}." in reading(story.parent.blocks)

    await house.runs_for(minutes=59)
    assert mailapi(house).made == NAMES[:10]
    await house.runs_for(minutes=2)
    assert mailapi(house).made == NAMES[:20]
    assert story.thread[-1].splitlines()[1:] == [row(second, NAMES[20:])]

    await house.runs_for(hours=2)
    assert mailapi(house).made == NAMES
    assert mailapi(house).calls["create_sub_domains"] == 3
    assert "All 23 sub-domains are verified." in story.thread[-1]
    assert len(story.thread) == 4
    assert await story.state() is RequestState.SUCCEEDED


async def test_it_goes_at_its_time_after_a_restart_too(house: House) -> None:
    story = await asks_for(house, *LABELS)
    at = house.clock.now() + timedelta(hours=1)

    await house.restarts()
    await house.runs_for(minutes=30)
    assert len(mailapi(house).made) == 10
    house.inside._set_beats()
    assert await house.inside.beats._beats["requests"].run() == at  # so the scheduler wakes it then
    await house.stops()
    house.clock.advance(hours=5)
    await house.starts()
    await house.tick()
    assert mailapi(house).made == NAMES[:20]
    await house.runs_for(hours=2)

    assert mailapi(house).made == NAMES
    assert await story.state() is RequestState.SUCCEEDED
    assert house.on_disk("SELECT key FROM intents ORDER BY key") == [(f"{story.id}#{n}",) for n in (1, 2, 3)]


async def test_an_hour_that_others_have_used_is_waited_for(house: House) -> None:
    await asks_for(house, "a")
    await house.runs_for(minutes=10)
    story = await asks_for(house, "b", "c")
    at = house.clock.now() + timedelta(minutes=50)

    assert story.thread[-1].splitlines() == [
        ":alarm_clock: MailAPI takes sub-domains of acme.com once an hour, and that hour is not over. Nothing was "
        "sent now. The rest goes by itself:",
        row(at, ["b.acme.com", "c.acme.com"]),
    ]
    await house.runs_for(hours=1)

    assert mailapi(house).made == ["a.acme.com", "b.acme.com", "c.acme.com"]
    assert await story.state() is RequestState.SUCCEEDED


async def test_whoever_comes_later_is_told_before_that_it_has_to_wait(house: House) -> None:
    await asks_for(house, "a")
    await house.runs_for(minutes=10)

    review = await sends(house, house.omar, "b", "c")

    at = house.clock.now() + timedelta(minutes=50)
    assert review.callback_id == "review"
    assert review.reads(
        ":alarm_clock: For acme.com the provider takes this only once an hour, and that time is not over "
        f"yet. It goes about {moment(at)}, by itself; the thread tells when."
    )
    assert review.submit == "Do it"
    assert mailapi(house).calls["create_sub_domains"] == 1  # nothing is asked before somebody says so
    await house.omar.closes(review)
    await house.runs_for(hours=3)
    assert mailapi(house).made == ["a.acme.com"]


async def test_whoever_comes_later_learns_who_goes_first(house: House) -> None:
    await asks_for(house, *LABELS)  # ten now, ten in an hour, three in two
    await house.runs_for(minutes=10)
    asked = house.clock.now()

    review = await sends(house, house.omar, *(f"t{number}" for number in range(11)))

    assert review.reads(
        ":alarm_clock: For acme.com the provider takes this only once an hour, and <@U0ANA> asked before you. "
        f"The first part goes about {moment(asked + timedelta(hours=2, minutes=50))}, by itself; the thread tells when."
    )
    assert (await house.omar.submits(review)).result == "cleared"
    await house.runs_for(hours=2, minutes=45)
    assert mailapi(house).made == NAMES
    await house.runs_for(minutes=10)
    assert len(mailapi(house).made) == len(NAMES) + 10
    await house.runs_for(hours=1)
    assert len(mailapi(house).made) == len(NAMES) + 11


async def test_it_does_not_wait_for_what_came_to_nothing(house: House) -> None:
    """What was refused has used up no hour, and what was taken back waits for none."""
    mailapi(house).faults.add("create_sub_domains", Fault.answers(422))
    await asks_for(house, "a")
    taken_back = await asks_for(house, *LABELS)
    await house.ana.clicks(taken_back.parent, "cancel")
    at = house.clock.now() + timedelta(hours=1)

    review = await sends(house, house.omar, "b")
    assert review.reads(f"and that time is not over yet. It goes about {moment(at)}, by itself")
    await house.omar.closes(review)

    house.clock.advance(hours=1, seconds=1)
    assert (await sends(house, house.omar, "b")).callback_id == "notice"  # at once, with nothing to look at first
    await house.tick()
    assert mailapi(house).made[-1] == "b.acme.com"


async def test_other_domains_and_accounts_do_not_wait(house: House) -> None:
    await asks_for(house, "a")
    mailapi(house).own("other.com")
    form = await house.form(house.omar, "/domain subdomain mailapi-main other.com b")
    await house.omar.submits(form)
    await house.tick()

    assert mailapi(house).made == ["a.acme.com", "b.other.com"]


@pytest.mark.parametrize("minutes", [1, 59, 61, 119])
async def test_what_waits_is_not_asked_for_twice(house: House, minutes: int) -> None:
    asked = house.clock.now()
    first = await asks_for(house, *LABELS)
    await house.runs_for(minutes=minutes)
    goes_on = asked + timedelta(hours=1 if minutes < 60 else 2)

    form = await sends(house, house.omar, "s21", "s22", "x")

    assert form.callback_id == "form"
    assert form.reads(
        f":warning: This has been asked already and is not finished: s21.acme.com, s22.acme.com ({first.id}). "
        f"<@U0ANA> has asked for it {moment(asked)}; it goes on {moment(goes_on)}. Nothing was asked."
    )
    assert form.values["labels"] == "s21\ns22\nx"
    await house.omar.fills(form, labels="x")
    await house.omar.submits(form)
    assert (await house.omar.submits(await house.omar.sees_modal("review"))).result == "cleared"
    second = await house.story_of(house.omar)

    await house.runs_for(hours=8)
    assert mailapi(house).made == [*NAMES, "x.acme.com"]  # once each
    assert await first.state() is await second.state() is RequestState.SUCCEEDED


async def test_of_two_who_send_the_same_at_once_one_is_asked(house: House) -> None:
    await asks_for(house, "a")
    reviews = [await sends(house, who, "b") for who in (house.ana, house.omar)]
    sent = [await house.ana.submits(reviews[0]), await house.omar.submits(reviews[1])]

    assert [one.result for one in sent] == ["cleared", "updated"]
    form = await house.omar.sees_modal("form")
    assert form.reads("This has been asked already and is not finished: b.acme.com")
    assert form.reads("<@U0ANA> has asked for it")
    await house.runs_for(hours=3)
    assert mailapi(house).made == ["a.acme.com", "b.acme.com"]


@pytest.mark.parametrize("minutes", [1, 59, 61, 119])
async def test_what_others_make_meanwhile_is_not_sent_again(house: House, minutes: int) -> None:
    """Not through Postroom: it learns of them by the listing."""
    story = await asks_for(house, *LABELS)
    await house.runs_for(minutes=minutes)
    mailapi(house).own("s21.acme.com")
    mailapi(house).own("s22.acme.com")

    await house.runs_for(hours=8)

    assert mailapi(house).made == NAMES[:21]
    assert await story.state() is RequestState.SUCCEEDED
    told = " ".join(story.thread)
    assert "in the account already: somebody has had them added meanwhile. They were not sent again." in told


async def test_no_answer_to_the_first_ten_is_looked_up_before_it_goes_on(house: House) -> None:
    mailapi(house).faults.add("create_sub_domains", Fault.cut_after())
    story = await asks_for(house, *LABELS)
    assert "It may or may not have happened, so it is *not* sent again." in story.thread[-1]

    await house.runs_for(hours=4)

    assert mailapi(house).made == NAMES  # once each
    assert await story.state() is RequestState.SUCCEEDED


async def test_a_process_that_dies_before_it_wrote_down_that_the_rest_waits(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*args: Any, **kwargs: Any) -> None:
        raise OSError

    with monkeypatch.context() as dying:
        dying.setattr(type(house.inside.store.runs), "postpone", dies)
        story = await asks_for(house, *LABELS)
        assert await story.state() is RequestState.EXECUTING
        await house.stops()
    assert mailapi(house).made == NAMES[:10]

    house.clock.advance(minutes=2)
    await house.starts()
    await house.tick()
    await house.runs_for(hours=4)

    assert mailapi(house).made == NAMES  # once each
    assert await story.state() is RequestState.SUCCEEDED


async def test_whoever_asked_can_take_back_what_waits(house: House) -> None:
    story = await asks_for(house, *LABELS)

    await house.ana.clicks(story.parent, "cancel")
    await house.runs_for(hours=3)

    assert mailapi(house).made == NAMES[:10]
    assert story.thread[-1] == ":heavy_minus_sign: <@U0ANA> cancelled this. What was not sent so far will not be."
    assert "Cancelled" in reading(story.parent.blocks)
    assert "[Cancel request]" not in reading(story.parent.blocks)
    assert await story.state() is RequestState.CANCELLED


# A provider that says "too many calls, come back later".


async def renames(house: House) -> Story:
    house.mailin.own_mailboxes("ana@acme.com")
    form = await house.form(house.ana, "/mailbox rename ana@acme.com Anabel")
    await house.ana.submits(form)
    return await house.story_of(house.ana)


def name_of_ana(house: House) -> Any:
    [box] = house.mailin.mailboxes.values()
    return box.name


async def test_what_the_provider_was_too_busy_for_is_done_when_it_said(house: House) -> None:
    house.mailin.faults.add("rename_mailbox", Fault.answers(429, retry_after=600), times=2)
    asked = house.clock.now()
    story = await renames(house)

    assert name_of_ana(house) != "Anabel"
    assert story.thread == [
        ":alarm_clock: The provider says that there were too many calls, and took no notice of this one. "
        f"Nothing was changed yet. It goes on {moment(asked + timedelta(seconds=600))}."
    ]
    await house.restarts()
    await house.runs_for(minutes=30)

    assert name_of_ana(house) == "Anabel"
    assert house.calls["rename_mailbox"] == 3
    assert len(story.thread) == 2
    assert await story.state() is RequestState.SUCCEEDED


async def test_what_is_too_early_for_days_has_failed(house: House) -> None:
    house.mailin.faults.add("rename_mailbox", Fault.answers(429, retry_after=36_000), times=100)
    story = await renames(house)

    await house.runs_for(days=3)

    assert story.thread[-1].startswith(":x: <@U0ANA> The provider says that there were too many calls")
    assert await story.state() is RequestState.FAILED
    assert house.calls["rename_mailbox"] <= 6


async def test_a_provider_that_says_again_in_a_second_is_not_believed_for_ever(house: House) -> None:
    mailapi(house).faults.add("create_sub_domains", Fault.answers(429, retry_after=1), times=40)
    story = await asks_for(house, "a", "b")

    await house.runs_for(minutes=10)

    assert mailapi(house).calls["create_sub_domains"] <= 10
    assert len(story.thread) == 1


async def test_the_days_begin_with_the_decision(house: House) -> None:
    house.mailin.own("acme.com")
    form = await house.form(house.ana, "/mailbox create mailin-main ana@acme.com Ana Ruiz")
    await house.ana.fills(form, reason="For spring")
    await house.ana.submits(form)
    await house.ana.submits(await house.ana.sees_modal("review"))
    story = await house.story_of(house.ana)
    await house.runs_for(days=3)
    house.mailin.faults.add("create_mailboxes", Fault.answers(429, retry_after=300))

    await house.omar.clicks(story.card, "approve")
    await house.runs_for(hours=1)

    assert await story.state() is RequestState.SUCCEEDED
    assert house.calls["create_mailboxes"] == 2


async def test_a_purchase_that_the_provider_was_too_busy_for_is_not_repeated(house: House) -> None:
    house.mailin.faults.add("buy", Fault.answers(429, retry_after=600))
    story = await house.approved(house.ana, "acme-hq.com", account="mailin-main")

    await house.runs_for(hours=1)

    assert await story.state() is RequestState.FAILED
    assert house.calls["buy"] == 1
    assert house.bought == []
    assert house.on_disk("SELECT key FROM intents") == [(f"{story.id}#1",)]
