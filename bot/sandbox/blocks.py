"""Block Kit as Slack takes it: what is refused, in Slack's words, and what Slack fills in by itself."""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Iterator
from typing import Any, Literal

from bot.sandbox.block_rules import BLOCKS, NEW_BLOCKS, SURFACES, VIEW
from bot.sandbox.block_schema import Found, Pointer

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
VIEW_BYTES = 250_000
MARKDOWN_TOTAL = 12_000
# Not documented. Around this many characters of text in all blocks together, chat.postMessage refuses a message
# (bolt-js issues 2509 and 2867).
MESSAGE_TEXT = 13_200

Surface = Literal["message", "modal", "home"]


class Problems(tuple[Found, ...]):
    """Everything that is wrong with blocks or a view; empty when nothing is. `too_long`: it is too much altogether."""

    too_long = False

    @property
    def messages(self) -> tuple[str, ...]:
        """The lines of response_metadata.messages."""
        return tuple(f"[ERROR] {found.message} [json-pointer:{found.pointer}]" for found in self)


def message_problems(blocks: Any, *, accepts_new_blocks: bool = True) -> Problems:
    """What is wrong with the blocks of a message: `invalid_blocks`, or `msg_blocks_too_long` when `too_long`."""
    found = list(_blocks_problems(blocks, "message", "/blocks", MESSAGE_BLOCKS, accepts_new_blocks))
    problems = Problems(found)
    if not found and (_text_length(blocks) > MESSAGE_TEXT or _markdown_length(blocks) > MARKDOWN_TOTAL):
        problems.too_long = True
    return problems


def view_problems(view: Any, *, expected: Literal["modal", "home"], accepts_new_blocks: bool = True) -> Problems:
    """What is wrong with a view: `invalid_arguments`, or `view_too_large` when `too_long`."""
    if not isinstance(view, dict):
        return Problems([Found("missing required field: view", "")])
    found = list(VIEW[expected](view, "/view"))
    if not any(one.pointer == "/view/blocks" for one in found):
        found += _blocks_problems(view.get("blocks"), expected, "/view/blocks", VIEW_BLOCKS, accepts_new_blocks)
    if not found and expected == "modal" and _has_inputs(view["blocks"]) and not view.get("submit"):
        found.append(Found("missing required field: submit", "/view"))
    problems = Problems(found)
    if not found and len(json.dumps(view).encode()) > VIEW_BYTES:
        problems.too_long = True
    return problems


def completed(blocks: Any) -> tuple[dict[str, Any], ...]:
    """The blocks as Slack keeps them: its own copy, every block with a block_id, every element with an action_id."""
    return tuple(_completed(copy.deepcopy(block)) for block in blocks)


def completed_view(view: dict[str, Any]) -> dict[str, Any]:
    """The view as Slack keeps it."""
    return {**copy.deepcopy(view), "blocks": list(completed(view["blocks"]))}


def _blocks_problems(
    blocks: Any, surface: Surface, pointer: Pointer, most: int, accepts_new_blocks: bool
) -> Iterator[Found]:
    if not isinstance(blocks, list):
        yield Found("must be an array", pointer)
        return
    if len(blocks) > most:
        yield Found(f"no more than {most} items allowed", pointer)
        return
    for index, block in enumerate(blocks):
        yield from _block_problems(block, surface, f"{pointer}/{index}", accepts_new_blocks)
    yield from _duplicates(blocks, pointer)
    yield from _too_many_of_a_kind(blocks, pointer)


def _block_problems(block: Any, surface: Surface, pointer: Pointer, accepts_new_blocks: bool) -> Iterator[Found]:
    if not isinstance(block, dict):
        yield Found("must be an object", pointer)
        return
    kind = block.get("type")
    if kind is None:
        yield Found("missing required field: type", pointer)
        return
    unknown = (
        not isinstance(kind, str)
        or kind not in BLOCKS
        or kind not in SURFACES[surface]
        or (kind in NEW_BLOCKS and not accepts_new_blocks)
    )
    if unknown:
        yield Found(f"unsupported type: {kind}", f"{pointer}/type")
        return
    yield from BLOCKS[kind](block, pointer)
    if surface != "modal" and kind == "input" and _element_type(block) == "file_input":
        yield Found("unsupported type: file_input", f"{pointer}/element/type")


def _duplicates(blocks: list[Any], pointer: Pointer) -> Iterator[Found]:
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        if not isinstance(block, dict):
            continue
        block_id = block.get("block_id")
        if isinstance(block_id, str):
            if block_id in seen:
                yield Found(f"`block_id` {block_id} is not unique", f"{pointer}/{index}/block_id")
            seen.add(block_id)
        yield from _duplicate_actions(block, f"{pointer}/{index}")


def _duplicate_actions(block: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
    elements = block.get("elements")
    if block.get("type") != "actions" or not isinstance(elements, list):
        return
    seen: set[str] = set()
    for index, element in enumerate(elements):
        action_id = element.get("action_id") if isinstance(element, dict) else None
        if isinstance(action_id, str):
            if action_id in seen:
                yield Found(f"`action_id` {action_id} is not unique", f"{pointer}/elements/{index}/action_id")
            seen.add(action_id)


def _too_many_of_a_kind(blocks: list[Any], pointer: Pointer) -> Iterator[Found]:
    kinds = [block.get("type") for block in blocks if isinstance(block, dict)]
    for kind, most in (("table", 1), ("data_table", 1), ("data_visualization", 2)):
        if kinds.count(kind) > most:
            yield Found(f"no more than {most} {kind} blocks allowed", pointer)


def _has_inputs(blocks: list[dict[str, Any]]) -> bool:
    return any(block["type"] == "input" for block in blocks)


def _element_type(block: dict[str, Any]) -> Any:
    element = block.get("element")
    return element.get("type") if isinstance(element, dict) else None


def _text_length(shape: Any) -> int:
    if isinstance(shape, list):
        return sum(_text_length(one) for one in shape)
    if isinstance(shape, dict):
        own = shape.get("text")
        return (len(own) if isinstance(own, str) else 0) + sum(_text_length(one) for one in shape.values())
    return 0


def _markdown_length(blocks: list[dict[str, Any]]) -> int:
    return sum(len(block["text"]) for block in blocks if block["type"] == "markdown")


def _completed(block: dict[str, Any]) -> dict[str, Any]:
    block.setdefault("block_id", _random_id())
    for element in _own_elements(block):
        element.setdefault("action_id", _random_id())
    for child in block.get("child_blocks", ()):
        _completed(child)
    return block


def _own_elements(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] in {"actions", "context_actions"}:
        yield from block["elements"]
    for key in ("accessory", "element"):
        if key in block and block[key]["type"] != "image":
            yield block[key]
    if block["type"] == "card":
        yield from block.get("actions", ())


def _random_id() -> str:
    return secrets.token_urlsafe(4)[:5]
