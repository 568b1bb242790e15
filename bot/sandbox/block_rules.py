"""What every block and the frame of a view may look like. The elements inside are in `element_rules`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from bot.sandbox.block_schema import (
    Found,
    Pointer,
    Rule,
    anything,
    by_type,
    flag,
    integer,
    items,
    number,
    one_of,
    plain,
    shape,
    string,
    text,
)
from bot.sandbox.element_rules import ACCESSORIES, ACTIONS, CONTEXTS, ID, INPUTS, URL, element

TABLE_ROWS = 100
TABLE_COLUMNS = 20
TABLE_TEXT = 10_000
DATA_TABLE_ROWS = 201
DATA_TABLE_TEXT = 20_000
CHART_ENTRIES = 12
CHART_POINTS = 20

_BLOCK: Mapping[str, Rule] = {"type": anything}
_OWN: Mapping[str, Rule] = {"block_id": ID}


def _block(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None, *also: Rule) -> Rule:
    return shape({**_BLOCK, **required}, {**_OWN, **(optional or {})}, *also)


def _text_or_fields(block: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
    if "text" not in block and "fields" not in block:
        yield Found("must define either `text` or `fields`", pointer)


def _picture(block: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
    if ("image_url" in block) == ("slack_file" in block):
        yield Found("must define either `image_url` or `slack_file`", pointer)


def _dispatchable(block: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
    if block.get("dispatch_action") and block["element"]["type"] == "file_input":
        yield Found("unsupported type: file_input", f"{pointer}/element/type")


def _table(most_text: int) -> Rule:
    def check(block: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
        widths = {len(row) for row in block["rows"]}
        if len(widths) > 1:
            yield Found("must have the same number of columns in every row", f"{pointer}/rows")
        if sum(_cell_length(cell) for row in block["rows"] for cell in row) > most_text:
            yield Found(f"must be less than {most_text + 1} characters", f"{pointer}/rows")

    return check


def _cell_length(cell: Any) -> int:
    if isinstance(cell, list):
        return sum(_cell_length(one) for one in cell)
    if isinstance(cell, dict):
        own = cell.get("text")
        return len(own) if isinstance(own, str) else sum(_cell_length(one) for one in cell.values())
    return 0


def _chart_points(chart: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
    categories = chart["axis_config"]["categories"]
    for index, series in enumerate(chart["series"]):
        if [point["label"] for point in series["data"]] != categories:
            yield Found("must have one point for every category", f"{pointer}/series/{index}/data")


def _positive(value: Any, pointer: Pointer) -> Iterator[Found]:
    found = list(number(value, pointer))
    yield from found
    if not found and value <= 0:
        yield Found("must be greater than 0", pointer)


_RICH_TEXT = _block(
    {
        "elements": items(
            by_type(
                lambda: {
                    kind: shape({"type": anything, "elements": items(anything, 10_000)}, _RICH_TEXT_STYLE)
                    for kind in ("rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote")
                }
            ),
            10_000,
        )
    }
)
_RICH_TEXT_STYLE: Mapping[str, Rule] = {
    "style": one_of("bullet", "ordered"),
    "indent": integer(0, 8),
    "offset": integer(0),
    "border": integer(0, 1),
    "language": string(100),
}
_SLACK_FILE = shape({}, {"id": string(255, 1), "url": URL})
_CELL = by_type(
    lambda: {
        "raw_text": shape({"type": anything, "text": string(TABLE_TEXT, 1)}),
        "raw_number": shape({"type": anything, "value": number, "text": string(TABLE_TEXT, 1)}),
        "rich_text": _RICH_TEXT,
    }
)
_AXES = shape(
    {"categories": items(string(20, 1), CHART_POINTS, 1)}, {"x_label": string(50, 1), "y_label": string(50, 1)}
)
_SERIES = shape(
    {
        "name": string(20, 1),
        "data": items(shape({"label": string(20, 1), "value": number}), CHART_POINTS, 1),
    }
)
_SERIES_CHART = shape(
    {"type": anything, "series": items(_SERIES, CHART_ENTRIES, 1), "axis_config": _AXES}, None, _chart_points
)
_PIE = shape(
    {"type": anything, "segments": items(shape({"label": string(20, 1), "value": _positive}), CHART_ENTRIES, 1)}
)
_CHART = by_type(lambda: {"pie": _PIE, "bar": _SERIES_CHART, "line": _SERIES_CHART, "area": _SERIES_CHART})

BLOCKS: Mapping[str, Rule] = MappingProxyType(
    {
        "section": _block(
            {},
            {
                "text": text(3000),
                "fields": items(text(2000), 10, 1),
                "accessory": element(ACCESSORIES),
                "expand": flag,
            },
            _text_or_fields,
        ),
        "divider": _block({}),
        "header": _block({"text": plain(150)}, {"level": integer(1, 6)}),
        "context": _block({"elements": items(element(CONTEXTS), 10, 1)}),
        "actions": _block({"elements": items(element(ACTIONS), 25, 1)}),
        "input": _block(
            {"label": plain(2000), "element": element(INPUTS)},
            {"hint": plain(2000), "optional": flag, "dispatch_action": flag},
            _dispatchable,
        ),
        "image": _block(
            {"alt_text": string(2000)},
            {"image_url": URL, "slack_file": _SLACK_FILE, "title": plain(2000)},
            _picture,
        ),
        "markdown": _block({"text": string(12_000, 1)}),
        "rich_text": _RICH_TEXT,
        "file": _block({"external_id": string(255, 1), "source": one_of("remote")}),
        "video": _block(
            {
                "alt_text": string(2000, 1),
                "thumbnail_url": URL,
                "title": plain(200),
                "video_url": URL,
            },
            {
                "author_name": string(50),
                "description": plain(200),
                "provider_icon_url": URL,
                "provider_name": string(50),
                "title_url": URL,
            },
        ),
        "table": _block(
            {"rows": items(items(_CELL, TABLE_COLUMNS, 1), TABLE_ROWS, 1)},
            {
                "column_settings": items(
                    shape({}, {"align": one_of("left", "center", "right"), "is_wrapped": flag}), TABLE_COLUMNS
                )
            },
            _table(TABLE_TEXT),
        ),
        "data_table": _block(
            {"rows": items(items(_CELL, TABLE_COLUMNS, 1), DATA_TABLE_ROWS, 2), "caption": string(3000, 1)},
            {"page_size": integer(1, 100), "row_header_column_index": integer(0)},
            _table(DATA_TABLE_TEXT),
        ),
        "data_visualization": _block({"title": string(50, 1), "chart": _CHART}),
        "alert": _block({"text": text(200)}, {"level": one_of("default", "info", "warning", "error", "success")}),
        "card": _block(
            {},
            {
                "title": text(150),
                "subtitle": text(150),
                "body": text(200),
                "subtext": text(200),
                "actions": items(element(frozenset({"button"})), 3),
                "hero_image": anything,
                "icon": anything,
                "slack_icon": anything,
            },
        ),
        "carousel": _block({"elements": items(anything, 10, 1)}),
        "container": _block(
            {"child_blocks": items(by_type(lambda: BLOCKS), 10, 1)},
            {
                "title": plain(150),
                "subtitle": plain(150),
                "icon": anything,
                "width": anything,
                "is_collapsible": flag,
                "default_collapsed": flag,
                "has_header_divider": flag,
            },
        ),
        "context_actions": _block({"elements": items(anything, 5, 1)}),
        "task_card": _block({"task_id": string(255, 1), "title": string(255, 1)}, {"status": anything}),
        "plan": _block({"title": string(255, 1)}, {"tasks": items(anything, 50)}),
    }
)
NEW_BLOCKS = frozenset({"data_table", "data_visualization", "alert", "card", "carousel", "container"})
"""The blocks that a workspace refuses while it does not know the newer ones."""

_EVERYWHERE = frozenset({"actions", "card", "context", "divider", "header", "image", "input", "rich_text", "section"})
_WIDE = frozenset({"carousel", "container", "data_table", "data_visualization", "table", "video"})
SURFACES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "message": _EVERYWHERE | _WIDE | {"context_actions", "file", "markdown", "plan", "task_card"},
        "modal": _EVERYWHERE | {"alert", "video"},
        "home": _EVERYWHERE | _WIDE,
    }
)
"""Which blocks may stand where."""

_FRAME: Mapping[str, Rule] = {
    "callback_id": string(255),
    "external_id": string(255),
    "private_metadata": string(3000),
}
VIEW: Mapping[str, Rule] = MappingProxyType(
    {
        "modal": shape(
            {"type": one_of("modal"), "title": plain(24), "blocks": anything},
            {
                **_FRAME,
                "close": plain(24),
                "submit": plain(24),
                "clear_on_close": flag,
                "notify_on_close": flag,
                "submit_disabled": flag,
            },
        ),
        "home": shape({"type": one_of("home"), "blocks": anything}, _FRAME),
    }
)
"""The frame of a view: all but its blocks."""
