"""What people can ask of Instantly about the leads of a campaign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from providers.action import Action, Chart, Done, Effect, Failed, Item, Outcome, from_words
from providers.fields import parse_addresses
from providers.files import from_file
from providers.instantly.actions.common import (
    CAMPAIGN_HINT,
    CampaignId,
    at_most,
    look_yourself,
    refuse_unknown_campaign,
)
from providers.instantly.client import InstantlyClient
from providers.instantly.models import LeadImport
from providers.listing import counted

MOST_LEADS = 1000
"""In one request. Of what can be typed less fits into the form, about a hundred; a file takes them all."""


class AddLeads(
    Action,
    provider="instantly",
    command="campaign leads",
    title="Add leads",
    effect=Effect.WRITE,
    calls=("POST /api/campaign/get_campaign_data", "POST /backend/api/v1/lead/add"),
):
    """Add leads to a campaign; those that are in it already are skipped.

    They are never verified on the way: that may cost credits, and is not what a WRITE may do.
    """

    campaign: CampaignId = Field(title="Campaign", description=CAMPAIGN_HINT, json_schema_extra=from_words())
    leads: Annotated[list[str], BeforeValidator(parse_addresses), at_most(MOST_LEADS, "addresses")] = Field(
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
        return f"Add {counted(len(self.leads), 'lead')} to the campaign {self.campaign}"

    def subjects(self) -> tuple[str, ...]:
        return (self.campaign,)

    async def check(self, client: InstantlyClient) -> None:
        await refuse_unknown_campaign(client, self.campaign)

    async def run(self, client: InstantlyClient, key: str) -> Outcome:
        told = await client.add_leads(self.campaign, self.leads, skip_if_in_workspace=self.skip_known)
        return self._reported(told)

    async def reconcile(self, client: InstantlyClient, key: str) -> Outcome:
        return look_yourself(
            self.campaign,
            "leads",
            f"Asking again with the same {counted(len(self.leads), 'address', 'addresses')} does no harm: those that "
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
            items.append(Item(name="Room left in the plan", note=counted(told.remaining_in_plan, "lead")))
        full = told.remaining_in_plan == 0 and counts["Left out for another reason"] > 0
        summary = f"{told.leads_uploaded} of {counted(total, 'address', 'addresses')} became leads of the campaign."
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


def _campaign_and(words: Sequence[str], rest: str) -> dict[str, Any]:
    """The first word is the campaign, all others belong to the field `rest`."""
    filled = {"campaign": words[0]} if words else {}
    return filled | ({rest: "\n".join(words[1:])} if len(words) > 1 else {})


ACTIONS: tuple[type[Action], ...] = (AddLeads,)
