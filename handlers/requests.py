"""A request as all see it: what was asked, who decides it, at which account; and whom to wake when it moves.

What a person must be told at once is raised as `Sorry`; what the thread is told is committed together with the change
that causes it, as notes whose facts `handlers/slack/messages.py` puts into words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from handlers.policy import Policy, Ruling
from handlers.vault import Vault
from handlers.who import Directory, DirectoryUnavailable, Who
from providers.accounts import Account, Clock
from providers.action import Action, Outcome, Quote
from providers.catalogue import Catalogue
from storage.records import BudgetUse, Fact, Json, MessageKind, NewMessage, Request, RequestState, Reservation, Telling
from storage.store import Store

log = structlog.get_logger(__name__)

POSTROOM = "postroom"
"""The actor in the audit when nobody clicked: time passed, or the provider answered."""

SEEN = 16
"""Characters of the fingerprint that a card's buttons carry: what its reader saw. Fewer prove nothing."""

_TOO_LATE = {
    RequestState.DENIED: "{who} has already denied this. Nothing was changed.",
    RequestState.CANCELLED: "{who} has cancelled this request. Nothing was changed.",
    RequestState.EXPIRED: "This request has expired. Nothing was changed: ask again if it is still wanted.",
    RequestState.AWAITING: "This request has changed meanwhile. Nothing was decided: read the new card.",
}
_UNDER_WAY_DECIDED = "{who} has already approved this. Nothing was changed; its thread tells how it goes."
_UNDER_WAY = "This is already under way. Nothing was changed; its thread tells how it goes."

_LONG = 5_000
"""Entries of a list that takes long to read."""
_MOST_REMEMBERED = 4
"""Requests with such a list that are kept in memory, each by the fingerprint of what it asks for."""

SILENT = "Slack did not say who may decide, so your click was not taken. Try again in a minute."
GONE = "Slack says that you do not belong to this workspace (any more), so your click was not taken."

NOTHING_DONE = " Nothing was done."
"""How the sentences end that say why a request cannot be dealt with: not true of one that has been sent already."""

_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)


class Sorry(Exception):
    """The answer for one person: what happened, what was not done, what to do now. Plain text.

    `who` is a person's id; where the sentence says `{who}`, their name is put, and where it says the name of one of the
    `times`, that time.
    """

    def __init__(self, sentence: str, who: str = "", **times: datetime) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.who = who
        self.times = times


class NotAllowed(Sorry):
    """The click of somebody who may not: it is answered, and the audit knows of it already."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, from where: ids of the workspace, the person and the channel."""

    team: str
    user: str
    channel: str


class Requests:
    """What everybody who deals with requests has to know of one, and whom a change of it wakes."""

    def __init__(
        self,
        *,
        store: Store,
        catalogue: Catalogue,
        accounts: Mapping[str, Account],
        policy: Policy,
        directory: Directory,
        clock: Clock,
        changed: Callable[[str], None],
    ) -> None:
        """`changed` is called after each commit that owes work to a beat: `"outbox"`, `"requests"` (something was
        approved), `"waiting"` or `"jobs"` (there is something to look at)."""
        self._store = store
        self._catalogue = catalogue
        self._accounts = accounts
        self.policy = policy
        self.who = Who(directory, policy)
        self._clock = clock
        self.changed = changed
        self.vault = Vault()
        self._long: dict[str, tuple[Json, Action]] = {}

    def kind_of(self, request: Request) -> type[Action] | None:
        """The class of what was asked; None when this version has no such thing."""
        return self._catalogue.action(request.command, request.provider)

    def action_of(self, request: Request) -> Action:
        """The action a request was made of. Raises Sorry when this version can no longer read it."""
        kind = self.kind_of(request)
        given, remembered = self._long.get(request.fingerprint, (None, None))
        if remembered is not None and given == request.input:
            return remembered
        try:
            if kind is not None:
                action = kind.model_validate(request.input)
                self.remember(request, action)
                return action
        except ValidationError as error:
            log.warning("input_unreadable", request_id=request.id, errors=error.error_count())
        raise Sorry(f"This was asked from another version of Postroom, which this one cannot read.{NOTHING_DONE}")

    def remember(self, request: Request, action: Action) -> None:
        """What takes long to read is read once: each card, and each look at it, wants to know what it asks for."""
        is_long = any(isinstance(one, list) and len(one) > _LONG for one in request.input.values())
        if is_long and request.fingerprint and not action.secrets():
            self._long[request.fingerprint] = request.input, action
            while len(self._long) > _MOST_REMEMBERED:
                self._long.pop(next(iter(self._long)), None)

    @staticmethod
    def quote_of(request: Request) -> Quote | None:
        """What it was said to cost; None for what has no price, and for what this version cannot read."""
        try:
            return None if request.quote is None else Quote.model_validate(request.quote)
        except ValidationError:
            return None

    @staticmethod
    def outcome_of(request: Request) -> Outcome | None:
        """What is known of how it went so far; None also for what this version cannot read."""
        try:
            return None if request.outcome is None else _OUTCOME.validate_python(request.outcome)
        except ValidationError:
            return None

    def ruling_of(self, request: Request) -> Ruling:
        """Who decides a request: as it was ruled when it was asked, or by the defaults."""
        ruled = Ruling.from_json(request.ruling) if request.ruling is not None else None
        return ruled or Ruling("", (), auto=False, terms=self.policy.default)

    def account_named(self, name: str) -> Account:
        """The account of the settings; raises Sorry when it is no longer there."""
        account = self._accounts.get(name)
        if account is None:
            raise Sorry(f"The account {name} is no longer in Postroom's settings.{NOTHING_DONE}")
        return account

    def account_of(self, request: Request) -> Account:
        """The account with which a request is run. Raises Sorry when it is gone, or at another provider."""
        account = self.account_named(request.account)
        if account.provider != request.provider:
            raise Sorry(f"The account {request.account} is now at another provider.{NOTHING_DONE}")
        return account

    async def found(self, request_id: str) -> Request:
        """A request that was asked. Raises Sorry for anything else."""
        request = await self._store.requests.get(request_id)
        if request is None or request.state is RequestState.DRAFT:
            raise Sorry("Postroom does not know this request (any more). Nothing was changed.")
        return request

    async def requests_of(self, user: str, limit: int) -> list[Request]:
        """What one person asked, newest first."""
        return await self._store.requests.of(user, limit)

    async def use_of(self, reservations: Sequence[Reservation]) -> list[tuple[Reservation, BudgetUse]]:
        """What would be reserved, each with what its budget's month has used up so far."""
        return await self._store.look(lambda books: [(one, books.use(one.budget, one.period)) for one in reservations])

    def has_expired(self, request: Request) -> bool:
        """Whether it waits for a decision, and has waited for as long as it may."""
        longest = self.ruling_of(request).terms.expires_after
        since = request.waiting_since or request.created_at
        return request.state is RequestState.AWAITING and longest is not None and since + longest <= self._clock.now()

    def may_settle(self, request: Request) -> list[str]:
        """Who may say what became of it, where nobody could tell: people and groups, as the settings name them."""
        deciders = self.ruling_of(request).terms.deciders(request.escalated)
        return [one for one in dict.fromkeys((*deciders, *self.policy.default.approvers)) if one != request.requester]

    # People.

    async def now(self, named: Sequence[str]) -> frozenset[str]:
        """The people that ids of the settings stand for at this moment. Raises Sorry when Slack does not say."""
        try:
            return await self.who.among(named)
        except DirectoryUnavailable as error:
            raise Sorry(SILENT) from error

    async def is_member(self, user: str) -> bool:
        """Whether somebody may act here at this moment, as guests may not. Raises Sorry when Slack does not say."""
        try:
            return await self.who.is_active(user)
        except DirectoryUnavailable as error:
            raise Sorry(SILENT) from error

    async def groups_of(self, user: str) -> frozenset[str]:
        """The groups of the rules that somebody is in at this moment. Raises Sorry when Slack does not say."""
        try:
            return await self.who.groups_of(user)
        except DirectoryUnavailable as error:
            raise Sorry(
                "Slack did not say which teams you belong to, so Postroom cannot tell which rules hold. Nothing was "
                "asked. Try again in a minute."
            ) from error

    async def refused_click(self, request_id: str, by: str, what: str, why: str, who: str = "") -> None:
        """Somebody clicked who may not, or too late: the audit knows. `who` is the person where `why` says `{who}`."""
        told = {"wanted": what, "why": why.replace("{who}", who)} | ({"who": who} if who else {})
        await self._store.facts.note(request_id, Fact(by, "click_refused", told), self._clock.now())

    async def too_late(self, request_id: str) -> Sorry:
        """What to tell somebody whose click comes after the request has moved on."""
        request = await self._store.requests.get(request_id)
        if request is None:
            return Sorry("Postroom does not know this request (any more). Nothing was changed.")
        sentence = _TOO_LATE.get(request.state)
        if sentence is None:
            sentence = _UNDER_WAY_DECIDED if request.decided_by else _UNDER_WAY
        return Sorry(sentence, request.decided_by)

    # What was changed.

    async def expire(self, request: Request) -> None:
        """Nobody decided in time: it has ended, and the thread says so."""
        since = request.waiting_since or request.created_at
        told = Telling(Fact(POSTROOM, "expired"), [note(request, "expired", since=since.isoformat())])
        if (expired := await self._store.waiting.expire(request, told, self._clock.now())) is not None:
            self.moved(expired)

    def moved(self, request: Request) -> None:
        """Somebody decided about a request: what it needs no more is forgotten, and who has work now is woken."""
        if request.state.is_final:
            self.vault.drop(request.id)
        self.wake(request.state)

    def wake(self, state: RequestState) -> None:
        """A request is now in `state`: the beats that have to do with it have work."""
        self.changed("outbox")
        if state is RequestState.AWAITING:
            self.changed("waiting")
        elif state is RequestState.APPROVED:
            self.changed("requests")
        elif state in (RequestState.WORKING, RequestState.UNKNOWN):
            self.changed("jobs")


def stored(quote: Quote | None) -> dict[str, Any] | None:
    """A quote as it is kept with its request; None for what has no price."""
    return None if quote is None else quote.model_dump(mode="json")


def note(request: Request, fact: str, *, outcome: Outcome | None = None, **particulars: Any) -> NewMessage:
    """A line for the thread: the fact and its particulars, to be put into words when it is delivered."""
    told = {} if outcome is None else {"outcome": outcome.model_dump(mode="json")}
    return NewMessage(MessageKind.NOTE, request.channel, {"fact": fact, **particulars, **told})
