"""What people can ask of Mailin about Azure orders, accounts elsewhere and the account itself."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from providers.accounts import PriceList
from providers.action import Action, Done, Effect, Failed, ItemState, Pending, Refused, Unknown
from providers.errors import AlreadyExists, NotFound, OutcomeUnknown, Rejected
from providers.listing import PAGE
from providers.mailin.actions import ACTIONS
from providers.mailin.actions.account import ListServers, ShowAccount, ShowServer
from providers.mailin.actions.common import KEEP_WATCHING
from providers.mailin.actions.orders import (
    AddOrder,
    DeleteOrder,
    ListOrders,
    OrderCredentials,
    OrderInboxProvider,
    OrderMailboxes,
    OrderStatus,
    RedirectOrder,
    ReuploadOrder,
)
from providers.mailin.actions.sequencers import (
    AddInboxProvider,
    AddRegistrar,
    ListInboxProviders,
    ListRegistrars,
    RemoveInboxProvider,
    RemoveRegistrar,
    UpdateInboxProvider,
    UpdateRegistrar,
)
from providers.mailin.client import MailinClient
from providers.mailin.models import InboxProviderDetails, RegistrarDetails
from providers.mailin.sandbox import Fault, MailinSandbox, Work

ORDER = AddOrder(domain="acme.com", names=["Ana Ruiz", "Bo Li"])
API_KEY = "key-of-a-sequencer"


@pytest.fixture
async def sequencer(mailin: MailinClient) -> int:
    details = InboxProviderDetails(name="Smart", provider="smartlead", api_key=SecretStr(API_KEY))
    number = await mailin.add_inbox_provider(details)
    assert number is not None
    return number


@pytest.fixture
async def registrar(mailin: MailinClient) -> int:
    number = await mailin.add_registrar(RegistrarDetails(name="Pork", provider="porkbun", api_key=SecretStr(API_KEY)))
    assert number is not None
    return number


BOXES = [f"box{n}@acme.com Box {n}" for n in range(1, 101)]


@pytest.fixture
async def ordered(mailin: MailinClient) -> None:
    await mailin.add_azure_order("acme.com", purchase=True, full_names=["Ana Ruiz"])


def told(action: type[Action], **given: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        action.model_validate(given)
    return str(refused.value.errors()[0]["msg"])


class TestAsking:
    @pytest.mark.parametrize(
        ("action", "given", "sentence"),
        [
            (AddOrder, {"domain": "acme.com", "names": ""}, "Give the full names above, or all 100 mailboxes here."),
            (AddOrder, {"domain": "acme.com", "mailboxes": BOXES[:99]}, "These are 99 mailboxes; an order has exactly"),
            (AddOrder, {"domain": "acme.co", "mailboxes": BOXES}, "box1@acme.com, box2@acme.com, "),
            (AddOrder, {"domain": "acme.com", "mailboxes": [*BOXES[:99], BOXES[0]]}, "box1@acme.com is there twice."),
            (AddOrder, {"domain": "acme.com", "mailboxes": [*BOXES[:99], "a@acme.com"]}, "a@acme.com: write the name"),
            (AddOrder, {"domain": "acme.com", "mailboxes": BOXES, "names": "Ana Ruiz"}, "Leave this empty"),
            (AddOrder, {"domain": "acme.com", "names": "Ana"}, "“Ana” is not a full name."),
            (AddOrder, {"domain": "acme.com", "names": ["A B"] * 101}, "These are 101 names"),
            (OrderInboxProvider, {"domain": "acme.com"}, "Name the sequencer by its number"),
            (OrderInboxProvider, {"domain": "acme.com", "what": "remove", "inbox_provider": 1}, "Leave this empty"),
            (RedirectOrder, {"domain": "acme.com", "to": "acme.com"}, "This is the domain itself"),
        ],
    )
    def test_mistakes_are_sentences(self, action: type[Action], given: dict[str, Any], sentence: str) -> None:
        assert sentence in told(action, **given)

    def test_what_an_order_can_buy(self) -> None:
        given = {"domain": "acme.org", "names": "Ana Ruiz, Bo Li"}
        with pytest.raises(ValidationError, match=r"acme\.org cannot be bought with an order"):
            AddOrder.model_validate(given | {"way": "buy"})
        assert AddOrder.model_validate(given | {"way": "transfer"}).names == ["Ana Ruiz", "Bo Li"]

    def test_the_default_is_validated_too(self) -> None:
        assert "cannot be bought" in told(AddOrder, domain="acme.org", names="Ana Ruiz")

    @pytest.mark.parametrize("action", ACTIONS)
    def test_every_action_can_be_shown(self, action: type[Action]) -> None:
        noun, verb = action.command.split(" ")
        assert noun in ("domain", "mailbox", "verify", "postroom")
        assert verb == verb.lower()
        assert len(action.title) <= 24
        assert action.help_line().endswith(".")
        assert not {"account", "reason"} & set(action.model_fields)
        for name, field in action.model_fields.items():
            assert action.is_hidden(name) or field.title
            assert name in action.secret_fields() or not re.search("password|api_key", name)

    def test_what_waits_for_a_decision(self) -> None:
        waiting = {
            one.command: one.effect for one in ACTIONS if one.effect.needs_decision and "postroom" in one.command
        }
        assert waiting == {
            "postroom order-add": Effect.SPEND,
            "postroom order-delete": Effect.DESTROY,
            "postroom inbox-provider-remove": Effect.DESTROY,
            "postroom registrar-remove": Effect.DESTROY,
        }


class TestOrdering:
    async def test_check(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        await ORDER.check(mailin)
        assert not sandbox.orders

        wrong = AddOrder(domain="google.com", names=["Ana Ruiz"], inbox_provider=7, registrar=8)
        with pytest.raises(Refused) as refused:
            await wrong.check(mailin)
        assert set(refused.value.problems) == {"domain", "inbox_provider", "registrar"}
        assert refused.value.problems["domain"].startswith("google.com is taken.")

    async def test_check_finds_an_order_that_is_there(self, mailin: MailinClient, ordered: None) -> None:
        with pytest.raises(Refused, match=r"There is an order for acme\.com already"):
            await ORDER.check(mailin)

    async def test_it_looks_once_more_before_it_orders(
        self, mailin: MailinClient, sandbox: MailinSandbox, ordered: None
    ) -> None:
        """Somebody has ordered it at Mailin while it waited: were that answer lost, theirs would be taken for ours."""
        sandbox.faults.add("add_order", Fault.cut_after(work=Work.NOTHING))

        failed = await ORDER.run(mailin, "key")

        assert isinstance(failed, Failed)
        assert "nothing was sent, and nothing was bought" in failed.summary
        assert [item.state for item in failed.items] == [ItemState.NOT_DONE]
        assert sandbox.calls["add_order"] == 1

    async def test_a_look_that_fails_keeps_nothing_from_being_ordered(
        self, mailin: MailinClient, sandbox: MailinSandbox, ordered: None
    ) -> None:
        sandbox.faults.add("orders", Fault.cut_before(), times=9)

        with pytest.raises(AlreadyExists):
            await ORDER.run(mailin, "key")

    async def test_the_price_is_the_operators(self, mailin: MailinClient) -> None:
        quote = await ORDER.quote(mailin, PriceList.model_validate({"prices": {"azure.order": 60}}))
        assert (quote.lines[0].what, quote.total) == ("100 Microsoft mailboxes on acme.com", 60)
        assert (await ORDER.quote(mailin, PriceList())).total is None

    async def test_it_is_set_up_and_ready(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
        sandbox.listing_lag_seconds, sandbox.job_seconds = 30, 60
        taken = await ORDER.run(mailin, "key")
        assert isinstance(taken, Pending)
        unseen = await ORDER.poll(mailin, taken.ref)
        assert isinstance(unseen, Pending)
        assert unseen.progress == "Waiting to see the order in the account."
        clock.advance(30)
        seen = await ORDER.poll(mailin, unseen.ref)
        assert isinstance(seen, Pending)
        assert seen.ref == {"order_id": 1}
        clock.advance(30)
        assert isinstance(await ORDER.poll(mailin, seen.ref), Done)
        assert sandbox.times_bought("acme.com") == 1

    async def test_a_hundred_mailboxes_that_were_given(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        names = [f"Ana Ruiz{n}" for n in range(100)]
        given = AddOrder.model_validate({"domain": "acme.com", "mailboxes": "\n".join(BOXES)})
        made = AddOrder.model_validate(
            {"domain": "other.com", "mailboxes": "\n".join(["{first}.{last}@other.com", *names])}
        )
        quote = await given.quote(mailin, PriceList())
        assert quote.lines[0].what.endswith("on acme.com: box1@acme.com, box2@acme.com, box3@acme.com and 97 more")

        for action in (given, made):
            assert isinstance(await action.run(mailin, "key"), Pending)

        one, other = sandbox.orders.values()
        assert (one.mode, len(one.mailboxes), one.mailboxes[0]) == (
            "manual",
            100,
            {"name": "Box 1", "username": "box1@acme.com"},
        )
        assert other.mailboxes[1] == {"name": "Ana Ruiz1", "username": "ana.ruiz1@other.com"}

    async def test_it_fails(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.failing = {"acme.com"}
        taken = await ORDER.run(mailin, "key")
        assert isinstance(taken, Pending)
        failed = await ORDER.poll(mailin, taken.ref)
        assert isinstance(failed, Failed)
        assert "may have charged" in failed.summary

    async def test_an_unknown_word(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        taken = await ORDER.run(mailin, "key")
        assert isinstance(taken, Pending)
        sandbox.faults.add("order_status", Fault.job_says("pondering"))
        waiting = await ORDER.poll(mailin, taken.ref)
        assert isinstance(waiting, Pending)
        assert "“pondering”" in waiting.progress

    async def test_a_transfer_says_what_to_set(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        action = AddOrder(domain="acme.org", way="transfer", names=["Ana Ruiz"])
        await action.check(mailin)
        taken = await action.run(mailin, "key")
        assert isinstance(taken, Pending)
        sandbox.faults.add("order_status", Fault.job_says("pending"))
        waiting = await action.poll(mailin, taken.ref)
        assert isinstance(waiting, Pending)
        assert "Set these nameservers where acme.org is registered: ns1.acme.org, ns2.acme.org." in waiting.progress

    @pytest.mark.parametrize(("work", "kind"), [(Work.ALL, Done), (Work.NOTHING, Unknown)])
    async def test_unclear(self, mailin: MailinClient, sandbox: MailinSandbox, work: Work, kind: type[Any]) -> None:
        sandbox.faults.add("add_order", Fault.cut_after(work=work))
        with pytest.raises(OutcomeUnknown):
            await ORDER.run(mailin, "key")

        assert isinstance(await ORDER.reconcile(mailin, "key"), kind)
        assert sandbox.calls["add_order"] == 1


class TestOneOrder:
    @pytest.mark.parametrize(
        "action",
        [
            DeleteOrder(domain="acme.com"),
            RedirectOrder(domain="acme.com", to="else.com"),
            OrderInboxProvider(domain="acme.com", what="remove"),
            ReuploadOrder(domain="acme.com"),
        ],
    )
    async def test_none(self, mailin: MailinClient, action: Action) -> None:
        with pytest.raises(Refused) as refused:
            await action.check(mailin)
        assert refused.value.problems == {
            "domain": f"There is no Azure order for acme.com in this account. {KEEP_WATCHING}"
        }
        with pytest.raises(NotFound):
            await action.run(mailin, "key")

    async def test_listed_and_shown(self, mailin: MailinClient, ordered: None, sequencer: int) -> None:
        orders = await ListOrders().run(mailin, "key")
        assert isinstance(orders, Done)
        assert orders.summary == "1 Azure order."
        assert orders.table is not None
        assert orders.table.rows == (("acme.com", "1", "bought", "100", ""),)

        status = await OrderStatus(domain="acme.com").run(mailin, "key")
        assert isinstance(status, Done)
        assert status.summary == "The order for acme.com is ready."

    async def test_upload_is_part_of_the_status(self, mailin: MailinClient, ordered: None, sequencer: int) -> None:
        await mailin.set_azure_inbox_provider(1, sequencer)
        status = await OrderStatus(domain="acme.com").run(mailin, "key")
        assert isinstance(status, Done)
        facts = {item.name: item.note for item in status.items}
        assert (facts["Sequencer"], facts["Upload"]) == ("Smart", "100 of 100 uploaded")

    async def test_no_orders(self, mailin: MailinClient) -> None:
        done = await ListOrders().run(mailin, "key")
        assert isinstance(done, Done)
        assert done.summary == "There are no Azure orders in this account."

    async def test_mailboxes_page_by_page(self, mailin: MailinClient, ordered: None) -> None:
        seen, page = list[str](), 1
        while True:
            done = await OrderMailboxes(domain="acme.com", page=page).run(mailin, "key")
            assert isinstance(done, Done)
            assert done.table is not None
            assert len(done.table.rows) <= PAGE
            seen += [row[0] for row in done.table.rows]
            if done.next_page is None:
                break
            page = done.next_page
        assert seen == [f"box{number}@acme.com" for number in range(1, 101)]

    async def test_passwords(self, mailin: MailinClient, sandbox: MailinSandbox, ordered: None) -> None:
        with pytest.raises(NotFound, match="shows no passwords of the mailboxes"):
            await OrderCredentials(domain="acme.com").reveal(mailin)

        sandbox.azure_shows_passwords = True
        shown = await OrderCredentials(domain="acme.com").reveal(mailin)

        assert shown.summary == "100 passwords of acme.com."
        assert shown.secrets[0][0] == "box1@acme.com"
        assert shown.secrets[0][1].get_secret_value() == "Azure-box1!"
        assert "Azure-box1!" not in repr(shown)

    async def test_redirect(self, mailin: MailinClient, sandbox: MailinSandbox, ordered: None) -> None:
        action = RedirectOrder(domain="acme.com", to="else.com")
        await action.check(mailin)
        assert isinstance(await action.run(mailin, "key"), Done)
        assert sandbox.orders[1].redirect_to == "else.com"
        assert isinstance(await action.reconcile(mailin, "key"), Unknown)

    async def test_deleting(self, mailin: MailinClient, sandbox: MailinSandbox, ordered: None) -> None:
        action = DeleteOrder(domain="acme.com")
        await action.check(mailin)
        quote = await action.quote(mailin, PriceList())
        assert quote is not None
        assert quote.lines[0].what == "acme.com, and with it 100 mailboxes"
        assert isinstance(await action.reconcile(mailin, "key"), Unknown)

        sandbox.faults.add("remove_order", Fault.cut_after())
        with pytest.raises(OutcomeUnknown):
            await action.run(mailin, "key")
        assert isinstance(await action.reconcile(mailin, "key"), Done)
        assert sandbox.calls["remove_order"] == 1


class TestUploading:
    async def test_given_to_a_sequencer(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any, ordered: None, sequencer: int
    ) -> None:
        sandbox.job_seconds = 300
        action = OrderInboxProvider(domain="acme.com", inbox_provider=sequencer)
        await action.check(mailin)
        taken = await action.run(mailin, "key")
        assert isinstance(taken, Pending)
        clock.advance(100)
        waiting = await action.poll(mailin, taken.ref)
        assert isinstance(waiting, Pending)
        assert (waiting.progress, waiting.done, waiting.total) == ("Uploading: 0 of 100 uploaded, 100 waiting.", 0, 100)
        clock.advance(200)
        done = await action.poll(mailin, waiting.ref)
        assert isinstance(done, Done)
        assert done.summary == "All 100 mailboxes of acme.com are in the sequencer."

    async def test_to_none_that_exists(self, mailin: MailinClient, ordered: None) -> None:
        with pytest.raises(Refused, match="no sequencer of this number"):
            await OrderInboxProvider(domain="acme.com", inbox_provider=9).check(mailin)
        with pytest.raises(Refused, match="has no sequencer"):
            await OrderInboxProvider(domain="acme.com", what="remove").check(mailin)
        with pytest.raises(Refused, match=r"has no sequencer\. Give it one first"):
            await ReuploadOrder(domain="acme.com").check(mailin)

    @pytest.mark.parametrize("work", [Work.ALL, Work.NOTHING])
    async def test_unclear(
        self, mailin: MailinClient, sandbox: MailinSandbox, ordered: None, sequencer: int, work: Work
    ) -> None:
        give = OrderInboxProvider(domain="acme.com", inbox_provider=sequencer)
        sandbox.faults.add("order_provider", Fault.cut_after(work=work))
        with pytest.raises(OutcomeUnknown):
            await give.run(mailin, "key")
        found = await give.reconcile(mailin, "key")
        assert isinstance(found, Pending if work is Work.ALL else Unknown)
        take = OrderInboxProvider(domain="acme.com", what="remove")
        assert isinstance(await take.reconcile(mailin, "key"), Unknown if work is Work.ALL else Done)

    async def test_taken_away(
        self, mailin: MailinClient, sandbox: MailinSandbox, ordered: None, sequencer: int
    ) -> None:
        await mailin.set_azure_inbox_provider(1, sequencer)
        action = OrderInboxProvider(domain="acme.com", what="remove")
        await action.check(mailin)
        assert isinstance(await action.run(mailin, "key"), Done)
        assert sandbox.orders[1].provider_id is None

    async def test_once_more(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any, ordered: None, sequencer: int
    ) -> None:
        await mailin.set_azure_inbox_provider(1, sequencer)
        action = ReuploadOrder(domain="acme.com")
        await action.check(mailin)
        taken = await action.run(mailin, "key")
        assert isinstance(taken, Pending)
        assert isinstance(await action.poll(mailin, taken.ref), Pending)  # these may be the counters of before
        clock.advance(60)
        assert isinstance(await action.poll(mailin, taken.ref), Done)
        assert isinstance(await action.reconcile(mailin, "key"), Unknown)
        assert sandbox.calls["reupload"] == 1


class TestElsewhere:
    async def test_listed_without_keys(self, mailin: MailinClient, sequencer: int, registrar: int) -> None:
        for action, name in ((ListInboxProviders(), "Smart"), (ListRegistrars(), "Pork")):
            done = await action.run(mailin, "key")
            assert isinstance(done, Done)
            assert done.table is not None
            assert done.table.rows[0][:2] == ("1", name)
            assert API_KEY not in repr(done)

    async def test_none_listed(self, mailin: MailinClient) -> None:
        done = await ListRegistrars().run(mailin, "key")
        assert isinstance(done, Done)
        assert done.summary == "Mailin knows no registrars of this account."

    @pytest.mark.parametrize(
        ("action", "operation"),
        [
            (RemoveInboxProvider(inbox_provider=1), "remove_inbox_provider"),
            (RemoveRegistrar(registrar=1), "remove_registrar"),
        ],
    )
    async def test_removed(
        self,
        mailin: MailinClient,
        sandbox: MailinSandbox,
        sequencer: int,
        registrar: int,
        action: Action,
        operation: str,
    ) -> None:
        await action.check(mailin)
        assert isinstance(await action.reconcile(mailin, "key"), Unknown)
        sandbox.faults.add(operation, Fault.cut_after(work=Work.NOTHING))
        with pytest.raises(OutcomeUnknown):
            await action.run(mailin, "key")

        done = await action.run(mailin, "key")
        assert isinstance(done, Done)
        assert "The account itself is not touched." in done.summary
        assert isinstance(await action.reconcile(mailin, "key"), Done)
        with pytest.raises(Refused):
            await action.check(mailin)
        with pytest.raises(NotFound):
            await action.run(mailin, "key")

    @pytest.mark.parametrize(
        ("action", "operation"),
        [
            (AddInboxProvider(name="Sales", kind="instantly", api_key=API_KEY), "add_inbox_provider"),
            (AddRegistrar(name="Sales", kind="porkbun", api_key=API_KEY), "add_registrar"),
        ],
    )
    async def test_adding_one_and_looking_it_up_by_its_name(
        self, mailin: MailinClient, sandbox: MailinSandbox, action: Action, operation: str
    ) -> None:
        await action.check(mailin)
        sandbox.faults.add(operation, Fault.cut_after(work=Work.NOTHING))
        with pytest.raises(OutcomeUnknown):
            await action.run(mailin, "key")
        assert isinstance(await action.reconcile(mailin, "key"), Unknown)
        sandbox.faults.add(operation, Fault.cut_after())
        with pytest.raises(OutcomeUnknown):
            await action.run(mailin, "key")

        done = await action.reconcile(mailin, "key")
        assert isinstance(done, Done)
        assert "now as number 1." in done.summary
        with pytest.raises(Refused, match="Mailin has one of this name already, number 1"):
            await action.check(mailin)

    async def test_what_is_left_empty_is_sent_as_it_is_listed(
        self, mailin: MailinClient, sandbox: MailinSandbox, sequencer: int, registrar: int
    ) -> None:
        sandbox.inbox_providers[sequencer] |= {"workspace_id": "w-7", "username": "ana"}
        sandbox.registrars[registrar] |= {"username": "bo"}

        await UpdateInboxProvider(inbox_provider=sequencer, password="new-password").run(mailin, "key")
        await UpdateRegistrar(registrar=registrar, api_key="new-key").run(mailin, "key")

        changed = sandbox.inbox_providers[sequencer]
        assert (changed["password"], changed["workspace_id"], changed["username"]) == ("new-password", "w-7", "ana")
        changed = sandbox.registrars[registrar]
        assert (changed["api_key"], changed["username"]) == ("new-key", "bo")

    async def test_what_cannot_be_changed(
        self, mailin: MailinClient, sandbox: MailinSandbox, sequencer: int, registrar: int
    ) -> None:
        with pytest.raises(Refused):
            await UpdateInboxProvider(inbox_provider=9, api_key="k").check(mailin)
        with pytest.raises(Refused):
            await UpdateRegistrar(registrar=9, api_key="k").check(mailin)
        sandbox.registrars[registrar]["provider"] = "namecheap"
        with pytest.raises(Refused, match="Namecheap needs this"):
            await UpdateRegistrar(registrar=registrar, api_key="k").check(mailin)
        sandbox.inbox_providers[sequencer]["provider"] = "brandnew"
        with pytest.raises(Rejected, match="a kind that Postroom does not know"):
            await UpdateInboxProvider(inbox_provider=sequencer, api_key="k").run(mailin, "key")

    @pytest.mark.parametrize(
        ("action", "given", "sentence"),
        [
            (AddInboxProvider, {"name": "S", "kind": "instantly"}, "Give the API key, or a user name with"),
            (AddInboxProvider, {"name": "S", "kind": "instantly", "password": "x"}, "Give the API key"),
            (UpdateInboxProvider, {"inbox_provider": 1, "api_key": "  "}, "Give the API key"),
            (AddRegistrar, {"name": "S", "kind": "namecheap", "api_key": "k", "username": "u"}, "Namecheap needs this"),
            (
                AddRegistrar,
                {"name": "S", "kind": "godaddy", "api_key": "k", "whitelisted_ip": "1.2.3"},
                "not an IP address",
            ),
        ],
    )
    def test_mistakes_about_keys(self, action: type[Action], given: dict[str, Any], sentence: str) -> None:
        assert sentence in told(action, **given)


class TestAccount:
    async def test_whose_it_is(self, mailin: MailinClient) -> None:
        done = await ShowAccount().run(mailin, "key")
        assert isinstance(done, Done)
        assert done.summary == "The account of Sandbox Inc.: room for 1,000 mailboxes."
        assert "555" not in repr(done)
        assert "Beach" not in repr(done)

    async def test_servers(self, mailin: MailinClient) -> None:
        done = await ListServers().run(mailin, "key")
        assert isinstance(done, Done)
        assert done.summary == "2 servers, 1 running."
        assert done.table is not None
        assert done.table.rows[0] == ("in-1.sandbox.example", "192.0.2.1", "inbound", "running", "yes")

    @pytest.mark.parametrize("called", ["OUT-1.sandbox.example ", "198.51.100.5", "202"])
    async def test_one_server(self, mailin: MailinClient, sandbox: MailinSandbox, called: str) -> None:
        done = await ShowServer(server=called).run(mailin, "key")

        assert isinstance(done, Done)
        assert done.summary == "out-1.sandbox.example is stopped."
        assert {item.name: item.note for item in done.items} == {
            "Address": "198.51.100.5",
            "For": "outbound",
            "In use": "no",
            "Number": "202",
        }
        assert sandbox.calls["server"] == 1

    async def test_no_such_server(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        with pytest.raises(NotFound, match="no server “out-2”") as missing:
            await ShowServer(server="out-2").run(mailin, "key")
        assert "postroom servers" in missing.value.cure
        assert sandbox.calls["server"] == 0
        assert told(ShowServer, server=" ") == "Write the server's name, its address or its number."
