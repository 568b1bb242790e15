"""What waits for a decision must not be forgotten: cards in person, reminders, escalation, the end. No Slack here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from handlers.policy import (
    Ruling,
    own_people_again,
    shortage,
    void_votes,
    wanted_now,
    when_to_attend,
    with_stand_ins,
)
from handlers.requests import POSTROOM, Requests, Sorry, note
from handlers.who import DirectoryUnavailable
from providers.accounts import Clock
from storage.books import Books
from storage.records import Fact, MessageKind, NewMessage, Request, Reservation, Vote
from storage.store import Store, Telling

log = structlog.get_logger(__name__)

LOOKS_AGAIN, LOOKS_AGAIN_IF_SHORT = timedelta(days=1), timedelta(hours=1)
"""So often at the least it is looked whether those who may decide are enough."""
AGAIN = timedelta(minutes=1)
"""After Slack did not say who is in a group."""


@dataclass(frozen=True, slots=True)
class _News:
    """What is said and written down of one look at a request."""

    messages: list[NewMessage] = field(default_factory=list[NewMessage])
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


class Waiting:
    """Looks after requests that wait for a decision; the store says which want something now."""

    def __init__(self, store: Store, requests: Requests, clock: Clock) -> None:
        self._store = store
        self._requests = requests
        self._who = requests.who
        self._policy = requests.policy
        self._clock = clock

    async def attend(self) -> datetime | None:
        """Do what is wanted now; returns when the next request wants something (None: none does)."""
        for request in await self._store.to_attend(self._clock.now()):
            try:
                await (self._requests.remind_to_settle if request.asks_person else self._attend)(request)
            except DirectoryUnavailable as error:
                log.info("not_attended", request_id=request.id, why=str(error))
                await self._postpone(request)
            except Exception:
                # One that cannot be looked after must not keep back the others.
                log.exception("attending_broke", request_id=request.id)
                await self._postpone(request)
        return await self._store.next_to_attend()

    async def _postpone(self, request: Request) -> None:
        now = self._clock.now()
        await self._store.attended(
            request, attend_at=now + AGAIN, announced=request.announced, reminded=request.reminded,
            escalated=request.escalated, telling=None, ruling=None, now=now,
        )  # fmt: skip

    async def _attend(self, request: Request) -> None:
        now = self._clock.now()
        since = request.waiting_since or request.created_at
        ruling = self._requests.ruling_of(request)
        quiet = self._policy.quiet.get(request.channel)
        wanted = wanted_now(
            ruling, since=since, now=now, reminded=request.reminded, escalated=request.escalated, quiet=quiet
        )
        if wanted.expire:
            await self._requests.expire(request)
            return
        before, news = ruling, _News()
        ruling, escalated, entitled = await self._who_decides(request, ruling, wanted.escalate, news)
        if wanted.remind:
            asked = ruling.terms.ping or ruling.terms.deciders(escalated)
            news.messages.append(note(request, "reminder", who=list(asked), since=since.isoformat()))
            news.facts["reminded"] = wanted.reminded
        void = [one.voter for one in await self._void(request, ruling, entitled)]
        if void:
            news.messages.append(note(request, "votes_void", who=void))
            news.facts["void"] = void
        then = when_to_attend(ruling, since=since, now=now, reminded=wanted.reminded, escalated=escalated, quiet=quiet)
        again = now + (LOOKS_AGAIN_IF_SHORT if ruling.short or ruling.stands_in else LOOKS_AGAIN)
        attended = await self._store.attended(
            request, attend_at=again if then is None else min(then, again), announced=True, reminded=wanted.reminded,
            escalated=escalated, void=void, now=now,
            telling=Telling(Fact(POSTROOM, "attended", news.facts), news.messages) if news.facts else None,
            ruling=None if ruling == before else dict(ruling.to_json()),
        )  # fmt: skip
        if attended is not None and news.messages:
            self._requests.moved(attended)

    async def _who_decides(
        self, request: Request, ruling: Ruling, is_time: bool, news: _News
    ) -> tuple[Ruling, bool, frozenset[str]]:
        """By which ruling, whether by those as well to whom it is escalated, and who those people are at this moment.

        `is_time`: nobody has decided for so long that it is to be escalated.
        """
        escalated = request.escalated
        own = await self._who.able(ruling.terms.approvers)
        if ruling.stands_in and shortage(ruling, request.requester, own) is None:
            ruling, escalated = own_people_again(ruling), False
            news.messages.append(note(request, "enough_again", who=list(ruling.terms.approvers), alone=True))
            news.facts["own_again"] = list(ruling.terms.approvers)
        entitled = await self._who.able(ruling.terms.deciders(escalated))
        short = shortage(ruling, request.requester, entitled)
        if not request.announced and (cards := await self._cards_for(ruling.terms.ping, request)):
            news.messages.extend(cards)
            news.facts["announced"] = [one.channel for one in cards]
        if short is not None and not escalated:
            ruling = self._with_somebody(ruling)
        if (is_time or short is not None) and ruling.terms.escalate_to and not escalated:
            escalated = True
            news.facts["escalated"] = list(ruling.terms.escalate_to)
            if short is not None:
                news.facts["short"] = short
            also = await self._who.able(ruling.terms.escalate_to)
            if also - {request.requester}:  # nobody is told that they may decide where there is nobody
                news.messages.extend(await self._cards_for(ruling.terms.escalate_to, request))
                news.messages.append(note(request, "escalated", to=list(ruling.terms.escalate_to), short=short))
            entitled |= also
            short = shortage(ruling, request.requester, entitled)
        if (short or "") != ruling.short:
            if short is not None:
                approvers = list(ruling.terms.approvers)
                news.messages.append(note(request, "nobody_to_ask", short=short, approvers=approvers))
            elif "own_again" not in news.facts:
                asked = ruling.terms.ping or ruling.terms.deciders(escalated)
                news.messages.append(note(request, "enough_again", who=list(asked)))
            news.facts["short"] = short or ""
            ruling = replace(ruling, short=short or "")
        return ruling, escalated, entitled

    async def _void(self, request: Request, ruling: Ruling, entitled: frozenset[str]) -> list[Vote]:
        """The votes on it that no longer count, because of who may decide it now."""
        votes = await self._store.look(lambda books: books.votes(request.id, request.fingerprint))
        able = await self._who.active(who for one in votes for who in (one.voter, one.principal))
        return void_votes(votes, requester=request.requester, ruling=ruling, entitled=entitled, able=able)

    def _with_somebody(self, ruling: Ruling) -> Ruling:
        """Too few can decide: then those can as well to whom it is escalated, at the least the default approvers."""
        default, named = self._policy.default, set(ruling.terms.approvers)
        instead = next((ids for ids in (default.approvers, default.escalate_to) if set(ids) - named), ())
        return ruling if ruling.terms.escalate_to or not instead else with_stand_ins(ruling, instead)

    async def _cards_for(self, named: Sequence[str], request: Request) -> list[NewMessage]:
        """A card in person for each of these, and for whoever decides in their place meanwhile."""
        people = await self._who.able(named)
        stand_ins = {
            one.delegate for one in await self._store.delegations(self._clock.now()) if one.principal in people
        }
        return [NewMessage(MessageKind.CARD, one) for one in sorted((people | stand_ins) - {request.requester})]

    async def rule_anew(self) -> int:
        """The settings have other rules than before: they hold for what waits as well. Returns how many changed.

        Raises DirectoryUnavailable when not all could be ruled; those that were stay so.
        """
        changed = 0
        for request in await self._store.waiting():
            try:
                ruling, reservations, held = await self._looked_at(request)
            except Sorry as sorry:
                log.warning("not_ruled_anew", request_id=request.id, why=sorry.sentence)
                continue
            before = self._requests.ruling_of(request)
            is_counted = {(one.budget, one.period, one.amount) for one in reservations} == {
                (one.budget, one.period, one.amount) for one in held
            }
            if ruling.terms == own_people_again(before).terms and is_counted:
                continue
            # To whom it was taken already, it need not be taken again.
            is_same = ruling.terms.escalate_to == before.terms.escalate_to
            fact = Fact(POSTROOM, "ruled_anew", {"rule": ruling.rule, "before": before.rule})
            await self._store.rule_anew(
                request,
                ruling.to_json(),
                reservations,
                escalated=request.escalated and is_same,
                fact=fact,
                now=self._clock.now(),
            )
            changed += 1
        return changed

    async def _looked_at(self, request: Request) -> tuple[Ruling, list[Reservation], list[Reservation]]:
        """What the rules say now about what was asked before, what it would set apart, and what it has.

        Nothing that waits is approved by itself.
        """
        action, quote = self._requests.action_of(request), self._requests.quote_of(request)
        groups = await self._who.groups_of(request.requester)
        seen = self._requests.circumstances(request, action, quote, groups)
        since = request.waiting_since or request.created_at

        def look(books: Books) -> tuple[Ruling, list[Reservation], list[Reservation]]:
            held = books.held(request.id)
            return *self._requests.ruling(seen, quote, books, since, held=held, refuse=False), held

        ruling, reservations, held = await self._store.look(look)
        return replace(ruling, auto=False), reservations, held
