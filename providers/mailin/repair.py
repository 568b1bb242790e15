"""Mailin's JSON, read although it is broken in the three ways that its documentation shows.

Tried only on text that is not JSON. It adds or drops punctuation and nothing else; whatever does not become valid JSON
by that stays unreadable.
"""

from __future__ import annotations

import re

from pydantic import JsonValue

from providers.answers import read_json

_TOKEN = re.compile(
    r"""
      (?P<space>  [ \t\r\n]+ )
    | (?P<string> "(?:[^"\\\x00-\x1f]|\\.)*" )
    | (?P<uuid>   [0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12} (?![\w.+-]) )
    | (?P<plain>  (?: true | false | null | -?\d+(?:\.\d+)?(?:[eE][+-]?\d+)? ) (?![\w.+-]) )
    | (?P<mark>   [{}\[\]:,] )
    """,
    re.VERBOSE,
)


def repaired_json(text: str) -> JsonValue:
    """`text` parsed after repair: a bare uuid is quoted, a comma missing before a key added, a trailing one dropped.

    Raises ValueError when it cannot be read even so.
    """
    return read_json(" ".join(_repaired(_tokens(text))))


def _tokens(text: str) -> list[str]:
    """The tokens of `text` without the space between them, bare uuids quoted."""
    tokens: list[str] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"not JSON at character {position}")
        position = match.end()
        if match.lastgroup == "uuid":
            tokens.append(f'"{match.group()}"')
        elif match.lastgroup != "space":
            tokens.append(match.group())
    return tokens


def _repaired(tokens: list[str]) -> list[str]:
    repaired: list[str] = []
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        after_a_value = bool(repaired) and repaired[-1] not in ("{", "[", ":", ",")
        if token == "," and following in ("}", "]") and after_a_value:  # noqa: S105 (a token of JSON)
            continue
        if token.startswith('"') and following == ":" and after_a_value:
            repaired.append(",")
        repaired.append(token)
    return repaired
