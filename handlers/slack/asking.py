"""From a form that was sent to a confirmed request: errors under fields, the check, the review, and back again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import slackblocks as sb
import structlog
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.errors import SlackApiError

from handlers.drafts import Review
from handlers.policy import Ruling
from handlers.requests import SEEN, Sorry
from handlers.slack import entered, forms, windows
from handlers.slack.answers import Answers
from handlers.slack.channels import NOT_YOURS, why_not
from handlers.slack.files import Files, NotRead
from handlers.slack.front import EXPIRED, UNREACHED, UNSTORED, Body, Front, is_closed, slack_error
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
_READING = "Reading what you sent …"


MOST_DRAWN = 500
"""Forms of which is remembered how they were drawn last."""


@dataclass(slots=True)
class _Drawn:
    """A form that was drawn anew: the hash that it has since then. Whoever holds the lock is at it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    hash: str = ""


class Asking:
    """What happens between the form and the request."""

    def __init__(self, front: Front, answers: Answers) -> None:
        self._front = front
        self._answers = answers
        self._files = Files(front.client)
        self._drawn: dict[str, _Drawn] = {}

    # The form.

    async def on_form(self, ack: AsyncAck, body: Body) -> None:
        """A form was sent: mistakes go under their fields, otherwise the provider is asked what it says."""
        view = body["view"]
        try:
            asker = self._front.asker(body)
            draft = await self._front.drafts.own(entered.draft_of(view), asker.user)
            variants, accounts = self._variants(draft.command), self._front.accounts_for(draft.command)
            aside = entered.aside_of(view)
            sent = entered.read(variants, accounts, _values(view), before=draft.input, aside=aside)
            kind = sent.kind if isinstance(sent, entered.Unread) else type(sent.action)
            draft = await self._placed(draft, kind, _values(view))
            if isinstance(sent, entered.Unread):
                # On disk as it was sent, before Slack is answered: from now on it counts as being checked.
                kept = await self._front.drafts.fill_unread(
                    draft, sent.kind, sent.stored(), account=sent.account, reason=sent.reason, view_id=str(view["id"])
                )
                check = self._check(kept, sent)
                says = windows.checking(sent.kind, _READING)
            elif sent.action.effect in (Effect.READ, Effect.REVEAL):
                account = self._front.requests.account_named(sent.account)
                await self._answers.in_form(ack, body, draft, sent.action, account)
                return
            else:
                kept = await self._front.drafts.fill(
                    draft, sent.action, account=sent.account, reason=sent.reason, view_id=str(view["id"])
                )
                check = self._check(kept)
                says = windows.checking(type(sent.action), _waiting_for(sent.action))
        except entered.FormError as error:
            await ack(response_action="errors", errors=_placed(error.errors, view))
        except Sorry as sorry:
            await ack(response_action="update", view=windows.notice("Postroom", sorry))
        else:
            await ack(response_action="update", view=says)
            self._front.later(body, check, asks_provider=True)

    async def _placed(self, draft: Request, kind: type[Action], values: Mapping[str, Any]) -> Request:
        """The draft with the channel that was chosen, where its form asks for one. Raises FormError, and Sorry."""
        if _channel_in(draft, kind) is None:
            return draft
        channel = entered.channel_of(values)
        if why := await why_not(self._front.client, channel, draft.requester, outside=NOT_YOURS):
            raise entered.FormError({"channel": why})
        return await self._front.drafts.place(draft, channel)

    # What takes longer to read than Slack waits for an answer.

    def _unread(self, draft: Request) -> entered.Unread | None:
        """What is still to be read of a draft; None where all is."""
        kind = self._front.catalogue.action(draft.command, draft.provider)
        return entered.Unread.of(kind, draft.input, account=draft.account, reason=draft.reason) if kind else None

    async def _read(self, draft: Request, sent: entered.Unread) -> tuple[Request, Action | None]:
        """The draft, and the action that it asks for; None where there are mistakes, and the form shows them."""
        try:
            lines = await self._files.lines(sent.files) if sent.files else {}
            action = await asyncio.to_thread(entered.judged, sent.kind, sent.typed, lines)
        except entered.FormError as error:
            useless = error.useless if isinstance(error, NotRead) else ()
            kept = await self._front.drafts.refill(draft, sent.without_files(useless).stored())
            if kept is None:
                return draft, None
            with contextlib.suppress(Sorry):
                problem = entered.labelled(sent.kind, error.errors)
                await self._show(kept, sent.kind.title, self._form_of(kept, problem))
            return kept, None
        read = await self._front.drafts.fill_read(draft, action)
        if read is None:
            return draft, None
        with contextlib.suppress(*UNREACHED):  # the window may be closed; then it is offered to go on
            await self._front.client.views_update(
                view_id=draft.view_id, view=windows.checking(sent.kind, _waiting_for(action))
            )
        return read, action

    async def change_account(self, ack: AsyncAck, body: Body) -> None:
        """Another account was chosen, and its provider asks for other things: the form is drawn anew, as typed.

        What was typed into fields that this provider does not ask for comes back with the account it was typed for.
        """
        asker = self._front.asker(body)
        view = body["view"]
        draft = await self._front.drafts.own(entered.draft_of(view), asker.user)
        accounts = self._front.accounts_for(draft.command)
        chosen = next((one for one in accounts if one.name == entered.account_of(accounts, _values(view))), None)
        action = self._front.catalogue.action(draft.command, chosen.provider) if chosen else None
        await ack()
        if chosen is None or action is None:
            return
        values, aside = _values(view), entered.aside_of(view)
        kept, lost = forms.set_aside(self._variants(draft.command), action, values, aside)
        not_kept = f"This form does not ask for: {', '.join(lost)}. What was there is not kept." if lost else ""
        drawn = forms.form(
            action,
            draft.id,
            accounts,
            values=forms.brought_back(action, values, aside, before=draft.input),
            account=chosen.name,
            reason=entered.typed_reason(values) or str(aside.get("reason", "")),
            problem=not_kept,
            accounts_differ=True,
            aside=kept,
            channel=_channel_in(draft, action),
        )

        self._front.later(body, self._draw_anew(str(view["id"]), str(view.get("hash") or ""), drawn))

    async def _draw_anew(self, view_id: str, seen: str, drawn: windows.View) -> None:
        """The form as it is for another account, unless it was sent meanwhile.

        Who chooses twice in a row has `seen` the same form both times: the second is drawn over the first.
        """
        last = self._drawn.pop(view_id, None) or _Drawn()
        self._drawn[view_id] = last  # last again: the one that nobody changed the longest goes first
        if len(self._drawn) > MOST_DRAWN:
            del self._drawn[next(iter(self._drawn))]
        async with last.lock:
            for expected in (seen, *({last.hash} - {seen, ""})):
                try:
                    answer = await self._front.client.views_update(view_id=view_id, hash=expected or None, view=drawn)
                except SlackApiError as error:
                    if slack_error(error) != "hash_conflict":
                        raise
                else:
                    last.hash = str((answer.get("view") or {}).get("hash") or "")
                    return
            log.info("form_not_drawn_anew", why="it was sent meanwhile")

    def _variants(self, command: str) -> Mapping[str, type[Action]]:
        variants = self._front.catalogue.variants(command)
        if not variants:
            raise Sorry(EXPIRED)
        return variants

    # The check.

    async def _check(self, draft: Request, sent: entered.Unread | None = None) -> None:
        """What the provider says of a draft; of what was `sent` and is not read yet, that first."""
        try:
            action: Action | None = None
            if sent is not None:
                draft, action = await self._read(draft, sent)
            if sent is None or action is not None:
                await self._show_check(draft, action)
        except UNREACHED as error:
            log.error("review_not_shown", request_id=draft.id, error=slack_error(error))
            if not isinstance(error, SlackApiError):
                return  # Slack may be away: it is checked once more in a while, or at the next start
        await self._front.drafts.review_shown(draft)

    async def _show_check(self, draft: Request, action: Action | None) -> None:
        try:
            review = await self._front.drafts.review(draft, action)
            if review is None:
                return
            is_decided = review.asked is None or review.asked.ruling is not None
            if not review.problems and not is_decided and review.quote is None and review.queue is None:
                await self._ask_at_once(review)
                return
        except Sorry as sorry:
            try:
                await self._front.client.views_update(view_id=draft.view_id, view=windows.notice("Postroom", sorry))
            except UNREACHED as error:
                if not is_closed(error):
                    await self._front.tell(_asker_of(draft), sorry)
                raise
            return
        await self._show_review(review)

    async def _ask_at_once(self, review: Review) -> None:
        """What costs nothing and waits for nobody needs no second look: it was asked for by sending the form."""
        await self._front.drafts.submit_checked(review.draft)
        view = windows.notice(review.action.title, "It is being done. The thread in the channel tells how it goes.")
        with contextlib.suppress(*UNREACHED):  # the window may be closed; the thread says it anyway
            await self._front.client.views_update(view_id=review.draft.view_id, view=view)

    async def resume_checks(self, drafts: list[Request]) -> None:
        """Take up the checks of a process that died: their forms still say "checking"."""
        for draft in drafts:
            kind = self._front.catalogue.any_variant(draft.command)
            is_reveal = kind is not None and kind.effect is Effect.REVEAL
            again = self._answers.was_stopped(draft) if is_reveal else self._check(draft, self._unread(draft))
            self._front.lookups.spawn(again)

    # The review.

    async def _show_review(self, review: Review) -> None:
        if not review.problems and is_too_long(review.quote):
            review = replace(review, problems={"": TOO_LONG})
        view = self._form_again(review) if review.problems else await self._review_view(review)
        with contextlib.suppress(Sorry):  # confirmed meanwhile, in a review shown before: all is well
            await self._show(review.draft, review.action.headline(), view)

    async def _show(self, draft: Request, what: str, view: windows.View) -> None:
        """What came of the check, in the window that waits for it. Raises Sorry if it was sent meanwhile."""
        try:
            await self._front.client.views_update(view_id=draft.view_id, view=view)
        except UNREACHED as error:
            why = "the window was closed" if is_closed(error) else "Slack may not show it"
            await self._offer_to_go_on(draft, what, why)
            if not is_closed(error):
                raise

    async def _offer_to_go_on(self, draft: Request, what: str, why: str) -> None:
        """The window does not show what came of the check; what was typed is kept. Raises Sorry if it was sent."""
        await self._front.drafts.own(draft.id, draft.requester)
        offer = sb.Button(plain("Continue", 75), action_id="resume", value=draft.id)
        said = f"the check is done, but {why}. Nothing was asked."
        blocks = built([section(f"*{escape(what)}*: {said}"), sb.ActionsBlock([offer])])
        await self._front.tell(_asker_of(draft), f"{what}: {said}", blocks=blocks)

    async def _review_view(self, review: Review) -> windows.View:
        asked = review.asked
        return windows.review(
            review.action,
            review.draft.id,
            seen=review.draft.fingerprint[:SEEN],
            account=review.draft.account,
            reason=review.draft.reason,
            quote=review.quote,
            ruling=Ruling.from_json(asked.ruling) if asked else None,
            policy=self._front.requests.policy,
            budgets=await self._front.requests.use_of(asked.reservations) if asked else (),
            queue=review.queue,
            channel=review.draft.channel if review.draft.chooses_channel else "",
        )

    def _form_again(self, review: Review) -> windows.View:
        problem = " ".join([*review.problems.values(), review.cure]).strip()
        return self._form_of(review.draft, review.sorry or problem, review.action)

    def _form_of(self, draft: Request, problem: str | Sorry = "", action: Action | None = None) -> windows.View:
        """The form of a draft as it was sent last. Raises Sorry. `action` is what it asks for, if that is known."""
        kind: type[Action]
        aside: Mapping[str, Any] = {}
        if action is None and (sent := self._unread(draft)) is not None:
            kind, values, aside = sent.kind, sent.stored(), sent.aside
        else:
            action = action or self._front.requests.action_of(draft)
            kind, values = type(action), action.model_dump()
        return forms.form(
            kind,
            draft.id,
            self._front.accounts_for(draft.command),
            values=values,
            account=draft.account,
            reason=draft.reason,
            problem=problem,
            accounts_differ=self._front.accounts_differ(draft.command),
            aside=aside,
            channel=_channel_in(draft, kind),
        )

    async def on_review(self, ack: AsyncAck, body: Body) -> None:
        """The requester confirms: on disk before Slack is answered."""
        view = body["view"]
        draft_id, _, seen = str(view.get("private_metadata") or "").partition(":")
        try:
            asker = self._front.asker(body)
            await self._front.drafts.submit(draft_id, asker.user, seen=seen)
        except Sorry as sorry:
            await ack(response_action="update", view=await self._refused(body, draft_id, seen, sorry))
        except StoreUnavailable:
            log.exception("not_submitted", request_id=draft_id)
            await ack(response_action="update", view=await self._refused(body, draft_id, seen, Sorry(UNSTORED)))
        else:
            await ack(response_action="clear")

    async def _refused(self, body: Body, draft_id: str, seen: str, sorry: Sorry) -> windows.View:
        """Why it was not asked, above the form with everything that was typed, as long as it can still be sent."""
        with contextlib.suppress(Sorry):
            draft = await self._own(body, draft_id)
            if len(seen) >= SEEN and draft.fingerprint.startswith(seen):
                return self._form_of(draft, sorry)
        return windows.notice("Postroom", sorry)

    async def edit(self, ack: AsyncAck, body: Body, value: str) -> None:
        """Back from the review to the form, with everything that was typed."""
        view = self._form_of(await self._own(body, value))
        await ack()

        async def show() -> None:
            await self._front.client.views_update(view_id=body["view"]["id"], view=view)

        self._front.later(body, show())

    async def resume(self, ack: AsyncAck, body: Body, value: str) -> None:
        """The window was closed during the check: open the form again, as it was filled in."""
        view = self._form_of(await self._own(body, value))
        await ack()

        async def show() -> None:
            await self._front.client.views_open(trigger_id=str(body.get("trigger_id")), view=view)

        self._front.later(body, show())

    async def _own(self, body: Body, draft_id: str) -> Request:
        return await self._front.drafts.own(draft_id, self._front.asker(body).user)


def _asker_of(draft: Request) -> Body:
    """Who waits for it and where, as a payload of theirs would say it."""
    return {"user_id": draft.requester, "channel_id": draft.channel}


def _channel_in(draft: Request, kind: type[Action]) -> str | None:
    """The channel that the form shows as chosen, empty before it was; None where the form asks for none."""
    return draft.channel if draft.chooses_channel and forms.has_thread(kind) else None


def _values(view: Mapping[str, Any]) -> Mapping[str, Any]:
    state = view.get("state")
    values = state.get("values") if isinstance(state, dict) else None
    return values if isinstance(values, dict) else {}


def _placed(errors: Mapping[str, str], view: Mapping[str, Any]) -> dict[str, str]:
    """Errors under fields that the form has; what belongs to none goes under the first input."""
    inputs = [str(block.get("block_id")) for block in view.get("blocks") or [] if block.get("type") == "input"]
    placed: dict[str, str] = {}
    for name, sentence in errors.items():
        where = name if name in inputs or not inputs else inputs[0]
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
