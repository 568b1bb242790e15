"""The operator writes rules, budgets and channels, and reads in one sentence what of it cannot be."""

from __future__ import annotations

from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bot.settings import Settings, load_settings
from handlers.policy import Budget, Conditions, QuietHours, Terms
from providers.action import Effect
from tests.bot.test_settings import ENVIRON, GOOD, TYPES, load, problems

COMMANDS = ("domain buy", "domain delete", "mailbox create")

FULL = """
needs = 2
ping = ["U0OMAR"]
wait_hours = 72
remind_after_hours = [2, 8.5]
escalate_to = ["U0NORA"]
escalate_after_hours = 24
price_tolerance_percent = 2.5
undo_seconds = 30
break_glass = ["S0ONCALL"]

[[approvals.rules]]
name = "dear"
action = "domain *"
effect = "spend"
provider = "parcel"
account = "main"
over = "500.10"
under = 9000.5
currency = "EUR"
channel = "C0GROWTH"
requesters = ["U0ANA", "S0GROWTH"]
approvers = ["U0OMAR", "U0FINN", "U0NORA"]
needs = 3
requester_may = true
ping = ["U0FINN"]
wait_hours = 4
remind_after_hours = [1]
escalate_to = ["U0GUS"]
escalate_after_hours = 2

[[approvals.rules]]
name = "small"
auto_below = 20
currency = "credits"

[[budgets]]
name = "growth"
amount = 1000.10
currency = "EUR"
team = "S0GROWTH"
provider = "parcel"
time_zone = "Europe/Berlin"
over = "owner"
owners = ["S0BOARD"]

[[budgets]]
name = "all"
amount = "5000"
currency = "credits"

[channels.C0GROWTH]
time_zone = "Europe/Berlin"
quiet_hours = "20:00-08:30"

[channels.G0SALES]
time_zone = "America/New_York"
"""


def with_policy(text: str) -> str:
    """The good settings with more below [approvals]."""
    assert GOOD.count('approvers = ["U0OMAR", "S0BUYERS"]\n') == 1
    return GOOD.replace('approvers = ["U0OMAR", "S0BUYERS"]\n', f'approvers = ["U0OMAR", "S0BUYERS"]\n{text}\n')


def rule(text: str, name: str = "ours") -> str:
    return with_policy(f'[[approvals.rules]]\nname = "{name}"\n{text}')


def budget(text: str) -> str:
    return with_policy(f'[[budgets]]\nname = "ours"\n{text}')


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "postroom.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(ENVIRON, path, account_types=TYPES, commands=COMMANDS)


def test_without_rules_every_spend_needs_one_of_the_approvers(tmp_path: Path) -> None:
    policy = load(tmp_path).policy()

    assert policy.default == Terms(approvers=("U0OMAR", "S0BUYERS"))
    assert (policy.default.needs, policy.default.requester_may, policy.default.auto_below) == (1, False, None)
    assert policy.channel == "C0APPROVALS"
    assert (policy.rules, policy.budgets, policy.break_glass, policy.quiet) == ((), (), (), {})
    assert (policy.tolerance, policy.undo, policy.may_reveal) == (0, timedelta(0), None)


def test_all_of_it_is_read(tmp_path: Path) -> None:
    settings = load(tmp_path, with_policy(FULL))
    policy = settings.policy()

    assert settings.warnings == ()
    hours = timedelta(hours=1)
    assert policy.default == Terms(
        approvers=("U0OMAR", "S0BUYERS"),
        needs=2,
        ping=("U0OMAR",),
        expires_after=72 * hours,
        remind_after=(2 * hours, 8.5 * hours),
        escalate_to=("U0NORA",),
        escalate_after=24 * hours,
    )
    dear, small = policy.rules
    assert dear.name == "dear"
    assert dear.conditions == Conditions(
        action="domain *",
        effect=Effect.SPEND,
        provider="parcel",
        account="main",
        over=Decimal("500.10"),
        under=Decimal("9000.5"),
        currency="EUR",
        channel="C0GROWTH",
        requesters=("U0ANA", "S0GROWTH"),
    )
    assert dear.terms == Terms(
        approvers=("U0OMAR", "U0FINN", "U0NORA"),
        needs=3,
        requester_may=True,
        ping=("U0FINN",),
        expires_after=4 * hours,
        remind_after=(hours,),
        escalate_to=("U0GUS",),
        escalate_after=2 * hours,
    )
    assert small.conditions == Conditions(currency="credits")
    assert (small.terms.auto_below, small.terms.needs, small.terms.ping) == (Decimal(20), 2, ("U0OMAR",))
    assert policy.budgets == (
        Budget("growth", Decimal("1000.10"), "EUR", "Europe/Berlin", "S0GROWTH", "parcel", "owner", ("S0BOARD",)),
        Budget("all", Decimal(5000), "credits"),
    )
    assert str(policy.budgets[0].limit) == "1000.10"
    assert policy.quiet == {"C0GROWTH": QuietHours(time(20), time(8, 30), "Europe/Berlin")}
    assert (policy.tolerance, policy.undo) == (Decimal("0.025"), timedelta(seconds=30))
    assert policy.break_glass == ("S0ONCALL",)


def test_what_a_rule_leaves_out_is_as_in_the_defaults(tmp_path: Path) -> None:
    defaults = FULL.partition("[[approvals.rules]]")[0]
    none_of_it = '[[approvals.rules]]\nname = "a"\naction = "domain buy"'
    others = '[[approvals.rules]]\nname = "b"\naction = "domain *"\napprovers = ["S0OTHERS"]'
    some = '[[approvals.rules]]\nname = "c"\naction = "domain *"\napprovers = ["U0OMAR", "U0FINN"]\nescalate_to = []'

    policy = load(tmp_path, with_policy("\n".join([defaults, none_of_it, others, some]))).policy()

    a, b, c = (one.terms for one in policy.rules)
    assert a == policy.default
    # A card of one's own is of use only to somebody who may decide.
    assert (b.approvers, b.ping, b.needs, b.expires_after) == (("S0OTHERS",), (), 2, timedelta(hours=72))
    assert (c.ping, c.escalate_to) == (("U0OMAR",), ())


def test_the_hash_is_of_what_is_meant(tmp_path: Path) -> None:
    def hashed(text: str) -> str:
        return load(tmp_path, text).policy().hash

    written = hashed(with_policy(FULL))
    assert len(written) == 64
    assert written == hashed(with_policy(FULL.replace('"500.10"', "500.1").replace("[1]", "[1.0]")))
    assert written == hashed(with_policy(FULL) + "\n# a remark\n")
    changes = [
        ('"500.10"', '"500.11"'),
        ("needs = 3", "needs = 2"),
        ('name = "dear"', 'name = "very dear"'),
        ("amount = 1000.10", "amount = 1000.11"),
        ("20:00-08:30", "20:00-08:00"),
        ("undo_seconds = 30", "undo_seconds = 31"),
        ('["S0ONCALL"]', "[]"),
        ("price_tolerance_percent = 2.5", "price_tolerance_percent = 2.6"),
    ]
    for old, new in changes:
        assert FULL.count(old) == 1
        assert hashed(with_policy(FULL.replace(old, new))) != written, old
    assert hashed(with_policy(FULL).replace('"U0OMAR", "S0BUYERS"', '"U0FINN", "U0OMAR", "S0BUYERS"')) != written
    assert hashed(with_policy(FULL).replace("C0APPROVALS", "C0OTHER")) != written


WHO = "must be the id of a user (U… or W…) or of a user group (S…) (in Slack: the profile, ⋮, Copy member ID)."
PEOPLE_TOO_FEW = "more people must say yes than are named as approvers. Name more, or a user group."
ALL = 'amount = 1\ncurrency = "USD"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        # [approvals]
        (with_policy("needs = 0"), "approvals.needs: must be at least 1."),
        (with_policy('needs = "2"'), "approvals.needs: must be a whole number, without quotes."),
        (with_policy("requester_may = 1"), "approvals.requester_may: must be true or false, without quotes."),
        (with_policy("wait_hours = 0"), "approvals.wait_hours: must be greater than 0."),
        (
            with_policy("remind_after_hours = [8, 2]"),
            "approvals.remind_after_hours: entry 2 must be more than entry 1.",
        ),
        (
            with_policy("remind_after_hours = [2, 2]"),
            "approvals.remind_after_hours: entry 2 must be more than entry 1.",
        ),
        (with_policy("remind_after_hours = 2"), "approvals.remind_after_hours: must be a list, in square brackets."),
        (
            with_policy("auto_below = 2"),
            "approvals.auto_below: there is no such key. Known here: approvers, may_reveal, needs, requester_may, "
            "ping, wait_hours, remind_after_hours, escalate_to, escalate_after_hours, price_tolerance_percent, "
            "undo_seconds, break_glass, rules.",
        ),
        (with_policy('escalate_to = ["@nora"]'), f"approvals.escalate_to[1]: {WHO}"),
        (with_policy('break_glass = ["S0A", "S0A"]'), "approvals.break_glass: entry 2 repeats entry 1."),
        (with_policy("price_tolerance_percent = 101"), "approvals.price_tolerance_percent: must be at most 100."),
        (with_policy("undo_seconds = -1"), "approvals.undo_seconds: must be at least 0."),
        (
            with_policy('escalate_to = ["U0NORA"]'),
            "approvals.escalate_after_hours: is missing. Say after how many hours it is taken to escalate_to.",
        ),
        (
            with_policy("escalate_after_hours = 3"),
            "approvals.escalate_to: is missing. Say to whom it is taken after escalate_after_hours.",
        ),
        (
            with_policy('ping = ["U0OMAR", "S0OTHERS"]'),
            "approvals.ping: entry 2 is not among the approvers, so a card would be of no use there.",
        ),
        (with_policy("needs = 2").replace(', "S0BUYERS"', ""), f"approvals.needs: {PEOPLE_TOO_FEW}"),
        # Rules
        (
            with_policy("[approvals.rules]\nneeds = 2"),
            "approvals.rules: each is a table of its own, [[approvals.rules]].",
        ),
        (
            with_policy("[[approvals.rules]]\nneeds = 1"),
            "approvals.rules[1].name: is missing. What people read when they ask why this rule was applied.",
        ),
        (rule("need = 2"), "approvals.rules[1].need: there is no such key; did you mean needs?"),
        (rule('effect = "read"'), 'approvals.rules[1].effect: must be "spend", "destroy" or "write".'),
        (rule("approvers = []"), "approvals.rules[1].approvers: must have 1 or more entries."),
        (rule('requesters = ["ana"]'), f"approvals.rules[1].requesters[1]: {WHO}"),
        (
            rule('channel = "#growth"'),
            "approvals.rules[1].channel: must be a channel's id, which begins with C or G "
            "(in Slack: the channel's name, About, at the bottom).",
        ),
        (
            rule('over = "$5"\ncurrency = "USD"'),
            'approvals.rules[1].over: must be a price such as "12.50": digits, a dot, no currency sign.',
        ),
        (rule('over = -1\ncurrency = "USD"'), "approvals.rules[1].over: must be at least 0."),
        (rule('over = nan\ncurrency = "USD"'), "approvals.rules[1].over: must be a finite number."),
        (
            rule('auto_below = true\ncurrency = "USD"'),
            'approvals.rules[1].auto_below: must be a price such as "12.50".',
        ),
        (rule('provider = "parsel"'), "approvals.rules[1].provider: there is no such provider; did you mean parcel?"),
        (rule('account = "mian"'), "approvals.rules[1].account: there is no such account; did you mean main?"),
        (rule('account = "other"'), "approvals.rules[1].account: there is no such account; known are: main."),
        (
            rule('account = "main"\nprovider = "pigeon"'),
            "approvals.rules[1].account: is at parcel, not at the provider of this rule.",
        ),
        (
            rule('currency = "UDS"'),
            "approvals.rules[1].currency: there is no such currency among the prices; did you mean USD?",
        ),
        (
            rule('currency = "Credit"'),
            "approvals.rules[1].currency: there is no such currency among the prices; did you mean credits?",
        ),
        (
            rule('currency = "XYZ"'),
            "approvals.rules[1].currency: there is no such currency among the prices; known are: USD, EUR, credits.",
        ),
        (
            rule("auto_below = 5"),
            "approvals.rules[1].currency: is missing. "
            "Say what auto_below is in: an ISO 4217 code such as USD, or credits.",
        ),
        (rule('over = 5\nunder = 5\ncurrency = "USD"'), "approvals.rules[1].under: must be more than over."),
        (rule('approvers = ["U0OMAR", "U0FINN"]\nneeds = 3'), f"approvals.rules[1].needs: {PEOPLE_TOO_FEW}"),
        (
            with_policy('needs = 2\n[[approvals.rules]]\nname = "ours"\napprovers = ["U0OMAR"]'),
            f"approvals.rules[1].approvers: {PEOPLE_TOO_FEW}",
        ),
        (
            rule('approvers = ["S0TWO"]\nneeds = 2').replace(', "S0BUYERS"', ""),
            "approvals.rules[1].needs: more people must say yes than approvals.approvers names, and those decide where "
            "nobody knows the price. Name more there, or a user group.",
        ),
        (
            rule('approvers = ["U0FINN"]\nping = ["U0OMAR"]'),
            "approvals.rules[1].ping: entry 1 is not among the approvers, so a card would be of no use there.",
        ),
        (
            rule('action = "domain buy"') + '\n[[approvals.rules]]\nname = "ours"\n',
            "approvals.rules[2].name: is the name of entry 1 already.",
        ),
        # Budgets
        (with_policy("[budgets]\namount = 1"), "budgets: each is a table of its own, [[budgets]]."),
        (
            budget("amount = 1"),
            'budgets[1].currency: is missing. An ISO 4217 code such as USD, or "credits".',
        ),
        (budget('currency = "USD"'), "budgets[1].amount: is missing. How much a calendar month."),
        (budget('amount = -5\ncurrency = "USD"'), "budgets[1].amount: must be at least 0."),
        (
            budget('amount = 5\ncurrency = "usd"'),
            "budgets[1].currency: there is no such currency among the prices; did you mean USD?",
        ),
        (
            budget(ALL + 'provider = "ups"'),
            "budgets[1].provider: there is no such provider; known are: parcel, pigeon.",
        ),
        (
            budget(ALL + 'team = "U0ANA"'),
            "budgets[1].team: must be the id of a user group (S…) or of a channel (C… or G…).",
        ),
        (
            budget(ALL + 'time_zone = "Europe/Berln"'),
            "budgets[1].time_zone: there is no such time zone; the nearest name is Europe/Berlin.",
        ),
        (
            budget(ALL + 'time_zone = "../etc"'),
            "budgets[1].time_zone: there is no such time zone; it is a name such as Europe/Berlin.",
        ),
        (
            budget(ALL + 'time_zone = "Europe"'),
            "budgets[1].time_zone: there is no such time zone; the nearest name is Europe/Rome.",
        ),
        (
            budget(ALL + 'time_zone = "GMT+2"'),
            "budgets[1].time_zone: there is no such time zone; it is a name such as Europe/Berlin.",
        ),
        (budget(ALL + 'over = "ask"'), 'budgets[1].over: must be "refuse" or "owner".'),
        (
            budget(ALL + 'over = "owner"'),
            'budgets[1].owners: is missing. With over = "owner", name who has to say yes to more as well.',
        ),
        (budget(ALL + 'owners = ["U0OMAR"]'), 'budgets[1].owners: is of no use, because over is not "owner".'),
        (budget(f'{ALL}[[budgets]]\nname = "ours"\n{ALL}'), "budgets[2].name: is the name of entry 1 already."),
        # Channels
        (
            with_policy('[channels.growth]\ntime_zone = "UTC"'),
            "channels.growth: must be a channel's id, which begins with C or G "
            "(in Slack: the channel's name, About, at the bottom).",
        ),
        (
            with_policy("[channels]\nC0GROWTH = 3"),
            "channels.C0GROWTH: must be a table, [channels.<id>], with its keys below it.",
        ),
        (
            with_policy("[channels.C0GROWTH]"),
            "channels.C0GROWTH.time_zone: is missing. The time zone of the people in it, such as Europe/Berlin.",
        ),
        (
            with_policy('[channels.C0GROWTH]\ntime_zone = "UTC"\nquiet_hours = "at night"'),
            'channels.C0GROWTH.quiet_hours: must be two times of day, such as "20:00-08:00".',
        ),
        (
            with_policy('[channels.C0GROWTH]\ntime_zone = "UTC"\nquiet_hours = "20:00-24:00"'),
            'channels.C0GROWTH.quiet_hours: must be two times of day, such as "20:00-08:00".',
        ),
        (
            with_policy('[channels.C0GROWTH]\ntime_zone = "UTC"\nquiet_hours = "08:00-8:00"'),
            "channels.C0GROWTH.quiet_hours: must not begin and end at the same time.",
        ),
    ],
)
def test_a_mistake_gives_its_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    assert problems(tmp_path, text) == [sentence]


@pytest.mark.parametrize(
    "text",
    [
        # Whoever is pinged may be in the group that may approve.
        with_policy('ping = ["U0FINN"]'),
        # A rule for small amounts is never about an unknown price, so the default approvers need not be as many.
        rule('approvers = ["S0TWO"]\nneeds = 2\nunder = 5\ncurrency = "USD"').replace(', "S0BUYERS"', ""),
        # The rule for two people is about other money than the budget of one owner.
        rule(f'needs = 2\ncurrency = "credits"\n[[budgets]]\nname = "ours"\n{ALL}over = "owner"\nowners = ["U0OMAR"]'),
        with_policy(
            'escalate_to = ["U0A"]\nescalate_after_hours = 1\n[[approvals.rules]]\nname = "a"\nescalate_to = []'
        ),
        with_policy('[channels.C0GROWTH]\ntime_zone = "UTC"\nquiet_hours = "8:00 – 08:01"'),
    ],
)
def test_what_goes_together_is_taken(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text).warnings == ()


def test_a_rule_that_can_never_hold_is_warned_of(tmp_path: Path) -> None:
    none = loaded(tmp_path, rule('action = "domain by"'))
    glob = loaded(tmp_path, rule('action = "zebra *"'))
    fine = loaded(tmp_path, rule('action = "domain *"'))
    hidden = loaded(tmp_path, rule("needs = 1") + '\n[[approvals.rules]]\nname = "b"\naction = "domain buy"\n')

    assert none.warnings == (
        "approvals.rules[1].action: there is no such command, so this rule is never applied. "
        "The nearest is “domain buy”.",
    )
    assert glob.warnings == ("approvals.rules[1].action: there is no such command, so this rule is never applied.",)
    assert fine.warnings == ()
    assert hidden.warnings == ("approvals.rules[2]: is never reached, because entry 1 holds for everything.",)
