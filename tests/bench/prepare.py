"""What has happened before the measured moment: forms that were checked, and requests that wait for a decision."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from handlers.life import Life
from handlers.policy import JobTimes, Policy, Ruling, Terms
from handlers.requests import SEEN, Asker
from handlers.slack import windows
from handlers.slack.messages import Messages
from providers.accounts import PriceList
from providers.action import Quote
from providers.catalogue import built_in
from providers.mailin.actions import BuyDomains
from storage.outbox import Owed
from storage.records import MessageKind, Request
from storage.sqlite import SqliteDatabase
from storage.store import Store
from tests.bench.watched import Clock, Nobody
from tests.bench.world import ACCOUNT, APPROVALS, APPROVER, CHANNEL, REQUESTER, TEAM

PRICES = PriceList(prices={"domain.com": Decimal("12.50")})
APPROVERS = (APPROVER, "U0FINN")
REASON = "New campaign for ACME, starting in May"
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Prepared:
    """Reviews to confirm (draft id, view) and cards to approve (the message as Slack has it)."""

    reviews: Sequence[tuple[str, Mapping[str, Any]]]
    cards: Sequence[Mapping[str, Any]]


def asking(store: Store, policy: Policy | None = None, clock: Any = None) -> Life:
    """The life of requests over `store`, with no provider at hand."""
    times = JobTimes(*(timedelta(minutes=1),) * 5)
    return Life(
        store=store,
        catalogue=built_in(),
        accounts={},
        policy=policy or Policy(Terms(APPROVERS), APPROVALS),
        times=times,
        directory=Nobody(),
        clock=clock or Clock(),
        chance=random.random,
        changed=lambda _: None,
    )


async def prepare(database: Path, drafts: int, waiting: int) -> Prepared:
    """Put `drafts` checked drafts and `waiting` requests, their messages posted long ago, into the database."""
    opened = SqliteDatabase(database)
    store = Store(opened)
    try:
        life = asking(store)
        checked = await in_batches(drafts + waiting, lambda number: checked_draft(store, life, number))
        asked = await in_batches(waiting, lambda number: confirm(life, checked[drafts + number]))
        await opened.write(
            lambda db: db.execute(
                "UPDATE messages SET sent = wanted, ts = '1750000000.' || substr('000000' || seq, -6),"
                " posted_in = channel WHERE sent < wanted"
            )
        )
        return Prepared(_reviews(checked[:drafts]), await _cards(store, life, asked))
    finally:
        store.close()


def order(number: int) -> BuyDomains:
    """What one draft asks for: the same as the others but for the name, for nobody may ask twice for the same."""
    return BuyDomains(domains=[f"acme-{number:06}.com"])


async def checked_draft(store: Store, life: Life, number: int) -> Request:
    """A form that Ana filled in and whose name was found to be free; `number` tells it from the others."""
    action = order(number)
    quote = await action.quote(None, PRICES)  # type: ignore[arg-type]  # a price list is all it reads
    draft = await life.drafts.open(action.command, Asker(TEAM, REQUESTER, CHANNEL))
    filled = await life.drafts.fill(draft, action, account=ACCOUNT, reason=REASON, view_id=f"V{draft.id}")
    assert filled.checking_since is not None
    checked = await store.drafts.finish_check(
        draft.id,
        checking_since=filled.checking_since,
        quote=quote.model_dump(mode="json"),
        fingerprint=action.fingerprint(ACCOUNT, quote),
        now=filled.updated_at,
    )
    assert checked is not None
    shown = await store.drafts.check_shown(draft.id, checking_since=filled.checking_since)
    assert shown is not None
    return shown


async def confirm(life: Life, draft: Request) -> Request:
    """Ana confirms what she was shown."""
    return await life.drafts.submit(draft.id, draft.requester, seen=draft.fingerprint[:SEEN])


async def in_batches(count: int, one: Any) -> list[Any]:
    """`await one(number)` for every number below `count`, some at once."""
    done: list[Any] = []
    for start in range(0, count, _AT_ONCE):
        done += await asyncio.gather(*(one(number) for number in range(start, min(start + _AT_ONCE, count))))
    return done


def _reviews(drafts: Sequence[Request]) -> list[tuple[str, Mapping[str, Any]]]:
    """Every review as Slack shows it: drawn once, since only what tells the drafts apart is different."""
    if not drafts:
        return []
    first = drafts[0]
    quote = Quote.model_validate(first.quote)
    view = windows.review(
        BuyDomains.model_validate(first.input),
        first.id,
        seen=first.fingerprint[:SEEN],
        account=ACCOUNT,
        reason=REASON,
        quote=quote,
        ruling=Ruling("", (), auto=False, terms=Terms(APPROVERS)),
        policy=Policy(Terms(APPROVERS), APPROVALS),
    )
    drawn = json.dumps(view)
    return [(draft.id, json.loads(_as_of(draft, first, drawn))) for draft in drafts]


async def _cards(store: Store, life: Life, asked: Sequence[Request]) -> list[Mapping[str, Any]]:
    """Every card as Slack shows it: drawn once, since only what tells the requests apart is different."""
    if not asked:
        return []
    first = asked[0]
    card = next(m for m in await store.outbox.of(first.id) if m.kind is MessageKind.CARD)
    shown = Messages(life.requests).render(Owed(card, first, None, begun_before=False))
    drawn = json.dumps({"text": shown.text, "blocks": shown.blocks, "ts": "1750000000.000100"})
    return [json.loads(_as_of(request, first, drawn)) for request in asked]


def _as_of(request: Request, first: Request, drawn: str) -> str:
    """What was drawn of the first one, as it would be of this one: its id, its name, its fingerprint."""
    for old, new in (
        (first.id, request.id),
        (first.input["domains"][0], request.input["domains"][0]),
        (first.fingerprint[:SEEN], request.fingerprint[:SEEN]),
    ):
        drawn = drawn.replace(old, new)
    return drawn
