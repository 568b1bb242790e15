"""Clicks on cards and threads. Each is authorised here and now, on disk before Slack is answered, and answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from slack_bolt.context.ack.async_ack import AsyncAck

from handlers.requests import Sorry
from handlers.slack import forms
from handlers.slack.answers import Answers
from handlers.slack.asking import Asking
from handlers.slack.commands import Commands
from handlers.slack.front import Body, Front
from storage.records import Verdict

OLD_BUTTON = "This button is from another version of Postroom and does nothing any more. Nothing was changed."

OnClick = Callable[[AsyncAck, Body, str], Awaitable[None]]


class Decisions:
    """Every button, by its action_id; what stands after a colon in an action_id only keeps it unique in its block."""

    def __init__(self, front: Front, commands: Commands, asking: Asking, answers: Answers) -> None:
        self._front = front
        self._asking = asking
        self._buttons: Mapping[str, OnClick] = {
            "approve": self._approve,
            "deny": self._ask_why_not,
            "cancel": self._cancel,
            "settle_happened": self._settle("happened"),
            "settle_did_not": self._settle("did_not"),
            "settle_wait": self._settle("wait"),
            "catalogue": commands.catalogue,
            "pick": commands.pick,
            "edit": asking.edit,
            "resume": asking.resume,
            "page": answers.page,
            "again": commands.again,
            "take": commands.take,
        }

    async def on_click(self, ack: AsyncAck, body: Body) -> None:
        """One click. Whatever comes of it, the person learns it."""
        actions = body.get("actions") or [{}]
        name = str(actions[0].get("action_id", "")).partition(":")[0]
        value = actions[0].get("value")
        button = self._buttons.get(name)
        try:
            if button is None or not isinstance(value, str):
                if actions[0].get("type") == "button":
                    raise Sorry(OLD_BUTTON)
                await self._on_input(ack, body, str(actions[0].get("block_id", "")))
                return
            await button(ack, body, value)
        except Sorry as sorry:
            await ack()
            self._front.background.spawn(self._front.answer(body, sorry))

    async def _on_input(self, ack: AsyncAck, body: Body, block_id: str) -> None:
        """An input tells of its change: only the account's changes the form; the others are read when it is sent."""
        if block_id == "account" and (body.get("view") or {}).get("callback_id") == "form":
            await self._asking.change_account(ack, body)
        else:
            await ack()

    async def _approve(self, ack: AsyncAck, body: Body, value: str) -> None:
        request_id, _, seen = value.partition(":")
        await self._front.requests.decide(request_id, self._front.asker(body).user, Verdict.APPROVE, seen=seen)
        await ack()

    async def _ask_why_not(self, ack: AsyncAck, body: Body, value: str) -> None:
        request_id, _, seen = value.partition(":")
        request = await self._front.requests.deciding(request_id, self._front.asker(body).user, seen=seen)
        await ack()
        view = forms.deny(request_id, seen, self._front.messages.headline(request))

        async def ask() -> None:
            await self._front.client.views_open(trigger_id=str(body.get("trigger_id")), view=view)

        self._front.later(body, ask())

    async def on_deny(self, ack: AsyncAck, body: Body) -> None:
        """The reason for a denial was sent."""
        view = body["view"]
        request_id, _, seen = str(view.get("private_metadata") or "").partition(":")
        try:
            asker = self._front.asker(body)
            values = (view.get("state") or {}).get("values") or {}
            reason = forms.reason_of(values)
            await self._front.requests.decide(request_id, asker.user, Verdict.DENY, seen=seen, reason=reason)
        except forms.FormError as error:
            await ack(response_action="errors", errors=error.errors)
        except Sorry as sorry:
            sentence = await self._front.named(sorry)
            await ack(response_action="update", view=forms.notice("Not denied", sentence))
        else:
            await ack()

    async def _cancel(self, ack: AsyncAck, body: Body, value: str) -> None:
        await self._front.requests.cancel(value, self._front.asker(body).user)
        await ack()

    def _settle(self, answer: str) -> OnClick:
        async def settle(ack: AsyncAck, body: Body, value: str) -> None:
            await self._front.requests.settle(value, self._front.asker(body).user, answer)
            await ack()

        return settle
