"""The life of a request: drafted, checked, asked, decided, run, and settled when nobody could tell. No Slack here.

What a person must be told at once is raised as `Sorry`; what the thread is told is committed together with the change
that causes it, as notes whose facts `handlers/slack/messages.py` puts into words.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import structlog
from pydantic import TypeAdapter, ValidationError

from handlers.background import Background
from handlers.policy import (
    LONGEST_WAIT,
    Approvals,
    JobTimes,
    is_group,
    state_after_asking,
    wait_before_poll,
    why_not,
)
from handlers.vault import Vault
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
from storage.records import (
    Fact,
    Job,
    JobKind,
    MessageKind,
    NewMessage,
    Request,
    RequestState,
    Verdict,
    Vote,
    new_id,
)
from storage.store import Store, Telling

log = structlog.get_logger(__name__)

POSTROOM = "postroom"
"""The actor in the audit when nobody clicked: time passed, or the provider answered."""

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


class Directory(Protocol):
    """Who belongs to which user group, as things are now (at most a minute old)."""

    async def members(self, group: str) -> frozenset[str]:
        """The user ids in a user group. Raises DirectoryUnavailable when nobody can say."""
        ...


class DirectoryUnavailable(Exception):
    """The workspace did not say who is in a group, so nobody can be authorised by it."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, from where: ids of the workspace, the person and the channel."""

    team: str
    user: str
    channel: str


@dataclass(frozen=True, slots=True)
class Review:
    """What the requester is shown before asking: the quote, or the problems by field (empty name: the whole)."""

    draft: Request
    action: Action
    quote: Quote | None
    problems: Mapping[str, str]
    cure: str = ""


class Requests:
    """Everything that can happen to a request, each a method that a listener or a beat calls."""

    def __init__(
        self,
        *,
        store: Store,
        catalogue: Catalogue,
        accounts: Mapping[str, Account],
        approvals: Approvals,
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
        self.approvals = approvals
        self._times = times
        self._directory = directory
        self._clock = clock
        self._chance = chance
        self._changed = changed
        self.executions = Background(at_once=1000)
        self._accounts_running: set[str] = set()
        self._vault = Vault()

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
        quote, problems, cure = None, dict[str, str](), ""
        try:
            if self._vault.lacks(draft.id, action):
                raise Refused({"": _SECRET_LOST.format(so="Nothing was asked: type it once more.")})
            await action.check(account.client)
            quote = await action.quote(account.client, account.prices)
        except Refused as refused:
            problems = refused.problems
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
        return None if checked is None else Review(checked, action, quote, problems, cure)

    async def review_shown(self, draft: Request) -> None:
        """The form shows the review of `draft`. Until this is known, another process may take the check up again."""
        assert draft.checking_since is not None
        await self._store.check_shown(draft.id, checking_since=draft.checking_since)

    async def submit(self, draft_id: str, by: str, *, seen: str) -> Request:
        """The requester confirms what was shown (`seen`: its fingerprint). On disk when this returns. Raises Sorry."""
        request = None
        if len(seen) >= SEEN:
            request = await self._store.submit(draft_id, by=by, seen=seen, asking=self._asking, now=self._clock.now())
        if request is None:
            await self.own_draft(draft_id, by)  # says what is wrong with it, if anything is
            raise Sorry("This form was changed or sent from another window, so nothing was asked. Open a fresh one.")
        self._wake(request.state)
        return request

    async def submit_checked(self, draft: Request) -> Request:
        """What needs no second look is asked as soon as it was checked, for the one who sent the form. Raises Sorry."""
        await self._store.check_shown(draft.id, checking_since=draft.checking_since or draft.updated_at)
        return await self.submit(draft.id, draft.requester, seen=draft.fingerprint)

    # Revealing: shown once, never stored.

    async def may_reveal(self, by: str, action: Action, account: str) -> None:
        """Raises Sorry unless the settings let `by` see credentials."""
        named = self.approvals.may_reveal
        if by not in await self._now(self.approvals.approvers if named is None else named):
            await self._store.note_fact("", Fact(by, "reveal_refused", _revealing(action, account)), self._clock.now())
            whom = "those who may approve" if named is None else "those whom Postroom's settings name for that"
            raise Sorry(f"Credentials are shown only to {whom}. Nothing was shown.")

    async def note_revealed(self, by: str, action: Action, account: str) -> None:
        """Leave in the audit who was shown what, never the value."""
        await self._store.note_fact("", Fact(by, "revealed", _revealing(action, account)), self._clock.now())

    # Deciding.

    async def decide(self, request_id: str, by: str, verdict: Verdict, *, seen: str, reason: str = "") -> Request:
        """Somebody says yes or no to what they saw (`seen`: the card's fingerprint). Raises Sorry."""
        said = "approved" if verdict is Verdict.APPROVE else "denied"

        def telling(request: Request) -> Telling:
            fact = Fact(by, said, {"fingerprint": request.fingerprint, "reason": reason})
            return Telling(fact, [_note(request, said, by=by, reason=reason)])

        decided: Request | None = None
        if by in await self._approvers_now() and len(seen) >= SEEN:
            vote = Vote(request_id, by, verdict, seen, self._clock.now(), reason)
            decided = await self._store.cast_vote(vote, telling=telling)
        if decided is None:
            await self.deciding(request_id, by, seen=seen)  # says why not
            raise await self._too_late(request_id)
        if decided.state.is_final:
            self._vault.drop(decided.id)
        self._wake(decided.state)
        return decided

    async def deciding(self, request_id: str, by: str, *, seen: str) -> Request:
        """The request, if `by` may decide it and it still waits as they saw it. Raises Sorry."""
        request = await self._found(request_id)
        await self._entitled(request, by, "decide")
        if request.state is not RequestState.AWAITING:
            raise await self._too_late(request_id)
        if len(seen) < SEEN or not request.fingerprint.startswith(seen):
            raise Sorry("This request has changed since that card was shown. Nothing was decided: read the new card.")
        return request

    async def cancel(self, request_id: str, by: str) -> Request:
        """The requester takes back what waits for a decision or for its time. Raises Sorry."""
        request = await self._found(request_id)
        if request.requester != by:
            raise Sorry("Only {who}, who asked for this, can cancel it. Nothing was changed.", request.requester)
        cancelled = await self._store.cancel(
            request_id,
            by=by,
            fact=Fact(by, "cancelled"),
            messages=[_note(request, "cancelled", by=by, waited=request.not_before is not None)],
            now=self._clock.now(),
        )
        if cancelled is None:
            raise await self._too_late(request_id)
        self._vault.drop(request_id)
        self._changed("outbox")
        return cancelled

    async def open_requests(self) -> list[Request]:
        """What was asked and is not finished, newest first."""
        return await self._store.open_requests()

    async def requests_of(self, user: str, limit: int) -> list[Request]:
        """What one person asked, newest first."""
        return await self._store.requests_of(user, limit)

    async def approvers(self) -> frozenset[str]:
        """Everybody who may decide now. Raises DirectoryUnavailable."""
        return await self._members(self.approvals.approvers)

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
        try:
            quote = await action.quote(account.client, account.prices)
        except (ProviderError, Refused) as error:
            # Left approved, it would say for ever that it is being sent, and might run when nobody expects it any more.
            log.warning("not_quoted", request_id=request.id, account=account.name, why=type(error).__name__)
            await self.conclude(request, _not_sent(action, error), expect=[RequestState.APPROVED])
            return
        if action.fingerprint(account.name, quote) != request.fingerprint:
            await self._reopen(request, action, account, quote)
            return
        before = await self._store.runs_begun(request.id) if action.effect is Effect.WRITE else 0
        now = self._clock.now()
        key = f"{request.id}#{before + 1}"
        begun = await self._store.begin_execution(
            request.id,
            key=key,
            fingerprint=request.fingerprint,
            lease_until=now + self._times.lease,
            fact=Fact(POSTROOM, "sent", {"key": key}),
            now=now,
        )
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
        else:
            await self.conclude(begun, outcome, expect=expect)

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

    async def settle(self, request_id: str, by: str, answer: str) -> Request:
        """A person says what became of an unknown outcome: `happened`, `did_not`, or `wait` (keep looking)."""
        request = await self._found(request_id)
        await self._entitled(request, by, "settle", requester_may=True)
        if request.state is not RequestState.UNKNOWN or not request.asks_person:
            raise Sorry(_SETTLED)
        now = self._clock.now()
        before = self.outcome_of(request)
        job: Job | None = None
        outcome: Outcome
        if answer == "happened":
            to, outcome = RequestState.SUCCEEDED, Done(summary="A person looked and says that it happened.")
        elif answer == "did_not":
            cure = "Ask again with the command if it is still wanted."
            to, outcome = RequestState.FAILED, Failed(summary="A person looked: it did not happen.", cure=cure)
        else:
            ref = before.ref if isinstance(before, Unknown) else None
            kind = JobKind.POLL if ref else JobKind.RECONCILE
            to = RequestState.WORKING if ref else RequestState.UNKNOWN
            outcome = Pending(ref=ref, progress="Watching it again.") if ref else Unknown(summary="Looking again.")
            job = self._job(request, kind, ref or {}, now, self._times.deadline if ref else self._times.reconcile_after)
        settled = await self._store.conclude(
            request_id,
            expect=[RequestState.UNKNOWN],
            to=to,
            outcome=outcome.model_dump(mode="json"),
            fact=Fact(by, "settled", {"answer": answer}),
            messages=[_note(request, "settled", by=by, answer=answer)],
            now=now,
            job=job,
        )
        if settled is None:
            raise Sorry(_SETTLED)
        self._wake(settled.state)
        return settled

    # What others need to know of a request.

    def action_of(self, request: Request) -> Action:
        """The action a request was made of. Raises Sorry when this version can no longer read it."""
        kind = self._catalogue.action(request.command, request.provider)
        try:
            if kind is not None:
                return kind.model_validate(request.input)
        except ValidationError as error:
            log.warning("input_unreadable", request_id=request.id, errors=error.error_count())
        raise Sorry("This was asked from another version of Postroom, which this one cannot read. Nothing was done.")

    @staticmethod
    def outcome_of(request: Request) -> Outcome | None:
        """What is known of how it went so far; None also for what this version cannot read."""
        try:
            return None if request.outcome is None else _OUTCOME.validate_python(request.outcome)
        except ValidationError:
            return None

    async def conclude(self, request: Request, outcome: Outcome, *, expect: Sequence[RequestState]) -> bool:
        """Record what running, polling or looking up told; False when somebody else was first."""
        now = self._clock.now()
        job: Job | None = None
        match outcome:
            case Done():
                to, fact = RequestState.SUCCEEDED, "done"
            case Failed():
                to, fact = RequestState.FAILED, "failed"
            case Pending():
                to, fact = RequestState.WORKING, "accepted"
                job = self._job(request, JobKind.POLL, outcome.ref, now, self._times.deadline)
            case Unknown():
                to, fact = RequestState.UNKNOWN, "unknown"
                job = self._job(request, JobKind.RECONCILE, {}, now, self._times.reconcile_after)
        concluded = await self._store.conclude(
            request.id,
            expect=expect,
            to=to,
            outcome=outcome.model_dump(mode="json"),
            fact=Fact(POSTROOM, fact, {"outcome": outcome.model_dump(mode="json")}),
            messages=[_note(request, fact, outcome=outcome)],
            now=now,
            job=job,
        )
        if concluded is not None:
            self._vault.drop(request.id)  # it was used, or never will be: what follows only reads
            self._wake(concluded.state)
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
            fingerprint=request.fingerprint if left is None else left.fingerprint(request.account, None),
            fact=Fact(POSTROOM, "postponed", told),
            messages=[_note(request, "later", **told)] if is_news or _is_further(action, later) else [],
            now=self._clock.now(),
        )
        if postponed is not None:
            self._wake(postponed.state)

    async def ask_person(self, request: Request, outcome: Unknown, fact: str) -> None:
        """Stop looking and ask: the evidence and the buttons are on the request's card."""
        messages = [_note(request, fact, outcome=outcome)]
        if not any(one.kind is MessageKind.CARD for one in await self._store.messages_of(request.id)):
            # It ran without a decision, so nobody has been shown a card yet.
            messages.append(NewMessage(MessageKind.CARD, self.approvals.channel))
        concluded = await self._store.conclude(
            request.id,
            expect=[RequestState.WORKING, RequestState.UNKNOWN],
            to=RequestState.UNKNOWN,
            outcome=outcome.model_dump(mode="json"),
            fact=Fact(POSTROOM, fact, {"evidence": outcome.evidence}),
            messages=messages,
            now=self._clock.now(),
            asks_person=True,
        )
        if concluded is not None:
            self._changed("outbox")

    # Below: the steps.

    def _wake(self, state: RequestState) -> None:
        """A request is now in `state`: the beats that have to do with it have work."""
        self._changed("outbox")
        if state is RequestState.APPROVED:
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

    async def _found(self, request_id: str) -> Request:
        request = await self._store.request(request_id)
        if request is None or request.state is RequestState.DRAFT:
            raise Sorry("Postroom does not know this request (any more). Nothing was changed.")
        return request

    async def _entitled(self, request: Request, by: str, what: str, *, requester_may: bool = False) -> None:
        why = why_not(by, "" if requester_may else request.requester, await self._approvers_now())
        if why is not None:
            await self._store.note_fact(
                request.id, Fact(by, "click_refused", {"wanted": what, "why": why}), self._clock.now()
            )
            raise Sorry(why)

    async def _members(self, named: Sequence[str]) -> frozenset[str]:
        """The people among the ids of the settings, and those in the user groups among them."""
        groups = await asyncio.gather(*(self._directory.members(one) for one in named if is_group(one)))
        return frozenset(one for one in named if not is_group(one)).union(*groups)

    async def _approvers_now(self) -> frozenset[str]:
        return await self._now(self.approvals.approvers)

    async def _now(self, named: Sequence[str]) -> frozenset[str]:
        """Who they are at this moment. Raises Sorry when Slack does not say."""
        try:
            return await self._members(named)
        except DirectoryUnavailable as error:
            raise Sorry(
                "Slack did not say who may decide, so your click was not taken. Try again in a minute."
            ) from error

    async def _too_late(self, request_id: str) -> Sorry:
        request = await self._store.request(request_id)
        if request is None:
            return Sorry("Postroom does not know this request (any more). Nothing was changed.")
        sentence = _TOO_LATE.get(request.state)
        if sentence is None:
            sentence = _UNDER_WAY_DECIDED if request.decided_by else _UNDER_WAY
        return Sorry(sentence, request.decided_by)

    def _asking(self, draft: Request) -> tuple[RequestState, Telling]:
        """Where a confirmed draft goes, and what is told of it. Raises Sorry when this version cannot read it."""
        action = self.action_of(draft)
        if self._vault.lacks(draft.id, action):
            raise Sorry(_SECRET_LOST.format(so="Nothing was asked: type the command again."))
        quote = None if draft.quote is None else Quote.model_validate(draft.quote)
        to = state_after_asking(action.effect, quote)
        asked = {"input": draft.input, "quote": draft.quote, "account": draft.account}
        return to, Telling(Fact(draft.requester, "asked", asked), self._first_messages(draft, to))

    def _first_messages(self, draft: Request, to: RequestState) -> list[NewMessage]:
        messages = [NewMessage(MessageKind.PARENT, draft.channel)]
        if to is RequestState.AWAITING:
            messages.append(NewMessage(MessageKind.CARD, self.approvals.channel))
            messages.append(_note(draft, "asked", approvers=list(self.approvals.approvers)))
        return messages

    async def _reopen(self, request: Request, action: Action, account: Account, quote: Quote | None) -> None:
        """The price moved since it was approved or asked: a vote is void, and a card asks with the new figures."""
        decided = bool(request.decided_by)
        # What ran without a decision has no card yet.
        card = [] if decided else [NewMessage(MessageKind.CARD, self.approvals.channel)]
        new = None if quote is None else quote.model_dump(mode="json")
        reopened = await self._store.reopen(
            request.id,
            quote=new,
            fingerprint=action.fingerprint(account.name, quote),
            fact=Fact(POSTROOM, "reopened", {"old": request.quote, "new": new}),
            messages=[*card, _note(request, "reopened", old=request.quote, new=new, decided=decided)],
            now=self._clock.now(),
        )
        if reopened is not None:
            self._changed("outbox")

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


def permanent_key(request: Request) -> str:
    """What a provider is given to know the request by, however often it is run or looked up."""
    return f"{request.id}#1"


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


def _note(request: Request, fact: str, *, outcome: Outcome | None = None, **particulars: Any) -> NewMessage:
    """A line for the thread: the fact and its particulars, to be put into words when it is delivered."""
    told = {} if outcome is None else {"outcome": outcome.model_dump(mode="json")}
    return NewMessage(MessageKind.NOTE, request.channel, {"fact": fact, **particulars, **told})
