"""What can go wrong at the simulated Mailin, with whichever operation."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum


class Operation(StrEnum):
    """The endpoints that are simulated, by the names that faults and counts go by."""

    LOGIN = "login"
    USER = "user"
    SERVERS = "servers"
    SERVER = "server"
    DOMAINS = "domains"
    GOOGLE_DOMAINS = "google_domains"
    INBOXKIT_DOMAINS = "inboxkit_domains"
    DOMAIN = "domain"
    AVAILABILITY = "availability"
    BUY = "buy"
    BUY_MULTIPLE = "buy_multiple"
    BUY_GOOGLE = "buy_google"
    BUY_MULTIPLE_GOOGLE = "buy_multiple_google"
    JOB_STATUS = "job_status"
    TRANSFER = "transfer"
    TRANSFER_GOOGLE = "transfer_google"
    TRANSFER_INBOXKIT = "transfer_inboxkit"
    ADD_SUBDOMAIN = "add_subdomain"
    DELETE_DOMAIN = "delete_domain"
    DOMAIN_RATE_LIMIT = "domain_rate_limit"
    FORWARD = "forward"
    REMOVE_FORWARD = "remove_forward"
    FORWARD_EMAIL = "forward_email"
    MAILBOXES = "mailboxes"
    GOOGLE_MAILBOXES = "google_mailboxes"
    MAILBOX = "mailbox"
    CREATE_MAILBOXES = "create_mailboxes"
    CREATE_GOOGLE_MAILBOXES = "create_google_mailboxes"
    MAILBOX_JOB = "mailbox_job"
    RENAME_MAILBOX = "rename_mailbox"
    MAILBOX_PASSWORD = "mailbox_password"  # noqa: S105 (a name)
    DELETE_MAILBOX = "delete_mailbox"
    MAILBOX_RATE_LIMIT = "mailbox_rate_limit"
    TOTP = "totp"
    CREDENTIALS = "credentials"
    ADD_SIGNATURE = "add_signature"
    DELETE_SIGNATURE = "delete_signature"
    SET_FORWARDING = "set_forwarding"
    CHANGE_FORWARDING = "change_forwarding"
    REMOVE_FORWARDING = "remove_forwarding"
    ADD_INBOX_PROVIDER = "add_inbox_provider"
    INBOX_PROVIDERS = "inbox_providers"
    UPDATE_INBOX_PROVIDER = "update_inbox_provider"
    REMOVE_INBOX_PROVIDER = "remove_inbox_provider"
    ADD_REGISTRAR = "add_registrar"
    REGISTRARS = "registrars"
    UPDATE_REGISTRAR = "update_registrar"
    REMOVE_REGISTRAR = "remove_registrar"
    ADD_ORDER = "add_order"
    ORDERS = "orders"
    ORDER_NAMESERVERS = "order_nameservers"
    ORDER_STATUS = "order_status"
    ORDER_MAILBOXES = "order_mailboxes"
    REMOVE_ORDER = "remove_order"
    ORDER_REDIRECT = "order_redirect"
    ORDER_PROVIDER = "order_provider"
    REMOVE_ORDER_PROVIDER = "remove_order_provider"
    REUPLOAD = "reupload"
    UPLOAD_STATUS = "upload_status"
    VERIFY_SINGLE = "verify_single"
    SINGLE_RESULT = "single_result"
    VERIFY_FILE = "verify_file"
    VERIFY_EMAILS = "verify_emails"
    TASK = "task"
    CREDIT_HISTORY = "credit_history"
    CREDITS = "credits"
    DOWNLOAD = "download"


class Work(StrEnum):
    """How much of what was asked is done before a fault strikes."""

    NOTHING = "nothing"
    HALF = "half"
    """The first half of the names, rounded up."""
    ALL = "all"


class Kind(StrEnum):
    """What goes wrong."""

    SLOW = "slow"
    STATUS = "status"
    CUT = "cut"
    CUT_IN_ANSWER = "cut_in_answer"
    MALFORMED = "malformed"
    UNKNOWN_SHAPE = "unknown_shape"
    JOB_SAYS = "job_says"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, once or more. Made with the functions below."""

    kind: Kind
    work: Work = Work.ALL
    status: int = 500
    seconds: float = 0.0
    retry_after: str | None = None
    word: str = ""

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """Everything is done at once; the answer comes so many (real) seconds later."""
        return cls(Kind.SLOW, seconds=seconds)

    @classmethod
    def answers(cls, status: int, *, work: Work = Work.NOTHING, retry_after: str | int | None = None) -> Fault:
        """This status, with everything, half or nothing done: 429, 500, 310, 313 …"""
        asked = None if retry_after is None else str(retry_after)
        return cls(Kind.STATUS, work=work, status=status, retry_after=asked)

    @classmethod
    def cut_before(cls) -> Fault:
        """The connection is cut; nothing was done."""
        return cls(Kind.CUT, work=Work.NOTHING)

    @classmethod
    def cut_after(cls, *, work: Work = Work.ALL) -> Fault:
        """It is done, and the connection cut instead of an answer."""
        return cls(Kind.CUT, work=work)

    @classmethod
    def cut_in_answer(cls) -> Fault:
        """It is done, and the connection cut in the middle of the answer."""
        return cls(Kind.CUT_IN_ANSWER)

    @classmethod
    def malformed(cls) -> Fault:
        """It is done; the answer has the right status and is no JSON, not even nearly."""
        return cls(Kind.MALFORMED)

    @classmethod
    def unknown_shape(cls) -> Fault:
        """It is done; the answer has the right status and is JSON that nobody has seen before."""
        return cls(Kind.UNKNOWN_SHAPE)

    @classmethod
    def job_says(cls, word: str) -> Fault:
        """A job, an order or a verification reports a status nobody has documented."""
        return cls(Kind.JOB_SAYS, word=word)


class Faults:
    """The faults to come, by operation, in the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: dict[Operation, deque[Fault]] = {}

    def add(self, operation: Operation | str, fault: Fault, times: int = 1) -> None:
        """Let the next `times` calls of this operation go wrong."""
        self._waiting.setdefault(Operation(operation), deque()).extend([fault] * times)

    def take(self, operation: Operation) -> Fault | None:
        """The fault of this very call."""
        waiting = self._waiting.get(operation)
        return waiting.popleft() if waiting else None

    def clear(self) -> None:
        """All is well again."""
        self._waiting.clear()

    def waiting(self) -> dict[str, int]:
        """How many are still to come, by operation."""
        return {operation.value: len(faults) for operation, faults in self._waiting.items() if faults}
