"""What people can ask of ScaledMail about organizations."""

from __future__ import annotations

from pydantic import Field

from providers.action import Action, Done, Effect, Item, Outcome, hidden, of_pages
from providers.scaledmail.actions.common import counted, paged
from providers.scaledmail.client import ScaledMailClient


class ListOrganizations(
    Action,
    provider="scaledmail",
    command="postroom organizations",
    title="Organizations",
    effect=Effect.READ,
    calls=("GET /api/v1/organizations",),
):
    """List the organizations of an account, with the ids that the settings want."""

    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    async def run(self, client: ScaledMailClient, key: str) -> Outcome:
        """All organizations (endpoint row 1), whichever this account works in."""
        found = await client.organizations()
        shown, next_page = paged(found, self.page)
        if not shown:
            return Done(summary=f"There are no {'more ' if found else ''}organizations in this account.")
        works_in = client.organization_id or (found[0].id if len(found) == 1 else "")
        return Done(
            summary=f"{counted(len(found), 'organization')}{of_pages(self.page, next_page)}.",
            items=tuple(
                Item(
                    name=one.id,
                    note=" · ".join(filter(None, [one.name, "this account works here" if one.id == works_in else ""])),
                )
                for one in shown
            ),
            next_page=next_page,
        )


ACTIONS: tuple[type[Action], ...] = (ListOrganizations,)
