"""What a request with thousands of lines asks for is read once, however often it is looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import Field, SecretStr

from handlers.policy import Policy, Terms
from handlers.requests import _LONG, _MOST_REMEMBERED, Requests
from handlers.vault import Vault
from providers.action import WITHHELD, Action, Effect
from providers.catalogue import Catalogue
from storage.records import Request, RequestState

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NAMES = [f"name-{number}" for number in range(_LONG + 1)]


class Load(Action, provider="shop", command="thing load", effect=Effect.SPEND):
    """Load things."""

    names: list[str] = Field(title="Names")
    key: SecretStr | None = Field(None, title="Key")


@pytest.fixture
def requests() -> Requests:
    nothing: Any = None
    policy = Policy(channel="C0APPROVALS", default=Terms(approvers=("U0OMAR",)))
    return Requests(
        store=nothing,
        catalogue=Catalogue([Load]),
        accounts={},
        policy=policy,
        directory=nothing,
        clock=nothing,
        changed=lambda beat: None,
    )


def asked(fingerprint: str, names: list[str], **given: Any) -> Request:
    return Request(
        "req_1", "T0ACME", "U0ANA", "C0OUTREACH", "thing load", NOW, NOW, provider="shop",
        state=RequestState.AWAITING, input={"names": names, **given}, fingerprint=fingerprint,
    )  # fmt: skip


def test_a_long_one_is_read_once(requests: Requests) -> None:
    first = requests.action_of(asked("f1", NAMES))

    assert isinstance(first, Load)
    assert first.names == NAMES
    assert requests.action_of(asked("f1", [*NAMES])) is first


def test_what_it_asks_for_has_changed(requests: Requests) -> None:
    requests.action_of(asked("f1", NAMES))

    changed = requests.action_of(asked("f2", [*NAMES, "one-more"]))
    assert isinstance(changed, Load)
    assert changed.names[-1] == "one-more"


def test_less_of_it_is_not_taken_for_all_of_it(requests: Requests) -> None:
    """While an approver takes something out, the request still has the fingerprint of the whole."""
    whole = asked("f1", NAMES)
    requests.action_of(whole)

    less = requests.action_of(replace(whole, input={"names": NAMES[1:]}))
    assert isinstance(less, Load)
    assert less.names == NAMES[1:]


def test_a_draft_that_was_not_checked_is_read_as_it_is(requests: Requests) -> None:
    """It has no fingerprint yet, so nothing tells two of them apart."""
    first = requests.action_of(asked("", NAMES))
    assert requests.action_of(asked("", [*NAMES, "one-more"])) != first


def test_short_ones_and_secrets_are_not_kept(requests: Requests) -> None:
    for request in (asked("f1", NAMES[:_LONG]), asked("f2", NAMES, key=WITHHELD)):
        first = requests.action_of(request)
        assert requests.action_of(request) == first
        assert requests.action_of(request) is not first


def test_memory_is_bounded(requests: Requests) -> None:
    first = requests.action_of(asked("f0", NAMES))
    for number in range(1, _MOST_REMEMBERED + 1):
        requests.action_of(asked(f"f{number}", NAMES))

    assert requests.action_of(asked("f0", NAMES)) is not first
    last = asked(f"f{_MOST_REMEMBERED}", NAMES)
    assert requests.action_of(last) is requests.action_of(last)


def test_what_was_withheld_is_no_secret_to_keep() -> None:
    """A form that is read after a restart has that in its place."""
    vault = Vault()
    action = Load(names=["a"], key=SecretStr(WITHHELD))
    vault.keep("req_1", action)

    assert vault.requests() == []
    assert vault.lacks("req_1", action) == ["key"]
