"""Azure orders at Mailin, and the accounts elsewhere that they use."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from providers.errors import AlreadyExists, BadAnswer, NotFound, OutcomeUnknown, Rejected
from providers.mailin.client import MailinClient
from providers.mailin.models import (
    AzureState,
    InboxProviderDetails,
    NewAzureMailbox,
    RegistrarDetails,
    UploadStatus,
)
from providers.mailin.sandbox import Fault, MailinSandbox, Work

OpenAccount = Callable[..., MailinClient]
SMART = InboxProviderDetails(name="Smart", provider="smartlead", api_key=SecretStr("S3CRET"))


async def order(mailin: MailinClient, domain: str = "acme.com") -> None:
    await mailin.add_azure_order(domain, purchase=True, full_names=["Ann Lee", "Bo Ek"])


class TestOrdering:
    async def test_from_order_to_ready(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
        sandbox.job_seconds, sandbox.listing_lag_seconds = 60, 5
        await order(mailin)
        assert await mailin.find_azure_order("acme.com") is None
        clock.advance(5)
        found = await mailin.find_azure_order("ACME.com")
        assert found is not None
        assert found.id is not None
        assert (found.full_name, found.is_purchase, len(found.mailboxes)) == (("Ann Lee", "Bo Ek"), True, 100)
        assert (await mailin.azure_order_status(found.id)).state is AzureState.PENDING
        assert (await mailin.azure_nameservers(found.id)).name_servers == ()
        clock.advance(60)
        assert (await mailin.azure_order_status(found.id)).state is AzureState.READY
        assert len((await mailin.azure_nameservers(found.id)).name_servers) == 2
        assert len(await mailin.azure_mailboxes(found.id)) == 100
        logins = await mailin.azure_logins(found.id)
        assert {login.password for login in logins} == {None}  # nothing but asterisks
        assert sandbox.times_bought("acme.com") == 1

    async def test_mailboxes_of_ones_own(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        boxes = [NewAzureMailbox(f"Box {n}", f"box{n}@acme.com") for n in range(100)]
        await mailin.add_azure_order("acme.com", purchase=False, mailboxes=boxes)
        assert [box.username for box in await mailin.azure_mailboxes(1)][-1] == "box99@acme.com"
        with pytest.raises(Rejected, match="100 items"):
            await mailin.add_azure_order("else.com", purchase=False, mailboxes=boxes[:99])

    async def test_found_by_its_exact_domain_alone(self, mailin: MailinClient) -> None:
        await order(mailin, "my-acme.com")
        await order(mailin, "acme.com.co")
        assert await mailin.find_azure_order("acme.com") is None
        await order(mailin, "acme.com")
        found = await mailin.find_azure_order("ACME.com")
        assert found is not None
        assert (found.id, found.domain) == (3, "acme.com")

    @pytest.mark.parametrize("status", [200, 201, 400, 409, 422])
    async def test_a_second_order_is_refused_with_whichever_status(
        self, mailin: MailinClient, sandbox: MailinSandbox, status: int
    ) -> None:
        sandbox.order_exists = status
        await mailin.add_azure_order("acme.com", purchase=False, full_names=["Ann"])
        with pytest.raises(AlreadyExists):
            await mailin.add_azure_order("acme.com", purchase=False, full_names=["Ann"])
        assert sandbox.times_bought("acme.com") == 1

    @pytest.mark.parametrize(
        ("fault", "placed"),
        [
            (Fault.cut_before(), 0),
            (Fault.cut_after(), 1),
            (Fault.cut_in_answer(), 1),
            (Fault.answers(500), 0),
            (Fault.answers(313, work=Work.HALF), 1),
            (Fault.answers(310, work=Work.ALL), 1),
            (Fault.malformed(), 1),
            (Fault.unknown_shape(), 1),
        ],
    )
    async def test_what_is_unclear_is_sent_once_and_can_be_looked_up(
        self, mailin: MailinClient, sandbox: MailinSandbox, fault: Fault, placed: int
    ) -> None:
        sandbox.faults.add("add_order", fault)
        with pytest.raises(OutcomeUnknown):
            await order(mailin)
        assert (sandbox.calls["add_order"], len(sandbox.orders)) == (1, placed)
        assert (await mailin.find_azure_order("acme.com") is not None) == bool(placed)

    async def test_found_on_a_later_page(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        """Mailin does not say which page is the last, only how many orders there are."""
        await order(mailin)
        for number in range(2, 152):
            sandbox.orders[number] = replace(sandbox.orders[1], id=number, domain=f"a{number}.com", mailboxes=[])
        found = await mailin.find_azure_order("a151.com")
        assert found is not None
        assert found.id == 151
        assert sandbox.calls["orders"] == 2

    async def test_a_list_whose_pages_are_all_the_same(
        self, mailin: MailinClient, sandbox: MailinSandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`page` is not documented here. A listing that does not heed it proves nothing about what is not on it."""
        from providers.mailin.sandbox import azure  # noqa: PLC0415

        same = {"current_page": 1, "data": [{"id": 1, "domain": "a.com"}] * 100, "per_page": 100, "total": 300}
        monkeypatch.setattr(azure, "page_of", lambda *_, **__: same)
        with pytest.raises(BadAnswer, match="same page"):
            await mailin.find_azure_order("b.com")

    async def test_an_order_that_fails_and_a_word_nobody_knows(
        self, mailin: MailinClient, sandbox: MailinSandbox, logged: Any
    ) -> None:
        sandbox.failing = {"acme.com"}
        await order(mailin)
        assert (await mailin.azure_order_status(1)).state is AzureState.FAILED
        sandbox.faults.add("order_status", Fault.job_says("Baking"), times=2)
        for _ in range(2):
            status = await mailin.azure_order_status(1)
            assert (status.state, status.raw_status) == (AzureState.UNKNOWN, "Baking")
        assert [line["said"] for line in logged if line["event"] == "unknown word"] == ["Baking"]


class TestChangingOrders:
    async def test_the_get_that_deletes_is_no_reading(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        await order(mailin)
        sandbox.faults.add("remove_order", Fault.answers(503))
        with pytest.raises(OutcomeUnknown):
            await mailin.remove_azure_order(1)
        sandbox.faults.add("remove_order", Fault.cut_after())
        with pytest.raises(OutcomeUnknown):
            await mailin.remove_azure_order(1)
        assert (sandbox.calls["remove_order"], sandbox.orders) == (2, {})
        with pytest.raises(NotFound):
            await mailin.azure_order_status(1)

    async def test_sequencer_and_upload(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
        await order(mailin)
        await mailin.set_azure_redirect(1, "to.com")
        assert sandbox.orders[1].redirect_to == "to.com"
        with pytest.raises(Rejected, match="not prepared"):
            await mailin.reupload_azure_mailboxes(1)
        assert not (await mailin.azure_upload_status(1)).is_finished
        provider_id = await mailin.add_inbox_provider(SMART)
        assert provider_id == 1
        sandbox.job_seconds = 60
        await mailin.set_azure_inbox_provider(1, provider_id)
        begun = await mailin.azure_upload_status(1)
        assert (begun.total, begun.pending, begun.is_finished) == (100, 100, False)
        clock.advance(60)
        assert (await mailin.azure_upload_status(1)).is_complete
        await mailin.reupload_azure_mailboxes(1)
        assert not (await mailin.azure_upload_status(1)).is_finished
        await mailin.remove_azure_inbox_provider(1)
        assert sandbox.orders[1].provider_id is None

    @pytest.mark.parametrize(
        ("served", "asked", "calls"),
        [
            ("documented", "both", [1, 1]),
            ("public", "both", [2, 1]),
            ("both", "both", [1, 1]),
            ("public", "public", [1, 1]),
            ("documented", "documented", [1, 1]),
        ],
    )
    async def test_the_address_that_may_be_a_slip(
        self, open_account: OpenAccount, sandbox: MailinSandbox, served: Any, asked: str, calls: list[int]
    ) -> None:
        """The second time it is known which one answers."""
        sandbox.upload_status_at = served
        mailin = open_account(upload_status_path=asked)
        await order(mailin)
        for expected in calls:
            before = sandbox.calls["upload_status"]
            await mailin.azure_upload_status(1)
            assert sandbox.calls["upload_status"] - before == expected

    @pytest.mark.parametrize(
        "page", [Fault.answers(200, body="<html>"), Fault.answers(200, body={"hello": 1}), Fault.unknown_shape()]
    )
    async def test_a_page_for_people_where_the_address_is_a_slip(
        self, mailin: MailinClient, sandbox: MailinSandbox, page: Fault
    ) -> None:
        sandbox.upload_status_at = "public"
        await order(mailin)
        sandbox.faults.add("upload_status", page)
        assert (await mailin.azure_upload_status(1)).total == 0
        assert sandbox.calls["upload_status"] == 2

    @pytest.mark.parametrize("asked", ["both", "public", "documented"])
    async def test_an_order_that_is_at_neither(self, open_account: OpenAccount, asked: str) -> None:
        with pytest.raises(NotFound):
            await open_account(upload_status_path=asked).azure_upload_status(7)

    @pytest.mark.parametrize(
        ("said", "finished", "complete"),
        [
            ({"total": 100, "uploaded": 100, "pending": 0, "failed": 0}, True, True),
            ({"total": "100", "uploaded": 90, "pending": "0", "failed": 10}, True, False),
            ({"total": 100, "alreadyExistsOtherAccount": 1, "pending": 0}, True, False),
            ({"total": 100, "pending": 1}, False, False),
            ({"total": 0, "pending": 0}, False, False),
            ({"total": 100}, False, False),
        ],
    )
    def test_when_an_upload_has_ended(self, said: dict[str, Any], finished: bool, complete: bool) -> None:
        status = UploadStatus.model_validate(said)
        assert (status.is_finished, status.is_complete) == (finished, complete)


class TestAccountsElsewhere:
    async def test_sequencers(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        assert await mailin.add_inbox_provider(SMART) == 1
        [listed] = (await mailin.inbox_providers()).data
        assert (listed.id, listed.name, listed.provider) == (1, "Smart", "smartlead")
        assert "S3CRET" not in repr(listed)
        changed = InboxProviderDetails(provider="smartlead", api_key=SecretStr("S3CRET-2"))
        await mailin.update_inbox_provider(1, changed)
        assert sandbox.inbox_providers[1] == {"name": "Smart", "provider": "smartlead", "api_key": "S3CRET-2"}
        await mailin.remove_inbox_provider(1)
        assert (await mailin.inbox_providers()).data == ()
        with pytest.raises(NotFound):
            await mailin.remove_inbox_provider(1)

    async def test_registrars(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        details = RegistrarDetails(name="Ours", provider="namecheap", api_key=SecretStr("S3CRET"), api_user="ann")
        assert await mailin.add_registrar(details) == 1
        [listed] = (await mailin.registrars()).data
        assert (listed.id, listed.provider) == (1, "namecheap")
        await mailin.update_registrar(1, RegistrarDetails(provider="namecheap", whitelisted_ip="192.0.2.1"))
        assert sandbox.registrars[1]["whitelisted_ip"] == "192.0.2.1"
        await mailin.remove_registrar(1)
        assert sandbox.registrars == {}

    async def test_an_answer_without_an_id_is_still_a_yes(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.faults.add("add_inbox_provider", Fault.malformed())
        assert await mailin.add_inbox_provider(SMART) is None
        assert len(sandbox.inbox_providers) == 1

    @pytest.mark.parametrize("wrong", [{"provider": "else"}, {"provider": "smartlead", "api_kee": "S3CRET"}])
    def test_what_is_sent_is_checked_and_not_repeated(self, wrong: dict[str, str]) -> None:
        with pytest.raises(ValidationError) as error:
            InboxProviderDetails.model_validate(wrong)
        assert "S3CRET" not in str(error.value)
        assert "S3CRET" not in repr(SMART) + SMART.model_dump_json() + json.dumps(SMART.model_dump(mode="json"))
