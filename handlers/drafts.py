"""Forms, from the moment somebody opens one until what it says is asked, or shown."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from handlers.policy import is_decided
from handlers.requests import POSTROOM, SEEN, Asker, Requests, Sorry, note, stored
from handlers.rulings import Rulings, circumstances
from handlers.vault import SECRET_LOST
from providers.accounts import Account, Clock
from providers.action import Action, Effect, Quote, Refused, Turn
from providers.catalogue import Catalogue
from providers.errors import ProviderError
from storage.books import Books
from storage.records import Asked, Fact, Json, MessageKind, NewMessage, Request, RequestState, Telling, new_id
from storage.store import Store

log = structlog.get_logger(__name__)

_CONTENT = "content:"
"""Before a hash of all that was asked, among the things that a request is about."""
_TURN = "turn:"
"""Before what requests of its kind take turns at, there as well."""


@dataclass(frozen=True, slots=True)
class Queue:
    """That something cannot be sent yet: it is likely to go `at` that time, after what others asked `before`.

    Of these, people of the same channel are named; everybody else is an empty text.
    """

    turn: Turn
    at: datetime
    before: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """What the requester is shown before asking: the quote, or the problems by field (empty name: the whole).

    `asked` is what would become of it if it were confirmed at this moment; `sorry` is why it could not be asked, and
    its sentence is among the problems.
    """

    draft: Request
    action: Action
    quote: Quote | None
    problems: Mapping[str, str]
    cure: str = ""
    asked: Asked | None = None
    queue: Queue | None = None
    sorry: Sorry | None = None


class Drafts:
    """What is typed, checked, and confirmed; and what is shown once and never stored."""

    def __init__(self, store: Store, requests: Requests, rulings: Rulings, catalogue: Catalogue, clock: Clock) -> None:
        self._store = store
        self._requests = requests
        self._rulings = rulings
        self._policy = requests.policy
        self._vault = requests.vault
        self._clock = clock
        every = (catalogue.any_variant(command) for command in catalogue.commands())
        self._spends = tuple(one.command for one in every if one is not None and one.effect is Effect.SPEND)

    async def open(self, command: str, asker: Asker) -> Request:
        """Remember that somebody opened a form, so that the form itself carries only an opaque id."""
        now = self._clock.now()
        request = Request(
            id=new_id("req"),
            team=asker.team,
            requester=asker.user,
            channel=asker.channel,
            command=command,
            created_at=now,
            updated_at=now,
            chooses_channel=not asker.channel,
        )
        await self._store.drafts.create(request)
        return request

    async def own(self, draft_id: str, by: str) -> Request:
        """The draft behind a form, provided it is `by`'s and still a draft. Raises Sorry otherwise."""
        request = await self._store.requests.get(draft_id)
        if request is None or request.requester != by:
            raise Sorry("This form has expired, so nothing was asked. Type the command again to get a fresh one.")
        if request.state is not RequestState.DRAFT:
            raise Sorry("You have already sent this request; it was not sent again. Its thread tells how it goes.")
        return request

    async def place(self, draft: Request, channel: str) -> Request:
        """The channel was chosen in which its thread will be. Raises Sorry where it can be chosen no more."""
        placed = await self._store.drafts.place(draft.id, by=draft.requester, channel=channel, now=self._clock.now())
        if placed is None:
            raise Sorry("You have already sent this request; it was not sent again. Its thread tells how it goes.")
        return placed

    async def fill(self, draft: Request, action: Action, *, account: str, reason: str, view_id: str) -> Request:
        """Keep what was typed, durably, before the person is told that it is being checked. Raises Sorry."""
        filled = await self.fill_unread(
            draft, type(action), action.stored(), account=account, reason=reason, view_id=view_id
        )
        self._vault.keep(draft.id, action)
        return filled

    async def fill_unread(
        self, draft: Request, kind: type[Action], given: Json, *, account: str, reason: str, view_id: str
    ) -> Request:
        """The same for what is still to be read, as whoever will read it has stored it. Raises Sorry."""
        filled = await self._store.drafts.fill(
            draft.id,
            by=draft.requester,
            provider=kind.provider,
            account=account,
            given=given,
            reason=reason,
            view_id=view_id,
            now=self._clock.now(),
        )
        if filled is None:
            raise Sorry("You have already sent this request; it was not sent again. Its thread tells how it goes.")
        return filled

    async def fill_read(self, draft: Request, action: Action) -> Request | None:
        """What was to be read of a draft has been read. None when its form was sent anew meanwhile."""
        read = await self.refill(draft, await asyncio.to_thread(action.stored))
        if read is not None:
            self._vault.keep(draft.id, action)
        return read

    async def refill(self, draft: Request, given: Json) -> Request | None:
        """Something else in the place of what was sent, while it is read. None when it was sent anew meanwhile."""
        return await self._store.drafts.fill(
            draft.id,
            by=draft.requester,
            provider=draft.provider,
            account=draft.account,
            given=given,
            reason=draft.reason,
            view_id=draft.view_id,
            now=self._clock.now(),
            since=draft.checking_since,
        )

    async def review(self, draft: Request, action: Action | None = None) -> Review | None:
        """Ask the provider whether it can work and what it costs. None when the form was edited meanwhile.

        `action` is what the draft asks for, where somebody has it already.
        """
        assert draft.checking_since is not None
        read = action if action is not None else await asyncio.to_thread(self._requests.action_of, draft)
        action = self._vault.fill_in(draft.id, read)
        account = self._requests.account_of(draft)
        quote, problems, cure, asked, queue, why = None, dict[str, str](), "", None, None, None
        try:
            if self._vault.lacks(draft.id, action):
                raise Refused({"": SECRET_LOST.format(so="Nothing was asked: type it once more.")})
            quote = await self._checked(draft, action, account)
            asking = partial(
                self._asking, action=action, quote=quote, groups=await self._requests.groups_of(draft.requester)
            )
            asked, queue = await self._store.look(
                lambda books: (asking(draft, books), self._queue(draft, action, books))
            )
        except Refused as refused:
            problems = refused.problems
        except Sorry as sorry:
            problems, why = {"": sorry.sentence}, sorry
        except ProviderError as error:
            log.warning("check_failed", request_id=draft.id, account=account.name, detail=error.detail)
            problems, cure = {"": f"{error.sentence} Nothing was asked."}, error.cure
        price = stored(quote)
        checked = await self._store.drafts.finish_check(
            draft.id,
            checking_since=draft.checking_since,
            quote=price,
            fingerprint="" if problems else await asyncio.to_thread(action.fingerprint, account.name, quote),
            now=self._clock.now(),
            fact=Fact(draft.requester, "quoted", {"quote": price, "account": account.name}) if price else None,
        )
        if checked is not None:
            self._requests.remember(checked, read)
        return None if checked is None else Review(checked, action, quote, problems, cure, asked, queue, why)

    async def _checked(self, draft: Request, action: Action, account: Account) -> Quote | None:
        """What the provider says to it. Raises Refused, a ProviderError, and Sorry where Postroom broke over it."""
        try:
            await action.check(account.client)
            return await action.quote(account.client, account.prices)
        except (Refused, ProviderError):
            raise
        except Exception:
            log.exception("check_broke", request_id=draft.id, account=account.name)
        raise Sorry(
            "Something broke in Postroom while it was checking this. Nothing was asked. Try again; if it stays like "
            "this, tell whoever runs it."
        )

    async def review_shown(self, draft: Request) -> None:
        """The form shows the review of `draft`. Until this is known, another process may take the check up again."""
        assert draft.checking_since is not None
        await self._store.drafts.check_shown(draft.id, checking_since=draft.checking_since)

    async def submit(self, draft_id: str, by: str, *, seen: str) -> Request:
        """The requester confirms what was shown (`seen`: its fingerprint). On disk when this returns. Raises Sorry."""
        request = None
        if len(seen) >= SEEN:
            asking = partial(self._asking, groups=await self._requests.groups_of(by))
            request = await self._store.drafts.submit(draft_id, by=by, seen=seen, asking=asking, now=self._clock.now())
        if request is None:
            await self.own(draft_id, by)  # says what is wrong with it, if anything is
            raise Sorry("This form was changed or sent from another window, so nothing was asked. Open a fresh one.")
        self._requests.wake(request.state)
        return request

    async def submit_checked(self, draft: Request) -> Request:
        """What needs no second look is asked as soon as it was checked, for the one who sent the form. Raises Sorry."""
        await self._store.drafts.check_shown(draft.id, checking_since=draft.checking_since or draft.updated_at)
        return await self.submit(draft.id, draft.requester, seen=draft.fingerprint)

    async def resume_checks(self, before: datetime) -> list[Request]:
        """The drafts whose check began before `before` and never ended, now ours to check again."""
        now = self._clock.now()
        taken = [
            await self._store.drafts.resume_check(draft.id, checking_since=draft.checking_since, now=now)
            for draft in await self._store.drafts.interrupted(before)
            if draft.checking_since is not None
        ]
        return [draft for draft in taken if draft is not None]

    async def forget_secrets(self) -> None:
        """Forget what was handed over for forms that are gone by now, or for anything that has ended."""
        for request_id in self._vault.requests():
            request = await self._store.requests.get(request_id)
            if request is None or request.state.is_final:
                self._vault.drop(request_id)

    # Revealing: shown once, never stored.

    async def may_reveal(self, by: str, action: Action, account: str) -> None:
        """Raises Sorry unless the settings let `by` see credentials."""
        named = self._policy.may_reveal
        whom = "those who may approve" if named is None else "those whom Postroom's settings name for that"
        if not await self._requests.is_member(by):  # whoever has become a guest is named there all the same
            whom = "members of this workspace"
        elif by in await self._requests.now(self._policy.default.approvers if named is None else named):
            return
        await self._store.facts.note("", Fact(by, "reveal_refused", _revealing(action, account)), self._clock.now())
        raise Sorry(f"Credentials are shown only to {whom}. Nothing was shown.")

    async def begin_reveal(self, draft: Request, action: Action, account: str, view_id: str) -> Request:
        """Write down that it is about to be shown; a form shows it once, however often it is sent. Raises Sorry."""
        begun = await self._store.drafts.begin_reveal(
            draft.id,
            by=draft.requester,
            provider=action.provider,
            account=account,
            given=action.stored(),
            view_id=view_id,
            fact=Fact(draft.requester, "reveal_begun", _revealing(action, account)),
            now=self._clock.now(),
        )
        if begun is None:
            raise Sorry(
                "You have already sent this form, and it was not sent again: what it shows is shown once. If you did "
                "not see it, type the command again."
            )
        return begun

    async def note_revealed(
        self, by: str, action: Action, account: str, *, request_id: str = "", what: str = "revealed"
    ) -> None:
        """Leave in the audit who was shown what, never the value.

        With `reveal_begun`, who is about to be; with `reveal_failed`, who was not, as far as Slack says.
        """
        await self._store.facts.note(request_id, Fact(by, what, _revealing(action, account)), self._clock.now())

    async def note_not_revealed(self, begun: Request, why: str) -> None:
        """Leave in the audit that what was begun was not shown, or that nobody can tell, and why."""
        told = {"command": begun.command, "account": begun.account, "why": why}
        await self._store.facts.note(begun.id, Fact(POSTROOM, "reveal_failed", told), self._clock.now())

    # What becomes of a draft that is confirmed.

    def _asking(
        self,
        draft: Request,
        books: Books,
        *,
        groups: frozenset[str],
        action: Action | None = None,
        quote: Quote | None = None,
    ) -> Asked:
        """What becomes of a draft that is confirmed. Raises Sorry when it cannot be asked: unreadable, over a budget,
        or asked already. `action` and `quote` are the draft's own, as it has them."""
        if action is None:
            action = self._requests.action_of(draft)
            quote = self._requests.quote_of(draft)
        if self._vault.lacks(draft.id, action):
            raise Sorry(SECRET_LOST.format(so="Nothing was asked: type the command again."))
        # What it is about, and the very content of it: two lists of addresses have no names to be told apart by.
        content = f"{_CONTENT}{action.fingerprint(draft.account, None)}"
        subjects = () if action.effect is Effect.READ else (*action.subjects(), content)
        seen = circumstances(draft, action, quote, groups)
        decided_by_people, turn = is_decided(self._policy, seen), action.turn()
        if decided_by_people or turn is not None:
            self._refuse_twice(draft, action, subjects, books)
        if turn is not None:
            subjects += (f"{_TURN}{turn.about}",)
        now = self._clock.now()
        ruling, reservations = self._rulings.of(seen, quote, books, now)
        asked = {
            "input": draft.input, "quote": draft.quote, "account": draft.account,
            "rule": ruling.rule if decided_by_people else None,
            **({"auto": True} if decided_by_people and ruling.auto else {}),
        }  # fmt: skip
        fact = Fact(draft.requester, "asked", asked)
        messages = [NewMessage(MessageKind.PARENT, draft.channel)]
        if not decided_by_people:
            return Asked(RequestState.APPROVED, Telling(fact, messages), reservations=reservations, subjects=subjects)
        if ruling.auto:
            messages.append(note(draft, "auto_approved", why=list(ruling.why), rule=ruling.rule))
            return Asked(
                RequestState.APPROVED,
                Telling(fact, messages),
                ruling=ruling.to_json(),
                stop_until=now + self._policy.undo if self._policy.undo else None,
                reservations=reservations,
                subjects=subjects,
            )
        messages.append(NewMessage(MessageKind.CARD, self._policy.channel))
        messages.append(note(draft, "asked"))
        return Asked(
            RequestState.AWAITING,
            Telling(fact, messages),
            ruling=ruling.to_json(),
            attend_at=now,
            reservations=reservations,
            subjects=subjects,
        )

    def _refuse_twice(self, draft: Request, action: Action, subjects: Sequence[str], books: Books) -> None:
        """Raises Sorry when the same was asked already and has not ended."""
        spends = self._spends if action.effect is Effect.SPEND else ()
        found = books.open_about(subjects, account=draft.account, command=action.command, spends=spends, but=draft.id)
        if found:
            known = sorted(name for name in found if not name.startswith(_CONTENT))
            names = ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "")
            ids = sorted(set(found.values()))
            first = books.request(ids[0])
            said, times = "", {}
            # Who asks for what in another channel is not for everybody to know: the id is enough for those who may.
            is_known = first is not None and (first.channel == draft.channel or first.requester == draft.requester)
            if first is not None and is_known:
                said, times = " {who} has asked for it {asked}.", {"asked": first.waiting_since or first.created_at}
                if first.not_before is not None and first.not_before > self._clock.now():
                    said, times = (
                        " {who} has asked for it {asked}; it goes on {goes_on}.",
                        times | {"goes_on": first.not_before},
                    )
            raise Sorry(
                f"This has been asked already and is not finished: {names or 'the very same'} "
                f"({', '.join(ids)}).{said} Nothing was asked. /postroom jobs shows how it is getting on.",
                first.requester if first is not None and is_known else "",
                **times,
            )

    def _queue(self, draft: Request, action: Action, books: Books) -> Queue | None:
        """What has to be waited for before this can be sent; None where it can be at once."""
        turn, now = action.turn(), self._clock.now()
        if turn is None:
            return None
        sent, waiting = books.turn(
            f"{_TURN}{turn.about}", account=draft.account, command=draft.command, since=now - turn.every, but=draft.id
        )
        free = [sent + turn.every] if sent is not None else []
        free += sorted(one.not_before for one in waiting if one.not_before is not None)[:1]
        at = max([now, *free])
        for one in waiting:
            with contextlib.suppress(Sorry):  # of another version: it will not be sent
                ahead = self._requests.action_of(one).turn()
                at += turn.every * (ahead.needed if ahead is not None else 0)
        before = dict.fromkeys(one.requester if one.channel == draft.channel else "" for one in waiting)
        return Queue(turn, at, tuple(before)) if at > now else None


def _revealing(action: Action, account: str) -> dict[str, Any]:
    return {"command": action.command, "account": account, "of": list(action.subjects())}
