"""A name that a provider writes in another way than it was asked for is the same name: with its dot, in its letters."""

from __future__ import annotations

from typing import Any

import pytest

from providers.mailapi.models import parse_domains
from providers.mailin.models import AzureOrder
from providers.mailin.models import Domain as MailinDomain
from providers.scaledmail.models import Domain as ScaledMailDomain
from providers.smailor.models import Domain as SmailorDomain

SHAPES: dict[str, Any] = {
    "mailin": lambda name: MailinDomain.model_validate({"name": name}).name,
    "azure": lambda name: AzureOrder.model_validate({"domain": name}).domain,
    "scaledmail": lambda name: ScaledMailDomain.model_validate({"domain": name}).name,
    "smailor": lambda name: SmailorDomain.model_validate({"domain": name}).name,
    "mailapi": lambda name: parse_domains({"results": {name: {}}})[0].name,
}


@pytest.mark.parametrize("of", SHAPES)
@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("acme.com", "acme.com"),
        (" ACME.com. ", "ACME.com"),
        ("bücher.com", "xn--bcher-kva.com"),
        ("Bücher.com.", "xn--bcher-kva.com"),
        ("not a name…", "not a name…"),
    ],
)
def test_it_is_read_as_it_was_asked_for(of: str, said: str, name: str) -> None:
    assert SHAPES[of](said) == name
