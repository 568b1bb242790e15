"""What the actions declare of the provider's calls is what the tables of documented calls prove, and all of it."""

from __future__ import annotations

import pytest

from providers.catalogue import registered
from providers.provider import Provider
from tests.providers.calls import declared_for, proven

FOR_NO_ACTION = {
    "GET /api/v1/public/domains/{domain_id}",  # the listings say the same, and are asked by name
    "GET /api/v1/public/mailboxes/{mailbox_id}",
}

each_provider = pytest.mark.parametrize("provider", registered(), ids=lambda provider: provider.name)


def declared_by(provider: Provider) -> set[str]:
    return {*provider.own_calls, *(call for action in provider.actions for call in action.calls)}


@each_provider
def test_each_action_declares_its_calls(provider: Provider) -> None:
    assert [action.__name__ for action in provider.actions if not action.calls] == []
    assert [action.__name__ for action in provider.actions if len(set(action.calls)) < len(action.calls)] == []


@each_provider
def test_what_is_declared_is_documented(provider: Provider) -> None:
    rows = proven()[provider.name]

    assert {one for one in declared_by(provider) if not any(declared_for(row, [one]) for row in rows)} == set()


@each_provider
def test_what_is_documented_can_be_asked_for(provider: Provider) -> None:
    declared = declared_by(provider) | FOR_NO_ACTION

    found = {row: declared_for(row, declared) for row in proven()[provider.name]}

    assert {row: ones for row, ones in found.items() if len(ones) != 1} == {}
