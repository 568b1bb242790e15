"""What the actions of several nouns share: kinds of fields, listings, words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from providers.action import Item, ItemState, Refused, Unknown
from providers.errors import NotFound, Rejected
from providers.fields import Kind, parse_addresses, problem
from providers.instantly.client import InstantlyClient
from providers.listing import listed

LONGEST_NAME = 200
"""Characters of the name of a campaign or key. Instantly states no limit; a person still reads this at a glance."""
MOST_SENDERS = 500
"""Sending accounts in one request."""
HIGHEST_NUMBER = 100_000
"""Of any limit; more is a slip of the finger."""
UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE)


def parse_campaign(typed: str) -> str:
    """The id of a campaign out of what was typed: the id itself, or a link to one of the campaign's pages.

    Raises a validation error whose text is a sentence for the person.
    """
    found = {match.group().lower() for match in UUID.finditer(typed)}
    if len(found) != 1:
        raise problem(
            "This is no id of a campaign. Open the campaign in Instantly and copy the address of the page, or its id: "
            "3bfdd2a0-65c4-48c9-90e6-c87a8aa25a50 is one."
        )
    (campaign_id,) = found
    return campaign_id


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


def at_most(most: int, what: str, *, least: int = 1) -> AfterValidator:
    """A validator of how many there are; `what` are "addresses"."""

    def check(addresses: list[str]) -> list[str]:
        if len(addresses) < least:
            raise problem(f"Write at least one of the {what}.")
        if len(addresses) > most:
            raise problem(f"These are {len(addresses)} {what}; at most {most} go into one request.")
        return addresses

    return AfterValidator(check)


Name = Annotated[str, AfterValidator(_check_name)]
CampaignId = Annotated[str, BeforeValidator(lambda value: parse_campaign(value) if isinstance(value, str) else value)]
Number = Annotated[int | None, AfterValidator(_check_number)]
Addresses = Annotated[list[str], BeforeValidator(parse_addresses), AfterValidator(_each_once), Kind.ADDRESS]

CAMPAIGN_HINT = "Its id, or the address of its page in Instantly."


async def refuse_unknown_campaign(client: InstantlyClient, campaign_id: str) -> None:
    """Raises Refused for a campaign that Instantly does not show to this account."""
    try:
        await client.campaign(campaign_id)
    except (NotFound, Rejected) as error:
        sentence = error.sentence
    else:
        return
    raise Refused({"campaign": f"{sentence} Check the id, and the account you asked for."})


async def refuse_unknown_senders(client: InstantlyClient, field: str, addresses: Sequence[str]) -> None:
    """Raises Refused, under `field`, for addresses that are no sending accounts."""
    found = await client.find_accounts(addresses) if addresses else {}
    missing = [address for address in addresses if address not in found]
    if missing:
        raise Refused({field: f"Not among the sending accounts: {listed(missing)}. Remove or correct these."})


def look_yourself(campaign_id: str, what: str, harmless: str, items: Sequence[tuple[str, str]] = ()) -> Unknown:
    """For what Instantly takes but never shows: nothing can be read back, so a person has to look."""
    return Unknown(
        summary=f"It is not clear whether Instantly changed the {what} of the campaign.",
        evidence=f"Postroom cannot read them back. Look at the {what} of the campaign {campaign_id} in Instantly. "
        f"{harmless}",
        items=tuple(Item(name=name, state=ItemState.UNKNOWN, note=note) for name, note in items),
    )
