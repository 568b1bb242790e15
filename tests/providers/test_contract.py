"""What holds for every account at every provider, tried at the provider's own sandbox over real HTTP.

What only one provider does stands in that provider's own tests; what each makes of its own answers, in its entry.
"""

from __future__ import annotations

import asyncio
import contextlib
import json as jsonlib
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from providers import catalogue, errors
from providers.accounts import AccountSettings
from providers.action import Effect
from providers.errors import (
    AuthExpired,
    BadAnswer,
    NotFound,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    RateLimited,
    Rejected,
    Upstream,
)
from providers.http import FAILURES_IN_A_ROW, FIRST_REST_SECONDS, Answer
from providers.http import _parsed as parsed
from providers.provider import Provider
from providers.simulator import Arrived, Fault, Kind, Work
from tests.providers.contract import (
    CHANGES_NOTHING,
    SENT_ONCE,
    Call,
    Contract,
    Means,
    Stage,
    contracts,
    provider_named,
    secrets_in,
    staged,
    times_sent,
    told_by,
)

CONTRACTS = contracts()

UNCLEAR = (OutcomeUnknown, OutcomeUnknown)
# What a fault means at every provider: to a reading, to a change, and to what is sent once.
MEANINGS = (
    Means(Fault.cut_before(), Upstream, *UNCLEAR, again=True),
    Means(Fault.cut_after(), Upstream, *UNCLEAR, again=True),
    Means(Fault.cut_in_answer(), Upstream, *UNCLEAR, again=True),
    Means(Fault.slow(60), Upstream, *UNCLEAR, again=True),
    Means(Fault.malformed(), BadAnswer, spend=OutcomeUnknown),
    Means(Fault.answers(302), BadAnswer, *UNCLEAR),
    Means(Fault.answers(401), AuthExpired, AuthExpired, AuthExpired),
    Means(Fault.answers(404), NotFound),
    Means(Fault.answers(405), Rejected, Rejected, Rejected),
    Means(Fault.answers(408), Upstream, *UNCLEAR),
    Means(Fault.answers(418), BadAnswer, *UNCLEAR),
    Means(Fault.answers(422), Rejected, Rejected, Rejected),
    Means(Fault.answers(429), RateLimited, RateLimited, RateLimited),
    Means(Fault.answers(429, retry_after=2), RateLimited, RateLimited, RateLimited),
    Means(Fault.answers(429, retry_after=600), RateLimited, RateLimited, RateLimited),
    Means(Fault.answers(500), Upstream, *UNCLEAR, again=True),
    Means(Fault.answers(500, work=Work.ALL), None, *UNCLEAR),
    Means(Fault.answers(502, work=Work.ALL), Upstream, *UNCLEAR, again=True),
    Means(Fault.answers(503, retry_after=1), Upstream, *UNCLEAR, again=True),
    Means(Fault.answers(504, work=Work.ALL), Upstream, *UNCLEAR, again=True),
)
TRIED = [
    pytest.param(contract, call, means, id=f"{contract}-{call.effect}-{_fault_name}")
    for contract in CONTRACTS
    for call in contract.tried()
    for means in (*MEANINGS, *contract.meanings)
    if means.of(call.effect) is not None
    for _fault_name in [f"{means.fault.kind}-{means.fault.status}-{means.fault.work}-{means.fault.word}"]
]


@pytest.fixture(params=CONTRACTS, ids=str)
def contract(request: pytest.FixtureRequest) -> Contract:
    entry: Contract = request.param
    return entry


@pytest.fixture
async def stage(contract: Contract, clock: Any) -> AsyncIterator[Stage]:
    async with staged(contract, clock) as stage:
        yield stage


class TestEntries:
    def test_a_provider_without_one_is_told_what_to_write(self, monkeypatch: pytest.MonkeyPatch) -> None:
        harbour = Provider("harbour", "Harbour", AccountSettings, provider_named("mailin").connect, ())
        monkeypatch.setattr("tests.providers.contract.registered", lambda: (*catalogue.registered(), harbour))
        with pytest.raises(LookupError, match=r"'harbour' is registered.* write tests/providers/harbour/contract\.py"):
            contracts()

    def test_it_says_what_every_error_comes_from(self, contract: Contract) -> None:
        """All classes of the taxonomy are proved below, or cannot be caused by this provider, for a reason."""
        proved: set[type[ProviderError]] = {NotSent}
        for call in contract.tried():
            proved |= {kind for means in (*MEANINGS, *contract.meanings) if (kind := means.of(call.effect))}
        kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ProviderError)}
        assert proved | set(contract.never) == kinds - {ProviderError}
        assert not proved & set(contract.never)

    @pytest.mark.parametrize("provider", [provider.name for provider in catalogue.registered()])
    async def test_all_that_the_sandbox_can_do_is_called(self, provider: str, clock: Any) -> None:
        """And each call is what it says: one that arrives once, when nothing goes wrong."""
        called: set[str] = set()
        for contract in [contract for contract in CONTRACTS if contract.provider == provider]:
            assert len({call.name for call in contract.calls}) == len(contract.calls)
            for call in contract.calls:
                async with staged(contract, clock) as stage:
                    called |= {arrived.operation for arrived in await everything_for(call, stage)}
                    assert (call.name, stage.arrived()) == (call.name, 1)
            operations = {operation.value for operation in stage.sandbox.faults.operations}
        assert called == operations


class TestCredentials:
    async def test_the_right_ones(self, stage: Stage) -> None:
        await stage.open().verify_credentials()

    async def test_wrong_ones(self, stage: Stage, everything_logged: Any) -> None:
        before = stage.contract.done(stage.sandbox)
        for wrong in stage.contract.wrong:
            client = stage.open(**wrong)
            with pytest.raises(AuthExpired) as refused:
                await client.verify_credentials()
            assert_well_said(refused.value)
            told = told_by(refused.value) + everything_logged.getvalue()
            for secret in (*stage.contract.secrets(), *stage.contract.secrets(**wrong)):
                assert secret not in told
        assert stage.contract.done(stage.sandbox) == before

    async def test_the_key_alone_opens_nothing_that_costs(self, stage: Stage) -> None:
        """Whatever is sent with the first of the wrong credentials is refused as such, and nothing is done."""
        before = stage.contract.done(stage.sandbox)
        for call in stage.contract.tried():
            with pytest.raises(AuthExpired):
                await call.do(stage.open(**stage.contract.wrong[0]))
        assert stage.contract.done(stage.sandbox) == before

    async def test_a_provider_in_trouble_is_not_taken_for_a_refusal(self, stage: Stage) -> None:
        for fault in (Fault.answers(503), Fault.cut_before()):
            stage.sandbox.faults.clear()
            for operation in stage.sandbox.faults.operations:
                stage.sandbox.faults.add(operation, fault, times=10)
            with pytest.raises(Upstream):
                await stage.open().verify_credentials()

    async def test_nobody_is_there(self, stage: Stage) -> None:
        with pytest.raises(NotSent):
            await stage.open(base_url="http://127.0.0.1:1").verify_credentials()

    async def test_a_closed_account_sends_nothing(self, stage: Stage) -> None:
        for call in stage.contract.tried():
            client = await stage.warm()
            await client.aclose()
            with pytest.raises(NotSent):
                await call.do(client)
            assert stage.arrived() == 0


class TestWhatWentWrong:
    @pytest.mark.parametrize(("contract", "call", "means"), TRIED)
    async def test_what_it_means_and_how_often_it_is_sent(self, stage: Stage, call: Call, means: Means) -> None:
        contract, fault = stage.contract, means.fault
        client = await stage.warm()
        if fault.kind is Kind.SLOW:
            client._transport._timeout_seconds = 0.05  # only now, so that no slow machine lets the warming fail
        before = contract.done(stage.sandbox)
        stage.spoil(fault)
        with pytest.raises(ProviderError) as failed:
            await call.do(client)

        error = failed.value
        assert type(error) is means.of(call.effect)
        assert_well_said(error)
        renews = contract.log_in is not None
        assert stage.arrived() == times_sent(fault, call.effect, again=means.again, renews_log_in=renews)
        if contract.done(stage.sandbox) != before:
            assert isinstance(error, OutcomeUnknown), "something was done, so it must not be said that nothing was"
        if isinstance(error, RateLimited) and fault.retry_after:
            assert error.retry_after == float(fault.retry_after)
        if fault.kind is Kind.STATUS:
            assert error.status == fault.status


class TestHowOften:
    """Every documented call, by its effect: a reading three times, a change again only if nothing was done."""

    @pytest.mark.parametrize(
        "fault", [Fault.answers(503), Fault.cut_before(), Fault.answers(429, retry_after=1)], ids=["503", "cut", "429"]
    )
    async def test_every_call(self, stage: Stage, fault: Fault) -> None:
        for call in stage.contract.calls:
            client = await stage.warm()
            stage.spoil(fault)
            with pytest.raises(ProviderError) as failed:
                await call.do(client)
            reads = call.effect in CHANGES_NOTHING
            usual = RateLimited if fault.status == 429 else Upstream if reads else OutcomeUnknown
            sent = times_sent(fault, call.effect, again=True, renews_log_in=False)
            assert (call.name, type(failed.value), stage.arrived()) == (call.name, usual, sent)
            await client.aclose()
            stage.sandbox.faults.clear()

    async def test_what_was_not_sent_is_sent_again_unless_it_costs(self, contract: Contract, clock: Any) -> None:
        """The provider is away for a moment: nobody answers at its port until somebody has waited."""
        for call in contract.tried():
            sandbox = contract.sandbox(clock)
            async with AsyncExitStack() as away:
                running = await away.enter_async_context(contract.serve(sandbox))
                stage = Stage(contract, sandbox, running.url, clock)
                port = int(running.url.split(":")[2].partition("/")[0])
                async with AsyncExitStack() as back:

                    async def sleep(
                        seconds: float, back: AsyncExitStack = back, sandbox: Any = sandbox, port: int = port
                    ) -> None:
                        await clock.sleep(seconds)
                        await back.enter_async_context(contract.serve(sandbox, port=port))

                    client = await stage.warm(sleep=sleep)
                    before = contract.done(sandbox)
                    await away.aclose()
                    if call.effect in SENT_ONCE:
                        with pytest.raises(NotSent) as failed:
                            await call.do(client)
                        assert_well_said(failed.value)
                    else:
                        await call.do(client)
                    assert stage.arrived() == (call.effect not in SENT_ONCE)
                    assert (contract.done(sandbox) > before) == (call.effect is Effect.WRITE)
                    await client.aclose()

    async def test_what_passes_is_waited_out(self, stage: Stage) -> None:
        read = stage.contract.call(stage.contract.read)
        for fault in (Fault.answers(503), Fault.answers(429), Fault.cut_before(), Fault.cut_in_answer()):
            client = await stage.warm()
            stage.spoil(fault, times=2)
            await read.do(client)
            assert stage.arrived() == 3


class TestPace:
    async def test_calls_are_spaced_as_the_settings_say(self, stage: Stage) -> None:
        """Log-ins and tries are calls as well."""
        client = stage.open(min_seconds_between_calls=2.5)
        read, *changes = stage.contract.tried()
        for call in (read, *changes, read):
            await call.do(client)
        stage.spoil(Fault.answers(503), times=1)
        await read.do(client)
        moments = [call.at for call in stage.sandbox.arrived]
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
        assert len(gaps) >= 3 + len(changes)
        assert set(gaps) == {2.5}

    async def test_changes_are_kept_further_apart(self, stage: Stage) -> None:
        """What reads does not wait with them."""
        read, *changes = stage.contract.tried()
        client = await stage.warm(min_seconds_between_writes=60)
        for change, waited in ((changes[0], 0), (changes[-1], 60)):
            before = stage.clock.now()
            with contextlib.suppress(ProviderError):  # the very same once more is refused, when it has arrived
                await change.do(client)
            assert (stage.clock.now() - before).total_seconds() == waited
            after = stage.clock.now()
            await read.do(client)
            assert stage.clock.now() == after

    async def test_many_at_once_wait_for_each_other(self, stage: Stage) -> None:
        read = stage.contract.call(stage.contract.read)
        client = await stage.warm(min_seconds_between_calls=2.5)
        stage.clock.slept.clear()
        await asyncio.gather(*(read.do(client) for _ in range(10)))
        assert stage.clock.slept == [2.5] * 10
        assert stage.arrived() == 10

    async def test_each_account_has_its_own(self, stage: Stage) -> None:
        read = stage.contract.call(stage.contract.read)
        clients = [await stage.warm(min_seconds_between_calls=60) for _ in range(3)]
        stage.clock.advance(60)
        before = stage.clock.now()
        await asyncio.gather(*(read.do(client) for client in clients))
        assert stage.clock.now() == before

    async def test_too_many_calls_hold_back_the_account(self, stage: Stage) -> None:
        """Who reads meanwhile is told at once, and what changes something waits; but not for a limit of one thing."""
        read, *_, last = tried = stage.contract.tried()
        for call in tried:
            client = await stage.warm()
            stage.spoil(Fault.answers(429, retry_after=30))
            with pytest.raises(RateLimited):
                await call.do(client)
            stage.sandbox.faults.clear()
            told = stage.clock.now()
            if call.name in stage.contract.limited_apart:
                await read.do(client)
            else:
                stage.clock.advance(10)
                with pytest.raises(RateLimited) as held:
                    await read.do(client)
                assert held.value.retry_after == 20
                assert_well_said(held.value)
                assert stage.arrived() == 1
                with contextlib.suppress(ProviderError):  # the very same once more may be refused, when it has arrived
                    await last.do(client)
                assert stage.clock.now() == told + timedelta(seconds=30)
                await read.do(client)


class TestRest:
    async def test_it_opens_half_opens_and_closes(self, stage: Stage, logged: Any) -> None:
        contract, clock = stage.contract, stage.clock
        read, spend = contract.call(contract.read), contract.call(contract.spend)
        client = await stage.warm()
        before = contract.done(stage.sandbox)

        async def fails(call: Any, kind: type[ProviderError]) -> int:
            stage.sandbox.arrived.clear()
            with pytest.raises(kind) as failed:
                await call.do(client)
            assert_well_said(failed.value)
            return stage.arrived()

        stage.spoil(Fault.answers(503), times=1000)
        assert [await fails(read, Upstream) for _ in range(FAILURES_IN_A_ROW)] == [3] * FAILURES_IN_A_ROW
        for call in contract.tried():
            assert await fails(call, NotSent) == 0
        assert client.resting_until() == clock.now() + timedelta(seconds=FIRST_REST_SECONDS)

        clock.advance(FIRST_REST_SECONDS)
        assert client.resting_until() is None
        assert await fails(read, Upstream) > 0, "one call tries, and fails again"
        clock.advance(FIRST_REST_SECONDS)
        assert await fails(read, NotSent) == 0, "the rest is longer now"
        assert client.resting_until() == clock.now() + timedelta(seconds=FIRST_REST_SECONDS)
        clock.advance(FIRST_REST_SECONDS)
        stage.sandbox.faults.clear()
        assert client.resting_until() is None
        await spend.do(client)
        assert contract.done(stage.sandbox) > before, "any call may be the one that tries"
        await read.do(client)
        events = [line["event"] for line in logged if line["event"].startswith("provider ")]
        assert [event for event in events if event != "provider call"] == [
            "provider left alone",
            "provider left alone",
            "provider answers again",
        ]

    async def test_another_account_is_not_concerned(self, stage: Stage) -> None:
        read = stage.contract.call(stage.contract.read)
        client, other = await stage.warm(), await stage.warm()
        stage.spoil(Fault.cut_before(), times=1000)
        for _ in range(FAILURES_IN_A_ROW):
            with pytest.raises(Upstream):
                await read.do(client)
        stage.sandbox.faults.clear()
        with pytest.raises(NotSent):
            await read.do(client)
        await read.do(other)


class TestSecrets:
    async def test_they_are_nowhere(self, contract: Contract, clock: Any, everything_logged: Any) -> None:
        """Not in what clients, settings, answers and errors show of themselves, not in any log, URLs included.

        Not even where the provider repeats what it was told.
        """
        told: list[str] = []
        answers: list[str] = []
        secrets = set(contract.secrets())
        repeated = f"No: {', '.join([*secrets, *(secret.upper() for secret in secrets)])}."
        faults: list[Fault | None] = [
            None,
            Fault.cut_after(),
            Fault.malformed(),
            Fault.answers(422, word=repeated),
            Fault.answers(500, word=repeated),
            Fault.answers(200, word=repeated),
        ]
        accounts: list[tuple[Fault | None, dict[str, Any]]] = [(fault, {}) for fault in faults]
        accounts += [(None, dict(wrong)) for wrong in contract.wrong]
        accounts += [(None, {"base_url": "http://127.0.0.1:1"})]
        for fault, changed in accounts:
            async with staged(contract, clock) as stage:
                client = stage.open(**changed) if changed else await stage.warm()
                secrets |= set(secrets_in(client._settings))
                told += [told_by(thing) for thing in (client, client._transport, client._settings)]
                for call in contract.calls:
                    if fault is not None:
                        stage.spoil(fault)
                    try:
                        answers.append(told_by(await call.do(client)))
                    except ProviderError as error:
                        told.append(told_by(error))
                    await rested(client, clock)
                secrets |= set(contract.hidden(stage.sandbox))
        everything = "".join(told) + everything_logged.getvalue()
        assert "provider call" in everything
        assert "[redacted]" in everything
        assert not {secret for secret in secrets if secret.lower() in everything.lower()}
        assert not {secret for secret in secrets - contract.shown if secret in "".join(answers)}

    def test_settings_that_are_refused_repeat_none(self, contract: Contract) -> None:
        fields = provider_named(contract.provider).settings.model_fields
        secret = [name for name in contract.settings if "SecretStr" in str(fields[name].annotation)]
        assert secret
        for name in secret:
            for value in ("", ["S3CRET"], {"S3CRET": "S3CRET"}):
                with pytest.raises(ValidationError) as refused:
                    contract.account_settings("http://127.0.0.1:1", **{name: value})
                assert "S3CRET" not in str(refused.value) + repr(refused.value)
        with pytest.raises(ValidationError) as misspelt:
            contract.account_settings("http://127.0.0.1:1", passwort="S3CRET")
        assert "S3CRET" not in str(misspelt.value)

    def test_settings_do_not_write_them_down(self, contract: Contract) -> None:
        settings = contract.account_settings("http://127.0.0.1:1")
        assert contract.secrets()
        for secret in contract.secrets():
            assert secret not in settings.model_dump_json() + repr(settings.model_dump())


class TestAnswers:
    async def test_a_word_nobody_has_documented_is_unknown_and_noted_once(
        self, stage: Stage, logged: list[MutableMapping[str, Any]]
    ) -> None:
        client = await stage.warm()
        for number, word in enumerate(stage.contract.words):
            said = f"Marinating{number}"
            word.say(stage.sandbox, said)
            found = {await word.read(client) for _ in range(3)}
            assert (word.of, {value.value for value in found}) == (word.of, {"unknown"})
            noted = [(line["log_level"], line["event"]) for line in logged if line.get("said") == said]
            assert (word.of, noted) == (word.of, [("warning", "unknown word")])
            stage.sandbox.faults.clear()

    async def test_a_word_that_is_a_secret_is_not_noted_as_it_is(self, stage: Stage, everything_logged: Any) -> None:
        client = await stage.warm()
        for word in stage.contract.words:
            for secret in stage.contract.secrets():
                word.say(stage.sandbox, f"no {secret}")
                await word.read(client)
                stage.sandbox.faults.clear()
        for secret in stage.contract.secrets():
            assert secret not in everything_logged.getvalue()
        assert "[redacted]" in everything_logged.getvalue()

    async def test_nothing_to_list(self, stage: Stage) -> None:
        for listing in stage.contract.listings:
            listing.fill(stage.sandbox, 0)
            assert len(await listing.read(stage.open())) == 0

    async def test_ten_thousand(self, stage: Stage) -> None:
        """They come whole."""
        for listing in stage.contract.listings:
            listing.fill(stage.sandbox, 10_000)
            client = await stage.warm(timeout_seconds=60)
            assert len(await listing.read(client)) == 10_000


ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 10**30, 1.5, float("inf"), "", "x", "½", "9" * 5000, "\ud800", "0001-01-01T00:00:00+14:00",
    [], [None], [[]], {}, {"x": None}, [{"id": {}}],
)  # fmt: skip


ODD_REFUSALS = [
    (status, {key: value}, f"{status} with {key} = {str(value)[:30]!r}")
    for status in (200, 400, 403, 409, 422, 500)
    for key in ("message", "error", "errors", "detail", "details", "reason", "code", "fields", "unavailable", "status")
    for value in (*ODD_VALUES, {"a": {"b": 1}}, {"a": [None, {"b": 1}]}, [{"path": {}, "message": []}])
]


class TestOddAnswers:
    """Each fact of an answer, and the whole of it, replaced by what nobody expects there."""

    async def test_none_breaks_a_client(self, contract: Contract, clock: Any) -> None:
        broken: set[str] = set()
        for call in contract.calls:
            async with staged(contract, clock) as stage:
                client = await stage.warm()
                replay = Replay(client._transport)
                await call.do(client)
                said = [(replay.answer.status, *odd) for odd in odd_versions(replay.answer.body)]
                for status, body, what in [*said, *(ODD_REFUSALS if call in contract.tried() else ())]:
                    replay.say(status, body)
                    try:
                        told_by(await call.do(client)).encode()
                    except ProviderError as error:
                        assert_well_said(error)
                        if call.effect in CHANGES_NOTHING and isinstance(error, OutcomeUnknown):
                            broken.add(f"{call.name}, {what}: a reading that is said to have changed something")
                    except Exception as error:
                        broken.add(f"{call.name}, {what}: {type(error).__name__}: {error}"[:200])
        assert not broken

    async def test_an_odd_row_does_not_spoil_a_listing(
        self, contract: Contract, clock: Any, logged: list[MutableMapping[str, Any]]
    ) -> None:
        """It is read as far as it goes, or left out, which is noted once; and what is listed can be asked about."""
        broken: set[str] = set()
        for listing in contract.listings:
            async with staged(contract, clock) as stage:
                listing.fill(stage.sandbox, 4)
                client = await stage.warm()
                spoiler = Spoiler(client._transport)
                whole = {listing.handle(row) for row in await listing.read(client)}
                assert len(whole) == 4
                noted = len(logged)
                are_left_out = False
                for row, what in list(odd_rows(spoiler.row)):
                    spoiler.instead = row
                    try:
                        handles = [listing.handle(found) for found in await listing.read(client)]
                    except ProviderError as error:
                        broken.add(f"{what}: {type(error).__name__}")
                        continue
                    are_left_out = are_left_out or len(handles) < 4
                    if len(whole - set(handles)) > 1:
                        broken.add(f"{what}: more is missing than that row")
                    if any(handle is None or not str(handle).strip() for handle in handles):
                        broken.add(f"{what}: it is listed, and cannot be asked about")
                left_out = [line["path"] for line in logged[noted:] if "left out" in line["event"]]
                assert len(left_out) == len(set(left_out))
                assert bool(left_out) or not are_left_out
        assert not broken


class Spoiler:
    """Listens in on a transport, and puts something else in place of the first row of each listing."""

    def __init__(self, transport: Any) -> None:
        self.row: Any = None
        """The first row that came by."""
        self.instead: Any = self
        self._call = transport.call
        transport.call = self.call

    async def call(self, *args: Any, **kwargs: Any) -> Answer:
        answer: Answer = await self._call(*args, **kwargs)
        path = next((path for path in places(answer.body) if self._is_a_row(answer.body, path)), None)
        if path is None:
            return answer
        if self.instead is self:
            self.row = self.row or part_of(answer.body, path)
            return answer
        content = jsonlib.dumps(replaced(answer.body, path, self.instead)).encode()
        return Answer(answer.status, parsed(content), content, answer.headers)

    @staticmethod
    def _is_a_row(body: Any, path: tuple[Any, ...]) -> bool:
        """The first of several objects, in a list or under their names."""
        around = part_of(body, path[:-1]) if path else None
        inside = list(around.values()) if isinstance(around, dict) else around if isinstance(around, list) else []
        return len(inside) > 1 and all(isinstance(row, dict) for row in inside)


def odd_rows(row: Any) -> Iterator[tuple[Any, str]]:
    """A row, and each fact in it, replaced by what nobody expects there."""
    for path in [(), *((name,) for name in row)]:
        for value in ODD_VALUES:
            yield replaced(row, path, value), f"{'.'.join(path) or 'a row'} = {str(value)[:30]!r}"


def part_of(body: Any, path: tuple[Any, ...]) -> Any:
    """What is at this place."""
    for step in path:
        body = body[step]
    return body


class Replay:
    """Listens in on a transport, and answers in its place once it was told what to say."""

    def __init__(self, transport: Any) -> None:
        self.answer = Answer(0, None, b"", {})
        self._is_told = False
        self._call = transport.call
        transport.call = self.call

    def say(self, status: int, body: Any) -> None:
        content = jsonlib.dumps(body).encode()
        self.answer = Answer(status, parsed(content), content, self.answer.headers)
        self._is_told = True

    async def call(self, *args: Any, **kwargs: Any) -> Answer:
        if not self._is_told:
            self.answer = await self._call(*args, **kwargs)
        return self.answer


def odd_versions(body: Any) -> Iterator[tuple[Any, str]]:
    """A body with one thing in it replaced, for each thing and each replacement; and where it was replaced."""
    for path in places(body):
        for value in ODD_VALUES:
            yield replaced(body, path, value), f"{'.'.join(map(str, path)) or 'the whole'} = {str(value)[:30]!r}"


def places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each thing in a body; of a list, to its first."""
    yield path
    inner = body.items() if isinstance(body, dict) else enumerate(body[:1]) if isinstance(body, list) else ()
    for key, value in inner:
        yield from places(value, (*path, key))


def replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The body with another value at this place."""
    if not path:
        return value
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[path[0]] = replaced(body[path[0]], path[1:], value)
    return copy


def assert_well_said(error: ProviderError) -> None:
    """A sentence that a person may read, and what to do now."""
    assert error.sentence == str(error)
    assert error.sentence[0].isupper() or error.sentence[0] in "“"
    assert error.sentence[-1] in ".:…" or " says: " in error.sentence
    assert error.cure
    assert error.cure[-1] == "."
    assert "Traceback" not in error.sentence + error.cure
    assert "http" not in error.sentence


async def everything_for(call: Call, stage: Stage) -> list[Arrived]:
    """All that arrives for one call of a client that has just been opened; the stage then remembers the call alone."""
    client = stage.open()
    await client.verify_credentials()
    before = list(stage.sandbox.arrived)
    stage.sandbox.arrived.clear()
    await call.do(client)
    return [*before, *stage.sandbox.arrived]


async def rested(client: Any, clock: Any) -> None:
    """Let a rest of the account pass, so that the next call is sent as well."""
    client._transport._rest.lift()
    clock.advance(60)
