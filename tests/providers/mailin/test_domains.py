"""Domains at Mailin that are not bought: moved in, divided, forwarded, deleted; and the account they are in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from providers.errors import AlreadyExists, NotFound, OutcomeUnknown, Rejected
from providers.mailin.client import MailinClient
from providers.mailin.models import DomainStatus, ServerState
from providers.mailin.sandbox import Fault, MailinSandbox


class TestMovingIn:
    async def test_name_servers_first_and_then_a_wait(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any
    ) -> None:
        sandbox.listing_lag_seconds, sandbox.job_seconds = 5, 3600
        moved = await mailin.transfer_domain("acme.com")
        assert len(moved.name_servers) == 4
        assert await mailin.find_domain("acme.com") is None
        clock.advance(5)
        waiting = await mailin.find_domain("acme.com")
        assert waiting is not None
        assert waiting.status is DomainStatus.INACTIVE
        clock.advance(3600)
        live = await mailin.find_domain("acme.com")
        assert live is not None
        assert live.status is DomainStatus.ACTIVE
        assert sandbox.purchases == []

    async def test_to_google_and_from_inboxkit(self, mailin: MailinClient) -> None:
        assert (await mailin.transfer_google_domain("g-acme.com")).name_servers
        assert await mailin.find_domain("g-acme.com", "google") is not None
        moved = await mailin.transfer_inboxkit_domain("k-acme.com", "11c236de")
        found = await mailin.find_inboxkit_domain("k-acme.com")
        assert found is not None
        assert (found.id, found.domain_provider) == (moved.domain_id, "inboxkit")
        assert await mailin.find_domain("k-acme.com") is None

    @pytest.mark.parametrize("name", ["transfer_domain", "transfer_google_domain"])
    async def test_what_is_here_already(self, mailin: MailinClient, sandbox: MailinSandbox, name: str) -> None:
        sandbox.own("acme.com")
        with pytest.raises(AlreadyExists, match="already exists in your account"):
            await getattr(mailin, name)("acme.com")

    async def test_an_answer_that_cannot_be_read_is_a_yes_without_name_servers(
        self, mailin: MailinClient, sandbox: MailinSandbox
    ) -> None:
        sandbox.faults.add("transfer", Fault.malformed())
        assert (await mailin.transfer_domain("acme.com")).name_servers == ()

    async def test_subdomains(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com")
        await mailin.add_subdomain("sales", "acme.com")
        found = await mailin.find_domain("sales.acme.com")
        assert found is not None
        assert found.main_domain == "acme.com"
        with pytest.raises(AlreadyExists):
            await mailin.add_subdomain("sales", "acme.com")
        with pytest.raises(Rejected, match="does not exist or is not active"):
            await mailin.add_subdomain("sales", "else.com")


class TestOne:
    async def test_the_same_in_other_words(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com")
        [listed] = (await mailin.domains()).data
        assert listed.id is not None
        alone = await mailin.domain(listed.id)
        assert (alone.name, alone.status, alone.name_servers) == (listed.name, listed.status, listed.name_servers)
        assert (alone.main_domain, alone.provider_type) == ("1", "smtp")
        assert (await mailin.domain_rate_limit(listed.id)).rate_limit == "500 / d"

    async def test_forwarding(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com")
        await mailin.forward_domain(1, "to.com")
        await mailin.forward_domain_email(1, "ann@to.com")
        domain = sandbox.domains["acme.com"]
        assert (domain.forward_to, domain.email_forward_to) == ("to.com", "ann@to.com")
        await mailin.remove_domain_forward(1)
        assert domain.forward_to is None
        with pytest.raises(Rejected) as rejected:
            await mailin.forward_domain_email(1, "to.com")
        assert list(rejected.value.fields) == ["forward_to"]

    async def test_deleted_with_its_mailboxes(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own_mailboxes("ann@acme.com", "ann@else.com")
        await mailin.delete_domain(1)
        assert list(sandbox.domains) == ["else.com"]
        assert [box.username for box in sandbox.mailboxes.values()] == ["ann@else.com"]
        changes = (mailin.delete_domain(1), mailin.forward_domain(1, "b.co"))
        for call in (*changes, mailin.domain(1), mailin.domain_rate_limit(1)):
            with pytest.raises(NotFound):
                await call

    @pytest.mark.parametrize("fault", [Fault.cut_after(), Fault.answers(500), Fault.answers(313)])
    async def test_a_deletion_is_sent_once(self, mailin: MailinClient, sandbox: MailinSandbox, fault: Fault) -> None:
        sandbox.own("acme.com")
        sandbox.faults.add("delete_domain", fault)
        with pytest.raises(OutcomeUnknown):
            await mailin.delete_domain(1)
        assert sandbox.calls["delete_domain"] == 1


class TestTheAccount:
    async def test_who_and_what(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.mailbox_slots = 50
        user = await mailin.user()
        assert (user.id, user.mailboxes_slots, user.first_name) == (1, 50, "Ana")
        assert "Ana" not in repr(user)
        servers = await mailin.servers()
        assert [(server.id, server.state, server.active) for server in servers] == [
            (201, ServerState.RUNNING, True),
            (202, ServerState.STOPPED, False),
        ]
        assert await mailin.server(201) == servers[0]
        with pytest.raises(NotFound):
            await mailin.server(7)

    async def test_one_log_in_is_enough_to_know_who(
        self, open_account: Callable[..., MailinClient], sandbox: MailinSandbox
    ) -> None:
        mailin = open_account()
        await mailin.domains()
        await mailin.user()
        assert sandbox.calls["login"] == 1
