"""The few listeners that Bolt knows: one for each kind of payload, a dictionary inside.

Bolt asks its listeners one after the other whether they match, so its cost grows with their number. Every subscribed
event has one here too: in Socket Mode Bolt sends no acknowledgement for what nobody listens to.
"""

from __future__ import annotations

import re

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.response import BoltResponse

from handlers.slack.answers import Answers
from handlers.slack.asking import Asking
from handlers.slack.commands import Commands
from handlers.slack.decisions import Decisions
from handlers.slack.forms import notice
from handlers.slack.front import BROKE, EXPIRED, Body, Front
from handlers.slack.home import Home

log = structlog.get_logger(__name__)

_ANY = re.compile("")


def listen(app: AsyncApp, front: Front) -> Asking:
    """Register everything on the Bolt app. Returns the part that takes up what a former process left half asked."""
    answers = Answers(front)
    asking, commands, home = Asking(front, answers), Commands(front, answers), Home(front)
    decisions = Decisions(front, commands, asking, answers)
    submissions = {"form": asking.on_form, "review": asking.on_review, "deny": decisions.on_deny}

    async def on_submission(ack: AsyncAck, body: Body) -> None:
        handle = submissions.get(str(body["view"].get("callback_id")))
        if handle is None:
            await ack(response_action="update", view=notice("Postroom", EXPIRED))
            return
        try:
            await handle(ack, body)
        except Exception:
            # What is not stored must not look as if it were: the person keeps the form and learns that it failed.
            log.exception("submission_broke", callback_id=body["view"].get("callback_id"))
            await ack(response_action="update", view=notice("Postroom", BROKE))

    async def on_event(body: Body) -> None:
        kind = str((body.get("event") or {}).get("type"))
        if kind == "app_home_opened":
            front.background.spawn(home.on_opened(body))
        elif kind in ("app_uninstalled", "tokens_revoked"):
            log.error("slack_access_lost", event_type=kind, cure="install the app again, then restart Postroom")

    async def on_error(error: Exception, body: Body, context: AsyncBoltContext, ack: AsyncAck) -> BoltResponse:
        if context.authorize_result is None:
            # It broke before it was clear that this is from Slack: nobody is answered for that.
            log.warning("request_refused", kind=type(error).__name__)
            return BoltResponse(status=401)
        # Slack gets the response returned here; one that was only acknowledged is replaced by a failure.
        log.error("listener_broke", kind=type(error).__name__, exc_info=error)
        if ack.response is None and body.get("command"):
            return await ack(text=BROKE)
        front.background.spawn(front.sorry(body, error))
        return ack.response or await ack()

    app.command(_ANY)(commands.on_command)
    app.action(_ANY)(decisions.on_click)
    app.view(_ANY)(on_submission)
    app.event(_ANY)(on_event)
    app.error(on_error)
    return asking
