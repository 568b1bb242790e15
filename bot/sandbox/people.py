"""What a person does in Slack, for tests, the demo and the page.

Every deed goes to the app as Slack would send it, and what the app answers is shown to the person as Slack would.
"""

from __future__ import annotations

from typing import Any

from bot.sandbox import payloads
from bot.sandbox.blocks import completed, message_problems
from bot.sandbox.delivery import Ack
from bot.sandbox.forms import Element, elements_in, files_problem, option_named, typed_state
from bot.sandbox.modal import Modal, Submission
from bot.sandbox.model import BOT_USER_ID, SLACKBOT_ID, Channel, Message, View
from bot.sandbox.submitting import TROUBLE, submit
from bot.sandbox.witness import NotSeen, Witness

TIMED_OUT = "Operation timed out. Apps need to respond within three seconds."

Target = Message | Modal | View


class NotTaken(Exception):
    """Slack's own client does not take a file; the message is what it says."""


class Person(Witness):
    """One person at their Slack: these are their deeds, what they see is in `Witness`."""

    async def types(self, text: str, *, channel: str = "#general", thread_of: Message | None = None) -> Ack | None:
        """Types into a channel ("#outreach", an id, or "dm" for the app's direct message).

        A slash command goes to the app and its answer is shown; anything else becomes a message. Returns the app's ack
        of a command, None for a message. Raises PermissionError when this person cannot write there.
        """
        place = self._writable(channel)
        if not text.startswith("/"):
            await self._writes(place, text, thread_of)
            return None
        name, _, rest = text.partition(" ")
        refused = self._not_a_command(name, thread_of)
        if refused:
            self._refused(place, refused)
            return None
        payload = payloads.command(self.workspace, self.user, place, name, rest.strip())
        ack = await self.workspace.deliver("slash_commands", payload)
        self._show_command_answer(place, name, ack)
        return ack

    async def clicks(
        self, target: Target, what: str, *, confirm: bool = True, value: str | None = None, block_id: str | None = None
    ) -> Ack | None:
        """Presses a button, named by its action_id or its words, in this very copy of a message, modal or home.

        Where several buttons fit, `value` or `block_id` tell which. confirm: what the person answers if a confirmation
        dialog comes up. Returns the app's ack, or None when the person backed out. Raises NotSeen.
        """
        self._before(target)
        block, element = self._button(target, what, value, block_id)
        if "confirm" in element and not confirm:
            return None
        return await self._acts(target, block, element, payloads.action_of(self.workspace, block, element))

    async def chooses(
        self, target: Target, what: str, choice: Any, *, confirm: bool = True, block_id: str | None = None
    ) -> Ack | None:
        """Chooses in a menu, picker, checkbox or overflow of a message, modal or home, named by action_id or block_id.

        choice: as in `fills`. Returns the app's ack, or None when the person backed out of the confirmation.
        """
        self._before(target)
        block, element = self._element(target, what, block_id)
        if "confirm" in element and not confirm:
            return None
        if element["type"] == "overflow":
            state = {"type": "overflow", "selected_option": option_named(element["options"], choice)}
            return await self._acts(target, block, element, payloads.action_of(self.workspace, block, element, state))
        return await self._puts(target, block, element, choice, dispatch=True)

    async def fills(self, modal: Modal, **values: Any) -> Modal:
        """Fills in elements of a modal by block_id (or action_id).

        Texts, numbers, dates and times go in as they are, a list into a text one line each; choices by value or by
        words, several as a list; a single checkbox takes True and False; None empties. Raises NotSeen for a field that
        is not there, LookupError for a choice that is not offered.
        """
        self._present()
        for name, value in values.items():
            if not modal.is_on_top:
                raise NotSeen(f"{self.user.name} does not see {modal!r} any more.")
            block, element = self._element(modal, name)
            dispatch = block["type"] != "input" or block.get("dispatch_action", False)
            await self._puts(modal, block, element, value, dispatch=dispatch)
        return modal

    async def attaches(self, modal: Modal, what: str, *files: tuple[str, bytes]) -> Modal:
        """Puts files, each a name and its content, into a file input instead of those it had; none takes them out.

        Raises NotTaken with what Slack's client says to it, NotSeen for an input that is not there.
        """
        self._before(modal)
        block, element = self._element(modal, what)
        if problem := files_problem(element, files):
            raise NotTaken(problem)
        shapes = [self.workspace.attach(self.id, name, content) for name, content in files]
        state = {"type": "file_input", "files": shapes}
        self.workspace.views.type_into(modal.view, (block["block_id"], element["action_id"]), state)
        return modal

    async def searches(self, target: Target, what: str, text: str) -> list[dict[str, Any]]:
        """Types into an external select and returns the options that the app offers for it."""
        block, element = self._element(target, what)
        return await self._suggestions(target, block, element, text)

    async def submits(self, modal: Modal) -> Submission:
        """Presses submit; the modal then closes, changes or shows errors as the app answers. Raises NotSeen."""
        self._present()
        if not modal.is_on_top:
            raise NotSeen(f"{self.user.name} does not see {modal!r} any more.")
        if modal.submit is None:
            raise NotSeen(f"{modal!r} has nothing to submit.")
        return await submit(self.workspace, self.user, modal)

    async def closes(self, modal: Modal, *, everything: bool = False) -> Modal | None:
        """Presses close, or with `everything` the cross that closes the whole stack. Returns what is visible then."""
        self._present()
        if not modal.is_open:
            raise NotSeen(f"{self.user.name} does not see {modal!r} any more.")
        view = modal.view
        cleared = everything or bool(view.content.get("clear_on_close", False))
        stack = self.workspace.views.stack(self.id)
        gone = stack if cleared else stack[[one.id for one in stack].index(view.id) :]
        self.workspace.views.close(gone[0])
        for one in reversed(gone):
            if one.content.get("notify_on_close", False):
                payload = payloads.closing(self.user, one, is_cleared=cleared)
                await self.workspace.deliver("interactive", payload)
        return self.modal

    async def opens_home(self) -> Ack:
        """Opens the app's home tab. What the app publishes on that shows in `home`."""
        self._present()
        return await self.workspace.deliver("events_api", payloads.home_opened(self.workspace, self.user))

    async def uses_shortcut(self, callback_id: str, *, on: Message | None = None) -> Ack:
        """Starts a global shortcut, or one out of the menu of the message `on`."""
        self._present()
        if on is None:
            payload = payloads.shortcut(self.workspace, self.user, callback_id)
        elif on.is_ephemeral:
            raise NotSeen("What only one person sees has no menu with shortcuts.")
        else:
            payload = payloads.message_shortcut(self.workspace, self.user, on, callback_id)
        ack = await self.workspace.deliver("interactive", payload)
        if not ack.ok:
            self.workspace.tell(self.id, TIMED_OUT)
        return ack

    async def _writes(self, place: Channel, text: str, thread_of: Message | None) -> None:
        thread_ts = (thread_of.thread_ts or thread_of.ts) if thread_of else None
        message = self.workspace.post(place.id, self.id, text, thread_ts=thread_ts)
        kind = "message.im" if place.is_im else "message.groups" if place.is_private else "message.channels"
        if kind in self.workspace.app.events:
            payload = payloads.message_event(self.workspace, message, "message")
            await self.workspace.deliver("events_api", payload)
        if f"<@{BOT_USER_ID}>" in text and "app_mention" in self.workspace.app.events:
            payload = payloads.message_event(self.workspace, message, "app_mention")
            await self.workspace.deliver("events_api", payload)

    def _not_a_command(self, name: str, thread_of: Message | None) -> str | None:
        commands = self.workspace.app.commands
        if thread_of is not None:
            return f"{name} is not supported in threads. Sorry!"
        if commands is not None and name not in commands:
            return f"{name} is not a valid command."
        return None

    def _refused(self, place: Channel, text: str) -> None:
        self.workspace.post(place.id, SLACKBOT_ID, text, ephemeral_to=self.id)

    def _show_command_answer(self, place: Channel, name: str, ack: Ack) -> None:
        if ack.outcome == "http_error":
            self._refused(place, f'{name} failed with the error "dispatch_failed"')
        elif not ack.ok:
            text = "failed because the app did not respond. Please try again or contact the app developer."
            self._refused(place, f"{name} {text}")
        elif ack.payload.get("text") or ack.payload.get("blocks"):
            self._show_answer(place, name, ack)

    def _show_answer(self, place: Channel, name: str, ack: Ack) -> None:
        blocks = list(ack.payload.get("blocks") or ())
        if message_problems(blocks, accepts_new_blocks=self.workspace.accepts_new_blocks):
            self._refused(place, f'{name} failed with the error "invalid_blocks"')
            return
        public = ack.payload.get("response_type") == "in_channel"
        self.workspace.post(
            place.id,
            BOT_USER_ID,
            str(ack.payload.get("text", "")),
            blocks=completed(blocks),
            by_app=True,
            ephemeral_to=None if public else self.id,
        )

    async def _puts(
        self, target: Target, block: Element, element: Element, value: Any, *, dispatch: bool
    ) -> Ack | None:
        offered = element
        if element["type"].endswith("external_select") and value is not None:
            options: list[dict[str, Any]] = []
            for one in value if isinstance(value, list | tuple) else [value]:
                options += await self._suggestions(target, block, element, str(one))
            offered = element | {"options": options}
        state = typed_state(offered, value)
        place = (block["block_id"], element["action_id"])
        if isinstance(target, Message):
            target = self.workspace.type_into(target, place, state)
        else:
            view = target.view if isinstance(target, Modal) else target
            target = self.workspace.views.type_into(view, place, state)
        if not dispatch:
            return None
        return await self._acts(target, block, element, payloads.action_of(self.workspace, block, element, state))

    async def _acts(self, target: Target, block: Element, element: Element, action: dict[str, Any]) -> Ack:
        if isinstance(target, Message):
            payload = payloads.message_action(self.workspace, self.user, target, action)
            ack = await self.workspace.deliver("interactive", payload)
            if not ack.ok:
                self.workspace.tell(self.id, TIMED_OUT, target.channel)
            return ack
        view = target.view if isinstance(target, Modal) else target
        ack = await self.workspace.deliver("interactive", payloads.view_action(self.workspace, self.user, view, action))
        if not ack.ok:
            self.workspace.views.show_errors(view, view.errors, trouble=TROUBLE)
            self.workspace.tell(self.id, TIMED_OUT)
        return ack

    async def _suggestions(self, target: Target, block: Element, element: Element, text: str) -> list[dict[str, Any]]:
        view = target.view if isinstance(target, Modal) else target
        payload = payloads.suggestion(self.user, view, block, element, text)
        ack = await self.workspace.deliver("interactive", payload)
        groups = ack.payload.get("option_groups") or ()
        return [*(ack.payload.get("options") or ()), *(option for group in groups for option in group["options"])]

    def _button(self, target: Target, what: str, value: str | None, block_id: str | None) -> tuple[Element, Element]:
        buttons = [
            (block, element)
            for block, element in _elements(target)
            if element["type"] in {"button", "workflow_button"}
            and value in {None, element.get("value")}
            and block_id in {None, block["block_id"]}
        ]
        by_action = [found for found in buttons if found[1].get("action_id") == what]
        by_words = [found for found in buttons if found[1]["text"]["text"] == what]
        return _only(by_action or by_words, what, [element["text"]["text"] for _, element in buttons])

    def _element(self, target: Target, what: str, block_id: str | None = None) -> tuple[Element, Element]:
        elements = [found for found in _elements(target) if block_id in {None, found[0]["block_id"]}]
        by_block = [found for found in elements if found[0]["block_id"] == what]
        by_action = [found for found in elements if found[1].get("action_id") == what]
        return _only(by_block or by_action, what, [block["block_id"] for block, _ in elements])

    def _writable(self, name: str) -> Channel:
        self._present()
        place = self._channel(name)
        if self.id not in place.members:
            raise PermissionError(f"{self.user.name} is not in #{place.name}.")
        return place

    def _before(self, target: Target) -> None:
        self._present()
        if isinstance(target, Modal) and not target.is_on_top:
            raise NotSeen(f"{self.user.name} does not see {target!r} any more.")
        if isinstance(target, Message) and target.ephemeral_to not in {None, self.id}:
            raise NotSeen(f"{self.user.name} does not see what only {target.ephemeral_to} sees.")
        if isinstance(target, View) and target.user != self.id:
            raise NotSeen(f"{self.user.name} does not see the views of {target.user}.")

    def _present(self) -> None:
        if self.user.deleted:
            raise PermissionError(f"The account of {self.user.name} is deactivated.")


def _elements(target: Target) -> list[tuple[Element, Element]]:
    return list(elements_in(target.blocks))


def _only(found: list[tuple[Element, Element]], what: str, instead: list[str]) -> tuple[Element, Element]:
    if not found:
        raise NotSeen(f"There is no {what!r} here. There is: {', '.join(instead) or 'nothing'}.")
    if len(found) > 1:
        raise NotSeen(f"There are {len(found)} of {what!r} here: say which by block_id or value.")
    return found[0]
