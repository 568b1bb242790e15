"""What people can ask of ScaledMail about organizations."""

from __future__ import annotations

from providers.action import Action, Effect, Item, Outcome
from providers.listing import Listing, counted
from providers.scaledmail.client import ScaledMailClient


class ListOrganizations(
    Listing,
    provider="scaledmail",
    command="postroom organizations",
    title="Organizations",
    effect=Effect.READ,
    calls=("GET /api/v1/organizations",),
):
    """List the organizations of an account, with the ids that the settings want."""

    async def run(self, client: ScaledMailClient, key: str) -> Outcome:
        """All organizations (endpoint row 1), whichever this account works in."""
        found = await client.organizations()
        shown, next_page = self.part_of(found)
        works_in = client.organization_id or (found[0].id if len(found) == 1 else "")
        return self.told(
            counted(len(found), "organization"),
            nothing=f"There are no {self.more}organizations in this account.",
            items=(
                Item(
                    name=one.id,
                    note=" · ".join(filter(None, [one.name, "this account works here" if one.id == works_in else ""])),
                )
                for one in shown
            ),
            next_page=next_page,
        )


ACTIONS: tuple[type[Action], ...] = (ListOrganizations,)
