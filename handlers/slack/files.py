"""Files that somebody attached to a form: fetched from Slack and read, after Slack has had its answer.

Nothing is kept of a file but the lines it stands for, which are the form's input like any other; until they are read,
also where it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from handlers.slack.entered import Attached, FormError, file_block
from handlers.slack.front import slack_error
from providers.files import Wanted, lines_of, too_big
from providers.xlsx import Unreadable

log = structlog.get_logger(__name__)

PATIENCE = 60.0
"""Seconds for fetching a file: whoever sent the form is looking at its window meanwhile."""
AT_ONCE = 2
"""Files that are read at the same time: each is held in memory, and keeps a thread busy."""

_AWAY = "Slack did not hand over the file just now. Send the form again, or paste the lines instead."
_CLOSED = (
    "Slack did not let Postroom read the file. Paste the lines instead, and tell whoever runs Postroom: "
    "“postroom doctor” says what is wrong."
)
_GONE = "The file is not in Slack any more. Attach it once more, or paste the lines instead."
_ELSEWHERE = "The file does not lie in Slack itself. Save it on your computer, and attach it from there."


class NotRead(FormError):
    """Files that could not be read, each with a sentence. Those of the fields `useless` need not be tried again."""

    def __init__(self, wrong: Mapping[str, Unreadable]) -> None:
        super().__init__({file_block(name): f"{why.sentence} Nothing was asked." for name, why in wrong.items()})
        self.useless = {name for name, why in wrong.items() if not isinstance(why, _NotHad)}


class _NotHad(Unreadable):
    """Slack did not hand it over; it may do so the next time."""


class Files:
    """Reads what was attached to forms."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._turns = asyncio.Semaphore(AT_ONCE)
        api = URL(client.base_url)
        # https://slack.com/api/ hands out its files at https://files.slack.com; a local workspace has but one host
        hosts = (api.host, f"files.{api.host}") if api.scheme == "https" else (api.host,)
        self._ours = frozenset((api.scheme, host, api.port) for host in hosts)

    async def lines(self, attached: Mapping[str, Attached]) -> dict[str, list[str]]:
        """The lines that the files stand for, by field. Raises NotRead with a sentence for each bad file."""
        lines: dict[str, list[str]] = {}
        wrong: dict[str, Unreadable] = {}
        for name, file in attached.items():
            try:
                async with self._turns:
                    content = await self._fetched(file.file, file.wanted)
                    # In a thread, so that whoever else writes to us meanwhile is answered.
                    lines[name] = await asyncio.to_thread(lines_of, content, file.wanted)
            except Unreadable as unreadable:
                wrong[name] = unreadable
        if wrong:
            raise NotRead(wrong)
        return lines

    def slacks(self, address: str) -> URL | None:
        """The address, if it is at one of Slack's own hosts; None for any other, and for what is no address."""
        try:
            url = URL(address)
        except ValueError:
            return None
        return url if (url.scheme, url.host, url.port) in self._ours else None

    async def _fetched(self, file: Mapping[str, Any], wanted: Wanted) -> bytes:
        """What is in a file, in bytes. Raises Unreadable."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._found(file, wanted)
        except SlackApiError as error:
            log.warning("file_not_read", why=slack_error(error))
            if slack_error(error) in ("file_not_found", "file_deleted"):
                raise Unreadable(_GONE) from None
            raise _NotHad(_CLOSED) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("file_not_read", why=slack_error(error))
            raise _NotHad(_AWAY) from None

    async def _found(self, file: Mapping[str, Any], wanted: Wanted) -> bytes:
        if not file.get("url_private_download"):  # where Slack sends no more than the id
            found = (await self._client.files_info(file=str(file.get("id") or ""))).get("file")
            file = found if isinstance(found, dict) else {}
        size = file.get("size")
        if isinstance(size, int) and size > wanted.most_bytes:
            raise too_big(size, wanted)
        return await self._download(str(file.get("url_private_download") or ""), wanted)

    async def _download(self, address: str, wanted: Wanted) -> bytes:
        """The token goes to Slack's own hosts and nowhere else, so no redirection is followed."""
        url = self.slacks(address)
        if url is None:
            log.warning("file_elsewhere", cure="none: the bot's token was not sent there")
            raise Unreadable(_ELSEWHERE)
        assert self._client.session is not None  # bot/app.py gives it one
        headers = {"Authorization": f"Bearer {self._client.token}"}
        async with self._client.session.get(url, headers=headers, allow_redirects=False) as answer:
            if answer.status == 429 or answer.status >= 500:
                log.warning("file_not_read", status=answer.status)
                raise _NotHad(_AWAY)
            if answer.status in (404, 410):
                log.warning("file_not_read", status=answer.status)
                raise Unreadable(_GONE)
            if answer.status != 200 or answer.content_type == "text/html":  # Slack's page for logging in
                log.warning("file_not_read", status=answer.status, cure="give the app the scope files:read")
                raise _NotHad(_CLOSED)
            content = bytearray()
            async for chunk in answer.content.iter_any():
                content += chunk
                if len(content) > wanted.most_bytes:
                    raise too_big(max(len(content), answer.content_length or 0), wanted)
            return bytes(content)
