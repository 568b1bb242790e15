"""What the operator says about an account at a provider: where it is, how fast it may be called, what things cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, HttpUrl


class Clock(Protocol):
    """Time as a dependency: aware UTC, passed in everywhere so that tests need not wait."""

    def now(self) -> datetime:
        """The present moment, timezone-aware, in UTC."""
        ...


class AccountSettings(BaseModel):
    """`[accounts.<name>]` in the settings: the part every provider's account has. Each provider adds its own."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    provider: str = Field(description="Which provider this account is at.")
    base_url: HttpUrl = Field(description="Where the provider's API lives. May point anywhere, a test server included.")
    min_seconds_between_calls: Annotated[float, Field(ge=0, le=3600)] = Field(
        1.0, description="Calls of this account are spaced at least this many seconds apart."
    )
    min_seconds_between_writes: Annotated[float, Field(ge=0, le=3600)] = Field(
        0.0, description="Those of them that change something, at least this many; what only reads goes on meanwhile."
    )
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = Field(
        30.0, description="After this long without an answer, a call counts as unanswered."
    )


class PriceList(BaseModel):
    """`[prices.<provider>]`: what the operator says things cost. Keys are the provider's own words ("domain.com")."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code, such as USD.")] = "USD"
    prices: Mapping[str, Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=4)]] = Field(
        default_factory=dict[str, Decimal]
    )

    def price(self, key: str) -> Decimal | None:
        """The price under `key`, in `currency`; None when nobody configured one."""
        return self.prices.get(key)


@dataclass(frozen=True, slots=True)
class Account:
    """One account, opened: its settings' name, its provider, the provider's client, and its price list.

    Its calls are kept `seconds_between_calls` apart by the client; whoever has many to make need not queue them all.
    """

    name: str
    provider: str
    client: Any = field(repr=False)
    prices: PriceList = field(default_factory=PriceList)
    seconds_between_calls: float = 0.0
