"""What every listener needs at hand, and the one way to answer a person privately."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from handlers.approvals import Approvals
from handlers.background import Background
from handlers.digest import Digests
from handlers.drafts import Drafts
from handlers.listings import Listings
from handlers.questions import Questions
from handlers.requests import Asker, Requests, Sorry
from handlers.settling import Settling
from handlers.slack.messages import Messages
from handlers.slack.windows import notice
from handlers.slack.words import escape, told
from providers.accounts import Account
from providers.action import Action
from providers.catalogue import Catalogue
from storage.sqlite import StoreUnavailable

log = structlog.get_logger(__name__)

Body = dict[str, Any]

EXPIRED = "This form is from an older version of Postroom. Nothing was asked. Type the command again."
BROKE = "Something broke in Postroom, so this was not done. Try again; if it stays like this, tell whoever runs it."
UNSTORED = (
    "Postroom could not write this down, so nothing was stored and nothing was done. Try again in a few minutes; if it "
    "stays like this, tell whoever runs it: the disk may be full."
)
NOT_SHOWN = (
    "Slack did not take what Postroom wanted to show you, so what you see may be old. Try again in a minute: nothing "
    "is done twice."
)
UNREACHED = (SlackApiError, SlackClientError, aiohttp.ClientError, TimeoutError)
_IN_TROUBLE = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)
TOO_LATE = frozenset({"expired_trigger_id", "exchanged_trigger_id"})
FOREIGN = "You belong to another Slack workspace, so Postroom cannot take this from you. Nothing was changed."


@dataclass(frozen=True, slots=True)
class Front:
    """The parts that the listeners work with, put together once in `bot/app.py`.

    `team` is our own workspace's id, `url` its address with a slash at the end, empty where Slack did not say it.

    `background` is for what Slack does for us at once, `lookups` for what waits for a provider.
    """

    requests: Requests
    drafts: Drafts
    settling: Settling
    approvals: Approvals
    questions: Questions
    catalogue: Catalogue
    accounts: Mapping[str, Account]
    messages: Messages
    background: Background
    lookups: Background
    client: AsyncWebClient
    team: str
    digests: Digests
    listings: Listings
    url: str

    def accounts_for(self, command: str) -> list[Account]:
        """The accounts of the settings that can do a command."""
        able = self.catalogue.variants(command)
        return [account for account in self.accounts.values() if account.provider in able]

    def variants_for(self, command: str) -> Mapping[str, type[Action]]:
        """The action behind a command for each provider of the settings that can do it, the first account's first."""
        able = self.catalogue.variants(command)
        return {account.provider: able[account.provider] for account in self.accounts_for(command)}

    def found(self, words: Sequence[str], besides: Sequence[str] = ()) -> tuple[list[type[Action]], list[str]]:
        """What can be asked and has all the words; else what has those that were probably meant, and these.

        `besides` are other texts that are looked through, in small letters: what one of them has is not corrected.
        """
        there = {account.provider for account in self.accounts.values()}
        found = self.catalogue.search(words, there)
        if found or any(all(word.lower() in text for word in words) for text in besides):
            return found, []
        meant = self.catalogue.corrected(words, there, besides)
        return (self.catalogue.search(meant, there) if meant else []), meant

    def commands(self, noun: str = "") -> list[str]:
        """The commands of a noun, or all, that some account of the settings can do."""
        return [command for command in self.catalogue.commands(noun) if self.accounts_for(command)]

    def accounts_differ(self, command: str) -> bool:
        """Whether the accounts that can do a command are at providers that ask for different things."""
        return len({self.catalogue.action(command, account.provider) for account in self.accounts_for(command)}) > 1

    def later(self, body: Body, work: Coroutine[Any, Any, None], *, asks_provider: bool = False) -> None:
        """Go on after Slack was answered; whoever sent `body` is told if it comes to nothing.

        What `asks_provider` may take minutes, at the provider's pace: it must not keep forms and answers waiting.
        """

        async def go_on() -> None:
            try:
                await work
            except Sorry as sorry:  # an answer like any other: nothing broke
                await self.sorry(body, sorry)
            except SlackApiError as error:
                if not (is_closed(error) or slack_error(error) in TOO_LATE):
                    raise
                await self.sorry(body, error)  # people close windows and wait too long: nothing broke either

        async def tell(error: Exception) -> None:
            await self.sorry(body, error)

        (self.lookups if asks_provider else self.background).spawn(go_on(), tell)

    def asker(self, body: Body) -> Asker:
        """Who sent this payload, from where. Raises Sorry for people of other workspaces."""
        user = body.get("user")
        if isinstance(user, dict):
            team = str(user.get("team_id") or (body.get("team") or {}).get("id") or "")
            who = str(user.get("id", ""))
        else:
            team, who = str(body.get("team_id", "")), str(body.get("user_id", ""))
        if team != self.team:
            log.warning("foreign_workspace", team=team, user=who)
            raise Sorry(FOREIGN)
        channel = (body.get("channel") or {}).get("id") if isinstance(body.get("channel"), dict) else None
        return Asker(team, who, str(channel or body.get("channel_id") or ""))

    async def tell(
        self,
        body: Body,
        said: str | Sorry,
        *,
        blocks: Sequence[Body] | None = None,
        otherwise: Sequence[Body] | None = None,
    ) -> None:
        """Answer the person behind a payload, for their eyes only. An answer that cannot be given is logged.

        `said` is plain text, or a Sorry. `otherwise` is shown where the workspace refuses `blocks`, which may then be
        of Slack's newest kinds.
        """
        text = told(said)
        try:
            if await self._told(body, text, blocks) or (
                otherwise != blocks and await self._told(body, text, otherwise)
            ):
                return
            log.warning("answer_not_given", why="refused, or the payload names nobody")
        except UNREACHED as error:
            log.warning("answer_not_given", why=slack_error(error))

    async def _told(self, body: Body, text: str, blocks: Sequence[Body] | None) -> bool:
        """By the response_url, else in the channel, else in person; False where Slack takes none of them."""
        user = body.get("user_id") or (body.get("user") or {}).get("id") or ""
        channel = body.get("channel_id") or (body.get("channel") or {}).get("id") or ""
        try:
            if body.get("response_url") and await self._responded(body, text, blocks, replace=False):
                return True
        except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            # Another host than the rest of Slack: one can be away, or behind a firewall, without the other.
            log.info("response_url_failed", why=slack_error(error))
        if channel and user:
            try:
                await self.client.chat_postEphemeral(channel=channel, user=user, text=text, blocks=blocks)
            except SlackApiError as error:
                log.info("channel_closed", channel=channel, why=slack_error(error))  # then in person
                if slack_error(error) == "invalid_blocks":
                    return False
            else:
                return True
        if not user:
            return False
        await self.client.chat_postMessage(channel=user, text=text, blocks=blocks)
        return True

    async def replace(
        self, body: Body, text: str, blocks: Sequence[Body], *, otherwise: Sequence[Body] | None = None
    ) -> None:
        """Put another answer in the place of the private one that was clicked; `otherwise` as in `tell`."""
        for tried in (blocks, otherwise):
            if tried is not None and await self._responded(body, escape(text), tried, replace=True):
                return
        log.warning("answer_not_given", why="refused")

    async def _responded(self, body: Body, text: str, blocks: Sequence[Body] | None, *, replace: bool) -> bool:
        hook = AsyncWebhookClient(str(body["response_url"]), session=self.client.session, retry_handlers=[])
        answer = await hook.send(text=text, blocks=blocks, response_type="ephemeral", replace_original=replace)
        return answer.status_code == 200 and '"ok":false' not in answer.body.replace(" ", "")

    async def answer(self, body: Body, sorry: Sorry) -> None:
        """Tell the person behind a click why nothing came of it; in a modal the modal itself says it."""
        view = body.get("view") or {}
        if view.get("id") and view.get("type") == "modal":
            from_modal = notice("Postroom", await self.named(sorry))
            try:
                await self.client.views_update(view_id=view["id"], view=from_modal)
            except UNREACHED as error:
                log.info("window_not_drawn", why=slack_error(error))  # it may be closed; then in a message
            else:
                return
        if view.get("type") == "home":
            with contextlib.suppress(*UNREACHED):
                told = notice("Postroom", await self.named(sorry))
                await self.client.views_open(trigger_id=str(body.get("trigger_id")), view=told)
                return
        await self.tell(body, sorry)

    async def named(self, sorry: Sorry) -> str:
        """The sentence in plain text, for modals: a mention becomes the person's name."""
        said = sorry.sentence
        for at, when in sorry.times.items():
            said = said.replace(f"{{{at}}}", f"{when:%Y-%m-%d %H:%M} UTC")
        if "{who}" not in said:
            return said
        name = "Somebody"
        if sorry.who:
            with contextlib.suppress(*UNREACHED):
                user = (await self.client.users_info(user=sorry.who)).get("user") or {}
                name = str(user.get("real_name") or user.get("name") or name)
        return said.replace("{who}", name)

    async def sorry(self, body: Body, error: Exception) -> None:
        """Tell the person what went wrong: the sentence of a Sorry, or that Postroom broke."""
        if isinstance(error, Sorry):
            await self.tell(body, error)
        elif isinstance(error, SlackApiError) and slack_error(error) in TOO_LATE:
            await self.tell(
                body, "Slack waited too long to open the window, so nothing was done. Please try once more."
            )
        elif is_closed(error):
            log.info("window_closed")  # whoever closed it waits for nothing any more
        elif will_pass(error):  # what was asked or decided before that stands
            await self.tell(body, NOT_SHOWN)
        else:
            await self.tell(body, broken(error))


def broken(error: Exception) -> str:
    """What to tell a person whose click or command met an error that nobody expected."""
    return UNSTORED if isinstance(error, StoreUnavailable) else BROKE


def is_closed(error: Exception) -> bool:
    """Whether a view could not be changed because its reader has closed it."""
    return isinstance(error, SlackApiError) and slack_error(error) == "not_found"


def will_pass(error: Exception) -> bool:
    """Whether Slack may take it a little later: it was not reached, is in trouble, or was asked too much."""
    if isinstance(error, SlackApiError):
        return int(error.response.status_code) >= 429 or slack_error(error) in _IN_TROUBLE
    return isinstance(error, UNREACHED)


def slack_error(error: Exception) -> str:
    """Slack's own word for what went wrong (`not_in_channel`), or the kind of failure. Never a token or a URL."""
    if isinstance(error, SlackApiError):
        data = error.response.data if hasattr(error.response, "data") else error.response
        return str(data.get("error", "")) if isinstance(data, dict) else "unreadable_answer"
    return type(error).__name__
