"""Answers for one person's eyes: what a READ found, page by page, and what a REVEAL shows once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import slackblocks as sb
import structlog
from pydantic import SecretStr
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.errors import SlackApiError, SlackClientError

from handlers.requests import Sorry
from handlers.slack import entered, windows
from handlers.slack.front import Body, Front, slack_error
from handlers.slack.messages import answer_lines
from handlers.slack.tables import chart_block, chart_lines, table_block, table_lines
from handlers.slack.words import SECTION_TEXT, built, code, escape, paragraphs, plain, section, small
from providers.accounts import Account
from providers.action import Action, Done, Download, Effect, Later, Outcome, Pick, Quote, Revealed, Table
from providers.errors import ProviderError
from storage.records import Request, new_id

log = structlog.get_logger(__name__)

LONGEST_VALUE = 2000
"""Slack's limit on a button's value."""
CHOICE = "choose"
"""The action_id of the menu in which rows of an answer are chosen."""
MOST_OPTIONS = 100
LONGEST_OPTION = 150
"""Slack's limits on a menu: its options, and the characters of the value behind each."""
_NOT_SHOWN = "It could not be shown, because the window was closed or Slack did not answer."
_STOPPED = "Postroom was stopped while it was asking for this, so it cannot tell whether you were shown it."
_BROKE = "Something broke in Postroom while it was asking for this, so nothing is shown."
_SEE_TO_IT = "If something was made just now, such as a key, it is at the provider all the same: see to it there."
OLD_LIST = "This list is from an older version of Postroom. Type the command again."


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer: `rich` with Slack's newer blocks, `simple` for workspaces and places that do not take them."""

    text: str
    rich: Sequence[Body]
    simple: Sequence[Body]


class Answers:
    """Runs what answers at once and shows it privately."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def at_once(self, body: Body, action: Action, account: Account) -> None:
        """Answer words typed after a command, where they were typed."""

        async def answer() -> None:
            told = await self._answer(body, action, account)
            await self._front.tell(body, told.text, blocks=told.rich, otherwise=told.simple)

        self._front.later(body, answer(), asks_provider=True)

    async def in_form(self, ack: AsyncAck, body: Body, draft: Request, action: Action, account: Account) -> None:
        """Answer a form in its own place. Raises Sorry when this person may not see it, or has sent it already."""
        begun: Request | None = None
        if action.effect is Effect.REVEAL:
            await self._front.drafts.may_reveal(draft.requester, action, account.name)
            begun = await self._front.drafts.begin_reveal(draft, action, account.name, str(body["view"]["id"]))
        await ack(response_action="update", view=windows.checking(type(action), "Asking the provider …"))
        if begun is None:
            self._front.later(body, self._answer_in_view(body, action, account), asks_provider=True)
        else:
            self._front.later(body, self._reveal_in_view(begun, action, account), asks_provider=True)

    async def page(self, ack: AsyncAck, body: Body, value: str) -> None:
        """Another page of a listing, in the place of this one; what was chosen in this one stays chosen."""
        self._front.asker(body)
        action, account = self.read_asked(value)
        await ack()
        if body.get("view"):
            self._front.later(body, self._answer_in_view(body, action, account), asks_provider=True)
            return

        async def show() -> None:
            told = await self._answer(body, action, account)
            await self._front.replace(body, told.text, told.rich, otherwise=told.simple)

        self._front.later(body, show(), asks_provider=True)

    async def _answer_in_view(self, body: Body, action: Action, account: Account) -> None:
        try:
            told = await self._answer(body, action, account)
            # What is asked next out of this window is told where the command was typed that opened it.
            view = windows.answer(action, told.simple) | {"private_metadata": await self._place_of(body)}
        except Sorry as sorry:
            view = windows.notice(action.title, sorry.sentence)
        await self._front.client.views_update(view_id=body["view"]["id"], view=view)

    # Showing a credential.

    async def _reveal_in_view(self, begun: Request, action: Action, account: Account) -> None:
        """Show it once, and leave in the audit each step before the next: what may have been seen, it always knows."""
        drafts, is_revealed = self._front.drafts, False
        try:
            revealed = await action.reveal(account.client)
            view = windows.answer(action, secret_blocks(revealed))
            await drafts.note_revealed(begun.requester, action, account.name, request_id=begun.id)
            said, is_revealed = revealed.summary, True
        except Exception as error:
            said = self._why_not_revealed(error, action, account)
            await drafts.note_not_revealed(begun, said)
            view = windows.notice(action.title, said)
        try:
            await self._front.client.views_update(view_id=begun.view_id, view=view)
        except (SlackApiError, SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("revealed_not_shown", command=action.command, account=account.name, why=slack_error(error))
            if is_revealed:
                await drafts.note_not_revealed(begun, _NOT_SHOWN)
                said = f"{said} {_NOT_SHOWN} {_SEE_TO_IT}"
            await self._front.tell(_where_typed(begun), said)
        # A process that ends before this leaves it to the next one.
        await drafts.review_shown(begun)

    @staticmethod
    def _why_not_revealed(error: Exception, action: Action, account: Account) -> str:
        if isinstance(error, ProviderError):
            error = _sorry(error, action, account)
        if isinstance(error, Sorry):
            return error.sentence
        log.error("reveal_broke", command=action.command, account=account.name, exc_info=error)
        return f"{_BROKE} {_SEE_TO_IT}"

    async def was_stopped(self, begun: Request) -> None:
        """The process that was to show a credential has ended: say so where it was to be shown."""
        await self._front.drafts.note_not_revealed(begun, _STOPPED)
        kind = self._front.catalogue.any_variant(begun.command)
        said = f"{_STOPPED} {_SEE_TO_IT} Then type the command again."
        try:
            view = windows.notice(kind.title if kind else "Postroom", said)
            await self._front.client.views_update(view_id=begun.view_id, view=view)
        except SlackApiError as error:
            log.info("window_closed", why=slack_error(error))
            await self._front.tell(_where_typed(begun), said)
        await self._front.drafts.review_shown(begun)

    async def _place_of(self, body: Body) -> str:
        view = body["view"]
        if view.get("callback_id") != "form":
            return str(view.get("private_metadata") or "")
        draft = await self._front.drafts.own(entered.draft_of(view), self._front.asker(body).user)
        return draft.channel

    async def _answer(self, body: Body, action: Action, account: Account) -> _Answer:
        await self._front.questions.members_only(self._front.asker(body).user)
        outcome, quote = await self._asked(action, account)
        lines = answer_lines(outcome, quote)
        if isinstance(outcome, Done) and outcome.download is not None:
            lines.append(await self._handed_over(body, action, account, outcome.download))
        table = outcome.table if isinstance(outcome, Done) else None
        foot: list[sb.Block] = [small(f"Account {code(account.name)} · only you see this")]
        buttons = _turns(action, account, outcome)
        if table is not None and table.pick is not None:
            foot = [*_menu(action, table, chosen_in(body)), *foot]
            buttons = [_take(table.pick, account), *buttons, *_ask_otherwise(action, account)]
        if buttons:
            foot.append(sb.ActionsBlock(buttons))
        chart = outcome.chart if isinstance(outcome, Done) else None
        plain_lines = [*lines, *(table_lines(table) if table else []), *(chart_lines(chart) if chart else [])]
        simple = built([*paragraphs(plain_lines), *foot])
        if table is None and chart is None:
            return _Answer(outcome_text(outcome), simple, simple)
        newer = [*([table_block(table)] if table else []), *([chart_block(chart)] if chart else [])]
        figures = paragraphs([*lines, *(chart_lines(chart) if chart else [])])  # a picture alone is nothing to hear
        return _Answer(outcome_text(outcome), built([*figures, *newer, *foot]), simple)

    async def _handed_over(self, body: Body, action: Action, account: Account, download: Download) -> str:
        """A link in the answer, or the file in the asker's direct messages; the audit keeps who got what."""
        user, name = self._front.asker(body).user, code(download.name)
        if download.link is not None:
            await self._front.drafts.note_revealed(user, action, account.name)
            return f"<{_address(download.link)}|Download {escape(download.name)}> (whoever has this link can open it)"
        if download.content is None:
            return ""
        await self._front.drafts.note_revealed(user, action, account.name, what="reveal_begun")
        try:
            opened = await self._front.client.conversations_open(users=user)
            await self._front.client.files_upload_v2(
                channel=opened["channel"]["id"], filename=download.name, content=download.content.get_secret_value()
            )
        except (SlackApiError, SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("file_not_handed_over", why=slack_error(error))
            await self._front.drafts.note_revealed(user, action, account.name, what="reveal_failed")
            if slack_error(error) == "missing_scope":
                cure = "Whoever runs Postroom: install the app again with its newest manifest, which has files:write."
            else:
                cure = "Ask again in a few minutes."
            return f":warning: Slack did not take the file {name}, so you do not have it. {cure}"
        await self._front.drafts.note_revealed(user, action, account.name)
        return f"The file {name} is in your direct messages with Postroom."

    async def _asked(self, action: Action, account: Account) -> tuple[Outcome, Quote | None]:
        try:
            outcome = await action.run(account.client, new_id("read"))
            if isinstance(outcome, Later):
                raise Sorry(outcome.summary)
            return outcome, await action.quote(account.client, account.prices)
        except ProviderError as error:
            raise _sorry(error, action, account) from error
        except Sorry:
            raise
        except Exception:
            log.exception("answer_broke", command=action.command, account=account.name)
        raise Sorry(f"{_BROKE} Try again; if it stays like this, tell whoever runs it.")

    def read_asked(self, value: str) -> tuple[Action, Account]:
        """What a button of an answer asks anew. Raises Sorry where this version cannot read it."""
        command, _, rest = value.partition("\n")
        name, _, given = rest.partition("\n")
        account = self._front.requests.account_named(name)
        kind = self._front.catalogue.action(command, account.provider)
        if kind is None or kind.effect is not Effect.READ:
            raise Sorry(OLD_LIST)
        try:
            return kind.model_validate_json(given), account
        except ValueError:
            raise Sorry(OLD_LIST) from None


def _sorry(error: ProviderError, action: Action, account: Account) -> Sorry:
    """What the asker is told; the details are for the log."""
    log.warning("not_answered", command=action.command, account=account.name, detail=error.detail)
    return Sorry(f"{error.sentence} {error.cure}")


def _where_typed(draft: Request) -> Body:
    return {"user_id": draft.requester, "channel_id": draft.channel}


def _address(link: SecretStr) -> str:
    """A link as mrkdwn takes it: no character of it can end it early."""
    return escape(quote(link.get_secret_value(), safe=":/?#[]@!$&'()*+,;=%-._~"))


def outcome_text(outcome: Outcome) -> str:
    """An outcome in one plain sentence, for notifications and screen readers."""
    return getattr(outcome, "summary", "") or getattr(outcome, "progress", "")


def _turns(action: Action, account: Account, outcome: Outcome) -> list[sb.Element]:
    """The buttons to the pages before and after."""
    page = getattr(action, "page", 1)
    more = outcome.next_page if isinstance(outcome, Done) else None
    wanted = [(page - 1, "← Previous")] if page > 1 else []
    wanted += [(more, "Next →")] if more else []
    buttons: list[sb.Element] = []
    for number, words in wanted:
        value = _asking(action.model_copy(update={"page": number}), account)
        if len(value) <= LONGEST_VALUE:
            buttons.append(sb.Button(plain(words, 75), action_id=f"page:{number}", value=value))
    return buttons


def _asking(action: Action, account: Account) -> str:
    return f"{action.command}\n{account.name}\n{action.model_dump_json()}"


# Choosing rows, for another form.


def chosen_in(body: Body) -> tuple[str, ...]:
    """The rows that are chosen in the answer that was clicked, in the order chosen; what is no text is left out."""
    values = ((body.get("view") or body).get("state") or {}).get("values") or {}
    options: list[Any] = []
    for block in values.values():
        menu = block.get(CHOICE) if isinstance(block, dict) else None
        chosen = menu.get("selected_options") if isinstance(menu, dict) else None
        options += chosen if isinstance(chosen, list) else []
    return tuple(str(one["value"]) for one in options if isinstance(one, dict) and one.get("value"))


def _menu(action: Action, table: Table, chosen: Sequence[str]) -> list[sb.Block]:
    """The rows of this page, and those that were chosen on the pages before."""
    names = list(dict.fromkeys([*chosen, *(row[0] for row in table.rows)]))
    options = [sb.Option(plain(name, 75), name) for name in names if 0 < len(name) <= LONGEST_OPTION][:MOST_OPTIONS]
    if not options:
        return []
    menu = sb.StaticMultiSelectMenu(
        action_id=CHOICE,
        options=options,
        initial_options=[option for option in options if option.value in chosen] or None,
        placeholder=plain("Choose …", 150),
    )
    # On each page a menu of its own: Slack would keep what an equally named one showed before.
    said = section("Choose one or more:", accessory=menu, block_id=f"chosen:{getattr(action, 'page', 1)}")
    return [said]


def _take(pick: Pick, account: Account) -> sb.Element:
    value = f"{pick.command}\n{account.name}\n{pick.field}"
    return sb.Button(plain(pick.button, 75), action_id="take", value=value, style="primary")


def _ask_otherwise(action: Action, account: Account) -> list[sb.Element]:
    value = _asking(action, account)
    if not entered.fields_of(type(action)) or len(value) > LONGEST_VALUE:
        return []
    return [sb.Button(plain("Change the filter", 75), action_id="again", value=value)]


def secret_blocks(revealed: Revealed) -> list[Body]:
    """Credentials to the letter: plain text, so that no character is taken for markup, replaced or cut."""
    texts: list[str] = []
    for name, secret in revealed.secrets:
        entry = f"{name}\n{secret.get_secret_value()}"
        if texts and len(texts[-1]) + 2 + len(entry) <= SECTION_TEXT:
            texts[-1] += f"\n\n{entry}"
        else:
            texts.append(entry)
    if any(len(text) > SECTION_TEXT for text in texts):
        raise Sorry("This credential is too long for Slack to show, so nothing was shown. Look it up at the provider.")
    plain_sections = [sb.SectionBlock(sb.Text(text, type_=sb.TextType.PLAINTEXT, emoji=False)) for text in texts]
    once = small("Shown once, to you alone. Close this window when you have copied it.")
    blocks = built([*paragraphs([f"*{escape(revealed.summary)}*"]), *plain_sections, once])
    for block in blocks:
        if block["type"] == "section" and block["text"]["type"] == "plain_text":
            block["text"]["emoji"] = False  # slackblocks leaves a False out, and for Slack nothing means yes
    return blocks
