"""What a message consists of as an app sends it: text, blocks, attachments, metadata; checked as Slack does."""

from __future__ import annotations

import json
from typing import Any

from bot.sandbox.blocks import completed, message_problems
from bot.sandbox.model import SlackError
from bot.sandbox.workspace import Workspace

TEXT_LIMIT = 40_000
MARKDOWN_LIMIT = 12_000
ATTACHMENT_LIMIT = 100
METADATA_LIMIT = 16_000


def message_content(workspace: Workspace, arguments: dict[str, Any], *, needed: bool = True) -> dict[str, Any]:
    """The fields of Message that the arguments give: only those among text, blocks, attachments and metadata.

    Raises SlackError: `no_text` when nothing is there to show and `needed`, `msg_too_long`, `invalid_blocks_format`,
    `invalid_blocks` with the details, `markdown_text_conflict`, `invalid_metadata_format`, `metadata_too_large`.
    """
    fields: dict[str, Any] = {}
    if arguments.get("text") is not None:
        fields["text"] = str(arguments["text"])
    if arguments.get("blocks") is not None:
        fields["blocks"] = _blocks(workspace, arguments["blocks"])
    if arguments.get("attachments") is not None:
        fields["attachments"] = _attachments(workspace, arguments["attachments"])
    if arguments.get("metadata") is not None:
        fields["metadata"] = _metadata(arguments["metadata"])
    if arguments.get("markdown_text") is not None:
        fields |= _markdown(fields, str(arguments["markdown_text"]))
    if len(fields.get("text", "")) > TEXT_LIMIT:
        raise SlackError("msg_too_long")
    if needed and not any(fields.get(key) for key in ("text", "blocks", "attachments")):
        raise SlackError("no_text")
    return fields


def structure(value: Any, refusal: str) -> Any:
    """An argument that is JSON, whether it came as text in a form or as itself. Raises SlackError(refusal)."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise SlackError(refusal) from None


def _blocks(workspace: Workspace, value: Any) -> tuple[dict[str, Any], ...]:
    blocks = structure(value, "invalid_blocks_format")
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    problems = message_problems(blocks, accepts_new_blocks=workspace.accepts_new_blocks)
    if problems.too_long:
        raise SlackError("msg_blocks_too_long")
    if problems:
        raise SlackError("invalid_blocks", problems.messages)
    return completed(blocks)


def _attachments(workspace: Workspace, value: Any) -> tuple[dict[str, Any], ...]:
    attachments = structure(value, "invalid_attachments")
    if not isinstance(attachments, list) or not all(isinstance(one, dict) for one in attachments):
        raise SlackError("invalid_attachments")
    if len(attachments) > ATTACHMENT_LIMIT:
        raise SlackError("too_many_attachments")
    for one in attachments:
        _blocks(workspace, one.get("blocks", []))
    return tuple(attachments)


def _metadata(value: Any) -> dict[str, Any] | None:
    metadata = structure(value, "invalid_metadata_format")
    if metadata == {}:
        return None
    well_formed = (
        isinstance(metadata, dict)
        and isinstance(metadata.get("event_type"), str)
        and isinstance(metadata.get("event_payload"), dict)
    )
    if not well_formed:
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(metadata)) > METADATA_LIMIT:
        raise SlackError("metadata_too_large")
    return dict(metadata)


def _markdown(fields: dict[str, Any], text: str) -> dict[str, Any]:
    if fields.get("text") or fields.get("blocks"):
        raise SlackError("markdown_text_conflict")
    if len(text) > MARKDOWN_LIMIT:
        raise SlackError("msg_too_long")
    return {"text": text}
