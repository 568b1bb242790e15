"""Accounts elsewhere that Mailin is to use: sequencers, which it calls inbox providers, and registrars."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue, SecretStr

from providers.mailin.lenient import Number, OptionalText, Shape, Text

SequencerKind = Literal["reachinbox", "plusvibe", "instantly", "manyreach", "smartlead"]
RegistrarKind = Literal["porkbun", "namecheap", "godaddy", "spaceship"]
SEQUENCER_KINDS: tuple[SequencerKind, ...] = ("reachinbox", "plusvibe", "instantly", "manyreach", "smartlead")
REGISTRAR_KINDS: tuple[RegistrarKind, ...] = ("porkbun", "namecheap", "godaddy", "spaceship")


class InboxProvider(Shape):
    """A sequencer's account (endpoint row 62), without its api key."""

    id: Number = None
    name: Text = ""
    provider: Text = ""
    oauth_url: OptionalText = None
    username: OptionalText = None
    workspace_id: OptionalText = None


class Registrar(Shape):
    """A registrar's account (endpoint row 66), without its api key."""

    id: Number = None
    name: Text = ""
    provider: Text = ""
    username: OptionalText = None


class _Details(BaseModel):
    """What Mailin is to know of an account elsewhere. What is None is not sent."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    def as_sent(self, *, without: frozenset[str] = frozenset()) -> dict[str, JsonValue]:
        """Its JSON, secrets in clear."""
        values = {name: getattr(self, name) for name in type(self).model_fields if name not in without}
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in values.items()
            if value is not None
        }

    def secrets(self) -> tuple[SecretStr, ...]:
        """What must not be repeated by anybody."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return tuple(value for value in values if isinstance(value, SecretStr))


class InboxProviderDetails(_Details):
    """A sequencer's account, to be added or changed (endpoint rows 61, 63). Which it needs depends on the sequencer."""

    name: str | None = None
    provider: SequencerKind
    api_key: SecretStr | None = None
    oauth_url: str | None = None
    username: str | None = None
    password: SecretStr | None = None
    workspace_id: str | None = None


class RegistrarDetails(_Details):
    """A registrar's account, to be added or changed (endpoint rows 65, 67). Which it needs depends on the registrar."""

    name: str | None = None
    provider: RegistrarKind
    api_key: SecretStr | None = None
    secret_api_key: SecretStr | None = None
    api_user: str | None = None
    username: str | None = None
    whitelisted_ip: str | None = None
    customer_id: str | None = None
