"""Whatever people, providers and crashes do, in any order and as often as they like: the store keeps its promises.

The model beside it is a few lines of plain Python: which step is possible in which state. The store has to agree with
it at every step, and at every step the rules of the house have to hold in the tables.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from storage.outbox import Owed
from storage.records import Job, MessageKind, Request, RequestState, Verdict
from storage.sqlite import SqliteDatabase
from tests.storage.scenes import ANA, FINN, LEASE, OMAR, Clock, Scene

T = TypeVar("T")

S = RequestState
MEMORY = Path("/dev/shm")
"""Where there is such a thing, nothing waits for a disk; whether the disk is waited for is tested elsewhere."""

cards = st.sampled_from(["now", "all", "old", "none"])
people = st.sampled_from([ANA, OMAR, FINN])


@dataclass
class Model:
    """What ought to be true of one request."""

    request: Request
    state: RequestState = S.DRAFT
    checking_since: datetime | None = None
    fingerprint: str = ""
    facts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    intents: int = 0
    postponed: int = 0
    not_before: datetime | None = None
    has_job: bool = False
    ended_as: RequestState | None = None

    def shown(self, which: str) -> str:
        """The fingerprint on what somebody sees: as it is now, shortened or not, an old one, or none at all."""
        return {"now": self.fingerprint[:16], "all": self.fingerprint, "old": "e" * 16, "none": ""}[which]

    def moves(self, to: RequestState, fact: str, *notes: str) -> None:
        self.state = to
        self.facts.append(fact)
        self.notes.extend(notes)
        if to.is_final:
            self.ended_as = to


class LifeOfRequests(RuleBasedStateMachine):
    requests = Bundle("requests")
    claims = Bundle("claims")
    looks = Bundle("looks")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.database = SqliteDatabase(self.folder / "postroom.db")
        self.scene = Scene(self.database, Clock())
        self.models: dict[str, Model] = {}
        self.fingerprints = 0

    def teardown(self) -> None:
        self.database.close()
        self.loop.close()
        shutil.rmtree(self.folder)

    def do(self, step: Awaitable[T]) -> T:
        async def run() -> T:
            return await step

        return self.loop.run_until_complete(run())

    def agree(self, answer: Request | None, expected: bool) -> bool:
        assert (answer is not None) == expected
        return expected

    # What people do.

    @rule(target=requests)
    def opens_a_form(self) -> Model:
        request = self.do(self.scene.draft())
        model = self.models[request.id] = Model(request)
        return model

    @rule(model=requests, by=people, account=st.sampled_from(["one", "two"]))
    def fills_in_the_form(self, model: Model, by: str, account: str) -> None:
        filled = self.do(self.scene.fill(model.request, by=by, account=account))
        if self.agree(filled, model.state is S.DRAFT and by == ANA):
            assert filled is not None
            if model.request.account != account:  # the very same again leaves the quote as it was
                model.fingerprint = ""
            model.request, model.checking_since = filled, self.scene.clock.now

    @rule(model=requests, passed=st.booleans(), stale=st.booleans())
    def the_check_ends(self, model: Model, passed: bool, stale: bool) -> None:
        since = self.scene.clock.now + timedelta(days=1) if stale else model.checking_since
        if since is None:
            return
        self.fingerprints += 1
        fingerprint = f"{self.fingerprints:064x}"[::-1] if passed else ""
        checked = self.do(self.scene.finish_check(model.request, since, fingerprint))
        if self.agree(checked, model.state is S.DRAFT and not stale):
            model.fingerprint = fingerprint

    @rule(model=requests)
    def the_review_is_shown(self, model: Model) -> None:
        if model.checking_since is not None and model.fingerprint:
            self.do(self.scene.store.drafts.check_shown(model.request.id, checking_since=model.checking_since))
            model.checking_since = None

    @rule(model=requests, by=people, free=st.booleans(), seen=cards)
    def confirms(self, model: Model, by: str, free: bool, seen: str) -> None:
        to = S.APPROVED if free else S.AWAITING
        possible = model.state is S.DRAFT and by == ANA and model.fingerprint != "" and seen in ("now", "all")
        if self.agree(self.do(self.scene.submit(model.request, by=by, to=to, seen=model.shown(seen))), possible):
            model.moves(to, "asked", "asked")

    @rule(model=requests, by=people, verdict=st.sampled_from(Verdict), seen=cards)
    def votes(self, model: Model, by: str, verdict: Verdict, seen: str) -> None:
        possible = model.state is S.AWAITING and by != ANA and seen in ("now", "all")
        if self.agree(
            self.do(self.scene.vote(model.request, by=by, verdict=verdict, seen=model.shown(seen))), possible
        ):
            model.moves(S.APPROVED if verdict is Verdict.APPROVE else S.DENIED, verdict.value, "voted")

    @rule(model=requests, by=people)
    def cancels(self, model: Model, by: str) -> None:
        waits = model.state is S.AWAITING or (model.state is S.APPROVED and model.not_before is not None)
        if self.agree(self.do(self.scene.cancel(model.request, by=by)), waits and by == ANA):
            model.moves(S.CANCELLED, "cancelled", "cancelled")

    # What becomes of it.

    @rule(model=requests)
    def the_price_moves(self, model: Model) -> None:
        self.fingerprints += 1
        fingerprint = f"{self.fingerprints:064x}"[::-1]
        if self.agree(self.do(self.scene.reopen(model.request, fingerprint)), model.state is S.APPROVED):
            model.fingerprint, model.not_before = fingerprint, None
            model.moves(S.AWAITING, "reopened", "reopened")

    @rule(model=requests)
    def is_sent(self, model: Model) -> None:
        is_time = model.not_before is None or model.not_before <= self.scene.clock.now
        if self.agree(
            self.do(self.scene.begin(model.request, model.intents + 1)), model.state is S.APPROVED and is_time
        ):
            model.intents += 1
            model.not_before = None
            model.moves(S.EXECUTING, "sent")

    @rule(model=requests, seconds=st.sampled_from([0, 60, 3600]))
    def it_was_too_early(self, model: Model, seconds: int) -> None:
        self.fingerprints += 1
        fingerprint = f"{self.fingerprints:064x}"[::-1]
        until = self.scene.clock.now + timedelta(seconds=seconds)
        answer = self.do(self.scene.postpone(model.request, until, fingerprint))
        if self.agree(answer, model.state in (S.EXECUTING, S.UNKNOWN)):
            model.postponed += 1
            model.fingerprint, model.not_before, model.has_job = fingerprint, until, False
            model.moves(S.APPROVED, "postponed", "later")

    @rule(model=requests, to=st.sampled_from([S.SUCCEEDED, S.FAILED, S.WORKING, S.UNKNOWN]))
    def the_provider_answers(self, model: Model, to: RequestState) -> None:
        self._concludes(model, to, [S.EXECUTING, S.UNKNOWN], job=to in (S.WORKING, S.UNKNOWN))

    @rule(model=requests, to=st.sampled_from([S.SUCCEEDED, S.FAILED]))
    def a_look_finds_the_end(self, model: Model, to: RequestState) -> None:
        self._concludes(model, to, [S.WORKING, S.UNKNOWN], job=False)

    @rule(model=requests)
    def a_person_is_asked(self, model: Model) -> None:
        self._concludes(model, S.UNKNOWN, [S.WORKING, S.UNKNOWN], job=False)

    @rule(model=requests, to=st.sampled_from([S.SUCCEEDED, S.FAILED, S.WORKING]))
    def a_person_settles_it(self, model: Model, to: RequestState) -> None:
        self._concludes(model, to, [S.UNKNOWN], job=to is S.WORKING)

    @rule(seconds=st.sampled_from([1, 30, 70]))
    def time_passes(self, seconds: int) -> None:
        self.scene.clock.passes(seconds=seconds)

    def _concludes(self, model: Model, to: RequestState, expect: list[RequestState], *, job: bool) -> None:
        looked_at = self.scene.job(model.request) if job else None
        answer = self.do(self.scene.conclude(model.request, to, expect=expect, job=looked_at))
        if self.agree(answer, model.state in expect):
            model.has_job = job
            model.moves(to, to.value, to.value)

    # What runs beside.

    @rule(target=claims)
    def messages_are_claimed(self) -> Owed:
        now = self.scene.clock.now
        claimed = self.do(self.scene.store.outbox.claim(now, now + LEASE))
        lanes = [owed.message.lane for owed in claimed]
        assert len(lanes) == len(set(lanes))
        for owed in claimed:
            if owed.message.kind is MessageKind.NOTE:
                assert owed.parent is not None  # the thread is there before anything is said in it
        return multiple(*claimed)

    @rule(owed=consumes(claims))
    def a_message_arrives(self, owed: Owed) -> None:
        ts = owed.message.ts or f"17000.{owed.message.id}"
        self.do(self.scene.store.outbox.sent(owed.message, ts=ts, posted_in=owed.message.channel))

    @rule(owed=consumes(claims), maybe=st.booleans())
    def a_message_is_postponed(self, owed: Owed, maybe: bool) -> None:
        due_at = self.scene.clock.now + timedelta(seconds=5)
        self.do(self.scene.store.outbox.postponed(owed.message, due_at=due_at, maybe_posted=maybe))

    @rule(target=looks)
    def jobs_are_claimed(self) -> Job:
        now = self.scene.clock.now
        claimed = self.do(self.scene.store.jobs.claim_due(now, now + LEASE))
        accounts = [job.account for job, _ in claimed]
        assert len(accounts) == len(set(accounts))
        assert all(request.state in (S.WORKING, S.UNKNOWN) for _, request in claimed)
        return multiple(*(job for job, _ in claimed))

    @rule(job=consumes(looks), progress=st.sampled_from([None, {"kind": "pending", "done": 1}]))
    def a_look_finds_nothing_new(self, job: Job, progress: dict[str, object] | None) -> None:
        later = replace(job, attempts=job.attempts + 1, due_at=self.scene.clock.now + timedelta(seconds=10))
        model = self.models[job.request_id]
        if progress is None:
            self.do(self.scene.store.jobs.watch_on([later]))
        elif self.do(self.scene.store.jobs.keep_watching(later, progress, self.scene.clock.now)):
            assert model.state in (S.WORKING, S.UNKNOWN)

    @rule()
    def the_process_is_restarted(self) -> None:
        self.database.close()
        self.database = SqliteDatabase(self.folder / "postroom.db")
        self.scene = Scene(self.database, self.scene.clock)

    # What must hold, always.

    @invariant()
    def the_store_and_the_model_agree(self) -> None:
        async def compare() -> None:
            for model in self.models.values():
                request = await self.scene.store.requests.get(model.request.id)
                assert request is not None
                assert request.state is model.state
                assert request.fingerprint == model.fingerprint
                if model.state is S.APPROVED:
                    assert request.not_before == model.not_before
                assert await self.scene.facts(request) == model.facts
                messages = await self.scene.store.outbox.of(request.id)
                notes = [message.body["fact"] for message in messages if message.kind is MessageKind.NOTE]
                assert notes == model.notes
                assert len(messages) == len(notes) + (2 if "asked" in model.facts else 0)
                assert all(message.wanted >= message.sent for message in messages)

        self.do(compare())

    @invariant()
    def an_end_is_an_end(self) -> None:
        for model in self.models.values():
            assert model.ended_as in (None, model.state)

    @invariant()
    def nothing_is_spent_twice_or_without_a_yes(self) -> None:
        intents = dict(self.do(self.scene.rows("SELECT request_id, COUNT(*) FROM intents GROUP BY request_id")))
        assert intents == {one: model.intents for one, model in self.models.items() if model.intents}
        assert all(count <= 1 + self.models[one].postponed for one, count in intents.items())
        for model in self.models.values():
            if "sent" in model.facts and "approve" in model.facts:
                assert model.facts.index("approve") < model.facts.index("sent")

    @invariant()
    def only_what_is_under_way_is_watched(self) -> None:
        watched = {one for (one,) in self.do(self.scene.rows("SELECT request_id FROM jobs"))}
        assert watched == {one for one, model in self.models.items() if model.has_job and model.ended_as is None}


LifeOfRequests.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLifeOfRequests = LifeOfRequests.TestCase


async def test_the_same_form_sent_twice_leaves_its_review_standing_and_another_does_not(scene: Scene) -> None:
    """Around a crash a person sends a form again, and may confirm the review that the first time still brought."""
    shown = await scene.checked()
    again = await scene.fill(shown)
    assert again is not None
    assert (again.fingerprint, again.quote) == (shown.fingerprint, shown.quote)

    other = await scene.fill(shown, account="mailin-second")
    assert other is not None
    assert (other.fingerprint, other.quote) == ("", None)
    assert await scene.submit(shown) is None
