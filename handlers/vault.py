"""What people hand over and nobody may write down: passwords and keys, between the form and the run."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from providers.action import WITHHELD, Action

SECRET_LOST = "Postroom never stores a password or a key, and it was restarted after you typed it. {so}"  # noqa: S105
"""What whoever asked is told when it was."""


class Vault:
    """Secrets by request, in the memory of this process alone. What a restart loses has to be typed again."""

    def __init__(self) -> None:
        self._kept: dict[str, Mapping[str, SecretStr]] = {}

    def __repr__(self) -> str:
        return f"<Vault of {len(self._kept)}>"

    def keep(self, request_id: str, action: Action) -> None:
        """Keep the secrets of what was typed last for this request; those of before are forgotten."""
        self.drop(request_id)
        given = action.secrets().items()
        if secrets := {field: value for field, value in given if value.get_secret_value() != WITHHELD}:
            self._kept[request_id] = secrets

    def drop(self, request_id: str) -> None:
        """Forget what was kept for this request, if anything was."""
        self._kept.pop(request_id, None)

    def requests(self) -> list[str]:
        """The ids of the requests that something is kept for."""
        return list(self._kept)

    def lacks(self, request_id: str, action: Action) -> list[str]:
        """The fields of a stored request whose secrets are not here (any more)."""
        kept = self._kept.get(request_id, {})
        return [field for field in action.secrets() if field not in kept]

    def fill_in(self, request_id: str, action: Action) -> Action:
        """A stored request with its secrets in place, as far as they are here."""
        return action.with_secrets(self._kept.get(request_id, {}))
