"""What Slack would send: signed, with bodies of the size and shape that Slack's have."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from tests.bench.world import APPROVALS, APPROVER, CHANNEL, REQUESTER, SIGNING_SECRET, TEAM

_trigger = itertools.count(1)


def commands(triggers: Iterable[str], text: str = "buy acme-mail.com") -> list[bytes]:
    """Ana types `/domain …` once for each trigger_id."""
    return _posts(
        urlencode(
            {
                "token": "legacy", "team_id": TEAM, "team_domain": "acme", "channel_id": CHANNEL,
                "channel_name": "outreach", "user_id": REQUESTER, "user_name": "ana", "command": "/domain",
                "text": text, "api_app_id": "A0POSTROOM", "is_enterprise_install": "false",
                "response_url": "http://127.0.0.1:9/nobody", "trigger_id": trigger,
            }
        )
        for trigger in triggers
    )  # fmt: skip


def confirms(reviews: Iterable[tuple[str, Mapping[str, Any]]]) -> list[bytes]:
    """Ana presses the button of each review: pairs of a draft's id and its review view."""
    return _posts(
        _interaction(
            {
                "type": "view_submission",
                "user": _user(REQUESTER, "ana"),
                "trigger_id": new_trigger(),
                "view": {
                    **view,
                    "id": f"V{draft_id}",
                    "team_id": TEAM,
                    "state": {"values": {}},
                    "hash": "1750000000.abcdef",
                    "previous_view_id": None,
                    "root_view_id": f"V{draft_id}",
                    "app_id": "A0POSTROOM",
                    "external_id": "",
                    "app_installed_team_id": TEAM,
                    "bot_id": "B0POSTROOM",
                },
                "response_urls": [],
                "is_enterprise_install": False,
                "enterprise": None,
            }
        )
        for draft_id, view in reviews
    )


def approvals(cards: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """Omar clicks Approve on each card (the message as Slack has it: `blocks`, `text`, `ts`)."""
    return _posts(
        _interaction(
            {
                "type": "block_actions",
                "user": _user(APPROVER, "omar"),
                "trigger_id": new_trigger(),
                "container": {
                    "type": "message", "message_ts": card["ts"], "channel_id": APPROVALS, "is_ephemeral": False,
                },
                "channel": {"id": APPROVALS, "name": "approvals"},
                "message": {
                    "user": "U0POSTROOM", "type": "message", "bot_id": "B0POSTROOM", "app_id": "A0POSTROOM",
                    "team": TEAM, **card,
                },
                "state": {"values": {}},
                "response_url": "http://127.0.0.1:9/nobody",
                "actions": [{**_approve_button(card), "block_id": "decision", "action_ts": "1750000000.000100"}],
                "enterprise": None,
                "is_enterprise_install": False,
            }
        )
        for card in cards
    )  # fmt: skip


def new_trigger() -> str:
    """A fresh trigger_id, by which the stand-in for Slack tells which command opened which modal."""
    return f"{next(_trigger)}.1750000000.abcdef0123456789abcdef0123456789"


def _approve_button(card: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(
        element
        for block in card["blocks"]
        for element in block.get("elements", ())
        if element.get("action_id") == "approve"
    )


def _user(who: str, name: str) -> dict[str, str]:
    return {"id": who, "username": name, "name": name, "team_id": TEAM}


def _interaction(payload: Mapping[str, Any]) -> str:
    given = {"team": {"id": TEAM, "domain": "acme"}, "api_app_id": "A0POSTROOM", "token": "legacy", **payload}
    return "payload=" + quote(json.dumps(given, separators=(",", ":")))


def _posts(bodies: Iterable[str]) -> list[bytes]:
    return [_post(body.encode()) for body in bodies]


def _post(body: bytes) -> bytes:
    stamp = str(int(time.time()))
    signature = hmac.new(SIGNING_SECRET.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    head = (
        "POST /slack/events HTTP/1.1\r\n"
        "Host: postroom.example\r\n"
        "User-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\n"
        "Accept: application/json,*/*\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"X-Slack-Request-Timestamp: {stamp}\r\n"
        f"X-Slack-Signature: v0={signature}\r\n\r\n"
    )
    return head.encode() + body
