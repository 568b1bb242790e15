"""The audit's facts about a request in words, for whoever asks what happened to it: a line of mrkdwn each, escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from handlers.requests import POSTROOM
from handlers.slack.messages import total
from handlers.slack.words import clip, code, either, escape, moment, named, person, whoever
from providers.action import Item, ItemState, Outcome, Pending
from storage.records import AuditEntry, Json

LONGEST_SAID = 300
"""Characters of what somebody wrote or a provider said."""
MOST_ITEMS = 10
_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)


def in_words(entry: AuditEntry) -> str:
    """What this entry says; empty for what is of no interest to people."""
    return _WORDS.get(entry.what, _something)(entry.actor, entry.detail)


def _by(actor: str) -> str:
    return "Postroom" if actor == POSTROOM else person(actor)


def _asked(by: str, detail: Json) -> str:
    rule = f", by the rule “{escape(str(detail['rule']))}”" if detail.get("rule") else ""
    return f":raised_hand: {_by(by)} asked: {total(detail.get('quote'))}, with {code(str(detail.get('account')))}{rule}"


def _approved(by: str, detail: Json) -> str:
    needs = int(detail.get("needs") or 1)
    count = f" ({detail.get('given')} of {needs})" if needs > 1 else ""
    if budgets := [str(one["budget"]) for one in detail.get("lacks") or () if one.get("budget")]:
        count = f" (not enough yet: nobody has for the budget {' and '.join(f'“{escape(one)}”' for one in budgets)})"
    return f":white_check_mark: {_by(by)} said yes{_in_place(detail)}{count}{_without(detail)}{_why(detail)}"


def _denied(by: str, detail: Json) -> str:
    return f":no_entry: {_by(by)} said no{_in_place(detail)}{_why(detail)}"


def _refused(by: str, detail: Json) -> str:
    wanted = _WANTED.get(str(detail.get("wanted")), "change it")
    why, who = _said(detail.get("why")), str(detail.get("who") or "")
    return f":lock: {_by(by)} wanted to {wanted}, and it was not taken: {why.replace(who, person(who)) if who else why}"


_WANTED = {
    **{"approve": "say yes", "choose": "say yes to a part of it", "items": "say yes to a part of it", "deny": "say no"},
    **{"decide": "decide it", "ask": "ask a question", "question": "ask a question"},
    **{"break_glass": "run it without approval", "run_now": "run it without approval"},
    **{"stop": "stop it", "cancel": "cancel it", "settle": "say what became of it"},
    **{"settle_happened": "say that it happened", "settle_did_not": "say that it did not happen"},
    **{"settle_again": "have it sent again", "settle_wait": "have it watched on"},
}
"""Clicks and forms by the names that they have in the audit."""


def _question(by: str, detail: Json) -> str:
    return f":speech_balloon: {_by(by)} asked back: {_said(detail.get('text'))}"


def _cancelled(by: str, detail: Json) -> str:
    return f":heavy_minus_sign: {_by(by)} cancelled it"


def _stopped(by: str, detail: Json) -> str:
    return f":octagonal_sign: {_by(by)} stopped it before it was sent; it asks again"


def _quoted(by: str, detail: Json) -> str:
    return f":label: {_by(by)} was shown the price: {total(detail.get('quote'))}"


def _edited(by: str, detail: Json) -> str:
    left = f"; what is left: {total(detail['quote'])}" if detail.get("quote") else ""
    return f":pencil2: {_by(by)} changed it{_without(detail)}{left}. Earlier votes are void"


def _broke_glass(by: str, detail: Json) -> str:
    return f":rotating_light: {_by(by)} ran it without its approval{_why(detail)}"


def _attended(by: str, detail: Json) -> str:
    told = [_said(detail["short"])] if detail.get("short") else []
    if detail.get("escalated"):
        told.append(f"Taken to {either([whoever(str(one)) for one in detail['escalated']])}.")
    if detail.get("own_again"):
        own = either([whoever(str(one)) for one in detail["own_again"]])
        told.append(f"{own} can decide it again, and nobody else.")
    elif detail.get("short") == "":
        told.append("There are enough people again who may decide this.")
    if detail.get("void"):
        told.append(f"The yes of {' and '.join(person(str(one)) for one in detail['void'])} counts no more.")
    if detail.get("reminded"):
        told.append("The thread was reminded.")
    return f":bell: {' '.join(told)}" if told else ""


def _expired(by: str, detail: Json) -> str:
    return ":alarm_clock: Expired without a decision"


def _ruled_anew(by: str, detail: Json) -> str:
    rule = f"by the rule “{escape(str(detail['rule']))}”" if detail.get("rule") else "by the defaults"
    return f":scroll: By the rules as they are now, it is decided {rule}"


def _sent(by: str, detail: Json) -> str:
    return ":outbox_tray: Sent to the provider"


def _reopened(by: str, detail: Json) -> str:
    old, new = total(detail.get("old")), total(detail.get("new"))
    changed = f"The price went from {old} to {new}"
    if old == new:  # where one is unknown, the others may have moved
        changed = "What this would do has changed" if detail.get("old") == detail.get("new") else "Its prices changed"
    return f":warning: {changed}; it asks again"


def _postponed(by: str, detail: Json) -> str:
    until = datetime.fromisoformat(str(detail.get("until")))
    return f":alarm_clock: Put off until {moment(until)}: {_said(detail.get('summary'))}"


def _heard_late(by: str, detail: Json) -> str:
    told = _outcome(":rotating_light: The provider answered when somebody had settled it already.")(by, detail)
    return f"{told} (of the attempt {code(str(detail['key']))})" if detail.get("key") else told


def _outcome(mark: str) -> Callable[[str, Json], str]:
    def words(by: str, detail: Json) -> str:
        try:
            found = _OUTCOME.validate_python(detail.get("outcome"))
        except ValidationError:
            return mark
        if isinstance(found, Pending):
            return f"{mark} The provider took it. {_said(found.progress)}".rstrip()
        return f"{mark} {_said(found.summary)}{_items(found.items)}"

    return words


def _items(items: Sequence[Item]) -> str:
    """Those that did not go as the others did, by name."""
    odd = [one for one in items if one.state in (ItemState.NOT_DONE, ItemState.UNKNOWN)]
    if not odd or len(odd) == len(items):
        return ""
    told = [f"{named(one.name)} {_STATES[one.state]}" for one in odd[:MOST_ITEMS]]
    more = [f"{len(odd) - MOST_ITEMS} more"] if len(odd) > MOST_ITEMS else []
    return f" ({', '.join([*told, *more])})"


_STATES = {ItemState.NOT_DONE: "not done", ItemState.UNKNOWN: "not known"}


def _asks(by: str, detail: Json) -> str:
    seen = f" Seen: {_said(detail['evidence'])}" if detail.get("evidence") else ""
    return f":warning: A person was asked what became of it.{seen}"


def _settled(by: str, detail: Json) -> str:
    answer = {
        "happened": "says that it happened", "did_not": "says that it did not happen",
        "again": "says that it did not happen, and had it sent again",
    }.get(str(detail.get("answer")), "had Postroom look again")  # fmt: skip
    return f":ballot_box_with_check: {_by(by)} looked and {answer}"


def _something(by: str, detail: Json) -> str:
    return "Something that this version of Postroom has no words for"


def _in_place(detail: Json) -> str:
    whose = [person(str(one)) for one in (detail.get("for"), *(detail.get("also_for") or ())) if one]
    also = "" if detail.get("for") else "also "
    return f" {also}in {' and '.join(whose)}'s place" if whose else ""


def _without(detail: Json) -> str:
    out: Any = detail.get("without")
    if not isinstance(out, Iterable) or isinstance(out, str):
        return ""
    names = [named(str(one)) for one in out]
    more = f" and {len(names) - MOST_ITEMS} more" if len(names) > MOST_ITEMS else ""
    return f", without {', '.join(names[:MOST_ITEMS])}{more}"


def _why(detail: Json) -> str:
    return f": {_said(detail['reason'])}" if detail.get("reason") else ""


def _said(words: object) -> str:
    """What somebody wrote, in one line."""
    return escape(clip(" ".join(str(words or "").split()), LONGEST_SAID))


_WORDS: Mapping[str, Callable[[str, Json], str]] = {
    "quoted": _quoted,
    "asked": _asked,
    "edited": _edited,
    "approved": _approved,
    "denied": _denied,
    "click_refused": _refused,
    "question": _question,
    "cancelled": _cancelled,
    "stopped": _stopped,
    "broke_glass": _broke_glass,
    "attended": _attended,
    "expired": _expired,
    "ruled_anew": _ruled_anew,
    "sent": _sent,
    "reopened": _reopened,
    "postponed": _postponed,
    "kept_back": _postponed,
    "heard_late": _heard_late,
    "accepted": _outcome(":package:"),
    "done": _outcome(":tada:"),
    "failed": _outcome(":x:"),
    "unknown": _outcome(":mag: Unclear."),
    "asks": _asks,
    "stuck": _asks,
    "settled": _settled,
}
