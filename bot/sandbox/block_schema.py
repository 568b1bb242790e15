"""A small language for saying what a JSON shape may look like, with Slack's words for what it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Pointer = str


class Found(NamedTuple):
    """One thing that is wrong, and where: a JSON pointer such as /blocks/0/text/text."""

    message: str
    pointer: Pointer


Rule = Callable[[Any, Pointer], Iterator[Found]]
"""Looks at a value at a pointer and yields what is wrong with it."""


def anything(value: Any, pointer: Pointer) -> Iterator[Found]:
    """No demands."""
    yield from ()


def flag(value: Any, pointer: Pointer) -> Iterator[Found]:
    """True or false."""
    if not isinstance(value, bool):
        yield Found("must be a boolean", pointer)


def string(most: int, least: int = 0) -> Rule:
    """A string of `least` to `most` characters."""

    def check(value: Any, pointer: Pointer) -> Iterator[Found]:
        if not isinstance(value, str):
            yield Found("must be a string", pointer)
        elif len(value) > most:
            yield Found(f"must be less than {most + 1} characters", pointer)
        elif len(value) < least:
            yield Found(f"must be more than {least - 1} characters", pointer)

    return check


def one_of(*words: str) -> Rule:
    """One of these words."""

    def check(value: Any, pointer: Pointer) -> Iterator[Found]:
        if value not in words:
            yield Found(f"must be one of: {', '.join(words)}", pointer)

    return check


def integer(least: int, most: int | None = None) -> Rule:
    """A whole number between these."""

    def check(value: Any, pointer: Pointer) -> Iterator[Found]:
        if not isinstance(value, int) or isinstance(value, bool):
            yield Found("must be an integer", pointer)
        elif value < least:
            yield Found(f"must be greater than or equal to {least}", pointer)
        elif most is not None and value > most:
            yield Found(f"must be less than or equal to {most}", pointer)

    return check


def number(value: Any, pointer: Pointer) -> Iterator[Found]:
    """A number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        yield Found("must be a number", pointer)


def items(rule: Rule, most: int, least: int = 0) -> Rule:
    """An array of `least` to `most` entries of one kind."""

    def check(value: Any, pointer: Pointer) -> Iterator[Found]:
        if not isinstance(value, list):
            yield Found("must be an array", pointer)
            return
        if len(value) > most:
            yield Found(f"no more than {most} items allowed", pointer)
        if len(value) < least:
            yield Found(f"must have at least {least} items" if least > 1 else "must have at least 1 item", pointer)
        for index, one in enumerate(value):
            yield from rule(one, f"{pointer}/{index}")

    return check


def shape(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None, *also: Rule) -> Rule:
    """An object with these fields and no others; `also` look at it as a whole once its fields are right."""
    rules = {**required, **(optional or {})}

    def check(value: Any, pointer: Pointer) -> Iterator[Found]:
        if not isinstance(value, dict):
            yield Found("must be an object", pointer)
            return
        found = [
            *(Found(f"missing required field: {name}", pointer) for name in required if name not in value),
            *(Found(f"invalid additional property: {name}", pointer) for name in value if name not in rules),
        ]
        for name, rule in rules.items():
            if name in value:
                found += rule(value[name], f"{pointer}/{name}")
        yield from found
        if not found:
            for rule in also:
                yield from rule(value, pointer)

    return check


def by_type(kinds: Callable[[], Mapping[str, Rule]]) -> Rule:
    """An object whose `type` says which of these rules holds. Asked for lazily, since shapes refer to each other."""

    def check(value: Any, pointer: Pointer) -> Iterator[Found]:
        if not isinstance(value, dict):
            yield Found("must be an object", pointer)
            return
        kind = value.get("type")
        rule = kinds().get(kind) if isinstance(kind, str) else None
        if kind is None:
            yield Found("missing required field: type", pointer)
        elif rule is None:
            yield Found(f"unsupported type: {kind}", f"{pointer}/type")
        else:
            yield from rule(value, pointer)

    return check


def text(most: int, kinds: Sequence[str] = ("plain_text", "mrkdwn")) -> Rule:
    """A text object of 1 to `most` characters."""
    inner = shape(
        {"type": one_of(*kinds), "text": string(most, 1)},
        {"emoji": flag, "verbatim": flag},
        _emoji_only_in_plain_text,
    )

    def check(value: Any, pointer: Pointer) -> Iterator[Found]:
        yield from inner(value, pointer)

    return check


def plain(most: int) -> Rule:
    """A plain_text object of 1 to `most` characters."""
    return text(most, ("plain_text",))


def _emoji_only_in_plain_text(value: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
    wrong = "verbatim" if value["type"] == "plain_text" else "emoji"
    if wrong in value:
        yield Found(f"invalid additional property: {wrong}", pointer)
