"""The app's home tab: what waits for its reader, what they asked for, what is under way, money, and what to ask next.

It is published when somebody opens it, at once after what they do in it, and for a while whenever something changes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

import aiohttp
import slackblocks as sb
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError

from handlers.listings import Filter, Scope, Status, ToDecide
from handlers.requests import Asker, Sorry
from handlers.slack.front import Body, Front, slack_error
from handlers.slack.house import KEY_OF_BARS, HouseCommands
from handlers.slack.lists import LOOKS_AGAIN, RequestLists, list_button, open_button
from handlers.slack.messages import total
from handlers.slack.shortcuts import EVERYTHING
from handlers.slack.words import (
    LONGEST_HEADLINE,
    clip,
    code,
    escape,
    length,
    moment,
    paragraphs,
    person,
    place,
    plain,
    quoted,
    section,
    small,
)
from providers.action import Action
from storage.records import Request

log = structlog.get_logger(__name__)

MOST_TO_DECIDE = 5
MOST_OWN = 5
MOST_UNDER_WAY = 4
MOST_BUDGETS = 4
MOST_SHORTCUTS = 5
MOST_LINES = 6
LONGEST_LINES = 1200
"""What can be decided here is shown here, in so many lines and characters; of more, its story has all."""
LONGEST_REASON = 200
AT_FIRST = ("domain buy", "domain check", "mailbox create", "verify list", "prewarm browse")
"""What somebody is offered who has not asked for much yet."""
KEPT_FRESH = timedelta(minutes=15)
"""For so long after it was opened, or something was done in it, a home tab shows what changes."""
LOOKED_AT_EVERY = timedelta(minutes=1)
"""So often at the least, while it is kept fresh: progress is no entry of the audit."""
MOST_READERS = 100
MOST_AT_ONCE = 5
"""Home tabs that one beat publishes: Slack takes about a hundred a minute."""
_CLOSED = (SlackApiError, SlackClientError, aiohttp.ClientError, TimeoutError)


@dataclass(slots=True)
class _Reader:
    """Somebody who has opened their home tab lately. `wanted`: it is to be drawn anew; `shown` tells what it shows."""

    asker: Asker
    since: datetime
    drawn: datetime
    seen: int = -1
    shown: str = ""
    wanted: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Home:
    """Draws home tabs, and keeps those fresh that were opened lately."""

    def __init__(self, front: Front, lists: RequestLists) -> None:
        self._front = front
        self._house = HouseCommands(front)
        self._lists = lists
        self._readers: dict[str, _Reader] = {}

    # When.

    async def on_opened(self, body: Body) -> None:
        """`app_home_opened`: publish this person's home tab."""
        event = body.get("event") or {}
        user, team = str(event.get("user") or ""), str(body.get("team_id") or "")
        if not user or event.get("tab", "home") != "home":
            return
        if team != self._front.team:
            log.warning("foreign_workspace", team=team, user=user)
            return
        await self._show(self._reader(Asker(team, user, "")))

    def stirred(self, body: Body) -> None:
        """Its reader did something in it, or sent a form: what came of that shows as soon as they were answered."""
        user = str((body.get("user") or {}).get("id") or "")
        view = body.get("view") or {}
        reader = self._readers.get(user)
        if view.get("type") == "home" and reader is None:  # opened before this process began
            try:
                reader = self._reader(replace(self._front.asker(body), channel=""))
            except Sorry:
                return
        if reader is not None:
            reader.since = self._front.questions.now()
            self._front.background.spawn(self._show(reader))

    async def refresh(self) -> datetime | None:
        """Show what has changed to those who opened their home tab, or a story, lately; never more than Slack takes.

        Returns when it is to be looked again, None where nobody looks.
        """
        stories = await self._lists.refresh()
        now = self._front.questions.now()
        self._readers = {user: one for user, one in self._readers.items() if now - one.since < KEPT_FRESH}
        if not self._readers:
            return stories
        last = await self._front.listings.last_change()
        stale = [
            one
            for one in self._readers.values()
            if not one.lock.locked() and (one.seen != last or not now - one.drawn < LOOKED_AT_EVERY)
        ]
        for reader in sorted(stale, key=lambda one: one.drawn)[:MOST_AT_ONCE]:
            # Beside the answers that people wait for, and not in the beat: Slack may be slow.
            self._front.lookups.spawn(self._show(reader))
        return now + LOOKS_AGAIN

    def _reader(self, asker: Asker) -> _Reader:
        now = self._front.questions.now()
        reader = self._readers.pop(asker.user, None) or _Reader(asker, now, now)
        self._readers[asker.user] = reader  # last again: whoever opened theirs the longest ago goes first
        reader.since = now
        if now - reader.drawn > LOOKS_AGAIN:
            reader.shown = ""  # whatever it shows there now: another process may have published it
        if len(self._readers) > MOST_READERS:
            del self._readers[next(iter(self._readers))]
        return reader

    async def _show(self, reader: _Reader) -> None:
        """Draw somebody's home tab; several who want that while it is being drawn get one more, not one each."""
        reader.wanted = True
        async with reader.lock:
            if not reader.wanted:
                return
            reader.wanted = False
            reader.drawn = self._front.questions.now()
            reader.seen = await self._front.listings.last_change()
            view = sb.HomeTabView(blocks=await self._drawn(reader.asker)).to_dict()
            for number, block in enumerate(view["blocks"]):
                block["block_id"] = f"home:{number}"  # those that it comes with are other ones each time
            shown = sha256(json.dumps(view).encode()).hexdigest()
            if shown == reader.shown:
                return
            try:
                await self._front.client.views_publish(user_id=reader.asker.user, view=view)
            except _CLOSED as error:
                log.warning("home_not_published", why=slack_error(error))
                reader.shown = ""
            else:
                reader.shown = shown

    # What.

    async def _drawn(self, asker: Asker) -> list[sb.Block]:
        waiting, own = await self._to_decide(asker), await self._front.listings.own(asker.user, MOST_OWN)
        blocks = [*waiting, *([] if waiting or own else _welcome(asker))]
        blocks += await self._listed("My requests", own, list_button("All my requests", Filter()), own=True)
        blocks += await self._under_way(asker)
        blocks += await self._budgets(asker)
        return [*blocks, *await self._shortcuts(asker)]

    async def _to_decide(self, asker: Asker) -> list[sb.Block]:
        try:
            found = await self._front.listings.to_decide(asker.user)
        except Sorry as sorry:
            return [sb.HeaderBlock(plain("Waiting for you", 150)), section(f":warning: {escape(sorry.sentence)}")]
        if not found.waiting and not found.unclear and found.is_all:
            return []
        blocks: list[sb.Block] = [sb.HeaderBlock(plain(_how_many(found), 150))]
        unclear = found.unclear[:MOST_TO_DECIDE]
        waiting = found.waiting[: max(1, MOST_TO_DECIDE - len(unclear))]
        for request in unclear:
            status = self._front.messages.status(request)
            blocks.append(section(f"{self._what(request)}\n{clip(status, 500)}", accessory=open_button(request)))
        for request in waiting:
            blocks += self._decision(request)
        more = len(found.waiting) + len(found.unclear) - len(waiting) - len(unclear)
        if more > 0:
            blocks.append(small(f"… and {'' if found.is_all else 'at least '}{more} more"))
        if more > 0 or not found.is_all:
            every = list_button("All that wait", Filter(Scope.ALL, Status.WAITING))
            unknown = list_button("All that are unclear", Filter(Scope.ALL, Status.UNCLEAR))
            blocks.append(sb.ActionsBlock([every, *([unknown] if found.unclear else [])]))
        return [*blocks, sb.DividerBlock()]

    def _decision(self, request: Request) -> list[sb.Block]:
        since = request.waiting_since or request.created_at
        asks = f"{person(request.requester)} asks in {place(request.channel)}, since {moment(since)}"
        lines = self._front.messages.lines(request)
        shown = lines if len(lines) <= MOST_LINES else lines[: MOST_LINES - 1]
        # Nobody decides about what they cannot read.
        decide = self._front.messages.decision_buttons(request)
        if len(shown) < len(lines) or length(shown) > LONGEST_LINES:
            shown = [*(clip(line, LONGEST_LINES // MOST_LINES) for line in shown), f"… {len(lines)} lines in all"]
            decide = sb.ActionsBlock([open_button(request, "Read all of it and decide", style="primary")])
        reason = [quoted(clip(request.reason, LONGEST_REASON))] if request.reason else []
        return [
            section(f"{self._what(request, LONGEST_HEADLINE)}\n{asks}", accessory=open_button(request)),
            *paragraphs([*shown, *reason]),
            decide,
        ]

    def _what(self, request: Request, longest: int = 150) -> str:
        headline = escape(clip(self._front.messages.headline(request), longest))
        return f"*{headline}* · *{total(request.quote)}* · account {code(request.account)}"

    async def _under_way(self, asker: Asker) -> list[sb.Block]:
        """What others asked for and is being done, as far as this person may know about it."""
        try:
            others = await self._front.listings.under_way(asker, MOST_UNDER_WAY)
        except Sorry as sorry:
            return [sb.HeaderBlock(plain("Under way", 150)), section(f":warning: {escape(sorry.sentence)}")]
        every = list_button("All that is under way", Filter(Scope.ALL, Status.RUNNING))
        return await self._listed("Under way for others", others, every)

    async def _listed(
        self, title: str, requests: Sequence[Request], every: sb.Button, *, own: bool = False
    ) -> list[sb.Block]:
        if not requests:
            return []
        listed = await self._lists.lines(requests, own=own)
        return [sb.HeaderBlock(plain(title, 150)), *listed, sb.ActionsBlock([every]), sb.DividerBlock()]

    async def _budgets(self, asker: Asker) -> list[sb.Block]:
        head = sb.HeaderBlock(plain("What is left this month", 150))
        try:
            is_member = await self._front.questions.is_member(asker.user)
            spent = await self._front.questions.budgets(asker) if is_member else []
        except Sorry as sorry:
            return [head, section(f":warning: {escape(sorry.sentence)}"), sb.DividerBlock()]
        if not spent:
            return []
        lines = [line for one in spent[:MOST_BUDGETS] for line in self._house.bar(one)]
        left = len(spent) - MOST_BUDGETS
        more = f"… and {left} more: {code('/postroom budget')} shows them. " if left > 0 else ""
        return [head, *paragraphs(lines), small(f"{more}{KEY_OF_BARS}"), sb.DividerBlock()]

    async def _shortcuts(self, asker: Asker) -> list[sb.Block]:
        """What they ask most, each a button that opens its form, and the way to everything else."""
        often = await self._front.listings.often_asked(asker.user, MOST_SHORTCUTS)
        offered = dict.fromkeys([*often, *AT_FIRST])
        able = [(command, found) for command in offered if (found := self._able(command)) is not None]
        buttons: list[sb.Element] = [
            sb.Button(plain(action.title, 75), action_id=f"pick:{command}", value=command)
            for command, action in able[:MOST_SHORTCUTS]
        ]
        everything = sb.Button(plain("Everything you can ask", 75), action_id="browse", value=EVERYTHING)
        typed = f"Or type it in the channel whose thread should tell how it goes: {code('/postroom help')} lists all."
        return [
            sb.HeaderBlock(plain("Ask for something", 150)),
            sb.ActionsBlock([*buttons, everything]),
            small(typed),
        ]

    def _able(self, command: str) -> type[Action] | None:
        """The action of a command, if some account can do it."""
        accounts = self._front.accounts_for(command)
        return self._front.catalogue.action(command, accounts[0].provider) if accounts else None


def _welcome(asker: Asker) -> list[sb.Block]:
    """For somebody who has not asked for anything yet."""
    return [
        section(
            f":wave: *Welcome, {person(asker.user)}.* You have not asked for anything yet.\n"
            "Ask for domains, mailboxes or a checked list of addresses below. You see what it costs before anything is "
            "asked; what spends money waits for somebody else's yes; a thread tells how it goes. What you have asked "
            "for stands here from then on."
        ),
        sb.DividerBlock(),
    ]


def _how_many(found: ToDecide) -> str:
    count = len(found.waiting) + len(found.unclear)
    return f"Waiting for you: {count}{'' if found.is_all else ' or more'}"
