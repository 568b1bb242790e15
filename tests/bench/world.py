"""The names of the little world that is measured, and the settings Postroom runs with in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from providers.mailin.sandbox import SANDBOX_EMAIL, SANDBOX_PASSWORD

TEAM = "T0ACME"
REQUESTER = "U0ANA"
APPROVER = "U0OMAR"
CHANNEL = "C0OUTREACH"
APPROVALS = "C0APPROVALS"
ACCOUNT = "mailin-main"
SIGNING_SECRET = "bench-signing-secret"
BOT_TOKEN = "xoxb-bench"

_SETTINGS = """
[slack]
mode = "http"
approvals_channel = "{approvals}"

[accounts.{account}]
provider = "mailin"
base_url = "{mailin}"
email = "env:MAILIN_EMAIL"
password = "env:MAILIN_PASSWORD"

[prices.mailin]
currency = "USD"
"domain.com" = "12.50"

[approvals]
approvers = ["{approver}", "U0FINN"]
"""


def settings_file(folder: Path, mailin: str) -> Path:
    """Write the settings as an operator would, everything else left at its default."""
    path = folder / "postroom.toml"
    path.write_text(_SETTINGS.format(approvals=APPROVALS, account=ACCOUNT, mailin=mailin, approver=APPROVER))
    return path


def environment(settings: Path, database: Path, port: int, slack_api: str) -> Mapping[str, str]:
    """The environment of the process."""
    return {
        "POSTROOM_CONFIG": str(settings),
        "POSTROOM_DATABASE": str(database),
        "POSTROOM_PORT": str(port),
        "SLACK_BOT_TOKEN": BOT_TOKEN,
        "SLACK_SIGNING_SECRET": SIGNING_SECRET,
        "SLACK_API_URL": slack_api,
        "MAILIN_EMAIL": SANDBOX_EMAIL,
        "MAILIN_PASSWORD": SANDBOX_PASSWORD,
    }
