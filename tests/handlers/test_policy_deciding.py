"""Whose word counts: the approvers', those to whom one of them handed it over, and nobody's twice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.policy import Refusal, Ruling, Terms, in_force, right_of
from storage.records import Delegation

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PEOPLE = ["U0ANA", "U0OMAR", "U0FINN", "U0NORA", "U0GUS"]


def handed_over(principal: str, delegate: str) -> Delegation:
    return Delegation(f"dlg_{principal}_{delegate}", principal, delegate, "C0APPROVALS", NOW, NOW + timedelta(days=4))


def ruling(requester_may: bool = False) -> Ruling:
    return Ruling("", (), False, Terms(approvers=("U0OMAR", "U0FINN"), needs=2, requester_may=requester_may))


def right(
    by: str,
    *,
    requester_may: bool = False,
    delegations: Sequence[Delegation] = (),
    voted: Collection[str] = (),
    entitled: Collection[str] = ("U0OMAR", "U0FINN"),
) -> str | Refusal:
    """What somebody may do about Ana's request, which Omar and Finn may decide."""
    return right_of(
        by,
        requester="U0ANA",
        ruling=ruling(requester_may),
        entitled=frozenset(entitled),
        delegations=delegations,
        voted=voted,
    )


def why(refused: str | Refusal) -> str:
    assert isinstance(refused, Refusal)
    return refused.sentence


OWN = "This is your own request, so somebody else has to decide it. Nothing was changed."
NOT_AMONG = "You are not among the people who may decide this. Nothing was changed."
VOTED = "You have already approved this; it waits for somebody else. Nothing was changed."


def test_who_is_named_may_decide_and_nobody_else() -> None:
    assert right("U0OMAR") == "U0OMAR"
    assert why(right("U0NORA")) == NOT_AMONG
    assert why(right("U0OMAR", entitled=())) == NOT_AMONG


def test_the_requester_does_not_decide_unless_the_rule_says_so() -> None:
    ana_and_omar = ("U0ANA", "U0OMAR")

    assert why(right("U0ANA")) == OWN
    assert why(right("U0ANA", entitled=ana_and_omar)) == OWN
    assert right("U0ANA", entitled=ana_and_omar, requester_may=True) == "U0ANA"
    assert why(right("U0ANA", requester_may=True)) == NOT_AMONG
    assert why(right("U0ANA", delegations=[handed_over("U0OMAR", "U0ANA")])) == OWN


def test_whoever_has_said_yes_does_not_say_it_again() -> None:
    assert why(right("U0OMAR", voted=["U0OMAR"])) == VOTED
    assert right("U0FINN", voted=["U0OMAR"]) == "U0FINN"


def test_somebody_who_is_away_hands_their_word_over() -> None:
    away = [handed_over("U0OMAR", "U0NORA")]

    assert right("U0NORA", delegations=away) == "U0OMAR"
    assert right("U0OMAR", delegations=away) == "U0OMAR"
    assert why(right("U0GUS", delegations=away)) == NOT_AMONG
    # Nora has used Omar's word: neither of them has another.
    used = ("U0NORA", "U0OMAR")
    assert why(right("U0NORA", delegations=away, voted=used)) == VOTED
    assert why(right("U0OMAR", delegations=away, voted=used)) == VOTED
    # Omar was quicker than Nora.
    assert why(right("U0NORA", delegations=away, voted=["U0OMAR"])) == (
        "Whoever handed their decisions over to you has already approved this; it waits for somebody else. "
        "Nothing was changed."
    )


def test_who_decides_for_themselves_and_for_another_is_one_person() -> None:
    away = [handed_over("U0OMAR", "U0FINN")]

    assert right("U0FINN", delegations=away) == "U0FINN"
    assert why(right("U0FINN", delegations=away, voted=["U0FINN"])) == VOTED


def test_of_two_who_are_away_the_one_who_has_not_voted_is_stood_in_for() -> None:
    away = [handed_over("U0OMAR", "U0NORA"), handed_over("U0FINN", "U0NORA")]

    assert right("U0NORA", delegations=away) == "U0OMAR"
    assert right("U0NORA", delegations=away, voted=["U0OMAR"]) == "U0FINN"


def test_what_was_handed_over_is_not_handed_on() -> None:
    chain = [handed_over("U0OMAR", "U0NORA"), handed_over("U0NORA", "U0GUS")]

    assert why(right("U0GUS", delegations=chain)) == NOT_AMONG


@pytest.mark.parametrize("requester_may", [False, True])
def test_a_request_is_not_decided_for_the_one_who_asked(requester_may: bool) -> None:
    away = [handed_over("U0ANA", "U0NORA")]

    refused = right("U0NORA", delegations=away, entitled=("U0ANA", "U0OMAR"), requester_may=requester_may)

    assert why(refused) == (
        "Whoever asked for this handed their decisions over to you. Their own request has to be decided by somebody "
        "else. Nothing was changed."
    )


def test_handing_over_ends_by_itself() -> None:
    one = handed_over("U0OMAR", "U0NORA")
    second = timedelta(seconds=1)

    assert in_force([one], one.begins_at - second) == ()
    assert in_force([one], one.begins_at) == (one,)
    assert in_force([one], one.ends_at - second) == (one,)
    assert in_force([one], one.ends_at) == ()


@given(
    clicks=st.lists(st.sampled_from(PEOPLE), max_size=12),
    delegations=st.lists(st.builds(handed_over, st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)), max_size=6),
    entitled=st.frozensets(st.sampled_from(PEOPLE)),
    requester_may=st.booleans(),
)
def test_however_people_click_each_yes_is_of_another_person_with_a_right_of_their_own(
    clicks: list[str], delegations: list[Delegation], entitled: frozenset[str], requester_may: bool
) -> None:
    said: list[tuple[str, str]] = []
    for by in clicks:
        voted = {who for pair in said for who in pair}
        whose = right(by, requester_may=requester_may, delegations=delegations, voted=voted, entitled=entitled)
        if isinstance(whose, str):
            said.append((by, whose))

    clickers, principals = [by for by, _ in said], [whose for _, whose in said]
    assert len(set(clickers)) == len(said)
    assert len(set(principals)) == len(said) <= len(entitled)  # standing in for others adds nobody to the count
    assert set(principals) <= entitled
    for by, whose in said:
        assert by == whose or any((one.principal, one.delegate) == (whose, by) for one in delegations)
        assert whose != "U0ANA" or by == "U0ANA"
        assert requester_may or "U0ANA" not in (by, whose)
    # Nobody was turned away who could have been counted: whoever is entitled and clicked was counted, in some way.
    counted = {*clickers, *principals}
    assert {one for one in clicks if one in entitled and (requester_may or one != "U0ANA")} <= counted
