"""The digest in Slack: what it says, when it is posted, and the window in which a channel sets it up."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from textwrap import shorten
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import aiohttp
import slackblocks as sb
import structlog
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from handlers.digest import OF_REQUESTS, Digest, Digests, Section, shares_of
from handlers.listings import Filter, Scope, Status
from handlers.questions import Spent
from handlers.requests import POSTROOM, Asker, Sorry
from handlers.slack import entered, windows
from handlers.slack.channels import why_not
from handlers.slack.delivery import MAYBE_DONE, METADATA, NO_WAY_IN, NOBODY_THERE, TOO_RICH, find_posted, way_in
from handlers.slack.front import Body, Front, slack_error
from handlers.slack.messages import Messages, total
from handlers.slack.words import (
    built,
    clip,
    code,
    escape,
    moment,
    money,
    named,
    paragraphs,
    person,
    place,
    plain,
    section,
    small,
)
from providers.notices import Notice
from storage.digests import CLOSED, Claim, Day, Setup
from storage.outbox import Owed
from storage.records import Message, MessageKind, Request, RequestState

log = structlog.get_logger(__name__)

PATIENCE = 45.0
"""Seconds for posting one digest, looking for it included."""
MOST_AT_ONCE = 8
"""Digests that are composed and posted at the same time."""
FIRST_RETRY = 15.0
LONGEST_RETRY = 600.0
_ZONE = re.compile(r"UTC|[A-Z][A-Za-z_]+(/[A-Z][A-Za-z0-9_+-]+){1,2}")
_NO_PLACES = frozenset({"localtime", "Factory"})
"""Names that mean another zone on each machine, or none."""
LISTED = 5
"""Lines of a list; of more, their number is said."""
ALL = 60
"""Lines of a list that somebody wants to see all of: Slack takes no more in one message."""
MOST_BARS = 12

_SECTIONS: Mapping[Section, tuple[str, str]] = {
    Section.DECISIONS: ("Decisions that wait", "The oldest first, each with a button that shows its card."),
    Section.STUCK: ("What is stuck or unknown", "Requests of which nobody knows what became of them."),
    Section.ENDED: ("What is done and what failed", "Since the digest before."),
    Section.MONEY: ("Money and credits", "What the budgets have left this month."),
    Section.REPUTATION: ("Bad reputations", "Domains that are watched or blocked."),
    Section.SENDING: ("Mailboxes in trouble", "In error, or with a low warm-up score."),
    Section.CREDITS: ("Credits running low", "Before a list can no longer be verified."),
    Section.NAME_SERVERS: ("Name servers", "Of domains that still have to be set."),
    Section.RENEWALS: ("Renewals in 30 days", "Of domains that were bought through Postroom, year by year."),
}
_NOTICED: Mapping[Section, tuple[str, str]] = {
    Section.REPUTATION: (":rotating_light: *{} with a bad reputation*", "/domain list"),
    Section.SENDING: (":mailbox: *{} in error, or not warm yet*", "/mailbox accounts"),
    Section.CREDITS: (":credit_card: *Credits running low* ({})", "/verify credits"),
    Section.NAME_SERVERS: (":globe_with_meridians: *{} whose name servers are not set*", "/domain list"),
    Section.RENEWALS: (
        ":calendar: *{} due for renewal within 30 days*, by Postroom's own books: bought through it, for a year at a "
        "time. Whether it renews by itself, the provider knows.",
        "/postroom history <domain>",
    ),
}
_THINGS: Mapping[Section, tuple[str, str]] = {
    Section.REPUTATION: ("domain", "domains"),
    Section.SENDING: ("mailbox", "mailboxes"),
    Section.CREDITS: ("account", "accounts"),
    Section.NAME_SERVERS: ("domain", "domains"),
    Section.RENEWALS: ("domain", "domains"),
}
_QUIET: Mapping[Section, str] = {
    Section.DECISIONS: "waits",
    Section.STUCK: "is stuck",
    Section.ENDED: "has ended since then",
}
_LISTED_AS: Mapping[Section, Status] = {
    Section.DECISIONS: Status.WAITING,
    Section.STUCK: Status.UNCLEAR,
    Section.ENDED: Status.ENDED,
}
_OLD_BUTTON = "This digest is from another version of Postroom. Type /postroom digest to see it as it is now."
_NONE_TOLD = "The accounts that answered tell of nothing of the kind any more."
_FOR_GUESTS = "As you are a guest, it leaves out the budgets and what the providers say about the accounts."
_NO_WAY_IN = (
    "The digest that {who} set up for {channel} was not posted: Slack lets Postroom write nothing there ({word}). "
    "{cure} It is tried again for six hours, and on each of its days; what it would have told is "
    "in the next. If nobody wants it any more, turn it off with /postroom digest setup."
)
_ARCHIVED = (
    "{channel} is archived, so its digest, which {who} had set up, is turned off. If the channel is used again, type "
    "/postroom digest setup there."
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CALLED_OFF = (RequestState.DENIED, RequestState.EXPIRED, RequestState.CANCELLED)
DEFAULT_SECTIONS = tuple(one.value for one in Section)
DEFAULT_TIME = time(9)
DEFAULT_DAYS = frozenset(range(5))


# What it says.


@dataclass(frozen=True, slots=True)
class Drawn:
    """A digest as Slack takes it; `plainly` is the same for a workspace that knows no charts."""

    text: str
    blocks: list[dict[str, Any]]
    plainly: list[dict[str, Any]]


def draw(digest: Digest, messages: Messages) -> Drawn:
    """A digest in words. What waits for its reader comes first; nobody is pinged."""
    said = _summary(digest)
    where = "asked anywhere" if digest.everywhere else f"asked in {place(digest.channel)}"
    until = small(f"{where[:1].upper()}{where[1:]}, since {moment(digest.since)}")
    first: list[sb.Block] = [sb.HeaderBlock(plain(f"Digest: {said}", 150)), until]
    first += _waiting(digest, messages)
    first += _stuck(digest, messages)
    first += _ended(digest, messages)
    chart, money_lines = _money(digest.spent)
    last = [*money_lines, *_noticed(digest), *_silent(digest)]
    if digest.is_quiet:
        first += _nothing(digest)
    last.append(small(f"{code('/postroom digest setup')} changes when this comes and what it tells."))
    above, below = built(first), built(last)
    return Drawn(f"Digest: {said}", [*above, *built(chart), *below], [*above, *below])


def _summary(digest: Digest) -> str:
    ended = {state: listing.count for state, listing in digest.ended.items()}
    noticed = sum(map(len, digest.notices.values()))
    told = [
        f"{digest.waiting.count} to decide" if digest.waiting.count else "",
        f"{digest.stuck.count} unclear" if digest.stuck.count else "",
        f"{ended[RequestState.SUCCEEDED]} done" if RequestState.SUCCEEDED in ended else "",
        f"{ended[RequestState.FAILED]} failed" if RequestState.FAILED in ended else "",
        f"{noticed} to look after" if noticed else "",
    ]
    return ", ".join(filter(None, told)) or ("all quiet where it could be seen" if digest.silent else "all quiet")


def _nothing(digest: Digest) -> list[sb.Block]:
    """What was looked at and is not there; of what the channel does not want to know that is not said."""
    told = [says for about, says in _QUIET.items() if about in digest.sections]
    if told:
        return [section(f"Nothing {', nothing '.join(told)}.")]
    is_bare = not (digest.spent or digest.notices or digest.silent)
    return [section("There is nothing of what this digest is about.")] if is_bare else []


def _waiting(digest: Digest, messages: Messages) -> Iterator[sb.Block]:
    listing = digest.waiting
    if not listing.count:
        return
    waits = "request waits" if listing.count == 1 else "requests wait"
    yield section(f":hourglass_flowing_sand: *{listing.count} {waits} for a decision*")
    for request in listing.shown:
        age = _age(digest.until - (request.waiting_since or request.created_at))
        yield _line(digest, request, f"{_headline(request, messages)} · *{total(request.quote)}*", f"Has waited {age}")
    yield from _more(Section.DECISIONS, listing.count - len(listing.shown))


def _stuck(digest: Digest, messages: Messages) -> Iterator[sb.Block]:
    listing = digest.stuck
    if not listing.count:
        return
    yield section(f":grey_question: *Of {_number(listing.count, 'request', 'requests')} nobody knows what became*")
    for request in listing.shown:
        yield _line(digest, request, _headline(request, messages), clip(messages.status(request), 150))
    yield from _more(Section.STUCK, listing.count - len(listing.shown))


def _line(digest: Digest, request: Request, what: str, then: str) -> sb.SectionBlock:
    """One request with a button that shows the reader its card, as it is at that moment."""
    where = f" · {place(request.channel)}" if digest.everywhere else ""
    button = sb.Button(plain("Look", 75), action_id=f"look:{request.id}", value=request.id)
    return section(f"{what}{where} · {code(request.id)}\n{then}", accessory=button)


def _more(about: Section, more: int) -> Iterator[sb.Block]:
    """What is not shown, with the way to it: the reader alone gets all of the list, as it is then."""
    if more > 0:
        button = sb.Button(plain("All of them", 75), action_id=f"all:{about.value}", value=about.value)
        yield section(f"… and {more} more", accessory=button)


def _ended(digest: Digest, messages: Messages) -> list[sb.Block]:
    lines: list[str] = []
    more = 0
    for state, mark, word in ((RequestState.FAILED, ":x:", "failed"), (RequestState.SUCCEEDED, ":tada:", "done")):
        listing = digest.ended.get(state)
        if listing is None:
            continue
        lines.append(f"{mark} *{listing.count} {word}*")
        lines += [_told(request, messages) for request in listing.shown[:LISTED]]
        more += max(listing.count - LISTED, 0)
    off = [f"{digest.ended[state].count} {state.value}" for state in _CALLED_OFF if state in digest.ended]
    if off:
        lines.append(f":heavy_minus_sign: {', '.join(off)}")
    return [*paragraphs(lines), *_more(Section.ENDED, more)]


def _told(request: Request, messages: Messages) -> str:
    """What was asked, and how it went in a sentence."""
    status = messages.status(request).partition(".* ")[2]
    return f"• {_headline(request, messages)} · {code(request.id)}{' — ' + clip(status, 150) if status else ''}"


def _headline(request: Request, messages: Messages) -> str:
    return f"*{escape(clip(messages.headline(request), 100))}*"


def _money(spent: Sequence[Spent]) -> tuple[list[sb.Block], list[sb.Block]]:
    """The budgets as a chart, and the same in figures: for screen readers, and where there are no charts."""
    if not spent:
        return [], []
    shown = spent[:MOST_BARS]
    lines = [":moneybag: *The budgets this month*", *map(_budget, shown)]
    if len(spent) > len(shown):
        lines.append(f"… and {len(spent) - len(shown)} more: {code('/postroom budget all')} shows all of them.")
    labels = _labels([one.budget.name for one in shown])
    shares = [shares_of(one) for one in shown]
    series = [
        sb.DataSeries(name, [sb.DataPoint(label, one[at]) for label, one in zip(labels, shares, strict=True)])
        for at, name in enumerate(("Spent", "Reserved", "Left"))
    ]
    chart = sb.BarChart(series, sb.AxisConfig(labels, y_label="% of the limit"))
    return [sb.DataVisualizationBlock("Budgets used, in %", chart)], paragraphs(lines)


def _labels(names: Sequence[str]) -> list[str]:
    """The names as a chart takes them: short, and each only once."""
    labels: list[str] = []
    for name in names:
        label, number = clip(name, 20), 1
        while label in labels:
            number += 1
            label = f"{clip(name, 16)} {number}"
        labels.append(label)
    return labels


def _budget(one: Spent) -> str:
    budget, use = one.budget, one.use
    left = budget.limit - use.spent - use.reserved
    says = f"{money(left, budget.currency)} left" if left >= 0 else f"{money(-left, budget.currency)} too much"
    apart = f", {money(use.reserved, budget.currency)} reserved" if use.reserved else ""
    of = f"of {money(budget.limit, budget.currency)}"
    return f"• *{escape(budget.name)}*: {money(use.spent, budget.currency)} {of} spent{apart}; *{says}*"


def _noticed(digest: Digest) -> list[sb.Block]:
    blocks: list[sb.Block] = []
    for about in _NOTICED:
        if found := digest.notices.get(about, ()):
            blocks += [*_notices(about, found, LISTED), *_more(about, len(found) - LISTED)]
    return blocks


def _notices(about: Section, found: Sequence[tuple[str, Notice]], most: int) -> list[sb.Block]:
    lines = [
        f"• {named(clip(notice.name, 64))} — {escape(shorten(notice.note, 90, placeholder=' …'))} · {code(account)}"
        for account, notice in found[:most]
    ]
    return paragraphs([_NOTICED[about][0].format(_number(len(found), *_THINGS[about])), *lines])


def _silent(digest: Digest) -> list[sb.Block]:
    told = [
        f":speech_balloon: {code(account)} could not be asked what to look after: {escape(clip(why, 200))}"
        for account, why in digest.silent[:LISTED]
    ]
    if more := digest.silent[LISTED:]:
        told.append(f":speech_balloon: Nor could {', '.join(code(account) for account, _ in more)}.")
    return [small(line) for line in told]


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _age(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    for length, one in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        if minutes >= length * (2 if length > 60 else 1):  # a day and a half is said in hours
            return f"for {_number(minutes // length, one, one + 's')}"
    return "for less than a minute"


# When it is posted.


class DigestPost:
    """Posts the digests that channels want: once each local date, however often Slack or we fall over."""

    def __init__(self, digests: Digests, client: AsyncWebClient, messages: Messages) -> None:
        """`client` must not retry by itself: a lost answer is looked up, never sent blindly."""
        self._digests = digests
        self._client = client
        self._messages = messages

    async def send(self) -> datetime | None:
        """Post what is due; returns when the next one is (None: no channel wants any).

        Many channels want theirs at the same time of day: a few are composed and posted at once, so that one that is
        slow does not keep back the others.
        """
        turn = asyncio.Semaphore(MOST_AT_ONCE)

        async def send(setup: Setup, day: date) -> None:
            async with turn:  # a claim does not wait for its turn: its lease is running
                claim = await self._digests.claim(setup, day)
                if claim is not None:
                    await self._send(claim, setup)

        sent = await asyncio.gather(*(send(*one) for one in await self._digests.due()), return_exceptions=True)
        for broken in filter(None, sent):
            raise broken  # the beat counts it; the others were sent all the same
        return await self._digests.next_due()

    async def _send(self, claim: Claim, setup: Setup) -> None:
        maybe, posting = claim.begun_before, False
        try:
            async with asyncio.timeout(PATIENCE):
                if maybe and await self._is_there(claim):
                    return
            maybe = False
            if self._digests.is_too_late(claim, setup):
                await self._missed(claim)
                return
            digest = await self._digests.compose(claim.channel, setup.sections, claim.since)
            if digest.is_empty and not setup.when_empty:
                await self._digests.books.settle(claim, Day.EMPTY, composed_at=digest.until)
                return
            drawn = draw(digest, self._messages)
            if not await self._digests.books.begin(claim, digest.until):
                return
            posting = True
            async with asyncio.timeout(PATIENCE):
                ts = await self._post(claim, drawn)
            await self._digests.books.settle(claim, Day.SENT, ts=ts)
        except SlackApiError as error:
            unclear = slack_error(error) in MAYBE_DONE or error.response.status_code >= 500
            maybe = unclear if posting else maybe
            if slack_error(error) in NO_WAY_IN:
                await self._closed(claim, setup, error, maybe_posted=maybe)
            else:
                await self._later(claim, error, maybe_posted=maybe)
        except aiohttp.ClientConnectorError as error:
            await self._later(claim, error, maybe_posted=maybe and not posting)
        except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            await self._later(claim, error, maybe_posted=maybe or posting)
        except Exception as error:
            # One that cannot be composed must not keep back the others.
            log.exception("digest_broke", channel=claim.channel)
            await self._later(claim, error, maybe_posted=maybe or posting)

    async def _is_there(self, claim: Claim) -> bool:
        """Whether an earlier attempt posted it after all; then that is written down."""
        ts = await find_posted(self._client, claim.id, claim.channel, since=claim.claimed_at)
        if ts is not None:
            await self._digests.books.settle(claim, Day.SENT, ts=ts)
        return ts is not None

    async def _post(self, claim: Claim, drawn: Drawn) -> str:
        arguments: dict[str, Any] = {
            "channel": claim.channel,
            "text": drawn.text,
            "metadata": {"event_type": METADATA, "event_payload": {"id": claim.id}},
            "unfurl_links": False,
            "unfurl_media": False,
        }
        for blocks in (drawn.blocks, drawn.plainly):
            try:
                answer = await self._client.chat_postMessage(blocks=blocks, **arguments)
            except SlackApiError as error:
                if slack_error(error) not in TOO_RICH:
                    raise
                log.info("digest_too_rich", channel=claim.channel, error=slack_error(error))
            else:
                return str(answer["ts"])
        return str((await self._client.chat_postMessage(**arguments))["ts"])

    async def _missed(self, claim: Claim, note: str = "too late") -> None:
        log.warning("digest_missed", channel=claim.channel, day=claim.day.isoformat(), attempts=claim.attempts)
        await self._digests.books.settle(claim, Day.MISSED, note=CLOSED if claim.is_closed else note)

    async def _closed(self, claim: Claim, setup: Setup, error: SlackApiError, *, maybe_posted: bool) -> None:
        """Slack lets nothing be posted in the channel: whoever set its digest up is told, once, and can mend it."""
        word = slack_error(error)
        if word == "is_archived":
            await self._digests.turn_off(claim.channel, POSTROOM)
            await self._tell(setup, partial(_ARCHIVED.format, channel=place(claim.channel)))
            await self._missed(claim, word)
            return
        is_told = claim.is_closed or await self._tell(
            setup, partial(_NO_WAY_IN.format, channel=place(claim.channel), word=word, cure=way_in(word))
        )
        if self._digests.is_too_late(claim, setup):
            await self._missed(claim, CLOSED if is_told else word)
        else:
            await self._later(claim, error, maybe_posted=maybe_posted, note=CLOSED if is_told else "")

    async def _tell(self, setup: Setup, sentence: Callable[..., str]) -> bool:
        """Tell whoever set a digest up, in person, and those who decide where that is nobody any more; False when
        nobody was reached. `sentence` takes `who` it was."""
        try:
            async with asyncio.timeout(PATIENCE):
                try:
                    await self._client.chat_postMessage(channel=setup.set_by, text=sentence(who="you"))
                except SlackApiError as error:
                    if slack_error(error) not in NOBODY_THERE:
                        raise
                    text = sentence(who=person(setup.set_by))
                    await self._client.chat_postMessage(channel=self._messages.cards, text=text)
        except (SlackApiError, SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("digest_owner_not_told", channel=setup.channel, error=slack_error(error))
            return False
        return True

    async def _later(self, claim: Claim, error: Exception, *, maybe_posted: bool, note: str = "") -> None:
        seconds = min(FIRST_RETRY * 2 ** min(claim.attempts - 1, 16), LONGEST_RETRY)
        if isinstance(error, SlackApiError) and error.response.status_code == 429:
            said = str(error.response.headers.get("Retry-After", ""))
            seconds = max(seconds, float(said) if said.isdigit() else 0.0)
        log.warning(
            "digest_not_sent", channel=claim.channel, attempt=claim.attempts, error=slack_error(error),
            again_in_seconds=seconds,
        )  # fmt: skip
        due = self._digests.now() + timedelta(seconds=seconds)
        await self._digests.books.later(claim, due, maybe_posted=maybe_posted, note=note)


# What people ask about it.


class DigestCommands:
    """`/postroom digest`, `/postroom digest setup`, its window, and the buttons in a digest."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._digests = front.digests

    async def on_command(self, body: Body, asker: Asker, words: str) -> None:
        """The digest of this channel as it would be now, for the asker alone; or the window to set it up."""
        if words.lower() in ("setup", "set up", "set-up"):
            await self._open(body, asker)
            return
        if words:
            raise Sorry("Type /postroom digest to see it now, or /postroom digest setup. Nothing was changed.")
        self._front.later(body, self._preview(body, asker), asks_provider=True)

    async def _preview(self, body: Body, asker: Asker) -> None:
        setup = await self._digests.books.setup_of(asker.channel)
        sections = DEFAULT_SECTIONS if setup is None else setup.sections
        is_member = await self._front.questions.is_member(asker.user)
        if not is_member:
            sections = tuple(one for one in sections if one in OF_REQUESTS)
        since = await self._digests.books.last(asker.channel)
        drawn = draw(await self._digests.compose(asker.channel, sections, since), self._front.messages)
        if setup is None:
            when = "No digest is posted here."
        else:
            when = f"The next one is posted here {moment(await self._digests.next_of(setup))}."
        less = "" if is_member else f" {_FOR_GUESTS}"
        told = built([small(f"Only you see this. {when}{less}")])
        await self._front.tell(body, drawn.text, blocks=[*told, *drawn.blocks], otherwise=[*told, *drawn.plainly])

    async def look(self, ack: AsyncAck, body: Body, value: str) -> None:
        """A digest's button: the card of a request as it is now, with its buttons, for whoever may know about it."""
        asker = self._front.asker(body)
        await ack()
        self._front.later(body, self._look(body, asker, value))

    async def _look(self, body: Body, asker: Asker, request_id: str) -> None:
        shown = await self.card(await self._front.questions.named(request_id, asker))
        await self._front.tell(body, "The request as it is now", blocks=shown)

    async def all(self, ack: AsyncAck, body: Body, value: str) -> None:
        """All that a section of a digest has, for the reader alone, as it is now. Of requests there are lists."""
        asker = self._front.asker(body)
        about = next((one for one in _NOTICED if one.value == value), None)
        if about is None:
            raise Sorry(_OLD_BUTTON)
        await ack()
        self._front.later(body, self._all(body, asker, about), asks_provider=True)

    async def _all(self, body: Body, asker: Asker, about: Section) -> None:
        if about not in OF_REQUESTS:
            await self._front.questions.members_only(asker.user)
        digest = await self._digests.compose(asker.channel, [about.value], None)
        found, see = digest.notices.get(about, ()), _NOTICED[about][1]
        nothing = _NONE_TOLD if digest.silent else "There is nothing of the kind any more."
        blocks = _notices(about, found, ALL) if found else [section(nothing)]
        more = [small(f"… and {len(found) - ALL} more: {code(see)}")] if len(found) > ALL else []
        await self._front.tell(body, _SECTIONS[about][0], blocks=built([*blocks, *more, *_silent(digest)]))

    def listed(self, value: str, channel: str) -> Filter | None:
        """What a section of a channel's digest lists, as a list of requests; None where it is not about requests."""
        status = next((its for one, its in _LISTED_AS.items() if one.value == value), None)
        if status is None:
            return None
        return Filter(Scope.ALL, status, channel="" if channel == self._front.requests.policy.channel else channel)

    async def again(self, body: Body, request_id: str) -> None:
        """Somebody decided on a card that only they see: it shows what came of it."""
        request = await self._front.questions.named(request_id, self._front.asker(body))
        await self._front.replace(body, "The request as it is now", await self.card(request))

    async def card(self, request: Request) -> list[dict[str, Any]]:
        """A request's card as it is now, as blocks. Raises Sorry."""
        standing = await self._front.questions.standing(request)
        message = Message(
            id="", request_id=request.id, kind=MessageKind.CARD, lane="", channel="", body={}, wanted=1, sent=0,
            begun=False, attempts=0, created_at=self._digests.now(),
        )  # fmt: skip
        owed = Owed(
            message, request, None, begun_before=False,
            votes=standing.votes, budgets=standing.held, lacking=standing.lacking,
        )  # fmt: skip
        return self._front.messages.render(owed).blocks

    # The window.

    async def _open(self, body: Body, asker: Asker) -> None:
        await self._front.questions.members_only(asker.user)
        setup = await self._digests.books.setup_of(asker.channel)
        quiet = self._front.requests.policy.quiet.get(asker.channel)
        zone = setup.time_zone if setup else quiet.time_zone if quiet else ""
        zone = zone or await self._front.requests.who.time_zone(asker.user)
        view = setup_form(setup, asker.channel, zone)
        await self._front.client.views_open(trigger_id=str(body.get("trigger_id")), view=view)

    async def on_setup(self, ack: AsyncAck, body: Body) -> None:
        """The window was sent."""
        state = body["view"].get("state")
        values = state.get("values") if isinstance(state, dict) else None
        try:
            asker = self._front.asker(body)
            said = await self._take(values if isinstance(values, dict) else {}, asker)
        except entered.FormError as error:
            await ack(response_action="errors", errors=error.errors)
        except Sorry as sorry:
            await ack(response_action="update", view=windows.notice("Digest", sorry.sentence))
        else:
            await ack(response_action="update", view=windows.notice("Digest", said))

    async def _take(self, values: Mapping[str, Any], asker: Asker) -> str:
        setup, is_off = read_setup(values, asker.user, self._digests.now())
        before = await self._digests.books.setup_of(setup.channel)
        # Whoever set it up can be rid of it, also where Postroom, or they, have been shown out.
        if not is_off or before is None or before.set_by != asker.user:
            await self._may_set_up(setup.channel, asker.user)
        if is_off:
            was_on = await self._digests.turn_off(setup.channel, asker.user)
            return "No digest is posted there any more." if was_on else "There was no digest, and there is none now."
        await self._digests.set_up(setup)
        first = (await self._digests.next_of(setup)).astimezone(ZoneInfo(setup.time_zone))
        said = f"The next digest comes on {first:%A} {first.day} {first:%B} at {first:%H:%M} ({setup.time_zone})."
        if before is not None and before.set_by != asker.user:  # the window may have been about another channel
            there = f"at {before.at:%H:%M} ({before.time_zone})"
            said += f" It comes instead of the one that somebody else had set up there, {there}."
        return said

    async def _may_set_up(self, channel: str, user: str) -> None:
        """Raises FormError for whoever is not in the channel, and where Postroom is not in it; Sorry for guests."""
        outside = "You are not in this channel: its members decide about this."
        _, why = await asyncio.gather(  # at once: Slack waits three seconds for what becomes of a window
            self._front.questions.members_only(user), why_not(self._front.client, channel, user, outside=outside)
        )
        if why:
            raise entered.FormError({"channel": why})


def setup_form(setup: Setup | None, channel: str, zone: str) -> windows.View:
    """The window in which a channel's digest is set up, filled in as it is now."""
    days = DEFAULT_DAYS if setup is None else setup.weekdays
    sections = DEFAULT_SECTIONS if setup is None else setup.sections
    more = [] if setup is None or not setup.when_empty else ["when_empty"]
    here = channel if channel[:1] in "CG" else None
    channels = sb.ConversationSelectMenu(
        action_id=entered.VALUE, initial_conversation=here, filter=sb.ConversationFilter(include=["public", "private"])
    )
    at = sb.TimePicker(action_id=entered.VALUE, initial_time=f"{DEFAULT_TIME if setup is None else setup.at:%H:%M}")
    where = sb.PlainTextInput(action_id=entered.VALUE, initial_value=zone, max_length=64)
    others = [("when_empty", "On days with nothing to tell as well"), ("off", "No digest any more: turn it off")]
    blocks: list[sb.Block] = [
        _input("channel", "Channel", channels, hint="Everybody in it reads it, also guests and other workspaces."),
        _input("at", "Time", at),
        _input("zone", "Time zone", where, hint="Such as Europe/Berlin: the time above is of there."),
        _input("days", "Days", _boxes([(str(n), name) for n, name in enumerate(_WEEKDAYS)], [str(n) for n in days])),
        _input(
            "sections", "What it tells",
            _boxes([(one.value, name) for one, (name, _) in _SECTIONS.items()], sections, _SECTIONS),
        ),
        _input("more", "More", _boxes(others, more), optional=True),
    ]  # fmt: skip
    return sb.ModalView(
        title=plain("Digest", 24), blocks=blocks, callback_id="digest", submit=plain("Save", 24),
        close=plain("Cancel", 24),
    ).to_dict()  # fmt: skip


def _input(name: str, label: str, element: sb.Element, *, hint: str = "", optional: bool = False) -> sb.InputBlock:
    said = plain(hint, 2000) if hint else None
    return sb.InputBlock(plain(label, 2000), element, block_id=name, hint=said, optional=optional)


def _boxes(
    choices: Sequence[tuple[str, str]], chosen: Sequence[str], hints: Mapping[Section, tuple[str, str]] | None = None
) -> sb.CheckboxGroup:
    options = [
        sb.Option(plain(name, 75), value, description=plain(hints[Section(value)][1], 75) if hints else None)
        for value, name in choices
    ]
    initial = [option for option in options if option.value in chosen]
    return sb.CheckboxGroup(action_id=entered.VALUE, options=options, initial_options=initial or None)


def read_setup(values: Mapping[str, Any], by: str, now: datetime) -> tuple[Setup, bool]:
    """What the window says, and whether the digest is to be turned off. Raises FormError."""
    errors: dict[str, str] = {}
    channel = _value(values, "channel", "selected_conversation")
    if not isinstance(channel, str) or channel[:1] not in ("C", "G"):
        errors["channel"] = "Choose a channel."
    said = _value(values, "at", "selected_time")
    if not isinstance(said, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", said):
        errors["at"] = "Choose a time."
    zone = str(_value(values, "zone", "value") or "").strip()
    try:
        zone = known_zone(zone)
    except ValueError as error:
        errors["zone"] = str(error)
    days = [one for one in _chosen(values, "days") if one in "0123456"]
    if not days:
        errors["days"] = "Choose at least one day, or turn the digest off below."
    sections = [one.value for one in Section if one.value in _chosen(values, "sections")]
    if not sections:
        errors["sections"] = "Choose at least one, or turn the digest off below."
    more = _chosen(values, "more")
    if sections == [Section.MONEY.value] and "when_empty" not in more:
        errors["more"] = "What the budgets have left is no news by itself: tick the first of these, or choose more."
    if "off" in more and "channel" not in errors:
        errors = {}
        days, sections, said, zone = ["0"], [Section.DECISIONS.value], "09:00", "UTC"
    if errors:
        raise entered.FormError(errors)
    setup = Setup(
        str(channel), time.fromisoformat(str(said)), zone, frozenset(map(int, days)), tuple(sections),
        when_empty="when_empty" in more, set_by=by, set_at=now,
    )  # fmt: skip
    return setup, "off" in more


def known_zone(said: str) -> str:
    """The IANA name that is meant, whatever its capitals. Raises ValueError with a sentence."""
    if _ZONE.fullmatch(said):
        with contextlib.suppress(KeyError, ValueError, OSError):
            return ZoneInfo(said).key
    by_lower = {name.lower(): name for name in available_timezones() - _NO_PLACES}
    key = said.lower().replace(" ", "_")
    found = by_lower.get(key)
    if found is not None:
        return found
    # Of places alone: "GMT+2" is not Etc/GMT+2, which is two hours behind, and CEST is not EST.
    places = sorted((lower for lower in by_lower if "/" in lower and not lower.startswith("etc/")), reverse=True)
    named = {its: by_lower[lower] for lower in places for its in (lower, lower.rpartition("/")[2])}
    near = difflib.get_close_matches(key, named, n=1, cutoff=0.8)
    meant = f"Is it {named[near[0]]}?" if near else "Name it by a city, such as Europe/Berlin."
    raise ValueError(f"There is no such time zone. {meant}")


def _value(values: Mapping[str, Any], name: str, key: str) -> Any:
    block = values.get(name)
    state = block.get(entered.VALUE) if isinstance(block, dict) else None
    return state.get(key) if isinstance(state, dict) else None


def _chosen(values: Mapping[str, Any], name: str) -> list[str]:
    options = _value(values, name, "selected_options")
    return [str(one.get("value")) for one in options if isinstance(one, dict)] if isinstance(options, list) else []
