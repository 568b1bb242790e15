"""Slash commands, and the forms they open: from words typed in a channel to a confirmed request."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import slackblocks as sb
import structlog
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.errors import SlackApiError

from handlers.requests import Asker, Review, Sorry
from handlers.slack import forms
from handlers.slack.front import Body, Front, is_closed, slack_error
from handlers.slack.messages import answer_lines
from handlers.slack.words import built, clip, code, escape, paragraphs, person, place, plain, section, small
from providers.accounts import Account
from providers.action import Action, Effect, Outcome, Quote
from providers.catalogue import NOUNS
from providers.errors import ProviderError
from storage.records import Request, new_id

log = structlog.get_logger(__name__)

LONGEST_INPUT = 3000
"""Characters after a command; Slack itself allows about as many."""
EXPIRED = "This form is from an older version of Postroom. Nothing was asked. Type the command again."


class Commands:
    """Everything that begins with a slash, and every form that follows from it."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._house: Mapping[str, Callable[[AsyncAck, Body], Awaitable[None]]] = {
            "help": self._help,
            "jobs": self._jobs,
        }

    # Typed words.

    async def on_command(self, ack: AsyncAck, body: Body) -> None:
        """One slash command: an answer at once, a form, or the catalogue to pick from."""
        try:
            asker = self._front.asker(body)
            noun = str(body.get("command", "")).removeprefix("/").lower()
            text = str(body.get("text") or "")
            if len(text) > LONGEST_INPUT:
                # Cut short, the last name could be another one (acme.co for acme.com), and somebody could buy it.
                raise Sorry(f"These are {len(text)} characters; at most {LONGEST_INPUT} fit. Nothing was asked.")
            words = _words(text)
            if noun == "postroom":
                await self._on_house_command(ack, body, words)
            elif not self._front.catalogue.commands(noun):
                await ack(text=_not_yet(noun))
            elif not words or words[0].lower() == "help":
                await ack()
                self._later(body, self._open_picker(body, noun, asker))
            else:
                await self._on_action_command(ack, body, asker, f"{noun} {words[0].lower()}", words[1:])
        except Sorry as sorry:
            await ack(text=escape(sorry.sentence))

    async def _on_action_command(self, ack: AsyncAck, body: Body, asker: Asker, command: str, words: list[str]) -> None:
        action = self._front.catalogue.any_variant(command)
        if action is None:
            await ack(text=self._unknown(command))
            return
        accounts = self._front.accounts_for(command)
        if not accounts:
            await ack(text=f"No account in Postroom's settings can do {code('/' + command)}. Nothing was asked.")
            return
        action = self._front.catalogue.action(command, accounts[0].provider) or action
        if action.effect is Effect.READ and len(accounts) == 1:
            try:
                asked = forms.from_words(action, words)
            except forms.FormError as error:
                if words:
                    problems = " ".join(error.errors.values())
                    await ack(text=f"{escape(problems)}\nUsage: {code(f'/{command} {action.usage()}')}")
                    return
            else:
                await ack()
                self._later(body, self._answer_at_once(body, asked, accounts[0]))
                return
        await ack()
        self._later(body, self._open_form(body, action, asker, words))

    async def _on_house_command(self, ack: AsyncAck, body: Body, words: list[str]) -> None:
        verb = words[0].lower() if words else "help"
        answer = self._house.get(verb)
        if answer is None:
            close = [known for known in self._house if known.startswith(verb[:1])] or list(self._house)
            meant = " or ".join(code(f"/postroom {known}") for known in close)
            await ack(text=f"Postroom does not know {code(f'/postroom {verb}')}. Did you mean {meant}?")
            return
        await answer(ack, body)

    def _unknown(self, command: str) -> str:
        noun, verb = command.split(maxsplit=1)
        close = self._front.catalogue.nearest(noun, verb) or self._front.catalogue.commands(noun)
        meant = " or ".join(code(f"/{found}") for found in close[:3])
        return f"Postroom does not know {code('/' + clip(command, 60))}. Did you mean {meant}? Nothing was asked."

    # Opening.

    async def _open_form(self, body: Body, action: type[Action], asker: Asker, words: list[str]) -> None:
        draft = await self._front.requests.draft(action.command, asker)
        accounts = self._front.accounts_for(action.command)
        view = forms.form(action, draft.id, accounts, values=action.prefill(words))
        await self._front.client.views_open(trigger_id=str(body.get("trigger_id")), view=view)

    async def _open_picker(self, body: Body, noun: str, asker: Asker) -> None:
        actions = [self._front.catalogue.any_variant(command) for command in self._front.catalogue.commands(noun)]
        view = forms.picker(noun, [action for action in actions if action], asker.channel)
        await self._front.client.views_open(trigger_id=str(body.get("trigger_id")), view=view)

    async def pick(self, ack: AsyncAck, body: Body, value: str) -> None:
        """Somebody picked an action from the catalogue: its form takes the catalogue's place."""
        asker = self._front.asker(body)
        action = self._front.catalogue.any_variant(value)
        view = body.get("view") or {}
        if action is None or not view.get("id"):
            raise Sorry(EXPIRED)
        accounts = self._front.accounts_for(value)
        if not accounts:
            raise Sorry(f"No account in Postroom's settings can do /{value}. Nothing was asked.")
        await ack()
        asker = Asker(asker.team, asker.user, asker.channel or str(view.get("private_metadata") or ""))

        async def show() -> None:
            draft = await self._front.requests.draft(value, asker)
            await self._front.client.views_update(view_id=view["id"], view=forms.form(action, draft.id, accounts))

        self._later(body, show())

    # The form, sent.

    async def on_form(self, ack: AsyncAck, body: Body) -> None:
        """A form was sent: mistakes go under their fields, otherwise the provider is asked what it says."""
        view = body["view"]
        try:
            asker = self._front.asker(body)
            draft = await self._front.requests.own_draft(str(view.get("private_metadata") or ""), asker.user)
            action = self._front.catalogue.any_variant(draft.command)
            if action is None:
                raise Sorry(EXPIRED)
            filled = forms.read(action, self._front.accounts_for(draft.command), _values(view))
            if filled.action.effect is Effect.READ:
                account = self._front.requests.account_named(filled.account)
                await ack(response_action="update", view=forms.checking(action, "Asking the provider …"))
                self._later(body, self._answer_in_view(view["id"], filled.action, account))
                return
            filled_draft = await self._front.requests.fill(
                draft, filled.action, account=filled.account, reason=filled.reason, view_id=str(view["id"])
            )
        except forms.FormError as error:
            await ack(response_action="errors", errors=_placed(error.errors, view))
        except Sorry as sorry:
            await ack(response_action="update", view=forms.notice("Postroom", sorry.sentence))
        else:
            await ack(response_action="update", view=forms.checking(action, _waiting_for(filled.action)))
            self._later(body, self._check(filled_draft))

    async def _check(self, draft: Request) -> None:
        try:
            await self._show_check(draft)
        except SlackApiError as error:
            # Slack said no, and would say so again. After anything else it is made up for at the next start.
            log.error("review_not_shown", request_id=draft.id, error=slack_error(error))
        await self._front.requests.review_shown(draft)

    async def _show_check(self, draft: Request) -> None:
        try:
            review = await self._front.requests.review(draft)
        except Sorry as sorry:
            await self._front.client.views_update(view_id=draft.view_id, view=forms.notice("Postroom", sorry.sentence))
            return
        if review is not None:
            await self._show_review(review)

    async def resume_checks(self, drafts: list[Request]) -> None:
        """Take up the checks of a process that died: their forms still say "checking"."""
        for draft in drafts:
            self._front.background.spawn(self._check(draft))

    async def _show_review(self, review: Review) -> None:
        view = self._form_again(review) if review.problems else self._review_view(review)
        try:
            await self._front.client.views_update(view_id=review.draft.view_id, view=view)
        except SlackApiError as error:
            if not is_closed(error):
                raise
            with contextlib.suppress(Sorry):  # confirmed meanwhile, in a review shown before: all is well
                await self._offer_to_go_on(review)

    async def _offer_to_go_on(self, review: Review) -> None:
        """The window was closed while the provider was asked. What was typed is kept. Raises Sorry if it is no draft."""
        await self._front.requests.own_draft(review.draft.id, review.draft.requester)
        offer = sb.Button(plain("Continue", 75), action_id="resume", value=review.draft.id)
        what = review.action.headline()
        said = "the check is done, but the window was closed. Nothing was asked."
        asker = {"user_id": review.draft.requester, "channel_id": review.draft.channel}
        blocks = built([section(f"*{escape(what)}*: {said}"), sb.ActionsBlock([offer])])
        await self._front.tell(asker, f"{what}: {said}", blocks=blocks)

    def _review_view(self, review: Review) -> forms.View:
        return forms.review(
            review.action,
            review.draft.id,
            account=review.draft.account,
            reason=review.draft.reason,
            quote=review.quote,
            approvers=self._front.requests.approvals.approvers,
        )

    def _form_again(self, review: Review) -> forms.View:
        problem = " ".join([*review.problems.values(), review.cure]).strip()
        return self._filled_form(review.draft, review.action, problem)

    def _filled_form(self, draft: Request, action: Action, problem: str = "") -> forms.View:
        return forms.form(
            type(action),
            draft.id,
            self._front.accounts_for(draft.command),
            values=action.model_dump(mode="python"),
            account=draft.account,
            reason=draft.reason,
            problem=problem,
        )

    # The review.

    async def on_review(self, ack: AsyncAck, body: Body) -> None:
        """The requester confirms: on disk before Slack is answered."""
        view = body["view"]
        try:
            asker = self._front.asker(body)
            await self._front.requests.submit(str(view.get("private_metadata") or ""), asker.user)
        except Sorry as sorry:
            await ack(response_action="update", view=forms.notice("Postroom", sorry.sentence))
        else:
            await ack(response_action="clear")

    async def edit(self, ack: AsyncAck, body: Body, value: str) -> None:
        """Back from the review to the form, with everything that was typed."""
        asker = self._front.asker(body)
        draft = await self._front.requests.own_draft(value, asker.user)
        action = self._front.requests.action_of(draft)
        await ack()

        async def show() -> None:
            await self._front.client.views_update(view_id=body["view"]["id"], view=self._filled_form(draft, action))

        self._later(body, show())

    async def resume(self, ack: AsyncAck, body: Body, value: str) -> None:
        """The window was closed during the check: open the form again, as it was filled in."""
        asker = self._front.asker(body)
        draft = await self._front.requests.own_draft(value, asker.user)
        action = self._front.requests.action_of(draft)
        await ack()

        async def show() -> None:
            view = self._filled_form(draft, action)
            await self._front.client.views_open(trigger_id=str(body.get("trigger_id")), view=view)

        self._later(body, show())

    # Answers to READs.

    async def _answer_at_once(self, body: Body, action: Action, account: Account) -> None:
        text, blocks = await self._answer(action, account)
        await self._front.tell(body, text, blocks=blocks)

    async def _answer(self, action: Action, account: Account) -> tuple[str, list[Body]]:
        outcome, quote = await self._asked(action, account)
        lines = answer_lines(action, outcome, quote)
        blocks: list[sb.Block] = [*paragraphs(lines), small(f"Account {code(account.name)} · only you see this")]
        more = getattr(outcome, "next_page", None)
        page = getattr(action, "page", 1)
        turns = [(page - 1, "← Previous")] if page > 1 else []
        turns += [(more, "Next →")] if more else []
        if turns:
            blocks.append(sb.ActionsBlock([_page_button(action, account, *turn) for turn in turns]))
        return outcome_text(outcome), built(blocks)

    async def page(self, ack: AsyncAck, body: Body, value: str) -> None:
        """Another page of a listing, in the place of this one."""
        self._front.asker(body)
        action, account = self._read_page(value)
        await ack()

        async def show() -> None:
            text, blocks = await self._answer(action, account)
            await self._front.replace(body, text, blocks)

        self._later(body, show())

    def _read_page(self, value: str) -> tuple[Action, Account]:
        command, _, rest = value.partition("\n")
        name, _, given = rest.partition("\n")
        account = self._front.requests.account_named(name)
        kind = self._front.catalogue.action(command, account.provider)
        if kind is None or kind.effect is not Effect.READ:
            raise Sorry("This list is from an older version of Postroom. Type the command again.")
        try:
            return kind.model_validate_json(given), account
        except ValueError:
            raise Sorry("This list is from an older version of Postroom. Type the command again.") from None

    async def _answer_in_view(self, view_id: str, action: Action, account: Account) -> None:
        try:
            outcome, quote = await self._asked(action, account)
            view = forms.answer(action, outcome, quote)
        except Sorry as sorry:
            view = forms.notice(action.title, sorry.sentence)
        await self._front.client.views_update(view_id=view_id, view=view)

    async def _asked(self, action: Action, account: Account) -> tuple[Outcome, Quote | None]:
        try:
            outcome = await action.run(account.client, new_id("read"))
            return outcome, await action.quote(account.client, account.prices)
        except ProviderError as error:
            raise Sorry(f"{error.sentence} {error.cure}") from error

    # The house's own commands.

    async def _help(self, ack: AsyncAck, body: Body) -> None:
        lines = ["*What you can ask Postroom*"]
        for noun, about in NOUNS.items():
            commands = self._front.catalogue.commands(noun)
            if not commands:
                lines.append(f"{code('/' + noun)} {escape(about)}: not built yet")
            for command in commands:
                action = self._front.catalogue.any_variant(command)
                if action is not None:
                    lines.append(f"{code(f'/{command} {action.usage()}'.strip())} {escape(action.help_line())}")
        lines.append(f"{code('/postroom jobs')} What has been asked and is not finished yet.")
        lines.append("What spends money waits for somebody else's yes; the thread tells how it goes.")
        await ack(text="What you can ask Postroom", blocks=built(paragraphs(lines)))

    async def _jobs(self, ack: AsyncAck, body: Body) -> None:
        await ack()
        self._later(body, self._tell_jobs(body))

    async def _tell_jobs(self, body: Body) -> None:
        waiting = await self._front.requests.open_requests()
        if not waiting:
            await self._front.tell(body, "Nothing is waiting and nothing is under way.")
            return
        summary = f"{len(waiting)} request{' is' if len(waiting) == 1 else 's are'} not finished."
        lines = [f"*{summary}*"]
        lines += [self._job_line(request) for request in waiting]
        await self._front.tell(body, summary, blocks=built(paragraphs(lines)))

    def _job_line(self, request: Request) -> str:
        headline = escape(clip(self._front.messages.headline(request), 150))
        status = self._front.messages.status(request).replace("\n", " ")
        return f"*{headline}* · {person(request.requester)} in {place(request.channel)}\n{status}"

    # Below: small things.

    def _later(self, body: Body, work: Any) -> None:
        async def tell(error: Exception) -> None:
            await self._front.sorry(body, error)

        self._front.background.spawn(work, tell)


def outcome_text(outcome: Outcome) -> str:
    """An outcome in one plain sentence, for notifications and screen readers."""
    return getattr(outcome, "summary", "") or getattr(outcome, "progress", "")


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an apostrophe or an open quotation mark: then the words are just words
        return text.split()


def _values(view: Mapping[str, Any]) -> Mapping[str, Any]:
    state = view.get("state")
    values = state.get("values") if isinstance(state, dict) else None
    return values if isinstance(values, dict) else {}


def _placed(errors: Mapping[str, str], view: Mapping[str, Any]) -> dict[str, str]:
    """Errors under fields that the form has; what belongs to none goes under the first input."""
    inputs = [str(block.get("block_id")) for block in view.get("blocks") or [] if block.get("type") == "input"]
    placed: dict[str, str] = {}
    for field, sentence in errors.items():
        where = field if field in inputs or not inputs else inputs[0]
        placed[where] = f"{placed[where]} {sentence}" if where in placed else sentence
    return placed


def _waiting_for(action: Action) -> str:
    count = len(action.subjects())
    what = "these names" if count > 1 else "this name"
    return f"Asking the provider about {what} …" if count else "Asking the provider …"


def _page_button(action: Action, account: Account, page: int, words: str) -> sb.Button:
    value = f"{action.command}\n{account.name}\n{action.model_copy(update={'page': page}).model_dump_json()}"
    return sb.Button(plain(words, 75), action_id=f"page:{page}", value=value)


def _not_yet(noun: str) -> str:
    about = NOUNS.get(noun)
    if about is None:
        return f"Postroom does not know {code('/' + noun)}. {code('/postroom help')} shows what can be asked."
    return (
        f"{escape(about)} cannot be asked for yet: this version of Postroom does not have it. "
        f"{code('/postroom help')} shows what can be asked already."
    )
