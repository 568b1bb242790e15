"""Answers for one person's eyes: what a READ found, page by page, and what a REVEAL shows once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import slackblocks as sb
from slack_bolt.context.ack.async_ack import AsyncAck

from handlers.requests import Sorry
from handlers.slack import forms
from handlers.slack.front import Body, Front
from handlers.slack.messages import answer_lines
from handlers.slack.tables import chart_block, chart_lines, table_block, table_lines
from handlers.slack.words import SECTION_TEXT, built, code, escape, paragraphs, plain, small
from providers.accounts import Account
from providers.action import Action, Done, Effect, Outcome, Quote, Revealed
from providers.errors import ProviderError
from storage.records import new_id

LONGEST_VALUE = 2000
"""Slack's limit on a button's value."""
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
            told = await self._answer(action, account)
            await self._front.tell(body, told.text, blocks=told.rich, otherwise=told.simple)

        self._front.later(body, answer(), asks_provider=True)

    async def in_form(self, ack: AsyncAck, body: Body, action: Action, account: Account) -> None:
        """Answer a form in its own place. Raises Sorry when this person may not see it."""
        if action.effect is Effect.REVEAL:
            await self._front.requests.may_reveal(self._front.asker(body).user, action, account.name)
        await ack(response_action="update", view=forms.checking(type(action), "Asking the provider …"))
        self._front.later(body, self._answer_in_view(body, action, account), asks_provider=True)

    async def page(self, ack: AsyncAck, body: Body, value: str) -> None:
        """Another page of a listing, in the place of this one."""
        self._front.asker(body)
        action, account = self._read_page(value)
        await ack()
        if body.get("view"):
            self._front.later(body, self._answer_in_view(body, action, account), asks_provider=True)
            return

        async def show() -> None:
            told = await self._answer(action, account)
            await self._front.replace(body, told.text, told.rich, otherwise=told.simple)

        self._front.later(body, show(), asks_provider=True)

    async def _answer_in_view(self, body: Body, action: Action, account: Account) -> None:
        try:
            if action.effect is Effect.REVEAL:
                view = forms.answer(action, secret_blocks(await self._revealed(body, action, account)))
            else:
                told = await self._answer(action, account)
                view = forms.answer(action, told.simple)
        except Sorry as sorry:
            view = forms.notice(action.title, sorry.sentence)
        await self._front.client.views_update(view_id=body["view"]["id"], view=view)

    async def _revealed(self, body: Body, action: Action, account: Account) -> Revealed:
        try:
            revealed = await action.reveal(account.client)
        except ProviderError as error:
            raise Sorry(f"{error.sentence} {error.cure}") from error
        await self._front.requests.note_revealed(self._front.asker(body).user, action, account.name)
        return revealed

    async def _answer(self, action: Action, account: Account) -> _Answer:
        outcome, quote = await self._asked(action, account)
        lines = answer_lines(outcome, quote)
        foot: list[sb.Block] = [small(f"Account {code(account.name)} · only you see this")]
        if turns := _turns(action, account, outcome):
            foot.append(sb.ActionsBlock(turns))
        table = outcome.table if isinstance(outcome, Done) else None
        chart = outcome.chart if isinstance(outcome, Done) else None
        plain_lines = [*lines, *(table_lines(table) if table else []), *(chart_lines(chart) if chart else [])]
        simple = built([*paragraphs(plain_lines), *foot])
        if table is None and chart is None:
            return _Answer(outcome_text(outcome), simple, simple)
        newer = [*([table_block(table)] if table else []), *([chart_block(chart)] if chart else [])]
        figures = paragraphs([*lines, *(chart_lines(chart) if chart else [])])  # a picture alone is nothing to hear
        return _Answer(outcome_text(outcome), built([*figures, *newer, *foot]), simple)

    async def _asked(self, action: Action, account: Account) -> tuple[Outcome, Quote | None]:
        try:
            outcome = await action.run(account.client, new_id("read"))
            return outcome, await action.quote(account.client, account.prices)
        except ProviderError as error:
            raise Sorry(f"{error.sentence} {error.cure}") from error

    def _read_page(self, value: str) -> tuple[Action, Account]:
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
        turned = action.model_copy(update={"page": number}).model_dump_json()
        value = f"{action.command}\n{account.name}\n{turned}"
        if len(value) <= LONGEST_VALUE:
            buttons.append(sb.Button(plain(words, 75), action_id=f"page:{number}", value=value))
    return buttons


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
    return built([*paragraphs([f"*{escape(revealed.summary)}*"]), *plain_sections, once])
