"""The one door through which Slack comes in: what arrives goes to the part that answers it, by a few dictionaries.

Bolt asks its listeners one after the other whether they match, and builds all their arguments anew each time, so its
cost grows with their number. A middleware of our own ends every request before that.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from structlog.contextvars import bind_contextvars, reset_contextvars

from handlers.slack.answers import Answers
from handlers.slack.asking import Asking
from handlers.slack.commands import Commands
from handlers.slack.decisions import Decisions
from handlers.slack.digest import DigestCommands
from handlers.slack.front import EXPIRED, UNSTORED, Body, Front, broken
from handlers.slack.home import Home
from handlers.slack.lists import RequestLists
from handlers.slack.shortcuts import ASK, Shortcuts
from handlers.slack.windows import first_input, notice
from storage.sqlite import StoreUnavailable

log = structlog.get_logger(__name__)

_REQUEST = re.compile(r"(?:^|(?<=:))req_[0-9a-z]{10}(?![0-9a-z])")
"""The id in what our buttons and forms carry: first, or after the name of an entry of a menu."""

Listener = Callable[[AsyncAck, Body], Awaitable[None]]
Acked = Callable[[str, float], None]
"""Told of each answer to Slack: to what kind of payload, and after how many seconds."""


class Door(AsyncMiddleware):
    """Where every request of Slack is answered: `AsyncApp(before_authorize=Door(…))`.

    It stands before Bolt's authorization because there is one workspace, known since the start, and `Front.asker`
    turns away people of any other.
    """

    def __init__(self, front: Front, acked: Acked = lambda kind, seconds: None) -> None:
        self._front = front
        self._acked = acked
        answers = Answers(front)
        self.asking = Asking(front, answers)
        lists = RequestLists(front)
        self._commands, self.home = Commands(front, answers, lists), Home(front, lists)
        shortcuts = Shortcuts(front, self._commands)
        self._decisions = Decisions(front, self._commands, shortcuts, self.asking, answers, lists)
        self._kinds: Mapping[str, Listener] = {
            "shortcut": shortcuts.on_shortcut,
            "message_action": shortcuts.on_shortcut,
            "block_actions": self._on_click,
            "view_submission": self._on_submission,
            "event_callback": self._on_event,
        }
        self._submissions: Mapping[str, Listener] = {
            "form": self.asking.on_form,
            "review": self.asking.on_review,
            "deny": self._decisions.on_deny,
            "question": self._decisions.on_question,
            "items": self._decisions.on_items,
            "run_now": self._decisions.on_run_now,
            "digest": DigestCommands(front).on_setup,
            ASK: shortcuts.on_search,
        }

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002 (Bolt calls it so)
    ) -> BoltResponse:
        """Answer one request of Bolt's. What nobody here knows goes back to it, and it says so in the log."""
        answer = await self.answer(req.body)
        return await next() if answer is None else answer

    async def answer(self, body: Body) -> BoltResponse | None:
        """What to answer to one request of Slack; None for what nobody here knows."""
        kind = "command" if "command" in body else str(body.get("type"))
        listener = self._commands.on_command if kind == "command" else self._kinds.get(kind)
        if listener is None:
            return None
        began = time.perf_counter()
        bound = bind_contextvars(**_request_in(body))
        try:
            return await self._answer(listener, body)
        finally:
            reset_contextvars(**bound)
            self._acked(kind, time.perf_counter() - began)

    async def _answer(self, listener: Listener, body: Body) -> BoltResponse:
        ack = AsyncAck()  # type: ignore[no-untyped-call]
        try:
            await listener(ack, body)
        except Exception as error:
            log.exception("listener_broke", kind=type(error).__name__)
            if ack.response is None and "command" in body:
                return await ack(text=broken(error))
            self._front.background.spawn(self._front.sorry(body, error))
        return ack.response or await ack()

    async def _on_click(self, ack: AsyncAck, body: Body) -> None:
        await self._decisions.on_click(ack, body)
        if (body.get("view") or {}).get("type") == "home":
            self.home.stirred(body)

    async def _on_submission(self, ack: AsyncAck, body: Body) -> None:
        handle = self._submissions.get(str(body["view"].get("callback_id")))
        if handle is None:
            await ack(response_action="update", view=notice("Postroom", EXPIRED))
            return
        try:
            await handle(ack, body)
        except Exception as error:
            # What is not stored must not look as if it were: the person keeps the form and learns that it failed.
            log.exception("submission_broke", callback_id=body["view"].get("callback_id"))
            field = first_input(body["view"])
            if isinstance(error, StoreUnavailable) and field:
                await ack(response_action="errors", errors={field: UNSTORED})
            else:
                await ack(response_action="update", view=notice("Postroom", broken(error)))
        else:
            self.home.stirred(body)

    async def _on_event(self, ack: AsyncAck, body: Body) -> None:
        await ack()
        kind = str((body.get("event") or {}).get("type"))
        if kind == "app_home_opened":
            self._front.background.spawn(self.home.on_opened(body))
        elif kind in ("app_uninstalled", "tokens_revoked"):
            log.error("slack_access_lost", event_type=kind, cure="install the app again, then restart Postroom")


def _request_in(body: Body) -> dict[str, str]:
    """The request that a click or a form is about, for the log's lines about it; nothing where it is about none."""
    actions, view = body.get("actions"), body.get("view")
    carried: object = None
    if isinstance(actions, list) and actions and isinstance(actions[0], dict):
        option = actions[0].get("selected_option")
        carried = actions[0].get("value") or (option.get("value") if isinstance(option, dict) else None)
    if not carried and isinstance(view, dict):
        carried = view.get("private_metadata")
    found = _REQUEST.search(carried) if isinstance(carried, str) else None
    return {"request_id": found[0]} if found else {}
