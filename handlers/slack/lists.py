"""Lists of requests, page by page, and a request's whole story in a window."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal

import slackblocks as sb
import structlog
from pydantic import BaseModel, ConfigDict, StringConstraints
from slack_bolt.context.ack.async_ack import AsyncAck

from handlers.listings import COUNTED, Filter, Page, Scope, Status
from handlers.requests import Asker, Sorry
from handlers.slack import windows
from handlers.slack.answers import LONGEST_VALUE
from handlers.slack.channels import NOT_YOURS, asked_in, why_not
from handlers.slack.digest import DigestCommands
from handlers.slack.front import UNREACHED, Body, Front, slack_error, will_pass
from handlers.slack.happened import in_words
from handlers.slack.house import HouseCommands
from handlers.slack.messages import total
from handlers.slack.words import (
    SECTION_TEXT,
    built,
    clip,
    code,
    escape,
    length,
    moment,
    paragraphs,
    person,
    place,
    plain,
    section,
    small,
)
from storage.lists import Chapter, Spot
from storage.records import AuditEntry, Request

log = structlog.get_logger(__name__)

STORY = "story"
"""The callback_id of the window with a request's story."""
LONGEST_STATUS = 600
"""Characters of how a request stands: ten of them fit into one message."""
MOST_WORDS = 8
LONGEST_WORD = 100
FOLLOWED = timedelta(minutes=15)
"""For so long after it was opened, or something was clicked in it, an open story shows what changes."""
LOOKS_AGAIN = timedelta(seconds=3)
"""As long as somebody has one open."""
PLACED_FOR = timedelta(minutes=1)
"""For so long it is taken for true that its reader is still where they opened it."""
MOST_OPEN = 50
MOST_AT_ONCE = 5
"""Stories that are drawn anew in one go: Slack takes about a hundred a minute."""
_OLD_LIST = "This list is from another version of Postroom. Type /postroom requests again."
_USAGE = "/postroom requests [mine|team|all] [status] [words]"
_FOLLOWS = (
    f"For {FOLLOWED // timedelta(minutes=1)} minutes what changes is shown here by itself; then “Refresh” does it."
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SCOPES: Mapping[str, Scope] = {"mine": Scope.MINE, "my": Scope.MINE, "team": Scope.TEAM, "all": Scope.ALL}
_STATUSES: Mapping[str, Status] = {
    **{status.value: status for status in Status if status},
    "unfinished": Status.OPEN, "pending": Status.WAITING, "working": Status.RUNNING, "approved": Status.RUNNING,
    "unknown": Status.UNCLEAR, "stuck": Status.UNCLEAR, "succeeded": Status.DONE, "finished": Status.DONE,
    "canceled": Status.CANCELLED, "closed": Status.ENDED,
}  # fmt: skip
_WHOSE: Mapping[Scope, str] = {
    Scope.MINE: "Your requests",
    Scope.TEAM: "Your team's requests",
    Scope.ALL: "All requests",
}
_PERSON = re.compile(r"<@([A-Z0-9]{2,20})(?:\|[^>]*)?>")
_CHANNEL = re.compile(r"<#([A-Z0-9]{2,20})(?:\|[^>]*)?>")


class _Carried(BaseModel):
    """What a button of a list carries: what is listed, and beyond which spot. Every click is read anew, as if typed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scope: Scope = Scope.MINE
    status: Status = Status.ANY
    words: tuple[Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_WORD)], ...] = ()
    requester: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{0,20}$")] = ""
    channel: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{0,20}$")] = ""
    spot: Annotated[str, StringConstraints(pattern=r"^([0-9]{1,16}\.[0-9]{1,16})?$")] = ""
    newer: bool = False


@dataclass(slots=True)
class _Open:
    """A story that somebody may have open: which page of what, from where they look, and since when (`placed`: that
    this is true, `since`: that they did anything in it). `shown` is what it was drawn from."""

    request_id: str
    asker: Asker
    page: int
    since: datetime
    placed: datetime
    shown: tuple[Request, Chapter] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class RequestLists:
    """`/postroom requests` and `/postroom jobs`, the buttons in such a list, and the window that tells a story.

    A story that is open follows its request for a while. Which are open is known to this process alone: after a
    restart, and when that while is over, a button in it draws it anew, and it follows again.
    """

    def __init__(self, front: Front) -> None:
        self._front = front
        self._listings = front.listings
        self._house = HouseCommands(front)
        self._cards = DigestCommands(front)
        self._open: dict[str, _Open] = {}

    # What is typed.

    async def on_requests(self, ack: AsyncAck, body: Body, words: list[str]) -> None:
        """`/postroom requests` with its words, in any order."""
        await self.tell(ack, body, read_words(words))

    async def on_jobs(self, ack: AsyncAck, body: Body, words: list[str]) -> None:
        """`/postroom jobs`: what is asked and not finished, of all that one may know about."""
        if words:
            raise Sorry(f"/postroom jobs takes no words, so “{clip(' '.join(words), 100)}” was not used.")
        await self.tell(ack, body, Filter(Scope.ALL, Status.OPEN))

    async def tell(self, ack: AsyncAck, body: Body, wanted: Filter) -> None:
        """The first page of a list, for the asker alone."""
        asker = self._front.asker(body)
        await ack()

        async def tell() -> None:
            page = await self._listings.page(wanted, asker)
            said, blocks = await self._drawn(wanted, page, asker)
            await self._front.tell(body, said, blocks=built(blocks))

        self._front.later(body, tell())

    # What is clicked.

    async def turn(self, ack: AsyncAck, body: Body, value: str) -> None:
        """Another page of a list, in the place of this one; clicked in the home tab, its first page in a window."""
        wanted, start, newer = _read(value)
        asker, view = self._front.asker(body), body.get("view") or {}
        await ack()

        async def drawn() -> tuple[str, list[sb.Block]]:
            page = await self._listings.page(wanted, asker, start, newer=newer)
            return await self._drawn(wanted, page, asker)

        async def in_window() -> None:
            view_id = await self._opened(body, "Requests") if view.get("type") == "home" else str(view.get("id"))
            try:
                shown = _window("Requests", "list", built((await drawn())[1]))
            except Sorry as sorry:
                shown = windows.notice("Requests", await self._front.named(sorry))
            await self._front.client.views_update(view_id=view_id, view=shown)

        async def in_message() -> None:
            said, blocks = await drawn()
            await self._front.replace(body, said, built(blocks))

        self._front.later(body, in_window() if view else in_message())

    async def open(self, ack: AsyncAck, body: Body, value: str) -> None:
        """The story of a request, in a window of its own."""
        asker = self._front.asker(body)
        await ack()

        async def show() -> None:
            view_id = await self._opened(body, "Request")
            placed = replace(asker, channel=await asked_in(self._front, body, asker))
            await self._show(view_id, value, placed, 0)

        self._front.later(body, show())

    async def read_on(self, ack: AsyncAck, body: Body, value: str) -> None:
        """What happened earlier, or later, in the window that tells the story."""
        request_id, _, page = value.partition(":")
        view = body.get("view") or {}
        if not view.get("id") or not re.fullmatch(r"[0-9]{1,6}", page):
            raise Sorry(_OLD_LIST)
        asker = self._front.asker(body)
        await ack()

        async def show() -> None:
            placed = replace(asker, channel=await asked_in(self._front, body, asker))
            await self._show(view["id"], request_id, placed, int(page))

        self._front.later(body, show())

    async def again(self, body: Body, view_id: str, request_id: str) -> None:
        """Somebody decided in, or above, the window with a story: it shows what came of it."""
        asker = self._front.asker(body)
        placed = replace(asker, channel=await asked_in(self._front, body, asker))
        await self._show(view_id, request_id, placed, 0)

    # Below: windows.

    async def _opened(self, body: Body, title: str) -> str:
        """The id of a window, opened at once: a trigger lives for three seconds, and looking up may take longer."""
        client, trigger = self._front.client, str(body.get("trigger_id"))
        looking = windows.notice(title, "Looking it up …")
        is_above = (body.get("view") or {}).get("type") == "modal"
        answer = await (client.views_push if is_above else client.views_open)(trigger_id=trigger, view=looking)
        return str(answer["view"]["id"])

    async def _show(self, view_id: str, request_id: str, asker: Asker, page: int) -> None:
        """A page of a story in a window, which follows it from now on."""
        now = self._front.questions.now()
        story = self._open.pop(view_id, None) or _Open(request_id, asker, page, now, now)
        story.request_id, story.asker, story.page, story.since, story.placed = request_id, asker, page, now, now
        self._open[view_id] = story  # last again: whoever opened theirs the longest ago goes first
        if len(self._open) > MOST_OPEN:
            del self._open[next(iter(self._open))]
        async with story.lock:
            try:
                try:
                    view, story.shown = await self._drawn_now(story)
                except Sorry as sorry:
                    self.forget(view_id)
                    view = windows.notice("Request", await self._front.named(sorry))
                await self._front.client.views_update(view_id=view_id, view=view)
            except BaseException:
                self.forget(view_id)
                raise

    async def _drawn_now(self, story: _Open) -> tuple[windows.View, tuple[Request, Chapter]]:
        """A story as it is now, and what it is drawn from. Raises Sorry where its reader may know nothing of it."""
        request = await self._front.questions.named(story.request_id, story.asker)
        story.request_id = request.id  # a button may carry less
        chapter = await self._listings.chapter(request, story.page)
        return await self._story(request, chapter, story.asker, story.page), (request, chapter)

    # What is open.

    def forget(self, view_id: str) -> None:
        """This window does not show a story any more."""
        self._open.pop(view_id, None)

    async def refresh(self) -> datetime | None:
        """Draw the open stories anew whose requests have gone on; never more than Slack takes.

        Returns when it is to be looked again, None where none is open.
        """
        now = self._front.questions.now()
        self._open = {view_id: one for view_id, one in self._open.items() if now - one.since < FOLLOWED}
        idle = [(view_id, one) for view_id, one in self._open.items() if not one.lock.locked()]
        stale = [(view_id, one) for view_id, one in idle if await self._is_old(one)]
        for view_id, story in stale[:MOST_AT_ONCE]:
            if self._open.pop(view_id, None) is not None:
                self._open[view_id] = story  # last, so that it is the others' turn next time
                # Beside the answers that people wait for, and not in the beat: Slack may be slow.
                self._front.lookups.spawn(self._follow(view_id, story))
        return now + LOOKS_AGAIN if self._open else None

    async def _is_old(self, story: _Open) -> bool:
        try:
            request = await self._front.requests.found(story.request_id)
        except Sorry:
            return True  # whoever draws it finds that out as well, and follows it no more
        return story.shown != (request, await self._listings.chapter(request, story.page))

    async def _follow(self, view_id: str, story: _Open) -> None:
        """Draw an open story anew. What cannot be shown any more stays as it is: a click in it says why."""
        async with story.lock:
            try:
                await self._still_placed(story)
                view, shown = await self._drawn_now(story)
                if self._open.get(view_id) is story:  # otherwise it says something else by now
                    await self._front.client.views_update(view_id=view_id, view=view)
                    story.shown = shown
            except (Sorry, *UNREACHED) as error:
                log.info("story_not_followed", request_id=story.request_id, why=slack_error(error))
                if not will_pass(error):
                    self.forget(view_id)
            except BaseException:
                self.forget(view_id)
                raise

    async def _still_placed(self, story: _Open) -> None:
        """Raises Sorry if its reader is no longer where they opened it."""
        now, asker = self._front.questions.now(), story.asker
        if asker.channel and not timedelta(0) <= now - story.placed < PLACED_FOR:
            if why := await why_not(self._front.client, asker.channel, asker.user, outside=NOT_YOURS):
                raise Sorry(why)
            story.placed = now

    async def _story(self, request: Request, chapter: Chapter, asker: Asker, page: int) -> windows.View:
        """The card as it is now, with the buttons that are this reader's; why it is where it is; what happened."""
        standing = await self._front.questions.standing(request)
        decides = await self._listings.is_to_decide(request, asker.user)
        is_own = asker.user == request.requester
        may = {"decision": decides, "settle": decides, "stop": is_own or asker.user in standing.entitled}
        card = [
            block
            for block in await self._cards.card(request)
            if block["type"] != "actions" or may.get(str(block.get("block_id")), False)
        ]
        own = [one for one in self._front.messages.requester_buttons(request) if is_own and one.block_id != "stop"]
        thread = self.link(request, await self._listings.threads_of([request]), "Open the thread")
        more: list[sb.Block] = [
            *own,
            *([small(thread)] if thread else []),
            sb.DividerBlock(),
            *paragraphs(self._house.why_lines(standing)),
            sb.DividerBlock(),
            *_happened(request, chapter, page),
            small(f"As of {moment(self._front.questions.now())}. {_FOLLOWS}"),
        ]
        return _window("Request", STORY, [*card, *built(more)], metadata=asker.channel)

    # Below: lists.

    async def _drawn(self, wanted: Filter, page: Page, asker: Asker) -> tuple[str, list[sb.Block]]:
        """A page in one plain sentence, and as blocks."""
        said = _said(wanted, page)
        if not page.shown:
            return said, [section(escape(said)), *_turns(wanted, page)]
        title = f"*{escape(said)}*" if _is_jobs(wanted) else _title(wanted, page)
        usage = small(f"{code(_USAGE)} · only you see this")
        return said, [section(title), *await self.lines(page.shown), *_turns(wanted, page), usage]

    async def lines(self, requests: Sequence[Request], *, own: bool = False) -> list[sb.Block]:
        """A section for each request, with a button that opens its story. Of one's `own` it need not say whose."""
        threads = await self._listings.threads_of(requests)
        return [self._line(one, threads, own=own) for one in requests]

    def _line(self, request: Request, threads: Mapping[str, tuple[str, str]], *, own: bool) -> sb.Block:
        headline = escape(clip(self._front.messages.headline(request), 150))
        status = re.sub(r"(?<=\w)\n", " · ", self._front.messages.status(request)).replace("\n", " ")
        when = [total(request.quote), moment(request.created_at), self.link(request, threads, "Thread")]
        where = place(request.channel) if own else f"{person(request.requester)} in {place(request.channel)}"
        return section(
            f"*{headline}* · {where}\n{clip(status, LONGEST_STATUS)}\n{' · '.join(filter(None, when))}",
            accessory=open_button(request),
        )

    def link(self, request: Request, threads: Mapping[str, tuple[str, str]], says: str) -> str:
        """A link to the request's thread; empty where that is not there yet."""
        channel, ts = threads.get(request.id, ("", ""))
        return f"<{self._front.url}archives/{channel}/p{ts.replace('.', '')}|{says}>" if ts and self._front.url else ""


def list_button(says: str, wanted: Filter) -> sb.Button:
    """A button that opens a list."""
    return sb.Button(plain(says, 75), action_id=f"turn:{says}", value=_carry(wanted))


def open_button(request: Request, says: str = "Open", *, style: Literal["primary"] | None = None) -> sb.Button:
    """A button that opens a request's story."""
    return sb.Button(plain(says, 75), action_id=f"open:{request.id}", value=request.id, style=style)


def read_words(words: Sequence[str]) -> Filter:
    """What the words after `/postroom requests` ask for, in whatever order. Raises Sorry with what is wrong."""
    scopes: dict[Scope, str] = {}
    statuses: dict[Status, str] = {}
    people: list[str] = []
    channels: list[str] = []
    others: list[str] = []
    for word in filter(None, words):
        if word.lower() in _SCOPES:
            scopes[_SCOPES[word.lower()]] = word
        elif word.lower() in _STATUSES:
            statuses[_STATUSES[word.lower()]] = word
        elif named := _PERSON.fullmatch(word):
            people.append(named[1])
        elif named := _CHANNEL.fullmatch(word):
            channels.append(named[1])
        else:
            others.append(word.encode(errors="replace").decode())  # half a character is none
    for several in (list(scopes.values()), list(statuses.values())):
        if len(several) > 1:
            raise Sorry(
                f"“{several[0]}” and “{several[1]}” do not go together, so nothing was listed. Say one of them."
            )
    if len(people) > 1 or len(channels) > 1:
        raise Sorry("One person and one channel at a time, please. Nothing was listed.")
    if len(others) > MOST_WORDS or any(len(word) > LONGEST_WORD for word in others):
        raise Sorry(f"At most {MOST_WORDS} words of {LONGEST_WORD} characters fit. Nothing was listed: leave some out.")
    scope = next(iter(scopes), Scope.ALL if people or channels else Scope.MINE)
    found = Filter(scope, next(iter(statuses), Status.ANY), tuple(others), "".join(people), "".join(channels))
    if len(_carry(found)) > LONGEST_VALUE - 100:
        raise Sorry("These words are too long to look for. Nothing was listed: leave some out.")
    return found


# Words about lists.


def _is_jobs(wanted: Filter) -> bool:
    return wanted == Filter(Scope.ALL, Status.OPEN)


def _said(wanted: Filter, page: Page) -> str:
    """A page in one sentence, plain text."""
    if _is_jobs(wanted):
        if not page.shown and page.older is None and page.newer is None:
            return "Nothing is waiting and nothing is under way."
        if page.count is not None:
            return f"{page.count} request{' is' if page.count == 1 else 's are'} not finished."
        return (
            f"More than {COUNTED} requests are not finished." if page.is_first else "What is not finished, further on."
        )
    if page.shown:
        return f"{_WHOSE[wanted.scope]}, the newest first"
    if page.older is not None or page.newer is not None:
        return "Nothing like that so far: there is more to look through."
    if wanted == Filter():
        return "You have not asked for anything yet. /postroom help shows what you can ask."
    known = [*_SCOPES, *_STATUSES]
    near = [(word, close[0]) for word in wanted.words if (close := get_close_matches(word.lower(), known, 1, 0.75))]
    meant = f" Did you mean “{near[0][1]}” instead of “{near[0][0]}”?" if near else ""
    private = "" if wanted.scope is Scope.MINE else " What was asked in a private channel is listed there alone."
    return f"Nothing was found.{meant}{private} Type {_USAGE}."


def _title(wanted: Filter, page: Page) -> str:
    count = "" if not page.is_first else f": {page.count}" if page.count is not None else f": more than {COUNTED}"
    told = [f"*{_WHOSE[wanted.scope]}{count}*"]
    told += [wanted.status.value] if wanted.status else []
    told += [f"with “{escape(word)}”" for word in wanted.words]
    told += [f"of {person(wanted.requester)}"] if wanted.requester else []
    told += [f"in {place(wanted.channel)}"] if wanted.channel else []
    return f"{' · '.join(told)} · the newest first"


def _turns(wanted: Filter, page: Page) -> list[sb.Block]:
    further = "Look further back" if not page.shown else "Older →"
    there = [("← Newer", page.newer, True), (further, page.older, False)]
    buttons: list[sb.Element] = [
        sb.Button(
            plain(says, 75),
            action_id=f"turn:{'newer' if newer else 'older'}",
            value=_carry(wanted, spot, newer=newer),
        )
        for says, spot, newer in there
        if spot is not None
    ]
    return [sb.ActionsBlock(buttons, block_id="pages")] if buttons else []


def _happened(request: Request, chapter: Chapter, page: int) -> list[sb.Block]:
    """The facts of a page of the story, and the buttons to those before and after."""
    told = [line for entry in chapter.shown if (line := _fact(entry))]
    blocks: list[sb.Block] = [section("*What happened*")]
    if chapter.earlier:
        blocks.append(small(f"… and {chapter.earlier} earlier"))
    group: list[str] = []
    for line in told:
        if group and length([*group, line]) > SECTION_TEXT:
            blocks.append(section("\n".join(group)))
            group = []
        group.append(line)
    blocks += [section("\n".join(group))] if group else []
    if chapter.later:
        blocks.append(small(f"… and {chapter.later} later"))
    there = [("← Earlier", page + 1, chapter.earlier), ("Later →", page - 1, chapter.later)]
    there.append(("Refresh", page, 1))
    buttons: list[sb.Element] = [
        sb.Button(plain(says, 75), action_id=f"read_on:{says}", value=f"{request.id}:{number}")
        for says, number, count in there
        if count
    ]
    return [*blocks, sb.ActionsBlock(buttons, block_id="facts")]


def _fact(entry: AuditEntry) -> str:
    words = in_words(entry)
    return f"• {moment(entry.at)} {words}" if words else ""


def _window(title: str, callback_id: str, blocks: list[dict[str, Any]], *, metadata: str = "") -> windows.View:
    return {
        "type": "modal",
        "title": {"type": "plain_text", "text": title},
        "close": {"type": "plain_text", "text": "Close"},
        "callback_id": callback_id,
        "private_metadata": metadata,
        "blocks": blocks,
    }


# What a button carries.


def _carry(wanted: Filter, spot: Spot | None = None, *, newer: bool = False) -> str:
    where = "" if spot is None else f"{(spot.at - _EPOCH) // timedelta(microseconds=1)}.{spot.row}"
    carried = _Carried(**asdict(wanted), spot=where, newer=newer)
    return base64.urlsafe_b64encode(carried.model_dump_json(exclude_defaults=True).encode()).decode()


def _read(value: str) -> tuple[Filter, Spot | None, bool]:
    """What a button carries, if it is one of ours. Raises Sorry."""
    try:
        carried = _Carried.model_validate_json(base64.b64decode(value, altchars=b"-_", validate=True))
    except ValueError:
        raise Sorry(_OLD_LIST) from None
    at, _, row = carried.spot.partition(".")
    spot = Spot(_EPOCH + timedelta(microseconds=int(at)), int(row)) if carried.spot else None
    wanted = Filter(carried.scope, carried.status, carried.words, carried.requester, carried.channel)
    return wanted, spot, carried.newer and spot is not None
