"""The digest: what a channel should know, and when it wants to. No Slack here.

A channel's digest shows what was asked in that channel; that of the channel with the cards shows what was asked
anywhere. What the budgets have left and what the providers tell about the accounts is posted for all who are in the
channel, since one of its members wants it there; whoever asks for it in person is told as much as they may know.
"""

from __future__ import annotations

import asyncio
from calendar import isleap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import structlog

from handlers.questions import Questions, Spent
from handlers.requests import Requests
from providers.accounts import Account, Clock
from providers.action import Effect, ItemState
from providers.catalogue import Catalogue
from providers.errors import ProviderError
from providers.notices import Notice, NoticeKind, Notices
from storage.digests import Bought, Claim, Day, DigestBooks, Happened, Listing, Setup
from storage.records import Fact, RequestState

log = structlog.get_logger(__name__)

LATEST = timedelta(hours=6)
"""A digest that could not be sent by then is not sent at all: after a long stop there is no flood."""
LEASE = timedelta(minutes=5)
"""Longer than a digest takes to be composed and posted."""
NOTICE_SECONDS = 60.0
"""For all that one account is asked."""
REMEMBERED = timedelta(minutes=5)
"""What an account told is told again to others who ask so soon after."""
MOST_SHOWN = 8
"""Of each kind; of more, their number is said."""
FIRST_SPAN = timedelta(days=1)
"""How far back the first digest of a channel looks."""
RENEWED_AHEAD = timedelta(days=30)
NEAR = timedelta(days=7)
"""A renewal that is due within this is news every day."""
MOST_YEARS = 10
MOST_BOUGHT = 100
"""Purchases of the same days of one year that are looked at for what is due again."""


class Section(StrEnum):
    """What a digest can tell, in the order in which it does."""

    DECISIONS = "decisions"
    STUCK = "stuck"
    ENDED = "ended"
    MONEY = "money"
    REPUTATION = NoticeKind.REPUTATION.value
    SENDING = NoticeKind.SENDING.value
    CREDITS = NoticeKind.CREDITS.value
    NAME_SERVERS = NoticeKind.NAME_SERVERS.value
    RENEWALS = NoticeKind.RENEWALS.value


@dataclass(frozen=True, slots=True)
class Digest:
    """What a channel should know. `since` and `until` are what it is about; `everywhere`: asked in any channel.

    `notices` are by section, each with the name of its account. `silent` are accounts that could not be asked, with a
    sentence. What a channel does not want to know is empty. What is due for renewal no provider tells: that is from
    Postroom's own books, and `renewal_is_news` when one has come into sight since then, or is near. `sections` are what
    was looked at: of the others nobody knows that there is nothing.
    """

    channel: str
    since: datetime
    until: datetime
    everywhere: bool
    waiting: Listing
    stuck: Listing
    ended: Mapping[RequestState, Listing]
    spent: Sequence[Spent]
    notices: Mapping[Section, Sequence[tuple[str, Notice]]]
    silent: Sequence[tuple[str, str]]
    renewal_is_news: bool = False
    sections: Collection[str] = tuple(Section)

    @property
    def is_quiet(self) -> bool:
        """Whether there is no news. What a month has used up, and a renewal in some weeks, is none."""
        listings = (self.waiting, self.stuck, *self.ended.values())
        noticed = any(found for about, found in self.notices.items() if about is not Section.RENEWALS)
        return not (any(one.count for one in listings) or noticed or self.renewal_is_news)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say. An account that could not be asked is said: silence would mean all is well,
        also where it never can be."""
        return self.is_quiet and not self.silent


OF_REQUESTS = frozenset({Section.DECISIONS, Section.STUCK, Section.ENDED, Section.RENEWALS})
"""What is about requests alone: the rest is the house's own, and not for guests who ask."""
_TOLD_BY_PROVIDERS = frozenset(kind.value for kind in NoticeKind if kind is not NoticeKind.RENEWALS)
_NOTHING = Listing(0, ())
_Known = Mapping[tuple[str, date], tuple[Day, datetime]]


class Digests:
    """Composes digests, and knows whose turn it is."""

    def __init__(
        self,
        books: DigestBooks,
        requests: Requests,
        questions: Questions,
        accounts: Mapping[str, Account],
        notices: Mapping[str, Notices],
        *,
        catalogue: Catalogue,
        clock: Clock,
    ) -> None:
        """`notices` are by provider, of those that have any."""
        self.books = books
        self._policy = requests.policy
        every = [one for command in catalogue.commands() for one in catalogue.variants(command).values()]
        self._registering = sorted({one.command for one in every if one.registers})
        self._ending = sorted({one.command for one in every if one.effect is Effect.DESTROY})
        self._questions = questions
        self._accounts = accounts
        self._notices = notices
        self._clock = clock
        self._told: dict[str, tuple[datetime, tuple[Notice, ...] | str]] = {}
        """What each account told last, and when."""
        self._asking: dict[str, asyncio.Lock] = {name: asyncio.Lock() for name in accounts}

    def now(self) -> datetime:
        """This moment, aware UTC."""
        return self._clock.now()

    # When.

    async def due(self) -> list[tuple[Setup, date]]:
        """What is to be sent now, also what will turn out to be too late for it."""
        now = self._clock.now()
        known = await self._known(now)
        days = [(setup, day) for setup in await self.books.setups() if (day := latest(setup, now)) is not None]
        states = [(setup, day, *known.get((setup.channel, day), (Day.OWED, now))) for setup, day in days]
        return [(setup, day) for setup, day, state, due_at in states if state is Day.OWED and due_at <= now]

    async def claim(self, setup: Setup, day: date) -> Claim | None:
        """Take it, to send it; None when somebody else did."""
        now = self._clock.now()
        return await self.books.claim(setup.channel, day, now=now, lease_until=now + LEASE)

    async def next_due(self) -> datetime | None:
        """When the next digest is to be sent, or tried again; None: no channel wants any."""
        now = self._clock.now()
        known = await self._known(now)
        moments: list[datetime] = []
        for setup in await self.books.setups():
            moments.append(_next_of(setup, now, known))
            day = latest(setup, now)
            if day is not None:
                state, due_at = known.get((setup.channel, day), (Day.OWED, now))
                moments += [due_at] if state is Day.OWED else []
        return min(moments, default=None)

    async def next_of(self, setup: Setup) -> datetime:
        """When a channel's next digest is wanted; not on a date that has had one."""
        now = self._clock.now()
        return _next_of(setup, now, await self._known(now))

    async def _known(self, now: datetime) -> _Known:
        return await self.books.days(now.date() - timedelta(days=2))

    def is_too_late(self, claim: Claim, setup: Setup) -> bool:
        """Whether its time has passed so long ago that nobody is served by it any more."""
        return self._clock.now() - moment_of(setup, claim.day) > LATEST

    # Who wants one.

    async def set_up(self, setup: Setup) -> None:
        """A channel wants its digest so from now on."""
        said = {
            "channel": setup.channel, "at": f"{setup.at:%H:%M}", "time_zone": setup.time_zone,
            "weekdays": sorted(setup.weekdays), "sections": list(setup.sections), "when_empty": setup.when_empty,
        }  # fmt: skip
        await self.books.set_up(setup, Fact(setup.set_by, "digest_set_up", said))

    async def turn_off(self, channel: str, by: str) -> bool:
        """A channel wants no digest any more; False when it wanted none."""
        return await self.books.turn_off(channel, Fact(by, "digest_off", {"channel": channel}), self._clock.now())

    # What.

    async def compose(self, channel: str, sections: Sequence[str], since: datetime | None) -> Digest:
        """What a channel should know now; `since` is when it was told before."""
        until = self._clock.now()
        since = until - FIRST_SPAN if since is None else since
        everywhere = channel == self._policy.channel
        wanted = frozenset(sections)
        happened, spent, (notices, silent), (due, is_news) = await asyncio.gather(
            self.books.happened("" if everywhere else channel, since=since, until=until, most=MOST_SHOWN),
            self._questions.spent(one for one in self._policy.budgets if everywhere or one.team in ("", channel)),
            self._asked(wanted),
            self._renewals("" if everywhere else channel, since, until, wanted),
        )
        return Digest(
            channel=channel,
            since=since,
            until=until,
            everywhere=everywhere,
            waiting=happened.waiting if Section.DECISIONS in wanted else _NOTHING,
            stuck=happened.stuck if Section.STUCK in wanted else _NOTHING,
            ended=_ended(happened) if Section.ENDED in wanted else {},
            spent=spent if Section.MONEY in wanted else (),
            notices=notices | due,
            silent=silent,
            renewal_is_news=is_news,
            sections=wanted,
        )

    async def _renewals(
        self, channel: str, before: datetime, now: datetime, wanted: frozenset[str]
    ) -> tuple[dict[Section, list[tuple[str, Notice]]], bool]:
        """Domains that were registered through Postroom so many years ago, the next that is due first; and whether
        that is news to whoever was told `before`.

        No provider says when one ends; a domain is registered for a year. One that has been deleted or registered
        anew since is not named.
        """
        if Section.RENEWALS not in wanted:
            return {}, False
        spans = [(years_before(now, n), years_before(now + RENEWED_AHEAD, n)) for n in range(1, MOST_YEARS + 1)]
        purchases = await self.books.bought(self._registering, channel, spans, MOST_BOUGHT)
        known = [(name, one) for one in purchases for name in _registered(one)]
        since = await self.books.last_about((name for name, _ in known), (*self._registering, *self._ending))
        due = [
            (at, one.account, name, one.sent_at)
            for name, one in known
            # On a leap day the spans begin on the 28th of other years, of which some was due the day before.
            if (at := anniversary(one.sent_at, now)) <= now + RENEWED_AHEAD
            and since.get(name, one.ended_at) <= one.ended_at
        ]
        told = [
            (account, Notice(NoticeKind.RENEWALS, name, f"due on {_day(at)}; registered on {_day(sent_at)}"))
            for at, account, name, sent_at in sorted(due)
        ]
        is_news = any(at > before + RENEWED_AHEAD or at <= now + NEAR for at, *_ in due)
        return {Section.RENEWALS: told} if told else {}, is_news

    async def _asked(
        self, wanted: frozenset[str]
    ) -> tuple[dict[Section, list[tuple[str, Notice]]], list[tuple[str, str]]]:
        """What the accounts tell, by section, and those that told nothing. Nobody waits for one that is slow."""
        if not wanted & _TOLD_BY_PROVIDERS:
            return {}, []
        asked = [one for one in self._accounts.values() if one.provider in self._notices]
        told = await asyncio.gather(*(self._asked_one(one) for one in asked))
        found: dict[Section, list[tuple[str, Notice]]] = {}
        silent: list[tuple[str, str]] = []
        for account, answer in zip(asked, told, strict=True):
            if isinstance(answer, str):
                silent.append((account.name, answer))
                continue
            for notice in answer:
                if notice.kind.value in wanted:
                    found.setdefault(Section(notice.kind.value), []).append((account.name, notice))
        return found, silent

    async def _asked_one(self, account: Account) -> tuple[Notice, ...] | str:
        """What an account tells, or why it does not; many channels want to know at the same time of day."""
        async with self._asking[account.name]:  # whoever asks meanwhile waits for the same answer
            at, answer = self._told.get(account.name, (None, ""))
            if at is None or not timedelta(0) <= self._clock.now() - at < REMEMBERED:
                answer = await self._ask(account)
                self._told[account.name] = self._clock.now(), answer
            return answer

    async def _ask(self, account: Account) -> tuple[Notice, ...] | str:
        try:
            async with asyncio.timeout(NOTICE_SECONDS):
                return await self._notices[account.provider](account.client)
        except ProviderError as error:
            return str(error)
        except TimeoutError:
            return f"It did not tell all within {NOTICE_SECONDS:.0f} seconds."
        except Exception as error:
            # One account that cannot be read must not keep back what is known of the others.
            log.exception("notices_broke", account=account.name, kind=type(error).__name__)
            return "Its answer could not be read."


def years_before(moment: datetime, years: int) -> datetime:
    """The same day so many years earlier; of a leap day, the one before it where that year has none."""
    year = moment.year - years
    is_missing = (moment.month, moment.day) == (2, 29) and not isleap(year)
    return moment.replace(year=year, day=28 if is_missing else moment.day)


def anniversary(moment: datetime, now: datetime) -> datetime:
    """When it will next be a whole number of years after `moment`."""
    years = now.year - moment.year
    return next(at for more in (0, 1) if (at := years_before(moment, -(years + more))) >= now)


def _registered(purchase: Bought) -> list[str]:
    """The names that were paid for."""
    items = purchase.outcome.get("items") or ()
    return [str(item["name"]).lower() for item in items if item.get("state") in (ItemState.LIVE, ItemState.BOUGHT)]


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _ended(happened: Happened) -> dict[RequestState, Listing]:
    return {state: listing for state, listing in happened.ended.items() if listing.count}


def moment_of(setup: Setup, day: date) -> datetime:
    """When a digest is wanted on a local date, in UTC.

    Of a time that comes twice that night it is the first; where the clocks leap over it, it is as long after midnight
    as if they had not.
    """
    return datetime.combine(day, setup.at, tzinfo=ZoneInfo(setup.time_zone)).astimezone(ZoneInfo("UTC"))


def latest(setup: Setup, now: datetime) -> date | None:
    """The local date whose digest is the last that should be there; None if none since it was set up.

    Only today and yesterday are looked at: yesterday's may be of a few minutes before midnight.
    """
    today = now.astimezone(ZoneInfo(setup.time_zone)).date()
    for day in (today, today - timedelta(days=1)):
        if day.weekday() in setup.weekdays and setup.set_at <= moment_of(setup, day) <= now:
            return day
    return None


def following(setup: Setup, now: datetime, had: Collection[date] = ()) -> datetime:
    """When the next digest after `now` is wanted, in UTC; none on the local dates that have `had` theirs."""
    today = now.astimezone(ZoneInfo(setup.time_zone)).date()
    # A week, and this day's may have been; yesterday's is still to come where the clocks leapt over midnight.
    days = (today + timedelta(days=ahead) for ahead in range(-1, 16))
    wanted = (day for day in days if day.weekday() in setup.weekdays and day not in had)
    return next(moment for day in wanted if (moment := moment_of(setup, day)) > now)


def _next_of(setup: Setup, now: datetime, known: _Known) -> datetime:
    return following(setup, now, [day for channel, day in known if channel == setup.channel])


def shares_of(one: Spent) -> tuple[int, int, int]:
    """How many per cent of a budget's limit are spent, set apart and left."""
    whole = one.budget.limit or 1
    spent, apart = round(100 * one.use.spent / whole), round(100 * one.use.reserved / whole)
    return spent, apart, max(0, 100 - spent - apart) if one.budget.limit else 0
