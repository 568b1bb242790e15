"""What people look through: lists of requests page by page, what waits for them, what they ask most. No Slack here.

Nothing is listed that `Questions.known` would not tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from handlers.approvals import Approvals
from handlers.questions import Questions
from handlers.requests import Asker, Requests, Sorry
from handlers.settling import Settling
from handlers.who import DirectoryUnavailable
from providers.accounts import Clock
from storage.lists import Chapter, Spot, Wanted
from storage.records import Request, RequestState
from storage.store import Store

SHOWN = 10
"""Requests on a page."""
COUNTED = 50
"""Of the first page it is said how many there are, up to this."""
LOOKS = 20
"""So often it is looked further, where what was found may not be shown; then a person says whether to go on."""
MOST_TO_DECIDE = 100
"""Of what waits for somebody, the oldest of so many are looked at."""
FACTS = 30
"""Facts of a request's story at a time."""
_SILENT = "Slack did not say who may decide, so what waits for you is not shown. Try again in a minute."


class Scope(StrEnum):
    """Whose requests: one's own, those of one's groups and of the channel one is in, or all one may know about."""

    MINE = "mine"
    TEAM = "team"
    ALL = "all"


class Status(StrEnum):
    """Where requests stand, in the words in which people ask for it."""

    ANY = ""
    OPEN = "open"
    WAITING = "waiting"
    RUNNING = "running"
    UNCLEAR = "unclear"
    DONE = "done"
    FAILED = "failed"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    ENDED = "ended"


_RUNNING = (RequestState.APPROVED, RequestState.EXECUTING, RequestState.WORKING)
_STATES: Mapping[Status, Sequence[RequestState]] = {
    Status.ANY: (),
    Status.OPEN: (RequestState.AWAITING, *_RUNNING, RequestState.UNKNOWN),
    Status.WAITING: (RequestState.AWAITING,),
    Status.RUNNING: _RUNNING,
    Status.UNCLEAR: (RequestState.UNKNOWN,),
    Status.DONE: (RequestState.SUCCEEDED,),
    Status.FAILED: (RequestState.FAILED,),
    Status.DENIED: (RequestState.DENIED,),
    Status.EXPIRED: (RequestState.EXPIRED,),
    Status.CANCELLED: (RequestState.CANCELLED,),
    Status.ENDED: tuple(state for state in RequestState if state.is_final),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """What somebody wants listed. `requester` and `channel` are ids; empty means any."""

    scope: Scope = Scope.MINE
    status: Status = Status.ANY
    words: tuple[str, ...] = ()
    requester: str = ""
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some requests, the newest first, and where the pages before and after begin (None: there is none).

    `count` is of all there are, on the first page; None where they are more than `COUNTED`, or on another page.
    `is_first`: nothing newer was left out.
    """

    shown: Sequence[Request]
    count: int | None
    newer: Spot | None
    older: Spot | None

    @property
    def is_first(self) -> bool:
        """Whether nothing newer was left out."""
        return self.newer is None


@dataclass(frozen=True, slots=True)
class ToDecide:
    """What waits for one person: `waiting` for their yes or no, `unclear` for their word on what became of it.

    `is_all`: nothing was left out.
    """

    waiting: Sequence[Request]
    unclear: Sequence[Request]
    is_all: bool


class Listings:
    """Everything that is listed, each a method that a listener calls."""

    def __init__(
        self,
        store: Store,
        requests: Requests,
        questions: Questions,
        *,
        approvals: Approvals,
        settling: Settling,
        clock: Clock,
    ) -> None:
        self._store = store
        self._requests = requests
        self._questions = questions
        self._approvals = approvals
        self._settling = settling
        self._clock = clock

    # Lists.

    async def page(self, wanted: Filter, by: Asker, start: Spot | None = None, *, newer: bool = False) -> Page:
        """The requests beyond `start` (None: the newest), towards the `newer` or the older ones. Raises Sorry."""
        asked = await self._wanted(wanted, by)
        most = COUNTED if start is None else SHOWN
        found: list[tuple[Spot, Request]] = []
        left = start
        for _ in range(LOOKS):
            looked = await self._store.lists.find(asked, left, newer=newer, most=COUNTED)
            known = {one.id for one in await self._questions.known([one for _, one in looked.requests], by)}
            found += [one for one in looked.requests if one[1].id in known]
            left = looked.looked_to
            if left is None or len(found) > most:
                break
        if newer and start is not None and left is None and len(found) <= SHOWN:
            return await self.page(wanted, by)  # it is the first page, and has all that fits on one
        shown = found[:SHOWN]
        onward = shown[-1][0] if len(found) > SHOWN else left
        back = start if start is None or not shown else shown[0][0]
        requests = [one for _, one in shown]
        if newer:
            return Page(requests[::-1], None, onward, back)
        is_counted = start is None and left is None and len(found) <= COUNTED
        return Page(requests, len(found) if is_counted else None, back, onward)

    async def _wanted(self, wanted: Filter, by: Asker) -> Wanted:
        team: frozenset[str] = frozenset()
        if wanted.scope is Scope.TEAM:
            try:
                team = await self._requests.who.among(await self._requests.who.groups_of(by.user))
            except DirectoryUnavailable as error:
                raise Sorry("Slack did not say which teams you belong to. Try again in a minute.") from error
            if not team and not by.channel:
                raise Sorry(
                    "You are in no user group that Postroom's rules or budgets know. Type /postroom requests team in a "
                    "channel: then it is what was asked there."
                )
        if wanted.scope is Scope.MINE and wanted.requester not in ("", by.user):
            raise Sorry("What is yours was not asked by somebody else: leave out “mine”, or the name.")
        return Wanted(
            requester=by.user if wanted.scope is Scope.MINE else wanted.requester,
            channel=wanted.channel,
            team=team,
            here=by.channel if wanted.scope is Scope.TEAM else "",
            states=_STATES[wanted.status],
            words=wanted.words,
        )

    async def threads_of(self, requests: Sequence[Request]) -> Mapping[str, tuple[str, str]]:
        """Where the threads of these requests begin: channel and ts of the first message, by request id."""
        return await self._store.lists.threads_of([one.id for one in requests])

    async def chapter(self, request: Request, page: int) -> Chapter:
        """A page of what happened to a request; page 0 has the newest facts."""
        return await self._store.lists.chapter(request.id, page, FACTS)

    # What is somebody's own.

    async def often_asked(self, by: str, most: int) -> list[str]:
        """The commands that somebody asks most."""
        return await self._store.lists.often_asked(by, most)

    async def own(self, by: str, most: int) -> list[Request]:
        """What somebody has asked for: at first what is not finished, then the newest of the rest."""
        unfinished = await self._store.lists.find(Wanted(requester=by, states=_STATES[Status.OPEN]), None, most=most)
        found = [one for _, one in unfinished.requests] + await self._store.requests.of(by, most)
        return list({one.id: one for one in found}.values())[:most]

    async def under_way(self, by: Asker, most: int) -> list[Request]:
        """Of the newest of what others asked for and is being done, what `by` may know about. Raises Sorry."""
        running = await self._store.lists.find(Wanted(states=_RUNNING), None, most=COUNTED)
        others = [one for _, one in running.requests if one.requester != by.user]
        return (await self._questions.known(others, by))[:most]

    async def last_change(self) -> int:
        """Another number after every change of a request."""
        return await self._store.lists.last_change()

    # What waits for somebody.

    async def to_decide(self, by: str) -> ToDecide:
        """What somebody may decide at this moment, what was asked first at first. Raises Sorry."""
        lists, who = self._store.lists, self._requests.who
        try:
            own = await self._rights_of(by)
            kinds = [
                one.id
                for one in await lists.kinds_waiting()
                if own & await who.among(self._requests.ruling_of(one).terms.deciders(one.escalated))
            ]
            for most in (MOST_TO_DECIDE, MOST_TO_DECIDE * 10):
                waiting, unclear = await lists.waiting_like(kinds, most), await lists.asking_people(most)
                theirs = await self._theirs([*waiting, *unclear], by)
                is_all = max(len(waiting), len(unclear)) < most
                if theirs or is_all:
                    break  # otherwise the oldest wait for somebody else, and must not hide what is theirs
        except DirectoryUnavailable as error:
            raise Sorry(_SILENT) from error
        return ToDecide(
            [one for one in waiting if one.id in theirs], [one for one in unclear if one.id in theirs], is_all
        )

    async def is_to_decide(self, request: Request, by: str) -> bool:
        """Whether this request waits for the word of `by`. Raises Sorry."""
        try:
            return request.id in await self._theirs([request], by)
        except DirectoryUnavailable as error:
            raise Sorry(_SILENT) from error

    async def _theirs(self, requests: Sequence[Request], by: str) -> set[str]:
        """The ids of those of these requests that wait for the word of `by`, as whoever takes their click says."""
        decided, settled = await asyncio.gather(
            self._approvals.open_to(requests, by), self._settling.open_to(requests, by)
        )
        return decided | settled

    async def _rights_of(self, by: str) -> frozenset[str]:
        """Whose rights somebody has: their own, and of those who handed theirs over; none once they have left."""
        who = self._requests.who
        if not await who.is_active(by):
            return frozenset()
        handed = await self._store.look(lambda books: books.handed_to(by, self._clock.now()))
        return frozenset({by}) | await who.active(one.principal for one in handed)
