"""The vocabulary of asking: an Action is one thing people can ask; from its class comes everything else.

The slash sub-command and its help line, the modal and the error under each field, the prefill from words typed after
the command, the quote, the approval, the job, the thread, the audit entry and the reference docs are all derived from
the class here. A provider's `actions` are such classes, in a file, or in a folder by noun.
"""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from providers.accounts import PriceList
from providers.errors import ProviderError


class Effect(StrEnum):
    """What asking for it does to the world. Declared per action and per call, never guessed from the HTTP method."""

    READ = "read"
    """Answers at once, to the asker alone."""
    WRITE = "write"
    """Runs when asked; can be undone or repeated. Where its price is not known to be nothing, it waits like a SPEND."""
    SPEND = "spend"
    """Costs money or credits: waits for a decision, and is sent at most once."""
    DESTROY = "destroy"
    """Cannot be undone: waits for a decision, and is sent at most once."""
    REVEAL = "reveal"
    """Shows a credential once, to the asker alone, and stores nothing."""

    @property
    def needs_decision(self) -> bool:
        """Whether somebody has to say yes before it runs."""
        return self in (Effect.SPEND, Effect.DESTROY)


class _Frozen(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")


class QuoteLine(_Frozen):
    """One thing of a request with its price in the quote's currency; None is "nobody configured a price"."""

    what: str
    price: Decimal | None = None

    @property
    def subject(self) -> str:
        """What it is the price of: `what`, up to the comma behind which a part of the price is named."""
        return self.what.partition(",")[0]


class Quote(_Frozen):
    """What a request will cost, line by line, and until when that holds (None: until the price list changes)."""

    lines: tuple[QuoteLine, ...]
    currency: str = "USD"
    valid_until: datetime | None = None

    @property
    def total(self) -> Decimal | None:
        """The sum in `currency`; None as soon as one line's price is unknown."""
        prices = [line.price for line in self.lines]
        return None if any(price is None for price in prices) else sum((p for p in prices if p is not None), Decimal(0))


class ItemState(StrEnum):
    """Where one item of a request stands, in a person's words rather than a provider's."""

    LIVE = "live"
    BOUGHT = "bought"
    """Paid for, not usable yet."""
    NOT_DONE = "not_done"
    UNKNOWN = "unknown"
    INFO = "info"
    """Not a result: a row of a listing."""


class Item(_Frozen):
    """One line of an answer: a domain and what is true of it. `note` is plain text, never markup."""

    name: str
    state: ItemState = ItemState.INFO
    note: str = ""


class Pick(_Frozen):
    """What a table's rows are good for: those that the reader chooses fill in the form of another command.

    The first cell of each chosen row is a line of the field `field` of `command`, at the same account. It is form input
    like any other: the form shows it, and it is validated when that is sent. `button` says what will be asked.
    """

    command: str
    field: str
    button: str


class Table(_Frozen):
    """Rows of plain text under named columns; shown as a table where the workspace can, as lines where not."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    pick: Pick | None = None


class Chart(_Frozen):
    """Shares of a whole, by name; shown as a pie where the workspace can, as figures where not."""

    title: str
    shares: tuple[tuple[str, int], ...]


class Download(_Frozen):
    """Something to take away, for the asker alone: a `link` that opens for whoever has it, or the file itself.

    It is handed over and neither stored nor logged.
    """

    name: str
    """What the file is called."""
    link: SecretStr | None = None
    content: SecretBytes | None = None


class Done(_Frozen):
    """It happened (or, for a READ, here is the answer). `next_page` continues a listing, None at its end."""

    kind: Literal["done"] = "done"
    summary: str
    items: tuple[Item, ...] = ()
    table: Table | None = None
    chart: Chart | None = None
    download: Download | None = Field(None, exclude=True, repr=False)
    """Of a READ's answer only."""
    next_page: int | None = None


class Pending(_Frozen):
    """Accepted; ask again with `ref`, which may change from poll to poll. `done` of `total` is progress, if known."""

    kind: Literal["pending"] = "pending"
    ref: dict[str, JsonValue]
    progress: str = ""
    done: int | None = None
    total: int | None = None
    items: tuple[Item, ...] = Field((), exclude_if=lambda items: not items)
    """What was seen of single items before they are all done, where something was."""


class Failed(_Frozen):
    """It did not (wholly) happen. `items` says what was and was not done, `cure` what to do now."""

    kind: Literal["failed"] = "failed"
    summary: str
    cure: str
    items: tuple[Item, ...] = ()


class Unknown(_Frozen):
    """Nobody knows yet whether it happened. `evidence` is what was seen; it is never repeated without a person."""

    kind: Literal["unknown"] = "unknown"
    summary: str
    evidence: str = ""
    items: tuple[Item, ...] = ()
    ref: dict[str, JsonValue] | None = None
    """The handle of a job that was given up on, so that a person can have it watched again."""


@dataclass(frozen=True, slots=True)
class Revealed:
    """What a REVEAL shows, once, to the asker alone: values by name. Never stored, logged or put into a channel."""

    summary: str
    secrets: tuple[tuple[str, SecretStr], ...]


Outcome = Annotated[Done | Pending | Failed | Unknown, Field(discriminator="kind")]
"""What running, polling or reconciling an action can tell."""


@dataclass(frozen=True, slots=True)
class Later:
    """Too early: what is left can be sent at `until` (aware UTC), and provably nothing of that was sent. WRITE only.

    `summary` says why, and what was done. `plan` is what goes when, in the order of time; its first entry is at
    `until`. `left` is what is to be asked then, where a part was done already; None: all of it, as it was.
    """

    until: datetime
    summary: str
    plan: tuple[tuple[datetime, str], ...] = ()
    left: Action | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What requests of the same command have to wait for one after the other, at one account.

    Of those `about` the same thing one is taken `every` so often. `needed` is how many times this one has still to go.
    """

    about: str
    every: timedelta
    needed: int = 1


WITHHELD = "**********"
"""What stands in the stored input for a secret that was given: that there was one, and nothing of it."""


class Refused(Exception):
    """Raised by `check`: this request cannot work, so nobody is asked.

    `problems` maps a field's name to a sentence; an empty name stands for the request as a whole.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


class Action(BaseModel):
    """One thing people can ask. Subclass it with `provider=`, `command=` ("noun verb"), `title=`, `effect=`, `calls=`.

    The class docstring's first line is the help line. Fields are the form, in order; `Field(title=, description=)` are
    its labels and hints. A field marked with `from_words()` takes the words typed after the command; one marked with
    `hidden()` is not shown in the form. A SecretStr stays in the memory of the process until it was used: `check` and
    `run` have it, `poll` and `reconcile` find WITHHELD in its place.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    provider: ClassVar[str] = ""
    command: ClassVar[str] = ""
    title: ClassVar[str] = ""
    """What stands above its form, 24 characters at most."""
    effect: ClassVar[Effect] = Effect.READ
    calls: ClassVar[tuple[str, ...]] = ()
    """The provider's documented calls that it makes, or may have to: `POST /api/v1/domains/{domain_id}`."""
    deadline: ClassVar[timedelta | None] = None
    """How long it is watched before a person is asked what became of it; None: as long as the settings say."""
    registers: ClassVar[bool] = False
    """Whether what it buys are domains that it registers anew: for a year, and then they have to be renewed."""

    def __init_subclass__(
        cls,
        *,
        provider: str = "",
        command: str = "",
        effect: Effect | None = None,
        calls: tuple[str, ...] = (),
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls.title = cls.model_config.get("title") or command.capitalize()  # `title=` is pydantic's own word for it
        cls.provider = provider or cls.provider
        cls.command = command or cls.command
        cls.effect = effect or cls.effect
        cls.calls = calls or cls.calls

    # What people read.

    @classmethod
    def help_line(cls) -> str:
        """The first line of the docstring: what it does, in one sentence."""
        return (cls.__doc__ or "").strip().splitlines()[0]

    @classmethod
    def usage(cls) -> str:
        """What may follow the command, such as `name.com …`; for help texts and the manifest."""
        return ""

    def headline(self) -> str:
        """This very request in a few words: "Buy 2 domains"."""
        return self.help_line().rstrip(".")

    def subjects(self) -> tuple[str, ...]:
        """The things this request is about, by the names people use for them: its domains, its addresses."""
        return ()

    def without(self, names: Collection[str]) -> Self | None:
        """This request without some of its subjects; None if nothing would be left, or it cannot be taken apart.

        It can where one field, marked with `line_items()`, is the list of its subjects.
        """
        field = self.divisible()
        if field is None:
            return None
        gone = {name.lower() for name in names}
        values = list(getattr(self, field))
        left = [value for value, name in zip(values, self.subjects(), strict=True) if name.lower() not in gone]
        if not left:
            return None
        stored = self.model_dump(mode="python") | {field: left}
        return type(self).model_validate(stored)

    @classmethod
    def divisible(cls) -> str | None:
        """The field whose values are the subjects, one each, and can be taken out one by one; None if there is none."""
        for name, field in cls.model_fields.items():
            if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("line_items"):
                return name
        return None

    @classmethod
    def may_need_decision(cls) -> bool:
        """Whether somebody may have to say yes: because of its effect, or because it changes something and has a price.

        For the latter the price itself decides: what is free runs when asked, anything else waits.
        """
        return cls.effect.needs_decision or (cls.effect is Effect.WRITE and cls.quote is not Action.quote)

    def turn(self) -> Turn | None:
        """Where the provider takes such requests only so often: what they wait for one after the other."""
        return None

    # What people type.

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        """Field values from the words after the command, as typed: nothing is lost, the form shows what was wrong."""
        for name, field in cls.model_fields.items():
            if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("from_words") and words:
                return {name: "\n".join(words)}
        return {}

    @classmethod
    def is_hidden(cls, field: str) -> bool:
        """Whether a field is kept out of the form (page numbers and the like)."""
        extra = cls.model_fields[field].json_schema_extra
        return isinstance(extra, dict) and bool(extra.get("hidden"))

    # What was handed over and is never written down.

    @classmethod
    def secret_fields(cls) -> tuple[str, ...]:
        """The fields whose values must never be stored, shown or logged."""
        return _secret_fields(cls)

    def secrets(self) -> dict[str, SecretStr]:
        """The secrets that were given, by field."""
        given = {name: getattr(self, name) for name in self.secret_fields()}
        return {name: value for name, value in given.items() if value is not None}

    def with_secrets(self, secrets: Mapping[str, SecretStr]) -> Self:
        """This request with what was withheld in its place again."""
        return self.model_copy(update=dict(secrets))

    def stored(self) -> dict[str, Any]:
        """The input as JSON, fit to be stored: of a secret only that it was given. Makes an action again as it is."""
        withheld = dict.fromkeys(self.secrets(), WITHHELD)
        return self.model_dump(mode="json", exclude=set(withheld)) | withheld

    def fingerprint(self, account: str, quote: Quote | None) -> str:
        """A hash of what is being asked, of whom, and at what price. Votes are bound to it."""
        content = {
            "command": self.command,
            "provider": self.provider,
            "account": account,
            "input": self.stored(),
            "quote": None if quote is None else quote.model_dump(mode="json", exclude={"valid_until"}),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    # What happens. `client` is the provider's own typed client.

    async def check(self, client: Any) -> None:
        """Refuse before anybody is asked: taken, already ours. Reads only.

        Raises Refused with a sentence per field, or a ProviderError when the provider cannot say.
        """

    async def quote(self, client: Any, prices: PriceList) -> Quote | None:
        """What it will cost. None for what costs nothing.

        Asked when it is reviewed, and once more right before it is sent: raises Refused where it cannot be paid.
        """
        return None

    async def run(self, client: Any, key: str) -> Outcome | Later:
        """Do it. `key` is the request's own permanent key, for providers that can carry a tag.

        Raises a ProviderError; OutcomeUnknown is the one that must be reconciled and never repeated. A WRITE that is
        RateLimited, with the seconds to wait, is run again when they are over: nothing may have been changed before.
        """
        raise TypeError(f"{type(self).__name__} cannot be run")

    async def reveal(self, client: Any) -> Revealed:
        """For REVEAL, instead of `run`: fetch the credential. Raises a ProviderError."""
        raise TypeError(f"{type(self).__name__} reveals nothing")

    async def poll(self, client: Any, ref: Mapping[str, JsonValue]) -> Outcome:
        """Ask the provider how an accepted request is getting on. Reads only."""
        raise TypeError(f"{type(self).__name__} finishes at once and has nothing to poll")

    @classmethod
    async def poll_many(
        cls, client: Any, waiting: Sequence[tuple[Self, Mapping[str, JsonValue]]]
    ) -> Sequence[Outcome | ProviderError]:
        """Ask how many accepted requests are getting on, each with its `ref`; one answer each, in that order.

        For actions of which one listing tells about all at once: those override it. What it raises is true of all.
        """
        return [await action.polled(client, ref) for action, ref in waiting]

    @classmethod
    def polls_together(cls) -> bool:
        """Whether asking about many of these costs less than asking about each."""
        return cls.poll_many.__func__ is not Action.poll_many.__func__  # type: ignore[attr-defined]

    async def polled(self, client: Any, ref: Mapping[str, JsonValue]) -> Outcome | ProviderError:
        """`poll`, with what the provider could not tell as a value: the others of `poll_many` still count."""
        try:
            return await self.poll(client, ref)
        except ProviderError as error:
            return error

    async def reconcile(self, client: Any, key: str) -> Outcome | Later:
        """After an unclear answer: find out by reading what happened. Unknown when the reading proves nothing.

        Later when what was sent has happened, and more of it is to be sent.
        """
        return Unknown(summary="This provider gives no way to look it up.")


@cache
def _secret_fields(kind: type[Action]) -> tuple[str, ...]:
    """Looked up once for each kind: every confirmation asks for it several times."""
    return tuple(name for name, field in kind.model_fields.items() if is_secret(field.annotation))


def is_secret(annotation: Any) -> bool:
    """Whether a field of this type holds a secret: SecretStr, or that or nothing."""
    return annotation is SecretStr or any(is_secret(one) for one in get_args(annotation))


def from_words() -> dict[str, JsonValue]:
    """Mark a field (`json_schema_extra=`) as the one that takes the words typed after the command."""
    return {"from_words": True}


def line_items() -> dict[str, JsonValue]:
    """Mark a list field (`json_schema_extra=`) as the subjects of the request: approvers may take some of them out."""
    return {"line_items": True}


def choices(words: Mapping[str, str]) -> dict[str, JsonValue]:
    """Mark a Literal field with the words people read for each of its values."""
    return {"choices": dict(words)}


def choices_of(field: FieldInfo) -> dict[str, str]:
    """What can be chosen in a field, one or (in a list) several: each value with the words people read for it.

    Empty for a field into which something is typed.
    """
    kind = bare(field.annotation)
    if get_origin(kind) in (list, tuple):
        kind = next(map(bare, get_args(kind)), None)
    if get_origin(kind) is Literal:
        named = {str(value): str(value) for value in get_args(kind)}
    elif isinstance(kind, type) and issubclass(kind, Enum):
        named = {str(one.value): one.name for one in kind}
    else:
        return {}
    given = field.json_schema_extra.get("choices") if isinstance(field.json_schema_extra, dict) else None
    words = given if isinstance(given, dict) else {}
    return {value: str(words.get(value, name.replace("_", " ").capitalize())) for value, name in named.items()}


def bare(annotation: Any) -> Any:
    """The type itself, without Annotated and without "or None"."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return bare(kinds[0]) if len(kinds) == 1 else annotation
    return annotation


def multiline() -> dict[str, JsonValue]:
    """Mark a text field as one of several lines."""
    return {"multiline": True}


def hidden() -> dict[str, JsonValue]:
    """Mark a field (`json_schema_extra=`) as not shown in the form."""
    return {"hidden": True}
