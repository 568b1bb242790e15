"""After the yes: how the provider is asked, and what people are told however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import HttpUrl

from bot.settings import JobSettings
from providers.mailin.sandbox import Fault, Work
from storage.records import RequestState
from tests.house import House, Story, open_house, prices, reading

BUTTONS = "happened]\n[It did not happen]\n[Keep watching]"


def gaps(house: House, *operations: str) -> list[float]:
    """Seconds between calls."""
    at = house.calls.at(*operations)
    return [(later - earlier).total_seconds() for earlier, later in pairwise(at)]


class TestAsking:
    async def test_the_pauses_grow_up_to_five_minutes(self, house: House) -> None:
        house.mailin.job_seconds = 3600
        await house.approved(house.ana, "acme.com")
        ordered = house.clock.now()

        await house.runs_for(minutes=40)

        assert (house.calls.at("job_status")[0] - ordered).total_seconds() == 10
        assert gaps(house, "job_status")[:9] == pytest.approx(
            [15, 22.5, 33.75, 50.625, 75.9375, 113.906, 170.859, 256.289, 300], abs=0.01
        )
        assert set(gaps(house, "job_status")[8:]) == {300.0}

    async def test_an_account_gets_no_more_looks_than_its_pace_allows_and_the_others_do_not_wait(
        self, tmp_path: Path
    ) -> None:
        """Two calls are two seconds here: more would only stand in the queue of those who ask something meanwhile."""
        async with open_house(tmp_path, accounts=("mailin-main", "mailin-spare"), spacing=1) as house:
            for number in range(12):
                await house.approved(house.ana, f"n{number}.com", account="mailin-main")
            await house.approved(house.ana, "spare.com", account="mailin-spare")
            for name in house.mailin.domains:
                house.mailin.domains[name].active_at += timedelta(days=1)
            house.clock.advance(hours=1)
            house.mailin.faults.add("job_status", Fault.slow(0.2), times=100)
            before = house.calls["job_status"]

            due = await house.inside.jobs.look()
            await asyncio.sleep(0.1)
            assert house.calls["job_status"] - before == 3
            assert due is not None
            assert due > house.clock.now()  # nobody has to come back before one of them has ended
            await house.inside.jobs.looks.settled()

    async def test_things_of_an_account_are_asked_about_at_the_same_time(self, house: House) -> None:
        for number in range(8):
            await house.approved(house.ana, f"n{number}.com")
        house.clock.advance(seconds=10)
        house.mailin.faults.add("job_status", Fault.slow(0.5), times=8)

        await house.inside.jobs.look()
        await asyncio.sleep(0.3)
        assert house.calls["job_status"] == 8  # none has been answered yet
        await house.inside.jobs.looks.settled()

    async def test_while_an_account_is_asked_its_other_jobs_are_not_due(self, house: House) -> None:
        """Or the beat would be called again and again for work that it cannot take."""
        for name in ("one.com", "two.com"):
            await house.approved(house.ana, name)
        house.mailin.faults.add("job_status", Fault.slow(0.05))
        house.clock.advance(seconds=10)

        due = await house.inside.jobs.look()

        assert due is not None
        assert due > house.clock.now()
        await house.tick()
        assert house.calls["job_status"] == 2

    async def test_the_calls_of_an_account_are_spaced(self, tmp_path: Path) -> None:
        async with open_house(tmp_path, spacing=2.5) as house:
            for name in ("one.com", "two.com", "three.com"):
                await house.approved(house.ana, name)
            await house.runs_for(minutes=5)

            everything = [when for _, when in house.calls.times]
            pauses = [later - earlier for earlier, later in pairwise(everything)]
            assert min(pauses) >= timedelta(seconds=2.5)
            assert len(house.bought) == 3

    async def test_retry_after_is_honoured(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com")
        house.mailin.faults.add("job_status", Fault.answers(429, retry_after=120))
        await house.runs_for(seconds=10)
        assert house.calls["job_status"] == 1

        await house.runs_for(seconds=119)
        assert house.calls["job_status"] == 1
        assert "In progress" in reading(story.parent.blocks)

        await house.runs_for(seconds=1)
        assert house.calls["job_status"] == 2
        assert "*Done.*" in reading(story.parent.blocks)

    async def test_a_short_retry_after_is_waited_for_on_the_spot(self, house: House) -> None:
        await house.approved(house.ana, "acme.com")
        house.mailin.faults.add("job_status", Fault.answers(429, retry_after=4))

        await house.runs_for(seconds=10)

        assert gaps(house, "job_status") == [4.0]

    async def test_the_parent_shows_the_progress(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com", "acme.co")
        assert "0 of 2\nMailin has accepted the order and is registering." in reading(story.parent.blocks)
        house.mailin.listing_lag_seconds = 0
        house.mailin.domains["acme.co"].active_at += timedelta(seconds=60)

        await house.runs_for(seconds=90)
        assert "`█████░░░░░` 1 of 2\n1 of 2 live." in reading(story.parent.blocks)
        assert len(story.thread) == 3  # progress is shown, not told

        await house.runs_for(minutes=5)
        assert "*Done.*" in reading(story.parent.blocks)

    async def test_a_listing_that_cannot_be_read_keeps_back_nothing_that_another_tells(self, house: House) -> None:
        """Transfers of one account are asked about together, and Mailin lists those for Google apart."""
        stories: list[Story] = []
        for name, hosting in (("acme.com", "smtp"), ("other.com", "google")):
            form = await house.form(house.ana, f"/domain transfer {name}")
            await house.ana.fills(form, hosting=hosting)
            await house.ana.submits(form)
            stories.append(await house.story_of(house.ana))
        house.mailin.faults.add("google_domains", Fault.answers(403), times=1000)
        await house.runs_for(hours=1)

        assert [await one.state() for one in stories] == [RequestState.SUCCEEDED, RequestState.WORKING]
        house.mailin.faults.clear()
        await house.runs_for(minutes=10)
        assert await stories[1].state() is RequestState.SUCCEEDED

    async def test_a_listing_that_lags_behind_is_waited_for(self, house: House) -> None:
        house.mailin.listing_lag_seconds = 110
        house.mailin.job_seconds = 5
        story = await house.approved(house.ana, "acme.com")

        await house.runs_for(seconds=60)
        assert "0 of 1 live. Waiting to see acme.com in the account." in reading(story.parent.blocks)

        await house.runs_for(minutes=5)
        assert story.thread[-1].startswith(":tada: <@U0ANA> acme.com is live. Cost: $12.50.")

    async def test_a_status_nobody_knows_is_neither_success_nor_failure(self, house: House) -> None:
        house.mailin.faults.add("job_status", Fault.job_says("paused <!channel> for *lunch*"), times=2)
        story = await house.approved(house.ana, "acme.com")

        await house.runs_for(seconds=30)
        said = reading(story.parent.blocks)
        assert "a state that Postroom does not know (“paused &lt;!channel&gt; for *lunch*”)." in said

        await house.runs_for(minutes=5)
        assert "*Done.*" in reading(story.parent.blocks)

    @pytest.mark.parametrize(
        "fault", [Fault.malformed(), Fault.unknown_shape(), Fault.answers(500), Fault.answers(404)]
    )
    async def test_answers_that_cannot_be_read_do_not_end_it(self, house: House, fault: Fault) -> None:
        story = await house.approved(house.ana, "acme.com")
        house.mailin.faults.add("job_status", fault, times=5)

        await house.runs_for(seconds=40)
        assert "In progress" in reading(story.parent.blocks)

        await house.runs_for(minutes=10)
        assert "*Done.*" in reading(story.parent.blocks)
        assert house.bought == ["acme.com"]


async def test_credentials_that_are_refused_are_said_long_before_the_deadline(tmp_path: Path) -> None:
    async with open_house(tmp_path, job_seconds=7200) as house:
        story = await house.approved(house.ana, "acme.com")
        await house.runs_for(minutes=5)
        assert "Mailin is registering." in reading(story.parent.blocks)
        house.mailin.expire_tokens()
        house.mailin.faults.add("login", Fault.answers(401), times=1000)
        await house.runs_for(minutes=30)

        shown = reading(story.parent.blocks)
        assert "Postroom cannot see how it is getting on." in shown
        assert "check this account's credentials" in shown
        said = len(story.thread)
        house.mailin.faults.clear()
        await house.runs_for(hours=3)
        assert "*Done.*" in reading(story.parent.blocks)
        assert len(story.thread) == said + 1


class TestDeadline:
    @pytest.fixture
    async def stuck(self, tmp_path: Path) -> AsyncIterator[Story]:
        """A request whose job has not come to an end after an hour."""
        async with open_house(tmp_path, job_seconds=7200, starts=False) as house:
            await house.starts(jobs=JobSettings(deadline_hours=1))
            story = await house.approved(house.ana, "acme.com")
            await house.runs_for(minutes=61)
            yield story

    async def test_it_is_said_and_asked_and_not_polled_for_ever(self, stuck: Story) -> None:
        house = stuck.house
        assert stuck.thread[-1].splitlines() == [
            ":warning: <@U0ANA> After an hour the provider has not finished, so Postroom no longer asks it by itself.",
            "What was seen: Mailin is registering.",
            ":hourglass_flowing_sand: `acme.com` — bought, being set up",
            "*What to do now:* somebody who may approve says on the card in <#C0APPROVALS> what is true.",
        ]
        card = reading(stuck.card.blocks)
        assert "*Needs a person.*" in card
        assert "> Mailin is registering." in card
        assert BUTTONS in card
        assert "*Needs a person.*" in reading(stuck.parent.blocks)

        asked = house.calls["job_status"]
        await house.runs_for(hours=10)
        assert house.calls["job_status"] == asked

    async def test_a_provider_out_of_reach_says_nothing_about_the_order(self, house: House) -> None:
        """The order was sent; only the looks at it were not, and the card must not mix that up."""
        story = await house.approved(house.ana, "acme.com")
        account = house.settings.accounts["mailin-main"].model_copy(update={"base_url": HttpUrl("http://127.0.0.1:1")})
        await house.restarts(accounts={"mailin-main": account}, jobs=JobSettings(deadline_hours=1))
        await house.runs_for(hours=49)

        card = reading(story.card.blocks)
        assert "*Needs a person.*" in card
        assert "After 48 hours it cannot be seen whether the provider has finished, so Postroom no longer" in card
        assert "has not finished" not in card + "\n".join(story.thread)
        assert "> When Postroom looked last, it did not get through to the provider." in card
        assert "That says nothing about the order." in card
        assert "othing was sent" not in card + "\n".join(story.thread)
        assert house.bought == ["acme.com"]

    async def test_a_provider_that_keeps_failing_is_what_was_seen(self, house: House) -> None:
        await house.restarts(jobs=JobSettings(deadline_hours=1))
        house.mailin.job_seconds = 7200
        story = await house.approved(house.ana, "acme.com")
        house.mailin.faults.add("job_status", Fault.answers(403), times=1000)
        await house.runs_for(hours=2)

        assert "> When Postroom looked last, it could not see how it is. " in reading(story.card.blocks)

    @pytest.mark.parametrize("there", [None, "smailor-main"])
    async def test_an_account_that_is_gone_does_not_mean_that_nothing_was_done(
        self, tmp_path: Path, there: str | None
    ) -> None:
        """It is no longer in the settings, or its name is that of another account now. The order was sent."""
        async with open_house(tmp_path, accounts=("mailin-main", "smailor-main")) as house:
            story = await house.approved(house.ana, "acme.com")
            accounts = {"mailin-main": house.settings.accounts[there]} if there else {}
            await house.restarts(accounts=accounts)
            await house.runs_for(minutes=1)

            card = reading(story.card.blocks)
            assert "*Needs a person.* This was sent, and Postroom can no longer see what became of it. The acc" in card
            assert BUTTONS in card
            assert "othing was done" not in card + "\n".join(story.thread)
            assert not [one for one in house.log if one["log_level"] == "error"]

    async def test_a_person_says_it_happened(self, stuck: Story) -> None:
        await stuck.house.omar.clicks(stuck.card, "settle_happened")
        await stuck.house.tick()

        assert await stuck.state() is RequestState.SUCCEEDED
        assert stuck.thread[-1] == ":ballot_box_with_check: <@U0OMAR> looked and says: it happened. <@U0ANA>"
        assert BUTTONS not in reading(stuck.card.blocks)
        assert "*Done.* A person looked and says that it happened." in reading(stuck.parent.blocks)

    async def test_a_person_says_it_did_not(self, stuck: Story) -> None:
        await stuck.house.omar.clicks(stuck.card, "settle_did_not")
        await stuck.house.tick()

        assert await stuck.state() is RequestState.FAILED
        assert stuck.thread[-1] == ":ballot_box_with_check: <@U0OMAR> looked and says: it did not happen. <@U0ANA>"
        assert "*Failed.* A person says that it did not happen. It was seen at the" in reading(stuck.parent.blocks)

    async def test_a_person_has_it_watched_again(self, stuck: Story) -> None:
        house = stuck.house
        await house.omar.clicks(stuck.card, "settle_wait")
        await house.tick()
        assert stuck.thread[-1] == ":mag: <@U0OMAR> asked Postroom to keep watching."
        assert "In progress" in reading(stuck.parent.blocks)

        await house.runs_for(hours=1)

        assert "*Done.* acme.com is live." in reading(stuck.parent.blocks)

    async def test_nobody_says_it_who_may_not_approve(self, stuck: Story) -> None:
        house = stuck.house
        await house.ana.clicks(stuck.card, "settle_happened")
        await house.ana.clicks(stuck.card, "settle_wait")
        await house.tick()

        assert house.privately(house.ana, "#approvals") == [
            "This is your own request, so somebody else has to decide it. Nothing was changed.",
            "You are not among the people who may decide this. Nothing was changed.",
        ]
        assert await stuck.state() is RequestState.UNKNOWN

    async def test_two_people_answer_and_the_second_is_told(self, stuck: Story) -> None:
        house = stuck.house
        card = stuck.card
        await house.omar.clicks(card, "settle_happened")
        await house.finn.clicks(card, "settle_did_not")
        await house.tick()

        assert await stuck.state() is RequestState.SUCCEEDED
        assert house.privately(house.finn, "#approvals") == [
            "This has been settled meanwhile, so your answer was not needed. Its thread tells how it went."
        ]

    async def test_whoever_asked_does_not_say_it_though_they_may_approve(self, tmp_path: Path) -> None:
        """Their word would free or spend the money of their own request; they can only have it watched."""
        async with open_house(tmp_path, approvers=("U0OMAR", "U0ANA")) as house:
            story = await house.asks(house.ana, "acme.com")
            house.mailin.faults.add("buy", Fault.cut_before())
            await house.omar.clicks(story.card, "approve")
            await house.runs_for(minutes=10)

            await house.ana.clicks(story.card, "settle_did_not")
            await house.tick()
            assert await story.state() is RequestState.UNKNOWN

            await house.ana.clicks(story.card, "settle_wait")
            await house.tick()
            assert story.thread[-1] == ":mag: <@U0ANA> asked Postroom to keep watching."

    async def test_answers_that_can_never_be_read_end_there_too(self, tmp_path: Path) -> None:
        async with open_house(tmp_path, starts=False) as house:
            await house.starts(jobs=JobSettings(deadline_hours=1))
            story = await house.approved(house.ana, "acme.com")
            for operation in ("job_status", "domains"):
                house.mailin.faults.add(operation, Fault.unknown_shape(), times=1000)

            await house.runs_for(minutes=70)

            assert "Mailin's answer could not be understood." in story.thread[-1]
            assert BUTTONS in reading(story.card.blocks)
            assert await story.state() is RequestState.UNKNOWN


class TestFailing:
    async def test_some_of_it_was_bought(self, house: House) -> None:
        house.mailin.failing = {"bad.co"}
        story = await house.approved(house.ana, "good.com", "bad.co")

        await house.runs_for(minutes=10)

        assert story.thread[-1].splitlines() == [
            ":x: <@U0ANA> Mailin could not register everything: 1 of 2 bought.",
            ":white_check_mark: `good.com` — live, nameservers ns1.mailin.ai, ns2.mailin.ai",
            ":x: `bad.co` — not bought",
            "*What to do now:* Ask again for bad.co, or for other names.",
        ]
        for message in (story.card, story.parent):
            assert "*Failed.* Mailin could not register everything: 1 of 2 bought." in reading(message.blocks)
        assert house.bought == ["good.com"]

    async def test_none_of_it_was_bought(self, house: House) -> None:
        house.mailin.failing = {"bad.com", "bad.co"}
        story = await house.approved(house.ana, "bad.com", "bad.co")

        await house.runs_for(minutes=10)

        assert story.thread[-1].splitlines() == [
            ":x: <@U0ANA> Mailin could not register anything, and nothing was bought.",
            ":x: `bad.com` — not bought",
            ":x: `bad.co` — not bought",
            "*What to do now:* Ask again, or for other names.",
        ]
        assert await story.state() is RequestState.FAILED

    async def test_a_name_was_taken_meanwhile(self, house: House) -> None:
        story = await house.asks(house.ana, "still-free.com", "just-gone.com")
        house.mailin.taken.add("just-gone.com")

        await house.omar.clicks(story.card, "approve")
        await house.tick()

        assert story.thread[-1].splitlines() == [
            ":x: <@U0ANA> Mailin refused the order: just-gone.com is no longer free. Nothing was bought.",
            ":x: `still-free.com` — not bought",
            ":x: `just-gone.com` — not bought, taken",
            "*What to do now:* Ask again without the taken names.",
        ]
        assert house.calls["buy_multiple"] == 1
        assert house.bought == []

    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            (Fault.answers(429, retry_after=1), "too many calls"),
            (Fault.answers(429), "too many calls"),
            (Fault.answers(312), "This Mailin account has no active subscription for that."),
            (Fault.answers(311), "Mailin refused the request."),
        ],
        ids=lambda value: getattr(value, "status", None),
    )
    async def test_a_refusal_is_not_sent_again(self, house: House, fault: Fault, said: str) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.mailin.faults.add("buy", fault)

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(hours=1)

        assert house.calls["buy"] == 1
        assert house.bought == []
        assert await story.state() is RequestState.FAILED
        assert said in story.thread[-1]
        assert ":x: `acme.com` — not bought" in story.thread[-1]
        assert "*What to do now:*" in story.thread[-1]

    async def test_a_login_that_has_run_out_is_renewed_and_it_is_bought_once(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.mailin.expire_tokens()

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)

        assert house.bought == ["acme.com"]
        assert "*Done.*" in reading(story.parent.blocks)

    async def test_without_a_login_nothing_is_sent(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.mailin.expire_tokens()
        house.mailin.faults.add("login", Fault.answers(500), times=1000)

        await house.omar.clicks(story.card, "approve")
        await house.tick()

        assert await story.state() is RequestState.FAILED
        assert "Mailin did not let Postroom log in, so the request itself was not sent." in story.thread[-1]
        assert house.bought == []


DONE_UNHEARD = [
    Fault.cut_after(),
    Fault.cut_in_answer(),
    Fault.malformed(),
    Fault.unknown_shape(),
    *(Fault.answers(status, work=Work.ALL) for status in (500, 502, 310, 313, 408)),
]
UNDONE_UNHEARD = [Fault.cut_before(), *(Fault.answers(status, work=Work.NOTHING) for status in (500, 310, 313))]


def as_told(fault: Fault) -> str:
    return f"{fault.kind}-{fault.status}" if fault.kind == "status" else str(fault.kind)


class TestNobodyHeardTheAnswer:
    @pytest.mark.parametrize("fault", DONE_UNHEARD, ids=as_told)
    async def test_it_had_happened_and_is_found_by_reading(self, house: House, fault: Fault) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        house.mailin.faults.add("buy_multiple", fault)

        await house.omar.clicks(story.card, "approve")
        await house.tick()
        assert await story.state() is RequestState.UNKNOWN
        assert "*Checking what happened.*" in reading(story.parent.blocks)
        assert "It may or may not have happened, so it is *not* sent again." in story.thread[-1]

        await house.runs_for(minutes=10)
        assert story.thread[-1].startswith(":tada: <@U0ANA> Both domains are live.")
        assert house.calls["buy_multiple"] == 1
        assert house.bought == ["acme.com", "acme.co"]

    @pytest.mark.parametrize("fault", UNDONE_UNHEARD, ids=as_told)
    async def test_it_had_not_happened_and_a_person_is_asked(self, house: House, fault: Fault) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        house.mailin.faults.add("buy_multiple", fault)

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=10)

        assert house.calls["buy_multiple"] == 1
        assert house.bought == []
        assert story.thread[-1].splitlines() == [
            ":warning: <@U0ANA> Postroom looked at the provider and cannot tell whether this happened.",
            "What was seen: In the account: none of them. Not (yet) listed: acme.com, acme.co.",
            ":grey_question: `acme.com` — not known",
            ":grey_question: `acme.co` — not known",
            "*What to do now:* somebody who may approve says on the card in <#C0APPROVALS> what is true.",
        ]
        assert BUTTONS in reading(story.card.blocks)

        await house.omar.clicks(story.card, "settle_did_not")
        await house.tick()
        assert await story.state() is RequestState.FAILED

    async def test_a_half_is_shown_as_a_half(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        house.mailin.faults.add("buy_multiple", Fault.answers(313, work=Work.HALF))

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=10)

        assert house.bought == ["acme.com"]
        assert "In the account: acme.com. Not (yet) listed: acme.co." in story.thread[-1]
        assert ":white_check_mark: `acme.com` — live" in story.thread[-1]
        assert ":grey_question: `acme.co` — not known" in story.thread[-1]

    async def test_nothing_is_concluded_while_the_listing_may_lag(self, house: House) -> None:
        house.mailin.listing_lag_seconds = 100
        story = await house.asks(house.ana, "acme.com")
        house.mailin.faults.add("buy", Fault.cut_after())
        await house.omar.clicks(story.card, "approve")

        await house.runs_for(seconds=99)
        assert await story.state() is RequestState.UNKNOWN
        assert BUTTONS not in reading(story.card.blocks)

        await house.runs_for(minutes=5)
        assert "*Done.*" in reading(story.parent.blocks)
        assert house.calls["buy"] == 1

    async def test_the_listing_cannot_be_read_for_a_while(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.mailin.faults.add("buy", Fault.cut_after())
        house.mailin.faults.add("domains", Fault.malformed(), times=3)

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=10)

        assert "*Done.*" in reading(story.parent.blocks)
        assert house.bought == ["acme.com"]

    async def test_a_person_has_it_looked_at_again(self, house: House) -> None:
        house.mailin.listing_lag_seconds = 600
        story = await house.asks(house.ana, "acme.com")
        house.mailin.faults.add("buy", Fault.cut_after())
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=9)
        assert BUTTONS in reading(story.card.blocks)

        await house.omar.clicks(story.card, "settle_wait")
        await house.tick()
        assert BUTTONS not in reading(story.card.blocks)
        await house.runs_for(minutes=5)

        assert "*Done.*" in reading(story.parent.blocks)
        assert house.calls["buy"] == 1


class TestThePriceRises:
    """What was approved is what runs: a new price list makes the old yes void."""

    async def test_between_the_yes_and_the_purchase(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        old = story.card
        await house.omar.clicks(story.card, "approve")

        await house.restarts(prices=prices(domain_com="13.75"))
        await house.tick()

        assert house.bought == []
        assert story.thread[-1] == (
            ":warning: The price changed after the approval, from $12.50 to $13.75. "
            "Nothing was bought; the card in <#C0APPROVALS> asks again.\n"
            "• `acme.com` — $12.50 → *$13.75*"
        )
        card = reading(story.card.blocks)
        assert "`acme.com` — $12.50 → *$13.75*" in card
        assert "[Approve]\n[Deny]" in card
        assert "*$13.75*" in card

        await house.finn.clicks(old, "approve")
        await house.tick()
        assert house.privately(house.finn, "#approvals") == [
            "This request has changed since that card was shown. Nothing was decided: read the new card."
        ]
        assert house.bought == []

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)
        assert house.bought == ["acme.com"]
        assert "Cost: $13.75." in story.thread[-1]

    async def test_and_comes_back_and_whoever_said_yes_to_it_before_says_so_again(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "approve")
        for price in ("13.75", "12.50"):
            await house.restarts(prices=prices(domain_com=price))
            await house.tick()
            assert house.bought == []
            await house.omar.clicks(story.card, "approve")

        await house.runs_for(minutes=5)

        assert house.bought == ["acme.com"]
        assert house.privately(house.omar, "#approvals") == []
        assert [what for (what,) in house.on_disk("SELECT what FROM audit WHERE what = 'approved'")] == ["approved"] * 3
