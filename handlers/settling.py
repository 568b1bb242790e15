"""When nobody could tell what became of a request: a person is asked, says so, or has it sent once more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from handlers.outcomes import THERE, Outcomes, remembering, seen_there, spent_of
from handlers.policy import Refusal, Ruling, asked_all_the_same, is_group, missing, right_of
from handlers.requests import GONE, POSTROOM, SEEN, SILENT, NotAllowed, Requests, Sorry, note
from handlers.who import DirectoryUnavailable, Roll, people_in
from providers.accounts import Clock
from providers.action import Done, Failed, ItemState, Outcome, Pending, Unknown
from storage.records import Delegation, Fact, Job, JobKind, MessageKind, NewMessage, Request, RequestState, Telling
from storage.store import Store

_SETTLED = "This has been settled meanwhile, so your answer was not needed. Its thread tells how it went."
_OLD_EVIDENCE = (
    "This was looked at once more since that card was shown. Nothing was changed: read the new card, then answer that."
)
_DAY = timedelta(days=1)


class Settling:
    """Asks people about unclear outcomes, and takes their word."""

    def __init__(self, store: Store, requests: Requests, outcomes: Outcomes, clock: Clock) -> None:
        self._store = store
        self._requests = requests
        self._outcomes = outcomes
        self._policy = requests.policy
        self._who = requests.who
        self._clock = clock
        self._changed = requests.changed

    async def ask_person(self, request: Request, outcome: Unknown, fact: str) -> None:
        """Stop looking and ask: the evidence and the buttons are on the request's card."""
        outcome = remembering(request, outcome)
        now = self._clock.now()
        ruling = self._requests.ruling_of(request)
        # What ran without a decision has no card yet.
        messages = [
            note(request, fact, outcome=outcome),
            NewMessage(MessageKind.CARD, self._policy.channel),
            NewMessage(
                MessageKind.CALL, self._policy.channel, {"fact": "asks", "who": self._requests.may_settle(request)}
            ),
        ]
        concluded = await self._store.runs.conclude(
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

    async def remind(self, request: Request) -> None:
        """Nobody has said so far what became of it: those who may are called once more, outside quiet hours."""
        now = self._clock.now()
        quiet = self._policy.quiet.get(request.channel)
        attend_at = now if quiet is None else quiet.end_of(now)
        telling, reminded = None, request.reminded
        if attend_at <= now:
            reminded += 1
            attend_at = _next_reminder(self._requests.ruling_of(request), request.updated_at, now)
            told = {
                "fact": "reminder",
                "who": self._requests.may_settle(request),
                "since": request.updated_at.isoformat(),
            }
            call = NewMessage(MessageKind.CALL, self._policy.channel, told)
            telling = Telling(Fact(POSTROOM, "attended", {"reminded": reminded}), [call])
        attended = await self._store.waiting.attended(
            request, attend_at=attend_at, announced=request.announced, reminded=reminded, escalated=request.escalated,
            telling=telling, now=now,
        )  # fmt: skip
        if attended is not None:
            self._changed("outbox")

    async def settle(self, request_id: str, by: str, answer: str, *, seen: str | None = None) -> Request:
        """A person says what became of an unknown outcome: `happened`, `did_not`, or `wait` (keep looking).

        `again`: it did not happen, and is to be sent once more. That is a decision about the money like the first one,
        and the only way in which anything is ever sent a second time. `seen` is what they were asked about, as
        `asked_about` names it; None: as it is now. Whoever asked can only have it watched.
        """
        request = await self._requests.found(request_id)
        # Whoever may decide about the money by now can say what they see; sending it again is for its own deciders.
        others = () if answer == "again" else self._policy.default.approvers
        requester = "" if answer == "wait" else request.requester
        right, roll = await self._entitled(request, by, "settle", requester=requester, others=others)
        if request.state is not RequestState.UNKNOWN or not request.asks_person:
            raise Sorry(_SETTLED)
        if seen is not None and seen != asked_about(request):
            if seen.partition(".")[0] not in ("", str(request.attempt)):
                raise Sorry(_SETTLED)
            # Also a card that an older version has drawn.
            await self._store.outbox.show_anew(request.id, self._clock.now())
            self._changed("outbox")
            raise Sorry(_OLD_EVIDENCE)
        now = self._clock.now()
        before = self._requests.outcome_of(request)
        if answer == "again":
            return await self._try_again(request, by, right, roll, now)
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
            job = self._outcomes.job(request, kind, ref or {}, now)
        settled = await self._store.runs.conclude(
            request_id,
            expect=[RequestState.UNKNOWN],
            to=to,
            outcome=outcome.model_dump(mode="json"),
            fact=Fact(by, "settled", {"answer": answer}),
            messages=[note(request, "settled", by=by, answer=answer)],
            now=now,
            job=job,
            spent=spent_of(request, outcome),
            read=request,
            was_asked=True,
        )
        if settled is None:
            raise Sorry(_SETTLED)
        self._requests.wake(settled.state)
        return settled

    async def _try_again(self, request: Request, by: str, right: str, roll: Roll, now: datetime) -> Request:
        evidence = request.outcome
        if there := seen_there(self._requests.outcome_of(request)):
            names = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
            raise Sorry(
                f"A part of this was seen at the provider: {names}. Sending all of it once more could buy that twice, "
                "so nothing was sent. Say that it did not happen, and ask for the rest with the command."
            )
        ruling = self._requests.ruling_of(request)
        # What was sent may have cost a little more than was approved: it is sent again at that price, or asks anew.
        fingerprint = self._requests.action_of(request).fingerprint(request.account, self._requests.quote_of(request))
        fact = Fact(by, "settled", {"answer": "again", "evidence": evidence, "attempt": request.attempt + 1})
        needs, parts = ruling.terms.needs, ruling.parts(request.escalated)
        handed = await self._store.look(lambda books: books.handed_to(by, now))
        instead = roll.active(one.principal for one in handed) - {request.requester}
        if missing(parts, [people_in(one.named, roll.groups) for one in parts], [right], instead):
            # One word is not enough for this money: all of them decide once more.
            again = await self._store.runs.ask_again(
                request,
                fact=fact,
                messages=[
                    note(request, "settled", by=by, answer="again", needs=needs),
                    NewMessage(MessageKind.CARD, self._policy.channel),
                ],
                fingerprint=fingerprint,
                ruling=asked_all_the_same(ruling).to_json(),
                attend_at=now,
                now=now,
            )
        else:
            stop_until = now + self._policy.undo if self._policy.undo else None
            until: dict[str, Any] = {} if stop_until is None else {"stop_until": stop_until.isoformat()}
            again = await self._store.runs.try_again(
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
        self._requests.wake(again.state)
        return again

    async def open_to(self, requests: Sequence[Request], by: str) -> set[str]:
        """The ids of those of these requests that ask people what became of them, `by` among them.

        Nothing is noted of the others. Raises DirectoryUnavailable.
        """
        others = self._policy.default.approvers
        asking = [one for one in requests if one.state is RequestState.UNKNOWN and one.asks_person]
        handed, roll = await self._roll(by, [who for one in asking for who in self._named(one, others)])
        rights = {one.id: self._right(one, by, handed, roll, requester=one.requester, others=others) for one in asking}
        return {request_id for request_id, right in rights.items() if not isinstance(right, Refusal)}

    async def _entitled(
        self, request: Request, by: str, what: str, *, requester: str, others: Sequence[str] = ()
    ) -> tuple[str, Roll]:
        """Whose right `by` uses, and what the workspace says of all whom that depends on.

        Raises Sorry unless `by` may decide it or is one of `others`. Empty `requester`: whoever asked may, too.
        """
        try:
            handed, roll = await self._roll(by, self._named(request, others))
        except DirectoryUnavailable as error:
            raise Sorry(SILENT) from error
        right = self._right(request, by, handed, roll, requester=requester, others=others)
        if isinstance(right, Refusal):
            await self._requests.refused_click(request.id, by, what, right.sentence)
            raise NotAllowed(right.sentence)
        return right, roll

    async def _roll(self, by: str, named: Sequence[str]) -> tuple[Sequence[Delegation], Roll]:
        """What was handed over to `by`, and what the workspace says of all on whom their right depends."""
        handed = await self._store.look(lambda books: books.handed_to(by, self._clock.now()))
        return handed, await self._who.roll([by, *filter(is_group, named), *(one.principal for one in handed)])

    def _right(
        self,
        request: Request,
        by: str,
        handed: Sequence[Delegation],
        roll: Roll,
        *,
        requester: str,
        others: Sequence[str],
    ) -> str | Refusal:
        if not roll.active([by]):
            return Refusal(GONE)
        away = roll.active(one.principal for one in handed)
        return right_of(
            by,
            requester=requester,
            ruling=self._requests.ruling_of(request),
            entitled=people_in(self._named(request, others), roll.groups),
            delegations=[one for one in handed if one.principal in away],
        )

    def _named(self, request: Request, others: Sequence[str]) -> Sequence[str]:
        """The people and groups who may say what became of a request."""
        return tuple(dict.fromkeys((*self._requests.ruling_of(request).terms.deciders(request.escalated), *others)))


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
    items = [item if item.state in THERE else item.model_copy(update=said) for item in before.items]
    if len(items) > 1:
        summary = "A person looked and says that all of it happened."
    return Done(summary=summary, items=tuple(items))


def _did_not(before: Outcome | None) -> Failed:
    """A person says that it did not happen. What was seen to have happened did: that much of it was paid."""
    if not seen_there(before) or not isinstance(before, Unknown):
        cure = "Ask again with the command if it is still wanted."
        return Failed(summary="A person looked: it did not happen.", cure=cure)
    items = [
        item.model_copy(update={"state": ItemState.NOT_DONE}) if item.state is ItemState.UNKNOWN else item
        for item in before.items
    ]
    if all(item.state in THERE for item in items):
        summary = "A person says that it did not happen. It was seen at the provider, so what it cost is counted."
        cure = "Look there before you ask again: asking once more could buy it twice."
        return Failed(summary=summary, cure=cure, items=tuple(items))
    summary = "A person looked: only a part of it happened, and what was paid for that is counted."
    return Failed(summary=summary, cure="Ask again with the command for the rest.", items=tuple(items))
