"""The books: what is set apart, spent and free again, to the millionth; what is open already; whose word is whose."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import pytest
from sqlite_utils import Database

from storage import books
from storage.books import Books
from storage.records import Delegation, Fact, Request, RequestState, Reservation, Verdict, Vote
from tests.storage.scenes import ANA, FINGERPRINT, FINN, OMAR, Scene

T = TypeVar("T")
MARCH, APRIL = "2026-03", "2026-04"


async def wrote(scene: Scene, change: Callable[[Database], T]) -> T:
    return await scene.database.write(change)


async def reserved(scene: Scene, *amounts: tuple[str, str, str]) -> Request:
    """A request that has set these amounts apart: budget, period, how much."""
    request = await scene.draft()
    held = [Reservation(budget, period, Decimal(amount)) for budget, period, amount in amounts]
    await wrote(scene, lambda db: books.reserve(db, request.id, held))
    return request


async def settles(scene: Scene, request: Request, spent: str | None) -> None:
    await wrote(scene, lambda db: books.settle(db, request.id, None if spent is None else Decimal(spent)))


async def used(scene: Scene, budget: str = "team", period: str = MARCH) -> tuple[Decimal, Decimal]:
    """What the month says, which is what its requests say together."""
    use = await scene.store.look(lambda seen: seen.use(budget, period))
    assert (use.budget, use.period) == (budget, period)
    [(apart, spent)] = await scene.rows(
        "SELECT COALESCE(SUM(reserved), 0), COALESCE(SUM(spent), 0) FROM reservations WHERE budget = ? AND period = ?",
        budget,
        period,
    )
    assert (apart, spent) == (books.units(use.reserved), books.units(use.spent))
    return use.reserved, use.spent


async def held(scene: Scene, request: Request) -> list[Reservation]:
    return await scene.store.look(lambda seen: seen.held(request.id))


def money(*amounts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, amounts))


@pytest.mark.parametrize(
    ("amount", "millionths"),
    [("0", 0), ("12.50", 12_500_000), ("0.000001", 1), ("0.0000005", 1), ("0.0000025", 3), ("0.00000049", 0),
     ("-3", -3_000_000), ("99999999.999999", 99_999_999_999_999)],
)  # fmt: skip
def test_an_amount_is_whole_millionths(amount: str, millionths: int) -> None:
    assert books.units(Decimal(amount)) == millionths


async def test_what_is_set_apart_counts_in_its_month_and_budget_alone(scene: Scene) -> None:
    assert await used(scene) == money("0", "0")
    request = await reserved(scene, ("team", MARCH, "12.50"), ("mailin", MARCH, "12.50"))
    await reserved(scene, ("team", MARCH, "0.000001"))
    await reserved(scene, ("team", APRIL, "7"))

    assert await used(scene) == money("12.500001", "0")
    assert await used(scene, "team", APRIL) == money("7", "0")
    assert await used(scene, "mailin") == money("12.50", "0")
    assert await held(scene, request) == [
        Reservation("mailin", MARCH, Decimal("12.5"), is_spent=False),
        Reservation("team", MARCH, Decimal("12.5"), is_spent=False),
    ]


async def test_what_is_reserved_anew_is_instead_of_what_was(scene: Scene) -> None:
    request = await reserved(scene, ("team", MARCH, "40"), ("mailin", MARCH, "40"))
    other = await reserved(scene, ("team", MARCH, "5"))

    await wrote(scene, lambda db: books.reserve(db, request.id, [Reservation("team", APRIL, Decimal(3))]))

    assert await held(scene, request) == [Reservation("team", APRIL, Decimal(3))]
    assert await held(scene, other) == [Reservation("team", MARCH, Decimal(5))]
    assert [await used(scene), await used(scene, "mailin"), await used(scene, "team", APRIL)] == [
        money("5", "0"), money("0", "0"), money("3", "0"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spent", "left"),
    [(None, ("0", "40")), ("25.5", ("0", "25.5")), ("0", ("0", "0")), ("41", ("0", "41")), ("40", ("0", "40"))],
)
async def test_what_ends_has_spent_some_and_the_rest_is_free(
    scene: Scene, spent: str | None, left: tuple[str, str]
) -> None:
    request = await reserved(scene, ("team", MARCH, "40"), ("mailin", APRIL, "40"))
    other = await reserved(scene, ("team", MARCH, "9"))

    await settles(scene, request, spent)

    assert await used(scene) == (Decimal(left[0]) + 9, Decimal(left[1]))
    assert await used(scene, "mailin", APRIL) == money(*left)
    amount = Decimal(left[1])
    ended = [Reservation(b, p, amount, is_spent=True) for b, p in (("mailin", APRIL), ("team", MARCH))]
    assert await held(scene, request) == (ended if amount else [])
    assert await held(scene, other) == [Reservation("team", MARCH, Decimal(9))]


@pytest.mark.parametrize("again", [None, "0", "1", "40"])
async def test_an_end_counts_once(scene: Scene, again: str | None) -> None:
    request = await reserved(scene, ("team", MARCH, "40"))
    await settles(scene, request, "25")

    await settles(scene, request, again)
    await wrote(scene, lambda db: books.release(db, request.id))
    await wrote(scene, lambda db: books.change_amount(db, request.id, Decimal(1)))

    assert await used(scene) == money("0", "25")
    assert await held(scene, request) == [Reservation("team", MARCH, Decimal(25), is_spent=True)]


async def test_what_is_released_is_free_and_gone(scene: Scene) -> None:
    request = await reserved(scene, ("team", MARCH, "40"))
    other = await reserved(scene, ("team", MARCH, "2"))

    await wrote(scene, lambda db: books.release(db, request.id))
    await wrote(scene, lambda db: books.change_amount(db, request.id, Decimal(70)))

    assert await held(scene, request) == []
    assert await held(scene, other) != []
    assert await used(scene) == money("2", "0")


async def test_another_price_is_another_amount_of_the_same_budgets(scene: Scene) -> None:
    request = await reserved(scene, ("team", MARCH, "40"), ("mailin", APRIL, "40"))

    await wrote(scene, lambda db: books.change_amount(db, request.id, Decimal("44.25")))

    assert await used(scene) == await used(scene, "mailin", APRIL) == money("44.25", "0")


async def spends_late(scene: Scene, request: Request, *spent: Reservation, besides: bool = False) -> None:
    await wrote(scene, lambda db: books.spend_late(db, request.id, spent, besides=besides))


@pytest.mark.parametrize(("spent", "late", "then"), [("25", "40", "40"), ("25", "10", "25"), ("25", "25", "25")])
async def test_what_was_bought_after_all_is_counted_as_far_as_it_was_not(
    scene: Scene, spent: str, late: str, then: str
) -> None:
    request = await reserved(scene, ("team", MARCH, "40"), ("mailin", APRIL, "40"))
    other = await reserved(scene, ("team", MARCH, "9"))
    await settles(scene, request, spent)

    for _ in range(2):
        await spends_late(scene, request, Reservation("team", MARCH, Decimal(late)))
        assert await used(scene) == money("9", then)
        assert await used(scene, "mailin", APRIL) == money("0", then)
    assert await held(scene, other) == [Reservation("team", MARCH, Decimal(9))]


async def test_what_had_set_nothing_apart_any_more_is_counted_where_it_is_said_to(scene: Scene) -> None:
    request = await reserved(scene, ("team", MARCH, "40"))
    await settles(scene, request, "0")

    await spends_late(scene, request)
    assert await held(scene, request) == []
    await spends_late(scene, request, Reservation("team", MARCH, Decimal(40)), Reservation("all", APRIL, Decimal(40)))
    assert await held(scene, request) == [
        Reservation("all", APRIL, Decimal(40), is_spent=True),
        Reservation("team", MARCH, Decimal(40), is_spent=True),
    ]
    assert [await used(scene), await used(scene, "all", APRIL)] == [money("0", "40"), money("0", "40")]


@pytest.mark.parametrize("ends", ["0", "30", None])
async def test_what_another_attempt_bought_comes_on_top(scene: Scene, ends: str | None) -> None:
    request = await reserved(scene, ("team", MARCH, "40"))

    await spends_late(scene, request, Reservation("team", MARCH, Decimal(40)), besides=True)
    assert await used(scene) == money("40", "40")
    await settles(scene, request, ends)
    assert await used(scene) == money("0", str(40 + int("40" if ends is None else ends)))


async def test_what_another_attempt_bought_stays_when_this_one_costs_something_else(scene: Scene) -> None:
    request = await reserved(scene, ("team", MARCH, "40"))
    await spends_late(scene, request, Reservation("team", MARCH, Decimal(40)), besides=True)

    await wrote(scene, lambda db: books.reserve(db, request.id, [Reservation("team", MARCH, Decimal(44))]))
    assert await used(scene) == money("44", "40")


# What is open already.


async def about(scene: Scene, request: Request, *subjects: str) -> Request:
    await wrote(scene, lambda db: books.note_subjects(db, request.id, subjects))
    return request


async def open_about(
    scene: Scene,
    *subjects: str,
    account: str = "mailin-main",
    command: str = "domain buy",
    spends: Collection[str] = (),
    but: str = "",
) -> dict[str, str]:
    return await scene.store.look(
        lambda seen: seen.open_about(subjects, account=account, command=command, spends=spends, but=but)
    )


async def test_the_same_is_found_while_it_is_open(scene: Scene) -> None:
    request = await about(scene, await scene.waiting(), "Acme-Mail.com")
    found = {"acme-mail.com": request.id}

    assert await open_about(scene, "ACME-mail.com", "acme-mail.COM", "other.com") == found
    assert await open_about(scene, "acme-mail.com", but=request.id) == {}
    assert await open_about(scene, "acme-mail.com", but="req_another") == found
    assert await open_about(scene, "acme-mail.com", account="mailin-spare") == {}
    assert await open_about(scene, "acme-mail.com", command="domain renew") == {}
    assert await open_about(scene) == {}


@pytest.mark.parametrize("state", list(RequestState))
async def test_what_has_ended_or_was_never_asked_does_not_stand_in_the_way(scene: Scene, state: RequestState) -> None:
    request = await about(scene, await scene.waiting(), "acme-mail.com")
    await wrote(scene, lambda db: db.execute("UPDATE requests SET state = ?", [state.value]))

    is_open = not state.is_final and state is not RequestState.DRAFT
    assert await open_about(scene, "acme-mail.com") == ({"acme-mail.com": request.id} if is_open else {})


async def test_a_domain_is_bought_once_wherever_and_however(scene: Scene) -> None:
    request = await about(scene, await scene.waiting(), "acme-mail.com", "12 boxes")
    found = {"acme-mail.com": request.id}

    async def elsewhere(*subjects: str, spends: Collection[str]) -> dict[str, str]:
        return await open_about(scene, *subjects, account="smailor-main", command="order", spends=spends)

    assert await elsewhere("acme-mail.com", spends=["order", "domain buy"]) == found
    assert await elsewhere("acme-mail.com", spends=["order"]) == {}
    assert await elsewhere("12 boxes", spends=["order", "domain buy"]) == {}
    assert await open_about(scene, "12 boxes", spends=["domain buy"]) == {"12 boxes": request.id}


async def test_a_thousand_names_are_looked_up_as_well(scene: Scene) -> None:
    names = [f"acme-{number}.com" for number in range(1201)]
    request = await about(scene, await scene.waiting(), *names)
    await about(scene, request, *names)

    assert await open_about(scene, *names) == dict.fromkeys(names, request.id)
    assert await scene.rows("SELECT COUNT(*) FROM subjects") == [(1201,)]


async def test_what_was_taken_out_is_free_for_anybody_and_still_found_by_its_name(scene: Scene) -> None:
    request = await about(scene, await scene.waiting(), "acme-mail.com", "left.com")
    other = await about(scene, await scene.waiting(), "acme-mail.com")

    await wrote(scene, lambda db: books.take_out(db, request.id, ["ACME-Mail.com"]))

    assert await open_about(scene, "acme-mail.com", "left.com", but=other.id) == {"left.com": request.id}
    assert await open_about(scene, "acme-mail.com") == {"acme-mail.com": other.id}
    assert {one.id for one in await scene.store.requests.about("Acme-mail.com")} == {request.id, other.id}


async def test_an_address_is_found_by_its_domain_but_does_not_stand_in_the_domains_way(scene: Scene) -> None:
    request = await about(scene, await scene.waiting(), "Jo@Acme.com", "od@d@acme.com", "plain.com")

    assert {row[0] for row in await scene.rows("SELECT subject FROM subjects")} == {
        "jo@acme.com", "od@d@acme.com", "@acme.com", "plain.com",
    }  # fmt: skip
    assert [one.id for one in await scene.store.requests.about("ACME.com")] == [request.id]
    assert await open_about(scene, "acme.com") == {}


# Whose word is whose.


async def test_votes_are_those_on_this_content_in_their_order(scene: Scene) -> None:
    request, other = await scene.waiting(), await scene.waiting()
    first, second = scene.clock.now, scene.clock.passes(minutes=1)
    cast = [
        (request.id, FINN, "approve", FINGERPRINT, second, "Fine", FINN),
        (request.id, OMAR, "deny", FINGERPRINT, first, "No", "U0ZOE"),
        (request.id, ANA, "approve", "f2" * 32, first, "", ANA),
        (other.id, ANA, "approve", FINGERPRINT, first, "", ANA),
    ]
    columns = "request_id, voter, verdict, fingerprint, at, reason, principal"
    for row in cast:
        stored = [one.isoformat(timespec="microseconds") if isinstance(one, datetime) else one for one in row]
        await wrote(
            scene,
            lambda db, stored=stored: db.execute(f"INSERT INTO votes ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", stored),
        )

    assert await scene.store.look(lambda seen: seen.votes(request.id, FINGERPRINT)) == [
        Vote(request.id, OMAR, Verdict.DENY, FINGERPRINT, first, "No", "U0ZOE"),
        Vote(request.id, FINN, Verdict.APPROVE, FINGERPRINT, second, "Fine", FINN),
    ]


async def test_a_click_was_taken_if_the_audit_has_it_about_this_request(scene: Scene) -> None:
    request, other = await scene.waiting(), await scene.waiting()
    for click in ("trigger.1", ""):
        await scene.store.facts.note(request.id, Fact(OMAR, "approved", {"click": click}), scene.clock.now)

    async def was_taken(of: Request, click: str) -> bool:
        return await scene.store.look(lambda seen: seen.was_taken(of.id, click))

    assert await was_taken(request, "trigger.1")
    assert not await was_taken(request, "trigger.2")
    assert not await was_taken(other, "trigger.1")
    assert not await was_taken(request, "")


async def test_what_is_handed_over_holds_from_its_beginning_to_just_before_its_end(scene: Scene) -> None:
    begins = scene.clock.now
    handed = Delegation("away_1", OMAR, FINN, "C0OUTREACH", begins, begins + timedelta(days=2))
    other = Delegation("away_2", ANA, OMAR, "C0OUTREACH", begins, begins + timedelta(days=2))
    for one in (handed, other):
        await scene.store.delegations.hand_over(one, Fact(one.principal, "handed_over"))

    async def to(delegate: str, at: datetime) -> list[Delegation]:
        def question(seen: Books) -> list[Delegation]:
            return seen.handed_to(delegate, at)

        return await scene.store.look(question)

    moment = timedelta(microseconds=1)
    assert await to(FINN, begins - moment) == []
    assert await to(FINN, begins) == [handed]
    assert await to(FINN, handed.ends_at - moment) == [handed]
    assert await to(FINN, handed.ends_at) == []
    assert await to(OMAR, begins) == [other]
    assert await to(ANA, begins) == []


# Turns.


async def in_turn(scene: Scene, *, hours: int = 1, **otherwise: str) -> tuple[datetime | None, list[str]]:
    """When the last of them was sent within the last hours, and who still waits."""
    asked = {"account": "mailin-main", "command": "domain buy", "but": "", **otherwise}
    since = scene.clock.now - timedelta(hours=hours)
    sent, waiting = await scene.store.look(lambda seen: seen.turn("Turn:acme.com", since=since, **asked))
    return sent, [one.id for one in waiting]


async def test_who_waits_for_a_turn_and_when_the_last_one_was_sent(scene: Scene) -> None:
    assert await in_turn(scene) == (None, [])
    first = await about(scene, await scene.approved(), "turn:acme.com")
    scene.clock.passes(minutes=1)
    second = await about(scene, await scene.approved(), "turn:acme.com", "team.acme.com")
    await about(scene, await scene.approved(), "turn:other.com")
    await about(scene, await scene.waiting(), "turn:acme.com")  # nobody has said yes so far

    assert await in_turn(scene) == (None, [first.id, second.id])
    assert await in_turn(scene, but=first.id) == (None, [second.id])
    assert await in_turn(scene, account="mailin-spare") == await in_turn(scene, command="other") == (None, [])

    sent = scene.clock.passes(minutes=1)
    await scene.begin(first)
    scene.clock.passes(minutes=30)
    assert await in_turn(scene) == (sent, [second.id])
    assert await in_turn(scene, but=first.id) == (None, [second.id])
    scene.clock.passes(minutes=30)
    assert await in_turn(scene) == (None, [second.id])
    assert await in_turn(scene, hours=2) == (sent, [second.id])


@pytest.mark.parametrize("state", list(RequestState))
async def test_what_was_refused_has_taken_nobodys_turn(scene: Scene, state: RequestState) -> None:
    request = await about(scene, await scene.approved(), "turn:acme.com")
    sent = scene.clock.now
    await scene.begin(request)
    await wrote(scene, lambda db: db.execute("UPDATE requests SET state = ?", [state.value]))
    scene.clock.passes(minutes=10)

    waits = state is RequestState.APPROVED  # its own time is kept with it
    assert await in_turn(scene) == (
        None if waits or state is RequestState.FAILED else sent, [request.id] if waits else []
    )  # fmt: skip


async def test_a_request_by_its_id(scene: Scene) -> None:
    request = await scene.waiting()

    assert await scene.store.look(lambda seen: seen.request(request.id)) == request
    assert await scene.store.look(lambda seen: seen.request("req_another")) is None
