"""The two shortcuts in Slack's own menus: the catalogue from anywhere, and a request from what stands in a message.

Both open a window at once, for a trigger lives three seconds; what it takes to ask is behind its buttons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, get_origin

import slackblocks as sb
from slack_bolt.context.ack.async_ack import AsyncAck

from handlers.requests import Sorry
from handlers.slack import entered, windows
from handlers.slack.channels import asked_in
from handlers.slack.commands import Commands
from handlers.slack.finding import Found, names_in
from handlers.slack.front import EXPIRED, Body, Front
from handlers.slack.words import clip, code, escape, plain, section
from providers.accounts import Account
from providers.action import Action, bare
from providers.catalogue import NOUNS
from providers.fields import Kind, in_letters, kind_of

ASK = "ask"
FROM_MESSAGE = "from_message"
"""The callback_ids of the manifest."""
MOST_PICKS = 80
"""Of what can be asked, in one window: Slack takes a hundred blocks."""
MOST_OPTIONS = 100
"""Slack's limit on a menu."""
_OLD = "This shortcut is from another version of Postroom, so nothing was opened. Type /postroom help instead."
_CALLED: Mapping[Kind, tuple[str, str]] = {
    Kind.DOMAIN: ("domain", "domains"),
    Kind.ADDRESS: ("e-mail address", "e-mail addresses"),
}
_BROWSE = "browse"
EVERYTHING = "*"
"""What a button carries that shows all nouns."""
_USE = "use"
_WORDS = "words"


class Shortcuts:
    """What happens when somebody starts a shortcut, and in the windows that it opens."""

    def __init__(self, front: Front, commands: Commands) -> None:
        self._front = front
        self._commands = commands
        self._starts: Mapping[str, Callable[[Body, str], windows.View]] = {
            ASK: lambda body, channel: self._catalogue(channel),
            FROM_MESSAGE: self._of_message,
        }

    async def on_shortcut(self, ack: AsyncAck, body: Body) -> None:
        """One of the shortcuts was started."""
        try:
            asker = self._front.asker(body)
            start = self._starts.get(str(body.get("callback_id")))
            if start is None:
                raise Sorry(_OLD)
            await ack()
            self._front.later(body, self._open(body, start(body, asker.channel)))
        except Sorry as sorry:
            await ack()
            self._front.background.spawn(self._front.answer(body, sorry))

    async def _open(self, body: Body, view: windows.View) -> None:
        await self._front.client.views_open(trigger_id=str(body.get("trigger_id")), view=view)

    # The catalogue.

    async def on_search(self, ack: AsyncAck, body: Body) -> None:
        """Words were typed into the catalogue: it shows what has them."""
        view = body["view"]
        try:
            self._front.asker(body)
            shown = self._catalogue(_channel(view), words=_typed(view).split())
        except Sorry as sorry:
            shown = windows.notice("Postroom", sorry.sentence)
        await ack(response_action="update", view=shown)

    async def browse(self, ack: AsyncAck, body: Body, value: str) -> None:
        """A noun of the catalogue was clicked: what can be asked about it; or all nouns again, also out of the home."""
        self._front.asker(body)
        view = body.get("view") or {}
        noun = "" if value == EVERYTHING else value
        if not view.get("id") or (noun and not self._front.commands(noun)):
            raise Sorry(EXPIRED)
        await ack()
        drawn = self._catalogue(_channel(view), noun=noun)

        async def show() -> None:
            await self._front.client.views_update(view_id=view["id"], view=drawn)

        self._front.later(body, self._open(body, drawn) if view.get("type") == "home" else show())

    def _catalogue(self, channel: str, *, words: Sequence[str] = (), noun: str = "", note: str = "") -> windows.View:
        """The window to look for what can be asked: by word, or by noun."""
        typed = clip(" ".join(words), 100)
        search = sb.PlainTextInput(
            action_id=entered.VALUE, initial_value=typed or None, max_length=100,
            placeholder=plain("A word or two: buy, forward, credits", 150),
        )  # fmt: skip
        # Of another search it is another input: Slack would keep what stood in an equally named one.
        block_id = f"{_WORDS}:{typed}:{noun}"[:255]
        blocks: list[sb.Block] = [
            *([section(note)] if note else []),
            sb.InputBlock(plain("What do you want to ask?", 2000), search, block_id=block_id, optional=True),
        ]
        blocks += (
            self._by_noun(noun) if noun else self._by_words(words, typed) if words else self._commands.nouns(_BROWSE)
        )
        if noun or words:
            blocks.append(_browse("Show everything"))
        return _window("Ask Postroom", blocks, callback_id=ASK, channel=channel, submit="Search")

    def _by_noun(self, noun: str) -> list[sb.Block]:
        actions = [self._front.catalogue.any_variant(command) for command in self._front.commands(noun)]
        return windows.to_pick([one for one in actions if one], MOST_PICKS)

    def _by_words(self, words: Sequence[str], typed: str) -> list[sb.Block]:
        found, meant = self._front.found(words)
        if not found:
            return [
                section(f"Nothing has all of the words “{escape(typed)}”. All that can be asked:"),
                *self._commands.nouns(_BROWSE),
            ]
        nothing = f"Nothing has all of the words “{escape(typed)}”. Did you mean “{escape(' '.join(meant))}”?"
        return [*([section(nothing)] if meant else []), *windows.to_pick(found, MOST_PICKS)]

    # What stands in a message.

    def _of_message(self, body: Body, channel: str) -> windows.View:
        message = body.get("message")
        found = names_in(message if isinstance(message, dict) else {})
        if not (found.domains or found.addresses):
            note = "*No domain and no e-mail address stands in that message.* Look for what you want to ask:"
            return self._catalogue(channel, note=note)
        blocks: list[sb.Block] = [section(f"*In that message:* {_counted(found)}. What do you want to ask with them?")]
        for kind in Kind:
            if found.of(kind):
                blocks += _to_choose(kind, found.of(kind))
                blocks += self._offered(kind)
        blocks.append(_browse("Something else"))
        return _window("Request from message", blocks, callback_id=FROM_MESSAGE, channel=channel)

    def _offered(self, kind: Kind) -> list[sb.Block]:
        """What can be asked with names of this kind: what takes several a line each, what takes one in a menu."""
        found = (self._taking(command, kind) for command in self._front.commands())
        offered = [action for action, _ in filter(None, found)]
        several = [action for action in offered if _takes_several(action, kind)]
        others = sorted((action for action in offered if action not in several), key=_noun_first)
        button = f"{_USE}:{kind.value}"
        blocks = windows.to_pick(several, MOST_PICKS // 2, button=button, named=_titled)
        if others:
            menu = sb.StaticSelectMenu(
                action_id=button,
                option_groups=[
                    sb.OptionGroup(plain(f"/{noun}", 75), [_option(one) for one in actions])
                    for noun, actions in groupby(others[:MOST_OPTIONS], _noun)
                ],
                placeholder=plain("Choose …", 150),
            )
            said = f"About one {_CALLED[kind][0]} at a time:"
            blocks.append(section(said, accessory=menu, block_id=f"{button}:more"))
        return blocks

    def _taking(self, command: str, kind: Kind) -> tuple[type[Action], Account | None] | None:
        """The action of a command whose form takes names of this kind; None where none does.

        With the account that it is at, where the form of the first account takes others: the form then has it chosen.
        """
        for number, account in enumerate(self._front.accounts_for(command)):
            action = self._front.catalogue.action(command, account.provider)
            if action is not None and _field_for(action, kind):
                return action, account if number else None
        return None

    async def use(self, ack: AsyncAck, body: Body, value: str) -> None:
        """It was said what is to be asked with the names that are chosen: its form takes the window's place."""
        asker = self._front.asker(body)
        view = body.get("view") or {}
        kind = next((one for one in Kind if one.value == _name(body).partition(":")[2]), None)
        taking = self._taking(value, kind) if kind else None
        if kind is None or taking is None or not view.get("id"):
            raise Sorry(EXPIRED)
        action, account = taking
        chosen = _chosen(view, kind)
        taken = _taken(action, kind, chosen)
        await ack()

        async def show() -> None:
            placed = replace(asker, channel=await asked_in(self._front, body, asker))
            drawn = await self._commands.form(
                action,
                placed,
                account=account.name if account else "",
                words=taken,
                problem=_left_out(taken, chosen),
            )
            await self._front.client.views_update(view_id=view["id"], view=drawn)

        self._front.later(body, show())


def _window(
    title: str, blocks: Sequence[sb.Block], *, callback_id: str, channel: str, submit: str = ""
) -> windows.View:
    return sb.ModalView(
        title=plain(title, windows.LONGEST_TITLE),
        blocks=list(blocks),
        callback_id=callback_id,
        private_metadata=channel or None,
        submit=plain(submit, windows.LONGEST_TITLE) if submit else None,
        close=plain("Close", windows.LONGEST_TITLE),
    ).to_dict()


def _browse(says: str) -> sb.ActionsBlock:
    return sb.ActionsBlock([sb.Button(plain(says, 75), action_id=_BROWSE, value=EVERYTHING)])


def _counted(found: Found) -> str:
    """`2 domains and 1 e-mail address`, and how many more there are."""
    told = [
        f"{len(found.of(kind))} {one if len(found.of(kind)) == 1 else many}"
        for kind, (one, many) in _CALLED.items()
        if found.of(kind)
    ]
    return f"{' and '.join(told)}{f', and {found.more} more than fit in here' if found.more else ''}"


def _to_choose(kind: Kind, names: Sequence[str]) -> list[sb.Block]:
    """The names of a kind, at first all of them chosen."""
    options = [sb.Option(plain(in_letters(name) if "xn--" in name else name, 75), name) for name in names]
    label = section(f"*{_CALLED[kind][1].capitalize()}*", block_id=f"label:{kind.value}")
    if len(options) <= windows.MOST_CHECKBOXES:
        boxes = sb.CheckboxGroup(action_id=entered.VALUE, options=options, initial_options=options)
        return [label, sb.ActionsBlock([boxes], block_id=kind.value)]
    menu = sb.StaticMultiSelectMenu(action_id=entered.VALUE, options=options, initial_options=options)
    return [section(f"*{_CALLED[kind][1].capitalize()}*", accessory=menu, block_id=kind.value)]


def _chosen(view: Mapping[str, Any], kind: Kind) -> list[str]:
    """The names of a kind that are chosen in the window."""
    state = view.get("state")
    values = state.get("values") if isinstance(state, dict) else None
    return entered.chosen_of(values if isinstance(values, dict) else {}, kind.value)


def _field_for(action: type[Action], kind: Kind) -> str:
    """The field that takes the words after the command, where these are names of this kind."""
    for name, field in action.model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("from_words") and kind_of(field) is kind:
            return name
    return ""


def _takes_several(action: type[Action], kind: Kind) -> bool:
    return get_origin(bare(action.model_fields[_field_for(action, kind)].annotation)) in (list, tuple)


def _noun(action: type[Action]) -> str:
    return action.command.split()[0]


def _noun_first(action: type[Action]) -> tuple[int, str]:
    """Of the same noun together, in the order of the help text."""
    nouns, noun = list(NOUNS), _noun(action)
    return (nouns.index(noun) if noun in nouns else len(nouns)), noun


def _titled(action: type[Action]) -> str:
    return f"*{escape(action.title)}* {code('/' + action.command)}"


def _option(action: type[Action]) -> sb.Option:
    return sb.Option(plain(clip(f"/{action.command}: {action.help_line()}", 75), 75), action.command)


def _taken(action: type[Action], kind: Kind, chosen: Sequence[str]) -> list[str]:
    """As many of the chosen names as the form takes: one, or as many as its input has room for."""
    if not _takes_several(action, kind):
        return list(chosen[:1])
    taken, room = list[str](), entered.LONGEST_TEXT
    for name in chosen:
        room -= len(name) + 1
        if room < 0:
            break
        taken.append(name)
    return taken


def _left_out(taken: Sequence[str], chosen: Sequence[str]) -> str:
    """What the form says where it has not all that was chosen; plain text."""
    left = len(chosen) - len(taken)
    if not chosen:
        return "Nothing was chosen in the list, so write here what you want."
    if not left:
        return ""
    shown = ", ".join(chosen[len(taken) : len(taken) + 3])
    if len(taken) == 1:
        return f"This takes one at a time: {taken[0]} is in the form. Not in it: {shown}{' …' if left > 3 else ''}."
    return f"The form has room for the first {len(taken)}. {left} are not in it, beginning with {shown}."


def _typed(view: Mapping[str, Any]) -> str:
    state = view.get("state")
    values = state.get("values") if isinstance(state, dict) else None
    for block_id, block in (values if isinstance(values, dict) else {}).items():
        said = block.get(entered.VALUE) if isinstance(block, dict) and block_id.startswith(_WORDS) else None
        if isinstance(said, dict):
            return str(said.get("value") or "")[:100]
    return ""


def _channel(view: Mapping[str, Any]) -> str:
    return str(view.get("private_metadata") or "")


def _name(body: Body) -> str:
    actions = body.get("actions")
    return str(actions[0].get("action_id") or "") if isinstance(actions, list) and actions else ""
