"""Which rule is about a request, what it asks for, and what the request counts against."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.policy import (
    Budget,
    Circumstances,
    Conditions,
    Part,
    Policy,
    Refusal,
    Rule,
    Ruling,
    Shortage,
    Terms,
    budgets_for,
    explain,
    is_decided,
    missing,
    own_people_again,
    owner_ruling,
    period_of,
    right_of,
    rule,
    shortages,
    total_of,
    with_stand_ins,
    within_tolerance,
)
from providers.action import Effect, Quote, QuoteLine
from storage.records import Delegation

DEFAULT = Terms(approvers=("U0OMAR", "S0FINANCE"))
TWO = Terms(approvers=("U0NORA", "U0FINN"), needs=2)
FREE = Terms(approvers=("U0NORA",), auto_below=Decimal(20))

BUYING = Circumstances(
    command="domain buy",
    effect=Effect.SPEND,
    provider="mailin",
    account="mailin-main",
    total=Decimal("118.00"),
    currency="USD",
    channel="C0GROWTH",
    requester="U0ANA",
    groups=frozenset({"S0GROWTH"}),
)


def policy(*rules: Rule, default: Terms = DEFAULT, budgets: tuple[Budget, ...] = ()) -> Policy:
    return Policy(default=default, channel="C0APPROVALS", rules=rules, budgets=budgets)


def quote(*prices: str | None, currency: str = "USD") -> Quote:
    lines = [QuoteLine(what=f"{n}", price=None if price is None else Decimal(price)) for n, price in enumerate(prices)]
    return Quote(lines=tuple(lines), currency=currency)


@pytest.mark.parametrize(
    ("conditions", "why_not"),
    [
        (Conditions(), None),
        (Conditions(action="domain buy"), None),
        (Conditions(action="domain *"), None),
        (Conditions(action="* buy"), None),
        (Conditions(action="domain"), "it is for “domain”"),
        (Conditions(action="mailbox *"), "it is for “mailbox *”"),
        (Conditions(action="Domain Buy"), "it is for “Domain Buy”"),
        (Conditions(effect=Effect.SPEND), None),
        (Conditions(effect=Effect.DESTROY), "it is for what is called destroy, and this is spend"),
        (Conditions(provider="mailin"), None),
        (Conditions(provider="smailor"), "it is for smailor, and this is at mailin"),
        (Conditions(account="mailin-main"), None),
        (Conditions(account="mailin-second"), "it is for the account mailin-second, and this is of mailin-main"),
        (Conditions(channel="C0GROWTH"), None),
        (Conditions(channel="C0OTHER"), "it is for what is asked in C0OTHER"),
        (Conditions(requesters=("U0ANA",)), None),
        (Conditions(requesters=("S0OTHER", "S0GROWTH")), None),
        (Conditions(requesters=("S0OTHER", "U0FINN")), "it is for what S0OTHER or U0FINN asks"),
        (Conditions(currency="USD"), None),
        (Conditions(currency="credits"), "it is for credits, and this is in USD"),
        (Conditions(over=Decimal("117.99"), currency="USD"), None),
        (Conditions(over=Decimal("118.00"), currency="USD"), "it is for more than 118.00 USD"),
        (Conditions(under=Decimal("118.01"), currency="USD"), None),
        (Conditions(under=Decimal("118.00"), currency="USD"), "it is for less than 118.00 USD"),
        (Conditions(over=Decimal(1), currency="EUR"), "it is for EUR, and this is in USD"),
        (Conditions(action="domain buy", channel="C0OTHER"), "it is for what is asked in C0OTHER"),
    ],
)
def test_each_condition_has_to_be_met(conditions: Conditions, why_not: str | None) -> None:
    its = policy(Rule("ours", conditions, TWO))

    ruling, told = rule(its, BUYING), explain(its, BUYING)

    if why_not is None:
        assert (ruling.rule, ruling.terms) == ("ours", TWO)
        assert told[0] == "The rule “ours” is about this."
    else:
        assert (ruling.rule, ruling.terms) == ("", DEFAULT)
        assert told[0] == f"The rule “ours” is not about this: {why_not}."
        assert told[1] == "No rule is about this, so the defaults hold."


def test_the_first_rule_that_matches_holds() -> None:
    first, second = Rule("first", Conditions(over=Decimal(100)), TWO), Rule("second", Conditions(), FREE)

    assert rule(policy(first, second), BUYING).rule == "first"
    assert rule(policy(second, first), BUYING).rule == "second"
    assert rule(policy(first, second), replace(BUYING, total=Decimal(99))).rule == "second"


def test_who_has_to_say_yes_is_said() -> None:
    assert rule(policy(), BUYING).why == (
        "No rule is about this, so the defaults hold.",
        "One has to say yes, of: U0OMAR or S0FINANCE.",
    )
    its = policy(Rule("two", Conditions(), replace(TWO, requester_may=True)))
    assert rule(its, BUYING).why == (
        "The rule “two” is about this.",
        "2 different people have to say yes, of: U0NORA or U0FINN. Whoever asked may be one of them.",
    )


@pytest.mark.parametrize(("total", "auto"), [("19.99", True), ("0", True), ("20", False), ("20.01", False)])
def test_below_an_amount_nobody_is_asked(total: str, auto: bool) -> None:
    its = policy(Rule("small", Conditions(currency="USD"), FREE))

    ruling = rule(its, replace(BUYING, total=Decimal(total)))

    assert ruling.auto is auto
    if auto:
        assert ruling.why == (
            "The rule “small” is about this.",
            "It costs less than 20 USD, so nobody has to be asked.",
        )


def test_an_amount_is_of_one_currency() -> None:
    its = policy(Rule("small", Conditions(currency="USD"), FREE))

    assert not rule(its, replace(BUYING, total=Decimal(1), currency="EUR")).auto
    assert not rule(its, replace(BUYING, total=Decimal(1), currency="credits")).auto
    assert rule(its, replace(BUYING, total=Decimal(0), currency="")).auto
    assert rule(its, replace(BUYING, total=Decimal(0), currency="EUR")).rule == ""
    dear = policy(Rule("dear", Conditions(over=Decimal(500)), TWO))
    assert explain(dear, BUYING)[0] == "The rule “dear” is not about this: it is for more than 500 USD."


def test_what_cannot_be_undone_is_approved_by_itself_only_where_a_rule_says_so_by_name() -> None:
    deleting = replace(BUYING, command="domain delete", effect=Effect.DESTROY, total=Decimal(0), currency="")
    by_action = Rule("deleting", Conditions(action="domain delete", currency="USD"), FREE)
    by_effect = Rule("destroying", Conditions(effect=Effect.DESTROY, currency="USD"), FREE)

    refused = rule(policy(by_action), deleting)
    assert (refused.rule, refused.auto, refused.terms) == ("deleting", False, FREE)
    assert refused.groups == ("S0GROWTH",)
    assert (
        "It cannot be undone, and the rule does not name that effect, so it is not approved by itself." in refused.why
    )
    assert rule(policy(by_effect), deleting).auto


def test_an_unknown_price_is_decided_by_the_default_approvers() -> None:
    unknown = replace(BUYING, total=None)
    two = Rule("dear", Conditions(over=Decimal(500), currency="USD"), TWO)
    small = Rule("small", Conditions(under=Decimal(500), currency="USD"), replace(FREE, needs=3))

    ruling = rule(policy(small, two), unknown)

    assert ruling.rule == "dear"  # it may be a lot; it is never taken for little
    assert ruling.terms == replace(DEFAULT, needs=2)
    assert ruling.why == (
        "Nobody knows the price, so the default approvers decide.",
        "The rule “dear” asks for more people than usual.",
        "2 different people have to say yes, of: U0OMAR or S0FINANCE.",
    )
    assert not ruling.auto
    assert explain(policy(small), unknown)[0] == (
        "The rule “small” is not about this: it is for less than 500 USD, and nobody knows the price of this."
    )
    assert rule(policy(two), replace(unknown, currency="")).rule == "dear"
    assert rule(policy(two), replace(unknown, currency="EUR")).rule == ""


def test_an_unknown_price_without_a_rule_that_asks_for_more_is_decided_as_usual() -> None:
    unknown = replace(BUYING, total=None)
    careless = replace(DEFAULT, auto_below=Decimal(1000))
    as_usual = (
        "Nobody knows the price, so the default approvers decide.",
        "One has to say yes, of: U0OMAR or S0FINANCE.",
    )

    for its in (policy(default=careless), policy(Rule("one", Conditions(), FREE), default=careless)):
        ruling = rule(its, unknown)
        assert (ruling.terms, ruling.auto, ruling.why) == (DEFAULT, False, as_usual)
    assert rule(policy(default=careless), BUYING).terms == DEFAULT


def test_a_rule_cannot_ask_for_fewer_people_where_the_price_is_unknown() -> None:
    strict = replace(DEFAULT, needs=3)

    ruling = rule(policy(Rule("lax", Conditions(), FREE), default=strict), replace(BUYING, total=None))

    assert ruling.terms == strict


AMOUNTS = st.decimals(0, 1000, places=2)
WHO = st.sampled_from(["U0ANA", "U0OMAR", "U0FINN", "S0GROWTH", "S0FINANCE"])
TERMS = st.builds(
    Terms,
    approvers=st.lists(WHO, min_size=1, unique=True).map(tuple),
    needs=st.integers(1, 4),
    requester_may=st.booleans(),
    auto_below=st.none() | AMOUNTS,
    expires_after=st.none() | st.timedeltas(timedelta(minutes=1), timedelta(days=90)),
    remind_after=st.lists(st.timedeltas(timedelta(minutes=1), timedelta(days=9)), max_size=3, unique=True)
    .map(sorted)
    .map(tuple),
    escalate_to=st.lists(WHO, max_size=2, unique=True).map(tuple),
    escalate_after=st.none() | st.timedeltas(timedelta(minutes=1), timedelta(days=9)),
)
CONDITIONS = st.builds(
    Conditions,
    action=st.sampled_from(["", "domain *", "mailbox delete"]),
    effect=st.none() | st.sampled_from(list(Effect)),
    provider=st.sampled_from(["", "mailin", "smailor"]),
    over=st.none() | AMOUNTS,
    under=st.none() | AMOUNTS,
    currency=st.sampled_from(["", "USD", "credits"]),
    channel=st.sampled_from(["", "C0GROWTH"]),
    requesters=st.lists(WHO, max_size=2, unique=True).map(tuple),
)
RULES = st.lists(st.tuples(CONDITIONS, TERMS), max_size=4).map(
    lambda all_: tuple(Rule(f"rule {n}", conditions, terms) for n, (conditions, terms) in enumerate(all_))
)
POLICIES = st.builds(Policy, default=TERMS, channel=st.just("C0APPROVALS"), rules=RULES)
REQUESTS = st.builds(
    Circumstances,
    command=st.sampled_from(["domain buy", "domain delete", "mailbox delete"]),
    effect=st.sampled_from([Effect.SPEND, Effect.WRITE, Effect.DESTROY]),
    provider=st.sampled_from(["mailin", "smailor"]),
    account=st.just("main"),
    total=st.none() | AMOUNTS,
    currency=st.sampled_from(["", "USD", "credits"]),
    channel=st.sampled_from(["C0GROWTH", "C0OTHER"]),
    requester=st.sampled_from(["U0ANA", "U0OMAR"]),
    groups=st.frozensets(st.sampled_from(["S0GROWTH", "S0FINANCE"])),
)


@given(POLICIES, REQUESTS)
def test_whatever_the_rules_only_a_rule_that_is_about_a_known_price_approves_by_itself(
    its: Policy, c: Circumstances
) -> None:
    ruling = rule(its, c)

    if ruling.auto:
        by = next(one for one in its.rules if one.name == ruling.rule)
        assert c.total is not None
        assert by.terms.auto_below is not None
        assert c.total < by.terms.auto_below
        assert c.effect is not Effect.DESTROY or by.conditions.effect is Effect.DESTROY
    if c.total is None:
        assert ruling.terms.approvers == its.default.approvers
        assert ruling.terms.needs >= its.default.needs
        assert ruling.terms.requester_may == its.default.requester_may
    elif not ruling.rule:
        assert ruling.terms == replace(its.default, auto_below=None)


@given(POLICIES, REQUESTS)
def test_the_explanation_ends_as_the_ruling_does(its: Policy, c: Circumstances) -> None:
    ruling, told = rule(its, c), explain(its, c)

    names = [one.name for one in its.rules]
    passed_over = names.index(ruling.rule) if ruling.rule else len(names)
    assert len(told) == passed_over + len(ruling.why)
    assert tuple(told[passed_over:]) == ruling.why
    for name, line in zip(names[:passed_over], told, strict=False):
        assert line.startswith(f"The rule “{name}” is not about this: ")


@given(POLICIES, REQUESTS)
def test_what_was_ruled_is_kept_with_the_request(its: Policy, c: Circumstances) -> None:
    ruling = rule(its, c)

    assert Ruling.from_json(json.loads(json.dumps(ruling.to_json()))) == ruling
    assert ruling.groups == tuple(sorted(c.groups))


KEPT = rule(policy(), BUYING).to_json()


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {},
        {**KEPT, "terms": {}},
        {**KEPT, "auto": "yes"},
        {**KEPT, "terms": {"approvers": ["U0OMAR"], "needs": 0}},
        {**KEPT, "terms": {"approvers": ["U0OMAR"], "needs": "2"}},
        {**KEPT, "terms": {"approvers": "U0OMAR"}},
        {**KEPT, "rule": datetime(2026, 3, 2, tzinfo=UTC)},
    ],
)
def test_what_this_version_cannot_read_is_no_ruling(stored: object) -> None:
    assert Ruling.from_json(stored) is None  # type: ignore[arg-type]


def test_the_groups_to_look_up_are_those_that_a_rule_or_a_budget_names() -> None:
    its = policy(
        Rule("ours", Conditions(requesters=("U0ANA", "S0GROWTH")), TWO),
        budgets=(
            Budget("sales", Decimal(1), "USD", team="S0SALES"),
            Budget("channel", Decimal(1), "USD", team="C0GROWTH"),
            Budget("all", Decimal(1), "USD"),
        ),
    )

    assert its.groups() == {"S0GROWTH", "S0SALES"}


# Prices.


@pytest.mark.parametrize(
    ("effect", "quoted", "total"),
    [
        (Effect.SPEND, None, None),
        (Effect.WRITE, None, "0"),
        (Effect.DESTROY, None, "0"),
        (Effect.SPEND, quote("1.50", "2"), "3.50"),
        (Effect.SPEND, quote("1.50", None), None),
        (Effect.SPEND, quote(), "0"),
    ],
)
def test_what_it_costs_as_the_rules_see_it(effect: Effect, quoted: Quote | None, total: str | None) -> None:
    assert total_of(effect, quoted) == (None if total is None else Decimal(total))


@pytest.mark.parametrize(
    ("approved", "new", "percent", "goes_on"),
    [
        (None, None, "0", True),
        (quote("10"), None, "0", False),
        (None, quote("0"), "0", False),
        (quote("10"), quote("10"), "0", True),
        (quote("10"), quote("9.99"), "0", False),
        (quote("10"), quote("9.50"), "5", True),
        (quote("10"), quote("9.49"), "5", False),
        (quote("10"), quote("10.01"), "0", False),
        (quote("10"), quote("10.50"), "5", True),
        (quote("10"), quote("10.51"), "5", False),
        (quote("10"), quote("10", currency="EUR"), "5", False),
        (quote("0"), quote("0.01"), "100", False),
        (quote("10", None), quote("10", None), "0", True),
        (quote("10", None), quote("11", None), "100", False),
        (quote("10", None), quote("10", "1"), "100", False),
        (quote("10", "1"), quote("10", None), "100", False),
        (quote("0.10", "0.20"), quote("0.30"), "0", True),
    ],
)
def test_a_price_may_move_by_the_tolerance(
    approved: Quote | None, new: Quote | None, percent: str, goes_on: bool
) -> None:
    assert within_tolerance(approved, new, Decimal(percent) / 100) is goes_on


@given(AMOUNTS, AMOUNTS, st.integers(0, 100))
def test_what_goes_on_never_costs_more_than_was_approved_and_the_tolerance(
    approved: Decimal, new: Decimal, percent: int
) -> None:
    tolerance = Decimal(percent) / 100
    assert within_tolerance(quote(str(approved)), quote(str(new)), tolerance) is (
        abs(new - approved) <= approved * tolerance
    )


def test_what_costs_or_destroys_needs_a_decision_and_the_rest_does_not() -> None:
    free = replace(BUYING, total=Decimal(0), currency="")
    assert {effect for effect in Effect if is_decided(policy(), replace(free, effect=effect))} == {
        Effect.SPEND, Effect.DESTROY,
    }  # fmt: skip
    write = replace(free, effect=Effect.WRITE)
    assert is_decided(policy(), replace(write, total=None))
    assert is_decided(policy(), replace(write, total=Decimal("0.01")))


@pytest.mark.parametrize(
    ("conditions", "decided"),
    [
        (Conditions(effect=Effect.WRITE), True),
        (Conditions(action="domain buy"), True),
        (Conditions(action="domain *"), False),
        (Conditions(), False),
        (Conditions(effect=Effect.WRITE, channel="C0ELSEWHERE"), False),
    ],
    ids=str,
)
def test_a_free_change_waits_only_for_a_rule_that_names_it(conditions: Conditions, decided: bool) -> None:
    write = replace(BUYING, effect=Effect.WRITE, total=Decimal(0), currency="")
    assert is_decided(policy(Rule("named", conditions, DEFAULT)), write) is decided
    assert not is_decided(policy(Rule("named", conditions, DEFAULT)), replace(write, effect=Effect.READ))


# Budgets.


@pytest.mark.parametrize(
    ("budget", "counts"),
    [
        (Budget("all", Decimal(1), "USD"), True),
        (Budget("group", Decimal(1), "USD", team="S0GROWTH"), True),
        (Budget("other group", Decimal(1), "USD", team="S0SALES"), False),
        (Budget("channel", Decimal(1), "USD", team="C0GROWTH"), True),
        (Budget("other channel", Decimal(1), "USD", team="C0SALES"), False),
        (Budget("provider", Decimal(1), "USD", provider="mailin"), True),
        (Budget("other provider", Decimal(1), "USD", provider="smailor"), False),
        (Budget("credits", Decimal(1), "credits"), False),
    ],
)
def test_a_request_counts_against_the_budgets_that_are_about_it(budget: Budget, counts: bool) -> None:
    always = Budget("always", Decimal(1), "USD")

    assert budgets_for(policy(budgets=(budget, always)), BUYING) == ((budget, always) if counts else (always,))


@pytest.mark.parametrize(
    ("zone", "moment", "period"),
    [
        ("UTC", "2026-03-31T23:59:59+00:00", "2026-03"),
        ("UTC", "2026-04-01T00:00:00+00:00", "2026-04"),
        ("Europe/Berlin", "2026-03-31T21:59:59+00:00", "2026-03"),  # summer time since the 29th
        ("Europe/Berlin", "2026-03-31T22:00:00+00:00", "2026-04"),
        ("Europe/Berlin", "2026-10-31T22:30:00+00:00", "2026-10"),  # winter time since the 25th
        ("Europe/Berlin", "2026-10-31T23:00:00+00:00", "2026-11"),
        ("America/Los_Angeles", "2027-01-01T07:59:00+00:00", "2026-12"),
        ("Pacific/Kiritimati", "2026-12-31T10:00:00+00:00", "2027-01"),
    ],
)
def test_a_month_begins_where_the_budget_is(zone: str, moment: str, period: str) -> None:
    budget = Budget("ours", Decimal(1), "USD", time_zone=zone)

    assert period_of(budget, datetime.fromisoformat(moment)) == period


def test_over_budget_the_owners_decide_and_nobody_goes_round_them() -> None:
    terms = replace(
        TWO,
        requester_may=True,
        ping=("U0NORA",),
        auto_below=Decimal(500),
        escalate_to=("U0OMAR",),
        escalate_after=timedelta(hours=1),
        expires_after=timedelta(days=3),
        remind_after=(timedelta(hours=4),),
    )
    before = rule(policy(Rule("cheap", Conditions(currency="USD"), terms)), BUYING)
    one = Budget("growth", Decimal(1), "USD", over="owner", owners=("U0GUS", "S0BOARD"))
    other = Budget("all", Decimal(1), "USD", over="owner", owners=("S0BOARD", "U0HEDDA"))
    assert before.auto

    after = owner_ruling(before, [one, other])

    assert not after.auto
    assert after.rule == "cheap"
    assert after.terms == Terms(  # nobody else would have been asked, so they alone are
        approvers=("U0GUS", "S0BOARD", "U0HEDDA"),
        ping=("U0GUS", "S0BOARD", "U0HEDDA"),
        expires_after=timedelta(days=3),
        remind_after=(timedelta(hours=4),),
        owners=(("U0GUS", "S0BOARD"), ("S0BOARD", "U0HEDDA")),
    )
    assert after.why == (  # and not that nobody has to be asked
        "The rule “cheap” is about this.",
        "It goes over the budget “growth”, so U0GUS or S0BOARD has to say yes.",
        "It goes over the budget “all”, so S0BOARD or U0HEDDA has to say yes.",
    )


def test_over_budget_an_owner_of_each_has_to_say_yes_besides_those_of_the_rule() -> None:
    terms = replace(
        DEFAULT,
        needs=2,
        requester_may=True,
        ping=("U0OMAR",),
        escalate_to=("U0NORA",),
        escalate_after=timedelta(hours=1),
    )
    before = rule(policy(Rule("much", Conditions(), terms)), BUYING)
    one = Budget("growth", Decimal(1), "USD", over="owner", owners=("U0GUS", "S0BOARD"))
    other = Budget("all", Decimal(1), "USD", over="owner", owners=("U0OMAR",))

    after = owner_ruling(before, [one, other])

    assert (after.terms.approvers, after.terms.needs) == (DEFAULT.approvers, 2)
    assert after.terms.ping == ("U0OMAR", "U0GUS", "S0BOARD")
    assert not after.terms.requester_may
    assert after.terms.deciders(escalated=True) == (*DEFAULT.approvers, "U0GUS", "S0BOARD")
    assert after.parts(escalated=False) == (
        Part(DEFAULT.approvers, 2), Part(("U0GUS", "S0BOARD"), 1, "growth"), Part(("U0OMAR",), 1, "all"),
    )  # fmt: skip
    parts = after.parts(escalated=False)
    people = [frozenset({"U0OMAR", "U0FINN", "U0IVY"}), frozenset({"U0GUS", "U0IVY"}), frozenset({"U0OMAR"})]
    assert missing(parts, people, []) == list(parts)
    # Omar counts for what is his, too.
    assert missing(parts, people, ["U0OMAR"]) == [replace(parts[0], needs=1), parts[1]]
    assert missing(parts, people, ["U0OMAR", "U0FINN"]) == [parts[1]]
    assert missing(parts, people, ["U0OMAR", "U0GUS"]) == [replace(parts[0], needs=1)]
    assert missing(parts, people, ["U0FINN", "U0IVY"]) == [parts[2]]
    assert missing(parts, people, ["U0OMAR", "U0IVY"]) == []
    assert shortages(after, "U0ANA", parts, people) == []
    short = shortages(after, "U0OMAR", parts, people)
    assert short == [Shortage(parts[2], "There is nobody who may decide about more than the budget “all” has.")]


@pytest.mark.parametrize(
    ("short", "own", "gus", "ivy", "whose"),
    [
        ([0], True, False, False, "those who decide by it"),
        ([1], False, True, False, "the owners of the budget “all”"),
        ([1, 2], False, True, True, "the owners of the budget “all” and the owners of the budget “growth”"),
        ([0, 2], True, False, True, "those who decide by it and the owners of the budget “growth”"),
    ],
)
def test_who_stands_in_does_so_only_for_those_who_cannot(
    short: list[int], own: bool, gus: bool, ivy: bool, whose: str
) -> None:
    budgets = [
        Budget("all", Decimal(1), "USD", over="owner", owners=("U0GUS",)),
        Budget("growth", Decimal(1), "USD", over="owner", owners=("U0IVY",)),
    ]
    over = owner_ruling(rule(policy(), BUYING), budgets)

    ruling = with_stand_ins(over, ("U0NORA",), [over.parts(escalated=False)[one] for one in short])

    def nora(is_one: bool) -> tuple[str, ...]:
        return ("U0NORA",) if is_one else ()

    assert ruling.parts(escalated=True) == (
        Part((*DEFAULT.approvers, *nora(own)), 1),
        Part(("U0GUS", *nora(gus)), 1, "all"),
        Part(("U0IVY", *nora(ivy)), 1, "growth"),
    )
    assert ruling.why[-1] == f"Too few of {whose} can say so now, so U0NORA may in their place."
    assert Ruling.from_json(ruling.to_json()) == ruling
    assert own_people_again(ruling) == over


def test_who_stood_in_before_parts_had_stand_ins_of_their_own_still_does() -> None:
    over = owner_ruling(rule(policy(), BUYING), [Budget("all", Decimal(1), "USD", over="owner", owners=("U0GUS",))])
    own = Part(DEFAULT.approvers)
    stored = with_stand_ins(over, ("U0NORA",), [own]).to_json()
    del stored["instead_of"]

    ruling = Ruling.from_json(stored)

    assert ruling is not None
    assert ruling.parts(escalated=True) == (Part((*DEFAULT.approvers, "U0NORA"), 1), Part(("U0GUS",), 1, "all"))
    assert own_people_again(ruling) == over


def test_an_owner_is_not_reached_by_escalation() -> None:
    """However a ruling came to be: only those who stand in count for what is an owner's."""
    terms = replace(DEFAULT, escalate_to=("U0NORA",), owners=(("U0GUS",),))
    ruling = Ruling("", (), False, terms, over=("all",))

    assert ruling.parts(escalated=True) == (Part((*DEFAULT.approvers, "U0NORA"), 1), Part(("U0GUS",), 1, "all"))


def test_one_whose_part_is_met_is_told_for_whom_it_waits() -> None:
    ruling = Ruling("", (), False, replace(DEFAULT, owners=(("U0GUS",),)), over=("all",))
    now = datetime(2026, 11, 21, tzinfo=UTC)
    everybody, owners = frozenset({"U0OMAR", "U0FINN", "U0GUS"}), frozenset({"U0GUS"})
    handed = [Delegation("away_1", "U0GUS", "U0FINN", "C0OPS", now, now + timedelta(days=1))]

    def right(by: str, *handed: Delegation) -> str | Refusal:
        return right_of(
            by,
            requester="U0ANA",
            ruling=ruling,
            entitled=everybody,
            wanted=owners,
            delegations=handed,
            voted={"U0OMAR"},
        )

    assert "an owner of the budget" in str(right("U0FINN"))
    assert right("U0FINN", *handed) == "U0GUS"  # in the owner's place, although they may decide themselves
    assert right("U0GUS") == "U0GUS"


@pytest.mark.parametrize(
    ("needs", "requester_may", "entitled", "said"),
    [
        (1, False, {"U0OMAR"}, None),
        (1, False, {"U0ANA"}, "There is nobody who may decide this."),
        (1, True, {"U0ANA"}, None),
        (1, False, set(), "There is nobody who may decide this."),
        (2, False, {"U0OMAR", "U0FINN"}, None),
        (2, True, {"U0OMAR", "U0ANA"}, None),
        (
            2,
            False,
            {"U0OMAR", "U0ANA"},
            "This needs 2 different people, and there is only one who may decide it.",
        ),
        (2, False, {"U0ANA"}, "This needs 2 different people, and there is nobody who may decide it."),
        (
            3,
            False,
            {"U0OMAR", "U0FINN"},
            "This needs 3 different people, and there are only 2 who may decide it.",
        ),
    ],
)
def test_too_few_people_are_noticed(needs: int, requester_may: bool, entitled: set[str], said: str | None) -> None:
    ruling = Ruling("", (), False, replace(DEFAULT, needs=needs, requester_may=requester_may))

    short = next(iter(shortages(ruling, "U0ANA", ruling.parts(escalated=False), [frozenset(entitled)])), None)

    assert (short and short.why) == said


def test_less_than_one_person_is_no_decision() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Terms(approvers=("U0OMAR",), needs=0)


def test_those_it_was_taken_to_may_decide_as_well() -> None:
    terms = replace(DEFAULT, escalate_to=("U0NORA", "U0OMAR"))

    assert terms.deciders(escalated=False) == ("U0OMAR", "S0FINANCE")
    assert terms.deciders(escalated=True) == ("U0OMAR", "S0FINANCE", "U0NORA")
