"""Clicks on cards and threads. Each is authorised here and now, on disk before Slack is answered, and answered."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any

from slack_bolt.context.ack.async_ack import AsyncAck

from handlers.requests import SEEN, SILENT, NotAllowed, Sorry
from handlers.slack import entered, windows
from handlers.slack.answers import Answers
from handlers.slack.asking import Asking
from handlers.slack.commands import Commands
from handlers.slack.digest import DigestCommands
from handlers.slack.front import Body, Front
from handlers.slack.lists import STORY, RequestLists
from handlers.slack.messages import total
from handlers.slack.shortcuts import Shortcuts
from storage.records import Request, Verdict

OLD_BUTTON = "This button is from another version of Postroom and does nothing any more. Nothing was changed."

_DECIDE_AT_ONCE = frozenset(
    {"approve", "stop", "cancel", "settle_happened", "settle_did_not", "settle_again", "settle_wait"}
)
"""What changes a request without a form of its own: a card that only its reader sees is then drawn anew."""

Values = Mapping[str, Any]
"""What was put into a form, `view.state.values`."""
OnClick = Callable[[AsyncAck, Body, str], Awaitable[None]]
OnSent = Callable[[str, str, str, Values], Awaitable[None]]
"""Does what a form asks for, with the request's id, who sent it, the fingerprint they saw, and what they put in."""


class Decisions:
    """Every button, by its action_id; what stands after a colon in an action_id only keeps it unique in its block."""

    def __init__(  # noqa: PLR0917
        self,
        front: Front,
        commands: Commands,
        shortcuts: Shortcuts,
        asking: Asking,
        answers: Answers,
        lists: RequestLists,
    ) -> None:
        self._front = front
        self._asking = asking
        self._lists = lists
        self._digest = DigestCommands(front)
        self._buttons: Mapping[str, OnClick] = {
            "approve": self._approve,
            "deny": self._ask_why_not,
            "ask": self._ask_back,
            "choose": self._choose,
            "run_now": self._run_now,
            "stop": self._stop,
            "cancel": self._cancel,
            "settle_happened": self._settle("happened"),
            "settle_did_not": self._settle("did_not"),
            "settle_again": self._settle("again"),
            "settle_wait": self._settle("wait"),
            "catalogue": commands.catalogue,
            "pick": commands.pick,
            "browse": shortcuts.browse,
            "use": shortcuts.use,
            "edit": asking.edit,
            "resume": asking.resume,
            "page": answers.page,
            "again": commands.again,
            "take": commands.take,
            "look": self._digest.look,
            "all": self._all,
            "turn": lists.turn,
            "open": lists.open,
            "read_on": lists.read_on,
        }

    async def on_click(self, ack: AsyncAck, body: Body) -> None:
        """One click. Whatever comes of it, the person learns it."""
        actions = body.get("actions") or [{}]
        name = str(actions[0].get("action_id", "")).partition(":")[0]
        option = actions[0].get("selected_option")
        value = option.get("value") if isinstance(option, dict) else actions[0].get("value")
        if name == "more":  # what is rarely wanted is in a menu, each entry named like a button
            name, _, value = str(value or "").partition(":")
        button = self._buttons.get(name)
        try:
            if button is None or not isinstance(value, str):
                if actions[0].get("type") in ("button", "overflow"):
                    raise Sorry(OLD_BUTTON)
                await self._on_input(ack, body, str(actions[0].get("block_id", "")))
                return
            await button(ack, body, value)
            if name in _DECIDE_AT_ONCE:
                self._drawn_anew(body, value.partition(":")[0])
        except Sorry as sorry:
            if button is not None and isinstance(value, str):
                await self._refused(body, name, value.partition(":")[0], sorry)
            self._lists.forget(str((body.get("view") or {}).get("id")))  # where it told a story, it says this now
            await ack()
            self._front.background.spawn(self._front.answer(body, sorry))

    async def _all(self, ack: AsyncAck, body: Body, value: str) -> None:
        """All that a section of a digest has."""
        wanted = self._digest.listed(value, self._front.asker(body).channel)
        if wanted is None:
            await self._digest.all(ack, body, value)
        else:
            await self._lists.tell(ack, body, wanted)

    def _drawn_anew(self, body: Body, request_id: str) -> None:
        """Where only its reader sees what was clicked, nobody else draws it anew."""
        view = body.get("view") or {}
        if (body.get("container") or {}).get("is_ephemeral"):
            self._front.later(body, self._digest.again(body, request_id))
        elif view.get("callback_id") == STORY:
            self._front.later(body, self._lists.again(body, str(view.get("id")), request_id))

    async def _refused(self, body: Body, what: str, request_id: str, sorry: Sorry) -> None:
        """A click on a request that came to nothing, too late or on an old card: the audit has it, and why."""
        if isinstance(sorry, NotAllowed):
            return  # it is there already
        by = str((body.get("user") or {}).get("id") or "")
        with contextlib.suppress(Sorry):  # what is no request has no audit
            request = await self._front.requests.found(request_id)
            await self._front.requests.refused_click(request.id, by, what, sorry.sentence, sorry.who)

    async def _on_input(self, ack: AsyncAck, body: Body, block_id: str) -> None:
        """An input tells of its change: only the account's changes the form; the others are read when it is sent."""
        if block_id == "account" and (body.get("view") or {}).get("callback_id") == "form":
            await self._asking.change_account(ack, body)
        else:
            await ack()

    async def _approve(self, ack: AsyncAck, body: Body, value: str) -> None:
        request_id, _, seen = value.partition(":")
        by = self._front.asker(body).user
        await self._front.approvals.decide(request_id, by, Verdict.APPROVE, seen=seen, click=_name_of(body))
        await ack()

    # What opens a form: whoever may not send it does not get to see it.

    async def _ask_why_not(self, ack: AsyncAck, body: Body, value: str) -> None:
        request, seen = await self._deciding(body, value)
        await self._opens(ack, body, windows.deny(request.id, seen, self._front.messages.headline(request)))

    async def _ask_back(self, ack: AsyncAck, body: Body, value: str) -> None:
        request, seen = await self._deciding(body, value)
        await self._opens(ack, body, windows.question(request.id, seen, self._front.messages.headline(request)))

    async def _choose(self, ack: AsyncAck, body: Body, value: str) -> None:
        request, seen = await self._deciding(body, value, says_yes=True)
        action = self._front.requests.action_of(request)
        if action.divisible() is None:
            raise Sorry("This request cannot be taken apart. Nothing was changed.")
        quote = self._front.requests.quote_of(request)
        await self._opens(ack, body, windows.choose_items(request.id, seen, action, quote))

    async def _run_now(self, ack: AsyncAck, body: Body, value: str) -> None:
        request_id, _, seen = value.partition(":")
        request = await self._front.approvals.breaking_glass(request_id, self._front.asker(body).user, seen=seen)
        headline = self._front.messages.headline(request)
        await self._opens(ack, body, windows.run_now(request.id, seen, headline, total(request.quote)))

    async def _deciding(self, body: Body, value: str, *, says_yes: bool = False) -> tuple[Request, str]:
        request_id, _, seen = value.partition(":")
        by = self._front.asker(body).user
        return await self._front.approvals.deciding(request_id, by, seen=seen, says_yes=says_yes), seen

    async def _opens(self, ack: AsyncAck, body: Body, view: windows.View) -> None:
        await ack()

        client = self._front.client
        is_above = (body.get("view") or {}).get("type") == "modal"

        async def show() -> None:
            await (client.views_push if is_above else client.views_open)(
                trigger_id=str(body.get("trigger_id")), view=view
            )

        self._front.later(body, show())

    # The forms themselves: each carries the request and the fingerprint of what its sender saw.

    async def on_deny(self, ack: AsyncAck, body: Body) -> None:
        """The reason for a denial was sent."""

        async def deny(request_id: str, by: str, seen: str, values: Values) -> None:
            reason = windows.reason_of(values)
            click = _name_of(body)
            await self._front.approvals.decide(request_id, by, Verdict.DENY, seen=seen, reason=reason, click=click)

        await self._sent(ack, body, deny, "Not denied")

    async def on_question(self, ack: AsyncAck, body: Body) -> None:
        """A question was sent, for the thread."""

        async def ask(request_id: str, by: str, seen: str, values: Values) -> None:
            question, click = windows.question_of(values), _name_of(body)
            await self._front.approvals.ask_back(request_id, by, question, seen=seen, click=click)

        await self._sent(ack, body, ask, "Not asked")

    async def on_items(self, ack: AsyncAck, body: Body) -> None:
        """It was chosen what of it is approved."""

        async def approve(request_id: str, by: str, seen: str, values: Values) -> None:
            # What is numbered here is what the fingerprint is of; of anything else, none is taken.
            request = await self._front.approvals.deciding(request_id, by, seen=seen)
            subjects = self._front.requests.action_of(request).subjects()
            chosen = windows.chosen_items(values, len(subjects))
            out = [name for number, name in enumerate(subjects) if number not in chosen]
            click = _name_of(body)
            await self._front.approvals.decide(request_id, by, Verdict.APPROVE, seen=seen, without=out, click=click)

        await self._sent(ack, body, approve, "Not approved")

    async def on_run_now(self, ack: AsyncAck, body: Body) -> None:
        """The reason was sent why it cannot wait for its approval."""

        async def run(request_id: str, by: str, seen: str, values: Values) -> None:
            reason, click = windows.urgency_of(values), _name_of(body)
            await self._front.approvals.break_glass(request_id, by, reason, seen=seen, click=click)

        await self._sent(ack, body, run, "Not run")

    async def _sent(self, ack: AsyncAck, body: Body, work: OnSent, not_done: str) -> None:
        view = body["view"]
        request_id, _, seen = str(view.get("private_metadata") or "").partition(":")
        state = view.get("state")
        values = state.get("values") if isinstance(state, dict) else None
        try:
            by = self._front.asker(body).user
            await work(request_id, by, seen, values if isinstance(values, dict) else {})
        except entered.FormError as error:
            await ack(response_action="errors", errors=error.errors)
        except Sorry as sorry:
            field = windows.first_input(view)
            if sorry.sentence == SILENT and field:  # in a minute it may be sent as it is: what was typed stays there
                await ack(response_action="errors", errors={field: SILENT})
                return
            await self._refused(body, str(view.get("callback_id") or ""), request_id, sorry)
            sentence = await self._front.named(sorry)
            await ack(response_action="update", view=windows.notice(not_done, sentence))
        else:
            await ack()
            if below := view.get("previous_view_id"):
                self._front.later(body, self._lists.again(body, str(below), request_id))

    async def _stop(self, ack: AsyncAck, body: Body, value: str) -> None:
        await self._front.approvals.stop(value, self._front.asker(body).user, click=_name_of(body))
        await ack()

    async def _cancel(self, ack: AsyncAck, body: Body, value: str) -> None:
        await self._front.approvals.cancel(value, self._front.asker(body).user)
        await ack()

    def _settle(self, answer: str) -> OnClick:
        async def settle(ack: AsyncAck, body: Body, value: str) -> None:
            request_id, _, seen = value.partition(":")
            await self._front.settling.settle(request_id, self._front.asker(body).user, answer, seen=seen)
            await ack()

        return settle


def _name_of(body: Body) -> str:
    """What tells this click from every other one, also of the same person on the same button."""
    return sha256(str(body.get("trigger_id") or "").encode(errors="replace")).hexdigest()[:SEEN]
