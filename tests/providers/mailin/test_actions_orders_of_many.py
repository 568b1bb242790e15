"""An order of many domains: its end costs the pages of a listing, and no domain is called missing that is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import pytest

from providers.action import Done, Failed, Pending, Unknown
from providers.mailin.actions import BuyDomains
from providers.mailin.client import MailinClient
from providers.mailin.models.domains import Domain
from providers.mailin.sandbox import MailinSandbox

MANY = BuyDomains(domains=[f"acme{number}.com" for number in range(50)])
THREE = BuyDomains(domains=["acme.com", "passed.com", "failed.co"])


@pytest.fixture
def passing_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the pages are read something is deleted, and what moves up to the page before is never seen."""
    read = MailinClient.find_domains

    async def passing_over(self: Any, names: Collection[str], hosting: Any = "smtp") -> dict[str, Domain]:
        found = await read(self, names, hosting)
        found.pop("passed.com", None)
        return found

    monkeypatch.setattr(MailinClient, "find_domains", passing_over)


async def ordered(mailin: MailinClient, action: BuyDomains) -> Pending:
    taken = await action.run(mailin, "key")
    assert isinstance(taken, Pending)
    return taken


async def test_fifty_domains_are_seen_with_one_page(mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
    taken = await ordered(mailin, MANY)
    clock.advance(3600)
    before = Counter(sandbox.calls)
    assert isinstance(await MANY.poll(mailin, taken.ref), Done)
    assert (Counter(sandbox.calls) - before).total() == 2  # its job, and the listing


async def test_what_a_listing_passed_over_is_looked_for_before_it_is_called_not_bought(
    mailin: MailinClient, sandbox: MailinSandbox, clock: Any, passing_over: None
) -> None:
    sandbox.failing = {"failed.co"}
    taken = await ordered(mailin, THREE)
    waiting = await THREE.poll(mailin, taken.ref)
    assert isinstance(waiting, Pending)
    clock.advance(600)

    failed = await THREE.poll(mailin, waiting.ref)

    assert isinstance(failed, Failed)
    assert failed.summary == "Mailin could not register everything: 2 of 3 bought."
    assert failed.cure == "Ask again for failed.co, or for other names."


async def test_nor_is_a_person_told_that_it_is_missing(
    mailin: MailinClient, sandbox: MailinSandbox, passing_over: None
) -> None:
    sandbox.failing = {"failed.co"}
    await ordered(mailin, THREE)
    unclear = await THREE.reconcile(mailin, "key")
    assert isinstance(unclear, Unknown)
    assert unclear.evidence == "In the account: acme.com, passed.com. Not (yet) listed: failed.co."
