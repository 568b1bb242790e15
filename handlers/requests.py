"""The life of a request: drafted, checked, asked, decided, run, and settled when nobody could tell. No Slack here.

What a person must be told at once is raised as `Sorry`; what the thread is told is committed together with the change
that causes it, as notes whose facts `handlers/slack/messages.py` puts into words.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar, cast

import structlog
from pydantic import TypeAdapter, ValidationError
from structlog.contextvars import bound_contextvars

from handlers.background import Background
from handlers.policy import (
    CREDITS,
    LONGEST_WAIT,
    Budget,
    Circumstances,
    JobTimes,
    Policy,
    Refusal,
    Ruling,
    budgets_for,
    is_decided,
    is_group,
    is_stricter,
    owner_ruling,
    period_of,
    right_of,
    rule,
    total_of,
    wait_before_poll,
    within_tolerance,
)
from handlers.vault import Vault
from handlers.who import Directory, DirectoryUnavailable, Who, people_in
from providers.accounts import Account, Clock
from providers.action import (
    Action,
    Done,
    Effect,
    Failed,
    Item,
    ItemState,
    Later,
    Outcome,
    Pending,
    Quote,
    Refused,
    Unknown,
)
from providers.catalogue import Catalogue
from providers.errors import OutcomeUnknown, ProviderError, RateLimited
from storage.books import Books
from storage.records import (
    BudgetUse,
    Fact,
    Job,
    JobKind,
    MessageKind,
    NewMessage,
    Request,
    RequestState,
    Reservation,
    new_id,
)
from storage.store import Asked, Content, Store, Telling

log = structlog.get_logger(__name__)

POSTROOM = "postroom"
"""The actor in the audit when nobody clicked: time passed, or the provider answered."""

_CONTENT = "content:"
"""Before a hash of all that was asked, among the things that a request is about."""

SEEN = 16
"""Characters of the fingerprint that a card's buttons carry: what its reader saw. Fewer prove nothing."""

_TOO_LATE = {
    RequestState.DENIED: "{who} has already denied this. Nothing was changed.",
    RequestState.CANCELLED: "{who} has cancelled this request. Nothing was changed.",
    RequestState.EXPIRED: "This request has expired. Nothing was changed: ask again if it is still wanted.",
    RequestState.AWAITING: "This request has changed meanwhile. Nothing was decided: read the new card.",
}
_UNDER_WAY_DECIDED = "{who} has already approved this. Nothing was changed; its thread tells how it goes."
_UNDER_WAY = "This is already under way. Nothing was changed; its thread tells how it goes."
_SETTLED = "This has been settled meanwhile, so your answer was not needed. Its thread tells how it went."
_OLD_EVIDENCE = (
    "This was looked at once more since that card was shown. Nothing was changed: read the new card, then answer that."
)
_DAY = timedelta(days=1)

_SILENT = "Slack did not say who may decide, so your click was not taken. Try again in a minute."
GONE = "Slack says that you do not belong to this workspace (any more), so your click was not taken."

_SECRET_LOST = "Postroom never stores a password or a key, and it was restarted after you typed it. {so}"  # noqa: S105

_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)


class Sorry(Exception):
    """The answer for one person: what happened, what was not done, what to do now. Plain text.

    `who` is a person's id; where the sentence says `{who}`, their name is put.
    """

    def __init__(self, sentence: str, who: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.who = who


class NotAllowed(Sorry):
    """The click of somebody who may not: it is answered, and the audit knows of it already."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, from where: ids of the workspace, the person and the channel."""

    team: str
    user: str
    channel: str


@dataclass(frozen=True, slots=True)
class Review:
    """What the requester is shown before asking: the quote, or the problems by field (empty name: the whole).

    `asked` is what would become of it if it were confirmed at this moment.
    """

    draft: Request
    action: Action
    quote: Quote | None
    problems: Mapping[str, str]
    cure: str = ""
    asked: Asked | None = None


class OverBudget(Sorry):
    """What was asked is more than is left of a budget, and the budget refuses that."""

    def __init__(self, budget: Budget, total: Decimal, left: Decimal) -> None:
        self.why = (
            f"This costs {_amount(total, budget)}, and of the budget “{budget.name}” "
            f"{_amount(max(left, Decimal(0)), budget)} are left this month."
        )
        self.cure = "Ask for less, wait for next month, or talk to whoever sets the budget."
        super().__init__(f"{self.why} Nothing was asked. {self.cure}")


class Requests:
    """Everything that can happen to a request, each a method that a listener or a beat calls."""

    def __init__(
        self,
        *,
        store: Store,
        catalogue: Catalogue,
        accounts: Mapping[str, Account],
        policy: Policy,
        times: JobTimes,
        directory: Directory,
        clock: Clock,
        chance: Callable[[], float],
        changed: Callable[[str], None],
    ) -> None:
        """`chance` gives a random number in [0, 1); `changed` is called after each commit that owes work to a beat:
        `"outbox"`, `"requests"` (something was approved) or `"jobs"` (there is something to look at)."""
        self._store = store
        self._catalogue = catalogue
        self._accounts = accounts
        self.policy = policy
        self.who = Who(directory, policy)
        self._times = times
        self._clock = clock
        self._chance = chance
        self._changed = changed
        self.executions = Background(at_once=1000)
        self._accounts_running: set[str] = set()
        self._vault = Vault()
        every = (catalogue.any_variant(command) for command in catalogue.commands())
        self._spends = tuple(one.command for one in every if one is not None and one.effect is Effect.SPEND)

    # Asking.

    async def draft(self, command: str, asker: Asker) -> Request:
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
        )
        await self._store.create_draft(request)
        return request

    async def own_draft(self, draft_id: str, by: str) -> Request:
        """The draft behind a form, provided it is `by`'s and still a draft. Raises Sorry otherwise."""
        request = await self._store.request(draft_id)
        if request is None or request.requester != by:
            raise Sorry("This form has expired, so nothing was asked. Type the command again to get a fresh one.")
        if request.state is not RequestState.DRAFT:
            raise Sorry("You have already sent this request; it was not sent again. Its thread tells how it goes.")
        return request

    async def fill(self, draft: Request, action: Action, *, account: str, reason: str, view_id: str) -> Request:
        """Keep what was typed, durably, before the person is told that it is being checked. Raises Sorry."""
        filled = await self._store.fill_draft(
            draft.id,
            by=draft.requester,
            provider=action.provider,
            account=account,
            given=action.stored(),
            reason=reason,
            view_id=view_id,
            now=self._clock.now(),
        )
        if filled is None:
            raise Sorry("You have already sent this request; it was not sent again. Its thread tells how it goes.")
        self._vault.keep(draft.id, action)
        return filled

    async def review(self, draft: Request) -> Review | None:
        """Ask the provider whether it can work and what it costs. None when the form was edited meanwhile."""
        assert draft.checking_since is not None
        action = self._vault.fill_in(draft.id, self.action_of(draft))
        account = self._account_of(draft)
        quote, problems, cure, asked = None, dict[str, str](), "", None
        try:
            if self._vault.lacks(draft.id, action):
                raise Refused({"": _SECRET_LOST.format(so="Nothing was asked: type it once more.")})
            await action.check(account.client)
            quote = await action.quote(account.client, account.prices)
            asking = partial(self._asking, action=action, quote=quote, groups=await self._groups_of(draft.requester))
            asked = await self._store.look(lambda books: asking(draft, books))
        except Refused as refused:
            problems = refused.problems
        except Sorry as sorry:
            problems = {"": sorry.sentence}
        except ProviderError as error:
            log.warning("check_failed", request_id=draft.id, account=account.name, detail=error.detail)
            problems, cure = {"": f"{error.sentence} Nothing was asked."}, error.cure
        checked = await self._store.finish_check(
            draft.id,
            checking_since=draft.checking_since,
            quote=None if quote is None else quote.model_dump(mode="json"),
            fingerprint="" if problems else action.fingerprint(account.name, quote),
            now=self._clock.now(),
        )
        return None if checked is None else Review(checked, action, quote, problems, cure, asked)

    async def review_shown(self, draft: Request) -> None:
        """The form shows the review of `draft`. Until this is known, another process may take the check up again."""
        assert draft.checking_since is not None
        await self._store.check_shown(draft.id, checking_since=draft.checking_since)

    async def submit(self, draft_id: str, by: str, *, seen: str) -> Request:
        """The requester confirms what was shown (`seen`: its fingerprint). On disk when this returns. Raises Sorry."""
        request = None
        if len(seen) >= SEEN:
            asking = partial(self._asking, groups=await self._groups_of(by))
            request = await self._store.submit(draft_id, by=by, seen=seen, asking=asking, now=self._clock.now())
        if request is None:
            await self.own_draft(draft_id, by)  # says what is wrong with it, if anything is
            raise Sorry("This form was changed or sent from another window, so nothing was asked. Open a fresh one.")
        self.wake(request.state)
        return request

    async def submit_checked(self, draft: Request) -> Request:
        """What needs no second look is asked as soon as it was checked, for the one who sent the form. Raises Sorry."""
        await self._store.check_shown(draft.id, checking_since=draft.checking_since or draft.updated_at)
        return await self.submit(draft.id, draft.requester, seen=draft.fingerprint)

    # Revealing: shown once, never stored.

    async def may_reveal(self, by: str, action: Action, account: str) -> None:
        """Raises Sorry unless the settings let `by` see credentials."""
        named = self.policy.may_reveal
        if by not in await self.now(self.policy.default.approvers if named is None else named):
            await self._store.note_fact("", Fact(by, "reveal_refused", _revealing(action, account)), self._clock.now())
            whom = "those who may approve" if named is None else "those whom Postroom's settings name for that"
            raise Sorry(f"Credentials are shown only to {whom}. Nothing was shown.")

    async def begin_reveal(self, draft: Request, action: Action, account: str, view_id: str) -> Request:
        """Write down that it is about to be shown; a form shows it once, however often it is sent. Raises Sorry."""
        begun = await self._store.begin_reveal(
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
        await self._store.note_fact(request_id, Fact(by, what, _revealing(action, account)), self._clock.now())

    async def note_not_revealed(self, begun: Request, why: str) -> None:
        """Leave in the audit that what was begun was not shown, or that nobody can tell, and why."""
        told = {"command": begun.command, "account": begun.account, "why": why}
        await self._store.note_fact(begun.id, Fact(POSTROOM, "reveal_failed", told), self._clock.now())

    # Questions.

    async def use_of(self, reservations: Sequence[Reservation]) -> list[tuple[Reservation, BudgetUse]]:
        """What would be reserved, each with what its budget's month has used up so far."""
        return await self._store.look(lambda books: [(one, books.use(one.budget, one.period)) for one in reservations])

    async def open_requests(self) -> list[Request]:
        """What was asked and is not finished, newest first."""
        return await self._store.open_requests()

    async def requests_of(self, user: str, limit: int) -> list[Request]:
        """What one person asked, newest first."""
        return await self._store.requests_of(user, limit)

    # Running: the one spend path.

    async def run_approved(self) -> datetime | None:
        """Set going what may run: each account in a task of its own, one request at a time, the oldest first.

        Returns when the next request may run that waits for its time (None: none does).
        """
        now = self._clock.now()
        for account in await self._store.accounts_with_approved(now) - self._accounts_running:
            self._accounts_running.add(account)
            self.executions.spawn(self._run_account(account))
        return await self._store.next_run_due(now)

    async def _run_account(self, account: str) -> None:
        ran = False
        try:
            for request in await self._store.approved_of(account, self._clock.now()):
                if self.executions.is_draining:
                    return  # it stays approved, and the next start sends it
                ran |= await self._execute_apart(request)
        finally:
            self._accounts_running.discard(account)
        if ran:  # otherwise the beat comes round by itself: what cannot be run now is not tried in a hurry
            self._changed("requests")

    async def _execute_apart(self, request: Request) -> bool:
        """One request that cannot be run now must not keep back those behind it; the next beat tries it again."""
        try:
            with bound_contextvars(request_id=request.id):
                await self.execute(request)
        except Exception:
            log.exception("request_not_run", request_id=request.id, account=request.account)
            return False
        return True

    async def execute(self, request: Request) -> None:
        """Send what was approved, at most once: the intent is on disk before the call, the outcome after it.

        A WRITE that was too early is run again when its time has come, each time with an intent of its own; a second
        intent of anything else cannot be written.
        """
        try:
            action, account = self.action_of(request), self._account_of(request)
        except Sorry as sorry:
            failed = Failed(summary=sorry.sentence, cure="Ask again with the command.")
            await self.conclude(request, failed, expect=[RequestState.APPROVED])
            return
        if self._vault.lacks(request.id, action):
            lost = _SECRET_LOST.format(so="So it is gone, and nothing was done.")
            failed = Failed(summary=lost, cure="Ask again with the command, and type it once more.")
            await self.conclude(request, failed, expect=[RequestState.APPROVED])
            return
        action = self._vault.fill_in(request.id, action)
        resting = account.client.resting_until()
        if resting is not None and await self._kept_back(request, resting):
            return
        try:
            quote = await action.quote(account.client, account.prices)
        except (ProviderError, Refused) as error:
            # Left approved, it would say for ever that it is being sent, and might run when nobody expects it any more.
            log.warning("not_quoted", request_id=request.id, account=account.name, why=type(error).__name__)
            await self.conclude(request, _not_sent(action, error), expect=[RequestState.APPROVED])
            return
        is_dearer = action.fingerprint(account.name, quote) != request.fingerprint
        if is_dearer and not self._is_tolerable(request, action, quote):
            await self._reopen(request, action, account, quote)
            return
        before = await self._store.runs_begun(request.id) if action.effect is Effect.WRITE else 0
        now = self._clock.now()
        key = f"{request.id}#{before + 1}" if before else permanent_key(request)
        total = quote.total if is_dearer and quote is not None else None
        try:
            begun = await self._store.begin_execution(
                request.id,
                key=key,
                fingerprint=request.fingerprint,
                lease_until=now + self._times.lease,
                fact=Fact(POSTROOM, "sent", {"key": key, "quote": _stored(quote)}),
                now=now,
                quote=_stored(quote) if is_dearer else None,
                total=total,
                allowing=partial(self._refuse_more, request, total or Decimal(0)),
            )
        except OverBudget:
            await self._reopen(request, action, account, quote)
            return
        if begun is None:
            return
        self._changed("outbox")
        async with self._lease_kept(request.id):
            outcome = await self._run_once(action, account, permanent_key(request), request.id, before)
        # Also from `unknown`: if our lease lapsed while we waited, what we heard is still the truth.
        expect = [RequestState.EXECUTING, RequestState.UNKNOWN]
        if isinstance(outcome, Later):
            if before and not _is_further(action, outcome):
                # Nothing was taken, as before: whatever the provider says, it is not asked again in a hurry.
                soonest = now + wait_before_poll(before, self._times, self._chance())
                outcome = replace(outcome, until=max(outcome.until, soonest))
            await self.postpone(begun, action, outcome, expect=expect, is_news=not before)
        elif not await self.conclude(begun, outcome, expect=expect):
            await self._heard_late(begun, outcome, key)

    async def _heard_late(self, sent: Request, outcome: Outcome, key: str) -> None:
        """A person has settled it, or had it sent again, before the answer came: what was bought is told and counted.

        What was to be sent again and was not is not sent any more: the answer is what became of it.
        """
        log.warning("heard_too_late", request_id=sent.id, account=sent.account, outcome=outcome.kind)
        now = self._clock.now()
        fact = Fact(POSTROOM, "heard_late", {"outcome": outcome.model_dump(mode="json"), "key": key})
        is_news = isinstance(outcome, Done | Pending) or bool(_seen_there(outcome))
        request = await self._store.request(sent.id)
        was_said = request is not None and (
            request.attempt != sent.attempt or request.state in (RequestState.FAILED, RequestState.CANCELLED)
        )
        if request is None or not is_news or not was_said:
            await self._store.note_fact(sent.id, fact, now)
            return
        call = {"fact": "heard_late", "who": self._may_settle(request)}
        told = [note(request, "heard_late", outcome=outcome), NewMessage(MessageKind.CALL, self.policy.channel, call)]
        not_sent = (RequestState.AWAITING, RequestState.APPROVED)
        if request.state in not_sent and isinstance(outcome, Done | Pending):
            await self._store.say(request.id, Telling(fact, told), now)
            if await self.conclude(request, outcome, expect=not_sent, is_certain=True):
                return
            told = []
        spent = _spent(sent, outcome) if not isinstance(outcome, Pending) else None
        if spent is None:
            spent = total_of(self.action_of(sent).effect, self.quote_of(sent))
        await self._store.count_late(
            request.id,
            await self._counted(sent, spent or Decimal(0)),
            Telling(fact, told),
            now,
            besides=request.attempt != sent.attempt,
        )
        self._changed("outbox")

    async def _counted(self, request: Request, amount: Decimal) -> list[Reservation]:
        """What an amount takes from which budgets, in the month in which it was asked (or asked anew)."""
        asked = [one.at for one in await self._store.history(request.id) if one.what in ("asked", "edited", "reopened")]
        at = max(asked, default=request.created_at)
        action, quote = self.action_of(request), self.quote_of(request)
        groups = frozenset(self.ruling_of(request).groups)
        seen = self.circumstances(request, action, quote, groups)
        counted = budgets_for(self.policy, seen)
        return [Reservation(one.name, period_of(one, at), amount) for one in counted]

    async def _kept_back(self, request: Request, until: datetime) -> bool:
        """The provider is left alone until then, because it keeps failing: what was approved waits, nothing is lost.

        False where that has taken too long: then it is tried, and what comes of it is the end.
        """
        if until > (request.decided_at or request.created_at) + LONGEST_WAIT:
            return False
        told: dict[str, Any] = {
            "until": until.isoformat(), "summary": "The provider keeps failing, so nothing was sent to it yet.",
        }  # fmt: skip
        is_news = request.not_before is None or request.stop_until is not None
        kept = await self._store.postpone(
            request.id,
            expect=[RequestState.APPROVED],
            until=until,
            given=request.input,
            fingerprint=request.fingerprint,
            fact=Fact(POSTROOM, "kept_back", told),
            messages=[note(request, "later", **told)] if is_news else [],
            now=self._clock.now(),
            read=request,
        )
        if kept is not None:
            self.wake(kept.state)
        return True

    async def forget_drafts(self, before: datetime) -> None:
        """Forget forms that nobody finished, and what was handed over for them or for anything that has ended."""
        await self._store.forget_drafts(before)
        for request_id in self._vault.requests():
            request = await self._store.request(request_id)
            if request is None or request.state.is_final:
                self._vault.drop(request_id)

    async def resume_checks(self, before: datetime) -> list[Request]:
        """The drafts whose check began before `before` and never ended, now ours to check again."""
        now = self._clock.now()
        taken = [
            await self._store.resume_check(draft.id, checking_since=draft.checking_since, now=now)
            for draft in await self._store.interrupted_checks(before)
            if draft.checking_since is not None
        ]
        return [draft for draft in taken if draft is not None]

    async def settle_lapsed(self) -> None:
        """Requests whose process died between the intent and the outcome: unknown, and looked up from now on."""
        for request in await self._store.lapsed_executions(self._clock.now()):
            outcome = Unknown(summary="Postroom was stopped while it was sending this, so nobody heard the answer.")
            await self.conclude(request, outcome, expect=[RequestState.EXECUTING])

    async def settle(self, request_id: str, by: str, answer: str, *, seen: str | None = None) -> Request:
        """A person says what became of an unknown outcome: `happened`, `did_not`, or `wait` (keep looking).

        `again`: it did not happen, and is to be sent once more. That is a decision about the money like the first one,
        and the only way in which anything is ever sent a second time. `seen` is what they were asked about, as
        `asked_about` names it; None: as it is now. Whoever asked can only have it watched.
        """
        request = await self.found(request_id)
        # Whoever may decide about the money by now can say what they see; sending it again is for its own deciders.
        others = () if answer == "again" else self.policy.default.approvers
        requester = "" if answer == "wait" else request.requester
        await self._entitled(request, by, "settle", requester=requester, others=others)
        if request.state is not RequestState.UNKNOWN or not request.asks_person:
            raise Sorry(_SETTLED)
        if seen is not None and seen != asked_about(request):
            if seen.partition(".")[0] not in ("", str(request.attempt)):
                raise Sorry(_SETTLED)
            await self._store.show_anew(request.id, self._clock.now())  # also a card that an older version has drawn
            self._changed("outbox")
            raise Sorry(_OLD_EVIDENCE)
        now = self._clock.now()
        before = self.outcome_of(request)
        if answer == "again":
            return await self._try_again(request, by, now)
        job: Job | None = None
        outcome: Outcome
        if answer == "happened":
            to, outcome = RequestState.SUCCEEDED, _did_happen(before)
        elif answer == "did_not":
            to, outcome = RequestState.FAILED, _did_not(before)
        else:
            ref = before.ref if isinstance(before, Unknown) else None
            kind = JobKind.POLL if ref else JobKind.RECONCILE
            to = RequestState.WORKING if ref else RequestState.UNKNOWN
            items = () if before is None else before.items
            evidence = before.evidence if isinstance(before, Unknown) else ""
            outcome = Unknown(summary="Looking again.", evidence=evidence, items=items)
            if ref:
                outcome = Pending(ref=ref, progress="Watching it again.", items=items)
            patience = self._deadline(request) if ref else self._times.reconcile_after
            job = self._job(request, kind, ref or {}, now, patience)
        settled = await self._store.conclude(
            request_id,
            expect=[RequestState.UNKNOWN],
            to=to,
            outcome=outcome.model_dump(mode="json"),
            fact=Fact(by, "settled", {"answer": answer}),
            messages=[note(request, "settled", by=by, answer=answer)],
            now=now,
            job=job,
            spent=_spent(request, outcome),
            read=request,
            was_asked=True,
        )
        if settled is None:
            raise Sorry(_SETTLED)
        self.wake(settled.state)
        return settled

    async def _try_again(self, request: Request, by: str, now: datetime) -> Request:
        evidence = request.outcome
        if there := _seen_there(self.outcome_of(request)):
            names = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
            raise Sorry(
                f"A part of this was seen at the provider: {names}. Sending all of it once more could buy that twice, "
                "so nothing was sent. Say that it did not happen, and ask for the rest with the command."
            )
        ruling = self.ruling_of(request)
        # What was sent may have cost a little more than was approved: it is sent again at that price, or asks anew.
        fingerprint = self.action_of(request).fingerprint(request.account, self.quote_of(request))
        fact = Fact(by, "settled", {"answer": "again", "evidence": evidence, "attempt": request.attempt + 1})
        needs = ruling.terms.needs
        if needs > 1:
            # One word is not enough for this money: all of them decide once more.
            again = await self._store.ask_again(
                request,
                fact=fact,
                messages=[
                    note(request, "settled", by=by, answer="again", needs=needs),
                    NewMessage(MessageKind.CARD, self.policy.channel),
                ],
                fingerprint=fingerprint,
                ruling=replace(ruling, auto=False).to_json(),
                attend_at=now,
                now=now,
            )
        else:
            stop_until = now + self.policy.undo if self.policy.undo else None
            until: dict[str, Any] = {} if stop_until is None else {"stop_until": stop_until.isoformat()}
            again = await self._store.try_again(
                request,
                fact=fact,
                messages=[note(request, "settled", by=by, answer="again", **until)],
                by=by,
                fingerprint=fingerprint,
                stop_until=stop_until,
                now=now,
            )
        if again is None:
            raise Sorry(_SETTLED)
        self.wake(again.state)
        return again

    # What others need to know of a request.

    def kind_of(self, request: Request) -> type[Action] | None:
        """The class of what was asked; None when this version has no such thing."""
        return self._catalogue.action(request.command, request.provider)

    def action_of(self, request: Request) -> Action:
        """The action a request was made of. Raises Sorry when this version can no longer read it."""
        kind = self.kind_of(request)
        try:
            if kind is not None:
                return kind.model_validate(request.input)
        except ValidationError as error:
            log.warning("input_unreadable", request_id=request.id, errors=error.error_count())
        raise Sorry("This was asked from another version of Postroom, which this one cannot read. Nothing was done.")

    @staticmethod
    def quote_of(request: Request) -> Quote | None:
        """What it was said to cost; None for what has no price, and for what this version cannot read."""
        try:
            return None if request.quote is None else Quote.model_validate(request.quote)
        except ValidationError:
            return None

    @staticmethod
    def outcome_of(request: Request) -> Outcome | None:
        """What is known of how it went so far; None also for what this version cannot read."""
        try:
            return None if request.outcome is None else _OUTCOME.validate_python(request.outcome)
        except ValidationError:
            return None

    async def conclude(
        self, request: Request, outcome: Outcome, *, expect: Sequence[RequestState], is_certain: bool = False
    ) -> bool:
        """Record what running, polling or looking up told; False when somebody else was first.

        With `is_certain` it is true of the request however it was changed meanwhile.
        """
        outcome = remembering(request, outcome)
        now = self._clock.now()
        job: Job | None = None
        match outcome:
            case Done():
                to, fact = RequestState.SUCCEEDED, "done"
            case Failed():
                to, fact = RequestState.FAILED, "failed"
            case Pending():
                to, fact = RequestState.WORKING, "accepted"
                job = self._job(request, JobKind.POLL, outcome.ref, now, self._deadline(request))
            case Unknown():
                to, fact = RequestState.UNKNOWN, "unknown"
                job = self._job(request, JobKind.RECONCILE, {}, now, self._times.reconcile_after)
        concluded = await self._store.conclude(
            request.id,
            expect=expect,
            to=to,
            outcome=outcome.model_dump(mode="json"),
            fact=Fact(POSTROOM, fact, {"outcome": outcome.model_dump(mode="json")}),
            messages=[note(request, fact, outcome=outcome)],
            now=now,
            job=job,
            spent=_spent(request, outcome),
            read=None if is_certain else request,
        )
        if concluded is not None:
            self._vault.drop(request.id)  # it was used, or never will be: what follows only reads
            self.wake(concluded.state)
        return concluded is not None

    async def postpone(
        self, request: Request, action: Action, later: Later, *, expect: Sequence[RequestState], is_news: bool = True
    ) -> None:
        """It was too early: what is left of `action` is run at its time. The thread says when, if that is news."""
        since = request.decided_at or request.created_at
        if action.effect is not Effect.WRITE or later.until > since + LONGEST_WAIT:
            items = tuple(Item(name=name, state=ItemState.NOT_DONE) for name in action.subjects())
            failed = Failed(summary=later.summary, cure="Ask again later.", items=items if later.left is None else ())
            await self.conclude(request, failed, expect=expect)
            return
        left = later.left
        plan = [[moment.isoformat(), what] for moment, what in later.plan]
        told: dict[str, Any] = {"until": later.until.isoformat(), "summary": later.summary, "plan": plan}
        postponed = await self._store.postpone(
            request.id,
            expect=expect,
            until=later.until,
            given=request.input if left is None else left.stored(),
            fingerprint=(left or action).fingerprint(request.account, self.quote_of(request) if left is None else None),
            fact=Fact(POSTROOM, "postponed", told),
            messages=[note(request, "later", **told)] if is_news or _is_further(action, later) else [],
            now=self._clock.now(),
        )
        if postponed is not None:
            self.wake(postponed.state)

    async def ask_person(self, request: Request, outcome: Unknown, fact: str) -> None:
        """Stop looking and ask: the evidence and the buttons are on the request's card."""
        outcome = remembering(request, outcome)
        now = self._clock.now()
        ruling = self.ruling_of(request)
        # What ran without a decision has no card yet.
        messages = [
            note(request, fact, outcome=outcome),
            NewMessage(MessageKind.CARD, self.policy.channel),
            NewMessage(MessageKind.CALL, self.policy.channel, {"fact": "asks", "who": self._may_settle(request)}),
        ]
        concluded = await self._store.conclude(
            request.id,
            expect=[RequestState.WORKING, RequestState.UNKNOWN],
            to=RequestState.UNKNOWN,
            outcome=outcome.model_dump(mode="json"),
            fact=Fact(POSTROOM, fact, {"evidence": outcome.evidence}),
            messages=messages,
            now=now,
            asks_person=True,
            attend_at=_next_reminder(ruling, now, now),
        )
        if concluded is not None:
            self._changed("outbox")
            self._changed("waiting")

    async def remind_to_settle(self, request: Request) -> None:
        """Nobody has said so far what became of it: those who may are called once more, outside quiet hours."""
        now = self._clock.now()
        quiet = self.policy.quiet.get(request.channel)
        attend_at = now if quiet is None else quiet.end_of(now)
        telling, reminded = None, request.reminded
        if attend_at <= now:
            reminded += 1
            attend_at = _next_reminder(self.ruling_of(request), request.updated_at, now)
            told = {"fact": "reminder", "who": self._may_settle(request), "since": request.updated_at.isoformat()}
            call = NewMessage(MessageKind.CALL, self.policy.channel, told)
            telling = Telling(Fact(POSTROOM, "attended", {"reminded": reminded}), [call])
        attended = await self._store.attended(
            request, attend_at=attend_at, announced=request.announced, reminded=reminded, escalated=request.escalated,
            telling=telling, now=now,
        )  # fmt: skip
        if attended is not None:
            self._changed("outbox")

    def _may_settle(self, request: Request) -> list[str]:
        """Whom the settings name for it, people and groups."""
        deciders = self.ruling_of(request).terms.deciders(request.escalated)
        return [one for one in dict.fromkeys((*deciders, *self.policy.default.approvers)) if one != request.requester]

    # Below: the steps.

    def moved(self, request: Request) -> None:
        """Somebody decided about a request: what it needs no more is forgotten, and who has work now is woken."""
        if request.state.is_final:
            self._vault.drop(request.id)
        self.wake(request.state)

    def wake(self, state: RequestState) -> None:
        """A request is now in `state`: the beats that have to do with it have work."""
        self._changed("outbox")
        if state is RequestState.AWAITING:
            self._changed("waiting")
        elif state is RequestState.APPROVED:
            self._changed("requests")
        elif state in (RequestState.WORKING, RequestState.UNKNOWN):
            self._changed("jobs")

    def account_named(self, name: str) -> Account:
        """The account of the settings; raises Sorry when it is no longer there."""
        account = self._accounts.get(name)
        if account is None:
            raise Sorry(f"The account {name} is no longer in Postroom's settings. Nothing was done.")
        return account

    def _account_of(self, request: Request) -> Account:
        account = self.account_named(request.account)
        if account.provider != request.provider:
            raise Sorry(f"The account {request.account} is now at another provider. Nothing was done.")
        return account

    async def found(self, request_id: str) -> Request:
        """A request that was asked. Raises Sorry for anything else."""
        request = await self._store.request(request_id)
        if request is None or request.state is RequestState.DRAFT:
            raise Sorry("Postroom does not know this request (any more). Nothing was changed.")
        return request

    async def _entitled(
        self, request: Request, by: str, what: str, *, requester: str, others: Sequence[str] = ()
    ) -> None:
        """Raises Sorry unless `by` may decide it or is one of `others`. Empty `requester`: whoever asked may, too."""
        ruling = self.ruling_of(request)
        named = tuple(dict.fromkeys((*ruling.terms.deciders(request.escalated), *others)))
        handed = await self._store.look(lambda books: books.handed_to(by, self._clock.now()))
        try:
            roll = await self.who.roll([by, *filter(is_group, named), *(one.principal for one in handed)])
        except DirectoryUnavailable as error:
            raise Sorry(_SILENT) from error
        right: str | Refusal = Refusal(GONE)
        if roll.active([by]):
            away = roll.active(one.principal for one in handed)
            right = right_of(
                by,
                requester=requester,
                ruling=ruling,
                entitled=people_in(named, roll.groups),
                delegations=[one for one in handed if one.principal in away],
            )
        if isinstance(right, Refusal):
            await self.refused_click(request.id, by, what, right.sentence)
            raise NotAllowed(right.sentence)

    async def refused_click(self, request_id: str, by: str, what: str, why: str) -> None:
        """Somebody clicked who may not: the audit knows."""
        fact = Fact(by, "click_refused", {"wanted": what, "why": why})
        await self._store.note_fact(request_id, fact, self._clock.now())

    async def now(self, named: Sequence[str]) -> frozenset[str]:
        """The people that ids of the settings stand for at this moment. Raises Sorry when Slack does not say."""
        try:
            return await self.who.among(named)
        except DirectoryUnavailable as error:
            raise Sorry(_SILENT) from error

    async def _groups_of(self, user: str) -> frozenset[str]:
        try:
            return await self.who.groups_of(user)
        except DirectoryUnavailable as error:
            raise Sorry(
                "Slack did not say which teams you belong to, so Postroom cannot tell which rules hold. Nothing was "
                "asked. Try again in a minute."
            ) from error

    async def too_late(self, request_id: str) -> Sorry:
        """What to tell somebody whose click comes after the request has moved on."""
        request = await self._store.request(request_id)
        if request is None:
            return Sorry("Postroom does not know this request (any more). Nothing was changed.")
        sentence = _TOO_LATE.get(request.state)
        if sentence is None:
            sentence = _UNDER_WAY_DECIDED if request.decided_by else _UNDER_WAY
        return Sorry(sentence, request.decided_by)

    def has_expired(self, request: Request) -> bool:
        """Whether it waits for a decision, and has waited for as long as it may."""
        longest = self.ruling_of(request).terms.expires_after
        since = request.waiting_since or request.created_at
        return request.state is RequestState.AWAITING and longest is not None and since + longest <= self._clock.now()

    async def expire(self, request: Request) -> None:
        """Nobody decided in time: it has ended, and the thread says so."""
        since = request.waiting_since or request.created_at
        told = Telling(Fact(POSTROOM, "expired"), [note(request, "expired", since=since.isoformat())])
        if (expired := await self._store.expire(request, told, self._clock.now())) is not None:
            self.moved(expired)

    def ruling_of(self, request: Request) -> Ruling:
        """Who decides a request: as it was ruled when it was asked, or by the defaults."""
        ruled = Ruling.from_json(request.ruling) if request.ruling is not None else None
        return ruled or Ruling("", (), auto=False, terms=self.policy.default)

    def circumstances(
        self, request: Request, action: Action, quote: Quote | None, groups: frozenset[str]
    ) -> Circumstances:
        """What the rules look at."""
        return Circumstances(
            command=action.command,
            effect=action.effect,
            provider=action.provider,
            account=request.account,
            total=total_of(action.effect, quote),
            currency="" if quote is None else quote.currency,
            channel=request.channel,
            requester=request.requester,
            groups=groups,
        )

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
            action = self.action_of(draft)
            quote = self.quote_of(draft)
        if self._vault.lacks(draft.id, action):
            raise Sorry(_SECRET_LOST.format(so="Nothing was asked: type the command again."))
        # What it is about, and the very content of it: two lists of addresses have no names to be told apart by.
        content = f"{_CONTENT}{action.fingerprint(draft.account, None)}"
        subjects = () if action.effect is Effect.READ else (*action.subjects(), content)
        seen = self.circumstances(draft, action, quote, groups)
        decided_by_people = is_decided(self.policy, seen)
        if decided_by_people:
            self._refuse_twice(draft, action, subjects, books)
        now = self._clock.now()
        ruling, reservations = self.ruling(seen, quote, books, now)
        asked = {
            "input": draft.input, "quote": draft.quote, "account": draft.account,
            "rule": ruling.rule if decided_by_people else None,
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
                stop_until=now + self.policy.undo if self.policy.undo else None,
                reservations=reservations,
                subjects=subjects,
            )
        messages.append(NewMessage(MessageKind.CARD, self.policy.channel))
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
            raise Sorry(
                f"This has been asked already and is not finished: {names or 'the very same'} "
                f"({', '.join(sorted(set(found.values())))}). Nothing was asked. /postroom jobs shows how it is "
                "getting on."
            )

    def ruling(
        self,
        circumstances: Circumstances,
        quote: Quote | None,
        books: Books,
        now: datetime,
        *,
        held: Sequence[Reservation] = (),
        refuse: bool = True,
    ) -> tuple[Ruling, list[Reservation]]:
        """Who decides, and what is set apart for it. Raises OverBudget where a budget refuses more.

        Where not every price is known, those that are count. What is `held` for it already does not stand in its way;
        what waits already is not refused any more.
        """
        own = {(one.budget, one.period): one.amount for one in held}
        ruling = rule(self.policy, circumstances)
        total = circumstances.total
        if total is None:
            total = sum((line.price or Decimal(0) for line in quote.lines), Decimal(0)) if quote else Decimal(0)
        elif not total:
            return ruling, []
        counted = [(one, period_of(one, now)) for one in budgets_for(self.policy, circumstances)]
        over: list[Budget] = []
        for budget, period in counted:
            use = books.use(budget.name, period)
            left = budget.limit - use.reserved - use.spent + own.get((budget.name, period), Decimal(0))
            if total <= left:
                continue
            if budget.over == "owner":
                over.append(budget)
            elif refuse:
                raise OverBudget(budget, total, left)
        reservations = [Reservation(budget.name, period, total) for budget, period in counted]
        return (owner_ruling(ruling, over) if over else ruling), reservations

    def _refuse_more(self, request: Request, total: Decimal, books: Books) -> None:
        """Raises OverBudget where the price rose within the tolerance, and over a budget whose owner was not asked."""
        limits = {one.name: one for one in self.policy.budgets if one.name not in self.ruling_of(request).over}
        for held in books.held(request.id):
            budget = limits.get(held.budget)
            if budget is None or total <= held.amount:
                continue
            use = books.use(held.budget, held.period)
            left = budget.limit - (use.reserved + use.spent - held.amount)
            if total > left:
                raise OverBudget(budget, total, left)

    def _is_tolerable(self, request: Request, action: Action, quote: Quote | None) -> bool:
        """Whether only the price is another than what was approved, and by no more than the settings allow."""
        approved = self.quote_of(request)
        is_same = action.fingerprint(request.account, approved) == request.fingerprint
        if not is_same or not within_tolerance(approved, quote, self.policy.tolerance):
            return False
        if request.decision_reason:  # it was run at once, whatever the rules say
            return True
        groups = frozenset(self.ruling_of(request).groups)
        seen = [self.circumstances(request, action, one, groups) for one in (approved, quote)]
        before, after = (rule(self.policy, one) for one in seen)
        rose = (seen[1].total or 0) > (seen[0].total or 0)
        return not rose or not is_stricter(after, before)

    async def ask_for_less(self, request: Request, content: Content, by: str, without: Sequence[str]) -> Request | None:
        """What had no known price was taken out, so that the rest has one: the rules look at it anew, and so do people.

        None when the request has changed meanwhile. Raises OverBudget.
        """
        less = self.action_of(replace(request, input=content.given))
        quote = None if content.quote is None else Quote.model_validate(content.quote)
        groups = frozenset(self.ruling_of(request).groups)

        def asking(asked: Request, books: Books) -> Asked:
            now = self._clock.now()
            ruling, reservations = self.ruling(self.circumstances(asked, less, quote, groups), quote, books, now)
            ruling = replace(ruling, auto=False)
            detail = {"without": sorted(without), "fingerprint_left": content.fingerprint, "rule": ruling.rule}
            told = note(asked, "asks_for_less", by=by, without=sorted(without), old=request.quote, new=content.quote)
            return Asked(
                RequestState.AWAITING,
                Telling(Fact(by, "taken_out", detail), [told]),
                ruling=ruling.to_json(),
                attend_at=now,
                reservations=reservations,
            )

        reopened = await self._store.reopen(
            request.id,
            content=content,
            asking=asking,
            expect=[RequestState.AWAITING],
            read=request,
            now=self._clock.now(),
        )
        if reopened is not None:
            self.wake(reopened.state)
        return reopened

    async def _reopen(self, request: Request, action: Action, account: Account, quote: Quote | None) -> None:
        """The price moved since it was approved or asked: votes are void, and a card asks with the new figures."""
        decided = bool(request.decided_by)
        new = _stored(quote)
        try:
            groups = await self.who.groups_of(request.requester)
        except DirectoryUnavailable:
            groups = frozenset(self.ruling_of(request).groups)

        def asking(reopened: Request, books: Books) -> Asked:
            now = self._clock.now()
            ruling, reservations = self.ruling(self.circumstances(reopened, action, quote, groups), quote, books, now)
            # Nothing that asks again is approved by itself: somebody has seen other figures.
            ruling = replace(ruling, auto=False)
            messages = [
                NewMessage(MessageKind.CARD, self.policy.channel),
                note(reopened, "reopened", old=request.quote, new=new, decided=decided),
            ]
            return Asked(
                RequestState.AWAITING,
                Telling(Fact(POSTROOM, "reopened", {"old": request.quote, "new": new}), messages),
                ruling=ruling.to_json(),
                attend_at=now,
                reservations=reservations,
            )

        total = total_of(action.effect, quote) or Decimal(0)
        content = Content(action.stored(), new, action.fingerprint(account.name, quote), total)
        try:
            reopened = await self._store.reopen(
                request.id, content=content, asking=asking, now=self._clock.now(), read=request
            )
        except OverBudget as over:
            items = tuple(Item(name=name, state=ItemState.NOT_DONE) for name in action.subjects())
            summary = f"The price has changed since it was asked. {over.why} Nothing was sent."
            await self.conclude(request, Failed(summary=summary, cure=over.cure, items=items), expect=[request.state])
            return
        if reopened is not None:
            self.wake(reopened.state)

    async def _run_once(
        self, action: Action, account: Account, key: str, request_id: str, before: int
    ) -> Outcome | Later:
        """Run it; `before` is how often it was begun already, and waits grow with that."""
        try:
            return await action.run(account.client, key)
        except OutcomeUnknown as error:
            log.warning("outcome_unknown", request_id=request_id, account=account.name, detail=error.detail)
            return Unknown(summary=error.sentence, evidence=error.detail)
        except ProviderError as error:
            log.warning("not_executed", request_id=request_id, account=account.name, detail=error.detail)
            if action.effect is Effect.WRITE and isinstance(error, RateLimited) and error.retry_after is not None:
                asked = min(error.retry_after, LONGEST_WAIT.total_seconds())
                wait = wait_before_poll(before, self._times, self._chance(), asked)
                return Later(until=self._clock.now() + wait, summary=f"{error.sentence} Nothing was changed yet.")
            items = tuple(Item(name=name, state=ItemState.NOT_DONE) for name in action.subjects())
            nothing = "" if items else " Nothing was done."
            return Failed(summary=f"{error.sentence}{nothing}", cure=error.cure, items=items)
        except Exception:
            # A fault of ours after the intent was written: the call may have been sent, so it counts as unclear.
            log.exception("execution_broke", request_id=request_id, account=account.name)
            return Unknown(summary="Postroom broke while it was sending this, so the answer was lost.")

    def _deadline(self, request: Request) -> timedelta:
        """How long it is watched before a person is asked."""
        kind = self.kind_of(request)
        return (kind.deadline if kind is not None else None) or self._times.deadline

    def _job(self, request: Request, kind: JobKind, ref: Mapping[str, Any], now: datetime, patience: Any) -> Job:
        wait = wait_before_poll(0, self._times, self._chance())
        return Job(request.id, request.account, kind, ref, now + wait, now + patience, now)

    @contextlib.asynccontextmanager
    async def _lease_kept(self, request_id: str) -> Any:
        """While the call is under way, say so in the store, so that no other process thinks that we died."""

        async def keep() -> None:
            while True:
                await asyncio.sleep(self._times.lease.total_seconds() / 3)
                try:
                    await self._store.keep_lease(request_id, self._clock.now() + self._times.lease)
                except Exception:
                    log.exception("lease_not_kept", request_id=request_id)  # what the call answers still counts

        keeper = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper


def _amount(amount: Decimal, budget: Budget) -> str:
    """`1,040.50 USD`, `7 credits`: no cent is rounded away."""
    digits = 0 if budget.currency == CREDITS else 2
    return f"{amount:,.{max(digits, -int(amount.normalize().as_tuple().exponent))}f} {budget.currency}"


def permanent_key(request: Request) -> str:
    """What a provider is given to know the request by, however often it is run or looked up.

    Only where a person says that it did not happen, and has it sent again, is it another.
    """
    return f"{request.id}#{request.attempt}"


def _stored(quote: Quote | None) -> dict[str, Any] | None:
    return None if quote is None else quote.model_dump(mode="json")


def _spent(request: Request, outcome: Outcome) -> Decimal | None:
    """What of the price was really spent, by what is known of each item; None: all of it."""
    if isinstance(outcome, Done) and not outcome.items:
        return None
    quote = Requests.quote_of(request)
    if quote is None or isinstance(outcome, Pending):
        return None if isinstance(outcome, Done) else Decimal(0)
    states = {item.name: item.state for item in outcome.items}
    if isinstance(outcome, Done):
        # Not the total less what was not done: where one price is unknown there is no total, and the others were paid.
        done = (line.price for line in quote.lines if states.get(line.subject) is not ItemState.NOT_DONE)
        return sum((price for price in done if price is not None), Decimal(0))
    kept = (ItemState.LIVE, ItemState.BOUGHT, ItemState.UNKNOWN)  # what nobody can tell may well have been paid
    of_all = ItemState.UNKNOWN if any(state in kept for state in states.values()) else ItemState.NOT_DONE
    paid = (line.price or Decimal(0) for line in quote.lines if states.get(line.subject, of_all) in kept)
    return sum(paid, Decimal(0))


_THERE = (ItemState.LIVE, ItemState.BOUGHT)


def _seen_there(outcome: Outcome | None) -> list[str]:
    """What the evidence shows to have happened, although nobody could tell about the rest."""
    items = outcome.items if isinstance(outcome, Unknown) else ()
    return [item.name for item in items if item.state in _THERE]


SomeOutcome = TypeVar("SomeOutcome", bound=Outcome)


def remembering(request: Request, outcome: SomeOutcome) -> SomeOutcome:
    """What was found out, with what was known before: what was seen to be there once stays so, whatever is said later.

    Otherwise a look that fails would make nothing of a purchase that an earlier one has seen.
    """
    known = Requests.outcome_of(request) if (request.outcome or {}).get("items") else None
    if known is None or (isinstance(outcome, Done) and not outcome.items):
        return outcome  # nothing is known of single items, or it is all of it
    there = {item.name: item for item in known.items if item.state in _THERE}
    items = [there.get(item.name, item) if item.state not in _THERE else item for item in outcome.items]
    named = {item.name for item in items}
    rest = [item for item in known.items if item.name not in named]
    if isinstance(outcome, Failed):
        undone = {"state": ItemState.NOT_DONE, "note": ""}
        rest = [item if item.name in there else item.model_copy(update=undone) for item in rest]
    items += rest
    return cast(SomeOutcome, outcome.model_copy(update={"items": tuple(items)}))


def asked_about(request: Request) -> str:
    """What a person is asked about, for the buttons of a card: which attempt, and a hash of what was seen of it."""
    told = json.dumps([request.updated_at.isoformat(), request.outcome], sort_keys=True)
    return f"{request.attempt}.{sha256(told.encode()).hexdigest()[:SEEN]}"


def _next_reminder(ruling: Ruling, since: datetime, now: datetime) -> datetime:
    """When those who are asked what became of it since `since` are reminded next: in the end, once a day."""
    ahead = [since + age for age in ruling.terms.remind_after if since + age > now]
    return min(ahead, default=now + _DAY)


def _did_happen(before: Outcome | None) -> Done:
    """A person says that it happened, all of it; what had not been seen so far is there by their word."""
    summary = "A person looked and says that it happened."
    if before is None or not before.items:
        return Done(summary=summary)
    said = {"state": ItemState.BOUGHT, "note": "by a person's word"}
    items = [item if item.state in _THERE else item.model_copy(update=said) for item in before.items]
    if len(items) > 1:
        summary = "A person looked and says that all of it happened."
    return Done(summary=summary, items=tuple(items))


def _did_not(before: Outcome | None) -> Failed:
    """A person says that it did not happen. What was seen to have happened did: that much of it was paid."""
    if not _seen_there(before) or not isinstance(before, Unknown):
        cure = "Ask again with the command if it is still wanted."
        return Failed(summary="A person looked: it did not happen.", cure=cure)
    items = [
        item.model_copy(update={"state": ItemState.NOT_DONE}) if item.state is ItemState.UNKNOWN else item
        for item in before.items
    ]
    summary = "A person looked: only a part of it happened, and what was paid for that is counted."
    return Failed(summary=summary, cure="Ask again with the command for the rest.", items=tuple(items))


def _not_sent(action: Action, error: ProviderError | Refused) -> Failed:
    """It had to be looked at once more before it was sent, and that went wrong."""
    said = error.sentence if isinstance(error, ProviderError) else str(error)
    cure = error.cure if isinstance(error, ProviderError) else ""
    items = tuple(Item(name=name, state=ItemState.NOT_DONE) for name in action.subjects())
    summary = f"Before this was sent, it was looked at once more. {said} Nothing was sent."
    return Failed(summary=summary, cure=f"{cure} Ask again with the command.".strip(), items=items)


def _is_further(action: Action, later: Later) -> bool:
    """Whether a part was done, so that something else is left than there was."""
    return later.left is not None and later.left.stored() != action.stored()


def _revealing(action: Action, account: str) -> dict[str, Any]:
    return {"command": action.command, "account": account, "of": list(action.subjects())}


def note(request: Request, fact: str, *, outcome: Outcome | None = None, **particulars: Any) -> NewMessage:
    """A line for the thread: the fact and its particulars, to be put into words when it is delivered."""
    told = {} if outcome is None else {"outcome": outcome.model_dump(mode="json")}
    return NewMessage(MessageKind.NOTE, request.channel, {"fact": fact, **particulars, **told})
