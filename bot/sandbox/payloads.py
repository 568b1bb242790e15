"""The payloads Slack sends to the app when a person does something, with every field an app may read."""

from __future__ import annotations

from typing import Any

from bot.sandbox.forms import Element, State, elements_in, values_of
from bot.sandbox.model import APP_ID, BOT_USER_ID, TEAM_ID, VERIFICATION_TOKEN, Channel, Message, User, View
from bot.sandbox.workspace import Workspace

Payload = dict[str, Any]
TEAM_DOMAIN = "acme"


def command(workspace: Workspace, user: User, channel: Channel, name: str, text: str) -> Payload:
    """A slash command as typed in a channel. All values are strings, as in a form."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": user.team_id,
        "team_domain": TEAM_DOMAIN,
        "channel_id": channel.id,
        "channel_name": _channel_name(channel),
        "user_id": user.id,
        "user_name": user.name,
        "command": name,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": workspace.response_url_for(channel.id, user.id),
        "trigger_id": workspace.trigger_for(user.id),
    }


def message_action(workspace: Workspace, user: User, message: Message, action: Payload) -> Payload:
    """block_actions from a message. It carries the message as the person saw it; an ephemeral one is not carried."""
    channel = workspace.channel(message.channel)
    container: Payload = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.is_ephemeral,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    payload = _interaction(workspace, "block_actions", user) | {
        "container": container,
        "channel": {"id": channel.id, "name": _channel_name(channel)},
        "state": {"values": values_of(message.blocks, message.typed)},
        "response_url": workspace.response_url_for(channel.id, user.id, message),
        "actions": [action],
    }
    if not message.is_ephemeral:
        payload["message"] = message.to_slack()
    return payload


def view_action(workspace: Workspace, user: User, view: View, action: Payload) -> Payload:
    """block_actions from a modal or the home tab."""
    return _interaction(workspace, "block_actions", user) | {
        "container": {"type": "view", "view_id": view.id},
        "view": view.to_slack(),
        "actions": [action],
    }


def action_of(workspace: Workspace, block: Payload, element: Element, state: State | None = None) -> Payload:
    """One entry of `actions`: which element it was, and what it says now."""
    action: Payload = {
        "action_id": element["action_id"],
        "block_id": block["block_id"],
        "type": element["type"],
        "action_ts": workspace.fresh_ts(),
    }
    if state is None:
        return action | {key: element[key] for key in ("text", "value", "style", "url") if key in element}
    return action | {key: value for key, value in state.items() if key != "type"}


def submission(workspace: Workspace, user: User, view: View) -> Payload:
    """view_submission with the values as they stand, and a response_url for each select that asks for one."""
    shape = view.to_slack()
    urls = []
    for block, element in elements_in(view.blocks):
        if element.get("response_url_enabled"):
            state = shape["state"]["values"][block["block_id"]][element["action_id"]]
            channel = state.get("selected_conversation") or state.get("selected_channel")
            place = {"block_id": block["block_id"], "action_id": element["action_id"], "channel_id": channel}
            urls.append(place | {"response_url": workspace.response_url_for(channel, user.id)})
    return _interaction(workspace, "view_submission", user) | {"view": shape, "response_urls": urls}


def closing(user: User, view: View, *, is_cleared: bool) -> Payload:
    """view_closed, sent for views with notify_on_close. It has no trigger_id."""
    return _about(user) | {"type": "view_closed", "view": view.to_slack(), "is_cleared": is_cleared}


def suggestion(user: User, view: View | Message, block: Payload, element: Element, text: str) -> Payload:
    """block_suggestion: what an external select should offer for the words typed so far."""
    place: Payload = {"action_id": element["action_id"], "block_id": block["block_id"], "value": text}
    payload = _about(user) | {"type": "block_suggestion"} | place
    if isinstance(view, View):
        return payload | {"view": view.to_slack(), "container": {"type": "view", "view_id": view.id}}
    container = {"type": "message", "message_ts": view.ts, "channel_id": view.channel}
    return payload | {"message": view.to_slack(), "channel": {"id": view.channel}, "container": container}


def shortcut(workspace: Workspace, user: User, callback_id: str) -> Payload:
    """A global shortcut. It has neither a channel nor a response_url."""
    payload = _interaction(workspace, "shortcut", user)
    return payload | {"callback_id": callback_id, "action_ts": workspace.fresh_ts()}


def message_shortcut(workspace: Workspace, user: User, message: Message, callback_id: str) -> Payload:
    """A shortcut out of the menu of a message. It carries the message as everybody sees it."""
    channel = workspace.channel(message.channel)
    return _interaction(workspace, "message_action", user) | {
        "callback_id": callback_id,
        "action_ts": workspace.fresh_ts(),
        "channel": {"id": channel.id, "name": _channel_name(channel)},
        "message_ts": message.ts,
        "message": message.to_slack(),
        "response_url": workspace.response_url_for(channel.id, user.id),
    }


def event(workspace: Workspace, body: Payload) -> Payload:
    """An Events API callback around the event `body`, with an event_id of its own."""
    now = int(workspace.clock().timestamp())
    authorization = {
        "enterprise_id": None,
        "team_id": TEAM_ID,
        "user_id": BOT_USER_ID,
        "is_bot": True,
        "is_enterprise_install": False,
    }
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": TEAM_ID,
        "context_team_id": TEAM_ID,
        "context_enterprise_id": None,
        "api_app_id": APP_ID,
        "event": {"event_ts": workspace.fresh_ts(), **body},
        "type": "event_callback",
        "event_id": workspace.fresh_id("Ev"),
        "event_time": now,
        "authorizations": [authorization],
        "is_ext_shared_channel": False,
        "event_context": workspace.fresh_id("EC"),
    }


def home_opened(workspace: Workspace, user: User) -> Payload:
    """app_home_opened, with the view that is published at that moment."""
    body: Payload = {
        "type": "app_home_opened",
        "user": user.id,
        "channel": workspace.dm(user.id).id,
        "tab": "home",
    }
    home = workspace.views.home(user.id)
    return event(workspace, body | ({"view": home.to_slack()} if home else {}))


def message_event(workspace: Workspace, message: Message, kind: str) -> Payload:
    """`message` or `app_mention` for something a person wrote."""
    channel = workspace.channel(message.channel)
    channel_type = "im" if channel.is_im else "group" if channel.is_private else "channel"
    body = message.to_slack() | {"type": kind, "channel": channel.id, "channel_type": channel_type}
    return event(workspace, body | {"event_ts": message.ts, "team": TEAM_ID})


def _about(user: User) -> Payload:
    return {
        "team": {"id": user.team_id, "domain": TEAM_DOMAIN},
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id},
        "api_app_id": APP_ID,
        "token": VERIFICATION_TOKEN,
        "enterprise": None,
        "is_enterprise_install": False,
    }


def _interaction(workspace: Workspace, kind: str, user: User) -> Payload:
    return _about(user) | {"type": kind, "trigger_id": workspace.trigger_for(user.id)}


def _channel_name(channel: Channel) -> str:
    if channel.is_im:
        return "directmessage"
    return "privategroup" if channel.is_private else channel.name
