"""What happens between pressing submit in a modal and what the person sees next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.sandbox import payloads
from bot.sandbox.blocks import completed_view, view_problems
from bot.sandbox.delivery import Ack
from bot.sandbox.forms import client_errors
from bot.sandbox.modal import Modal, Result, Submission
from bot.sandbox.model import SlackError, User, View
from bot.sandbox.workspace import Workspace

TROUBLE = "We had some trouble connecting. Try again?"


async def submit(workspace: Workspace, user: User, modal: Modal) -> Submission:
    """Sends view_submission, unless Slack's client refuses the values itself, and applies the app's answer."""
    view = modal.view
    refused = client_errors(view.blocks, view.typed)
    if refused:
        return _errors(workspace, modal, refused)
    payload = payloads.submission(workspace, user, view)
    ack = await workspace.deliver("interactive", payload)
    return _applied(workspace, modal, ack)


def _applied(workspace: Workspace, modal: Modal, ack: Ack) -> Submission:
    if not ack.ok:
        return _trouble(workspace, modal)
    match ack.payload.get("response_action"):
        case None if not ack.payload:
            return _shown(workspace, modal, "closed", workspace.views.close(modal.view))
        case "clear":
            workspace.views.clear(modal.view.user)
            return _shown(workspace, modal, "cleared", None)
        case "errors":
            errors = ack.payload.get("errors") or {}
            fits = errors and set(errors) <= set(modal.fields)
            return _errors(workspace, modal, errors) if fits else _trouble(workspace, modal)
        case "update" | "push" as action:
            return _changed(workspace, modal, action, ack.payload.get("view"))
        case _:
            return _trouble(workspace, modal)


def _changed(workspace: Workspace, modal: Modal, action: str, content: Any) -> Submission:
    if view_problems(content, expected="modal", accepts_new_blocks=workspace.accepts_new_blocks):
        return _trouble(workspace, modal)
    try:
        if action == "update":
            view = workspace.views.update(modal.view, completed_view(content))
            return _shown(workspace, modal, "updated", view)
        view = workspace.views.push(modal.view.user, completed_view(content))
        return _shown(workspace, modal, "pushed", view)
    except SlackError:
        return _trouble(workspace, modal)


def _shown(workspace: Workspace, modal: Modal, result: Result, view: View | None) -> Submission:
    if view is None:
        return Submission(result, {}, None)
    return Submission(result, {}, modal if view.id == modal.id else Modal(workspace, view))


def _errors(workspace: Workspace, modal: Modal, errors: Mapping[str, str]) -> Submission:
    workspace.views.show_errors(modal.view, errors)
    return Submission("errors", dict(errors), modal)


def _trouble(workspace: Workspace, modal: Modal) -> Submission:
    workspace.views.show_errors(modal.view, trouble=TROUBLE)
    workspace.tell(modal.view.user, TROUBLE)
    return Submission("trouble", {}, modal if modal.is_open else None, TROUBLE)
