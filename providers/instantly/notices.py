"""What somebody should know about an Instantly account without having asked: mailboxes that cannot send or are cold."""

from __future__ import annotations

from providers.instantly.client import InstantlyClient
from providers.instantly.models import AccountStatus, SendingAccount
from providers.notices import Notice, NoticeKind

LOW_SCORE = 80.0
"""A warm-up score below this, of 100, is worth a look before a campaign is sent."""
_WRONG = {
    AccountStatus.CONNECTION_ERROR: "connection error",
    AccountStatus.SENDING_ERROR: "sending error",
    AccountStatus.SOFT_BOUNCE: "soft bounce",
}


async def notices(client: InstantlyClient) -> tuple[Notice, ...]:
    """The sending accounts in error, then those with a low warm-up score, the lowest first (endpoint row 92)."""
    accounts = await client.all_accounts(include_tags=False)
    wrong = [one for one in accounts if one.status in _WRONG]
    cold = [one for one in accounts if one.status not in _WRONG and _score(one) < LOW_SCORE]
    cold.sort(key=_score)
    return (
        *(Notice(NoticeKind.SENDING, one.email, _WRONG[one.status]) for one in wrong),
        *(Notice(NoticeKind.SENDING, one.email, f"warm-up score {_score(one):.0f} of 100") for one in cold),
    )


def _score(account: SendingAccount) -> float:
    """100 where Instantly has none yet: what it does not say is no reason to worry."""
    return 100.0 if account.warmup_score is None else account.warmup_score
