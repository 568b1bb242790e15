"""What people can ask of Smailor about reply templates."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

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
    multiline,
)
from providers.errors import NotFound, Rejected
from providers.fields import problem, split_list
from providers.listing import ListingByName, counted
from providers.smailor.actions.common import checked_body, one_line
from providers.smailor.client import SmailorClient
from providers.smailor.models import MOST_TEMPLATES, SHORTEST_BODY, Template, TemplateChanges, WantedTemplate

LONGEST_SHOWN = 2500
"""Characters of a body that are shown."""
MOST_GROUPS = 20

_PLACEHOLDER = re.compile(r"\{\{[^{}]{1,80}\}\}")
_YES_NO: dict[str, bool] = {"yes": True, "no": False}


def _html(value: str) -> str:
    body = checked_body(value)
    if len(body) < SHORTEST_BODY:
        raise problem(f"Smailor wants at least {SHORTEST_BODY} characters of HTML, such as <p>Thank you.</p>.")
    return body


def _html_or_nothing(value: str) -> str:
    return _html(value) if value.strip() else ""


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


TemplateName = Annotated[str, one_line("the name of a template, or its id")]
"""How people name a template that is there: by its name, or by its id."""
GroupIds = Annotated[list[str], BeforeValidator(split_list), AfterValidator(_group_ids)]


class ListTemplates(
    ListingByName,
    provider="smailor",
    command="postroom templates",
    title="Reply templates",
    effect=Effect.READ,
    calls=("GET /api/templates",),
):
    """List the reply templates: all, or those that suit a group or a ticket."""

    group: Annotated[str | None, _id_or_nothing("group")] = Field(
        None, title="For the group", description="The id of a group at Smailor. May be left empty."
    )
    ticket: Annotated[str | None, _id_or_nothing("ticket")] = Field(
        None,
        title="For the ticket",
        description="The id of a ticket at Smailor, instead of a group. May be left empty.",
    )

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        """The templates (endpoint row 10)."""
        everything = await client.templates(group=self.group, ticket=self.ticket)
        found = [template for template in everything if self.matches(template.name)]
        shown, next_page = self.part_of(found)
        suits = " for that group" if self.group else " for that ticket" if self.ticket else ""
        return self.told(
            f"{counted(len(found), 'template')}{suits}{self.matching()}",
            nothing=f"There are no {self.more}templates{suits}{self.matching()}.",
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


class ShowTemplate(
    _OneTemplate,
    command="postroom template-show",
    title="Show a template",
    effect=Effect.READ,
    calls=("GET /api/templates", "GET /api/templates/{id}"),
):
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
            ("Used", "" if shown.times_used is None else counted(shown.times_used, "time")),
            ("Changed", f"{shown.updated_at:%Y-%m-%d %H:%M} UTC" if shown.updated_at else ""),
            ("Id", shown.id),
        ]
        return Done(
            summary=f"The template “{shown.name or self.template}”.",
            table=Table(columns=("What", "Content"), rows=tuple(row for row in told if row[1])),
        )


class AddTemplate(
    Action,
    provider="smailor",
    command="postroom template-add",
    title="Add a template",
    effect=Effect.WRITE,
    calls=("GET /api/templates", "POST /api/templates"),
):
    """Add a reply template."""

    name: Annotated[str, one_line("a name")] = Field(
        title="Name", description="Not the name of another template.", json_schema_extra=from_words()
    )
    subject: Annotated[str, one_line("a subject")] = Field(
        title="Subject", description="May hold placeholders, such as {{subject}} or {{ticket_id}}."
    )
    body_html: Annotated[str, AfterValidator(_html)] = Field(
        title="HTML",
        description="May hold placeholders, such as {{customer_name}}, {{sender_name}} or {{company_name}}. No "
        "passwords: what is asked here is kept.",
        json_schema_extra=multiline(),
    )
    body_text: Annotated[str, AfterValidator(checked_body)] = Field(
        "",
        title="Text",
        description="Left empty, Smailor makes it from the HTML.",
        json_schema_extra=multiline(),
    )
    description: Annotated[str, one_line("a note", required=False)] = Field(
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
        return Unknown(
            summary=f"It is not clear whether the template “{self.name}” was added.",
            evidence=f"There is no template “{self.name}” (yet).",
            items=(Item(name=self.name, state=ItemState.UNKNOWN),),
        )

    def _done(self) -> Done:
        return Done(
            summary=f"The template “{self.name}” is there.", items=(Item(name=self.name, state=ItemState.LIVE),)
        )


class ChangeTemplate(
    _OneTemplate,
    command="postroom template-change",
    title="Change a template",
    effect=Effect.WRITE,
    calls=("GET /api/templates", "GET /api/templates/{id}", "PATCH /api/templates/{id}"),
):
    """Change a reply template; what is left empty stays as it is."""

    new_name: Annotated[str, one_line("a name", required=False)] = Field(
        "", title="New name", description="Empty: stays as it is."
    )
    subject: Annotated[str, one_line("a subject", required=False)] = Field(
        "", title="New subject", description="Empty: stays as it is. May hold placeholders, such as {{subject}}."
    )
    body_html: Annotated[str, AfterValidator(_html_or_nothing)] = Field(
        "",
        title="New HTML",
        description="Empty: stays as it is. No passwords: what is asked here is kept.",
        json_schema_extra=multiline(),
    )
    body_text: Annotated[str, AfterValidator(checked_body)] = Field(
        "",
        title="New text",
        description="Empty: stays as it is, also when the HTML is new.",
        json_schema_extra=multiline(),
    )
    description: Annotated[str, one_line("a note", required=False)] = Field(
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
                evidence=f"{len(found) or 'No'} templates have that name now.",
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
    _OneTemplate,
    command="postroom template-delete",
    title="Delete a template",
    effect=Effect.DESTROY,
    calls=("GET /api/templates", "DELETE /api/templates/{id}"),
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
        return Unknown(
            summary=f"It is not clear whether the template “{self.template}” was deleted.",
            evidence="It is (still) listed.",
            items=(Item(name=self.template, state=ItemState.UNKNOWN),),
        )

    def _done(self) -> Done:
        return Done(summary=f"The template “{self.template}” is gone.")


class PreviewTemplate(
    _OneTemplate,
    command="postroom template-preview",
    title="Preview a template",
    effect=Effect.READ,
    calls=("GET /api/templates", "POST /api/templates/{id}/preview"),
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
            summary=f"“{self.template}”, as it reads for that ticket.{unknown}",
            table=Table(columns=("What", "Content"), rows=tuple(row for row in told if row[1])),
        )


class NoteTemplateUsed(
    _OneTemplate,
    command="postroom template-used",
    title="Count a use",
    effect=Effect.WRITE,
    calls=("GET /api/templates", "POST /api/templates/{id}/use"),
):
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


ACTIONS: tuple[type[Action], ...] = (
    ListTemplates,
    ShowTemplate,
    AddTemplate,
    ChangeTemplate,
    DeleteTemplate,
    PreviewTemplate,
    NoteTemplateUsed,
)
