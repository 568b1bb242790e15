"""Slash commands: an answer at once, a form, or the catalogue to pick from."""

from __future__ import annotations

import re
import shlex
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import slackblocks as sb
import structlog
from slack_bolt.context.ack.async_ack import AsyncAck

from handlers.requests import Asker, Sorry
from handlers.slack import entered, forms, windows
from handlers.slack.answers import Answers, chosen_in
from handlers.slack.channels import asked_in, usual
from handlers.slack.front import EXPIRED, Body, Front
from handlers.slack.house import HouseCommands
from handlers.slack.lists import RequestLists
from handlers.slack.words import built, clip, code, escape, paragraphs, plain, section, small, unescaped
from providers.accounts import Account
from providers.action import Action, Effect
from providers.answers import seen
from providers.catalogue import NOUNS

log = structlog.get_logger(__name__)

LONGEST_INPUT = 3000
"""Characters after a command; Slack itself allows about as many."""
LONGEST_VERBS = 700
"""Characters of a noun's verbs in the overview: all nouns together stay well below what Slack takes in one message."""
MANY_FOUND = 10
"""So many finds that the person is told how to have fewer."""


_AS_TYPED = str.maketrans(dict.fromkeys("“”„‟", '"'))
"""Quotation marks as telephones and Macs make them out of those that were typed."""
_APART = re.compile(r"(\"[^\"]*\")|(?<!\S)'([^'\"]*)'(?!\S)")
"""Words between quotation marks; single ones that stand anywhere else are apostrophes."""


class Commands:
    """Everything that begins with a slash."""

    def __init__(self, front: Front, answers: Answers, lists: RequestLists) -> None:
        self._front = front
        self._answers = answers
        self._house = HouseCommands(front)
        self._own: Mapping[str, Callable[[AsyncAck, Body, list[str]], Awaitable[None]]] = {
            "help": self._help,
            "requests": lists.on_requests,
            "jobs": lists.on_jobs,
        }

    # Typed words.

    async def on_command(self, ack: AsyncAck, body: Body) -> None:
        """One slash command: an answer at once, a form, or the catalogue to pick from."""
        try:
            asker = self._front.asker(body)
            noun = str(body.get("command", "")).removeprefix("/").lower()
            text = str(seen(body.get("text") or ""))
            if len(text) > LONGEST_INPUT:
                # Cut short, the last name could be another one (acme.co for acme.com), and somebody could buy it.
                raise Sorry(f"These are {len(text)} characters; at most {LONGEST_INPUT} fit. Nothing was asked.")
            words = _words(unescaped(text) if noun == "postroom" else text)  # the manifest has it escaped, for mentions
            verb = words[0].lower() if words else "help"
            if noun == "postroom" and verb in self._own:
                await self._own[verb](ack, body, words[1:])
            elif noun == "postroom" and verb in self._house.verbs:
                await self._house.on_command(ack, body, asker, verb)
            elif noun == "postroom":
                await self._on_action_command(ack, body, asker, f"{noun} {verb}", words[1:])
            elif not self._front.catalogue.commands(noun):
                await ack(text=_not_yet(noun))
            elif not self._front.commands(noun):
                await ack(text=self._no_account(noun))
            elif verb == "help" and words[1:]:
                await self._help(ack, body, [noun, *words[1:]])
            elif verb == "help":
                await ack()
                self._front.later(body, self._open_picker(body, noun, asker))
            else:
                await self._on_action_command(ack, body, asker, f"{noun} {verb}", words[1:])
        except Sorry as sorry:
            await ack(text=escape(sorry.sentence))

    async def _on_action_command(self, ack: AsyncAck, body: Body, asker: Asker, command: str, words: list[str]) -> None:
        action = self._front.catalogue.any_variant(command)
        if action is None:
            await ack(text=self._unknown(command))
            return
        accounts = self._front.accounts_for(command)
        if not accounts:
            await ack(text=self._no_account(command))
            return
        account, words = _named(accounts, words)
        action = self._front.catalogue.action(command, (account or accounts[0]).provider) or action
        if action.effect is Effect.READ and account is not None:
            if unused := self._unused(action, words):
                await ack(text=f"{escape(unused)} Nothing was asked.")
                return
            try:
                asked = entered.from_words(action, words)
            except entered.FormError as error:
                if words:
                    problems = " ".join(error.errors.values())
                    await ack(text=f"{escape(problems)}\nUsage: {code(f'/{command} {action.usage()}')}")
                    return
            else:
                await ack()
                self._answers.at_once(body, asked, account)
                return
        await ack()
        self._front.later(body, self._open_form(body, action, asker, account, words))

    def _unused(self, action: type[Action], words: list[str]) -> str:
        """A sentence where words were typed after a command that takes none; plain text. Empty where all is well."""
        if not words or action.prefill(words):
            return ""
        noun, verb = action.command.split(maxsplit=1)
        close = [one for one in self._front.catalogue.nearest(noun, f"{verb}-{words[0]}") if one != action.command]
        meant = f" Did you mean /{close[0]}?" if close else ""
        return f"/{action.command} takes no words, so “{clip(' '.join(words), 100)}” was not used.{meant}"

    def _no_account(self, command: str) -> str:
        """Nobody can do it here; who could, if the operator had an account there."""
        commands = [command] if " " in command else self._front.catalogue.commands(command)
        providers = {name for one in commands for name in self._front.catalogue.variants(one)}
        at = " or ".join(sorted(self._front.catalogue.titles.get(name, name) for name in providers))
        return (
            f"No account in Postroom's settings can do {code('/' + command)}. Nothing was asked. "
            f"It needs an account at {escape(at)}: whoever runs Postroom can add one."
        )

    def _unknown(self, command: str) -> str:
        noun, verb = command.split(maxsplit=1)
        house = [f"postroom {known}" for known in (*self._own, *self._house.verbs)] if noun == "postroom" else []
        close = self._front.catalogue.nearest(noun, verb, more=house) or house or self._front.catalogue.commands(noun)
        meant = " or ".join(code(f"/{found}") for found in close[:3])
        return f"Postroom does not know {code('/' + clip(command, 60))}. Did you mean {meant}? Nothing was asked."

    # Opening.

    async def _open_form(
        self, body: Body, action: type[Action], asker: Asker, account: Account | None, words: list[str]
    ) -> None:
        """The form of `action`. Which of several accounts it is for, nobody but the asker says: nothing is guessed."""
        variants = self._front.variants_for(action.command)
        unused = self._unused(action, words) if all(not one.prefill(words) for one in variants.values()) else ""
        view = await self.form(action, asker, account=account.name if account else "", words=words, problem=unused)
        await self._front.client.views_open(trigger_id=str(body.get("trigger_id")), view=view)

    async def form(
        self,
        action: type[Action],
        asker: Asker,
        *,
        account: str = "",
        words: Sequence[str] = (),
        values: Mapping[str, Any] | None = None,
        problem: str = "",
    ) -> windows.View:
        """A form of `action` with a draft of its own, filled in with `words` or `values`.

        Where the asker comes from no channel and there will be a thread, the form asks where that is to be.
        """
        draft = await self._front.drafts.open(action.command, asker)
        asks_channel = not asker.channel and forms.has_thread(action)
        return forms.form(
            action,
            draft.id,
            self._front.accounts_for(action.command),
            values=action.prefill(words) if values is None else values,
            account=account,
            problem=problem,
            accounts_differ=self._front.accounts_differ(action.command),
            aside=forms.words_aside(self._front.variants_for(action.command), action, words) if words else None,
            channel=await usual(self._front, asker.user) if asks_channel else None,
        )

    async def _open_picker(self, body: Body, noun: str, asker: Asker) -> None:
        actions = [self._front.catalogue.any_variant(command) for command in self._front.commands(noun)]
        view = windows.picker(noun, [action for action in actions if action], asker.channel)
        await self._front.client.views_open(trigger_id=str(body.get("trigger_id")), view=view)

    async def catalogue(self, ack: AsyncAck, body: Body, value: str) -> None:
        """A noun was clicked under the help text: what can be asked about it, to pick from."""
        asker = self._front.asker(body)
        if not self._front.commands(value):
            raise Sorry(EXPIRED)
        await ack()
        self._front.later(body, self._open_picker(body, value, asker))

    async def pick(self, ack: AsyncAck, body: Body, value: str) -> None:
        """Somebody picked an action from the catalogue: its form takes the catalogue's place."""
        asker = self._front.asker(body)
        view = body.get("view") or {}
        if not self._front.catalogue.variants(value) or not view.get("id"):
            raise Sorry(EXPIRED)
        accounts = self._front.accounts_for(value)
        action = self._front.catalogue.action(value, accounts[0].provider) if accounts else None
        if action is None:
            raise Sorry(f"No account in Postroom's settings can do /{value}. Nothing was asked.")
        await ack()

        async def show() -> None:
            placed = replace(asker, channel=await asked_in(self._front, body, asker))
            drawn = await self.form(action, placed)
            if view.get("type") == "home":
                await self._front.client.views_open(trigger_id=str(body.get("trigger_id")), view=drawn)
            else:
                await self._front.client.views_update(view_id=view["id"], view=drawn)

        self._front.later(body, show())

    # Opening out of an answer.

    async def take(self, ack: AsyncAck, body: Body, value: str) -> None:
        """Rows of an answer were chosen: the form that they are for opens with them, to be filled in and checked."""
        command, _, rest = value.partition("\n")
        name, _, field = rest.partition("\n")
        account = self._front.requests.account_named(name)
        action = self._front.catalogue.action(command, account.provider)
        if action is None or field not in dict(entered.fields_of(action)):
            raise Sorry(EXPIRED)
        chosen = chosen_in(body)
        if len("\n".join(chosen)) > entered.LONGEST_TEXT:
            raise Sorry(f"These are {len(chosen)}, more than fit into one form. Nothing was asked: choose fewer.")
        nothing = "" if chosen else "Nothing was chosen in the list, so write here what you want."
        await self._open_filled(ack, body, action, account, {field: list(chosen)}, problem=nothing)

    async def again(self, ack: AsyncAck, body: Body, value: str) -> None:
        """An answer is to be asked otherwise: its form opens as it was asked."""
        asked, account = self._answers.read_asked(value)
        await self._open_filled(ack, body, type(asked), account, asked.model_dump(mode="python"))

    async def _open_filled(
        self,
        ack: AsyncAck,
        body: Body,
        action: type[Action],
        account: Account,
        values: Mapping[str, Any],
        *,
        problem: str = "",
    ) -> None:
        """A form that is filled in already, for whoever clicked: in place of the window clicked in, or in a new one."""
        asker = self._front.asker(body)
        view = body.get("view") or {}
        await ack()

        async def show() -> None:
            placed = replace(asker, channel=await asked_in(self._front, body, asker))
            drawn = await self.form(action, placed, account=account.name, values=values, problem=problem)
            if view.get("id"):
                await self._front.client.views_update(view_id=view["id"], view=drawn)
            else:
                await self._front.client.views_open(trigger_id=str(body.get("trigger_id")), view=drawn)

        self._front.later(body, show())

    # The house's own commands.

    async def _help(self, ack: AsyncAck, body: Body, words: list[str]) -> None:
        """What can be asked, noun by noun; with words, what has them in its command, its help line or its fields."""
        blocks = self._found(words) if words else self._overview()
        await ack(text="What you can ask Postroom", blocks=built(blocks))

    def _overview(self) -> list[sb.Block]:
        """A section for each noun, with its verbs and a button to its list: it fits however much can be asked."""
        blocks: list[sb.Block] = [section("*What you can ask Postroom*"), *self.nouns("catalogue")]
        missing = [
            f"{code('/' + noun)} {escape(about)}: {self._why_not(noun)}"
            for noun, about in NOUNS.items()
            if noun != "postroom" and not self._front.commands(noun)
        ]
        ending = [
            *self._own_lines(),
            f"{code('/postroom help buy')} Find what you are looking for by a word.",
            f"{code('/postroom help domain buy')} What one of them asks for.",
            "What spends money waits for somebody else's yes; the thread tells how it goes.",
        ]
        return [*blocks, *paragraphs([*missing, *ending])]

    def _own_lines(self) -> list[str]:
        """The house's own commands, which no provider is asked for, a line each."""
        return [
            f"{code('/postroom jobs')} What has been asked and is not finished yet.",
            f"{code('/postroom requests [mine|team|all] [status] [words]')} What was asked, to look through.",
            *self._house.help_lines(),
        ]

    def nouns(self, button: str) -> Iterator[sb.Block]:
        """The nouns about which something can be asked here, each with its verbs and a button of that name."""
        for noun in dict.fromkeys([*NOUNS, *(command.split()[0] for command in self._front.commands())]):
            if commands := self._front.commands(noun):
                verbs = _verbs([command.split(maxsplit=1)[1] for command in commands])
                about = f"*/{escape(noun)}* {escape(NOUNS.get(noun, noun.capitalize()))}\n{escape(verbs)}"
                yield section(about, accessory=_list_button(noun, "Show", button))

    def _found(self, words: list[str]) -> list[sb.Block]:
        """What has all the words, a line each, or the one command that they name; of a single one also its fields."""
        exact = " ".join(words).lower().removeprefix("/")
        own = [(line, f"postroom {line.lower()}") for line in self._own_lines()]
        found, meant = self._front.found(words, besides=[read for _, read in own])
        lines_of_own = [line for line, read in own if all(word.lower() in read for word in meant or words)]
        if named := [one for one in self._front.found(())[0] if one.command == exact]:
            found, meant, lines_of_own = named, [], []
        nothing = ""
        if meant or not (found or lines_of_own):
            cure = (
                f"Did you mean “{escape(' '.join(meant))}”?" if meant else f"{code('/postroom help')} shows everything."
            )
            nothing = f"Nothing has all of these words. {cure}"
        nouns = [*NOUNS, *(_noun(one) for one in found)]
        found.sort(key=lambda one: nouns.index(_noun(one)))  # by noun, whichever provider it is
        lines = [f"*What you can ask Postroom about {escape(clip(' '.join(words), 100))}*"]
        lines += [nothing] if nothing else []
        lines += [f"{code(f'/{one.command} {one.usage()}'.strip())} {escape(one.help_line())}" for one in found]
        if len(found) == 1 and not lines_of_own:
            lines += self._asked_for(found[0].command)
        lines += lines_of_own
        buttons: list[sb.Element] = [
            _list_button(noun, noun.capitalize()) for noun in dict.fromkeys(_noun(one) for one in found)
        ]
        click = [section("Click to pick from a list:"), sb.ActionsBlock(buttons)] if buttons else []
        return [*paragraphs(lines), *([small("More words find fewer.")] if len(found) > MANY_FOUND else []), *click]

    def _asked_for(self, command: str) -> list[str]:
        """What the form of a command asks for, at each provider that has an account, and whether it has to wait."""
        accounts = self._front.accounts_for(command)
        variants = dict.fromkeys(account.provider for account in accounts)
        lines: list[str] = []
        if len(accounts) > 1:
            names = ", ".join(code(account.name) for account in accounts)
            lines.append(f"Accounts: {names}. Type one of these names with the command, or choose in the form.")
        for provider in variants:
            action = self._front.catalogue.action(command, provider)
            if action is None:
                continue
            if len(variants) > 1:
                lines.append(f"At {escape(self._front.catalogue.titles.get(provider, provider))}:")
            for name, field in entered.fields_of(action):
                about = f": {escape(field.description)}" if field.description else ""
                lines.append(f"• *{escape(entered.label_of(name, field))}*{about}")
            if action.effect.needs_decision:
                lines.append("It waits for somebody else's yes.")
        return lines

    def _why_not(self, noun: str) -> str:
        return "no account for it" if self._front.catalogue.commands(noun) else "not built yet"


def _named(accounts: list[Account], words: list[str]) -> tuple[Account | None, list[str]]:
    """The account that is meant: the only one there is, or the one that a word names; and the words without that."""
    if len(accounts) == 1:
        return accounts[0], words
    names = {account.name.lower(): account for account in accounts}
    found = [word for word in words if word.lower() in names]
    if len(found) != 1:
        return None, words
    return names[found[0].lower()], [word for word in words if word != found[0]]


def _words(text: str) -> list[str]:
    doubled = _APART.sub(lambda found: found[1] or f'"{found[2]}"', text.translate(_AS_TYPED))
    reader = shlex.shlex(doubled, posix=True)
    # Nobody types for a shell here: O'Brien and O'Hara are two names, and a backslash is one.
    reader.quotes, reader.escape, reader.commenters, reader.whitespace_split = '"', "", "", True
    try:
        return list(reader)
    except ValueError:  # an open quotation mark: then the words are just words
        return text.split()


def _noun(action: type[Action]) -> str:
    return action.command.split()[0]


def _list_button(noun: str, says: str, button: str = "catalogue") -> sb.Button:
    return sb.Button(plain(says, 75), action_id=f"{button}:{noun}", value=noun)


def _verbs(verbs: list[str]) -> str:
    """The verbs of a noun in a line or a few; what is too much for that is counted."""
    room = LONGEST_VERBS
    for count, verb in enumerate(verbs):
        room -= len(verb) + 3
        if room < 0:
            return f"{' · '.join(verbs[:count])} … and {len(verbs) - count} more"
    return " · ".join(verbs)


def _not_yet(noun: str) -> str:
    about = NOUNS.get(noun)
    if about is None:
        return f"Postroom does not know {code('/' + noun)}. {code('/postroom help')} shows what can be asked."
    return (
        f"{escape(about)} cannot be asked for yet: this version of Postroom cannot do that. "
        f"{code('/postroom help')} shows what can be asked already."
    )
