"""What a provider was seen to have done stays true, whatever it says later and whatever a person says of the rest."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.settings import JobSettings
from providers.mailin.sandbox import Fault
from storage.records import RequestState
from tests.house import House, open_house, reading


async def test_what_is_live_when_the_watching_ends_is_on_the_card_and_not_sent_again(tmp_path: Path) -> None:
    async with open_house(tmp_path, starts=False) as house:
        await house.starts(jobs=JobSettings(deadline_hours=1))
        story = await house.approved(house.ana, "live.com", "slow.co")
        house.mailin.domains["slow.co"].active_at += timedelta(days=3)
        await house.runs_for(minutes=70)

        assert await story.state() is RequestState.UNKNOWN
        assert "`live.com` — live" in reading(story.card.blocks)
        await house.omar.clicks(story.card, "settle_again")
        await house.runs_for(minutes=5)
        assert house.calls["buy_multiple"] == 1
        [refused] = house.privately(house.omar, "#approvals")
        assert refused.startswith("A part of this was seen at the provider: live.com, slow.co.")


class TestASecondTimeThatIsRefused:
    """The first one was not listed for so long that somebody had it sent once more."""

    async def sent_again(self, house: House, *names: str) -> None:
        house.mailin.listing_lag_seconds = 900
        self.story = await house.asks(house.ana, *names)
        house.mailin.faults.add("buy_multiple" if len(names) > 1 else "buy", Fault.cut_after())
        await house.omar.clicks(self.story.card, "approve")
        await house.runs_for(minutes=16)
        assert await self.story.state() is RequestState.UNKNOWN
        await house.omar.clicks(self.story.card, "settle_again")
        await house.runs_for(minutes=5)

    @pytest.mark.parametrize("names", [("acme.com",), ("acme.com", "acme.co")])
    async def test_it_is_what_the_first_one_bought(self, house: House, names: tuple[str, ...]) -> None:
        await self.sent_again(house, *names)

        assert house.bought == list(names)
        assert "othing was bought" not in self.story.thread[-1]
        assert await self.story.state() is RequestState.SUCCEEDED
        assert "Cost:" in self.story.thread[-1]

    @pytest.mark.parametrize("words", ["warm-a.com", "warm-a.com warm-b.com"])
    async def test_also_where_it_is_refused_before_it_is_sent(self, tmp_path: Path, words: str) -> None:
        """What the first one bought is on the shelf no more, and in the account it has the first one's tag."""
        async with open_house(tmp_path, accounts=("scaledmail-one",)) as house:
            shelf = house.sandboxes["scaledmail"]
            shelf.put_on_shelf("warm-a.com", "warm-b.com", one_time="23", monthly="8")
            shelf.listing_lag_seconds = 900
            form = await house.form(house.ana, f"/prewarm buy {words}")
            await house.ana.fills(form, reason="A campaign")
            await house.ana.submits(form)
            await house.ana.submits(await house.ana.sees_modal("review"))
            story = await house.story_of(house.ana)
            shelf.faults.add("buy", Fault.cut_after())
            await house.omar.clicks(story.card, "approve")
            await house.runs_for(minutes=16)
            assert await story.state() is RequestState.UNKNOWN

            await house.omar.clicks(story.card, "settle_again")
            await house.runs_for(minutes=5)
            assert await story.state() is RequestState.SUCCEEDED
            assert "Nothing was sent" not in story.thread[-1]
            assert len(shelf.purchases) == len(words.split())


class TestAJobThatIsForgotten:
    """The provider took the order, did it, and does not know the job any more."""

    async def ordered(self, house: House, *names: str) -> None:
        await house.restarts(jobs=JobSettings(deadline_hours=1))
        self.story = await house.approved(house.ana, *names)
        house.mailin.faults.add("job_status", Fault.answers(404), times=1000)

    async def test_what_is_there_when_the_watching_ends_is_done(self, house: House) -> None:
        await self.ordered(house, "acme.com", "acme.co")
        await house.runs_for(minutes=70)

        assert await self.story.state() is RequestState.SUCCEEDED
        assert self.story.thread[-1].startswith(":tada: <@U0ANA> Both domains are live. Cost: $40.50.")

    async def test_a_part_that_is_there_is_on_the_card(self, house: House) -> None:
        await self.ordered(house, "acme.com", "acme.co")
        del house.mailin.domains["acme.co"]
        await house.runs_for(minutes=70)

        card = reading(self.story.card.blocks)
        assert "`acme.com` — live" in card
        assert "`acme.co` — not known" in card
        assert "In the account: acme.com. Not (yet) listed: acme.co." in card
        await house.omar.clicks(self.story.card, "settle_again")
        await house.runs_for(minutes=5)
        assert house.calls["buy_multiple"] == 1

    async def test_what_cannot_be_looked_up_either_is_asked_as_before(self, house: House) -> None:
        await self.ordered(house, "acme.com", "acme.co")
        house.mailin.faults.add("domains", Fault.answers(500), times=1000)
        await house.runs_for(minutes=70)

        assert await self.story.state() is RequestState.UNKNOWN
        assert "> When Postroom looked last, it could not see how it is." in reading(self.story.card.blocks)

    async def test_what_was_never_sent_is_not_called_unknown(self, house: House) -> None:
        await house.restarts(jobs=JobSettings(deadline_hours=1))
        house.mailin.own("acme.com")
        lines = [f"m{number:02}@acme.com Ana Ruiz" for number in range(12)]
        form = await house.form(house.ana, "/mailbox create")
        await house.ana.fills(form, mailboxes="\n".join(lines), reason="Spring")
        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))
        story = await house.story_of(house.ana)
        house.mailin.faults.add("create_mailboxes", Fault.slow(0))
        house.mailin.faults.add("create_mailboxes", Fault.answers(311))
        await house.omar.clicks(story.card, "approve")
        await house.tick()
        lost = next(number for number, box in house.mailin.mailboxes.items() if box.username == "m03@acme.com")
        del house.mailin.mailboxes[lost]
        await house.runs_for(minutes=70)

        card = reading(story.card.blocks)
        assert await story.state() is RequestState.UNKNOWN
        assert "`m02@acme.com` — live" in card
        assert "`m03@acme.com` — not known" in card
        assert "`m11@acme.com` — not known" not in card
