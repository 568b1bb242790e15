"""The one error taxonomy: what can go wrong between Postroom and a provider.

A client raises these and nothing else. `str(error)` is a sentence a person may read; `detail` is for the log and
carries no secret; `cure` says what to do now.
"""

from __future__ import annotations


class ProviderError(Exception):
    """Base of all. `sentence` says what happened, `cure` what the reader can do about it.

    `status` is the HTTP status where there was one. `detail` is a redacted technical line for the log.
    """

    cure = "Try again in a few minutes. If it stays like this, tell whoever runs Postroom."

    def __init__(self, sentence: str, *, cure: str | None = None, status: int | None = None, detail: str = "") -> None:
        # It may end in the provider's own words, and more is said behind it.
        self.sentence = sentence if sentence.endswith((".", "!", "?", "”", "…")) else f"{sentence}."
        super().__init__(self.sentence)
        self.cure = cure or type(self).cure
        self.status = status
        self.detail = detail


class NotSent(ProviderError):
    """The call provably never reached the provider (no connection, no log-in). Nothing was changed."""


class Rejected(ProviderError):
    """The provider understood and said no; nothing was changed. `fields` has its reasons by field, if it gave any."""

    cure = "Change the request and ask again."

    def __init__(
        self,
        sentence: str,
        *,
        fields: dict[str, list[str]] | None = None,
        unavailable: tuple[str, ...] = (),
        cure: str | None = None,
        status: int | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(sentence, cure=cure, status=status, detail=detail)
        self.fields = fields or {}
        self.unavailable = unavailable
        """Names the provider called unavailable (Mailin rows 27, 29, 46, 47)."""


class OutcomeUnknown(ProviderError):
    """A change was sent and nobody knows whether it happened. Never repeat it: read the provider, or ask a person."""

    cure = "Do not repeat it. Postroom looks at the provider and will say here what it finds."


class RateLimited(ProviderError):
    """Too many calls; nothing was changed. `retry_after` is in seconds, None where the provider did not say."""

    def __init__(
        self,
        sentence: str,
        *,
        retry_after: float | None = None,
        cure: str | None = None,
        status: int | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(sentence, cure=cure, status=status, detail=detail)
        self.retry_after = retry_after


class AuthExpired(ProviderError):
    """The credentials were refused, also after a fresh login. Nothing was changed."""

    cure = "Whoever runs Postroom: check this account's credentials with `postroom doctor`."


class AlreadyExists(ProviderError):
    """The thing is there already. After an unclear answer this can mean that the first try worked."""

    cure = "Look it up with the matching `list` command before asking again."


class Blocked(ProviderError):
    """The provider refuses for reputation or policy reasons, and will keep refusing until those change."""

    cure = "See the provider's advice for this domain, then ask again."


class NotFound(ProviderError):
    """The thing is not there, or belongs to somebody else (providers answer the same for both)."""

    cure = "Check the name, and the account you asked for."


class NeedsSubscription(ProviderError):
    """The account has no active subscription or plan for this. Nothing was changed."""

    cure = "Whoever pays for this account: renew or upgrade its subscription, then ask again."


class Upstream(ProviderError):
    """The provider failed on its own side while reading; nothing was changed."""


class BadAnswer(ProviderError):
    """The answer could not be understood: not JSON, or JSON of an unknown shape. Nothing is concluded from it."""

    cure = "Whoever runs Postroom: see the log for this account; the provider may have changed its API."
