"""What people can ask of Smailor, a class each."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from providers.action import (
    Action,
    Done,
    Effect,
    Failed,
    Item,
    ItemState,
    Outcome,
    Refused,
    Table,
    Unknown,
    choices,
    from_words,
    hidden,
    multiline,
    of_pages,
)
from providers.errors import NotFound, Rejected
from providers.fields import EmailAddress, parse_domain, problem, split_list
from providers.smailor.client import SmailorClient
from providers.smailor.models import (
    MOST_TEMPLATES,
    SHORTEST_BODY,
    Domain,
    Reputation,
    Template,
    TemplateChanges,
    WantedTemplate,
)

PAGE = 15
"""Rows of one page of an answer. Smailor itself knows no pages."""

LONGEST_LINE = 200
"""Characters of a name or a subject. Smailor states no limit; longer ones are cut off by most mail programs."""
LONGEST_BODY = 3000
"""Characters of a body: what Slack lets a person type into one field."""
LONGEST_SHOWN = 2500
"""Characters of a body that are shown."""
MOST_GROUPS = 20

_REPUTATIONS = {
    Reputation.BLOCKED: "blocked",
    Reputation.WATCH: "on watch",
    Reputation.UNKNOWN: "not said",
    Reputation.HEALTHY: "healthy",
}
"""In the order in which they want attention."""

_PLACEHOLDER = re.compile(r"\{\{[^{}]{1,80}\}\}")
_YES_NO: dict[str, bool] = {"yes": True, "no": False}
_Row = TypeVar("_Row")


# What can be typed into the fields.


def _line(what: str, *, required: bool = True) -> AfterValidator:
    """One line of text, not longer than Smailor's readers see."""

    def check(value: str) -> str:
        line = " ".join(value.split())
        if required and not line:
            raise problem(f"Write {what}.")
        if len(line) > LONGEST_LINE:
            raise problem(f"This has {len(line)} characters; at most {LONGEST_LINE} fit.")
        return line

    return AfterValidator(check)


def _body(value: str) -> str:
    if len(value) > LONGEST_BODY:
        raise problem(f"This has {len(value)} characters; at most {LONGEST_BODY} fit.")
    return value.strip()


def _html(value: str) -> str:
    body = _body(value)
    if len(body) < SHORTEST_BODY:
        raise problem(f"Smailor wants at least {SHORTEST_BODY} characters of HTML, such as <p>Thank you.</p>.")
    return body


def _html_or_nothing(value: str) -> str:
    return _html(value) if value.strip() else ""


def _html_if_no_text(value: str, info: ValidationInfo) -> str:
    body = _body(value)
    if not body and "text" in info.data and not info.data["text"]:
        raise problem("Write a text, or HTML, or both: an empty message cannot be sent.")
    return body


def _id(what: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        try:
            return str(uuid.UUID(value.strip()))
        except ValueError:
            shown = value.strip()[:40]
            raise problem(
                f"“{shown}” is not the id of a {what}. Such an id has 36 characters: Smailor shows it in the address "
                f"of the {what}'s page."
            ) from None

    return check


def _id_or_nothing(what: str) -> BeforeValidator:
    check = _id(what)
    return BeforeValidator(lambda value: (check(value) if value.strip() else None) if isinstance(value, str) else value)


def _group_ids(value: list[str]) -> list[str]:
    if len(value) > MOST_GROUPS:
        raise problem(f"These are {len(value)} groups; at most {MOST_GROUPS} fit.")
    return [_id("group")(one) for one in value]


def _group_ids_or_all(value: list[str]) -> list[str]:
    """The ids, or the word "all" alone."""
    return ["all"] if [one.lower() for one in value] == ["all"] else _group_ids(value)


def _domain_or_nothing(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return parse_domain(value) if value.strip() else None


TemplateName = Annotated[str, _line("the name of a template, or its id")]
"""How people name a template that is there: by its name, or by its id."""
GroupIds = Annotated[list[str], BeforeValidator(split_list), AfterValidator(_group_ids)]
OptionalDomain = Annotated[str | None, BeforeValidator(_domain_or_nothing)]


# Domains.


class ListDomains(Action, provider="smailor", command="domain list", title="List domains", effect=Effect.READ):
    """List the domains of an account, or those whose name has a word in it."""

    name: Annotated[str, Field(max_length=253)] = Field(
        "",
        title="Name contains",
        description="Leave empty to see all.",
        json_schema_extra=from_words(),
    )
    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    @classmethod
    def usage(cls) -> str:
        return "[part of a name]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return {"name": " ".join(words)}

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        """The account's own domains (endpoint row 7)."""
        part = self.name.strip().lower()
        found = [domain for domain in await client.domains() if part in domain.name.lower()]
        shown, next_page = _paged(found, self.page)
        matching = f" with “{self.name.strip()}” in the name" if part else ""
        if not shown:
            return Done(summary=f"There are no {'more ' if found else ''}domains{matching} in this account.")
        return Done(
            summary=f"{_counted(len(found), 'domain')}{matching}{of_pages(self.page, next_page)}.",
            items=tuple(
                Item(name=domain.name, note=" · ".join([_verification(domain), _reputation(domain)]))
                for domain in shown
            ),
            next_page=next_page,
        )


class ShowReputation(
    Action, provider="smailor", command="domain reputation", title="Domain reputation", effect=Effect.READ
):
    """See how a domain's reputation is, with the provider's advice."""

    domain: OptionalDomain = Field(
        None,
        title="Domain",
        description="Leave empty to see all, the worst first.",
        json_schema_extra=from_words(),
    )
    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    @classmethod
    def usage(cls) -> str:
        return "[name.com]"

    def subjects(self) -> tuple[str, ...]:
        return (self.domain,) if self.domain else ()

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        """How the domains did over the last 30 days (endpoint row 7)."""
        if self.domain is not None:
            return _judged(self.domain, await client.find_domain(self.domain))
        order = list(_REPUTATIONS)
        found = sorted(await client.domains(), key=lambda domain: (order.index(domain.reputation), domain.name))
        shown, next_page = _paged(found, self.page)
        if not shown:
            return Done(summary=f"There are no {'more ' if found else ''}domains in this account.")
        counts = [
            f"{number} {word}"
            for reputation, word in _REPUTATIONS.items()
            if (number := sum(domain.reputation is reputation for domain in found))
        ]
        return Done(
            summary=f"{_counted(len(found), 'domain')}: {', '.join(counts)}. Page {self.page}.",
            items=tuple(
                Item(
                    name=domain.name,
                    note=" · ".join(filter(None, [_reputation(domain), _last_30_days(domain), _advice(domain)])),
                )
                for domain in shown
            ),
            next_page=next_page,
        )


# Mailboxes and messages.


class CreateMailbox(
    Action, provider="smailor", command="mailbox create", title="Create a mailbox", effect=Effect.WRITE
):
    """Create a mailbox on a verified domain."""

    address: EmailAddress = Field(
        title="Address",
        description="On a verified domain of this account, such as ana@acme-mail.com.",
        json_schema_extra=from_words(),
    )
    display_name: Annotated[str, _line("a name", required=False)] = Field(
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
                f"{_advice(domain) or 'See “domain reputation”.'}"
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
    Action, provider="smailor", command="postroom send-test", title="Send a test e-mail", effect=Effect.WRITE
):
    """Send one e-mail from a mailbox, to see that it works."""

    recipient: EmailAddress = Field(
        title="To",
        description="Who gets it: one address.",
        json_schema_extra=from_words(),
    )
    sender: EmailAddress = Field(title="From", description="A mailbox on a verified domain of this account.")
    subject: Annotated[str, _line("a subject")] = Field(
        "Test", title="Subject", description=f"One line, at most {LONGEST_LINE} characters."
    )
    text: Annotated[str, AfterValidator(_body)] = Field(
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
        left = f" {_counted(sent.remaining, 'e-mail')} left in the plan." if sent.remaining is not None else ""
        return Done(
            summary=f"Smailor has taken the e-mail to {self.recipient}, from {self.sender}. Look into that mailbox "
            f"whether it arrived.{left}"
        )

    async def reconcile(self, client: SmailorClient, key: str) -> Outcome:
        """Nothing tells what was sent. It is never sent again for that."""
        return Unknown(
            summary=f"It is not clear whether the e-mail to {self.recipient} was sent.",
            evidence="Smailor has no list of sent e-mails that Postroom could read. Look into the recipient's mailbox.",
            items=(Item(name=self.recipient, state=ItemState.UNKNOWN),),
        )


# Reply templates.


class ListTemplates(
    Action, provider="smailor", command="postroom templates", title="Reply templates", effect=Effect.READ
):
    """List the reply templates: all, or those that suit a group or a ticket."""

    name: Annotated[str, Field(max_length=LONGEST_LINE)] = Field(
        "",
        title="Name contains",
        description="Leave empty to see all.",
        json_schema_extra=from_words(),
    )
    group: Annotated[str | None, _id_or_nothing("group")] = Field(
        None, title="For the group", description="The id of a group at Smailor. May be left empty."
    )
    ticket: Annotated[str | None, _id_or_nothing("ticket")] = Field(
        None,
        title="For the ticket",
        description="The id of a ticket at Smailor, instead of a group. May be left empty.",
    )
    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    @classmethod
    def usage(cls) -> str:
        return "[part of a name]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return {"name": " ".join(words)}

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        """The templates (endpoint row 10)."""
        part = self.name.strip().lower()
        everything = await client.templates(group=self.group, ticket=self.ticket)
        found = [template for template in everything if part in template.name.lower()]
        shown, next_page = _paged(found, self.page)
        suits = " for that group" if self.group else " for that ticket" if self.ticket else ""
        matching = f" with “{self.name.strip()}” in the name" if part else ""
        if not shown:
            return Done(summary=f"There are no {'more ' if found else ''}templates{suits}{matching}.")
        return Done(
            summary=f"{_counted(len(found), 'template')}{suits}{matching}{of_pages(self.page, next_page)}.",
            table=Table(
                columns=("Name", "Subject", "Groups", "Default", "Used", "Id"),
                rows=tuple(
                    (
                        template.name,
                        template.subject,
                        _groups(template),
                        "yes" if template.is_default else "",
                        "not said" if template.times_used is None else str(template.times_used),
                        template.id,
                    )
                    for template in shown
                ),
            ),
            next_page=next_page,
        )


class _OneTemplate(Action, provider="smailor"):
    """About one template that is there."""

    template: TemplateName = Field(
        title="Template",
        description="Its name, or its id, as “postroom templates” shows them.",
        json_schema_extra=from_words(),
    )

    @classmethod
    def usage(cls) -> str:
        return "[name of a template]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return {"template": " ".join(words)} if words else {}

    def subjects(self) -> tuple[str, ...]:
        return (self.template,)

    async def check(self, client: SmailorClient) -> None:
        try:
            await self._wanted(client)
        except (NotFound, Rejected) as error:
            raise Refused({"template": f"{error.sentence} {error.cure}"}) from error

    async def _wanted(self, client: SmailorClient) -> Template:
        """The template that was named. Raises NotFound, or Rejected where several have that name."""
        found = _of_name(self.template, await client.templates())
        if not found:
            raise NotFound(
                f"There is no template “{self.template}”.", cure="See “postroom templates” for those there are."
            )
        if len(found) > 1:
            raise Rejected(
                f"{len(found)} templates are named “{self.template}”.",
                cure=f"Name it by its id: {', '.join(template.id for template in found[:5])}.",
            )
        if not found[0].id:
            raise NotFound(f"Smailor lists “{self.template}” without an id.", cure="Change it in Smailor's dashboard.")
        return found[0]


class ShowTemplate(_OneTemplate, command="postroom template-show", title="Show a template", effect=Effect.READ):
    """Show a reply template with its texts."""

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        """One template (endpoint row 12)."""
        shown = await client.template((await self._wanted(client)).id)
        told = [
            ("Name", shown.name),
            ("Description", shown.description),
            ("Subject", shown.subject),
            ("Text", _clipped(shown.body_text)),
            ("HTML", _clipped(shown.body_html)),
            ("Groups", _groups(shown)),
            ("Default", "" if shown.is_default is None else "yes" if shown.is_default else "no"),
            ("Used", "" if shown.times_used is None else _counted(shown.times_used, "time")),
            ("Changed", f"{shown.updated_at:%Y-%m-%d %H:%M} UTC" if shown.updated_at else ""),
            ("Id", shown.id),
        ]
        return Done(
            summary=f"The template “{shown.name or self.template}”.",
            table=Table(columns=("What", "Content"), rows=tuple(row for row in told if row[1])),
        )


class AddTemplate(
    Action, provider="smailor", command="postroom template-add", title="Add a template", effect=Effect.WRITE
):
    """Add a reply template."""

    name: Annotated[str, _line("a name")] = Field(
        title="Name", description="Not the name of another template.", json_schema_extra=from_words()
    )
    subject: Annotated[str, _line("a subject")] = Field(
        title="Subject", description="May hold placeholders, such as {{subject}} or {{ticket_id}}."
    )
    body_html: Annotated[str, AfterValidator(_html)] = Field(
        title="HTML",
        description="May hold placeholders, such as {{customer_name}}, {{sender_name}} or {{company_name}}. No "
        "passwords: what is asked here is kept.",
        json_schema_extra=multiline(),
    )
    body_text: Annotated[str, AfterValidator(_body)] = Field(
        "",
        title="Text",
        description="Left empty, Smailor makes it from the HTML.",
        json_schema_extra=multiline(),
    )
    description: Annotated[str, _line("a note", required=False)] = Field(
        "", title="Description", description="A short note for colleagues. May be left empty."
    )
    groups: GroupIds = Field(
        default_factory=list, title="Groups", description="Ids of groups at Smailor, one per line. Empty means all."
    )
    is_default: bool = Field(False, title="Make it the default", description="Smailor offers the default first.")

    @classmethod
    def usage(cls) -> str:
        return "[name]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return {"name": " ".join(words)} if words else {}

    def headline(self) -> str:
        return f"Add the template “{self.name}”"

    def subjects(self) -> tuple[str, ...]:
        return (self.name,)

    async def check(self, client: SmailorClient) -> None:
        everything = await client.templates()
        if _of_name(self.name, everything):
            raise Refused(
                {"name": f"There is a template “{self.name}” already. Take another name, or change that template."}
            )
        if len(everything) >= MOST_TEMPLATES:
            raise Refused(
                {"": f"This account has {len(everything)} templates, and Smailor holds no more. Delete one first."}
            )

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        await client.create_template(
            WantedTemplate(
                name=self.name,
                subject=self.subject,
                body_html=self.body_html,
                description=self.description or None,
                body_text=self.body_text or None,
                is_default=self.is_default or None,
                group_ids=tuple(self.groups) or None,
            )
        )
        return self._done()

    async def reconcile(self, client: SmailorClient, key: str) -> Outcome:
        """No other template had this name when it was asked for, so one of this name is the one."""
        if _of_name(self.name, await client.templates()):
            return self._done()
        return Failed(
            summary=f"There is no template “{self.name}”, so it was not added.",
            cure="Ask again.",
            items=(Item(name=self.name, state=ItemState.NOT_DONE),),
        )

    def _done(self) -> Done:
        return Done(
            summary=f"The template “{self.name}” is there.", items=(Item(name=self.name, state=ItemState.LIVE),)
        )


class ChangeTemplate(_OneTemplate, command="postroom template-change", title="Change a template", effect=Effect.WRITE):
    """Change a reply template; what is left empty stays as it is."""

    new_name: Annotated[str, _line("a name", required=False)] = Field(
        "", title="New name", description="Empty: stays as it is."
    )
    subject: Annotated[str, _line("a subject", required=False)] = Field(
        "", title="New subject", description="Empty: stays as it is. May hold placeholders, such as {{subject}}."
    )
    body_html: Annotated[str, AfterValidator(_html_or_nothing)] = Field(
        "",
        title="New HTML",
        description="Empty: stays as it is. No passwords: what is asked here is kept.",
        json_schema_extra=multiline(),
    )
    body_text: Annotated[str, AfterValidator(_body)] = Field(
        "",
        title="New text",
        description="Empty: stays as it is, also when the HTML is new.",
        json_schema_extra=multiline(),
    )
    description: Annotated[str, _line("a note", required=False)] = Field(
        "", title="New description", description="Empty: stays as it is."
    )
    groups: Annotated[list[str], BeforeValidator(split_list), AfterValidator(_group_ids_or_all)] = Field(
        default_factory=list,
        title="New groups",
        description="Ids of groups at Smailor, one per line, or the word all. Empty: stays as it is.",
    )
    is_default: Literal["keep", "yes", "no"] = Field(
        "keep",
        title="Default template",
        description="Smailor offers the default first.",
        json_schema_extra=choices({"keep": "Leave as it is", "yes": "Make it the default", "no": "Not the default"}),
    )

    def headline(self) -> str:
        return f"Change the template “{self.template}”"

    async def check(self, client: SmailorClient) -> None:
        if not self._changes().model_fields_set:
            raise Refused({"": "Nothing would change: fill in at least one of the fields below the template's name."})
        await super().check(client)
        if not self.new_name:
            return
        everything = await client.templates()
        itself = {template.id for template in _of_name(self.template, everything)}
        if any(template.id not in itself for template in _of_name(self.new_name, everything)):
            raise Refused({"new_name": f"There is a template “{self.new_name}” already. Take another name."})

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        await client.update_template((await self._wanted(client)).id, self._changes())
        return self._done()

    async def reconcile(self, client: SmailorClient, key: str) -> Outcome:
        """Smailor may have put the HTML into another form, so a difference there proves nothing."""
        everything = await client.templates()
        found = _of_name(self.new_name, everything) or _of_name(self.template, everything)
        if len(found) != 1:
            return Unknown(
                summary=f"It is not clear whether “{self.template}” was changed.",
                evidence=f"{len(found) or 'No'} template{'s' if found else ''} of that name is to be seen now.",
            )
        now = await client.template(found[0].id)
        wanted = self._changes().model_dump(exclude_unset=True)
        as_before = [name.replace("_", " ") for name, value in wanted.items() if getattr(now, name) != value]
        if not as_before:
            return self._done()
        return Unknown(
            summary=f"It is not clear whether “{self.template}” was changed.",
            evidence=f"Not as it was asked for: {', '.join(as_before)}. Changing it once more would do no harm.",
            items=(Item(name=self.template, state=ItemState.UNKNOWN),),
        )

    def _changes(self) -> TemplateChanges:
        """Only what was filled in."""
        given: dict[str, Any] = {
            "name": self.new_name,
            "subject": self.subject,
            "body_html": self.body_html,
            "body_text": self.body_text,
            "description": self.description,
        }
        wanted = {name: value for name, value in given.items() if value}
        if self.groups:
            wanted["group_ids"] = () if self.groups == ["all"] else tuple(self.groups)
        if self.is_default != "keep":
            wanted["is_default"] = _YES_NO[self.is_default]
        return TemplateChanges(**wanted)

    def _done(self) -> Done:
        name = self.new_name or self.template
        return Done(summary=f"The template “{name}” is changed.", items=(Item(name=name, state=ItemState.LIVE),))


class DeleteTemplate(
    _OneTemplate, command="postroom template-delete", title="Delete a template", effect=Effect.DESTROY
):
    """Delete a reply template for good."""

    def headline(self) -> str:
        return f"Delete the template “{self.template}”"

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        await client.delete_template((await self._wanted(client)).id)
        return self._done()

    async def reconcile(self, client: SmailorClient, key: str) -> Outcome:
        if not _of_name(self.template, await client.templates()):
            return self._done()
        return Failed(
            summary=f"The template “{self.template}” is still there, so it was not deleted.",
            cure="Ask again.",
            items=(Item(name=self.template, state=ItemState.NOT_DONE),),
        )

    def _done(self) -> Done:
        return Done(summary=f"The template “{self.template}” is gone.")


class PreviewTemplate(
    _OneTemplate, command="postroom template-preview", title="Preview a template", effect=Effect.READ
):
    """See a reply template as a ticket's customer would; only you see it."""

    ticket: Annotated[str, AfterValidator(_id("ticket"))] = Field(
        title="Ticket", description="The id of the ticket at Smailor."
    )

    @classmethod
    def usage(cls) -> str:
        return "[name of a template] [id of a ticket]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        """The template's name, and the ticket's id at the end."""
        if len(words) > 1 and re.fullmatch(r"[0-9A-Fa-f-]{32,36}", words[-1]):
            return {"template": " ".join(words[:-1]), "ticket": words[-1]}
        return super().prefill(words)

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        """A template filled in for a ticket (endpoint row 15). It is about a customer: an answer, kept nowhere."""
        rendered = await client.preview_template((await self._wanted(client)).id, self.ticket)
        left = sorted(set(_PLACEHOLDER.findall(f"{rendered.subject} {rendered.html} {rendered.text}")))
        told = [
            ("Subject", rendered.subject),
            ("Text", _clipped(rendered.text)),
            ("HTML", _clipped(rendered.html)),
        ]
        unknown = f" Smailor did not fill in {', '.join(left[:10])}." if left else ""
        return Done(
            summary=f"“{self.template}” for that ticket.{unknown}",
            table=Table(columns=("What", "Content"), rows=tuple(row for row in told if row[1])),
        )


class NoteTemplateUsed(_OneTemplate, command="postroom template-used", title="Count a use", effect=Effect.WRITE):
    """Count one more use of a reply template."""

    def headline(self) -> str:
        return f"Count a use of the template “{self.template}”"

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        await client.note_template_used((await self._wanted(client)).id)
        return Done(summary=f"One more use of “{self.template}” is counted.")

    async def reconcile(self, client: SmailorClient, key: str) -> Outcome:
        """What the counter was before, nobody knows; and it matters too little to ask a person."""
        return Failed(
            summary=f"It is not clear whether this use of “{self.template}” was counted.",
            cure="Leave it: the counter is off by one at most.",
        )


ACTIONS: tuple[type[Action], ...] = (
    ListDomains,
    ShowReputation,
    CreateMailbox,
    SendTest,
    ListTemplates,
    ShowTemplate,
    AddTemplate,
    ChangeTemplate,
    DeleteTemplate,
    PreviewTemplate,
    NoteTemplateUsed,
)
"""What `providers/catalogue.py` offers of Smailor, in the order of the help text."""


# Details.


def _judged(name: str, domain: Domain | None) -> Done:
    if domain is None:
        raise NotFound(f"{name} is not among the domains of this Smailor account.")
    advice = _advice(domain)
    told = {
        Reputation.HEALTHY: f"{name} is healthy.",
        Reputation.WATCH: f"{name} is on watch.",
        Reputation.BLOCKED: f"{name} is blocked: no mailbox can be created on it.",
        Reputation.UNKNOWN: f"Smailor does not say how the reputation of {name} is.",
    }[domain.reputation]
    row = (
        _verification(domain),
        _figure(domain.sends),
        _share(domain.bounces, domain.sends),
        _share(domain.complaints, domain.sends),
    )
    return Done(
        summary=f"{told} {advice}".strip(),
        table=Table(columns=("Domain is", "Sent in 30 days", "Bounced", "Complained of"), rows=(row,)),
    )


def _why_not_usable(name: str, domain: Domain | None) -> str:
    if domain is None:
        return f"{name} is not among the domains of this account. Add it at Smailor first, or choose another account."
    if domain.verified is False:
        return (
            f"Smailor has not verified {name}. Set its DNS records (DKIM, SPF and DMARC) there first, then ask again."
        )
    return ""


def _verification(domain: Domain) -> str:
    if domain.verified is None:
        return "verification not said"
    return "verified" if domain.verified else "not verified"


def _reputation(domain: Domain) -> str:
    if domain.reputation is Reputation.UNKNOWN:
        return "reputation not said"
    return _REPUTATIONS[domain.reputation]


def _last_30_days(domain: Domain) -> str:
    if domain.sends is None:
        return ""
    bounced, complained = _share(domain.bounces, domain.sends), _share(domain.complaints, domain.sends)
    return f"{domain.sends} sent in 30 days, bounced: {bounced}, complained of: {complained}"


def _advice(domain: Domain) -> str:
    advice = " ".join(domain.advice.split())
    return f"Smailor says: {advice[:LONGEST_LINE]}" if advice else ""


def _share(part: int | None, whole: int | None) -> str:
    if part is None or not whole:
        return _figure(part)
    return f"{part} ({100 * part / whole:.1f} %)"


def _figure(number: int | None) -> str:
    return "not said" if number is None else str(number)


def _of_name(name: str, templates: Iterable[Template]) -> list[Template]:
    """The templates that somebody means by a name or an id."""
    wanted = name.strip().lower()
    everything = list(templates)
    by_id = [template for template in everything if wanted and template.id.lower() == wanted]
    return by_id or [
        template for template in everything if wanted and " ".join(template.name.lower().split()) == wanted
    ]


def _groups(template: Template) -> str:
    return "all" if not template.group_ids else ", ".join(template.group_ids)


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def _paged(rows: Sequence[_Row], page: int) -> tuple[Sequence[_Row], int | None]:
    """The rows of a page, and the number of the next one, if there is one."""
    return rows[(page - 1) * PAGE : page * PAGE], page + 1 if page * PAGE < len(rows) else None


def _counted(count: int, one: str) -> str:
    return f"{count} {one}" if count == 1 else f"{count} {one}s"
