"""Which settings are in force: the audit is told when they are others than before, by digests and names, never a value.

A digest covers what a part of the settings says, without the secrets in it: that one was replaced is not seen here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import structlog
from pydantic import BaseModel, SecretStr

from bot.policy_settings import digest
from bot.settings import Settings
from handlers.policy import Policy
from handlers.requests import POSTROOM
from handlers.waiting import Waiting
from handlers.who import DirectoryUnavailable
from providers.accounts import Clock
from storage.records import AuditEntry, Fact
from storage.store import Store

log = structlog.get_logger(__name__)

_LENGTH = 16
"""Characters of a part's digest: enough to see that it is another."""


async def take_up(settings: Settings, policy: Policy, store: Store, waiting: Waiting, clock: Clock) -> bool:
    """Note settings and rules that are others than at the last start; other rules hold for what waits as well.

    False when Slack does not say who is in the groups that the rules ask about: then it is to be called again, and the
    rules do not count as in force until all that waits has been ruled by them.
    """
    sections = sections_of(settings)
    last = await store.facts.last("settings_changed")
    if changed := _changed(last, sections):
        fact = Fact(POSTROOM, "settings_changed", {"changed": changed, "parts": dict(sections)})
        await store.facts.note_next(fact, last, clock.now())
    last = await store.facts.last("policy_in_force")
    if last is not None and last.detail.get("hash") == policy.hash:
        return True
    try:
        ruled = await waiting.rule_anew()
    except DirectoryUnavailable as error:
        log.warning("not_ruled_anew", why=str(error))
        return False
    parts = parts_of(policy)
    changed = _changed(last, parts)
    told = {"hash": policy.hash, "changed": changed, "parts": dict(parts), "ruled_anew": ruled}
    # Another process that was started at the same moment may have noted it already.
    if await store.facts.note_next(Fact(POSTROOM, "policy_in_force", told), last, clock.now()):
        log.info("policy_in_force", hash=policy.hash[:_LENGTH], changed=changed, ruled_anew=ruled)
    return True


def _changed(last: AuditEntry | None, parts: Mapping[str, str]) -> list[str]:
    """The parts that are others than the last fact of this kind has them, those that came and went among them."""
    before = {} if last is None else dict(last.detail.get("parts") or {})
    return sorted(name for name in {*parts, *before} if parts.get(name) != before.get(name))


def parts_of(policy: Policy) -> Mapping[str, str]:
    """A digest of each part of the policy: every rule and budget by its name, the order of the rules, the rest."""
    parts: dict[str, object] = {
        one.name: getattr(policy, one.name)
        for one in dataclasses.fields(policy)
        if one.name not in ("rules", "budgets", "hash")
    }
    parts["order of the rules"] = [one.name for one in policy.rules]
    parts |= {f"rule {one.name}": one for one in policy.rules} | {f"budget {one.name}": one for one in policy.budgets}
    return {name: digest(part)[:_LENGTH] for name, part in parts.items()}


def sections_of(settings: Settings) -> Mapping[str, str]:
    """A digest of each table of the settings file, by its name there, and of where the database is."""
    tables: dict[str, object] = {
        "slack": settings.slack,
        "jobs": settings.jobs,
        "housekeeping": settings.housekeeping,
        "logging": settings.logging,
        "approvals": settings.approvals,
        "budgets": list(settings.budgets),
        "database": str(settings.database),
        **{f"accounts.{name}": one for name, one in settings.accounts.items()},
        **{f"prices.{name}": one for name, one in settings.prices.items()},
        **{f"channels.{name}": one for name, one in settings.channels.items()},
    }
    return {name: digest(_without_secrets(table))[:_LENGTH] for name, table in tables.items()}


def _without_secrets(table: object) -> object:
    if isinstance(table, list):
        return [_without_secrets(one) for one in table]
    if not isinstance(table, BaseModel):
        return table
    return table.model_dump(exclude={name for name, value in table if isinstance(value, SecretStr)})
