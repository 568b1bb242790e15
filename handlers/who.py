"""Who people are at this moment: members of user groups, able to act, entitled to decide. No Slack here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from handlers.policy import Policy, is_group

MOST_ASKED = 50
"""About so many people Slack is asked one by one to learn who of them may act."""


class Directory(Protocol):
    """Who there is in the workspace and who belongs to which user group, as things are now (at most a minute old)."""

    async def members(self, group: str) -> frozenset[str]:
        """The user ids in a user group; nobody if it is gone. Raises DirectoryUnavailable when nobody can say."""
        ...

    async def is_active(self, user: str) -> bool:
        """Whether a person belongs to the workspace and may act there now. Raises DirectoryUnavailable."""
        ...

    async def time_zone(self, user: str) -> str:
        """The IANA name of the zone a person lives in; UTC where nobody can say."""
        ...

    async def is_open(self, channel: str) -> bool:
        """Whether everybody in the workspace may read a channel. Raises DirectoryUnavailable."""
        ...


class DirectoryUnavailable(Exception):
    """The workspace did not say who is in a group, so nobody can be authorised by it."""


@dataclass(frozen=True, slots=True)
class Roll:
    """What the workspace said at one moment: who is in which group, and who of some people may act."""

    groups: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    may_act: Mapping[str, bool] = field(default_factory=dict[str, bool])

    def lacks(self, named: Iterable[str]) -> frozenset[str]:
        """Those of these people and groups about whom nothing was said."""
        return frozenset(one for one in named if one not in self.groups and one not in self.may_act)

    def active(self, people: Iterable[str]) -> frozenset[str]:
        """Those of these people of whom it was said that they may act."""
        return frozenset(one for one in people if self.may_act.get(one, False))

    def and_also(self, other: Roll) -> Roll:
        """Both together; what `other` says is newer."""
        return Roll({**self.groups, **other.groups}, {**self.may_act, **other.may_act})


class Who:
    """Resolves the people and groups of the policy. Everything may raise DirectoryUnavailable."""

    def __init__(self, directory: Directory, policy: Policy) -> None:
        self._directory = directory
        self._policy = policy

    async def is_active(self, user: str) -> bool:
        """Whether a person may act in the workspace now."""
        return await self._directory.is_active(user)

    async def time_zone(self, user: str) -> str:
        """The zone a person lives in."""
        return await self._directory.time_zone(user)

    async def is_open(self, channel: str) -> bool:
        """Whether everybody in the workspace may read a channel."""
        return await self._directory.is_open(channel)

    async def roll(self, named: Iterable[str]) -> Roll:
        """Who is in each of these groups, and which of these people may act: all asked at once."""
        named = tuple(dict.fromkeys(named))
        if len(named) == 1 and not is_group(named[0]):
            # Whoever clicks, most often remembered: to ask several at once would cost more than this answer.
            return Roll(may_act={named[0]: await self._directory.is_active(named[0])})
        groups, people = [one for one in named if is_group(one)], [one for one in named if not is_group(one)]
        members, active = await asyncio.gather(
            asyncio.gather(*(self._directory.members(one) for one in groups)),
            asyncio.gather(*(self._directory.is_active(one) for one in people)),
        )
        return Roll(dict(zip(groups, members, strict=True)), dict(zip(people, active, strict=True)))

    async def among(self, named: Iterable[str]) -> frozenset[str]:
        """The people among these ids of the settings, and those in the groups among them, whether or not they may act.

        For whether somebody is one of them; of those it is asked apart whether they may act.
        """
        named = tuple(named)
        return people_in(named, (await self.roll(filter(is_group, named))).groups)

    async def able(self, named: Iterable[str]) -> frozenset[str]:
        """Those `among` these ids who may act now.

        The members of large groups are not asked about one by one, so that Slack goes on answering: they count as it
        lists them. Who really decides is always asked about, at the click.
        """
        named = tuple(named)
        everybody = await self.among(named)
        asked = everybody if len(everybody) <= MOST_ASKED else everybody.intersection(named)
        return (await self.active(asked)) | (everybody - asked)

    async def active(self, people: Iterable[str]) -> frozenset[str]:
        """Those of these people who may act now, all asked about at once."""
        people = frozenset(people)
        return (await self.roll(people)).active(people)

    async def groups_of(self, user: str) -> frozenset[str]:
        """Of the groups that rules and budgets ask about, those that a person is in."""
        asked = self._policy.groups()
        if not asked:
            return frozenset()
        return frozenset(group for group, members in (await self.roll(asked)).groups.items() if user in members)


def people_in(named: Iterable[str], groups: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The people among ids, and those in the groups among them, as far as `groups` has them."""
    named = tuple(named)
    return frozenset(one for one in named if not is_group(one)).union(
        *(groups.get(one, frozenset()) for one in named if is_group(one))
    )
