"""How money is kept safe: two people for much of it, a price that moves, a budget used up, an unclear answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bot.sandbox.stage import PRICES, Stage
from bot.sandbox.story import APPROVALS, OUTREACH, PATIENCE, Act, Scenes, Wanted, has_button
from bot.sandbox.tour import Deed
from bot.sandbox.transcript import Transcript
from bot.sandbox.witness import NotSeen
from providers.mailin.sandbox import Operation as AtMailin
from providers.simulator import Fault

UNDO_SECONDS = 1
BIG = Decimal(100)
BUDGET = Decimal(280)
"""What #outreach may spend a month: nearly all of it is used up by what was played before."""

RULES = f"""
[[approvals.rules]]
name = "Much money"
over = "{BIG}"
currency = "USD"
needs = 2

[[budgets]]
name = "Outreach"
team = "C0OUTREACH"
amount = "{BUDGET}"
currency = "USD"
over = "owner"
owners = ["S0GROWTH"]
"""
"""What the demo's settings say beside who may approve."""


class Safety(Scenes):
    """Four moments in which money could be lost, and is not. `deeds` tells what the books say of them."""

    MANY = ("acme-one.co", "acme-two.co", "acme-three.co", "acme-four.co")
    DEARER = "acme-writes.com"
    LAST = "acme-last.com"
    UNCLEAR = "acme-once.com"

    def __init__(self, stage: Stage, transcript: Transcript) -> None:
        super().__init__(stage, transcript)
        self.deeds: list[Deed] = []

    def acts(self) -> Sequence[Act]:
        """Each ends with a look into the provider's own books."""
        return (
            (f"More than ${BIG}: two different people have to say yes", self._two_people),
            ("A price that rises between the yes and the sending", self._dearer),
            ("A budget that is used up: its owner decides", self._over_budget),
            ("An answer that never came: a person looks, and says so", self._unclear),
        )

    async def _two_people(self) -> None:
        await self._asks(self._ana, f"/domain buy {' '.join(self.MANY)}", reason="Four regions, one campaign each")
        card = await self._card("Buy 4 domains")
        await self._clicks(self._omar, card, "Approve")
        parent = await self._parent("Buy 4 domains")
        await self._ana.sees("One more person has to", in_=OUTREACH, thread_of=parent, timeout=PATIENCE)
        await self._clicks(self._omar, card, "Approve")
        await self._omar.sees("You have already approved this", in_=APPROVALS, timeout=PATIENCE)
        await self._clicks(self._finn, await self._card("Buy 4 domains"), "Approve")
        await self._ends("Buy 4 domains", "domains are live")
        bought = [one.domain for one in self._stage.mailin.purchases if one.domain in self.MANY]
        self._books_say(sorted(bought) == sorted(self.MANY), "four domains, each bought once")
        self.deeds.append(Deed("Mailin.ai", f"Bought {len(bought)} domains after two people’s yes", _paid(bought)))

    async def _dearer(self) -> None:
        books = self._stage.scaledmail
        inbox = next(one for one in books.stock.values() if one.domain == self.DEARER)
        await self._asks(self._ana, f"/prewarm buy {self.DEARER}", reason="A warm one for the launch")
        headline = f"Buy pre-warmed {self.DEARER}"
        await self._clicks(self._omar, await self._card(self.DEARER), "Approve")
        books.stock[inbox.id] = replace(inbox, one_time=inbox.one_time + 6)
        self._say.aside(f"ScaledMail raises its price by $6 in the {UNDO_SECONDS} second before it is sent")
        parent = await self._parent(headline)
        told = await self._ana.sees(
            "The price changed after the approval", in_=OUTREACH, thread_of=parent, timeout=PATIENCE
        )
        self._say.aside(" ".join(self._say.texts_of(told)))
        self._books_say(not any(one.domain == self.DEARER for one in books.purchases), "nothing bought meanwhile")
        await self._clicks(self._omar, await self._card(self.DEARER), "Approve")
        await self._ends(headline, "is there")
        bought = [one for one in books.purchases if one.domain == self.DEARER and one.charged]
        self._books_say(len(bought) == 1, "bought once, at the price that was approved")
        self.deeds.append(Deed("ScaledMail", f"Bought {self.DEARER} at its new price", bought[0].price, inbox.monthly))

    async def _over_budget(self) -> None:
        await self._types(self._ana, "/postroom budget")
        await self._ana.sees("Outreach", in_=OUTREACH, timeout=PATIENCE)
        await self._asks(self._ana, f"/domain buy {self.LAST}", reason="Only this one")
        await self._clicks(self._omar, await self._card(self.LAST), "Approve")
        parent = await self._parent(f"Buy {self.LAST}")
        await self._ana.sees("For the budget “Outreach”", in_=OUTREACH, thread_of=parent, timeout=PATIENCE)
        self._books_say(self.LAST not in [one.domain for one in self._stage.mailin.purchases], "nothing bought so far")
        await self._clicks(self._finn, await self._card(self.LAST), "Approve")
        await self._ends(f"Buy {self.LAST}", "is live")
        bought = [one.domain for one in self._stage.mailin.purchases if one.domain == self.LAST]
        self._books_say(bought == [self.LAST], "bought once, when the owner of the budget had said yes")
        self.deeds.append(Deed("Mailin.ai", f"Bought {self.LAST}, which its budget’s owner allowed", _paid(bought)))

    async def _unclear(self) -> None:
        self._stage.mailin.faults.add(AtMailin.BUY, Fault.cut_before())
        await self._asks(self._ana, f"/domain buy {self.UNCLEAR}", reason="For the newsletter")
        await self._clicks(self._finn, await self._card(self.UNCLEAR), "Approve")
        self._say.aside("Mailin hangs up in the middle of the order; nobody can tell whether it was taken")
        asks = Wanted(
            "a card that asks what happened", lambda m: m.reads(self.UNCLEAR) and has_button("settle_again")(m)
        )
        card = await self._finn.sees(asks, in_=APPROVALS, timeout=PATIENCE)
        self._books_say(
            not any(one.domain == self.UNCLEAR for one in self._stage.mailin.purchases), "nothing was bought so far"
        )
        await self._clicks(self._finn, card, "It did not, try again")
        await self._ends(f"Buy {self.UNCLEAR}", "is live")
        bought = [one.domain for one in self._stage.mailin.purchases if one.domain == self.UNCLEAR]
        self._books_say(bought == [self.UNCLEAR], "bought once, because a person said so")
        self.deeds.append(Deed("Mailin.ai", f"Bought {self.UNCLEAR}, once somebody had looked", _paid(bought)))

    def _books_say(self, true: bool, what: str) -> None:
        if not true:
            raise NotSeen(f"By the provider's books this is not so: {what}.")


def _paid(domains: Sequence[str]) -> Decimal:
    return sum((PRICES[name.rsplit(".", 1)[-1]] for name in domains), Decimal(0))
