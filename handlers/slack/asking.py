"""From a form that was sent to a confirmed request: errors under fields, the check, the review, and back again."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import slackblocks as sb
import structlog
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.errors import SlackApiError

from handlers.policy import Ruling
from handlers.requests import SEEN, Review, Sorry
from handlers.slack import forms
from handlers.slack.answers import Answers
from handlers.slack.files import Files
from handlers.slack.front import EXPIRED, UNSTORED, Body, Front, is_closed, slack_error
from handlers.slack.messages import is_too_long
from handlers.slack.words import built, escape, plain, section
from providers.action import Action, Effect
from storage.records import Request
from storage.sqlite import StoreUnavailable

log = structlog.get_logger(__name__)


TOO_LONG = (
    "These are more names than one card can show, and nobody should decide what they cannot read. Nothing was asked: "
    "ask for fewer at once."
)
MANY = 10
"""Names whose check takes so long that the person is told."""


class Asking:
    """What happens between the form and the request."""

    def __init__(self, front: Front, answers: Answers) -> None:
        self._front = front
        self._answers = answers
        self._files = Files(front.client)

    # The form.

    async def on_form(self, ack: AsyncAck, body: Body) -> None:
        """A form was sent: mistakes go under their fields, otherwise the provider is asked what it says."""
        view = body["view"]
        try:
            asker = self._front.asker(body)
            draft = await self._front.requests.own_draft(forms.draft_of(view), asker.user)
            filled = await self._read(draft, _values(view))
            action = filled.action
            if action.effect in (Effect.READ, Effect.REVEAL):
                account = self._front.requests.account_named(filled.account)
                await self._answers.in_form(ack, body, draft, action, account)
                return
            filled_draft = await self._front.requests.fill(
                draft, action, account=filled.account, reason=filled.reason, view_id=str(view["id"])
            )
        except forms.FormError as error:
            await ack(response_action="errors", errors=_placed(error.errors, view))
        except Sorry as sorry:
            await ack(response_action="update", view=forms.notice("Postroom", sorry.sentence))
        else:
            await ack(response_action="update", view=forms.checking(type(action), _waiting_for(action)))
            self._front.later(body, self._check(filled_draft), asks_provider=True)

    async def _read(self, draft: Request, values: Mapping[str, Any]) -> forms.Filled:
        """The form with what is in its files. Raises FormError, and Sorry for a command that is no more."""
        variants, accounts = self._variants(draft.command), self._front.accounts_for(draft.command)
        attached = forms.attached(forms.action_of(variants, accounts, values), values)
        lines = await self._files.lines(attached) if attached else {}
        return forms.read(variants, accounts, values, lines=lines, before=draft.input)

    async def change_account(self, ack: AsyncAck, body: Body) -> None:
        """Another account was chosen, and its provider asks for other things: the form is drawn anew, as typed.

        What was typed into fields that this provider does not ask for comes back with the account it was typed for.
        """
        asker = self._front.asker(body)
        view = body["view"]
        draft = await self._front.requests.own_draft(forms.draft_of(view), asker.user)
        accounts = self._front.accounts_for(draft.command)
        chosen = next((one for one in accounts if one.name == forms.account_of(accounts, _values(view))), None)
        action = self._front.catalogue.action(draft.command, chosen.provider) if chosen else None
        await ack()
        if chosen is None or action is None:
            return
        values, aside = _values(view), forms.aside_of(view)
        kept, lost = forms.set_aside(self._variants(draft.command), action, values, aside)
        not_kept = f"This form does not ask for: {', '.join(lost)}. What was there is not kept." if lost else ""
        drawn = forms.form(
            action,
            draft.id,
            accounts,
            values=forms.brought_back(action, values, aside, before=draft.input),
            account=chosen.name,
            reason=forms.typed_reason(values) or str(aside.get("reason", "")),
            problem=not_kept,
            accounts_differ=True,
            aside=kept,
        )

        async def show() -> None:
            await self._front.client.views_update(view_id=view["id"], hash=view.get("hash"), view=drawn)

        self._front.later(body, show())

    def _variants(self, command: str) -> Mapping[str, type[Action]]:
        variants = self._front.catalogue.variants(command)
        if not variants:
            raise Sorry(EXPIRED)
        return variants

    # The check.

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
            if review is None:
                return
            is_decided = review.asked is None or review.asked.ruling is not None
            if not review.problems and not is_decided and review.quote is None:
                await self._ask_at_once(review)
                return
        except Sorry as sorry:
            await self._front.client.views_update(view_id=draft.view_id, view=forms.notice("Postroom", sorry.sentence))
            return
        await self._show_review(review)

    async def _ask_at_once(self, review: Review) -> None:
        """What costs nothing and waits for nobody needs no second look: it was asked for by sending the form."""
        await self._front.requests.submit_checked(review.draft)
        view = forms.notice(review.action.title, "It is being done. The thread in the channel tells how it goes.")
        with contextlib.suppress(SlackApiError):  # the window may be closed; the thread says it anyway
            await self._front.client.views_update(view_id=review.draft.view_id, view=view)

    async def resume_checks(self, drafts: list[Request]) -> None:
        """Take up the checks of a process that died: their forms still say "checking"."""
        for draft in drafts:
            kind = self._front.catalogue.any_variant(draft.command)
            is_reveal = kind is not None and kind.effect is Effect.REVEAL
            self._front.lookups.spawn(self._answers.was_stopped(draft) if is_reveal else self._check(draft))

    # The review.

    async def _show_review(self, review: Review) -> None:
        if not review.problems and is_too_long(review.quote):
            review = replace(review, problems={"": TOO_LONG})
        view = self._form_again(review) if review.problems else await self._review_view(review)
        try:
            await self._front.client.views_update(view_id=review.draft.view_id, view=view)
        except SlackApiError as error:
            if not is_closed(error):
                raise
            with contextlib.suppress(Sorry):  # confirmed meanwhile, in a review shown before: all is well
                await self._offer_to_go_on(review)

    async def _offer_to_go_on(self, review: Review) -> None:
        """The window was closed while the provider was asked; what was typed is kept. Raises Sorry if it was sent."""
        await self._front.requests.own_draft(review.draft.id, review.draft.requester)
        offer = sb.Button(plain("Continue", 75), action_id="resume", value=review.draft.id)
        what = review.action.headline()
        said = "the check is done, but the window was closed. Nothing was asked."
        asker = {"user_id": review.draft.requester, "channel_id": review.draft.channel}
        blocks = built([section(f"*{escape(what)}*: {said}"), sb.ActionsBlock([offer])])
        await self._front.tell(asker, f"{what}: {said}", blocks=blocks)

    async def _review_view(self, review: Review) -> forms.View:
        asked = review.asked
        return forms.review(
            review.action,
            review.draft.id,
            seen=review.draft.fingerprint[:SEEN],
            account=review.draft.account,
            reason=review.draft.reason,
            quote=review.quote,
            ruling=Ruling.from_json(asked.ruling) if asked else None,
            policy=self._front.requests.policy,
            budgets=await self._front.requests.use_of(asked.reservations) if asked else (),
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
            accounts_differ=self._front.accounts_differ(draft.command),
        )

    async def on_review(self, ack: AsyncAck, body: Body) -> None:
        """The requester confirms: on disk before Slack is answered."""
        view = body["view"]
        draft_id, _, seen = str(view.get("private_metadata") or "").partition(":")
        try:
            asker = self._front.asker(body)
            await self._front.requests.submit(draft_id, asker.user, seen=seen)
        except Sorry as sorry:
            await ack(response_action="update", view=await self._refused(body, draft_id, seen, sorry))
        except StoreUnavailable:
            log.exception("not_submitted", request_id=draft_id)
            await ack(response_action="update", view=await self._refused(body, draft_id, seen, Sorry(UNSTORED)))
        else:
            await ack(response_action="clear")

    async def _refused(self, body: Body, draft_id: str, seen: str, sorry: Sorry) -> forms.View:
        """Why it was not asked, above the form with everything that was typed, as long as it can still be sent."""
        with contextlib.suppress(Sorry):
            draft, action = await self._own(body, draft_id)
            if len(seen) >= SEEN and draft.fingerprint.startswith(seen):
                return self._filled_form(draft, action, sorry.sentence)
        return forms.notice("Postroom", sorry.sentence)

    async def edit(self, ack: AsyncAck, body: Body, value: str) -> None:
        """Back from the review to the form, with everything that was typed."""
        draft, action = await self._own(body, value)
        await ack()

        async def show() -> None:
            await self._front.client.views_update(view_id=body["view"]["id"], view=self._filled_form(draft, action))

        self._front.later(body, show())

    async def resume(self, ack: AsyncAck, body: Body, value: str) -> None:
        """The window was closed during the check: open the form again, as it was filled in."""
        draft, action = await self._own(body, value)
        await ack()

        async def show() -> None:
            view = self._filled_form(draft, action)
            await self._front.client.views_open(trigger_id=str(body.get("trigger_id")), view=view)

        self._front.later(body, show())

    async def _own(self, body: Body, draft_id: str) -> tuple[Request, Action]:
        draft = await self._front.requests.own_draft(draft_id, self._front.asker(body).user)
        return draft, self._front.requests.action_of(draft)


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
    if action.effect is Effect.SPEND and count:
        patience = (
            " Many names take a few minutes: the provider is asked about one after the other." if count > 5 else ""
        )
        return f"Asking the provider about {f'these {count} names' if count > 1 else 'this name'} …{patience}"
    return "Asking the provider …"
