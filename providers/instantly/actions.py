"""What people can ask of Instantly, a class each.

Two things Instantly could do are not offered: to verify leads while they are imported, which may cost credits and would
have to be a spend of its own; and lists of campaigns, for which it documents no call. A campaign is therefore named by
its id, or by a link to its page, which holds the id.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from providers.action import (
    Action,
    Chart,
    Done,
    Effect,
    Failed,
    Item,
    ItemState,
    Outcome,
    Pick,
    Refused,
    Revealed,
    Table,
    Unknown,
    choices,
    from_words,
    hidden,
    multiline,
    of_pages,
)
from providers.errors import NotFound, OutcomeUnknown, ProviderError, Rejected
from providers.fields import parse_addresses, problem
from providers.files import from_file
from providers.instantly.client import InstantlyClient
from providers.instantly.models import (
    AccountStatus,
    CampaignOptions,
    CampaignStatus,
    LeadImport,
    Limits,
    LimitsReadBack,
    SendingAccount,
    Step,
    Variant,
)

PAGE = 15
"""Rows of one page of an answer."""
LONGEST_NAME = 200
"""Characters of the name of a campaign or key. Instantly states no limit; a person still reads this at a glance."""
MOST_LEADS = 1000
"""In one request. Of what can be typed less fits into the form, about a hundred; a file takes them all."""
MOST_SENDERS = 500
"""Sending accounts in one request."""
MOST_ONE_BY_ONE = 50
"""Sending accounts whose gap or warm-up limit is changed in one request: each is a call of its own."""
HIGHEST_NUMBER = 100_000
"""Of any limit; more is a slip of the finger."""

STEP_MARK = "---"
VARIANT_MARK = "|||"
_STEP_LINE = re.compile(r"\s*(?:-{3,}|[–—]-?)\s*")
"""Also what phones make of three hyphens."""
_VARIANT_LINE = re.compile(r"\s*\|{3,}\s*")
_UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE)

ACCOUNT_STATUS_WORDS: Mapping[AccountStatus, str] = {
    AccountStatus.ACTIVE: "active",
    AccountStatus.PAUSED: "paused",
    AccountStatus.MAINTENANCE: "in maintenance",
    AccountStatus.CONNECTION_ERROR: "connection error",
    AccountStatus.SOFT_BOUNCE: "soft bounces",
    AccountStatus.SENDING_ERROR: "sending error",
}
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
LIMIT_WORDS: Mapping[str, str] = {
    "daily_limit": "daily limit",
    "sending_gap": "sending gap",
    "warmup_limit": "warm-up limit",
}

Switch = Literal["keep", "on", "off"]
_SWITCH: Mapping[str, str] = {"keep": "Leave as it is", "on": "On", "off": "Off"}


def parse_campaign(typed: str) -> str:
    """The id of a campaign out of what was typed: the id itself, or a link to one of the campaign's pages.

    Raises a validation error whose text is a sentence for the person.
    """
    found = {match.group().lower() for match in _UUID.finditer(typed)}
    if len(found) != 1:
        raise problem(
            "This is no id of a campaign. Open the campaign in Instantly and copy the address of the page, or its id: "
            "3bfdd2a0-65c4-48c9-90e6-c87a8aa25a50 is one."
        )
    (campaign_id,) = found
    return campaign_id


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


def _check_name(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise problem("Give it a name.")
    if len(name) > LONGEST_NAME:
        raise problem(f"This has {len(name)} characters; at most {LONGEST_NAME} fit.")
    return name


def _check_number(number: int | None) -> int | None:
    if number is not None and not 0 <= number <= HIGHEST_NUMBER:
        raise problem(f"This has to be a number from 0 to {HIGHEST_NUMBER}.")
    return number


def _each_once(addresses: list[str]) -> list[str]:
    return list({address.lower(): address for address in reversed(addresses)}.values())[::-1]


def _at_most(most: int, what: str, *, least: int = 1) -> AfterValidator:
    def check(addresses: list[str]) -> list[str]:
        if len(addresses) < least:
            raise problem(f"Write at least one of the {what}.")
        if len(addresses) > most:
            raise problem(f"These are {len(addresses)} {what}; at most {most} go into one request.")
        return addresses

    return AfterValidator(check)


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


def _some_limit(value: int | None, info: ValidationInfo) -> int | None:
    """Stands at the last field. Where another field was wrong, that is told instead."""
    if not {"addresses", "daily_limit", "sending_gap"} <= info.data.keys():
        return value
    one_by_one = value is not None or info.data["sending_gap"] is not None
    if not one_by_one and info.data["daily_limit"] is None:
        raise problem("Nothing would change. Fill in at least one of the limits.")
    if one_by_one and len(info.data["addresses"]) > MOST_ONE_BY_ONE:
        raise problem(
            f"The gap and the warm-up limit are set one account after the other, for at most {MOST_ONE_BY_ONE} in one "
            f"request; these are {len(info.data['addresses'])}. Only e-mails a day can be set for more."
        )
    return value


Name = Annotated[str, AfterValidator(_check_name)]
CampaignId = Annotated[str, BeforeValidator(lambda value: parse_campaign(value) if isinstance(value, str) else value)]
Number = Annotated[int | None, AfterValidator(_check_number)]
Addresses = Annotated[list[str], BeforeValidator(parse_addresses), AfterValidator(_each_once)]

CAMPAIGN_HINT = "Its id, or the address of its page in Instantly."


class CreateCampaign(
    Action, provider="instantly", command="campaign create", title="Create a campaign", effect=Effect.WRITE
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


class ShowCampaign(Action, provider="instantly", command="campaign show", title="Show a campaign", effect=Effect.READ):
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
    Action, provider="instantly", command="campaign options", title="Campaign options", effect=Effect.WRITE
):
    """Change the options of a campaign; what is left alone stays as it is."""

    campaign: CampaignId = Field(title="Campaign", description=CAMPAIGN_HINT, json_schema_extra=from_words())
    senders: Annotated[Addresses, _at_most(MOST_SENDERS, "addresses", least=0)] = Field(
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
        await _refuse_unknown_campaign(client, self.campaign)
        await _refuse_unknown_senders(client, "senders", self.senders)
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
        return _look_yourself(
            self.campaign, "options", "Asking again with the same options does no harm.", items=self._told()
        )

    def _tag_names(self) -> list[str]:
        return [tag for tag in self.tags if not _UUID.fullmatch(tag)]

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
            told.append((field.title or name, _listed(value) if isinstance(value, list) else str(value)))
        return told


class SetCampaignSequences(
    Action, provider="instantly", command="campaign sequences", title="Campaign e-mails", effect=Effect.WRITE
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
        await _refuse_unknown_campaign(client, self.campaign)

    async def run(self, client: InstantlyClient, key: str) -> Outcome:
        steps = parse_sequence(self.emails)
        await client.update_sequences(self.campaign, steps)
        return Done(
            summary=f"Instantly has taken {self._counted()} for the campaign. It does not show them to Postroom, so "
            "look at them there before you start it.",
            items=tuple(Item(name=f"Step {number}", note=_subjects(step)) for number, step in enumerate(steps, 1)),
        )

    async def reconcile(self, client: InstantlyClient, key: str) -> Outcome:
        return _look_yourself(self.campaign, "e-mails", "Asking again with the same e-mails does no harm.")

    def _counted(self) -> str:
        steps = parse_sequence(self.emails)
        variants = sum(len(step.variants) for step in steps)
        counted = _count(len(steps), "step")
        return counted if variants == len(steps) else f"{counted} with {variants} variants in all"


class AddLeads(Action, provider="instantly", command="campaign leads", title="Add leads", effect=Effect.WRITE):
    """Add leads to a campaign; those that are in it already are skipped.

    They are never verified on the way: that may cost credits, and is not what a WRITE may do.
    """

    campaign: CampaignId = Field(title="Campaign", description=CAMPAIGN_HINT, json_schema_extra=from_words())
    leads: Annotated[list[str], BeforeValidator(parse_addresses), _at_most(MOST_LEADS, "addresses")] = Field(
        title="Leads",
        description="E-mail addresses, one per line. Each new one uses up a lead of the plan.",
        json_schema_extra=from_file("email"),
    )
    skip_known: bool = Field(
        False, title="Skip leads of other campaigns", description="Leave out who is a lead anywhere in the workspace."
    )

    @classmethod
    def usage(cls) -> str:
        return "[id or link] [address …]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return _campaign_and(words, "leads")

    def headline(self) -> str:
        return f"Add {_count(len(self.leads), 'lead')} to the campaign {self.campaign}"

    def subjects(self) -> tuple[str, ...]:
        return (self.campaign,)

    async def check(self, client: InstantlyClient) -> None:
        await _refuse_unknown_campaign(client, self.campaign)

    async def run(self, client: InstantlyClient, key: str) -> Outcome:
        told = await client.add_leads(self.campaign, self.leads, skip_if_in_workspace=self.skip_known)
        return self._reported(told)

    async def reconcile(self, client: InstantlyClient, key: str) -> Outcome:
        return _look_yourself(
            self.campaign,
            "leads",
            f"Asking again with the same {_count(len(self.leads), 'address', 'addresses')} does no harm: those that "
            "are in the campaign are skipped.",
        )

    def _reported(self, told: LeadImport) -> Outcome:
        """The counts of the import, in a person's words. That Instantly says "success" says nothing about them."""
        total = told.total_sent or len(self.leads)
        counts = {
            "Added": told.leads_uploaded,
            "Already in the campaign": told.already_in_campaign,
            "Not an address, says Instantly": told.invalid_email_count,
            "There twice": told.duplicate_email_count,
            "On the blocklist": told.in_blocklist,
        }
        counts["Left out for another reason"] = max(0, total - sum(counts.values()))
        shares = tuple((what, count) for what, count in counts.items() if count)
        items = [Item(name=what, note=str(count)) for what, count in shares]
        if told.remaining_in_plan is not None:
            items.append(Item(name="Room left in the plan", note=_count(told.remaining_in_plan, "lead")))
        full = told.remaining_in_plan == 0 and counts["Left out for another reason"] > 0
        summary = f"{told.leads_uploaded} of {_count(total, 'address', 'addresses')} became leads of the campaign."
        if full:
            summary += " The plan has no room for more leads."
        settled = told.leads_uploaded + told.already_in_campaign + told.duplicate_email_count
        if told.leads_uploaded == 0 and settled < total:
            return Failed(
                summary=summary,
                cure="Whoever pays for this account: make room in its plan, then ask again."
                if full
                else "Look at why below, and ask again with other addresses.",
                items=tuple(items),
            )
        chart = Chart(title="Import", shares=shares) if len(shares) > 1 else None
        return Done(summary=summary, items=tuple(items), chart=chart)


class CreateApiKey(
    Action, provider="instantly", command="campaign api-key", title="Make an API key", effect=Effect.REVEAL
):
    """Make a new API key that opens the whole workspace, and show it once.

    The key is minted by the showing: it is sent for once, and what was shown is kept nowhere.
    """

    name: Name = Field(
        title="Name of the key",
        description="Say who will use it, so that it can be found and deleted later.",
        json_schema_extra=from_words(),
    )

    @classmethod
    def usage(cls) -> str:
        return "[name]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return {"name": " ".join(words)} if words else {}

    def headline(self) -> str:
        return f"Make an API key named “{self.name}”"

    def subjects(self) -> tuple[str, ...]:
        return (self.name,)

    async def reveal(self, client: InstantlyClient) -> Revealed:
        try:
            made = await client.create_api_key(self.name)
        except OutcomeUnknown as error:
            sentence, status, detail = error.sentence, error.status, error.detail
        else:
            return Revealed(
                summary=f"The API key “{self.name}” opens the whole workspace. It is shown this once: keep it where "
                "secrets are kept. Whoever loses it makes another and deletes this one in Instantly.",
                secrets=(("API key", made.key),),
            )
        raise OutcomeUnknown(
            f"{sentence} If a key was made, nobody has seen it.",
            cure=f"Look at the API keys in Instantly's settings and delete the one named “{self.name}” if it is there. "
            "Then ask again.",
            status=status,
            detail=detail,
        )


class ListSendingAccounts(
    Action, provider="instantly", command="mailbox accounts", title="Sending accounts", effect=Effect.READ
):
    """List sending accounts with their warm-up score, tags and limits."""

    search: Annotated[str, Field(max_length=LONGEST_NAME)] = Field(
        "",
        title="Search for",
        description="Part of an address or a name. Leave empty to see all.",
        json_schema_extra=from_words(),
    )
    status: Literal["any", "active", "paused", "maintenance", "connection_error", "soft_bounce", "sending_error"] = (
        Field(
            "any",
            title="Status",
            json_schema_extra=choices(
                {"any": "Any", **{status.value: word.capitalize() for status, word in ACCOUNT_STATUS_WORDS.items()}}
            ),
        )
    )
    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    @classmethod
    def usage(cls) -> str:
        return "[part of an address]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return {"search": " ".join(words)}

    async def run(self, client: InstantlyClient, key: str) -> Outcome:
        search = self.search.strip()
        page = await client.accounts(
            skip=(self.page - 1) * PAGE,
            limit=PAGE + 1,  # the one too many tells whether there is a next page
            search=search or None,
            status=None if self.status == "any" else AccountStatus(self.status),
        )
        shown = page.accounts[:PAGE]
        matching = f" matching “{search}”" if search else ""
        if self.status != "any":
            matching += f" with the status “{ACCOUNT_STATUS_WORDS[AccountStatus(self.status)]}”"
        if not shown:
            return Done(summary=f"There are no {'more ' if self.page > 1 else ''}sending accounts{matching}.")
        more = len(page.accounts) > PAGE
        counted = _count(len(shown), "sending account")
        next_page = self.page + 1 if more else None
        return Done(
            summary=f"{counted}{matching}{of_pages(self.page, next_page)}.",
            table=Table(
                columns=("Address", "Status", "Warm-up score", "A day", "Warm-up a day", "Gap", "Tags"),
                rows=tuple(_account_row(account) for account in shown),
                pick=Pick(command=SetMailboxLimits.command, field="addresses", button="Change their limits …"),
            ),
            next_page=next_page,
        )


class SetMailboxLimits(
    Action, provider="instantly", command="mailbox limits", title="Sending limits", effect=Effect.WRITE
):
    """Change the limits of one or more sending accounts."""

    addresses: Annotated[Addresses, _at_most(MOST_SENDERS, "addresses")] = Field(
        title="Sending accounts", description="Their addresses, one per line.", json_schema_extra=from_words()
    )
    daily_limit: Number = Field(None, title="E-mails a day", description="Leave empty to keep it.")
    sending_gap: Number = Field(
        None,
        title="Gap between e-mails",
        description="In the unit that Instantly shows beside it. Leave empty to keep it.",
    )
    warmup_limit: Annotated[Number, AfterValidator(_some_limit)] = Field(
        None, title="Warm-up e-mails a day", description="Leave empty to keep it.", validate_default=True
    )

    @classmethod
    def usage(cls) -> str:
        return "[address …]"

    def headline(self) -> str:
        what = self.addresses[0] if len(self.addresses) == 1 else f"{len(self.addresses)} sending accounts"
        return f"Set the limits of {what}: {self._wanted()}"

    def subjects(self) -> tuple[str, ...]:
        return tuple(self.addresses)

    async def check(self, client: InstantlyClient) -> None:
        await _refuse_unknown_senders(client, "addresses", self.addresses)

    async def run(self, client: InstantlyClient, key: str) -> Outcome:
        """Set, then read back: that Instantly says "success" proves nothing (endpoint rows 93 and 96)."""
        sent, stopped = await self._send(client)
        if stopped is not None and not sent:
            raise stopped
        unclear = stopped if isinstance(stopped, OutcomeUnknown) else None
        try:
            found = await client.read_back(self.addresses, self._limits())
        except ProviderError as error:
            sentence, status = error.sentence, error.status
        else:
            return self._reported(found, stopped, unclear)
        raise OutcomeUnknown(
            f"Instantly took the limits of {_count(sent, 'sending account')}, but they could not be read back. "
            f"{sentence}",
            status=status,
        )

    async def reconcile(self, client: InstantlyClient, key: str) -> Outcome:
        found = await client.read_back(self.addresses, self._limits())
        unclear = OutcomeUnknown("It is not clear whether Instantly changed all of the limits.")
        return self._reported(found, unclear, unclear)

    async def _send(self, client: InstantlyClient) -> tuple[int, ProviderError | None]:
        """How many accounts Instantly said yes for, and what went wrong. Addresses it does not know are not sent."""
        limits = self._limits()
        found = await client.find_accounts(self.addresses)
        addresses = [account.email for account in found.values()]  # in Instantly's own spelling
        sent, refused = 0, None
        try:
            if len(addresses) > 1 and limits.daily_limit is not None and limits.as_sent().keys() == {"daily_limit"}:
                await client.update_accounts(addresses, limits.daily_limit)
                return len(addresses), None
            for address in addresses:
                try:
                    await client.update_account(address, limits)
                except Rejected as error:
                    refused = error
                else:
                    sent += 1
        except ProviderError as error:
            return sent, error
        return sent, refused

    def _reported(
        self, found: LimitsReadBack, stopped: ProviderError | None, unclear: OutcomeUnknown | None
    ) -> Outcome:
        total, applied = len(self.addresses), len(found.applied)
        absent = ItemState.NOT_DONE if unclear is None else ItemState.UNKNOWN
        items = tuple(self._item(address, found, absent) for address in self.addresses)
        if applied == total:
            whose = f"{self.addresses[0]} has" if total == 1 else f"All {total} sending accounts have"
            return Done(summary=f"{whose} the new limits now: {self._wanted()}.", items=items)
        so_far = f"{applied} of {_count(total, 'sending account')} {'has' if applied == 1 else 'have'} the new limits."
        if unclear is not None:
            evidence = f"{so_far} Asking again with the same limits does no harm."
            return Unknown(summary=unclear.sentence, evidence=evidence, items=items)
        if stopped is not None:
            return Failed(summary=f"{so_far} {stopped.sentence}", cure=stopped.cure, items=items)
        return Failed(
            summary=f"{so_far} The others show something else, although Instantly did not complain.",
            cure="Check the addresses and figures below; asking again with the same limits does no harm.",
            items=items,
        )

    def _item(self, address: str, found: LimitsReadBack, absent: ItemState) -> Item:
        if address in found.differing:
            lacking = ", ".join(LIMIT_WORDS[name] for name in found.differing[address])
            return Item(name=address, state=absent, note=f"not applied: {lacking}")
        if address in found.missing:
            return Item(name=address, state=ItemState.NOT_DONE, note="not among the sending accounts")
        return Item(name=address, note=self._wanted())

    def _limits(self) -> Limits:
        return Limits(daily_limit=self.daily_limit, sending_gap=self.sending_gap, warmup_limit=self.warmup_limit)

    def _wanted(self) -> str:
        wanted = self._limits().model_dump(exclude_none=True)
        return ", ".join(f"{LIMIT_WORDS[name]} {value}" for name, value in wanted.items())


ACTIONS: tuple[type[Action], ...] = (
    CreateCampaign,
    ShowCampaign,
    SetCampaignOptions,
    SetCampaignSequences,
    AddLeads,
    CreateApiKey,
    ListSendingAccounts,
    SetMailboxLimits,
)
"""What `providers/catalogue.py` offers of Instantly, in the order of the help text."""


# What several of them need.


async def _refuse_unknown_campaign(client: InstantlyClient, campaign_id: str) -> None:
    try:
        await client.campaign(campaign_id)
    except (NotFound, Rejected) as error:
        sentence = error.sentence
    else:
        return
    raise Refused({"campaign": f"{sentence} Check the id, and the account you asked for."})


async def _refuse_unknown_senders(client: InstantlyClient, field: str, addresses: Sequence[str]) -> None:
    found = await client.find_accounts(addresses) if addresses else {}
    missing = [address for address in addresses if address not in found]
    if missing:
        raise Refused({field: f"Not among the sending accounts: {_listed(missing)}. Remove or correct these."})


async def _tag_ids(client: InstantlyClient) -> dict[str, str]:
    """The tags in use, by their label without regard to case."""
    return {tag.label.casefold(): tag.id for account in await client.all_accounts() for tag in account.tags}


def _missing(tags: Sequence[str], known: Mapping[str, str]) -> list[str]:
    return [tag for tag in tags if tag.casefold() not in known]


def _no_such_tags(tags: Sequence[str]) -> str:
    return f"No sending account has the tag {_listed(tags)}."


def _look_yourself(campaign_id: str, what: str, harmless: str, items: Sequence[tuple[str, str]] = ()) -> Unknown:
    """For what Instantly takes but never shows: nothing can be read back, so a person has to look."""
    return Unknown(
        summary=f"It is not clear whether Instantly changed the {what} of the campaign.",
        evidence=f"Postroom cannot read them back. Look at the {what} of the campaign {campaign_id} in Instantly. "
        f"{harmless}",
        items=tuple(Item(name=name, state=ItemState.UNKNOWN, note=note) for name, note in items),
    )


def _campaign_and(words: Sequence[str], rest: str) -> dict[str, Any]:
    """The first word is the campaign, all others belong to the field `rest`."""
    filled = {"campaign": words[0]} if words else {}
    return filled | ({rest: "\n".join(words[1:])} if len(words) > 1 else {})


def _on(switch: Switch) -> bool | None:
    return None if switch == "keep" else switch == "on"


def _account_row(account: SendingAccount) -> tuple[str, ...]:
    status = ACCOUNT_STATUS_WORDS.get(account.status, f"unknown ({account.raw_status[:40] or 'nothing said'})")
    score = "–" if account.warmup_score is None else f"{account.warmup_score:g}"
    numbers = (account.daily_limit, account.warmup_limit, account.sending_gap)
    tags = ", ".join(tag.label for tag in account.tags)
    return (account.email, status, score, *("–" if number is None else str(number) for number in numbers), tags or "–")


def _subjects(step: Step) -> str:
    if len(step.variants) == 1:
        return step.variants[0].subject
    return " · ".join(f"{_letter(number)}: {variant.subject}" for number, variant in enumerate(step.variants))


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
