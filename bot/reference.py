"""docs/actions.md, written from the catalogue: `python -m bot.reference > docs/actions.md`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_origin

from pydantic.fields import FieldInfo

from providers.action import Action, Effect, bare, choices_of
from providers.catalogue import NOUNS, Catalogue, built_in, registered
from providers.files import wanted_of
from providers.provider import Provider

_EFFECTS = {
    Effect.READ: "answers at once, privately",
    Effect.WRITE: "runs when asked",
    Effect.SPEND: "costs money or credits: waits for a decision",
    Effect.DESTROY: "cannot be undone: waits for a decision",
    Effect.REVEAL: "shows a credential once, to those who may see it",
}


def actions_page(providers: Sequence[Provider]) -> str:
    """The reference of everything people can ask of these providers, as Markdown."""
    catalogue = built_in(providers)
    return "\n".join([*_head(providers), *(line for noun in NOUNS for line in _noun(catalogue, noun))]) + "\n"


def _head(providers: Sequence[Provider]) -> Iterator[str]:
    yield "# What can be asked"
    yield ""
    yield "Written by `make docs` from the classes themselves; a test fails when it is stale."
    yield ""
    yield (
        "Behind each stand the provider's documented calls that it makes, or may have to. The tests play each action "
        "and compare."
    )
    for provider in providers:
        if provider.own_calls:
            yield f"Whatever is asked of {provider.title}, it may be asked first: {_code(provider.own_calls)}."


def _noun(catalogue: Catalogue, noun: str) -> Iterator[str]:
    commands = catalogue.commands(noun)
    if not commands:
        return
    yield ""
    yield f"## /{noun}"
    for command in commands:
        for provider, action in catalogue.variants(command).items():
            yield ""
            yield f"### `/{f'{command} {action.usage()}'.strip()}` at {catalogue.titles.get(provider, provider)}"
            yield ""
            yield f"{action.help_line()} *{action.effect.value.upper()}: {_waits(action)}.*"
            yield from _fields(action)
            if action.calls:
                yield ""
                yield f"Calls: {_code(action.calls)}"


def _waits(action: type[Action]) -> str:
    if action.effect is Effect.WRITE and action.may_need_decision():
        return "runs when asked if it is known to be free, waits for a decision otherwise"
    return _EFFECTS[action.effect]


def _fields(action: type[Action]) -> Iterator[str]:
    shown = [(name, field) for name, field in action.model_fields.items() if not action.is_hidden(name)]
    if not shown:
        return
    yield ""
    yield "| field | | what it is |"
    yield "| --- | --- | --- |"
    for name, field in shown:
        need = "required" if field.is_required() else "optional"
        need += ", also as a file" if wanted_of(field) else ""
        about = " ".join(filter(None, [field.description, _choices(field)])).replace("|", "\\|")
        yield f"| {field.title or name} | {need} | {about} |"


def _choices(field: FieldInfo) -> str:
    """What a menu offers; what is chosen in it beforehand is said."""
    offered = choices_of(field)
    if not offered:
        return ""
    is_list = get_origin(bare(field.annotation)) in (list, tuple)
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    preset = {str(one) for one in (default or ())} if is_list else {str(default)}
    said = [f"{words} (preset)" if value in preset else words for value, words in offered.items()]
    return f"{'Any' if is_list else 'One'} of: {', '.join(said)}."


def _code(calls: Sequence[str]) -> str:
    return ", ".join(f"`{call}`" for call in calls)


if __name__ == "__main__":
    print(actions_page(registered()), end="")
