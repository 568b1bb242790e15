"""Where the bot's token may go to fetch a file. The scenes with a workspace are in tests/e2e/test_scene_files.py."""

from __future__ import annotations

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from handlers.slack.files import Files


@pytest.mark.parametrize(
    ("api", "address", "ours"),
    [
        ("https://slack.com/api/", "https://files.slack.com/files-pri/T1-F1/download/list.csv", True),
        ("https://slack.com/api/", "https://FILES.slack.com:443/x", True),
        ("https://slack-gov.com/api/", "https://files.slack-gov.com/x", True),
        ("http://127.0.0.1:8065/api/", "http://127.0.0.1:8065/files-pri/x", True),
        ("https://slack.com/api/", "http://files.slack.com/x", False),
        ("https://slack.com/api/", "https://files.slack.com:8443/x", False),
        ("https://slack.com/api/", "https://files.slack.com.evil.example/x", False),
        ("https://slack.com/api/", "https://evil.example/files.slack.com", False),
        ("https://slack.com/api/", "https://files.slack.com@evil.example/x", False),
        ("https://slack.com/api/", "https://files.slack.com\\@evil.example/x", False),
        ("https://slack.com/api/", "https://evilfiles.slack.com.example/x", False),
        ("https://slack.com/api/", "https://docs.google.com/document/x", False),
        ("https://slack.com/api/", "//files.slack.com/x", False),
        ("https://slack.com/api/", "files.slack.com/x", False),
        ("https://slack.com/api/", "file:///etc/passwd", False),
        ("https://slack.com/api/", "https://[", False),
        ("https://slack.com/api/", "", False),
        ("http://127.0.0.1:8065/api/", "http://127.0.0.1:8066/x", False),
        ("http://127.0.0.1:8065/api/", "https://files.slack.com/x", False),
    ],
)
def test_only_slacks_own_hosts(api: str, address: str, ours: bool) -> None:
    assert (Files(AsyncWebClient(base_url=api)).slacks(address) is not None) is ours
