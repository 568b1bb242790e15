"""Who decides a request, what it takes from which budgets, and what makes it ask anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from handlers.outcomes import Outcomes
from handlers.policy import (
    CREDITS,
    Budget,
    Circumstances,
    Ruling,
    asked_all_the_same,
    budgets_for,
    is_stricter,
    own_people_again,
    owner_ruling,
    period_of,
    rule,
    total_of,
    within_tolerance,
)
from handlers.requests import POSTROOM, Requests, Sorry, note, stored
from handlers.who import DirectoryUnavailable
from providers.accounts import Account, Clock
from providers.action import Action, Failed, Item, ItemState, Quote
from storage.books import Books
from storage.records import Asked, Content, Fact, MessageKind, NewMessage, Request, RequestState, Reservation, Telling
from storage.store import Store


class OverBudget(Sorry):
    """What was asked is more than is left of a budget, and the budget refuses that."""

    def __init__(self, budget: Budget, total: Decimal, left: Decimal) -> None:
        self.why = (
            f"This costs {_amount(total, budget)}, and of the budget “{budget.name}” "
            f"{_amount(max(left, Decimal(0)), budget)} are left this month."
        )
        self.cure = "Ask for less, wait for next month, or talk to whoever sets the budget."
        super().__init__(f"{self.why} Nothing was asked. {self.cure}")


class Rulings:
    """What the rules and the budgets say of a request at this moment."""

    def __init__(self, store: Store, requests: Requests, outcomes: Outcomes, clock: Clock) -> None:
        self._store = store
        self._requests = requests
        self._outcomes = outcomes
        self._policy = requests.policy
        self._who = requests.who
        self._clock = clock

    def of(
        self,
        seen: Circumstances,
        quote: Quote | None,
        books: Books,
        now: datetime,
        *,
        waits: Request | None = None,
    ) -> tuple[Ruling, list[Reservation]]:
        """Who decides, and what is set apart for it. Raises OverBudget where a budget refuses more.

        Where not every price is known, those that are count. What `waits` already is not refused any more: it stays
        with the owners that it has. What is held for it does not stand in its way, nor does what was asked later.
        """
        own, owners = dict[tuple[str, str], Decimal](), dict[str, tuple[str, ...]]()
        if waits is not None:
            before = self._requests.ruling_of(waits)
            owners = dict(zip(before.over, before.terms.owners, strict=False))
            for one in books.held(waits.id):
                own[one.budget, one.period] = one.amount
                if one.budget not in before.over:
                    own[one.budget, one.period] += books.held_later(waits.id, one.budget, one.period)
        ruling = rule(self._policy, seen)
        total = seen.total
        if total is None:
            total = sum((line.price or Decimal(0) for line in quote.lines), Decimal(0)) if quote else Decimal(0)
        elif not total:
            return ruling, []
        counted = [(one, period_of(one, now)) for one in budgets_for(self._policy, seen)]
        over: list[Budget] = []
        for budget, period in counted:
            use = books.use(budget.name, period)
            left = budget.limit - use.reserved - use.spent + own.get((budget.name, period), Decimal(0))
            if total <= left:
                continue
            if budget.over == "owner":
                over.append(budget)
            elif waits is None:
                raise OverBudget(budget, total, left)
            elif budget.name in owners:
                over.append(replace(budget, owners=owners[budget.name]))
        reservations = [Reservation(budget.name, period, total) for budget, period in counted]
        return (owner_ruling(ruling, over) if over else ruling), reservations

    def refuse_more(self, request: Request, total: Decimal, books: Books) -> None:
        """Raises OverBudget where the price rose within the tolerance, and over a budget whose owner was not asked."""
        over = self._requests.ruling_of(request).over
        for held, budget, left in self._room(request, books):
            if budget.name not in over and total > max(left, held.amount):
                raise OverBudget(budget, total, left)

    def with_room(self, request: Request, total: Decimal, books: Books) -> set[str]:
        """The budgets that a waiting request counts in and would not go over if it cost `total`."""
        return {budget.name for _, budget, left in self._room(request, books) if total <= left}

    def _room(self, request: Request, books: Books) -> Iterator[tuple[Reservation, Budget, Decimal]]:
        """What a request holds of each budget, and what of that is left for it: what it holds is its own."""
        limits = {one.name: one for one in self._policy.budgets}
        for held in books.held(request.id):
            if (budget := limits.get(held.budget)) is not None:
                use = books.use(held.budget, held.period)
                yield held, budget, budget.limit - (use.reserved + use.spent - held.amount)

    def is_tolerable(self, request: Request, action: Action, quote: Quote | None) -> bool:
        """Whether only the price is another than what was approved, and by no more than the settings allow."""
        approved = self._requests.quote_of(request)
        is_same = action.fingerprint(request.account, approved) == request.fingerprint
        if not is_same or not within_tolerance(approved, quote, self._policy.tolerance):
            return False
        if request.decision_reason:  # it was run at once, whatever the rules say
            return True
        groups = frozenset(self._requests.ruling_of(request).groups)
        seen = [circumstances(request, action, one, groups) for one in (approved, quote)]
        before, after = (rule(self._policy, one) for one in seen)
        rose = (seen[1].total or 0) > (seen[0].total or 0)
        return not rose or not is_stricter(after, before)

    def anew(self, request: Request, books: Books, *, groups: frozenset[str]) -> Asked | None:
        """What the rules say now about what was asked before and waits; None where that is as it was. Raises Sorry.

        Nothing that waits is approved by itself.
        """
        quote = self._requests.quote_of(request)
        seen = circumstances(request, self._requests.action_of(request), quote, groups)
        since = request.waiting_since or request.created_at
        held, before = books.held(request.id), self._requests.ruling_of(request)
        ruling, reservations = self.of(seen, quote, books, since, waits=request)
        is_counted = {(one.budget, one.period, one.amount) for one in reservations} == {
            (one.budget, one.period, one.amount) for one in held
        }
        if ruling.terms == own_people_again(before).terms and is_counted and not before.auto:
            return None
        # To whom it was taken already, it need not be taken again.
        is_same = ruling.terms.escalate_to == before.terms.escalate_to
        return Asked(
            RequestState.AWAITING,
            Telling(Fact(POSTROOM, "ruled_anew", {"rule": ruling.rule, "before": before.rule})),
            ruling=asked_all_the_same(ruling).to_json(),
            attend_at=self._clock.now(),
            reservations=reservations,
            escalated=request.escalated and is_same,
        )

    async def groups_of(self, request: Request) -> frozenset[str]:
        """The groups of whoever asked: as they are, or as they were when it was ruled on, where Slack does not say."""
        try:
            return await self._who.groups_of(request.requester)
        except DirectoryUnavailable:
            return frozenset(self._requests.ruling_of(request).groups)

    async def ask_for_less(self, request: Request, content: Content, by: str, without: Sequence[str]) -> Request | None:
        """So much was taken out that the rest has a known price, or fits a budget: the rules look at it anew, and so do
        people. None when the request has changed meanwhile. Raises OverBudget.
        """
        less = self._requests.action_of(replace(request, input=content.given))
        quote = None if content.quote is None else Quote.model_validate(content.quote)
        groups = frozenset(self._requests.ruling_of(request).groups)

        def asking(asked: Request, books: Books) -> Asked:
            now = self._clock.now()
            ruling, reservations = self.of(circumstances(asked, less, quote, groups), quote, books, now)
            ruling = asked_all_the_same(ruling)
            detail = {"without": sorted(without), "fingerprint_left": content.fingerprint, "rule": ruling.rule}
            fits = [one for one in self._requests.ruling_of(request).over if one not in ruling.over]
            told = note(
                asked, "asks_for_less", by=by, without=sorted(without), old=request.quote, new=content.quote, fits=fits
            )
            return Asked(
                RequestState.AWAITING,
                Telling(Fact(by, "edited", detail), [told]),
                ruling=ruling.to_json(),
                attend_at=now,
                reservations=reservations,
            )

        reopened = await self._store.decisions.reopen(
            request.id,
            content=content,
            asking=asking,
            expect=[RequestState.AWAITING],
            read=request,
            now=self._clock.now(),
        )
        if reopened is not None:
            self._requests.wake(reopened.state)
        return reopened

    async def price_moved(self, request: Request, action: Action, account: Account, quote: Quote | None) -> None:
        """The price moved since it was approved or asked: votes are void, and a card asks with the new figures."""
        decided = bool(request.decided_by)
        new = stored(quote)
        groups = await self.groups_of(request)

        def asking(reopened: Request, books: Books) -> Asked:
            now = self._clock.now()
            ruling, reservations = self.of(circumstances(reopened, action, quote, groups), quote, books, now)
            # Nothing that asks again is approved by itself: somebody has seen other figures.
            ruling = asked_all_the_same(ruling)
            messages = [
                NewMessage(MessageKind.CARD, self._policy.channel),
                note(reopened, "reopened", old=request.quote, new=new, decided=decided),
            ]
            return Asked(
                RequestState.AWAITING,
                Telling(Fact(POSTROOM, "reopened", {"old": request.quote, "new": new}), messages),
                ruling=ruling.to_json(),
                attend_at=now,
                reservations=reservations,
            )

        total = total_of(action.effect, quote) or Decimal(0)
        content = Content(action.stored(), new, action.fingerprint(account.name, quote), total)
        try:
            reopened = await self._store.decisions.reopen(
                request.id, content=content, asking=asking, now=self._clock.now(), read=request
            )
        except OverBudget as over:
            items = tuple(Item(name=name, state=ItemState.NOT_DONE) for name in action.subjects())
            summary = f"The price has changed since it was asked. {over.why} Nothing was sent."
            await self._outcomes.conclude(
                request, Failed(summary=summary, cure=over.cure, items=items), expect=[request.state]
            )
            return
        if reopened is not None:
            self._requests.wake(reopened.state)


def circumstances(request: Request, action: Action, quote: Quote | None, groups: frozenset[str]) -> Circumstances:
    """What the rules look at."""
    return Circumstances(
        command=action.command,
        effect=action.effect,
        provider=action.provider,
        account=request.account,
        total=total_of(action.effect, quote),
        currency="" if quote is None else quote.currency,
        channel=request.channel,
        requester=request.requester,
        groups=groups,
    )


def _amount(amount: Decimal, budget: Budget) -> str:
    """`1,040.50 USD`, `7 credits`: no cent is rounded away."""
    digits = 0 if budget.currency == CREDITS else 2
    return f"{amount:,.{max(digits, -int(amount.normalize().as_tuple().exponent))}f} {budget.currency}"
