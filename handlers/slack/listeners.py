"""The one door through which Slack comes in: what arrives goes to the part that answers it, by a few dictionaries.

Bolt asks its listeners one after the other whether they match, and builds all their arguments anew each time, so its
cost grows with their number. A middleware of our own ends every request before that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from handlers.slack.answers import Answers
from handlers.slack.asking import Asking
from handlers.slack.commands import Commands
from handlers.slack.decisions import Decisions
from handlers.slack.forms import notice
from handlers.slack.front import BROKE, EXPIRED, Body, Front
from handlers.slack.home import Home

log = structlog.get_logger(__name__)

Listener = Callable[[AsyncAck, Body], Awaitable[None]]


class Door(AsyncMiddleware):
    """Where every request of Slack is answered: `AsyncApp(before_authorize=Door(…))`.

    It stands before Bolt's authorization because there is one workspace, known since the start, and `Front.asker`
    turns away people of any other.
    """

    def __init__(self, front: Front) -> None:
        self._front = front
        answers = Answers(front)
        self.asking = Asking(front, answers)
        self._commands, self._home = Commands(front, answers), Home(front)
        self._decisions = Decisions(front, self._commands, self.asking, answers)
        self._kinds: Mapping[str, Listener] = {
            "block_actions": self._decisions.on_click,
            "view_submission": self._on_submission,
            "event_callback": self._on_event,
        }
        self._submissions: Mapping[str, Listener] = {
            "form": self.asking.on_form,
            "review": self.asking.on_review,
            "deny": self._decisions.on_deny,
        }

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002 (Bolt calls it so)
    ) -> BoltResponse:
        """Answer one request. What nobody here knows goes back to Bolt, which says so in the log."""
        body, ack = req.body, req.context.ack
        listener = self._commands.on_command if "command" in body else self._kinds.get(str(body.get("type")))
        if listener is None:
            return await next()
        try:
            await listener(ack, body)
        except Exception as error:
            log.exception("listener_broke", kind=type(error).__name__)
            if ack.response is None and "command" in body:
                return await ack(text=BROKE)
            self._front.background.spawn(self._front.sorry(body, error))
        return ack.response or await ack()

    async def _on_submission(self, ack: AsyncAck, body: Body) -> None:
        handle = self._submissions.get(str(body["view"].get("callback_id")))
        if handle is None:
            await ack(response_action="update", view=notice("Postroom", EXPIRED))
            return
        try:
            await handle(ack, body)
        except Exception:
            # What is not stored must not look as if it were: the person keeps the form and learns that it failed.
            log.exception("submission_broke", callback_id=body["view"].get("callback_id"))
            await ack(response_action="update", view=notice("Postroom", BROKE))

    async def _on_event(self, ack: AsyncAck, body: Body) -> None:
        await ack()
        kind = str((body.get("event") or {}).get("type"))
        if kind == "app_home_opened":
            self._front.background.spawn(self._home.on_opened(body))
        elif kind in ("app_uninstalled", "tokens_revoked"):
            log.error("slack_access_lost", event_type=kind, cure="install the app again, then restart Postroom")
