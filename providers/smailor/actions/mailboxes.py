"""What people can ask of Smailor about mailboxes and messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo

from providers.action import Action, Done, Effect, Item, ItemState, Outcome, Refused, Unknown, from_words, multiline
from providers.fields import EmailAddress, problem
from providers.listing import counted
from providers.smailor.actions.common import LONGEST_LINE, advice_on, checked_body, one_line
from providers.smailor.client import SmailorClient
from providers.smailor.models import Domain, Reputation


def _html_if_no_text(value: str, info: ValidationInfo) -> str:
    body = checked_body(value)
    if not body and "text" in info.data and not info.data["text"]:
        raise problem("Write a text, or HTML, or both: an empty message cannot be sent.")
    return body


class CreateMailbox(
    Action,
    provider="smailor",
    command="mailbox create",
    title="Create a mailbox",
    effect=Effect.WRITE,
    calls=("GET /api/v1/domains", "POST /api/v1/mailboxes"),
):
    """Create a mailbox on a verified domain."""

    address: EmailAddress = Field(
        title="Address",
        description="On a verified domain of this account, such as ana@acme-mail.com.",
        json_schema_extra=from_words(),
    )
    display_name: Annotated[str, one_line("a name", required=False)] = Field(
        "", title="Name of the sender", description="What recipients see beside the address. May be left empty."
    )

    @classmethod
    def usage(cls) -> str:
        return "[ana@name.com] [name of the sender]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        """The address, then the sender's name."""
        typed = {"address": words[0]} if words else {}
        return {**typed, "display_name": " ".join(words[1:])} if len(words) > 1 else typed

    def headline(self) -> str:
        return f"Create the mailbox {self.address}"

    def subjects(self) -> tuple[str, ...]:
        return (self.address,)

    async def check(self, client: SmailorClient) -> None:
        name = self.address.rpartition("@")[2]
        domain = await client.find_domain(name)
        refusal = _why_not_usable(name, domain)
        if not refusal and domain is not None and domain.reputation is Reputation.BLOCKED:
            refusal = (
                f"Smailor lets nobody create mailboxes on {name} while its reputation is blocked. "
                f"{advice_on(domain) or 'See “domain reputation”.'}"
            )
        if refusal:
            raise Refused({"address": refusal})

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        local_part, _, domain = self.address.rpartition("@")
        created = await client.create_mailbox(local_part, domain, self.display_name or None)
        told = (
            "Smailor sent a password with it, which Postroom has not kept and shows to nobody"
            if created.password is not None
            else "Smailor sent no password with it"
        )
        left = f" {created.remaining} are left of the plan." if created.remaining is not None else ""
        return Done(
            summary=f"{created.address} is there. {told}: set a new one at Smailor.{left}",
            items=(Item(name=created.address, state=ItemState.LIVE, note=self.display_name),),
        )

    async def reconcile(self, client: SmailorClient, key: str) -> Outcome:
        """Smailor lists no mailboxes, and asking once more would be a second try."""
        return Unknown(
            summary=f"It is not clear whether {self.address} was created.",
            evidence="Smailor has no list of mailboxes that Postroom could read. Look at its dashboard.",
            items=(Item(name=self.address, state=ItemState.UNKNOWN),),
        )


class SendTest(
    Action,
    provider="smailor",
    command="postroom send-test",
    title="Send a test e-mail",
    effect=Effect.WRITE,
    calls=("GET /api/v1/domains", "POST /api/v1/send"),
):
    """Send one e-mail from a mailbox, to see that it works."""

    recipient: EmailAddress = Field(
        title="To",
        description="Who gets it: one address.",
        json_schema_extra=from_words(),
    )
    sender: EmailAddress = Field(title="From", description="A mailbox on a verified domain of this account.")
    subject: Annotated[str, one_line("a subject")] = Field(
        "Test", title="Subject", description=f"One line, at most {LONGEST_LINE} characters."
    )
    text: Annotated[str, AfterValidator(checked_body)] = Field(
        "",
        title="Text",
        description="As plain text; may be left empty if there is HTML. No passwords: what is asked here is kept.",
        json_schema_extra=multiline(),
    )
    html: Annotated[str, AfterValidator(_html_if_no_text)] = Field(
        "",
        title="HTML",
        description="Instead of the text, or beside it. Smailor removes scripts. May be left empty.",
        json_schema_extra=multiline(),
        validate_default=True,
    )

    @classmethod
    def usage(cls) -> str:
        return "[to@name.com] [from@name.com]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        """To whom, from whom, and the rest is the subject."""
        typed = dict(zip(("recipient", "sender"), words, strict=False))
        return {**typed, "subject": " ".join(words[2:])} if len(words) > 2 else typed

    def headline(self) -> str:
        return f"Send a test e-mail to {self.recipient}"

    def subjects(self) -> tuple[str, ...]:
        return (self.recipient,)

    async def check(self, client: SmailorClient) -> None:
        name = self.sender.rpartition("@")[2]
        refusal = _why_not_usable(name, await client.find_domain(name))
        if refusal:
            raise Refused({"sender": refusal})

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        """Handed over once (endpoint row 9), whatever happens: it cannot be called back."""
        sent = await client.send(
            self.recipient, self.sender, self.subject, text=self.text or None, html=self.html or None
        )
        left = f" {counted(sent.remaining, 'e-mail')} left in the plan." if sent.remaining is not None else ""
        return Done(
            summary=f"Smailor has taken the e-mail to {self.recipient}, from {self.sender}. See in that mailbox "
            f"whether it has arrived.{left}"
        )

    async def reconcile(self, client: SmailorClient, key: str) -> Outcome:
        """Nothing tells what was sent. It is never sent again for that."""
        return Unknown(
            summary=f"It is not clear whether the e-mail to {self.recipient} was sent.",
            evidence="Smailor has no list of sent e-mails that Postroom could read. Look into the recipient's mailbox.",
            items=(Item(name=self.recipient, state=ItemState.UNKNOWN),),
        )


def _why_not_usable(name: str, domain: Domain | None) -> str:
    if domain is None:
        return f"{name} is not among the domains of this account. Add it at Smailor first, or choose another account."
    if domain.verified is False:
        return (
            f"Smailor has not verified {name}. Set its DNS records (DKIM, SPF and DMARC) there first, then ask again."
        )
    return ""


ACTIONS: tuple[type[Action], ...] = (
    CreateMailbox,
    SendTest,
)
