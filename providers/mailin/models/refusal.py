"""What Mailin says when it says no."""

from __future__ import annotations

from pydantic import Field

from providers.mailin.lenient import FieldErrors, Names, Shape, Text


class Refusal(Shape):
    """The body of a "no": a sentence, reasons by field, and names that cannot be had."""

    message: Text = ""
    errors: FieldErrors = Field(default_factory=dict)
    unavailable: Names = ()
