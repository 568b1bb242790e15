"""Mailin's endpoints about mailboxes, SMTP's and Google's: what is one route, documented twice, is one method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pydantic import JsonValue, SecretStr

from providers.action import Effect
from providers.errors import BadAnswer
from providers.mailin.lenient import OptionalSecret, Page, Shape, with_id
from providers.mailin.models import (
    Credentials,
    Hosting,
    JobState,
    Mailbox,
    MailboxJob,
    NewGoogleMailbox,
    NewMailbox,
    RateLimit,
    Totp,
)
from providers.mailin.session import PER_PAGE, Session

MAILBOXES_AT_ONCE = 10
"""How many to create in one call. Mailin states no limit; clients that work well send ten."""

_LISTINGS: Mapping[Hosting, str] = {"smtp": "/mailboxes", "google": "/mailboxes/list/google"}


class MailboxCalls(Session):
    """Mailboxes: seeing, creating, changing, deleting, and what opens them.

    Passwords come with nearly everything that Mailin says of a mailbox. They are kept only by the methods that reveal
    them, each in a SecretStr.
    """

    # Seeing.

    async def mailboxes(self, page: int = 1, per_page: int = PER_PAGE, name: str | None = None) -> Page[Mailbox]:
        """A page of the SMTP mailboxes (endpoint row 37). `name` finds all whose name or address contains it."""
        return await self._page(_LISTINGS["smtp"], with_id(self._mailbox), page, per_page, name=name)

    async def google_mailboxes(self, page: int = 1, per_page: int = PER_PAGE, name: str | None = None) -> Page[Mailbox]:
        """A page of the Google mailboxes (endpoint row 49). `name` finds all whose name or address contains it."""
        return await self._page(_LISTINGS["google"], with_id(self._mailbox), page, per_page, name=name)

    async def mailbox(self, mailbox_id: int) -> Mailbox:
        """One mailbox, SMTP or Google's (endpoint rows 38, 50; their path is inferred)."""
        reply = await self._call("GET", f"/mailboxes/{mailbox_id}", effect=Effect.READ)
        return self._understood(reply, "a mailbox", self._mailbox)

    async def find_mailbox(self, username: str, hosting: Hosting = "smtp") -> Mailbox | None:
        """The account's mailbox with exactly this address, or None. "None" soon after it was made proves nothing."""
        async for mailbox in self._items(lambda page: self._listing(hosting, page, username)):
            if mailbox.username.lower() == username.lower():
                return mailbox
        return None

    async def mailboxes_of(self, domain: str, hosting: Hosting = "smtp") -> tuple[Mailbox, ...]:
        """All mailboxes of exactly this domain. Of several addresses it is one call to look here, not one for each."""
        end = f"@{domain.lower()}"
        listed = self._items(lambda page: self._listing(hosting, page, end))
        return tuple([mailbox async for mailbox in listed if mailbox.username.lower().endswith(end)])

    async def mailbox_rate_limit(self, mailbox_id: int) -> RateLimit:
        """How much a mailbox may send (endpoint row 44; its path is inferred)."""
        return await self._get(f"/mailboxes/{mailbox_id}/rate-limit", RateLimit)

    # Creating. It uses up slots of the account, and is a job.

    async def create_mailboxes(self, mailboxes: Sequence[NewMailbox]) -> str:
        """Create SMTP mailboxes (endpoint row 39), best MAILBOXES_AT_ONCE at a time. Returns the uuid of the job."""
        secrets = [mailbox.password for mailbox in mailboxes if mailbox.password is not None]
        return await self._create("/mailboxes", [mailbox.as_sent() for mailbox in mailboxes], secrets)

    async def create_google_mailboxes(self, mailboxes: Sequence[NewGoogleMailbox]) -> str:
        """Create Google mailboxes (endpoint row 51), best MAILBOXES_AT_ONCE at a time. Returns the uuid of the job."""
        return await self._create("/mailboxes/add/google", [mailbox.as_sent() for mailbox in mailboxes])

    async def mailbox_job(self, uuid: str) -> MailboxJob:
        """How a batch of mailboxes is getting on (endpoint rows 40, 52). Raises NotFound for an unknown job."""
        job = await self._get(f"/mailboxes/status/{quote(uuid, safe='')}", MailboxJob)
        if job.state is JobState.UNKNOWN:
            self._odd("job status", job.raw_status)
        return job

    # Changing, and the end.

    async def rename_mailbox(self, mailbox_id: int, name: str) -> None:
        """Change the name that recipients see (endpoint rows 41, 53)."""
        await self._change("POST", f"/mailboxes/{mailbox_id}/name", json={"name": name})

    async def set_mailbox_password(self, mailbox_id: int, password: SecretStr) -> None:
        """Change a password (endpoint row 42): at least 8 characters. Whoever is logged in with the old one is out."""
        sent = {"password": password.get_secret_value()}
        await self._change("POST", f"/mailboxes/{mailbox_id}/password", json=sent, secrets=[password])

    async def delete_mailbox(self, mailbox_id: int) -> None:
        """Delete a mailbox, for ever (endpoint row 43; its path is inferred). NotFound if there is none (any more)."""
        await self._change("DELETE", f"/mailboxes/{mailbox_id}", effect=Effect.DESTROY)

    async def set_signature(self, mailbox_id: int, signature: str) -> None:
        """Set the signature of a Google mailbox (endpoint row 56)."""
        await self._change("POST", f"/mailboxes/{mailbox_id}/add-signature", json={"signature": signature})

    async def remove_signature(self, mailbox_id: int) -> None:
        """Delete the signature of a Google mailbox (endpoint row 57).

        A WRITE: its text stands in the listing beforehand, and `set_signature` brings it back.
        """
        await self._change("DELETE", f"/mailboxes/{mailbox_id}/delete-signature")

    async def set_forwarding(self, mailbox_id: int, to: str) -> None:
        """Begin to forward a Google mailbox's mail to an address (endpoint row 58)."""
        await self._change("POST", f"/mailboxes/{mailbox_id}/forwarding/setup", json={"forwarding_email": to})

    async def change_forwarding(self, mailbox_id: int, to: str) -> None:
        """Forward a Google mailbox's mail to another address than so far (endpoint row 59)."""
        await self._change("POST", f"/mailboxes/{mailbox_id}/forwarding/update", json={"forwarding_email": to})

    async def remove_forwarding(self, mailbox_id: int) -> None:
        """Forward a Google mailbox's mail no longer (endpoint row 60, which looks as if it set something)."""
        await self._change("POST", f"/mailboxes/{mailbox_id}/google/forwarding")

    # Revealing.

    async def mailbox_totp(self, mailbox_id: int) -> Totp:
        """A one-time log-in code of a Google mailbox (endpoint row 54, a POST that changes nothing)."""
        reply = await self._call("POST", f"/mailboxes/{mailbox_id}/generate-totp", effect=Effect.REVEAL)
        totp = self._shaped(Totp, reply)
        if totp.code is None:
            raise BadAnswer("Mailin's answer held no code.", status=reply.status, detail="no totp")
        return totp

    async def mailbox_credentials(self, mailbox_id: int) -> Credentials:
        """Password, TOTP secret and app password of a Google mailbox (endpoint row 55)."""
        reply = await self._call("GET", f"/mailboxes/{mailbox_id}/show-credentials", effect=Effect.REVEAL)
        shown = self._shaped(Credentials, reply)
        if shown.password is shown.totp_secret is shown.app_password is None:
            raise BadAnswer(
                "Mailin's answer held no credentials.", status=reply.status, detail="no password, no secret"
            )
        return shown

    async def mailbox_password(self, username: str, hosting: Hosting = "smtp") -> SecretStr | None:
        """The password of the mailbox with exactly this address (endpoint rows 37, 49); None if Mailin shows none.

        Out of the listing, because that has it in clear, while for one mailbox alone (row 38) it is called encrypted.
        """
        async for mailbox in self._items(lambda page: self._passwords(hosting, page, username)):
            if mailbox.username.lower() == username.lower():
                return mailbox.password
        return None

    # Details.

    async def _listing(self, hosting: Hosting, page: int, name: str) -> Page[Mailbox]:
        """Those without a number as well: they are there like the others."""
        return await self._page(_LISTINGS[hosting], self._mailbox, page, PER_PAGE, name=name)

    async def _passwords(self, hosting: Hosting, page: int, name: str) -> Page[_WithPassword]:
        return await self._page(_LISTINGS[hosting], _WithPassword.model_validate, page, PER_PAGE, name=name)

    async def _create(self, path: str, mailboxes: list[dict[str, JsonValue]], secrets: Sequence[SecretStr] = ()) -> str:
        wanted: dict[str, JsonValue] = {"mailboxes": list(mailboxes)}
        return await self._begin(path, wanted, effect=Effect.WRITE, secrets=secrets)

    def _mailbox(self, said: Any) -> Mailbox:
        return Mailbox.read(said, self._odd)


class _WithPassword(Shape):
    username: str
    password: OptionalSecret = None
