"""What can be done on the page, each deed as the person at the workspace would do it.

A deed takes the person and the JSON that the page sent, and answers with JSON. What changes by it reaches the window
through the change feed, as it reaches every other window.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, get_args
from zoneinfo import ZoneInfo

from bot.sandbox.forms import Element, State, elements_in, typed_state
from bot.sandbox.markup import as_escaped, as_sent
from bot.sandbox.modal import Modal
from bot.sandbox.model import Message, Standing, View
from bot.sandbox.people import NotTaken, Person
from bot.sandbox.witness import NotSeen

Body = Mapping[str, Any]
Answer = dict[str, Any]
Deed = Callable[[Person, Body], Awaitable[Answer]]

GONE = "That is not there any more. What you see now is how things stand."
CHANGED = "The form has just changed, so nothing was sent. Look at it once more."


class Refused(Exception):
    """It cannot be done; the message says why in a sentence for the person."""


async def _type(person: Person, body: Body) -> Answer:
    """Types into a channel or a thread."""
    text = str(body["text"]).strip()
    thread = _message(person, body["in"], body["thread"]) if body.get("thread") else None
    if text:
        words = _as_sent(person, text)
        try:
            await person.types(words, channel=str(body["in"]), thread_of=thread)
        except PermissionError as refused:
            raise Refused(str(refused)) from None
    return {}


async def _click(person: Person, body: Body) -> Answer:
    """Presses a button. The confirmation, where there is one, was given on the page."""
    value = str(body["value"]) if body.get("value") else None
    target = _target(person, body)
    await _done(person.clicks(target, str(body["action_id"]), value=value, block_id=str(body["block_id"])))
    return {}


async def _choose(person: Person, body: Body) -> Answer:
    """Chooses in a menu or picker that tells the app at once."""
    target = _target(person, body)
    _, element = _element(target, body)
    choice = body["value"]
    if element["type"] != "overflow":
        choice = _choice(person, element, choice, by_words=True)
    await _done(person.chooses(target, str(body["action_id"]), choice, block_id=str(body["block_id"])))
    return {}


async def _keep(person: Person, body: Body) -> Answer:
    """Keeps what stands in a field, without telling the app. A field that has just gone has nothing to keep."""
    with contextlib.suppress(Refused):
        _put(person, _target(person, body), body)
    return {}


async def _attach(person: Person, body: Body) -> Answer:
    """Puts files into a file input, instead of those it had. What is in them comes as base64."""
    files = [(str(file["name"]), base64.b64decode(file["content"], validate=True)) for file in body["files"]]
    try:
        await _done(person.attaches(_modal(person, body), str(body["block_id"]), *files))
    except NotTaken as refused:
        raise Refused(str(refused)) from None
    return {}


async def _detach(person: Person, body: Body) -> Answer:
    """Takes one file out of a file input."""
    view = _modal(person, body).view
    block, element = _element(view, body)
    place = (block["block_id"], element["action_id"])
    files = [file for file in view.typed.get(place, {}).get("files", ()) if file["id"] != body["file"]]
    person.workspace.views.type_into(view, place, {"type": "file_input", "files": files})
    return {}


async def _submit(person: Person, body: Body) -> Answer:
    """Puts in what stands in all fields, and presses submit: of the modal as the page shows it, not of a later one."""
    modal = _modal(person, body)
    if body["hash"] != modal.view.hash:
        raise Refused(CHANGED)
    for field in body["fields"]:
        _put(person, modal.view, field)
    try:
        submission = await person.submits(modal)
    except NotSeen:
        raise Refused(GONE) from None
    return {"result": submission.result}


async def _close(person: Person, body: Body) -> Answer:
    """Closes the modal on top, or with `all` every one of them."""
    modal = _modal(person, body)
    await person.closes(modal, everything=bool(body.get("all")))
    return {}


async def _search(person: Person, body: Body) -> Answer:
    """Types into an external select: what the app offers for it."""
    target = _target(person, body)
    block, element = _element(target, body)
    # An action_id may be used in many blocks; a block with one element is named by its block_id.
    alone = sum(1 for other, _ in elements_in(target.blocks) if other["block_id"] == block["block_id"]) == 1
    name = block["block_id"] if alone else element["action_id"]
    options = await _done(person.searches(target, name, str(body["text"])))
    return {"options": [{"value": one["value"], "label": one["text"]["text"]} for one in options]}


async def _shortcut(person: Person, body: Body) -> Answer:
    """Starts a shortcut of the app, from anywhere or out of the menu of a message."""
    message = _message(person, body["channel"], body["ts"]) if body.get("ts") else None
    kind = "message" if message else "global"
    if not any((one.kind, one.callback_id) == (kind, body["shortcut"]) for one in person.workspace.app.shortcuts):
        raise Refused(GONE)
    await _done(person.uses_shortcut(str(body["shortcut"]), on=message))
    return {}


async def _standing(person: Person, body: Body) -> Answer:
    """Makes somebody else a member, a guest or a stranger, or deactivates them."""
    user = person.workspace.user(str(body["user"]))
    if user.id == person.id:
        raise Refused("Nobody changes what they are themselves. Act as somebody else first.")
    if user.is_bot or body["value"] not in get_args(Standing):
        raise ValueError(body["value"])
    person.workspace.set_standing(user.id, body["value"])
    return {}


async def _membership(person: Person, body: Body) -> Answer:
    """Puts somebody into a user group, or takes them out."""
    workspace = person.workspace
    group, user = workspace.group(str(body["group"])), workspace.user(str(body["user"]))
    others = [member for member in group.members if member != user.id]
    workspace.set_group(group.id, [*others, user.id] if body["value"] else others)
    return {}


async def _group(person: Person, body: Body) -> Answer:
    """Enables a user group, or disables it."""
    change = person.workspace.enable_group if body["value"] else person.workspace.disable_group
    change(str(body["group"]))
    return {}


async def _home(person: Person, body: Body) -> Answer:
    """Opens the home tab; the app then publishes what it shows."""
    await person.opens_home()
    return {}


DEEDS: Mapping[str, Deed] = MappingProxyType(
    {
        "type": _type,
        "click": _click,
        "choose": _choose,
        "keep": _keep,
        "attach": _attach,
        "detach": _detach,
        "submit": _submit,
        "close": _close,
        "search": _search,
        "home": _home,
        "shortcut": _shortcut,
        "standing": _standing,
        "membership": _membership,
        "group": _group,
    }
)


def _as_sent(person: Person, text: str) -> str:
    """What Slack makes of what was typed. A command gets it as it is, unless the app has it escaped."""
    if not text.startswith("/"):
        return as_sent(person.workspace, text)
    name = text.split(maxsplit=1)[0]
    return as_escaped(person.workspace, text) if name in person.workspace.app.escaped else text


async def _done(deed: Awaitable[Any]) -> Any:
    try:
        return await deed
    except NotSeen:
        raise Refused(GONE) from None
    except LookupError:
        raise Refused("That choice is not offered any more.") from None
    except PermissionError as refused:
        raise Refused(str(refused)) from None


def _target(person: Person, body: Body) -> Message | View:
    if body.get("view"):
        view = person.workspace.views.find(str(body["view"]))
        if view is None or view.user != person.id:
            raise Refused(GONE)
        return view
    return _message(person, body["channel"], body["ts"])


def _message(person: Person, channel: Any, ts: Any) -> Message:
    message = person.workspace.message(str(channel), str(ts))
    place = person.workspace.channels.get(str(channel))
    visible = message and place and person.id in place.members and message.ephemeral_to in {None, person.id}
    if message is None or not visible:
        raise Refused(GONE)
    return message


def _modal(person: Person, body: Body) -> Modal:
    modal = person.modal
    if modal is None or modal.id != str(body["view"]):
        raise Refused(GONE)
    return modal


def _element(target: Message | View, body: Body) -> tuple[Element, Element]:
    wanted = (str(body["block_id"]), str(body["action_id"]))
    for block, element in elements_in(target.blocks):
        if (block["block_id"], element.get("action_id")) == wanted:
            return block, element
    raise Refused(GONE)


def _put(person: Person, target: Message | View, body: Body) -> None:
    try:
        block, element = _element(target, body)
    except Refused:
        return  # The app has changed the form meanwhile; a field that is gone has nothing to keep.
    place = (block["block_id"], element["action_id"])
    state = _state(person, element, body["value"])
    if state is None or target.typed.get(place) == state:
        return
    if isinstance(target, Message):
        person.workspace.type_into(target, place, state)
    else:
        person.workspace.views.type_into(target, place, state)


def _state(person: Person, element: Element, value: Any) -> State | None:
    if element["type"] == "file_input":
        return None  # Files are there since they were attached.
    if element["type"].endswith("external_select") and value:
        picked = value if isinstance(value, list) else [value]
        options = [_option(str(one["value"]), str(one["label"])) for one in picked]
        return typed_state(element | {"options": options}, _choice(person, element, value))
    try:
        return typed_state(element, _choice(person, element, value))
    except LookupError:
        return None  # The choices have changed meanwhile.


def _choice(person: Person, element: Element, value: Any, *, by_words: bool = False) -> Any:
    """What the page sent, as `Person` takes it. by_words: found options by their label, as a search finds them."""
    if value in (None, "", []):
        return None
    if element["type"].endswith("external_select"):
        key = "label" if by_words else "value"
        return [str(one[key]) for one in value] if isinstance(value, list) else str(value[key])
    if element["type"] == "datetimepicker":
        return datetime.fromisoformat(str(value)).replace(tzinfo=ZoneInfo(person.user.tz))
    return value


def _option(value: str, label: str) -> dict[str, Any]:
    return {"text": {"type": "plain_text", "text": label, "emoji": True}, "value": value}
