"""The modals and home tabs that are open in a workspace: a stack of at most three modals and one home per person."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bot.sandbox.forms import State, kept
from bot.sandbox.model import SlackError, View

STACK_LIMIT = 3

Content = dict[str, Any]


class Views:
    """Who looks at which views. `changed(kind, user=…, view_id=…)` is called after every change."""

    def __init__(self, changed: Callable[..., None], fresh_id: Callable[[str], str]) -> None:
        self._changed = changed
        self._fresh_id = fresh_id
        self._stacks: dict[str, list[View]] = {}
        self._homes: dict[str, View] = {}

    def stack(self, user: str) -> list[View]:
        """The open modals of a user, the one on top last."""
        return list(self._stacks.get(user, ()))

    def top(self, user: str) -> View | None:
        """The modal this user sees."""
        stack = self._stacks.get(user)
        return stack[-1] if stack else None

    def home(self, user: str) -> View | None:
        """What was last published to this user's home tab."""
        return self._homes.get(user)

    def find(self, view_id: str) -> View | None:
        """The view with this id if it is open or published."""
        return next((view for view in self._all() if view.id == view_id), None)

    def find_external(self, external_id: str) -> View | None:
        """The view that the app gave this external_id."""
        return next((view for view in self._all() if view.content.get("external_id") == external_id), None)

    def open(self, user: str, content: Content) -> View:
        """A new modal on an empty stack; modals that were open are gone."""
        self._check_external(content)
        self.clear(user)
        return self._push(user, content)

    def push(self, user: str, content: Content) -> View:
        """One more modal on top. Raises SlackError `push_limit_reached` or, without an open modal, `not_found`."""
        stack = self._stacks.get(user)
        if not stack:
            raise SlackError("not_found")
        if len(stack) >= STACK_LIMIT:
            raise SlackError("push_limit_reached")
        self._check_external(content)
        return self._push(user, content)

    def update(self, view: View, content: Content, *, expected_hash: str | None = None) -> View:
        """New content for an open view; typed values stay where block_id and action_id stay.

        Raises SlackError `hash_conflict` when the view has changed since `expected_hash`, `not_found` when it is gone.
        """
        current = self.find(view.id)
        if current is None:
            raise SlackError("not_found")
        if expected_hash and expected_hash != current.hash:
            raise SlackError("hash_conflict")
        self._check_external(content, but=current)
        typed = kept(current.blocks, current.typed, content["blocks"])
        return self._replace(replace(current, content=content, hash=_new_hash(), typed=typed, errors={}, trouble=None))

    def publish(self, user: str, content: Content, *, expected_hash: str | None = None) -> View:
        """New content for a user's home tab. Raises SlackError `hash_conflict`."""
        current = self._homes.get(user)
        if expected_hash and (current is None or expected_hash != current.hash):
            raise SlackError("hash_conflict")
        self._check_external(content, but=current)
        view_id = current.id if current else self._fresh_id("V")
        typed = kept(current.blocks, current.typed, content["blocks"]) if current else {}
        view = View(view_id, user, content, _new_hash(), view_id, typed=typed)
        self._homes[user] = view
        self._changed("home_published", user=user, view_id=view.id)
        return view

    def type_into(self, view: View, place: tuple[str, str], state: State) -> View:
        """Keeps what the person put into an element, and takes away the error that stood under it."""
        current = self.find(view.id) or view
        errors = {block_id: error for block_id, error in current.errors.items() if block_id != place[0]}
        changed = replace(current, typed={**current.typed, place: state}, errors=errors, trouble=None)
        return self._replace(changed)

    def show_errors(self, view: View, errors: Mapping[str, str] | None = None, trouble: str | None = None) -> View:
        """Puts errors under inputs (block_id -> words), or a line of trouble over the whole modal."""
        current = self.find(view.id) or view
        return self._replace(replace(current, errors=dict(errors or {}), trouble=trouble))

    def close(self, view: View) -> View | None:
        """Closes one modal, together with whatever stood on top of it; returns the modal that is visible now."""
        stack = self._stacks.get(view.user, [])
        ids = [one.id for one in stack]
        if view.id in ids:
            self._cut(view.user, ids.index(view.id))
        return self.top(view.user)

    def clear(self, user: str) -> None:
        """Closes all modals of a user."""
        self._cut(user, 0)

    def _push(self, user: str, content: Content) -> View:
        stack = self._stacks.setdefault(user, [])
        view_id = self._fresh_id("V")
        root, previous = (stack[0].id, stack[-1].id) if stack else (view_id, None)
        view = View(view_id, user, content, _new_hash(), root, previous)
        stack.append(view)
        self._changed("view_opened", user=user, view_id=view.id)
        return view

    def _replace(self, view: View) -> View:
        if self.find(view.id) is None:
            return view
        if view.type == "home":
            self._homes[view.user] = view
        else:
            stack = self._stacks[view.user]
            stack[:] = [view if one.id == view.id else one for one in stack]
        self._changed("view_updated", user=view.user, view_id=view.id)
        return view

    def _cut(self, user: str, length: int) -> None:
        stack = self._stacks.get(user, [])
        gone = stack[length:]
        del stack[length:]
        for view in reversed(gone):
            self._changed("view_closed", user=user, view_id=view.id)

    def _all(self) -> list[View]:
        return [*(view for stack in self._stacks.values() for view in stack), *self._homes.values()]

    def _check_external(self, content: Content, but: View | None = None) -> None:
        external_id = content.get("external_id")
        other = self.find_external(external_id) if external_id else None
        if other is not None and (but is None or other.id != but.id):
            raise SlackError("duplicate_external_id")


def _new_hash() -> str:
    return f"{secrets.randbelow(10**10)}.{secrets.token_hex(4)}"
