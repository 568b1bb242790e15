"""What waits for a decision must not be forgotten: cards in person, reminders, escalation, the end. No Slack here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from handlers.policy import (
    Part,
    Ruling,
    Shortage,
    own_people_again,
    shortages,
    void_votes,
    wanted_now,
    when_to_attend,
    with_stand_ins,
)
from handlers.requests import POSTROOM, Requests, Sorry, note
from handlers.rulings import Rulings
from handlers.settling import Settling
from handlers.who import DirectoryUnavailable, Who
from providers.accounts import Clock
from storage.records import Fact, MessageKind, NewMessage, Request, Telling, Vote
from storage.store import Store
from storage.waiting import Looked

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


class _Able:
    """Who may act at this moment: asked once for all requests that are looked after together."""

    def __init__(self, who: Who) -> None:
        self._who = who
        self._asked: dict[tuple[str, ...], asyncio.Task[frozenset[str]]] = {}

    async def among(self, named: Sequence[str]) -> frozenset[str]:
        """Those of these people and groups who may act now. Raises DirectoryUnavailable."""
        asked = self._asked.get(tuple(named))
        if asked is None:
            asked = self._asked[tuple(named)] = asyncio.create_task(self._who.able(named))
        return await asked


class Waiting:
    """Looks after requests that wait for a decision; the store says which want something now."""

    def __init__(self, store: Store, requests: Requests, rulings: Rulings, settling: Settling, clock: Clock) -> None:
        self._store = store
        self._requests = requests
        self._rulings = rulings
        self._settling = settling
        self._who = requests.who
        self._policy = requests.policy
        self._clock = clock

    async def attend(self) -> datetime | None:
        """Do what is wanted now; returns when the next request wants something (None: none does)."""
        due = await self._store.waiting.due(self._clock.now())
        if due:
            votes = await self._store.look(lambda books: [books.votes(one.id, one.fingerprint) for one in due])
            able = _Able(self._who)
            # At the same time, so that what is written of all of them is one way to the disk.
            looked = await asyncio.gather(
                *(self._look_after(one, its, able) for one, its in zip(due, votes, strict=True)),
                return_exceptions=True,  # otherwise the others would go on beside the next beat
            )
            if quiet := [one for one in looked if isinstance(one, Looked)]:
                await self._store.waiting.looked_after(quiet)
            for broken in looked:
                if isinstance(broken, BaseException):
                    raise broken
        return await self._store.waiting.next_due()

    async def _look_after(self, request: Request, votes: Sequence[Vote], able: _Able) -> Looked | None:
        """Do what one wants; what is still to be written of it, where there is nothing to say."""
        try:
            if not request.asks_person:
                return await self._attend(request, votes, able)
            await self._settling.remind(request)
        except DirectoryUnavailable as error:
            log.info("not_attended", request_id=request.id, why=str(error))
            await self._postpone(request)
        except Exception:
            # One that cannot be looked after must not keep back the others.
            log.exception("attending_broke", request_id=request.id)
            await self._postpone(request)
        return None

    async def _postpone(self, request: Request) -> None:
        now = self._clock.now()
        await self._store.waiting.attended(
            request, attend_at=now + AGAIN, announced=request.announced, reminded=request.reminded,
            escalated=request.escalated, telling=None, ruling=None, now=now,
        )  # fmt: skip

    async def _attend(self, request: Request, votes: Sequence[Vote], able: _Able) -> Looked | None:
        now = self._clock.now()
        since = request.waiting_since or request.created_at
        ruling = self._requests.ruling_of(request)
        quiet = self._policy.quiet.get(request.channel)
        wanted = wanted_now(
            ruling, since=since, now=now, reminded=request.reminded, escalated=request.escalated, quiet=quiet
        )
        if wanted.expire:
            await self._requests.expire(request)
            return None
        before, news = ruling, _News()
        ruling, escalated, entitled = await self._who_decides(request, ruling, wanted.escalate, news, able)
        if wanted.remind:
            asked = ruling.terms.ping or ruling.terms.deciders(escalated)
            news.messages.append(note(request, "reminder", who=list(asked), since=since.isoformat()))
            news.facts["reminded"] = wanted.reminded
        void = [one.voter for one in await self._void(request, ruling, entitled, votes)]
        if void:
            news.messages.append(note(request, "votes_void", who=void))
            news.facts["void"] = void
        then = when_to_attend(ruling, since=since, now=now, reminded=wanted.reminded, escalated=escalated, quiet=quiet)
        again = now + (LOOKS_AGAIN_IF_SHORT if ruling.short or ruling.stands_in else LOOKS_AGAIN)
        again = again if then is None else min(then, again)
        if not news.facts and ruling == before:
            return Looked(request, again, wanted.reminded, escalated)
        attended = await self._store.waiting.attended(
            request, attend_at=again, announced=True, reminded=wanted.reminded,
            escalated=escalated, void=void, now=now,
            telling=Telling(Fact(POSTROOM, "attended", news.facts), news.messages) if news.facts else None,
            ruling=None if ruling == before else dict(ruling.to_json()),
        )  # fmt: skip
        if attended is not None and news.messages:
            self._requests.moved(attended)
        return None

    async def _who_decides(
        self, request: Request, ruling: Ruling, is_time: bool, news: _News, able: _Able
    ) -> tuple[Ruling, bool, frozenset[str]]:
        """By which ruling, whether by those as well to whom it is escalated, and who those people are at this moment.

        `is_time`: nobody has decided for so long that it is to be escalated.
        """
        before, own = ruling, own_people_again(ruling)
        stood_for = ruling.instead_of or ("",) * ruling.stands_in
        escalated = request.escalated and (not ruling.stands_in or bool(own.terms.escalate_to))
        short = await self._shortages(request, own, escalated, able)
        lacking = {one.part.budget for one in short}
        back = [part for part in own.parts(escalated) if part.budget in stood_for and part.budget not in lacking]
        if back:
            who = list(dict.fromkeys(one for part in back for one in part.named))
            news.messages.append(note(request, "enough_again", who=who, alone=True))
            news.facts["own_again"] = who
        if not request.announced and (cards := await self._cards_for(ruling.terms.ping, request, able)):
            news.messages.extend(cards)
            news.facts["announced"] = [one.channel for one in cards]
        ruling = own if escalated or own.terms.escalate_to else self._with_somebody(own, _parts(short))
        is_new = not (request.escalated and ruling.stands_in and set(ruling.instead_of) <= set(stood_for))
        if (is_time or short) and ruling.terms.escalate_to and not escalated and is_new:
            news.facts["escalated"] = list(ruling.terms.escalate_to)
            why = " ".join(one.why for one in short if one.part.budget not in stood_for) or None
            if why is not None:
                news.facts["short"] = why
            await self._taken_to(ruling.terms.escalate_to, why, request, news, able)
            escalated = True
        escalated = escalated or ruling.stands_in
        short = await self._shortages(request, ruling, escalated, able)
        if short and own.terms.escalate_to and (last := self._with_somebody(own, _parts(short))) is not own:
            # Nor are those enough to whom its own rule takes it.
            if not (before.stands_in and before.terms.escalate_to == last.terms.escalate_to):
                others = [one for one in last.terms.escalate_to if one not in own.terms.escalate_to]
                news.facts["escalated"] = [*news.facts.get("escalated", ()), *others]
                news.facts["short"] = short[0].why
                await self._taken_to(others, short[0].why, request, news, able)
            ruling = last
            short = await self._shortages(request, ruling, escalated, able)
        why = next((one.why for one in short), "")
        if why != ruling.short:
            if short:
                approvers = list(ruling.terms.deciders(False))
                news.messages.append(note(request, "nobody_to_ask", short=why, approvers=approvers))
            elif "own_again" not in news.facts:
                asked = ruling.terms.ping or ruling.terms.deciders(escalated)
                news.messages.append(note(request, "enough_again", who=list(asked)))
            news.facts["short"] = why
            ruling = replace(ruling, short=why)
        return ruling, escalated, await able.among(ruling.terms.deciders(escalated))

    async def _taken_to(
        self, others: Sequence[str], why: str | None, request: Request, news: _News, able: _Able
    ) -> None:
        """These may decide as well from now on, and are told; nobody is, where there is nobody among them."""
        if await able.among(others) - {request.requester}:
            news.messages.extend(await self._cards_for(others, request, able))
            news.messages.append(note(request, "escalated", to=list(others), short=why))

    async def _shortages(self, request: Request, ruling: Ruling, escalated: bool, able: _Able) -> list[Shortage]:
        """What those who may act now can never be enough for; nothing while they can."""
        parts = ruling.parts(escalated)
        return shortages(ruling, request.requester, parts, [await able.among(part.named) for part in parts])

    async def _void(
        self, request: Request, ruling: Ruling, entitled: frozenset[str], votes: Sequence[Vote]
    ) -> list[Vote]:
        """Those of its votes that no longer count, because of who may decide it now."""
        if not votes:
            return []
        able = await self._who.active(who for one in votes for who in (one.voter, one.principal))
        return void_votes(votes, requester=request.requester, ruling=ruling, entitled=entitled, able=able)

    def _with_somebody(self, ruling: Ruling, parts: Sequence[Part]) -> Ruling:
        """Too few are left for `parts`: then those may as well to whom it is escalated, or the default approvers."""
        if not parts:
            return ruling
        default = self._policy.default
        others = [ids for ids in (default.approvers, default.escalate_to) if any(set(ids) - {*p.named} for p in parts)]
        instead = next((ids for ids in others if all(set(ids) - {*p.named} for p in parts)), None)
        if instead is None:
            instead = tuple(dict.fromkeys(who for ids in others for who in ids))
        return with_stand_ins(ruling, instead, parts) if instead else ruling

    async def _cards_for(self, named: Sequence[str], request: Request, able: _Able) -> list[NewMessage]:
        """A card in person for each of these, and for whoever decides in their place meanwhile."""
        if not named:
            return []
        people = await able.among(named)
        stand_ins = {
            one.delegate for one in await self._store.delegations.in_force(self._clock.now()) if one.principal in people
        }
        return [NewMessage(MessageKind.CARD, one) for one in sorted((people | stand_ins) - {request.requester})]

    async def rule_anew(self) -> int:
        """The settings have other rules than before, or another channel for cards: they hold for what waits as well.
        Returns how many are ruled otherwise.

        Raises DirectoryUnavailable when not all could be ruled; those that were stay so.
        """
        changed = 0
        for request in await self._store.waiting.all():
            asking = partial(self._rulings.anew, groups=await self._who.groups_of(request.requester))
            try:
                changed += await self._store.waiting.rule_anew(request.id, asking=asking, now=self._clock.now())
            except Sorry as sorry:
                log.warning("not_ruled_anew", request_id=request.id, why=sorry.sentence)
        await self._store.outbox.cards_stand_in(self._policy.channel, self._clock.now())
        return changed


def _parts(short: Sequence[Shortage]) -> list[Part]:
    return [one.part for one in short]
