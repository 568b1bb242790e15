"""Decisions: yes, no, not all of it, not yet, stop. Who may is asked of the workspace at the click. No Slack here.

What a person must be told at once is raised as `Sorry`; what was done is committed together with what the thread says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from handlers.policy import Part, Refusal, Ruling, is_group, missing, right_of, shortages, void_votes
from handlers.requests import GONE, POSTROOM, SEEN, SILENT, NotAllowed, Requests, Sorry, note
from handlers.rulings import Rulings
from handlers.who import DirectoryUnavailable, Roll, people_in
from providers.accounts import Clock
from storage.books import Books
from storage.decisions import Judged
from storage.records import (
    Asked,
    Content,
    Delegation,
    Fact,
    MessageKind,
    NewMessage,
    Request,
    RequestState,
    Telling,
    Verdict,
    Vote,
    new_id,
)
from storage.store import Store

_CHANGED = "This request has changed since that card was shown. Nothing was decided: read the new card."
_TAKEN = "Slack has sent this click before, and it was taken then. Nothing was changed."
_NOT_IN_IT = "Not all of what you took out is in this request. Nothing was decided: read the new card."
_NOTHING_LEFT = "That takes out everything. Nothing was decided: deny the request instead."
_TOO_LATE_TO_STOP = (
    "It is too late to stop this: it has been sent to the provider, or is just being sent. Nothing was changed; its "
    "thread tells how it goes."
)
_FAILED_ALREADY = "This has failed already, so nothing is left to stop. Its thread tells why."
_NOT_SENT = (RequestState.AWAITING, RequestState.DENIED, RequestState.CANCELLED, RequestState.EXPIRED)
LONGEST_AWAY = timedelta(days=366)
_PATIENCE = 2.5
"""Seconds for all that the workspace is asked for one click: Slack waits three for its answer."""
_MOST_TRIES = 5
"""So often a click finds that it depends on somebody else than before; each time the workspace is asked about them."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Unresolved(Exception):
    """It depends on people and groups that nobody has asked the workspace about yet."""

    named: Collection[str]


class _Expired(Exception):
    """It has waited for as long as it may, and only nobody has noticed yet."""


@dataclass(frozen=True, slots=True)
class _RulesAnew(Exception):
    """So much was taken out of `request` that others may decide what is left, `content`."""

    request: Request
    content: Content


class Approvals:
    """Everything that people decide about requests, each a method that a listener calls."""

    def __init__(self, store: Store, requests: Requests, rulings: Rulings, clock: Clock) -> None:
        self._store = store
        self._requests = requests
        self._rulings = rulings
        self._who = requests.who
        self._policy = requests.policy
        self._clock = clock

    # Yes and no.

    async def decide(
        self, request_id: str, by: str, verdict: Verdict, *, seen: str, reason: str = "",
        without: Collection[str] = (), click: str = "",
    ) -> Request:  # fmt: skip
        """Somebody says yes or no to what they saw (`seen`: the card's fingerprint). Raises Sorry.

        `without`: these of its subjects are taken out, and the yes is for the rest. `click` is this very click's own
        name: sent once more after an approval was stopped, it is no new one.
        """
        now = self._clock.now()

        def judging(request: Request, books: Books, roll: Roll) -> Judged:
            ruling = self._requests.ruling_of(request)
            if self._requests.has_expired(request):
                raise _Expired
            principal = self._right(request, ruling, by, roll, books, says_no=verdict is Verdict.DENY)
            void = self._void(request, ruling, roll, books)
            if books.was_taken(request.id, click):
                raise Sorry(_TAKEN)
            content = self._without(request, without) if without else None
            undo = self._policy.undo
            parts = ruling.parts(request.escalated)
            people = [people_in(part.named, roll.groups) for part in parts]

            vote = Vote(request.id, by, verdict, request.fingerprint, now, reason, principal)
            own = self._instead([vote], request, roll, books)
            owned = [
                own & able for part, able in zip(parts, people, strict=True) if part.budget and principal not in able
            ]

            def lacks(votes: Sequence[Vote]) -> list[Part]:
                instead = self._instead(votes, request, roll, books)
                return missing(parts, people, {one.principal for one in votes}, instead)

            if content is not None and content.total is not None:
                # To what is left nobody else has said yes so far.
                owners = {part.budget for part in lacks([vote])}
                if self._total_of(request) is None or owners & self._rulings.with_room(request, content.total, books):
                    raise _RulesAnew(request, content)

            return Judged(
                principal,
                lambda votes: not lacks(votes),
                lambda voted, votes: _told(
                    voted, vote, len(votes), ruling, lacks=lacks(votes), without=without, click=click, void=void,
                    also_for=sorted(frozenset[str]().union(*owned)) if verdict is Verdict.APPROVE else (),
                ),
                stop_until=now + undo if undo else None,
                content=content,
                void=[one.voter for one in void],
            )  # fmt: skip

        decided: Request | None = None
        if len(seen) >= SEEN:
            try:
                decided = await self._cast(Vote(request_id, by, verdict, seen, now, reason), judging)
            except _RulesAnew as less:
                # Other rules and budgets may be about what is left, so this is no decision yet.
                decided = await self._rulings.ask_for_less(less.request, less.content, by, sorted(without))
        if decided is None:
            await self.deciding(request_id, by, seen=seen)  # says why not
            raise await self._requests.too_late(request_id)
        self._requests.moved(decided)
        return decided

    async def _cast(self, vote: Vote, judging: Callable[[Request, Books, Roll], Judged]) -> Request | None:
        def casting(roll: Roll) -> Awaitable[Request | None]:
            return self._store.decisions.cast_vote(vote, judging=lambda request, books: judging(request, books, roll))

        request = await self._store.requests.get(vote.request_id) if self._policy.has_groups else None
        try:
            return await self._knowing(vote.voter, vote.request_id, request, vote.verdict.value, casting)
        except _Expired:
            return None

    async def _knowing(
        self, by: str, request_id: str, request: Request | None, what: str, judged: Callable[[Roll], Awaitable[T]]
    ) -> T:
        """What `judged` says, once the workspace was asked about all on whom that depends; noted where it is no.

        At first that is who clicks, and the groups that may decide the `request`, as far as that is known. Whom else it
        takes, only the transaction knows, and may know otherwise the next time.
        """
        roll = Roll()
        named = self._requests.ruling_of(request).terms.deciders(request.escalated) if request is not None else ()
        unasked: Collection[str] = [by, *filter(is_group, named)]
        until = asyncio.get_running_loop().time() + _PATIENCE
        for _ in range(_MOST_TRIES):
            try:
                async with asyncio.timeout_at(until):
                    roll = roll.and_also(await self._asked(unasked))
            except TimeoutError as error:
                raise Sorry(SILENT) from error
            try:
                return await judged(roll)
            except _Unresolved as unresolved:
                unasked = unresolved.named
            except NotAllowed as refused:
                await self._refused(await self._requests.found(request_id), by, what, roll, refused)
                raise
        raise Sorry(SILENT)

    async def deciding(
        self, request_id: str, by: str, *, seen: str, what: str = "decide", says_yes: bool = False
    ) -> Request:
        """The request, if `by` may decide it and it still waits as they saw it. Raises Sorry.

        With `says_yes` not either if they have said so already.
        """
        request = await self._requests.found(request_id)
        await self._allowed(request, by, what, says_no=not says_yes)
        return await self._waits(request, seen)

    async def open_to(self, requests: Sequence[Request], by: str) -> set[str]:
        """The ids of those of these requests that wait for the yes of `by` at this moment: their click would be taken.

        Nothing is noted of those that do not. Raises DirectoryUnavailable.
        """
        asked = [one for one in requests if one.state is RequestState.AWAITING]
        waiting = [one for one in asked if not self._requests.has_expired(one)]
        roll, theirs = Roll(), set[str]()
        unasked: Collection[str] = [by]
        for _ in range(_MOST_TRIES):
            roll = roll.and_also(await self._who.roll(unasked))
            theirs, unasked = await self._store.look(partial(self._open_to, waiting, by, roll))
            if not unasked:
                break
        return theirs

    def _open_to(self, requests: Sequence[Request], by: str, roll: Roll, books: Books) -> tuple[set[str], set[str]]:
        """Those of these that wait for the yes of `by`, and whom else that of others depends on."""
        theirs, unasked = set[str](), set[str]()
        for request in requests:
            try:
                self._right(request, self._requests.ruling_of(request), by, roll, books, says_no=False)
            except _Unresolved as unresolved:
                unasked.update(unresolved.named)
            except NotAllowed:
                continue
            else:
                theirs.add(request.id)
        return theirs, unasked

    async def _waits(self, request: Request, seen: str) -> Request:
        """The request, if it still waits for a decision as somebody saw it. Raises Sorry."""
        if self._requests.has_expired(request):
            await self._requests.expire(request)
            raise await self._requests.too_late(request.id)
        if request.state is not RequestState.AWAITING:
            raise await self._requests.too_late(request.id)
        if len(seen) < SEEN or not request.fingerprint.startswith(seen):
            raise Sorry(_CHANGED)
        return request

    async def _allowed(self, request: Request, by: str, what: str, *, says_no: bool = True) -> str:
        """Whose right `by` would use. Raises Sorry, and notes it, if nobody's."""
        ruling = self._requests.ruling_of(request)

        def judged(roll: Roll) -> Awaitable[str]:
            return self._store.look(lambda books: self._right(request, ruling, by, roll, books, says_no=says_no))

        return await self._knowing(by, request.id, request, what, judged)

    async def _refused(self, request: Request, by: str, what: str, roll: Roll, refused: NotAllowed) -> None:
        """The audit knows that somebody clicked who may not; and whether anybody may at all is looked at anew."""
        await self._requests.refused_click(request.id, by, what, refused.sentence, refused.who)
        ruling = self._requests.ruling_of(request)
        parts = ruling.parts(request.escalated)
        people = [people_in(part.named, roll.groups) for part in parts]
        if not ruling.short and shortages(ruling, request.requester, parts, people):
            await self._store.waiting.attend_now(request.id, self._clock.now())
            self._requests.wake(RequestState.AWAITING)

    def _right(
        self,
        request: Request,
        ruling: Ruling,
        by: str,
        roll: Roll,
        books: Books,
        *,
        says_no: bool = True,
    ) -> str:
        """Whose right `by` uses to decide `request`. Raises NotAllowed, or _Unresolved."""
        if unasked := roll.lacks(self._concerned(request, by, books)):
            raise _Unresolved(unasked)
        if not roll.active([by]):
            raise NotAllowed(GONE)
        void = self._void(request, ruling, roll, books)
        cast = [] if says_no else books.votes(request.id, request.fingerprint)
        yes = [one for one in cast if one.verdict is Verdict.APPROVE and one not in void]
        parts = ruling.parts(request.escalated)
        people = {part.named: people_in(part.named, roll.groups) for part in parts}
        instead = self._instead(yes, request, roll, books)
        lacks = missing(parts, [people[part.named] for part in parts], {one.principal for one in yes}, instead)
        if not lacks:
            yes, lacks = [], list(parts)  # the rules ask for fewer than before: one says it once more, and that decides
        handed = books.handed_to(by, self._clock.now())
        away = roll.active(one.principal for one in handed)
        voters = {one.voter for one in yes}
        right = right_of(
            by,
            requester=request.requester,
            ruling=ruling,
            entitled=frozenset().union(*people.values()),
            wanted=None if says_no else frozenset().union(*(people[part.named] for part in lacks)),
            delegations=[one for one in handed if one.principal in away],
            voted=voters | {one.principal for one in yes},
            stood_for={one.principal for one in yes} - voters,
        )
        if isinstance(right, Refusal):
            raise NotAllowed(right.sentence)
        return right

    def _instead(self, votes: Sequence[Vote], request: Request, roll: Roll, books: Books) -> frozenset[str]:
        """In whose place those decide who have said yes, besides their own right."""
        now = self._clock.now()
        handed = {one.principal for vote in votes for one in books.handed_to(vote.voter, now)}
        return roll.active(handed) - {request.requester}

    def _void(self, request: Request, ruling: Ruling, roll: Roll, books: Books) -> list[Vote]:
        """The votes on it that no longer count, because of who may decide it now."""
        votes = books.votes(request.id, request.fingerprint)
        entitled = people_in(ruling.terms.deciders(request.escalated), roll.groups)
        able = roll.active(who for one in votes for who in (one.voter, one.principal))
        return void_votes(votes, requester=request.requester, ruling=ruling, entitled=entitled, able=able)

    def _concerned(self, request: Request, by: str, books: Books) -> set[str]:
        """Every person and group on whom it depends whether `by` may decide, and whose votes count."""
        named = self._requests.ruling_of(request).terms.deciders(request.escalated)
        votes = books.votes(request.id, request.fingerprint)
        now = self._clock.now()
        handed = {one.principal for who in {by, *(one.voter for one in votes)} for one in books.handed_to(who, now)}
        people = {by, *handed, *(who for one in votes for who in (one.voter, one.principal))}
        return {*filter(is_group, named), *people} - {""}

    async def _asked(self, named: Collection[str]) -> Roll:
        try:
            return await self._who.roll(named)
        except DirectoryUnavailable as error:
            raise Sorry(SILENT) from error

    def _without(self, request: Request, out: Collection[str]) -> Content:
        """What is left of a request when some of its subjects are taken out, at the prices that were quoted."""
        action = self._requests.action_of(request)
        if not {one.lower() for one in out} <= {one.lower() for one in action.subjects()}:
            raise Sorry(_NOT_IN_IT)
        left = action.without(out)
        if left is None:
            raise Sorry(_NOTHING_LEFT)
        quote = self._requests.quote_of(request)
        gone = set(action.subjects()) - set(left.subjects())
        if quote is not None:
            quote = quote.model_copy(update={"lines": tuple(one for one in quote.lines if one.subject not in gone)})
        total = None if quote is None else quote.total
        return Content(
            left.stored(),
            None if quote is None else quote.model_dump(mode="json"),
            left.fingerprint(request.account, quote),
            total,
            tuple(gone),
        )

    def _total_of(self, request: Request) -> Decimal | None:
        """What it was said to cost; None where nobody knows."""
        quote = self._requests.quote_of(request)
        return Decimal(0) if quote is None else quote.total

    # While it waits.

    async def ask_back(self, request_id: str, by: str, question: str, *, seen: str, click: str = "") -> None:
        """Somebody who may decide wants to know something first: the thread asks, the card stays. Raises Sorry.

        `click` is as in `decide`.
        """
        request = await self.deciding(request_id, by, seen=seen, what="ask")
        await self._not_taken(request, click)
        fact = Fact(by, "question", {"text": question} | _named(click))
        told = Telling(fact, [note(request, "question", by=by, text=question)])
        await self._store.outbox.say(request.id, told, self._clock.now())
        self._requests.moved(request)

    async def cancel(self, request_id: str, by: str, *, stops: bool = False) -> Request:
        """The requester takes back what waits for a decision or, as `stops` says, for its time. Raises Sorry."""
        request = await self._requests.found(request_id)
        if request.requester != by:
            sentence = "Only {who}, who asked for this, can cancel it. Nothing was changed."
            await self._requests.refused_click(request.id, by, "cancel", sentence, request.requester)
            raise NotAllowed(sentence, request.requester)
        cancelled = await self._store.decisions.cancel(
            request_id,
            by=by,
            fact=Fact(by, "cancelled"),
            messages=[note(request, "cancelled", by=by, waited=request.not_before is not None)],
            now=self._clock.now(),
        )
        if cancelled is None:
            raise await (self._too_late_to_stop if stops else self._requests.too_late)(request_id)
        self._requests.moved(cancelled)
        return cancelled

    async def stop(self, request_id: str, by: str, *, click: str = "") -> Request:
        """Undo an approval before anything was sent: whoever may decide it, or whoever asked for it. Raises Sorry.

        `click` is as in `decide`: sent once more, it does not stop what was approved anew.
        """
        request = await self._requests.found(request_id)
        if request.requester == by:
            return await self.cancel(request_id, by, stops=True)
        await self._allowed(request, by, "stop")
        await self._not_taken(request, click)
        groups, now = await self._rulings.groups_of(request), self._clock.now()

        def anew(stopped: Request, books: Books) -> Asked | None:
            with contextlib.suppress(Sorry):  # of another version: it is stopped all the same
                return self._rulings.anew(stopped, books, groups=groups)
            return None

        stopped = await self._store.decisions.stop(
            request_id,
            anew=anew,
            fact=Fact(by, "stopped", _named(click)),
            # What nobody had to approve has no card yet that could ask.
            messages=[
                note(request, "stopped", by=by, decided=bool(request.decided_by)),
                NewMessage(MessageKind.CARD, self._policy.channel),
            ],
            attend_at=now,
            now=now,
        )
        if stopped is None:
            raise await self._too_late_to_stop(request_id)
        self._requests.moved(stopped)
        return stopped

    async def _too_late_to_stop(self, request_id: str) -> Sorry:
        """What to tell somebody who wanted it not to be sent: whether it was, not who had said yes to it."""
        request = await self._store.requests.get(request_id)
        if request is not None and request.state is RequestState.FAILED:
            return Sorry(_FAILED_ALREADY)
        if request is None or request.not_before is not None or request.state in _NOT_SENT:
            return await self._requests.too_late(request_id)
        return Sorry(_TOO_LATE_TO_STOP)

    async def _not_taken(self, request: Request, click: str) -> None:
        """Raises Sorry if this very click was taken before."""
        if await self._store.look(lambda books: books.was_taken(request.id, click)):
            raise Sorry(_TAKEN)

    async def breaking_glass(self, request_id: str, by: str, *, seen: str) -> Request:
        """The request, if `by` may run it without its approval and it still waits as they saw it. Raises Sorry."""
        request = await self._requests.found(request_id)
        await self._may_break_glass(request, by)
        return await self._waits(request, seen)

    async def _may_break_glass(self, request: Request, by: str) -> Roll:
        """What the workspace says of those who may, and of those who would have decided it. Raises Sorry."""
        may, instead = self._policy.break_glass, self._requests.ruling_of(request).terms.deciders(request.escalated)
        roll = await self._asked([by, *filter(is_group, (*may, *instead))])
        is_active = bool(roll.active([by]))
        if not is_active or by not in people_in(may, roll.groups):
            not_among = "You are not among the people who may run a request without its approval. Nothing was changed."
            sentence = not_among if is_active else GONE
            await self._requests.refused_click(request.id, by, "break_glass", sentence)
            raise NotAllowed(sentence)
        return roll

    async def break_glass(self, request_id: str, by: str, reason: str, *, seen: str, click: str = "") -> Request:
        """Run it at once, without the decision it waits for: a named few may, and everybody is told. Raises Sorry.

        `seen` is the fingerprint of what they saw: nothing else is run. `click` is as in `decide`.
        """
        request = await self._requests.found(request_id)
        roll = await self._may_break_glass(request, by)
        await self._waits(request, seen)
        await self._not_taken(request, click)
        if not reason.strip():
            raise Sorry("Say why it cannot wait: everybody will read it. Nothing was changed.")
        instead = list(self._requests.ruling_of(request).terms.deciders(request.escalated))
        people = people_in(instead, roll.groups)
        told = [note(request, "broke_glass", by=by, reason=reason, instead=instead)]
        # Not all of them are where it was asked: the card, which now says what was done, goes to each of them.
        told += [NewMessage(MessageKind.CARD, one) for one in sorted(people - {by, request.requester})]
        approved = await self._store.decisions.approve_at_once(
            request_id,
            fingerprint=request.fingerprint,
            by=by,
            reason=reason,
            fact=Fact(by, "broke_glass", {"reason": reason, "fingerprint": request.fingerprint} | _named(click)),
            messages=told,
            now=self._clock.now(),
        )
        if approved is None:
            raise await self._requests.too_late(request_id)
        self._requests.moved(approved)
        return approved

    # Handing over.

    async def hand_over(self, by: str, delegate: str, until: datetime, channel: str) -> Delegation:
        """`delegate` may decide in `by`'s place until then; `by` may go on deciding as well. Raises Sorry."""
        now = self._clock.now()
        if delegate == by:
            raise Sorry("You cannot hand your approvals over to yourself. Nothing was changed.")
        if not now < until <= now + LONGEST_AWAY:
            raise Sorry("That moment is over, or more than a year away. Nothing was changed: name another one.")
        try:
            if not await self._who.is_active(delegate):
                raise Sorry("{who} cannot decide anything in this workspace. Nothing was changed.", delegate)
            named = [self._policy.default, *(one.terms for one in self._policy.rules)]
            ids = [who for one in named for who in one.deciders(escalated=True)]
            owners = [owner for budget in self._policy.budgets for owner in budget.owners]
            if not await self._who.is_active(by) or by not in await self._who.among([*ids, *owners]):
                raise Sorry("You have no approvals that could be handed over. Nothing was changed.")
        except DirectoryUnavailable as error:
            raise Sorry(SILENT) from error
        handed = Delegation(new_id("away"), by, delegate, channel, now, until)
        fact = Fact(by, "handed_over", {"to": delegate, "until": until.isoformat()})
        await self._store.delegations.hand_over(handed, fact)
        await self._show_what_waits(handed)
        return handed

    async def _show_what_waits(self, handed: Delegation) -> None:
        """Whoever decides from now on gets a card of their own of each request that waits for that."""
        for request in await self._store.waiting.all():
            named = self._requests.ruling_of(request).terms.deciders(request.escalated)
            try:
                is_theirs = handed.principal in await self._who.among(named)
            except DirectoryUnavailable:
                continue  # the card in the channel is theirs to decide all the same
            if is_theirs and request.requester not in (handed.principal, handed.delegate):
                fact = Fact(handed.principal, "shown_to", {"to": handed.delegate})
                told = Telling(fact, [NewMessage(MessageKind.CARD, handed.delegate)])
                await self._store.outbox.say(request.id, told, handed.begins_at)
                self._requests.wake(request.state)

    async def take_back(self, by: str) -> bool:
        """`by` decides alone again; False when nothing was handed over."""
        return await self._store.delegations.take_back(by, Fact(by, "took_back"), self._clock.now())

    async def ended(self) -> tuple[list[Delegation], datetime | None]:
        """What was handed over and has ended by itself, each only once, and when the next will."""
        now = self._clock.now()

        def fact(one: Delegation) -> Fact:
            told = {"id": one.id, "principal": one.principal, "delegate": one.delegate}
            return Fact(POSTROOM, "hand_over_ended", told)

        return await self._store.delegations.take_ended(fact, now), await self._store.delegations.next_end(now)

    async def delegations(self) -> list[Delegation]:
        """All that is handed over now."""
        return await self._store.delegations.in_force(self._clock.now())


def _lacking(part: Part) -> dict[str, Any]:
    return {"of": list(part.named), "more": part.needs, "budget": part.budget}


def _named(click: str) -> dict[str, str]:
    return {"click": click} if click else {}


def _told(
    request: Request,
    vote: Vote,
    given: int,
    ruling: Ruling,
    *,
    lacks: Sequence[Part],
    without: Collection[str],
    click: str,
    void: Collection[Vote],
    also_for: Collection[str],
) -> Telling:
    """What a vote that counts leaves in the audit and in the thread. `request` is as it is after the vote.

    `lacks` is what it is not enough for; `void` are those before it that no longer count. `also_for` own a budget that
    it goes over, and the voter decides in their place.
    """
    said = "approved" if vote.verdict is Verdict.APPROVE else "denied"
    detail: dict[str, Any] = {
        "fingerprint": vote.fingerprint, "reason": vote.reason, "given": given, "needs": ruling.terms.needs,
        **_named(click),
        **({"lacks": [_lacking(one) for one in lacks]} if lacks and ruling.terms.owners else {}),
        **({"void": [one.voter for one in void]} if void else {}),
        **({"for": vote.principal} if vote.principal != vote.voter else {}),
        **({"also_for": list(also_for)} if also_for else {}),
        **({"without": sorted(without), "fingerprint_left": request.fingerprint} if without else {}),
    }  # fmt: skip
    tells = ("reason", "given", "needs", "lacks", "for", "also_for", "without", "void")
    told = {key: detail[key] for key in tells if key in detail}
    is_open = request.state is RequestState.AWAITING
    until: dict[str, Any] = {} if request.stop_until is None else {"stop_until": request.stop_until.isoformat()}
    fact = "approved_by_one" if is_open else said
    edited = {"without": sorted(without), "fingerprint_left": request.fingerprint, "quote": request.quote}
    return Telling(
        Fact(vote.voter, said, detail),
        [note(request, fact, by=vote.voter, **told, **until)],
        [Fact(vote.voter, "edited", edited)] if without else [],
    )
