"""docs/actions.md, written from the catalogue: `python -m bot.reference > docs/actions.md`."""

from __future__ import annotations

from collections.abc import Iterator

from providers.action import Action, Effect
from providers.catalogue import NOUNS, Catalogue, built_in
from providers.files import wanted_of

_EFFECTS = {
    Effect.READ: "answers at once, privately",
    Effect.WRITE: "runs when asked",
    Effect.SPEND: "costs money or credits: waits for a decision",
    Effect.DESTROY: "cannot be undone: waits for a decision",
    Effect.REVEAL: "shows a credential once, to those who may see it",
}


def actions_page(catalogue: Catalogue) -> str:
    """The reference of everything people can ask, as Markdown."""
    return "\n".join([*_head(), *(line for noun in NOUNS for line in _noun(catalogue, noun))]) + "\n"


def _head() -> Iterator[str]:
    yield "# What can be asked"
    yield ""
    yield "Written by `make docs` from the classes themselves; a test fails when it is stale."


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
        hint = (field.description or "").replace("|", "\\|")
        yield f"| {field.title or name} | {need} | {hint} |"


if __name__ == "__main__":
    print(actions_page(built_in()), end="")
