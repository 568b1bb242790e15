"""What people can ask of Instantly about campaigns, their options and their e-mails."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

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
    Unknown,
    choices,
    from_words,
    multiline,
)
from providers.fields import problem
from providers.instantly.actions.common import (
    CAMPAIGN_HINT,
    MOST_SENDERS,
    UUID,
    Addresses,
    CampaignId,
    Name,
    Number,
    at_most,
    look_yourself,
    refuse_unknown_campaign,
    refuse_unknown_senders,
)
from providers.instantly.client import InstantlyClient
from providers.instantly.models import CampaignOptions, CampaignStatus, Step, Variant
from providers.listing import counted, listed

_STEP_LINE = re.compile(r"\s*(?:-{3,}|[–—]-?)\s*")
"""Also what phones make of three hyphens."""
_VARIANT_LINE = re.compile(r"\s*\|{3,}\s*")

CAMPAIGN_STATUS_WORDS: Mapping[CampaignStatus, str] = {
    CampaignStatus.DRAFT: "a draft",
    CampaignStatus.ACTIVE: "active",
    CampaignStatus.PAUSED: "paused",
    CampaignStatus.COMPLETED: "completed",
    CampaignStatus.RUNNING_SUBSEQUENCES: "running its subsequences",
    CampaignStatus.ACCOUNTS_UNHEALTHY: "held up: its sending accounts are unhealthy",
    CampaignStatus.BOUNCE_PROTECT: "held up: too many e-mails bounced",
    CampaignStatus.SUSPENDED: "suspended",
}

Switch = Literal["keep", "on", "off"]
_SWITCH: Mapping[str, str] = {"keep": "Leave as it is", "on": "On", "off": "Off"}


def parse_sequence(text: str) -> tuple[Step, ...]:
    """The e-mails of a campaign, out of one text.

    A line `---` begins the next step, a line `|||` another way of writing the same step (A/B). The first line of each
    e-mail is its subject, all that follows its text. Empty lines in between are kept, those around it are not.
    Variables such as {{firstName}} go through unchanged.

    Raises a validation error whose text is a sentence that names the step and the variant.
    """
    steps: list[Step] = []
    for number, step in enumerate(_parts(text, _STEP_LINE), 1):
        variants: list[Variant] = []
        emails = _parts("\n".join(step), _VARIANT_LINE)
        for letter, lines in enumerate(emails):
            which = f"Step {number}" + (f", variant {_letter(letter)}" if len(emails) > 1 else "")
            written = _without_empty_ends(lines)
            if not written:
                raise problem(f"{which} is empty. Write a subject in its first line and the e-mail below it.")
            subject, body = written[0].strip(), _without_empty_ends(written[1:])
            if not body:
                raise problem(f"{which} has a subject only (“{subject[:60]}”). Write the e-mail in the lines below it.")
            variants.append(Variant(subject=subject, body=to_html(body)))
        steps.append(Step(variants=tuple(variants)))
    return tuple(steps)


def to_html(lines: Sequence[str]) -> str:
    """Plain lines as HTML that shows them just so: what looks like HTML in them is shown, not obeyed."""
    shown = (html.escape(line.expandtabs(4).rstrip(), quote=False) for line in lines)
    return "".join(f"<div>{line or '<br>'}</div>" for line in shown)


def _parts(text: str, mark: re.Pattern[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in text.splitlines():
        if mark.fullmatch(line):
            parts.append([])
        else:
            parts[-1].append(line)
    return parts


def _without_empty_ends(lines: Sequence[str]) -> list[str]:
    written = [number for number, line in enumerate(lines) if line.strip()]
    return list(lines[written[0] : written[-1] + 1]) if written else []


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def _check_sequence(text: str) -> str:
    if not text.strip():
        raise problem("Write at least one e-mail: its subject in the first line, the text below it.")
    parse_sequence(text)
    return text


def _lines(value: Any) -> Any:
    """The labels of tags, a line or comma each: they may have spaces in them."""
    if isinstance(value, str):
        value = re.split(r"[\n,;]", value)
    if not isinstance(value, list | tuple):
        return value
    return list(dict.fromkeys(" ".join(str(one).split()) for one in value if str(one).strip()))


def _something_to_change(value: str, info: ValidationInfo) -> str:
    """Stands at the last field. Where another field was wrong, that is told instead."""
    others = {name: given for name, given in info.data.items() if name != "campaign"}
    complete = len(info.data) == len(SetCampaignOptions.model_fields) - 1
    if complete and value == "keep" and all(given in ("keep", None, []) for given in others.values()):
        raise problem("Nothing would change. Change at least one of the options.")
    return value


class CreateCampaign(
    Action,
    provider="instantly",
    command="campaign create",
    title="Create a campaign",
    effect=Effect.WRITE,
    calls=("POST /backend/api/v1/campaign/create",),
):
    """Create a campaign, as a draft that sends nothing yet."""

    name: Name = Field(title="Name", description="What people will know it by.", json_schema_extra=from_words())

    @classmethod
    def usage(cls) -> str:
        return "[name]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return {"name": " ".join(words)} if words else {}

    def headline(self) -> str:
        return f"Create the campaign “{self.name}”"

    def subjects(self) -> tuple[str, ...]:
        return (self.name,)

    async def run(self, client: InstantlyClient, key: str) -> Outcome:
        campaign = await client.create_campaign(self.name)
        return Done(
            summary=f"The campaign “{self.name}” is there, as a draft. It sends nothing until somebody starts it.",
            items=(Item(name=self.name, note=f"id {campaign.id}"),),
        )

    async def reconcile(self, client: InstantlyClient, key: str) -> Outcome:
        """There is no list of campaigns to look into, and a name may be taken twice: a person has to look."""
        return Unknown(
            summary="It is not clear whether Instantly created the campaign.",
            evidence=f"Postroom cannot list campaigns. Look in Instantly for a new draft named “{self.name}”. "
            "If there is none, ask again; if you ask again while there is one, there will be two.",
            items=(Item(name=self.name, state=ItemState.UNKNOWN, note="may be there or not"),),
        )


class ShowCampaign(
    Action,
    provider="instantly",
    command="campaign show",
    title="Show a campaign",
    effect=Effect.READ,
    calls=("POST /api/campaign/get_campaign_data",),
):
    """Show how a campaign is doing."""

    campaign: CampaignId = Field(title="Campaign", description=CAMPAIGN_HINT, json_schema_extra=from_words())

    @classmethod
    def usage(cls) -> str:
        return "[id or link]"

    def headline(self) -> str:
        return f"Show the campaign {self.campaign}"

    def subjects(self) -> tuple[str, ...]:
        return (self.campaign,)

    async def run(self, client: InstantlyClient, key: str) -> Outcome:
        campaign = await client.campaign(self.campaign)
        status = CAMPAIGN_STATUS_WORDS.get(
            campaign.status, f"in a state that Postroom does not know (“{campaign.raw_status[:40]}”)"
        )
        items = [
            Item(name="Schedule", note="set" if campaign.schedule else "not set yet"),
            Item(name="Id", note=campaign.id),
        ]
        if campaign.created_at is not None:
            items.insert(0, Item(name="Created", note=f"{campaign.created_at:%Y-%m-%d %H:%M} UTC"))
        if campaign.not_sending_status:
            items.append(Item(name="Why it does not send", note=campaign.not_sending_status[:200]))
        return Done(summary=f"“{campaign.name or campaign.id}” is {status}.", items=tuple(items))


class SetCampaignOptions(
    Action,
    provider="instantly",
    command="campaign options",
    title="Campaign options",
    effect=Effect.WRITE,
    calls=("POST /api/campaign/get_campaign_data", "POST /api/campaign/update/options", "POST /api/v1/account/list"),
):
    """Change the options of a campaign; what is left alone stays as it is."""

    campaign: CampaignId = Field(title="Campaign", description=CAMPAIGN_HINT, json_schema_extra=from_words())
    senders: Annotated[Addresses, at_most(MOST_SENDERS, "addresses", least=0)] = Field(
        default=[],
        title="Sends from",
        description="Addresses of sending accounts, one per line. They replace those that it sends from now. "
        "Leave empty to keep them.",
    )
    tags: Annotated[list[str], BeforeValidator(_lines)] = Field(
        default=[],
        title="Sends from all tagged",
        description="Tags of sending accounts, by name or id, one per line. Leave empty to keep them.",
    )
    daily_limit: Number = Field(
        None, title="E-mails a day", description="For the whole campaign. Leave empty to keep it."
    )
    email_gap: Number = Field(
        None,
        title="Gap between e-mails",
        description="In the unit that Instantly shows beside it. Leave empty to keep it.",
    )
    open_tracking: Switch = Field("keep", title="Track opens", json_schema_extra=choices(_SWITCH))
    link_tracking: Switch = Field("keep", title="Track links", json_schema_extra=choices(_SWITCH))
    stop_on_reply: Switch = Field("keep", title="Stop after a reply", json_schema_extra=choices(_SWITCH))
    stop_on_auto_reply: Switch = Field(
        "keep", title="Stop after an automatic reply", json_schema_extra=choices(_SWITCH)
    )
    text_only: Annotated[Switch, AfterValidator(_something_to_change)] = Field(
        "keep", title="Send text only", validate_default=True, json_schema_extra=choices(_SWITCH)
    )

    @classmethod
    def usage(cls) -> str:
        return "[id or link]"

    def headline(self) -> str:
        return f"Change the options of the campaign {self.campaign}"

    def subjects(self) -> tuple[str, ...]:
        return (self.campaign,)

    async def check(self, client: InstantlyClient) -> None:
        await refuse_unknown_campaign(client, self.campaign)
        await refuse_unknown_senders(client, "senders", self.senders)
        if self._tag_names():
            missing = _missing(self._tag_names(), await _tag_ids(client))
            if missing:
                raise Refused({"tags": _no_such_tags(missing)})

    async def run(self, client: InstantlyClient, key: str) -> Outcome:
        known = await _tag_ids(client) if self._tag_names() else {}
        missing = _missing(self._tag_names(), known)
        if missing:
            return Failed(summary=f"{_no_such_tags(missing)} Nothing was changed.", cure="Ask again with other tags.")
        options = self._options(known)
        await client.update_options(self.campaign, options)
        return Done(
            summary="Instantly has taken the options of the campaign. It does not show them to Postroom, so this could "
            "not be read back.",
            items=tuple(Item(name=what, note=to) for what, to in self._told()),
        )

    async def reconcile(self, client: InstantlyClient, key: str) -> Outcome:
        return look_yourself(
            self.campaign, "options", "Asking again with the same options does no harm.", items=self._told()
        )

    def _tag_names(self) -> list[str]:
        return [tag for tag in self.tags if not UUID.fullmatch(tag)]

    def _options(self, tag_ids: Mapping[str, str]) -> CampaignOptions:
        tags = tuple(dict.fromkeys(tag_ids.get(tag.casefold(), tag.lower()) for tag in self.tags))
        return CampaignOptions(
            email_list=tuple(self.senders) or None,
            open_tracking=_on(self.open_tracking),
            link_tracking=_on(self.link_tracking),
            stop_on_reply=_on(self.stop_on_reply),
            stop_on_auto_reply=_on(self.stop_on_auto_reply),
            text_only=_on(self.text_only),
            daily_limit=self.daily_limit,
            email_gap=self.email_gap,
            email_tag_list=tags or None,
        )

    def _told(self) -> list[tuple[str, str]]:
        """What is to be changed, and to what, in the words of the form."""
        told: list[tuple[str, str]] = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name == "campaign" or value in ("keep", None, []):
                continue
            told.append((field.title or name, listed(value) if isinstance(value, list) else str(value)))
        return told


class SetCampaignSequences(
    Action,
    provider="instantly",
    command="campaign sequences",
    title="Campaign e-mails",
    effect=Effect.WRITE,
    calls=("POST /api/campaign/get_campaign_data", "POST /api/campaign/update/sequences"),
):
    """Write the e-mails of a campaign: its steps, and A/B variants of each."""

    campaign: CampaignId = Field(title="Campaign", description=CAMPAIGN_HINT, json_schema_extra=from_words())
    emails: Annotated[str, AfterValidator(_check_sequence)] = Field(
        title="E-mails",
        description="Each begins with its subject in a line of its own; the text follows. A line with --- starts the "
        "next step, a line with ||| another variant of the same step. These e-mails replace all that are there now.",
        json_schema_extra=multiline(),
    )

    @classmethod
    def usage(cls) -> str:
        return "[id or link]"

    def headline(self) -> str:
        return f"Write {self._counted()} for the campaign {self.campaign}"

    def subjects(self) -> tuple[str, ...]:
        return (self.campaign,)

    async def check(self, client: InstantlyClient) -> None:
        await refuse_unknown_campaign(client, self.campaign)

    async def run(self, client: InstantlyClient, key: str) -> Outcome:
        steps = parse_sequence(self.emails)
        await client.update_sequences(self.campaign, steps)
        return Done(
            summary=f"Instantly has taken {self._counted()} for the campaign. It does not show them to Postroom, so "
            "look at them there before you start it.",
            items=tuple(Item(name=f"Step {number}", note=_subjects(step)) for number, step in enumerate(steps, 1)),
        )

    async def reconcile(self, client: InstantlyClient, key: str) -> Outcome:
        return look_yourself(self.campaign, "e-mails", "Asking again with the same e-mails does no harm.")

    def _counted(self) -> str:
        steps = parse_sequence(self.emails)
        variants = sum(len(step.variants) for step in steps)
        told = counted(len(steps), "step")
        return told if variants == len(steps) else f"{told} with {variants} variants in all"


async def _tag_ids(client: InstantlyClient) -> dict[str, str]:
    """The tags in use, by their label without regard to case."""
    return {tag.label.casefold(): tag.id for account in await client.all_accounts() for tag in account.tags}


def _missing(tags: Sequence[str], known: Mapping[str, str]) -> list[str]:
    return [tag for tag in tags if tag.casefold() not in known]


def _no_such_tags(tags: Sequence[str]) -> str:
    return f"No sending account has the tag {listed(tags)}."


def _on(switch: Switch) -> bool | None:
    return None if switch == "keep" else switch == "on"


def _subjects(step: Step) -> str:
    if len(step.variants) == 1:
        return step.variants[0].subject
    return " · ".join(f"{_letter(number)}: {variant.subject}" for number, variant in enumerate(step.variants))


ACTIONS: tuple[type[Action], ...] = (
    CreateCampaign,
    ShowCampaign,
    SetCampaignOptions,
    SetCampaignSequences,
)
