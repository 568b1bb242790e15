"""What people type to Postroom itself about approvals and money, and what they are told."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.policy_settings import ApprovalSettings, BudgetSettings, RuleSettings
from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.markup import as_escaped
from bot.sandbox.model import BOT_USER_ID, Channel, User
from bot.sandbox.people import Person
from storage.records import RequestState
from tests.house import House, Story, open_house, reading

BIG = RuleSettings(
    name="a lot", action="domain *", over=Decimal(100), currency="USD", needs=2, approvers=("S0FINANCE", "U0FINN")
)
DOMAINS = RuleSettings(
    name="domains",
    action="domain buy",
    approvers=("S0FINANCE",),
    wait_hours=48,
    escalate_to=("U0FINN",),
    escalate_after_hours=24,
)
APPROVALS = ApprovalSettings(approvers=("U0OMAR", "U0FINN"), break_glass=("U0FINN",), rules=(BIG, DOMAINS))
BUDGETS = (
    BudgetSettings(
        name="Growth",
        amount=Decimal(1000),
        currency="USD",
        team="S0GROWTH",
        provider="mailin",
        time_zone="Europe/Berlin",
    ),
    BudgetSettings(name="Finance's own", amount=Decimal(50), currency="USD", team="S0FINANCE"),
    BudgetSettings(
        name="Outreach", amount=Decimal(40), currency="USD", team="C0OUTREACH", over="owner", owners=("U0FINN",)
    ),
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Rules, budgets and a private channel; Lena is a colleague who has nothing to do with any of it."""
    async with open_house(tmp_path, starts=False) as opened:
        opened.slack.add_user(User("U0LENA", "lena", "Lena Roth", email="lena@acme.test"), "general", "outreach")
        opened.slack.add_channel(Channel("C0SECRET", "secret-launch", ("U0ANA", BOT_USER_ID), is_private=True))
        await opened.starts(approvals=APPROVALS, budgets=BUDGETS)
        yield opened


async def typed(house: House, who: Person, words: str, channel: str = "#general") -> str:
    """What `who` is told, for their eyes only, when they type this."""
    before = len(house.privately(who, channel))
    command, _, rest = words.partition(" ")
    ack = await who.types(f"{command} {as_escaped(house.slack, rest)}", channel=channel)
    assert ack
    assert ack.ok, ack
    await house.tick()
    told = house.privately(who, channel)[before:]
    assert len(told) == 1, told
    return told[0]


class TestWhy:
    async def test_the_rule_who_may_until_when_and_the_budgets(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")

        told = await typed(house, house.ana, f"/postroom why {story.id}")

        assert "Buy 1 domain (SMTP)" in told or "Buy acme.com" in told
        assert "“a lot” is not about this: it is for more than 100 USD" in told
        assert "“domains” is about this" in told
        assert "One has to say yes, of: <!subteam^S0FINANCE>." in told
        assert "<!subteam^S0FINANCE>, 1 person now" in told
        assert "Nobody has said yes yet; 1 person has to." in told
        assert "It expires <!date^" in told
        assert "<@U0FINN> may decide it as well from" in told
        assert "Growth, March 2026: $12.50 reserved; $987.50 of $1,000.00 left." in told
        assert "Outreach, March 2026: $12.50 reserved; $27.50 of $40.00 left." in told
        assert "Finance" not in told.replace("S0FINANCE", "")

    async def test_without_a_name_it_is_the_askers_newest_and_without_prefix_it_is_found(self, house: House) -> None:
        await house.asks(house.ana, "acme.com")
        house.clock.advance(minutes=1)
        newest = await house.asks(house.ana, "acme.co")

        assert newest.id in await typed(house, house.ana, "/postroom why")
        assert newest.id in await typed(house, house.omar, f"/postroom why {newest.id.removeprefix('req_').upper()}")

    async def test_nobody_is_pinged_and_it_is_told_to_the_asker_alone(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        before = {place: len(house.slack.messages(place)) for place in ("C0GENERAL", "C0OUTREACH", "C0APPROVALS")}

        await typed(house, house.ana, f"/postroom why {story.id}")

        assert {place: len(house.slack.messages(place)) for place in before} == before
        assert not house.omar.ephemerals("#general")

    async def test_the_first_of_two_has_said_yes(self, house: House) -> None:
        story = await house.asks(house.ana, *(f"acme{n}.com" for n in range(9)), channel="#general")
        await house.omar.clicks(story.card, "approve")
        await house.tick()

        told = await typed(house, house.finn, f"/postroom why {story.id}")

        assert "The rule “a lot” is about this." in told
        assert "2 different people have to say yes, of: <!subteam^S0FINANCE> or <@U0FINN>." in told
        assert "*Said yes* (1 of 2)\n• <@U0OMAR>, <!date^" in told
        assert "It waits until somebody decides, however long." in told

    async def test_over_a_budget_its_owner_decides_as_well(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co", "acme.biz")

        told = await typed(house, house.finn, f"/postroom why {story.id}")

        assert "over the budget “Outreach”" in told
        assert "• and for the budget “Outreach” <@U0FINN> has to say yes\n" in told
        assert "$57.25 reserved; $17.25 more than the $40.00" in told

    async def test_a_finished_one_says_who_decided(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com")
        await house.runs_for(minutes=10)

        told = await typed(house, house.ana, f"/postroom why {story.id}")

        assert "*Done.*" in told
        assert "*Who decided it*\n• <@U0OMAR> said yes, <!date^" in told
        assert "$12.50 spent" in told
        assert "Nobody has said yes yet" not in told

    async def test_what_was_approved_by_itself(self, house: House) -> None:
        little = DOMAINS.model_copy(update={"name": "a little", "auto_below": Decimal(20), "currency": "USD"})
        await house.restarts(approvals=APPROVALS.model_copy(update={"rules": (little,)}))
        story = await house.asks(house.ana, "acme.com")

        told = await typed(house, house.omar, f"/postroom why {story.id}")

        assert "It costs less than 20 USD, so nobody has to be asked." in told
        assert "Who decided it" not in told
        assert "has to." not in told

    async def test_what_costs_nothing(self, house: House) -> None:
        house.mailin.own("acme.com")
        form = await house.form(house.ana, "/domain forward acme.com other.com")
        await house.ana.submits(form)
        await house.tick()

        assert "Nobody has to say yes to this" in await typed(house, house.ana, "/postroom why")

    async def test_what_does_not_exist_and_what_one_may_not_know_are_answered_alike(self, house: House) -> None:
        secret = await house.asks(house.ana, "launch.com", channel="C0SECRET")
        lena = house.slack.person("lena")

        unknown = await typed(house, lena, "/postroom why req_0000000000")
        hidden = await typed(house, lena, f"/postroom why {secret.id}")

        assert unknown == hidden
        assert "no such request" in hidden
        assert secret.id in await typed(house, house.omar, f"/postroom why {secret.id}")
        assert secret.id in await typed(house, house.ana, f"/postroom why {secret.id}")

    async def test_somebody_who_never_asked_for_anything(self, house: House) -> None:
        assert "You have not asked for anything yet" in await typed(house, house.finn, "/postroom why")

    async def test_slack_does_not_say_who_is_in_a_group(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.clock.advance(minutes=2)
        house.slack.faults.add("usergroups.users.list", SlackFault.error("fatal_error"), times=None)

        assert "Try again in a minute" in await typed(house, house.ana, f"/postroom why {story.id}")


class TestBudget:
    async def test_those_of_ones_teams_and_of_the_channel(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com")
        await house.runs_for(minutes=10)
        assert await story.state() is RequestState.SUCCEEDED
        await house.asks(house.ana, "acme.co")

        in_general = await typed(house, house.ana, "/postroom budget")
        in_outreach = await typed(house, house.ana, "/postroom budget", "#outreach")

        assert "*$959.50 of $1,000.00 left* until 1 April (Europe/Berlin)" in in_general
        assert "$12.50 spent, $28.00 reserved; more is refused." in in_general
        assert "Outreach" not in in_general
        assert "Finance" not in in_general
        assert "*Outreach* · <#C0OUTREACH>" in in_outreach
        assert "<@U0FINN> may allow more" in in_outreach
        assert "more than the $40.00* until 1 April (UTC)" in in_outreach  # 12.50 + 28 > 40

    async def test_what_was_denied_is_free_again(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "deny")
        modal = await house.omar.sees_modal("deny")
        await house.omar.submits(await house.omar.fills(modal, reason="Not now"))
        assert await story.state() is RequestState.DENIED

        assert "*$40.00 of $40.00 left*" in await typed(house, house.ana, "/postroom budget", "#outreach")

    async def test_the_bar_shows_spent_and_set_apart(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com")
        await house.runs_for(minutes=10)
        assert await story.state() is RequestState.SUCCEEDED
        await house.asks(house.ana, "acme.biz")

        told = await typed(house, house.ana, "/postroom budget", "#outreach")

        [bar] = re.findall(r"`([█▓░]+)` \*\$10\.75 of \$40\.00 left", told)
        assert bar == "█" * 6 + "▓" * 8 + "░" * 6

    async def test_all_of_them(self, house: House) -> None:
        told = await typed(house, house.omar, "/postroom budget all")

        assert [name in told for name in ("Growth", "Finance's own", "Outreach")] == [True] * 3

    async def test_december_ends_with_the_first_of_january(self, house: House) -> None:
        house.clock.advance(days=(304))  # 31 December
        assert "until 1 January (Europe/Berlin)" in await typed(house, house.ana, "/postroom budget")

    async def test_mistakes_and_nothing_to_show(self, house: House) -> None:
        assert "/postroom budget all" in await typed(house, house.ana, "/postroom budget mailin")
        assert "/postroom budget all" in await typed(house, house.slack.person("lena"), "/postroom budget")
        await house.restarts(budgets=())
        assert "have no budgets" in await typed(house, house.ana, "/postroom budget")


class TestAway:
    async def test_handing_over_is_told_privately_and_said_aloud(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")

        told = await typed(house, house.omar, "/postroom away until friday @finn")

        assert "<@U0FINN> decides in your place until <!date^1772837999^" in told  # Friday's last second in Berlin
        said = house.slack.messages("C0APPROVALS")[-1]
        assert said.text.startswith(":palm_tree: <@U0OMAR> is away until")
        assert "<@U0FINN> decides" in said.text
        assert "<@U0FINN> decides in <@U0OMAR>'s place" in await typed(house, house.ana, f"/postroom why {story.id}")
        await house.finn.clicks(story.card, "approve")
        await house.tick()
        assert house.bought == ["acme.com"]

    async def test_who_is_away_and_back_again(self, house: House) -> None:
        assert "Nobody is away." in await typed(house, house.ana, "/postroom away")
        await typed(house, house.omar, "/postroom away 2 weeks @finn")
        assert "<@U0FINN> decides in <@U0OMAR>'s place" in await typed(house, house.ana, "/postroom away")

        told = await typed(house, house.omar, "/postroom back")

        assert "You decide again yourself" in told
        assert "<@U0OMAR> is back" in house.slack.messages("C0APPROVALS")[-1].text
        assert "Nobody is away." in await typed(house, house.ana, "/postroom away")
        assert "You have handed nothing over" in await typed(house, house.omar, "/postroom back")

    async def test_it_ends_by_itself(self, house: House) -> None:
        await typed(house, house.omar, "/postroom away for 3 hours @finn")
        await house.passes(hours=3)

        assert "Nobody is away." in await typed(house, house.ana, "/postroom away")

    async def test_a_day_is_where_one_lives(self, house: House) -> None:
        house.slack.users["U0OMAR"] = replace(house.slack.user("omar"), tz="America/New_York")

        told = await typed(house, house.omar, "/postroom away until 2026-03-06 @finn")

        assert "<!date^1772859599^" in told  # six hours after that of Berlin

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            ("until friday", "Somebody has to decide meanwhile."),
            ("@finn", "Until when?"),
            ("until someday @finn", "“until someday” is no moment within the next year."),
            ("until friday @nobody", "@nobody is nobody whom Slack knows here."),
            ("until friday @omar", "You cannot hand your approvals over to yourself."),
            ("until 2020-01-01 @finn", "no moment within the next year"),
        ],
    )
    async def test_mistakes_get_a_plain_sentence(self, house: House, words: str, sentence: str) -> None:
        told = await typed(house, house.omar, f"/postroom away {words}")

        assert sentence in told
        assert "Nothing was changed." in told
        assert not await house.inside.approvals.delegations()

    async def test_somebody_without_approvals(self, house: House) -> None:
        assert "no approvals" in await typed(house, house.ana, "/postroom away until friday @finn")

    async def test_the_approvals_channel_is_closed(self, house: House) -> None:
        house.slack.faults.add("chat.postMessage", SlackFault.error("not_in_channel"), times=None)

        told = await typed(house, house.omar, "/postroom away until friday @finn")

        assert "could not be said in <#C0APPROVALS>" in told
        assert len(await house.inside.approvals.delegations()) == 1


class TestHistory:
    async def test_what_happened_to_a_domain(self, house: House) -> None:
        first = await house.asks(house.ana, "acme.com")
        await house.finn.clicks(first.card, "approve")  # who may not, yet
        await house.omar.clicks(first.card, "deny")
        modal = await house.omar.sees_modal("deny")
        await house.omar.submits(await house.omar.fills(modal, reason="Too <!channel> dear"))
        house.clock.advance(days=1)
        second = await house.approved(house.ana, "acme.com", "acme.biz")
        await house.runs_for(minutes=10)

        told = await typed(house, house.ana, "/postroom history https://ACME.com/")

        assert told.index(second.id) < told.index(first.id), "the newest first"
        assert "*2 requests about https://ACME.com/*" in told
        newest, oldest = told[: told.index(first.id)], told[told.index(first.id) :]
        assert "<@U0FINN> wanted to say yes, and it was not taken" in oldest
        assert "<@U0OMAR> said no: Too &lt;!channel&gt; dear" in oldest
        assert "asked: $29.25, with `mailin-main`" in newest
        assert newest.index("asked:") < newest.index("said yes") < newest.index("Sent to the provider")
        assert ":tada:" in newest

    async def test_clicks_in_vain_are_told_with_names(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        card, parent = story.card, story.parent
        await house.finn.clicks(parent, "cancel")
        await house.omar.clicks(card, "approve")
        await house.runs_for(minutes=5)
        await house.omar.clicks(card, "deny")
        value = {"value": f"{story.id}:0.0", "action_ts": "1.0", "type": "button"}
        await house.sends(
            house.omar, "block_actions", response_url="", actions=[{"action_id": "settle_again", **value}]
        )

        told = await typed(house, house.ana, f"/postroom history {story.id}")

        for words in (
            "<@U0FINN> wanted to cancel it, and it was not taken: Only <@U0ANA>, who asked for this, can cancel it.",
            "<@U0OMAR> wanted to say no, and it was not taken: <@U0OMAR> has already approved this.",
            "<@U0OMAR> wanted to have it sent again, and it was not taken: This has been settled meanwhile",
        ):
            assert words in told

    async def test_a_request_and_a_thing_of_which_nothing_is_known(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.ana.clicks(story.parent, "cancel")
        await house.tick()

        assert "<@U0ANA> cancelled it" in await typed(house, house.finn, f"/postroom history {story.id}")
        told = await typed(house, house.finn, "/postroom history <script>.com")
        assert "Nothing was ever asked about “&lt;script&gt;.com”" in told
        assert "/postroom history acme-mail.com" in await typed(house, house.finn, "/postroom history")

    async def test_what_was_asked_in_a_private_channel_stays_there(self, house: House) -> None:
        secret = await house.asks(house.ana, "launch.com", channel="C0SECRET")
        lena = house.slack.person("lena")

        hidden = await typed(house, lena, "/postroom history launch.com")
        never = await typed(house, lena, "/postroom history other.com")

        assert secret.id not in hidden
        assert hidden.replace("launch", "other") == never, "not even that there is something"
        for who, channel in ((house.ana, "#general"), (house.omar, "#general"), (house.ana, "C0SECRET")):
            assert secret.id in await typed(house, who, "/postroom history launch.com", channel)
        house.slack.invite("C0SECRET", "U0LENA")
        assert secret.id in await typed(house, lena, "/postroom history launch.com", "C0SECRET")

    async def test_nor_is_it_in_the_list_of_what_is_under_way(self, house: House) -> None:
        await house.asks(house.ana, "launch.com", channel="C0SECRET")

        assert "launch.com" not in await typed(house, house.slack.person("lena"), "/postroom jobs")
        assert "launch.com" in await typed(house, house.omar, "/postroom jobs")
        assert "launch.com" in await typed(house, house.ana, "/postroom jobs", "C0SECRET")

    async def test_a_guest_sees_no_channel_but_where_they_are(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.slack.set_standing("lena", "guest")
        lena = house.slack.person("lena")

        assert story.id not in await typed(house, lena, "/postroom history acme.com")
        assert story.id in await typed(house, lena, "/postroom history acme.com", "#outreach")

    async def test_more_than_fits_is_counted(self, house: House) -> None:
        stories: list[Story] = []
        for _ in range(40):
            story = await house.asks(house.ana, "acme.com", reason="x" * 200)
            await house.ana.clicks(story.parent, "cancel")
            await house.tick()
            house.clock.advance(minutes=1)
            stories.append(story)

        told = await typed(house, house.ana, "/postroom history acme.com")

        assert stories[-1].id in told
        assert stories[0].id not in told
        [more] = re.findall(r"… and (\d+) more", told)
        assert sum(story.id in told for story in stories) + int(more) == 40

    async def test_many_clicks_on_one_request_are_counted(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        for _ in range(30):
            await house.ana.clicks(story.card, "approve")
        await house.ana.clicks(story.parent, "cancel")
        await house.tick()

        told = await typed(house, house.ana, "/postroom history acme.com")

        assert "asked:" in told
        assert "cancelled it" in told
        assert re.search(r"… and \d+ more in between", told)


class TestBreakGlass:
    async def test_who_may_runs_it_at_once(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")

        await house.finn.types(f"/postroom break-glass {story.id} They're waiting, it's noon", channel="#outreach")
        await house.finn.submits(await house.finn.sees_modal("run_now"))
        await house.tick()

        assert "*Who decided it*\n• <@U0FINN>, <!date^" in await typed(house, house.ana, f"/postroom why {story.id}")
        assert house.bought == ["acme.com"]
        assert any("They're waiting, it's noon" in said for said in story.thread)

    async def test_who_may_not_and_mistakes(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")

        assert "not among the people" in await typed(house, house.omar, f"/postroom break-glass {story.id} Please")
        await house.finn.types(f"/postroom break-glass {story.id}", channel="#outreach")
        without = await house.finn.submits(await house.finn.sees_modal("run_now"))
        assert without.errors == {"reason": "Please complete this required field."}
        assert "no such request" in await typed(house, house.finn, "/postroom break-glass req_nothing Please")
        assert "Name the request" in await typed(house, house.finn, "/postroom break-glass")
        assert house.bought == []
        assert await story.state() is RequestState.AWAITING


class TestHelp:
    async def test_all_of_it_is_in_the_help(self, house: House) -> None:
        told = await typed(house, house.ana, "/postroom help")

        for verb in ("why", "history", "budget", "away", "back", "break-glass"):
            assert f"`/postroom {verb}" in told

    async def test_a_slip_of_the_finger_finds_the_nearest(self, house: House) -> None:
        assert "`/postroom budget`" in await typed(house, house.ana, "/postroom bugdet")


class TestOtherRules:
    """Postroom starts again with other settings, while something waits."""

    async def facts(self, house: House, what: str) -> list[dict[str, Any]]:
        return [json.loads(detail) for (detail,) in house.on_disk(f"SELECT detail FROM audit WHERE what = '{what}'")]

    async def test_they_hold_for_what_waits_votes_stay_and_the_card_changes(self, house: House) -> None:
        story = await house.asks(house.ana, *(f"acme{n}.com" for n in range(9)), channel="#general")
        await house.omar.clicks(story.card, "approve")
        await house.tick()
        stricter = BIG.model_copy(update={"needs": 3, "approvers": ("S0FINANCE", "U0FINN", "U0LENA")})

        await house.restarts(approvals=APPROVALS.model_copy(update={"rules": (stricter, DOMAINS)}))
        await house.tick()

        told = await typed(house, house.ana, f"/postroom why {story.id}")
        assert "3 different people have to say yes" in told
        assert "*Said yes* (1 of 3)" in told
        assert reading(story.card.blocks).count("U0LENA") > 0
        [ruled] = await self.facts(house, "ruled_anew")
        assert ruled == {"rule": "a lot", "before": "a lot"}
        await house.finn.clicks(story.card, "approve")
        await house.tick()
        assert await story.state() is RequestState.AWAITING
        await house.slack.person("lena").clicks(story.card, "approve")
        await house.tick()
        assert len(house.bought) == 9

    async def test_the_audit_names_what_changed_and_no_value(self, house: House) -> None:
        await house.restarts(approvals=APPROVALS.model_copy(update={"rules": (DOMAINS, BIG)}), budgets=BUDGETS[:2])

        first, second = await self.facts(house, "policy_in_force")
        assert second["changed"] == ["budget Outreach", "order of the rules"]
        assert second["hash"] == house.settings.policy().hash != first["hash"]
        _, changed = await self.facts(house, "settings_changed")
        assert changed["changed"] == ["approvals", "budgets"]
        said = json.dumps(await self.facts(house, "settings_changed") + await self.facts(house, "policy_in_force"))
        for secret in house.settings.secrets():
            assert secret.get_secret_value() not in said
        assert "U0FINN" not in said

    async def test_the_same_settings_say_nothing(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        before = house.on_disk("SELECT COUNT(*) FROM audit")
        card = story.card

        await house.restarts()
        await house.tick()

        assert house.on_disk("SELECT COUNT(*) FROM audit") == before
        assert story.card == card

    async def test_an_amount_written_otherwise_is_the_same(self, house: House) -> None:
        [_] = await self.facts(house, "policy_in_force")
        await house.restarts(budgets=(BUDGETS[0].model_copy(update={"amount": Decimal("1000.00")}), *BUDGETS[1:]))
        [_] = await self.facts(house, "policy_in_force")

    async def test_slack_is_silent_at_the_start_and_answers_later(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com", channel="#general")
        house.clock.advance(minutes=2)
        house.slack.faults.add("usergroups.users.list", SlackFault.error("fatal_error"), times=None)
        others = DOMAINS.model_copy(update={"approvers": ("U0LENA",)})

        await house.restarts(approvals=APPROVALS.model_copy(update={"rules": (BIG, others)}))
        assert len(await self.facts(house, "policy_in_force")) == 1
        house.slack.faults.clear()
        await house.inside.take_up_settings()

        assert len(await self.facts(house, "policy_in_force")) == 2
        assert "One has to say yes, of: <@U0LENA>" in await typed(house, house.ana, f"/postroom why {story.id}")

    async def test_over_a_budget_its_owner_still_decides(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co", "acme.biz")
        sooner = DOMAINS.model_copy(update={"wait_hours": 12, "remind_after_hours": (1,)})

        await house.restarts(approvals=APPROVALS.model_copy(update={"rules": (BIG, sooner)}))
        await house.tick()
        await house.omar.clicks(story.card, "approve")
        await house.tick()

        assert await story.state() is RequestState.AWAITING
        told = await typed(house, house.ana, f"/postroom why {story.id}")
        assert "• and for the budget “Outreach” <@U0FINN> has to say yes\n" in told
        assert "*Said yes*\n• <@U0OMAR>" in told

    async def test_what_has_waited_too_long_by_the_new_rules_expires(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.passes(hours=5)
        sooner = DOMAINS.model_copy(update={"wait_hours": 4, "escalate_to": (), "escalate_after_hours": None})

        await house.restarts(approvals=APPROVALS.model_copy(update={"rules": (BIG, sooner)}))
        await house.tick()

        assert await story.state() is RequestState.EXPIRED

    async def test_fewer_have_to_say_yes_than_have_said_it(self, house: House) -> None:
        story = await house.asks(house.ana, *(f"acme{n}.com" for n in range(9)), channel="#general")
        await house.omar.clicks(story.card, "approve")
        await house.tick()
        milder = BIG.model_copy(update={"needs": 1, "approvers": ("U0OMAR",)})

        await house.restarts(approvals=APPROVALS.model_copy(update={"rules": (milder, DOMAINS)}))
        await house.tick()
        assert house.bought == []  # nothing is approved by a change of the settings
        await house.omar.clicks(story.card, "approve")
        await house.tick()

        assert len(house.bought) == 9
