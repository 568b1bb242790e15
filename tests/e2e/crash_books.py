"""What must be true when a story is over: at the provider, in the channels, in the audit."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from crash_stage import Scene

LINES = {
    "asked": ":raised_hand: Sent to <#C0APPROVALS> for approval.",
    "approved": ":white_check_mark: <@U0OMAR> approved this.",
    "accepted": ":package: ",
    "done": ":tada: <@U0ANA> Both domains are live. Cost: $40.50.",
    "unknown": ":mag: ",
    "asks": ":warning: <@U0ANA> ",
    "stuck": ":warning: <@U0ANA> The provider has not finished",
    "settled": ":ballot_box_with_check: <@U0OMAR> looked and says: it did not happen.",
    "failed": ":x: <@U0ANA> ",
    "denied": ":no_entry: <@U0ANA>, <@U0OMAR> denied this. Nothing was bought.\n> Too dear",
    "cancelled": ":heavy_minus_sign: <@U0ANA> cancelled this. Nothing was bought.",
}
"""How the thread's line for each fact of the audit begins. A fact that is not here has none."""

TOO_LATE = ("has already", "meanwhile", "has cancelled this")
"""What somebody may be told who pressed once more, after a click that Slack said had failed."""

BOTH = Counter({"acme-mail.com": 1, "acme-hq.co": 1})
FIRST = Counter({"acme-mail.com": 1})
NOTHING: Counter[str] = Counter()

ASKED = ["asked", "approved", "sent"]
FOUND = [["unknown", "done"], ["unknown", "accepted", "done"]]
"""What follows when somebody else has to look whether it was bought, and it was."""
ASKS = [["unknown", "asks", "settled"]]
"""What follows when it cannot be found, and a person says that it did not happen."""


def told(scene: Scene, paths: Sequence[Sequence[str]], words: dict[str, str] | None = None) -> None:
    """The audit tells one of these stories, and the thread tells the same one, a line for each fact, in order."""
    facts = scene.facts()
    assert facts in [list(path) for path in paths], facts
    expected = LINES | (words or {})
    beginnings = [expected[fact] for fact in facts if fact in expected]
    lines = scene.thread
    assert len(lines) == len(beginnings), lines
    for line, beginning in zip(lines, beginnings, strict=True):
        assert line.startswith(beginning), line


def ended(scene: Scene, word: str) -> None:
    """One parent, one card, one thread, nothing else said anywhere, and nothing owed to anybody."""
    [parent], [card] = scene.parents, scene.cards
    assert parent.reads(word)
    assert card.reads(word)
    assert not any("elements" in block and block["type"] == "actions" for block in (*parent.blocks, *card.blocks))
    assert len(scene.said()) == 2 + len(scene.thread), scene.shown()
    assert scene.rows("SELECT COUNT(*) FROM requests WHERE state <> 'draft'") == [(1,)]
    assert scene.rows("SELECT kind FROM messages WHERE sent < wanted") == []
    assert scene.rows("SELECT request_id FROM jobs") == []
    assert scene.ana.modal is None or scene.ana.modal.reads("already sent this request")
    for told_alone in (*scene.ana.ephemerals("#outreach"), *scene.omar.ephemerals("#approvals")):
        assert any(map(told_alone.reads, TOO_LATE)), told_alone.text


def was_sent_and_unheard(scene: Scene) -> bool | None:
    """Whether the bot died between the intent and the outcome. None when its writer was just at one of them."""
    if not scene.has_died:
        return False
    sent, heard = scene.committed("begin_execution"), scene.committed("conclude")
    if sent is False or heard is True:
        return False
    return True if sent and heard is False else None


def paths(scene: Scene, *, heard: list[list[str]], unheard: Sequence[list[str]] = ()) -> list[list[str]]:
    """What the audit may say: with an outcome that was heard, or with one that had to be looked up, as it happened."""
    lost = was_sent_and_unheard(scene)
    rest = [*(() if lost else heard), *(() if lost is False else unheard)]
    return [ASKED + path for path in rest]


async def together(scenes: Mapping[str, Coroutine[Any, Any, None]]) -> None:
    """Plays all of them at the same time, and says of each what broke in it."""
    endings = await asyncio.gather(*scenes.values(), return_exceptions=True)
    broken = [
        "\n".join([f"=== {name}", f"{type(ending).__name__}: {ending}", *getattr(ending, "__notes__", ())])
        for name, ending in zip(scenes, endings, strict=True)
        if ending is not None
    ]
    assert not broken, "\n".join(broken)
