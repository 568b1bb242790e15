"""A modal as the person who looks at it has it before them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bot.sandbox.forms import elements_in, has_state, values_of
from bot.sandbox.model import View
from bot.sandbox.workspace import Workspace

Result = Literal["closed", "cleared", "updated", "pushed", "errors", "trouble"]


class Modal:
    """One modal by its id. It follows updates while it is open, and shows its last look afterwards."""

    def __init__(self, workspace: Workspace, view: View) -> None:
        self._workspace = workspace
        self._seen = view

    @property
    def view(self) -> View:
        """The view as it is now."""
        self._seen = self._workspace.views.find(self._seen.id) or self._seen
        return self._seen

    @property
    def id(self) -> str:
        """Its view id."""
        return self._seen.id

    @property
    def is_open(self) -> bool:
        """Whether it still stands in the person's stack, visible or below another one."""
        return self._workspace.views.find(self._seen.id) is not None

    @property
    def is_on_top(self) -> bool:
        """Whether it is the one the person sees."""
        top = self._workspace.views.top(self._seen.user)
        return top is not None and top.id == self._seen.id

    @property
    def title(self) -> str:
        """The words in its title bar."""
        return self.view.title

    @property
    def callback_id(self) -> str:
        """What the app named it."""
        return self.view.callback_id

    @property
    def private_metadata(self) -> str:
        """What the app hid in it."""
        return str(self.view.content.get("private_metadata", ""))

    @property
    def submit(self) -> str | None:
        """The words on its submit button, if it has one."""
        button = self.view.content.get("submit")
        return str(button["text"]) if button else None

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """Its blocks."""
        return self.view.blocks

    @property
    def fields(self) -> list[str]:
        """The block_ids of its inputs, in order."""
        return [block["block_id"] for block in self.view.blocks if block["type"] == "input"]

    @property
    def errors(self) -> Mapping[str, str]:
        """The words under inputs that were refused, by block_id."""
        return self.view.errors

    @property
    def trouble(self) -> str | None:
        """What Slack says at its foot when the app did not answer properly."""
        return self.view.trouble

    @property
    def values(self) -> dict[str, Any]:
        """What stands in its inputs, by block_id: a text, a list, or the values of the chosen options."""
        view = self.view
        found: dict[str, Any] = {}
        states = values_of(view.blocks, view.typed)
        for block, element in elements_in(view.blocks):
            if has_state(element):
                found[block["block_id"]] = _plain(states[block["block_id"]][element["action_id"]])
        return found

    def reads(self, words: str) -> bool:
        """Whether the words can be read anywhere in it."""
        return self.view.reads(words)

    def __repr__(self) -> str:
        return f"<Modal {self.title!r} {self.callback_id!r} fields={self.fields}>"


@dataclass(frozen=True, slots=True)
class Submission:
    """What came of pressing submit.

    result: `closed`, `cleared`, `updated`, `pushed`; `errors` when inputs were refused, by Slack or by the app;
    `trouble` when the app did not answer, or answered something Slack does not take.
    modal: what the person sees now, if any modal is left.
    """

    result: Result
    errors: Mapping[str, str]
    modal: Modal | None
    trouble: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the app took it."""
        return self.result not in {"errors", "trouble"}


def _plain(state: dict[str, Any]) -> Any:
    [(_, value)] = [(key, value) for key, value in state.items() if key != "type"]
    if isinstance(value, dict) and "value" in value:
        return value["value"]
    if isinstance(value, list):
        return [one["value"] if isinstance(one, dict) and "value" in one else one for one in value]
    return value
