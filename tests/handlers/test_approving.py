"""What cards and reviews say about a decision, at the edges: budgets of every size, lists as long as they can get."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.blocks import completed_view, view_problems
from bot.sandbox.forms import values_of
from handlers.policy import Budget, Policy, Ruling, Terms
from handlers.slack import entered, windows
from handlers.slack.approving import bar, budget_lines, by_rule, voters, who_decides, who_will_decide
from providers.action import Quote, QuoteLine
from providers.mailin.actions.domains import BuyManyDomains
from storage.records import BudgetUse, Request, Reservation, Verdict, Vote

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WAITING = Request("req_1", "T0ACME", "U0ANA", "C0OUTREACH", "domain buy", NOW, NOW)
amounts = st.decimals(0, 10_000, places=2)


def ruled(*approvers: str, rule: str = "", over: tuple[str, ...] = (), needs: int = 1, **terms: object) -> Ruling:
    return Ruling(rule, (), auto=False, terms=Terms(approvers, needs=needs, **terms), over=over)  # type: ignore[arg-type]


def yes(*who: tuple[str, str]) -> Sequence[Vote]:
    return [Vote("req_1", voter, Verdict.APPROVE, "f", NOW, principal=principal) for voter, principal in who]


class TestBudget:
    AFTER = "This: *$118.00* · Sales after: *$470.00* of $1,000.00 (spent $200.00, reserved $152.00)\n`██▓▓░░░░░░`"

    def said(self, currency: str, *, taken: int, reserved: int, spent: int, is_reserved: bool) -> list[str]:
        policy = Policy(Terms(("U0OMAR",)), "C0", budgets=(Budget("Sales", Decimal(1000), currency),))
        use = BudgetUse("Sales", "2026-03", Decimal(reserved), Decimal(spent))
        counted = [(Reservation("Sales", "2026-03", Decimal(taken)), use)]
        return budget_lines(policy, counted, is_reserved=is_reserved)

    def test_a_card_and_a_review_say_the_same(self) -> None:
        assert self.said("USD", taken=118, reserved=270, spent=200, is_reserved=True) == [self.AFTER]
        assert self.said("USD", taken=118, reserved=152, spent=200, is_reserved=False) == [self.AFTER]

    def test_credits_and_more_than_there_are(self) -> None:
        assert self.said("credits", taken=900, reserved=900, spent=200, is_reserved=True) == [
            "This: *900 credits* · Sales after: *1,100 credits* of 1,000 credits (spent 200 credits, "
            "reserved 0 credits) · :warning: 100 credits over\n`██▓▓▓▓▓▓▓▓`"
        ]

    def test_one_that_the_settings_no_longer_have_is_left_out(self) -> None:
        counted = [(Reservation("Old", "2026-03", Decimal(1)), BudgetUse("Old", "2026-03", Decimal(1), Decimal(0)))]
        assert budget_lines(Policy(Terms(("U0OMAR",)), "C0"), counted, is_reserved=True) == []

    @given(spent=amounts, more=amounts, limit=amounts)
    def test_the_bar_is_always_ten_cells_and_hides_nothing(self, spent: Decimal, more: Decimal, limit: Decimal) -> None:
        shown = bar(spent, spent + more, limit).strip("`")

        assert len(shown) == 10
        assert shown == "".join(sorted(shown, key="█▓░".index))
        assert ("░" not in shown) == (spent + more >= limit and spent + more > 0)
        assert ("█" in shown) == (spent > 0)
        assert ("▓" in shown) == (more > 0 and (spent < limit or spent == 0))


class TestWhoDecides:
    def test_one_is_enough(self) -> None:
        assert who_decides(ruled("U0OMAR", "S0FIN"), WAITING, []) == "<@U0OMAR> or <!subteam^S0FIN> can decide."

    def test_of_three_one_has_said_yes_in_the_place_of_another(self) -> None:
        said = who_decides(ruled("U0A", "U0B", needs=3), WAITING, yes(("U0C", "U0A")))
        assert said == "*Needs 3 people:* <@U0C> for <@U0A> has said yes, 2 more. <@U0A> or <@U0B> can decide."

    def test_who_is_not_pinged_is_not_mentioned(self) -> None:
        said = who_decides(ruled("U0A", "S0EVERYBODY", ping=("U0A",)), WAITING, [])
        assert said == "<@U0A> is asked. Others may decide as well: `/postroom why req_1` says who."

    def test_of_many_the_rest_is_counted(self) -> None:
        said = who_decides(ruled(*(f"U0A{number}" for number in range(60))), WAITING, [])
        assert said.endswith("<@U0A11> or 48 others can decide.")

    def test_a_no_is_no_yes(self) -> None:
        assert voters([Vote("req_1", "U0A", Verdict.DENY, "f", NOW)]) == []

    def test_what_is_foreseen(self) -> None:
        said = who_will_decide(ruled("U0A", "U0B", needs=2, requester_may=True), done="bought")
        decides = "2 different people have to say yes: <@U0A> or <@U0B>; that may be you, too."
        assert said == f"Nothing is bought yet. {decides}"

    def test_a_rule_has_a_name_that_pings_nobody(self) -> None:
        assert by_rule(ruled("U0A", rule="<!here>")) == "By the rule “&lt;!here&gt;”."
        assert by_rule(ruled("U0A")) == ""


class TestChoosing:
    COUNT = 1_100

    def test_more_than_fits_stays_and_slack_takes_the_form(self) -> None:
        action = BuyManyDomains(domains=[f"{'long-' * 8}{number}.com" for number in range(100)])
        quote = Quote(lines=tuple(QuoteLine(what=name, price=Decimal("12.50")) for name in action.domains))
        view = windows.choose_items("req_1", "f" * 16, action, quote)

        problems = view_problems(view, expected="modal")
        assert not problems, problems.messages
        view = completed_view(view)
        chosen = windows.chosen_items(values_of(view["blocks"], {}), 100)
        assert chosen == set(range(100))

    def test_what_had_no_room_is_approved_with_the_rest(self) -> None:
        values = {"items:0": {"value": {"type": "checkboxes", "selected_options": [{"value": "3"}]}}}
        assert windows.chosen_items(values, self.COUNT) == {3, *range(980, self.COUNT)}

    @pytest.mark.parametrize("forged", [[], [{"value": "1100"}], [{"value": "-1"}], [{"value": "x"}], "abc", 7, [None]])
    def test_forged_choices_are_mistakes(self, forged: object) -> None:
        values = {"items:0": {"value": {"type": "checkboxes", "selected_options": forged}}}
        with pytest.raises(entered.FormError):
            windows.chosen_items(values, self.COUNT)
