"""What the operator says about an account at Mailin.ai."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, HttpUrl, SecretStr, field_validator

from providers.accounts import AccountSettings


class MailinSettings(AccountSettings):
    """`[accounts.<name>]` of an account at Mailin.ai."""

    model_config = ConfigDict(defer_build=True, hide_input_in_errors=True)

    base_url: HttpUrl = Field(
        HttpUrl("https://api.mailin.ai"),
        description="Where the provider's API lives. May point anywhere, a test server included.",
    )
    min_seconds_between_writes: Annotated[float, Field(ge=0, le=3600)] = Field(
        2.5,
        description="Calls that change something are spaced at least this many seconds apart; what only reads goes on "
        "meanwhile.",
    )
    email: SecretStr = Field(description="The e-mail address the account logs in with.")
    password: SecretStr = Field(description="The account's password.")
    device_name: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        "postroom", description="The name under which Mailin lists this program's log-ins."
    )
    upload_status_path: Literal["both", "documented", "public"] = Field(
        "both",
        description="Where an Azure order's upload is asked about: at the documented address, at the one that has "
        "/public/ in it like all others, or at the one first and then at the other.",
    )

    @field_validator("email")
    @classmethod
    def _looks_like_an_address(cls, email: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email.get_secret_value()):
            raise ValueError("must be an e-mail address")
        return email

    @field_validator("password")
    @classmethod
    def _is_there(cls, password: SecretStr) -> SecretStr:
        if not password.get_secret_value():
            raise ValueError("must not be empty")
        return password
