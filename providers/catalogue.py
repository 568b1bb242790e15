"""All actions, by command words and by provider. Nothing else needs to know the list."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from importlib import import_module

from providers.accounts import Account, AccountSettings, Clock, PriceList
from providers.action import Action, Effect, choices_of
from providers.files import wanted_of
from providers.provider import Provider

PROVIDERS = (
    "mailin",
    "scaledmail",
    "smailor",
    "instantly",
    "mailapi",
)
"""The folders of `providers/` that are providers of this version, in the order in which people see them."""

NOUNS: Mapping[str, str] = {
    "domain": "Domains: buy, check and list them",
    "mailbox": "Mailboxes",
    "prewarm": "Pre-warmed inboxes",
    "verify": "List verification",
    "campaign": "Campaigns",
    "postroom": "Accounts, orders, templates and what else belongs to a provider",
}
"""What people can ask about, in the order of the help text. Each is a slash command of the manifest."""

RESERVED_FIELDS = frozenset({"account", "reason", "channel"})
"""Fields that every form has by itself, so no action may have one of that name."""


class Catalogue:
    """The actions people can ask for, found by what they typed."""

    def __init__(self, actions: Iterable[type[Action]], titles: Mapping[str, str] | None = None) -> None:
        """`titles` are the providers' names as people read them."""
        self.titles = dict(titles or {})
        self._by_command: dict[str, dict[str, type[Action]]] = {}
        for action in actions:
            clash = RESERVED_FIELDS & set(action.model_fields)
            if clash:
                raise ValueError(
                    f"{action.__name__} has a field named {sorted(clash)[0]!r}, which every form has itself"
                )
            if action.effect in (Effect.READ, Effect.REVEAL) and any(map(wanted_of, action.model_fields.values())):
                raise ValueError(f"{action.__name__} answers at once, so it cannot take a file")
            providers = self._by_command.setdefault(action.command, {})
            if action.provider in providers:
                raise ValueError(f"{action.command!r} of {action.provider} is there twice")
            providers[action.provider] = action

    def commands(self, noun: str = "") -> list[str]:
        """Every command ("domain buy") of a noun, or of all, in the order in which they were declared."""
        return [command for command in self._by_command if not noun or command.split()[0] == noun]

    def variants(self, command: str) -> Mapping[str, type[Action]]:
        """The action behind a command for each provider that can do it; empty for an unknown command."""
        return self._by_command.get(command, {})

    def any_variant(self, command: str) -> type[Action] | None:
        """One of a command's actions, for its help line and effect, which all variants share."""
        return next(iter(self.variants(command).values()), None)

    def action(self, command: str, provider: str) -> type[Action] | None:
        """The class behind a command at one provider."""
        return self.variants(command).get(provider)

    def search(self, words: Sequence[str], providers: Collection[str] | None = None) -> list[type[Action]]:
        """Of each command the first variant that has all the words in whatever a person reads of it. No words: all.

        That is its command, its help, its fields with their hints and choices, and the name of its provider. With
        `providers`, only what can be asked there is looked at.
        """
        wanted = [word.lower() for word in words]
        found: list[type[Action]] = []
        for variants in self._by_command.values():
            possible = [one for one in variants.values() if providers is None or one.provider in providers]
            found += [one for one in possible if all(word in self._searched(one) for word in wanted)][:1]
        return found

    def corrected(
        self, words: Sequence[str], providers: Collection[str] | None = None, besides: Sequence[str] = ()
    ) -> list[str]:
        """The words, lower case, with the nearest that some action has for each that none has.

        `besides` are other texts in small letters whose words are known too. Empty where a word is near nothing, and
        where each is known: then there is nothing to correct.
        """
        possible = [
            one
            for variants in self._by_command.values()
            for one in variants.values()
            if providers is None or one.provider in providers
        ]
        texts = [*map(self._searched, possible), *besides]
        known = sorted({word for text in texts for word in re.findall(r"[a-z]{3,}", text)})
        meant: list[str] = []
        for word in map(str.lower, words):
            if any(word in text for text in texts):
                meant.append(word)
            elif close := difflib.get_close_matches(word, known, n=1, cutoff=0.75):
                meant += close
            else:
                return []
        return meant if meant != [word.lower() for word in words] else []

    def nearest(self, noun: str, verb: str, *, more: Sequence[str] = ()) -> list[str]:
        """The commands that somebody who typed `noun verb` probably meant, best first, three at most.

        `more` are commands of the noun that are not in the catalogue.
        """
        verbs = [command.split(maxsplit=1)[1] for command in (*self.commands(noun), *more)]
        close = difflib.get_close_matches(verb.lower(), verbs, n=3, cutoff=0.5)
        return [f"{noun} {found}" for found in close]

    def _searched(self, action: type[Action]) -> str:
        shown = [(name, field) for name, field in action.model_fields.items() if not action.is_hidden(name)]
        read = [action.command, action.title, action.__doc__ or "", action.provider]
        read.append(self.titles.get(action.provider, ""))
        for name, field in shown:
            wanted = wanted_of(field)
            read += [name, field.title or "", field.description or "", *choices_of(field).values()]
            read.append(wanted.hint if wanted is not None else "")
        return " ".join(read).lower()


def registered() -> tuple[Provider, ...]:
    """Every provider of this version: what the `provider.py` in the folder of each says that it is."""
    return tuple(_provider_in(folder) for folder in PROVIDERS)


def _provider_in(folder: str) -> Provider:
    made: Provider = import_module(f"providers.{folder}.provider").provider()
    return made


def built_in(providers: Sequence[Provider] | None = None) -> Catalogue:
    """The catalogue of everything this version of Postroom can do, or of what `providers` can do."""
    providers = registered() if providers is None else providers
    return Catalogue(
        (action for provider in providers for action in provider.actions),
        {provider.name: provider.title for provider in providers},
    )


def account_types(providers: Sequence[Provider] | None = None) -> dict[str, type[AccountSettings]]:
    """For each provider, the shape of its `[accounts.<name>]` settings."""
    return {provider.name: provider.settings for provider in (registered() if providers is None else providers)}


def open_account(
    name: str,
    settings: AccountSettings,
    prices: PriceList,
    clock: Clock,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    *,
    providers: Sequence[Provider] | None = None,
) -> Account:
    """Connect one account of the settings to its provider's client. Nothing is sent yet. `sleep` is how it waits."""
    known = registered() if providers is None else providers
    provider = next((one for one in known if one.name == settings.provider), None)
    if provider is None:
        raise TypeError(f"no client for an account of {settings.provider!r}")
    client = provider.connect(name, settings, clock, sleep=sleep)
    spacing = settings.min_seconds_between_calls
    return Account(name=name, provider=provider.name, client=client, prices=prices, seconds_between_calls=spacing)
