"""What must be true when a story is over: at the provider, in the channels, in the audit."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from decimal import Decimal
from typing import Any

from crash_stage import TOO_LATE, Scene

from storage import audit

LINES = {
    "asked": ":raised_hand: Sent to <#C0APPROVALS> for approval.",
    "approved": ":white_check_mark: <@U0OMAR> approved this.",
    "accepted": ":package: ",
    "done": ":tada: <@U0ANA> Both domains are live. Cost: $40.50.",
    "unknown": ":mag: ",
    "asks": ":warning: <@U0ANA> ",
    "stuck": ":warning: <@U0ANA> After ",
    "settled": ":ballot_box_with_check: <@U0OMAR> looked and says: it did not happen.",
    "failed": ":x: <@U0ANA> ",
    "denied": ":no_entry: <@U0ANA>, <@U0OMAR> denied this. Nothing was bought.\n> Too dear",
    "cancelled": ":heavy_minus_sign: <@U0ANA> cancelled this. Nothing was bought.",
}
"""How the thread's line for each fact of the audit begins. A fact that is not here has none."""

BOTH = Counter({"acme-mail.com": 1, "acme-hq.co": 1})
FIRST = Counter({"acme-mail.com": 1})
NOTHING: Counter[str] = Counter()

ASKED = ["asked", "approved", "sent"]
ASKED_TWO = ["asked", "approved", "approved", "sent"]
"""Where two people have to say yes."""
TWO = (
    ":ballot_box_with_check: <@U0OMAR> said yes. One more person has to;",
    ":white_check_mark: <@U0FINN> approved this. With that, 2 people have said yes.",
)
"""What the thread says of them."""
FOUND = [["unknown", "done"], ["unknown", "accepted", "done"]]
"""What follows when somebody else has to look whether it was bought, and it was."""
ASKS = [["unknown", "asks", "settled"]]
"""What follows when it cannot be found, and a person says that it did not happen."""


def told(scene: Scene, paths: Sequence[Sequence[str]], words: Mapping[str, str | Sequence[str]] | None = None) -> None:
    """The audit tells one of these stories, and the thread tells the same one, a line for each fact, in order.

    `words` are other beginnings of lines; several for one fact are for the first time, the second …
    """
    # Whoever presses once more, or is late, is turned away, and the audit knows.
    facts = [fact for fact in scene.facts() if fact != "click_refused"]
    assert facts in [list(path) for path in paths], facts
    expected: dict[str, str | Sequence[str]] = LINES | dict(words or {})
    times: Counter[str] = Counter()
    beginnings = []
    for fact in facts:
        said = expected.get(fact, ())
        if said:
            beginnings.append(said if isinstance(said, str) else said[times[fact]])
        times[fact] += 1
    lines = scene.thread
    assert len(lines) == len(beginnings), lines
    for line, beginning in zip(lines, beginnings, strict=True):
        assert line.startswith(beginning), line


def ended(
    scene: Scene,
    word: str,
    *,
    spent: str = "0",
    copies: int = 0,
    of_the_house: Sequence[str] = (),
    told_alone: str = "",
) -> None:
    """One parent, one card and its `copies` in person, one thread, nothing else said anywhere, nothing owed to anybody.

    `of_the_house` are facts of the audit that are about no request; `told_alone` is what somebody may be told privately
    beside that they came too late.

    Of the budgets, `spent` dollars are used up and nothing is set apart any more; the audit's chain is whole.
    """
    [parent], [card] = scene.parents, scene.cards
    assert parent.reads(word)
    assert card.reads(word)
    assert not any("elements" in block and block["type"] == "actions" for block in (*parent.blocks, *card.blocks))
    [(calls,)] = scene.rows("SELECT COUNT(*) FROM audit WHERE what IN ('asks', 'stuck')")  # once each, below the card
    assert len(scene.said()) == 2 + copies + len(scene.thread) + calls, scene.shown()
    assert scene.rows("SELECT COUNT(*) FROM requests WHERE state <> 'draft'") == [(1,)]
    assert scene.rows("SELECT kind FROM messages WHERE sent < wanted") == []
    assert scene.rows("SELECT request_id FROM jobs") == []
    starts = 1 + scene.starts_with_other_settings
    house = Counter(what for (what,) in scene.rows("SELECT what FROM audit WHERE request_id = ''"))
    assert all(house.pop(what) == 1 for what in of_the_house), house
    # Where nothing but prices changed, the rules are the same.
    assert set(house) == {"settings_changed", "policy_in_force"}
    assert starts <= house["settings_changed"] <= starts * scene.processes, house
    assert 1 <= house["policy_in_force"] <= starts * scene.processes, house
    balanced(scene, spent)
    assert scene.ana.modal is None or scene.ana.modal.reads("already sent this request")
    deciders = (*scene.omar.ephemerals("#approvals"), *scene.finn.ephemerals("#approvals"))
    expected = (*TOO_LATE, *filter(None, [told_alone]))
    for message in (*scene.ana.ephemerals("#outreach"), *deciders):
        assert any(map(message.reads, expected)), message.text


def balanced(scene: Scene, spent: str) -> None:
    """The months are the sums of what the requests hold, and that is `spent` dollars; the audit's chain is whole."""
    by_month = "SELECT budget, period, {} FROM {} GROUP BY budget, period HAVING SUM(reserved) + SUM(spent) > 0"
    sums = "SUM(reserved), SUM(spent)"
    months = scene.rows(by_month.format(sums, "budget_months"))
    assert months == scene.rows(by_month.format(sums, "reservations"))
    assert sum(reserved for _, _, reserved, _ in months) == 0, months
    is_counted = "[[budgets]]" in (scene.bot.folder / "postroom.toml").read_text()
    expected = Decimal(spent) * 1_000_000 if is_counted else 0
    assert sum(used for *_, used in months) == expected, (months, expected)
    with audit.opened(scene.bot.database) as connection:
        verified = audit.verify(connection)
    assert isinstance(verified, audit.Verified), verified


def was_sent_and_unheard(scene: Scene, sent_as: str = "runs.begin", heard_as: str = "runs.conclude") -> bool | None:
    """Whether the bot died between the intent and the outcome. None when its writer was just at one of them."""
    if not scene.has_died:
        return False
    sent, heard = scene.committed(sent_as), scene.committed(heard_as)
    if sent is False or heard is True:
        return False
    return True if sent and heard is False else None


def paths(
    scene: Scene,
    *,
    heard: list[list[str]],
    unheard: Sequence[list[str]] = (),
    begins: list[str] = ASKED_TWO,
    sent_as: str = "runs.begin",
    heard_as: str = "runs.conclude",
) -> list[list[str]]:
    """What the audit may say: with an outcome that was heard, or with one that had to be looked up, as it happened."""
    lost = was_sent_and_unheard(scene, sent_as, heard_as)
    rest = [*(() if lost else heard), *(() if lost is False else unheard)]
    return [begins + path for path in rest]


async def together(scenes: Mapping[str, Coroutine[Any, Any, None]]) -> None:
    """Plays all of them at the same time, and says of each what broke in it."""
    endings = await asyncio.gather(*scenes.values(), return_exceptions=True)
    broken = [
        "\n".join([f"=== {name}", f"{type(ending).__name__}: {ending}", *getattr(ending, "__notes__", ())])
        for name, ending in zip(scenes, endings, strict=True)
        if ending is not None
    ]
    assert not broken, "\n".join(broken)
