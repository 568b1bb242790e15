"""What the actions of several nouns share: kinds of fields, listings, words."""

from __future__ import annotations

from pydantic import AfterValidator

from providers.fields import problem
from providers.smailor.models import Domain

LONGEST_LINE = 200
"""Characters of a name or a subject. Smailor states no limit; longer ones are cut off by most mail programs."""
LONGEST_BODY = 3000
"""Characters of a body: what Slack lets a person type into one field."""

# What can be typed into the fields.


def one_line(what: str, *, required: bool = True) -> AfterValidator:
    """One line of text, not longer than Smailor's readers see."""

    def check(value: str) -> str:
        line = " ".join(value.split())
        if required and not line:
            raise problem(f"Write {what}.")
        if len(line) > LONGEST_LINE:
            raise problem(f"This has {len(line)} characters; at most {LONGEST_LINE} fit.")
        return line

    return AfterValidator(check)


def checked_body(value: str) -> str:
    """The body of an e-mail or a template, not longer than a form holds."""
    if len(value) > LONGEST_BODY:
        raise problem(f"This has {len(value)} characters; at most {LONGEST_BODY} fit.")
    return value.strip()


def advice_on(domain: Domain) -> str:
    """What Smailor advises about a domain, if anything."""
    advice = " ".join(domain.advice.split())
    return f"Smailor says: {advice[:LONGEST_LINE]}" if advice else ""
