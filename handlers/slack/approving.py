"""What cards and reviews say about a decision: who may take it, how many it takes, by which rule, from which budget.

Pure functions to mrkdwn. Mentions ping in messages, and are only names in modals.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from handlers.policy import Policy, Ruling
from handlers.slack.words import code, either, escape, money, person, whoever
from storage.records import BudgetUse, Json, Request, Reservation, Verdict, Vote

Budgets = Sequence[tuple[Reservation, BudgetUse]]
"""What a request takes from each budget, and what that budget's month has used up."""

_CELLS = 10
_MOST_NAMED = 12
"""People and groups in one line; of more, their number is said."""


def voters(votes: Sequence[Vote]) -> list[str]:
    """Who has said yes, and in whose place."""
    return [
        person(one.voter) + (f" for {person(one.principal)}" if one.principal not in ("", one.voter) else "")
        for one in votes
        if one.verdict is Verdict.APPROVE
    ]


def who_decides(ruling: Ruling, request: Request, votes: Sequence[Vote], lacking: Sequence[Json] = ()) -> str:
    """Who may decide a waiting request, and how many more it takes. Only those are mentioned who are to be pinged.

    `lacking`: what the last yes was not enough for; then it is said whose yes is missing.
    """
    terms = ruling.terms
    if missing := _missing(ruling, request, votes, lacking):
        why = f"{code(f'/postroom why {request.id}')} says who may decide."
        return f"{_how_many(ruling, voters(votes))}*Still missing: {missing}.* {why}"
    deciders = terms.deciders(request.escalated)
    pinged = [who for who in deciders if who in terms.ping or (request.escalated and who in terms.escalate_to)]
    if not pinged or len(pinged) == len(deciders):
        may = f"{_each(deciders)} can decide."
    else:
        may = f"{_each(pinged)} {'is' if len(pinged) == 1 else 'are'} asked. "
        may += f"Others may decide as well: {code(f'/postroom why {request.id}')} says who."
    own = " Whoever asked may be one of them." if terms.requester_may else ""
    return f"{_how_many(ruling, voters(votes))}{may}{own}"


def _missing(ruling: Ruling, request: Request, votes: Sequence[Vote], lacking: Sequence[Json]) -> str:
    """`a yes from @finn for the budget “Sales”`; empty where nothing is known, or the ruling is another one by now."""
    parts = {part.budget: part for part in ruling.parts(request.escalated)}
    if not all(one.get("budget", "") in parts for one in lacking):
        return ""
    told: list[str] = []
    said_yes = {one.principal or one.voter for one in votes if one.verdict is Verdict.APPROVE}
    for one in lacking:
        part, more = parts[str(one.get("budget", ""))], int(one.get("more") or 1)
        others = [who for who in part.named if who not in said_yes] or part.named
        yes = "a yes" if more == 1 else f"{more} people's yes"
        told.append(f"{yes} from {_each(others)}{f' for the budget “{escape(part.budget)}”' if part.budget else ''}")
    return " and ".join(told)


def who_will_decide(ruling: Ruling, *, done: str) -> str:
    """The same for somebody who is about to ask; `done` is what nothing is yet, such as "bought"."""
    if ruling.auto:
        return f"Nobody has to be asked. {escape(' '.join(ruling.why))}"
    terms = ruling.terms
    whom = _each(terms.approvers)
    decides = f"{whom} decides" if terms.needs == 1 else f"{terms.needs} different people have to say yes: {whom}"
    decides += "".join(f", and {one}" for one in owners_too(ruling))
    own = "that may be you, too" if terms.requester_may else "if that is you, somebody else has to"
    return f"Nothing is {done} yet. {decides}; {own}."


def by_rule(ruling: Ruling) -> str:
    """The rule that says so, in one line; empty where the defaults hold."""
    over = " and ".join(f"“{escape(name)}”" for name in ruling.over)
    told = [
        f"By the rule “{escape(ruling.rule)}”." if ruling.rule else "",
        f"It goes over the budget {over}." if over else "",
    ]
    return " ".join(filter(None, told))


def owners_too(ruling: Ruling) -> list[str]:
    """Who has to say yes besides, because it goes over what is theirs: `for the budget “Sales” @finn or @olga`."""
    return [f"for the budget “{escape(one.budget)}” {_each(one.named)}" for one in ruling.parts(False) if one.budget]


def budget_lines(policy: Policy, budgets: Budgets, *, is_reserved: bool) -> list[str]:
    """A line for each budget: what this takes, what is then used up, and a bar of it.

    `is_reserved`: whether what was used up has this request in it already, as that of a card has.
    """
    limits = {one.name: one for one in policy.budgets}
    lines = []
    for taken, use in budgets:
        budget = limits.get(taken.budget)
        if budget is None:
            continue  # the settings have no such budget any more
        spent = use.spent
        reserved = use.reserved - (taken.amount if is_reserved and not taken.is_spent else 0)
        after = spent + reserved + (0 if taken.is_spent else taken.amount)
        now = f"{escape(taken.budget)} {'now' if taken.is_spent else 'after'}"

        def shown(amount: Decimal, currency: str = budget.currency) -> str:
            return money(amount, currency)

        over = f" · :warning: {shown(after - budget.limit)} over" if after > budget.limit else ""
        lines.append(
            f"This: *{shown(taken.amount)}* · {now}: *{shown(after)}* of {shown(budget.limit)} "
            f"(spent {shown(spent)}, reserved {shown(reserved)}){over}\n{bar(spent, after, budget.limit)}"
        )
    return lines


def bar(spent: Decimal, taken: Decimal, limit: Decimal) -> str:
    """`███▓▓░░░░░`: what is spent, what is reserved beside that, what is free; `taken` is both together."""
    full, half = (_cells(one, limit) for one in (spent, taken))
    if full == half and spent < min(taken, limit):  # what is reserved has a cell of its own
        full, half = (full, half + 1) if half < _CELLS - 1 or taken >= limit else (full - 1, half)
    return f"`{'█' * full}{'▓' * (half - full)}{'░' * (_CELLS - half)}`"


def _cells(amount: Decimal, limit: Decimal) -> int:
    """As many cells as the amount fills; something is never shown as nothing."""
    if amount <= 0:
        return 0
    return _CELLS if amount >= limit else max(1, int(_CELLS * amount / limit))


def _how_many(ruling: Ruling, said_yes: Sequence[str]) -> str:
    """`Needs 2 people: @omar has said yes, 1 more.`; nothing where one is enough, whoever of them."""
    needs, owners = ruling.terms.needs, owners_too(ruling)
    if needs == 1 and not owners:
        return ""
    wanted = f"{needs} people" if needs > 1 else "one of them"
    begins = f"*Needs {wanted}{''.join(f', and {one}' for one in owners)}"
    if not said_yes:
        return f"{begins}.* "
    have = "has" if len(said_yes) == 1 else "have"
    left = "" if owners else f", {max(needs - len(said_yes), 1)} more"
    return f"{begins}:* {' and '.join(said_yes)} {have} said yes{left}. "


def _each(everybody: Sequence[str]) -> str:
    shown = [whoever(who) for who in everybody[:_MOST_NAMED]]
    if len(everybody) > _MOST_NAMED:
        shown.append(f"{len(everybody) - _MOST_NAMED} others")
    return either(shown) or "Nobody"
