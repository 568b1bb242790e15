"""What people can ask of ScaledMail, each action against the provider itself, without Slack or a store."""

from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from providers.accounts import PriceList
from providers.action import Action, Done, Effect, Failed, ItemState, Pending, Refused, Unknown
from providers.errors import AuthExpired, NotFound, OutcomeUnknown, ProviderError, Upstream
from providers.listing import PAGE
from providers.scaledmail.actions import (
    ACTIONS,
    LISTING_LAG,
    MOST_DOMAINS,
    BrowsePrewarmed,
    BuyPrewarmed,
    ListDomains,
    ListMailboxes,
    ListOrganizations,
    ListPrewarmed,
    ListPurchased,
    ShowMailboxPasswords,
)
from providers.scaledmail.client import ScaledMailClient
from providers.scaledmail.models import Platform
from providers.scaledmail.provider import provider
from providers.scaledmail.sandbox import SANDBOX_ORGANIZATION, ScaledMailSandbox, password_of
from providers.simulator import Fault, Work

KEY = "req_7k2m9x4qpd#1"
TWO = BuyPrewarmed(domains=["warm-a.com", "warm-b.com"])
SEQUENCER = {
    "sequencer": "Instantly",
    "sequencer_username": "ana@acme.com",
    "sequencer_password": "hunter2",
    "sequencer_link": "https://app.instantly.ai",
}
AFTER_THE_LAG = LISTING_LAG.total_seconds()


def sentence_under(field: str, action: type[Action], **typed: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        action.model_validate(typed)
    [error] = [error for error in refused.value.errors() if error["loc"] == (field,)]
    assert error["type"] == "sentence"
    return error["msg"]


@pytest.fixture
def shelf(sandbox: ScaledMailSandbox) -> ScaledMailSandbox:
    """Two Google domains and an Outlook one are for sale."""
    sandbox.put_on_shelf("warm-a.com", "warm-b.com")
    sandbox.put_on_shelf(
        "outlook-a.com", platform=Platform.OUTLOOK, warmup_months=6, mailbox_count=25, one_time="30", monthly="50"
    )
    return sandbox


class TestEveryAction:
    @pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.command)
    def test_it_can_be_shown(self, action: type[Action]) -> None:
        assert action.provider == "scaledmail"
        assert len(action.title) <= 24
        assert action.help_line().endswith(".")
        assert not {"account", "reason"} & set(action.model_fields)
        for name, field in action.model_fields.items():
            if not action.is_hidden(name):
                assert field.title, name
                assert field.description, name

    def test_the_provider_is_put_together(self) -> None:
        assert provider().name == "scaledmail"
        assert {a.command for a in provider().actions if a.effect is Effect.SPEND} == {"prewarm buy"}
        assert {a.command for a in provider().actions if a.effect is Effect.REVEAL} == {"mailbox credentials"}

    @pytest.mark.parametrize(
        "action",
        [
            BrowsePrewarmed(),
            ListPrewarmed(),
            ListDomains(),
            ListPurchased(),
            ListMailboxes(domain="a.com"),
            ListOrganizations(),
        ],
        ids=lambda action: action.command,
    )
    async def test_a_wrong_key_is_a_sentence_with_a_cure(
        self, open_account: Callable[..., ScaledMailClient], action: Action
    ) -> None:
        with pytest.raises(AuthExpired, match="did not accept this account's API key") as refused:
            await action.run(open_account(api_key="wrong"), KEY)

        assert "postroom doctor" in refused.value.cure


class TestBrowsing:
    def test_words(self) -> None:
        assert BrowsePrewarmed.prefill(["Outlook", "3", "$40"]) == {
            "kind": "outlook",
            "min_months": "3",
            "most_monthly": "40",
        }
        typed = BrowsePrewarmed.model_validate(BrowsePrewarmed.prefill(["outlook", "3", "$1,040.50"]))
        assert (typed.kind, typed.min_months, typed.most_monthly) == ("outlook", 3, Decimal("1040.50"))
        assert BrowsePrewarmed.model_validate_json(typed.model_dump_json()) == typed
        assert BrowsePrewarmed.prefill(["Blue", "google", "Lind"]) == {"kind": "google", "words": "Blue Lind"}
        # Nothing that was typed is lost: a second one of a kind is a word like any other.
        assert BrowsePrewarmed.prefill(["google", "outlook", "3", "6", "$40", "$50"]) == {
            "kind": "google",
            "min_months": "3",
            "most_monthly": "40",
            "words": "outlook 6 $50",
        }

    @pytest.mark.parametrize(
        ("field", "typed", "sentence"),
        [
            ("min_months", -1, "This is an age in months: 0 or more."),
            ("most_monthly", "a lot", "This is a price in US dollars, such as 40 or 12.50."),
            ("most_monthly", "40,50", "This is a price in US dollars, such as 40 or 12.50."),
            ("most_monthly", "-3", "This is a price in US dollars, such as 40 or 12.50."),
            ("most_monthly", "NaN", "This is a price in US dollars, such as 40 or 12.50."),
        ],
    )
    def test_mistakes(self, field: str, typed: Any, sentence: str) -> None:
        assert sentence_under(field, BrowsePrewarmed, **{field: typed}) == sentence

    async def test_what_is_for_sale(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        done = await BrowsePrewarmed().run(scaledmail, KEY)

        assert isinstance(done, Done)
        assert done.summary.startswith("3 pre-warmed domains are for sale.")
        assert done.table is not None
        assert done.table.columns == ("Domain", "Kind", "Warmed", "Mailboxes", "One-time", "Per month")
        assert done.table.rows[0] == ("warm-a.com", "Google", "1 month", "2", "$23.00", "$8.00")
        assert done.table.rows[2] == ("outlook-a.com", "Outlook", "6 months", "25", "$30.00", "$50.00")
        assert done.table.pick is not None
        assert done.table.pick.command == BuyPrewarmed.command
        assert done.table.pick.field in BuyPrewarmed.model_fields

    @pytest.mark.parametrize(
        ("filtered", "names"),
        [
            ({"kind": "outlook"}, ["outlook-a.com"]),
            ({"min_months": 2}, ["outlook-a.com"]),
            ({"most_monthly": "8"}, ["warm-a.com", "warm-b.com"]),
            ({"kind": "google", "min_months": 2}, []),
            ({"words": "  WARM  "}, ["warm-a.com", "warm-b.com"]),
            ({"words": "a.com warm"}, ["warm-a.com"]),
            ({"words": "-b Lind"}, ["warm-b.com"]),
            ({"words": "nobody"}, []),
        ],
    )
    async def test_filters(
        self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox, filtered: Any, names: list[str]
    ) -> None:
        done = await BrowsePrewarmed.model_validate(filtered).run(scaledmail, KEY)

        assert isinstance(done, Done)
        if names:
            assert done.table is not None
            assert [row[0] for row in done.table.rows] == names
            assert f"{len(names)} of 3 pre-warmed domains for sale match" in done.summary
        else:
            assert done.summary == (
                "None of what is for sale (3 pre-warmed domains) is like that. Ask for less, and you will see more."
            )

    async def test_pages(self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox) -> None:
        sandbox.put_on_shelf(*(f"warm-{n:03}.com" for n in range(PAGE + 1)))

        first = await BrowsePrewarmed().run(scaledmail, KEY)
        second = await BrowsePrewarmed(page=2).run(scaledmail, KEY)
        third = await BrowsePrewarmed(page=3).run(scaledmail, KEY)

        assert isinstance(first, Done)
        assert isinstance(second, Done)
        assert isinstance(third, Done)
        assert first.next_page == 2
        assert second.table is not None
        assert len(second.table.rows) == 1
        assert second.next_page is None
        assert third.summary == "There are no more pre-warmed domains."

    async def test_empty_shelves(self, scaledmail: ScaledMailClient) -> None:
        done = await BrowsePrewarmed().run(scaledmail, KEY)

        assert isinstance(done, Done)
        assert done.summary == "ScaledMail has no pre-warmed domains for sale at the moment."


class TestAskingToBuy:
    def test_what_was_typed(self) -> None:
        typed = BuyPrewarmed.model_validate(
            {"domains": "WARM-a.com, warm-b.com", "redirect": "https://Acme.com/", "tag": "  client   1 "}
        )

        assert typed.domains == ["warm-a.com", "warm-b.com"]
        assert typed.redirect == "acme.com"
        assert typed.tag == "client 1"
        assert typed.subjects() == ("warm-a.com", "warm-b.com")
        assert typed.headline() == "Buy 2 pre-warmed domains"
        assert BuyPrewarmed(domains=["warm-a.com"]).headline() == "Buy pre-warmed warm-a.com"
        assert BuyPrewarmed.prefill(["warm-a.com", "warm-b.com"]) == {"domains": "warm-a.com\nwarm-b.com"}
        assert BuyPrewarmed.model_validate({"domains": "a.com", "redirect": " "}).redirect is None

    def test_some_of_them_taken_out_take_their_targets_along(self) -> None:
        redirect = "warm-a.com acme.com\nwarm-b.com acme.io"
        both = BuyPrewarmed.model_validate({"domains": "warm-a.com\nwarm-b.com", "redirect": redirect, "tag": "spring"})

        left = both.without(["Warm-A.com"])

        assert left is not None
        assert (left.domains, left.redirect, left.tag) == (["warm-b.com"], "warm-b.com acme.io", "spring")
        assert both.without(["warm-a.com", "warm-b.com"]) is None
        of_all = TWO.model_copy(update={"redirect": "acme.com"}).without(["warm-a.com"])
        assert of_all is not None
        assert of_all.redirect == "acme.com"

    async def test_each_line_of_its_price_is_of_one_domain(
        self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox
    ) -> None:
        quote = await TWO.quote(scaledmail, PriceList())
        assert {line.subject for line in quote.lines} == set(TWO.subjects())

    @pytest.mark.parametrize(
        ("field", "typed", "sentence"),
        [
            ("domains", "", "Name at least one domain."),
            ("domains", "warm-a.com warm-a.com", "warm-a.com is there twice. Name each domain once."),
            ("domains", "nonsense", "“nonsense” is not a domain name. A domain looks like acme-mail.com."),
            (
                "domains",
                [f"w{n}.com" for n in range(MOST_DOMAINS + 1)],
                "These are 26 domains; at most 25 go into one purchase.",
            ),
            (
                "redirect",
                "https://acme.com/landing",
                "Name the domain alone, such as acme.com, without what follows the slash.",
            ),
            (
                "redirect",
                "<https://acme.com/landing|acme.com/landing>",
                "Name the domain alone, such as acme.com, without what follows the slash.",
            ),
            (
                "redirect",
                "a.com acme.com\nacme.org",
                "Write one domain for all, or on each line a bought domain and the one its visitors go to.",
            ),
            (
                "redirect",
                "a.com https://acme.com/x",
                "Name the domain alone, such as acme.com, without what follows the slash.",
            ),
            (
                "redirect",
                "a.com acme.com\nA.com acme.org",
                "a.com is there twice. Its visitors can go to one domain only.",
            ),
            ("redirect", "b.com acme.com", "b.com is not among the domains above."),
            ("tag", "x" * 51, "This tag has 51 characters; at most 50 fit."),
        ],
    )
    def test_mistakes(self, field: str, typed: Any, sentence: str) -> None:
        assert sentence_under(field, BuyPrewarmed, **{"domains": "a.com", field: typed}) == sentence

    async def test_a_redirect_for_each(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        action = BuyPrewarmed.model_validate(
            {
                "domains": "warm-a.com warm-b.com outlook-a.com",
                "redirect": "Warm-A.com → https://acme.com\n\noutlook-a.com acme.org",
            }
        )
        assert BuyPrewarmed.model_validate(action.model_dump(mode="json")) == action

        quote = await action.quote(scaledmail, PriceList())
        await action.run(scaledmail, KEY)

        assert [line.what for line in quote.lines if "one-time" in line.what] == [
            "warm-a.com, one-time (visitors go to acme.com)",
            "warm-b.com, one-time",
            "outlook-a.com, one-time (visitors go to acme.org)",
        ]
        assert {d.name: d.redirect for d in shelf.domains.values()} == {
            "warm-a.com": "acme.com",
            "warm-b.com": "",
            "outlook-a.com": "acme.org",
        }

    async def test_into_a_sequencer(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        action = BuyPrewarmed.model_validate({"domains": "warm-a.com", **SEQUENCER, "sequencer_tag": "May"})

        assert action.headline() == "Buy pre-warmed warm-a.com into Instantly"
        assert "hunter2" not in repr(action)
        assert "hunter2" not in str(action.stored())
        assert BuyPrewarmed.model_validate(action.stored()).stored() == action.stored()
        await action.run(scaledmail, KEY)

        assert shelf.sequencers == [
            {
                "provider": "Instantly",
                "username": "ana@acme.com",
                "password": "hunter2",
                "link": "https://app.instantly.ai",
                "tag": "May",
            }
        ]

    @pytest.mark.parametrize("left_out", ["sequencer_username", "sequencer_password", "sequencer_link"])
    def test_a_sequencer_wants_all_of_it(self, left_out: str) -> None:
        typed = {name: value for name, value in SEQUENCER.items() if name != left_out}

        said = sentence_under(left_out, BuyPrewarmed, domains="a.com", **typed)
        assert said == "ScaledMail needs this to log in to the sequencer."

    @pytest.mark.parametrize(
        ("field", "typed", "sentence"),
        [
            ("sequencer_username", "ana", "Say above which sequencer this is for, or leave this empty."),
            ("sequencer_password", "x", "Say above which sequencer this is for, or leave this empty."),
            ("sequencer_tag", "x", "Say above which sequencer this is for, or leave this empty."),
            (
                "sequencer_link",
                "instantly",
                "This is not the address of a page. One looks like https://app.instantly.ai.",
            ),
            ("sequencer", "x" * 201, "This name has 201 characters; at most 200 fit."),
        ],
    )
    def test_mistakes_about_a_sequencer(self, field: str, typed: str, sentence: str) -> None:
        assert sentence_under(field, BuyPrewarmed, domains="a.com", **{field: typed}) == sentence

    async def test_prices_are_scaledmails(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        quote = await BuyPrewarmed(domains=["warm-a.com", "outlook-a.com"]).quote(scaledmail, PriceList(currency="EUR"))

        assert [(line.what, line.price) for line in quote.lines] == [
            ("warm-a.com, one-time", Decimal(23)),
            ("warm-a.com, first month, then every month", Decimal(8)),
            ("outlook-a.com, one-time", Decimal(30)),
            ("outlook-a.com, first month, then every month", Decimal(50)),
        ]
        assert (quote.total, quote.currency) == (Decimal(111), "USD")

    async def test_what_has_gone_is_not_quoted(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        with pytest.raises(Refused, match=r"gone\.com is no longer in stock\."):
            await BuyPrewarmed(domains=["warm-a.com", "gone.com"]).quote(scaledmail, PriceList())

    async def test_in_stock_is_fine(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        await TWO.check(scaledmail)

        assert shelf.purchases == []

    async def test_not_in_stock_or_already_ours(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        shelf.own("warm-b.com")

        with pytest.raises(Refused) as refused:
            await BuyPrewarmed(domains=["warm-a.com", "warm-b.com", "gone.com"]).check(scaledmail)

        assert refused.value.problems == {
            "domains": "Already in this account: warm-b.com. Not in stock: gone.com. Remove or replace these names; "
            "“prewarm browse” shows what there is."
        }

    async def test_a_provider_that_cannot_say(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        shelf.faults.add("stock", Fault.answers(500), times=5)

        with pytest.raises(Upstream, match="ScaledMail failed to answer"):
            await TWO.check(scaledmail)


class TestBuying:
    async def test_ordered_set_up_and_there(
        self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox, clock: Any
    ) -> None:
        shelf.listing_lag_seconds, shelf.setup_seconds = 60, 120
        action = BuyPrewarmed(domains=["warm-a.com", "warm-b.com"], redirect="acme.com", tag="client1")

        taken = await action.run(scaledmail, KEY)
        assert isinstance(taken, Pending)
        assert (taken.done, taken.total) == (0, 2)
        unseen = await action.poll(scaledmail, taken.ref)
        assert isinstance(unseen, Pending)
        assert unseen.progress == "0 of 2 there. Waiting to see warm-a.com, warm-b.com in the account."
        clock.advance(60)
        listed = await action.poll(scaledmail, unseen.ref)
        assert isinstance(listed, Pending)
        assert listed.progress == "0 of 2 there."
        clock.advance(60)
        done = await action.poll(scaledmail, listed.ref)

        assert isinstance(done, Done)
        assert done.summary == "Both domains are there, with their mailboxes."
        assert [(i.name, i.state, i.note) for i in done.items] == [
            ("warm-a.com", ItemState.LIVE, "2 mailboxes"),
            ("warm-b.com", ItemState.LIVE, "2 mailboxes"),
        ]
        assert [(p.domain, p.tag) for p in shelf.purchases] == [
            ("warm-a.com", f"{KEY} client1"),
            ("warm-b.com", f"{KEY} client1"),
        ]
        assert {d.redirect for d in shelf.domains.values()} == {"acme.com"}
        assert shelf.calls["buy"] == 1

    async def test_gone_between_approval_and_order(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox
    ) -> None:
        sandbox.put_on_shelf("warm-a.com")

        failed = await TWO.run(scaledmail, KEY)

        assert isinstance(failed, Failed)
        assert failed.summary == "Not in stock any more: warm-b.com. Nothing was ordered, and nothing was bought."
        assert "prewarm browse" in failed.cure
        assert [(i.state, i.note) for i in failed.items] == [
            (ItemState.NOT_DONE, ""),
            (ItemState.NOT_DONE, "not in stock"),
        ]
        assert sandbox.calls["buy"] == 0

    async def test_the_stock_cannot_be_read(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        shelf.faults.add("stock", Fault.answers(500), times=5)

        with pytest.raises(ProviderError) as error:
            await TWO.run(scaledmail, KEY)

        assert not isinstance(error.value, OutcomeUnknown)
        assert shelf.calls["buy"] == 0

    async def test_the_payment_is_due(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        shelf.charge_fails = True

        with pytest.raises(OutcomeUnknown, match="could not charge"):
            await TWO.run(scaledmail, KEY)
        done = await TWO.reconcile(scaledmail, KEY)

        assert isinstance(done, Done)
        assert done.summary == (
            "Both domains are there, with their mailboxes. The payment for warm-a.com, warm-b.com is still due. "
            "Whoever pays for this account: settle the open payment at ScaledMail."
        )
        assert {item.note for item in done.items} == {"2 mailboxes, payment due"}
        assert shelf.calls["buy"] == 1

    async def test_only_a_part_is_delivered(
        self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox, clock: Any
    ) -> None:
        shelf.faults.add("buy", Fault.answers(200, work=Work.HALF, body={"unavailable": ["warm-b.com"]}))

        taken = await TWO.run(scaledmail, KEY)
        assert isinstance(taken, Pending)
        assert "no longer has warm-b.com" in taken.progress
        early = await TWO.poll(scaledmail, taken.ref)
        assert isinstance(early, Pending)
        clock.advance(AFTER_THE_LAG)
        failed = await TWO.poll(scaledmail, early.ref)

        assert isinstance(failed, Failed)
        assert failed.summary == "ScaledMail could not deliver everything: 1 of 2 bought."
        assert [i.state for i in failed.items] == [ItemState.LIVE, ItemState.NOT_DONE]
        assert shelf.calls["buy"] == 1

    async def test_what_is_left_on_the_shelf_was_not_bought(
        self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox, clock: Any
    ) -> None:
        shelf.faults.add("buy", Fault.answers(200, work=Work.HALF, body={}))

        taken = await TWO.run(scaledmail, KEY)
        assert isinstance(taken, Pending)
        clock.advance(AFTER_THE_LAG)

        assert isinstance(await TWO.poll(scaledmail, taken.ref), Failed)

    async def test_absence_alone_proves_nothing(
        self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox, clock: Any
    ) -> None:
        shelf.listing_lag_seconds = 10 * AFTER_THE_LAG

        taken = await TWO.run(scaledmail, KEY)
        assert isinstance(taken, Pending)
        clock.advance(2 * AFTER_THE_LAG)

        assert isinstance(await TWO.poll(scaledmail, taken.ref), Pending)

    async def test_an_unknown_state_is_waited_for(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        taken = await TWO.run(scaledmail, KEY)
        assert isinstance(taken, Pending)
        next(iter(shelf.domains.values())).status = "Marinating"

        still = await TWO.poll(scaledmail, taken.ref)

        assert isinstance(still, Pending)
        assert still.done == 1


class TestLookingUp:
    """After an unclear answer, by reading alone."""

    @pytest.mark.parametrize("fault", [Fault.cut_after(), Fault.answers(500, work=Work.ALL), Fault.malformed()])
    async def test_it_had_worked(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox, fault: Fault) -> None:
        shelf.faults.add("buy", fault)

        with pytest.raises(OutcomeUnknown):
            await TWO.run(scaledmail, KEY)
        found = await TWO.reconcile(scaledmail, KEY)

        assert isinstance(found, Done)
        assert shelf.calls["buy"] == 1

    async def test_it_had_worked_and_is_being_set_up(
        self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox, clock: Any
    ) -> None:
        shelf.setup_seconds = 60
        shelf.faults.add("buy", Fault.cut_after())

        with pytest.raises(OutcomeUnknown):
            await TWO.run(scaledmail, KEY)
        found = await TWO.reconcile(scaledmail, KEY)
        assert isinstance(found, Pending)
        clock.advance(60)

        assert isinstance(await TWO.poll(scaledmail, found.ref), Done)

    async def test_no_tags_in_the_listings(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        shelf.leaves_tags_out = True
        shelf.faults.add("buy", Fault.cut_after())

        with pytest.raises(OutcomeUnknown):
            await TWO.run(scaledmail, KEY)

        assert isinstance(await TWO.reconcile(scaledmail, KEY), Done)

    async def test_it_had_not_worked(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        shelf.faults.add("buy", Fault.answers(500, work=Work.NOTHING))

        with pytest.raises(OutcomeUnknown):
            await TWO.run(scaledmail, KEY)
        unclear = await TWO.reconcile(scaledmail, KEY)

        assert isinstance(unclear, Unknown)
        assert unclear.evidence == (
            "In the account: none of them. Not (yet) listed: warm-a.com, warm-b.com. "
            "Still for sale: warm-a.com, warm-b.com."
        )
        assert {item.state for item in unclear.items} == {ItemState.UNKNOWN}
        assert shelf.calls["buy"] == 1

    async def test_half_of_it(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        shelf.faults.add("buy", Fault.cut_after(work=Work.HALF))

        with pytest.raises(OutcomeUnknown):
            await TWO.run(scaledmail, KEY)
        unclear = await TWO.reconcile(scaledmail, KEY)

        assert isinstance(unclear, Unknown)
        assert unclear.evidence == (
            "In the account: warm-a.com. Not (yet) listed: warm-b.com. Still for sale: warm-b.com."
        )
        assert [item.state for item in unclear.items] == [ItemState.LIVE, ItemState.UNKNOWN]

    async def test_another_order_was_faster(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        await BuyPrewarmed(domains=["warm-b.com"]).run(scaledmail, "req_another000#1")
        shelf.faults.add("buy", Fault.cut_after())
        action = BuyPrewarmed(domains=["warm-a.com"])
        with pytest.raises(OutcomeUnknown):
            await action.run(scaledmail, KEY)

        unclear = await TWO.reconcile(scaledmail, KEY)

        assert isinstance(unclear, Unknown)
        assert "In the account by another order: warm-b.com." in unclear.evidence


class TestListings:
    async def test_domains(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        shelf.own("acme.com", "other.com")
        await BuyPrewarmed(domains=["warm-a.com"]).run(scaledmail, KEY)

        everything = await ListDomains().run(scaledmail, KEY)
        some = await ListDomains.model_validate(ListDomains.prefill(["ACME"])).run(scaledmail, KEY)

        assert isinstance(everything, Done)
        assert everything.summary == "3 domains in this account."
        assert everything.items[-1].note == f"live · Google · 2 mailboxes · tag {KEY}"
        assert isinstance(some, Done)
        assert some.summary == "1 domain with “ACME” in the name in this account."
        assert [item.name for item in some.items] == ["acme.com"]

    async def test_ten_thousand(self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox) -> None:
        sandbox.own(*(f"acme-{n}.com" for n in range(10_000)))

        done = await ListDomains().run(scaledmail, KEY)

        assert isinstance(done, Done)
        assert (len(done.items), done.next_page) == (PAGE, 2)

    async def test_nothing_there(self, scaledmail: ScaledMailClient) -> None:
        summaries = [
            (await action.run(scaledmail, KEY)).summary  # type: ignore[union-attr]
            for action in (ListDomains(), ListPurchased(), ListPurchased(show="available"), ListPrewarmed())
        ]

        assert summaries == [
            "There are no domains in this account.",
            "There are no purchased domains in this account.",
            "There are no purchased domains free for a new order.",
            "There are no domains that were bought with their mailboxes.",
        ]

    async def test_purchased(self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox) -> None:
        sandbox.own("used.com")
        sandbox.own("free.com", in_use=False)

        everything = await ListPurchased().run(scaledmail, KEY)
        free = await ListPurchased.model_validate(ListPurchased.prefill(["available"])).run(scaledmail, KEY)

        assert isinstance(everything, Done)
        assert {item.name for item in everything.items} == {"used.com", "free.com"}
        assert isinstance(free, Done)
        assert [item.name for item in free.items] == ["free.com"]

    async def test_prewarmed(self, scaledmail: ScaledMailClient, shelf: ScaledMailSandbox) -> None:
        shelf.own("free.com", in_use=False)
        await BuyPrewarmed(domains=["warm-a.com", "warm-b.com"], tag="client1").run(scaledmail, KEY)

        done = await ListPrewarmed(name="CLIENT1").run(scaledmail, KEY)

        assert isinstance(done, Done)
        assert done.table is not None
        assert done.table.rows == (
            ("warm-a.com", "Google", "2", "live", "paid", f"{KEY} client1"),
            ("warm-b.com", "Google", "2", "live", "paid", f"{KEY} client1"),
        )

    async def test_mailboxes(self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox) -> None:
        sandbox.own("acme.com")

        done = await ListMailboxes(domain="acme.com").run(scaledmail, KEY)

        assert isinstance(done, Done)
        assert done.summary == "acme.com has 2 mailboxes."
        assert (done.items[0].name, done.items[0].note) == ("nora.lind@acme.com", "Nora Lind · live")
        assert "pw-" not in done.model_dump_json()

    async def test_mailboxes_of_a_stranger(self, scaledmail: ScaledMailClient) -> None:
        with pytest.raises(NotFound, match=r"acme\.com is not \(yet\) among the domains") as refused:
            await ListMailboxes(domain="acme.com").run(scaledmail, KEY)

        assert refused.value.cure

    async def test_organizations(
        self, scaledmail: ScaledMailClient, open_account: Callable[..., ScaledMailClient]
    ) -> None:
        done = await ListOrganizations().run(scaledmail, KEY)
        nowhere = await ListOrganizations().run(open_account(organization_id=None), KEY)

        assert isinstance(done, Done)
        assert [(i.name, i.note) for i in done.items] == [
            (SANDBOX_ORGANIZATION, "Sandbox · this account works here"),
            ("org-second", "Second"),
        ]
        assert isinstance(nowhere, Done)
        assert [i.note for i in nowhere.items] == ["Sandbox", "Second"]


class TestRevealing:
    async def test_passwords_once_and_nowhere_else(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox, everything_logged: io.StringIO
    ) -> None:
        sandbox.own("acme.com")
        action = ShowMailboxPasswords(domain="acme.com")

        shown = await action.reveal(scaledmail)

        assert shown.summary == "2 passwords of acme.com."
        password = password_of("nora.lind@acme.com")
        assert shown.secrets[0] == ("nora.lind@acme.com", SecretStr(password))
        assert password not in f"{shown!r}{shown}{shown.summary}{action.model_dump_json()}"
        assert password not in everything_logged.getvalue()
        with pytest.raises(TypeError):
            await action.run(scaledmail, KEY)

    async def test_some_have_none(self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox) -> None:
        sandbox.own("acme.com")
        rows = [{"email": "a@acme.com", "password": "very-secret"}, {"email": "b"}]
        sandbox.faults.add("mailboxes", Fault.answers(200, body={"mailboxes": rows}))
        sandbox.faults.add("mailboxes", Fault.answers(200, body={"mailboxes": rows[1:]}))
        sandbox.faults.add("mailboxes", Fault.answers(200, body={"mailboxes": []}))
        action = ShowMailboxPasswords(domain="acme.com")

        assert (await action.reveal(scaledmail)).summary == (
            "1 password of acme.com. For 1 other mailbox it shows none."
        )
        with pytest.raises(NotFound, match="shows no password for any mailbox"):
            await action.reveal(scaledmail)
        with pytest.raises(NotFound, match="has no mailboxes"):
            await action.reveal(scaledmail)
