"""Asking: the form, the mistakes under its fields, what the provider says, and the review."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from providers.mailin.sandbox import Fault
from tests.house import House, open_house, prices, reading


async def test_the_bare_command_opens_an_empty_form(house: House) -> None:
    form = await house.form(house.ana, "/domain buy")

    assert form.title == "Buy domains"
    assert form.values == {"account": "mailin-main", "domains": None, "hosting": "smtp", "reason": None}
    assert form.submit == "Review"


async def test_what_was_typed_after_the_command_stands_in_the_form_even_if_it_is_wrong(house: House) -> None:
    form = await house.form(house.ana, "/domain buy Not_A_Domain, https://ACME.com/ it's")

    assert form.values["domains"].split() == ["Not_A_Domain,", "https://ACME.com/", "it's"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("acme", "“acme” is not a domain name. A domain looks like acme-mail.com."),
        ("-acme.com", "“-acme.com” is not a domain name."),
        ("ana@acme.com", "“ana@acme.com” is an e-mail address; only the part after the @ is a domain name."),
        ("acme.org", "acme.org: Mailin sells only .com, .co, .ca and .biz."),
        ("acme.com other.com acme.com", "acme.com is there twice."),
        ("acme.com https://ACME.com/shop", "acme.com is there twice."),
        ("bücher.com xn--bcher-kva.com", "xn--bcher-kva.com is there twice."),
        (" ".join(f"acme-{n}.com" for n in range(51)), "These are 51 domains; at most 50 go into one request."),
        (",;,", "Name at least one domain."),
        ("one two three four five", "And 2 more are wrong."),
    ],
)
async def test_a_mistake_stands_under_its_field_and_nothing_is_asked(house: House, typed: str, said: str) -> None:
    form = await house.form(house.ana)
    await house.ana.fills(form, domains=typed, reason="Because")

    sent = await house.ana.submits(form)

    assert set(sent.errors) == {"domains"}
    assert said in sent.errors["domains"]
    assert form.values["domains"] == typed
    assert house.calls["availability"] == 0


async def test_every_field_gets_its_own_error_at_once(house: House) -> None:
    form = await house.form(house.ana)
    await house.ana.fills(form, domains="acme.org", reason="   ")

    sent = await house.ana.submits(form)

    assert sent.errors == {
        "domains": "acme.org: Mailin sells only .com, .co, .ca and .biz.",
        "reason": "Say in a few words what it is for; those who decide read it.",
    }


async def test_fifty_names_are_taken_and_all_are_shown(house: House) -> None:
    names = [f"acme-mail-{n:02}.com" for n in range(50)]

    story = await house.asks(house.ana, *names)

    card = reading(story.card.blocks)
    assert all(f"`{name}` — $12.50" in card for name in names)
    assert "$625.00" in card


async def test_a_name_with_umlauts_is_asked_for_in_its_ascii_form(house: House) -> None:
    story = await house.approved(house.ana, "Bücher.com")

    assert "`xn--bcher-kva.com`" in reading(story.card.blocks)
    assert house.bought == ["xn--bcher-kva.com"]


async def test_taken_names_lead_back_to_the_form_and_nothing_is_lost(house: House) -> None:
    house.mailin.own("acme-old.com")
    form = await house.form(house.ana, "/domain buy google.com acme-new.com acme-old.com")
    await house.ana.fills(form, hosting="google", reason="Spring campaign")
    await house.ana.submits(form)

    again = await house.ana.sees_modal("form")

    top = reading(again.blocks[:1])
    assert "Already taken: google.com." in top
    assert "Already in this account: acme-old.com." in top
    assert again.values == {
        "account": "mailin-main",
        "domains": "google.com\nacme-new.com\nacme-old.com",
        "hosting": "google",
        "reason": "Spring campaign",
    }

    await house.ana.fills(again, domains="acme-new.com")
    await house.ana.submits(again)
    review = await house.ana.sees_modal("review")
    assert "Buy acme-new.com (Google)" in reading(review.blocks)


async def test_the_names_are_looked_at_where_they_would_be_bought(house: House) -> None:
    """A name that is in the account under the other hosting is in the account all the same."""
    house.mailin.own("acme.com", hosting="google")
    form = await house.form(house.ana, "/domain buy acme.com")
    await house.ana.fills(form, reason="Because", hosting="smtp")
    await house.ana.submits(form)

    assert "Already in this account: acme.com." in reading((await house.ana.sees_modal("form")).blocks[:1])


async def test_change_something_keeps_everything(house: House) -> None:
    review = await house.review(house.ana, "acme-a.com", "acme-b.co", hosting="google", reason="It's *for* <us>")

    await house.ana.clicks(review, "edit")

    form = await house.ana.sees_modal("form")
    assert form.values == {
        "account": "mailin-main",
        "domains": "acme-a.com\nacme-b.co",
        "hosting": "google",
        "reason": "It's *for* <us>",
    }
    await house.ana.fills(form, domains="acme-a.com")
    await house.ana.submits(form)
    assert "Total: $12.50" in reading((await house.ana.sees_modal("review")).blocks)


async def test_the_review_says_that_a_price_is_not_known(house: House) -> None:
    await house.restarts(prices=prices(domain_co=None))

    review = await house.review(house.ana, "acme.com", "acme.co")

    said = reading(review.blocks)
    assert "`acme.com` — $12.50" in said
    assert "`acme.co` — price unknown" in said
    assert "Total: price unknown" in said
    assert "Postroom's price list has no price for some of this" in said
    await house.ana.submits(review)
    story = await house.story_of(house.ana)
    assert "price unknown" in reading(story.card.blocks)


async def test_not_now_asks_nobody(house: House) -> None:
    review = await house.review(house.ana, "acme.com")

    await house.ana.closes(review)
    await house.tick()

    assert not house.ana.messages("#approvals")
    assert not house.ana.messages("#outreach")


async def test_a_provider_that_does_not_answer_loses_nothing_of_the_form(house: House) -> None:
    house.mailin.faults.add("availability", Fault.answers(500), times=3)
    form = await house.form(house.ana, "/domain buy acme.com")
    await house.ana.fills(form, reason="Spring campaign", hosting="google")
    await house.ana.submits(form)

    again = await house.ana.sees_modal("form")

    assert "Mailin failed to answer" in reading(again.blocks[:1])
    assert "Nothing was asked." in reading(again.blocks[:1])
    assert again.values["domains"] == "acme.com"
    assert again.values["hosting"] == "google"
    assert again.values["reason"] == "Spring campaign"
    await house.ana.submits(again)
    assert (await house.ana.sees_modal("review")).reads("$12.50")


async def test_a_window_closed_during_the_check_can_be_gone_on_with(house: House) -> None:
    house.mailin.faults.add("availability", Fault.slow(0.05))
    form = await house.form(house.ana, "/domain buy acme.com")
    await house.ana.fills(form, reason="Spring campaign")
    sent = await house.ana.submits(form)
    assert sent.modal is not None

    await house.ana.closes(sent.modal)
    await house.tick()

    offer = house.ana.ephemerals("#outreach")[-1]
    assert "the window was closed. Nothing was asked." in reading(offer.blocks)
    await house.ana.clicks(offer, "Continue")
    again = await house.ana.sees_modal("form")
    assert again.values["domains"] == "acme.com"
    assert again.values["reason"] == "Spring campaign"


@pytest.mark.parametrize(
    ("names", "hosting", "route"),
    [
        (["acme.com"], "smtp", "buy"),
        (["acme.com", "acme.co"], "smtp", "buy_multiple"),
        (["acme.com"], "google", "buy_google"),
        (["acme.com", "acme.co"], "google", "buy_multiple_google"),
    ],
)
async def test_each_of_the_four_ways_to_buy(house: House, names: list[str], hosting: str, route: str) -> None:
    story = await house.approved(house.ana, *names, hosting=hosting)
    await house.runs_for(minutes=5)

    assert {operation: count for operation, count in house.calls.items() if "buy" in operation} == {route: 1}
    assert [(p.domain, p.hosting) for p in house.mailin.purchases] == [(name, hosting) for name in names]
    assert "*Done.*" in reading(story.card.blocks)


class TestTwoAccounts:
    @pytest.fixture
    async def two(self, tmp_path: Path) -> Any:
        async with open_house(tmp_path, accounts=("mailin-main", "mailin-spare")) as opened:
            yield opened

    async def test_the_form_asks_which(self, two: House) -> None:
        form = await two.form(two.ana, "/domain buy acme.com")
        assert form.values["account"] is None
        await two.ana.fills(form, reason="Because")
        assert set((await two.ana.submits(form)).errors) == {"account"}

        await two.ana.fills(form, account="mailin-spare")
        await two.ana.submits(form)
        review = await two.ana.sees_modal("review")
        assert review.reads("account `mailin-spare`")
        await two.ana.clicks(review, "edit")
        assert (await two.ana.sees_modal("form")).values["account"] == "mailin-spare"

    async def test_a_question_asks_it_too_and_answers_in_its_window(self, two: House) -> None:
        form = await two.form(two.ana, "/domain check acme.com google.com")
        assert form.fields == ["account", "domains"]
        assert form.submit == "Go"
        await two.ana.fills(form, account="mailin-spare")
        await two.ana.submits(form)

        answer = await two.ana.sees_modal("answer")
        assert "`acme.com` — free · $12.50" in reading(answer.blocks)
        assert "`google.com` — taken" in reading(answer.blocks)

    async def test_a_question_that_fails_says_so_in_its_window(self, two: House) -> None:
        form = await two.form(two.ana, "/domain check acme.com")
        await two.ana.fills(form, account="mailin-main")
        two.mailin.faults.add("availability", Fault.answers(500), times=3)
        await two.ana.submits(form)

        notice = await two.ana.sees_modal("notice")
        assert notice.reads("Mailin failed to answer.")


async def test_without_an_account_for_it_the_command_says_so(house: House) -> None:
    await house.restarts(accounts={})

    await house.ana.types("/domain buy acme.com", channel="#outreach")

    assert house.privately(house.ana, "#outreach")[-1].startswith(
        "No account in Postroom's settings can do `/domain`. Nothing was asked. It needs an account at"
    )


async def test_an_account_that_has_gone_since_the_form_was_opened(house: House) -> None:
    form = await house.form(house.ana, "/domain buy acme.com")
    await house.ana.fills(form, reason="Because")
    await house.restarts(accounts={})

    sent = await house.ana.submits(form)

    assert set(sent.errors) == {"account"}
    assert form.values["domains"] == "acme.com"
