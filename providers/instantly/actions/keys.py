"""What people can ask of Instantly about API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from providers.action import Action, Effect, Revealed, from_words
from providers.errors import OutcomeUnknown
from providers.instantly.actions.common import Name
from providers.instantly.client import InstantlyClient


class CreateApiKey(
    Action,
    provider="instantly",
    command="campaign api-key",
    title="Make an API key",
    effect=Effect.REVEAL,
    calls=("POST /backend/api/v2/api-keys",),
):
    """Make a new API key that opens the whole workspace, and show it once.

    The key is minted by the showing: it is sent for once, and what was shown is kept nowhere.
    """

    name: Name = Field(
        title="Name of the key",
        description="Say who will use it, so that it can be found and deleted later.",
        json_schema_extra=from_words(),
    )

    @classmethod
    def usage(cls) -> str:
        return "[name]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return {"name": " ".join(words)} if words else {}

    def headline(self) -> str:
        return f"Make an API key named “{self.name}”"

    def subjects(self) -> tuple[str, ...]:
        return (self.name,)

    async def reveal(self, client: InstantlyClient) -> Revealed:
        try:
            made = await client.create_api_key(self.name)
        except OutcomeUnknown as error:
            sentence, status, detail = error.sentence, error.status, error.detail
        else:
            return Revealed(
                summary=f"The API key “{self.name}” opens the whole workspace. It is shown this once: keep it where "
                "secrets are kept. Whoever loses it makes another and deletes this one in Instantly.",
                secrets=(("API key", made.key),),
            )
        raise OutcomeUnknown(
            f"{sentence} If a key was made, nobody has seen it.",
            cure=f"Look at the API keys in Instantly's settings and delete the one named “{self.name}” if it is there. "
            "Then ask again.",
            status=status,
            detail=detail,
        )


ACTIONS: tuple[type[Action], ...] = (CreateApiKey,)
