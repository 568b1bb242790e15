"""What the simulated Mailin keeps, and the switches of its behaviour."""

from __future__ import annotations

import itertools
import secrets
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from providers.accounts import Clock
from providers.mailin.models import JobState, VerificationType
from providers.mailin.sandbox.operations import Operation
from providers.simulator import REMEMBERED_CALLS, Arrived, Faults

SANDBOX_EMAIL: Final = "ana@sandbox.example"
SANDBOX_PASSWORD: Final = "sandbox-password"  # noqa: S105 (opens nothing but this)
USER_ID: Final = 1

TAKEN = ("google.com", "taken.com", "example.com")

SandboxHosting = Literal["smtp", "google", "inboxkit", "azure"]


@dataclass(frozen=True, slots=True)
class Purchase:
    """Money that was spent: one name, bought once more. `hosting` is "azure" for an order, `job` then its id."""

    domain: str
    hosting: SandboxHosting
    at: datetime
    job: str


@dataclass(slots=True)
class SandboxJob:
    """A batch job and how it will end, name by name. `domains` are addresses where it makes mailboxes."""

    id: str
    domains: tuple[str, ...]
    hosting: SandboxHosting
    begun_at: datetime
    ends_at: datetime
    failing: tuple[str, ...]

    def state(self, now: datetime) -> JobState:
        """Pending at first, processing in its second half, then what it came to."""
        if now < self.ends_at:
            half = self.begun_at + (self.ends_at - self.begun_at) / 2
            return JobState.PENDING if now < half else JobState.PROCESSING
        if len(self.failing) == len(self.domains):
            return JobState.FAILED
        return JobState.COMPLETED_WITH_ERRORS if self.failing else JobState.COMPLETED

    def share(self, now: datetime) -> float:
        """How much of it is done, from 0 to 1."""
        whole = (self.ends_at - self.begun_at).total_seconds()
        return min((now - self.begun_at).total_seconds() / whole, 1.0) if whole > 0 else 1.0

    def report(self, batch: str, said: str, now: datetime) -> str:
        """Its report in words."""
        ended_badly = self.state(now) in (JobState.FAILED, JobState.COMPLETED_WITH_ERRORS)
        could_not = f"; could not register: {', '.join(self.failing)}" if self.failing and ended_badly else ""
        return f"Job Created - {batch} {said}{could_not}"


@dataclass(slots=True)
class SandboxDomain:
    """A domain of the account: listed from `listed_at`, active from `active_at`.

    Its name servers are seen from `name_servers_at`; None: when it becomes active.
    """

    id: int
    name: str
    hosting: SandboxHosting
    bought_at: datetime
    listed_at: datetime
    active_at: datetime
    name_servers_at: datetime | None = None
    parent: str = ""
    forward_to: str | None = None
    email_forward_to: str | None = None


@dataclass(slots=True)
class SandboxMailbox:
    """A mailbox of the account, with all that opens it."""

    id: int
    domain_id: int
    name: str
    username: str
    password: str
    hosting: SandboxHosting
    made_at: datetime
    listed_at: datetime
    signature: str | None = None
    forwarding: str | None = None
    totp_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    app_password: str = field(default_factory=lambda: " ".join(secrets.token_hex(2) for _ in range(4)))


@dataclass(slots=True)
class SandboxOrder:
    """An Azure order: listed from `listed_at`, ready from `ready_at`."""

    id: int
    domain: str
    mode: str
    full_names: list[str]
    mailboxes: list[dict[str, str]]
    is_purchase: bool
    provider_id: int | None
    registrar_id: int | None
    placed_at: datetime
    listed_at: datetime
    ready_at: datetime
    redirect_to: str | None = None
    upload_ends_at: datetime | None = None


@dataclass(slots=True)
class SandboxTask:
    """A verification: of one address, or of many."""

    id: str
    kind: VerificationType
    addresses: tuple[str, ...]
    begun_at: datetime
    ends_at: datetime
    cost: int
    is_bulk: bool
    failure: str = ""


@dataclass
class MailinSandbox:
    """The provider's state, and the switches of its behaviour. Change what you like while it runs."""

    clock: Clock
    job_seconds: float = 0.0
    """How long jobs, transfers, orders, uploads and verifications take, by the clock."""
    listing_lag_seconds: float = 0.0
    """How long after a purchase nothing knows of it yet: no listing, no availability, no refusal of a second one."""
    faults: Faults = field(default_factory=lambda: Faults(Operation))
    taken: set[str] = field(default_factory=lambda: set(TAKEN))
    """Names that belong to somebody else."""
    failing: set[str] = field(default_factory=set)
    """Names and addresses that are accepted and then fail in their job. They are not bought."""
    token_seconds: float | None = None
    """How long a token lives, by the clock; None is for ever."""
    mailbox_slots: int = 1000
    """How many mailboxes the account may have; more need another subscription."""
    missing_mailbox: Literal[404, 500] = 404
    """How an unknown mailbox is told of: as is documented, or as it has been seen."""
    order_exists: int = 422
    """The status of the refusal of a second order for a domain, which is not documented."""
    upload_status_at: Literal["documented", "public", "both"] = "documented"
    """Under which address the upload of an order is told of."""
    verdict_at_once: bool = True
    """Whether a single verification answers with its verdict, or with a task."""
    azure_shows_passwords: bool = False
    """Show an order's passwords to whoever asks for its mailboxes, instead of asterisks."""
    download_is_file: bool = False
    """Whether a download of the type "standard" is the file itself, as the text has it, or a link."""

    purchases: list[Purchase] = field(default_factory=list)
    """What was really bought, in order. A name that is here twice was paid for twice."""
    calls: Counter[str] = field(default_factory=Counter)
    """How often each operation was called, whatever came of it."""
    arrived: deque[Arrived] = field(default_factory=lambda: deque(maxlen=REMEMBERED_CALLS), repr=False)
    """The latest calls as they came in."""
    domains: dict[str, SandboxDomain] = field(default_factory=dict)
    jobs: dict[str, SandboxJob] = field(default_factory=dict)
    mailboxes: dict[int, SandboxMailbox] = field(default_factory=dict)
    mailbox_jobs: dict[str, SandboxJob] = field(default_factory=dict)
    inbox_providers: dict[int, dict[str, str]] = field(default_factory=dict)
    registrars: dict[int, dict[str, str]] = field(default_factory=dict)
    orders: dict[int, SandboxOrder] = field(default_factory=dict)
    tasks: dict[str, SandboxTask] = field(default_factory=dict)
    ledger: list[tuple[str, int]] = field(default_factory=lambda: [("Purchased credits", 10_000)])
    """The credits' history, oldest first: what for, and how many came (or went, if negative)."""
    _tokens: dict[str, datetime] = field(default_factory=dict, repr=False)
    _ids: dict[str, Iterator[int]] = field(default_factory=dict, repr=False)

    def times_bought(self, domain: str) -> int:
        """How often a name was paid for."""
        return sum(purchase.domain == domain for purchase in self.purchases)

    @property
    def credits(self) -> int:
        """How many credits are left."""
        return sum(change for _, change in self.ledger)

    def expire_tokens(self) -> None:
        """Forget every log-in: the next call of anybody gets a 401."""
        self._tokens.clear()

    def own(self, *names: str, hosting: SandboxHosting = "smtp") -> None:
        """Put domains into the account that have been there, active, since before the story begins."""
        for name in names:
            self.add_domain(name, hosting, active_at=self.clock.now(), lag=0.0)

    def own_mailboxes(self, *usernames: str, hosting: Literal["smtp", "google"] = "smtp") -> list[SandboxMailbox]:
        """Put mailboxes into the account, with their domains, that have been there since before the story begins."""
        self.own(*(username.split("@")[1] for username in usernames), hosting=hosting)
        return [self.add_mailbox(name, name.split("@")[0].title(), hosting, lag=0.0) for name in usernames]

    # What the endpoints do.

    def next_id(self, kind: str) -> int:
        """A number that nothing of this kind has had."""
        return next(self._ids.setdefault(kind, itertools.count(1)))

    def later(self, seconds: float | None = None) -> datetime:
        """When something ends that begins now and takes so long, or as long as jobs do."""
        return self.clock.now() + timedelta(seconds=self.job_seconds if seconds is None else seconds)

    def log_in(self) -> str:
        """A new token."""
        token = f"{len(self._tokens) + 1}|{secrets.token_hex(20)}"
        self._tokens[token] = self.clock.now()
        return token

    def is_logged_in(self, token: str) -> bool:
        """Whether a token (still) counts."""
        issued = self._tokens.get(token)
        if issued is None:
            return False
        return self.token_seconds is None or self.clock.now() < issued + timedelta(seconds=self.token_seconds)

    def knows(self, name: str) -> bool:
        """Whether a domain is in the account, as far as that has got about."""
        domain = self.domains.get(name)
        return domain is not None and domain.listed_at <= self.clock.now()

    def is_free(self, name: str) -> bool:
        """Whether a name can be bought, as far as is known: a purchase becomes known only after the lag."""
        return name not in self.taken and not self.knows(name)

    def begin_job(self, ordered: Sequence[str], done: Sequence[str], hosting: SandboxHosting) -> SandboxJob:
        """A job for all that was `ordered`, of which only what is `done` will come to something."""
        return SandboxJob(
            id=str(uuid.uuid4()),
            domains=tuple(ordered),
            hosting=hosting,
            begun_at=self.clock.now(),
            ends_at=self.later(),
            failing=tuple(name for name in ordered if name in self.failing or name not in done),
        )

    def buy(self, names: Sequence[str], hosting: SandboxHosting, ordered: Sequence[str] | None = None) -> SandboxJob:
        """Buy `names` and begin a job for all that was `ordered`."""
        job = self.begin_job(names if ordered is None else ordered, names, hosting)
        self.jobs[job.id] = job
        for name in names:
            if name not in self.failing:
                self.purchases.append(Purchase(domain=name, hosting=hosting, at=self.clock.now(), job=job.id))
                self.add_domain(name, hosting, active_at=job.ends_at)
        return job

    def listed(self, hosting: SandboxHosting, name: str = "") -> list[SandboxDomain]:
        """The domains of a listing whose name contains `name`."""
        now = self.clock.now()
        return [
            domain
            for domain in self.domains.values()
            if domain.hosting == hosting and domain.listed_at <= now and name.lower() in domain.name
        ]

    def add_domain(
        self, name: str, hosting: SandboxHosting, *, active_at: datetime, lag: float | None = None, parent: str = ""
    ) -> SandboxDomain:
        """Put a domain into the account. One that is there already stays as it is: bought twice, it is only one."""
        if name not in self.domains:
            self.domains[name] = SandboxDomain(
                id=self.next_id("domain"),
                name=name,
                hosting=hosting,
                bought_at=self.clock.now(),
                listed_at=self.later(self.listing_lag_seconds if lag is None else lag),
                active_at=active_at,
                parent=parent or name,
            )
        return self.domains[name]

    def domain_by_id(self, domain_id: object) -> SandboxDomain | None:
        """The domain with this id, if it is known yet."""
        known = (domain for domain in self.domains.values() if domain.id == domain_id and self.knows(domain.name))
        return next(known, None)

    def remove_domain(self, domain: SandboxDomain) -> None:
        """Remove a domain and its mailboxes."""
        del self.domains[domain.name]
        self.mailboxes = {id_: box for id_, box in self.mailboxes.items() if box.domain_id != domain.id}

    def add_mailbox(
        self,
        username: str,
        name: str,
        hosting: SandboxHosting,
        *,
        password: str | None = None,
        lag: float | None = None,
    ) -> SandboxMailbox:
        """Put a mailbox into the account, on a domain that it has."""
        mailbox = SandboxMailbox(
            id=self.next_id("mailbox"),
            domain_id=self.domains[username.split("@")[1]].id,
            name=name,
            username=username,
            password=password or secrets.token_urlsafe(9),
            hosting=hosting,
            made_at=self.clock.now(),
            listed_at=self.later(self.listing_lag_seconds if lag is None else lag),
        )
        self.mailboxes[mailbox.id] = mailbox
        return mailbox

    def has_mailbox(self, username: str) -> bool:
        """Whether an address is in the account, as far as that has got about."""
        now = self.clock.now()
        return any(box.username == username and box.listed_at <= now for box in self.mailboxes.values())

    def known_orders(self) -> Mapping[int, SandboxOrder]:
        """The orders, as far as they have got about."""
        now = self.clock.now()
        return {order.id: order for order in self.orders.values() if order.listed_at <= now}
