"""The main scene, act by act, and what the people of all scenes can do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.modal import Modal
from bot.sandbox.model import Message
from bot.sandbox.people import Person
from bot.sandbox.stage import Stage
from bot.sandbox.transcript import Transcript, first_name
from bot.sandbox.witness import NotSeen

OUTREACH = "#outreach"
APPROVALS = "#approvals"
PATIENCE = 20.0
"""Seconds that somebody waits for what must come."""

Act = tuple[str, Callable[[], Awaitable[None]]]
"""Its title, and what is played."""


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """Something that a person waits for, named for whoever reads that it did not come."""

    what: str
    holds: Callable[[Any], bool]

    def __call__(self, seen: Any) -> bool:
        return self.holds(seen)

    def __repr__(self) -> str:
        return self.what


class Scenes:
    """Ana, Omar and Finn on a stage; all they do and see is printed. Whatever does not come to pass raises."""

    def __init__(self, stage: Stage, transcript: Transcript) -> None:
        self._stage = stage
        self._say = transcript
        self._ana: Person = stage.workspace.person("ana")
        self._omar: Person = stage.workspace.person("omar")
        self._finn: Person = stage.workspace.person("finn")

    async def play(self) -> None:
        """Everything, in order."""
        for title, act in self.acts():
            self._say.act(title)
            await act()
            await self._say.quiet()

    def acts(self) -> Sequence[Act]:
        """What is played."""
        raise NotImplementedError

    # Whole passages.

    async def _asks(self, who: Person, command: str, **fields: Any) -> None:
        """Types a command, fills in its form, sends it; what waits for a decision is looked through and confirmed."""
        await self._types(who, command)
        form = await who.sees_modal("form", timeout=PATIENCE)
        await self._fills(who, form, **fields)
        await self._sends(who, form)

    async def _sends(self, who: Person, form: Modal, *, whole_review: bool = False) -> None:
        """Sends a form and goes on until it is asked for, or done at once. Of a review, the total alone is printed."""
        await self._submits(who, form)
        shown = await who.sees_modal(
            Wanted("that asks or tells something", lambda m: m.callback_id in {"review", "notice", "form"}),
            timeout=PATIENCE,
        )
        said = self._say.texts_of(shown)
        match shown.callback_id:
            case "review" if whole_review:
                self._say.modal(who, shown)
                await self._submits(who, shown)
            case "review":
                self._say.aside(f"the review says: {' · '.join(line for line in said if line.startswith('Total'))}")
                await self._submits(who, shown)
            case "notice":
                self._say.aside_once(f"the form says: {' '.join(said)}")
                await who.closes(shown)
            case _:
                raise NotSeen(f"The form was refused: {' '.join(said)}")

    async def _card(self, headline: str) -> Message:
        """The card that waits for a decision, as Omar sees it."""
        card = Wanted(f"a card “{headline}”", lambda m: m.reads(headline) and has_button("approve")(m))
        return await self._omar.sees(card, in_=APPROVALS, timeout=PATIENCE)

    async def _parent(self, headline: str) -> Message:
        """The message at the head of a request's thread, as Ana sees it."""
        head = Wanted(f"“{headline}”", lambda m: m.reads(headline) and not m.is_ephemeral and not m.is_reply)
        return await self._ana.sees(head, in_=OUTREACH, timeout=PATIENCE)

    async def _ends(self, headline: str, words: str) -> Message:
        """The message of the request's thread that says how it ended, once the thread's head says so, too."""
        parent = await self._parent(headline)
        told = await self._ana.sees(words, in_=OUTREACH, thread_of=parent, timeout=PATIENCE)
        done = Wanted(f"“{headline}” done", lambda m: m.ts == parent.ts and m.reads("*Done.*"))
        await self._ana.sees(done, in_=OUTREACH, timeout=PATIENCE)
        return told

    # Single deeds.

    async def _types(self, who: Person, text: str) -> None:
        await self._say.quiet()
        self._say.person(who, text, OUTREACH)
        await who.types(text, channel=OUTREACH)

    async def _clicks(self, who: Person, message: Message, what: str) -> None:
        await self._say.quiet()
        self._say.person(who, f"[{what}]", APPROVALS if message.channel == "C0APPROVALS" else OUTREACH, click=True)
        await who.clicks(message, what)

    async def _fills(self, who: Person, modal: Modal, **values: Any) -> None:
        for name, value in values.items():
            await who.fills(modal, **{name: value})
            lines = str(value).splitlines()
            between = " / " if " " in str(value) else ", "
            self._say.aside(f"{first_name(who)} fills in {_label(modal, name)}: {between.join(filter(None, lines))}")

    async def _chooses(self, who: Person, form: Modal, account: str) -> None:
        """Chooses an account; where another provider asks for other things, the form is drawn anew."""
        await self._fills(who, form, account=account)
        drawn = Wanted(f"for the account {account}", lambda modal: _drawn_for(modal) == account)
        await who.sees_modal(drawn, timeout=PATIENCE)

    async def _submits(self, who: Person, modal: Modal) -> None:
        self._say.aside(f"{first_name(who)} presses “{modal.submit}”")
        done = await who.submits(modal)
        if not done.ok:
            raise NotSeen(f"The form was refused: {dict(done.errors) or done.trouble}")


class Story(Scenes):
    """The scene of the README."""

    WANTED = ("acme-mail.com", "acme-hq.co")

    def acts(self) -> Sequence[Act]:
        """From the first look to a change of mind."""
        return (
            ("Ana looks first", self._look),
            ("Ana asks for two domains", self._ask),
            ("The card in #approvals", self._decide),
            ("Killed in the middle (SIGKILL), and started again", self._crash),
            ("A denial, and a change of mind", self._deny_and_cancel),
        )

    async def _look(self) -> None:
        await self._types(self._ana, "/domain check acme-mail.com google.com")
        await self._ana.sees("1 of 2 names is free", in_=OUTREACH, timeout=PATIENCE)
        await self._types(self._ana, "/domain by")
        await self._ana.sees("Did you mean", in_=OUTREACH, timeout=PATIENCE)

    async def _ask(self) -> None:
        ana = self._ana
        await self._types(ana, "/domain buy acme-mail.com acme-hq.xyz")
        form = await ana.sees_modal("form", timeout=PATIENCE)
        self._say.modal(ana, form)
        await self._fills(ana, form, reason="Spring campaign for ACME")
        errors = (await ana.submits(form)).errors
        if "acme-hq.xyz" not in errors.get("domains", ""):
            raise NotSeen(f"Nothing under the field says what is wrong with acme-hq.xyz, only {dict(errors)}.")
        self._say.aside(f"under Domains: {errors['domains']}")
        await self._fills(ana, form, domains="acme-mail.com\ngoogle.com")
        await self._submits(ana, form)
        taken = Wanted("with “Already taken”", lambda modal: modal.reads("Already taken"))
        form = await ana.sees_modal(taken, timeout=PATIENCE)
        self._say.modal(ana, form)
        await self._fills(ana, form, domains="acme-mail.com\nacme-hq.co")
        await self._sends(ana, form, whole_review=True)

    async def _decide(self) -> None:
        card = await self._card("Buy 2 domains")
        await self._clicks(self._ana, card, "Approve")
        await self._ana.sees("your own request", in_=APPROVALS, timeout=PATIENCE)
        await self._clicks(self._omar, card, "Approve")
        parent = await self._parent("Buy 2 domains")
        await self._ana.sees("accepted the order", in_=OUTREACH, thread_of=parent, timeout=PATIENCE)
        await self._clicks(self._finn, card, "Approve")
        await self._finn.sees("already approved", in_=APPROVALS, timeout=PATIENCE)

    async def _crash(self) -> None:
        await self._stage.bot.kill()
        self._say.aside("the bot's process is gone: kill -9")
        await self._stage.bot.start()
        self._say.aside("a new process, the same database")
        await self._ends("Buy 2 domains", "Both domains are live")
        done = Wanted("a card that says done", lambda m: m.reads("*Done.*") and m.reads("Buy 2 domains"))
        await self._omar.sees(done, in_=APPROVALS, timeout=PATIENCE)

    async def _deny_and_cancel(self) -> None:
        self._say.brief = True  # how cards and parents change has been seen
        card = await self._asked("acme-extra.biz", "One more for the road")
        await self._clicks(self._omar, card, "Deny")
        why = await self._omar.sees_modal("deny", timeout=PATIENCE)
        self._say.modal(self._omar, why)
        await self._fills(self._omar, why, reason="We have enough for this quarter.")
        await self._submits(self._omar, why)
        parent = await self._parent("Buy acme-extra.biz")
        await self._ana.sees("denied this", in_=OUTREACH, thread_of=parent, timeout=PATIENCE)
        await self._asked("acme-later.com", "Perhaps")
        parent = await self._parent("Buy acme-later.com")
        await self._clicks(self._ana, parent, "Cancel request")
        await self._ana.sees("cancelled this", in_=OUTREACH, thread_of=parent, timeout=PATIENCE)

    async def _asked(self, domain: str, reason: str) -> Message:
        await self._asks(self._ana, f"/domain buy {domain}", reason=reason)
        mine = Wanted(f"“{domain}”, to be cancelled", lambda m: m.reads(domain) and has_button("cancel")(m))
        await self._ana.sees(mine, in_=OUTREACH, timeout=PATIENCE)
        return await self._card(domain)


def _label(modal: Modal, name: str) -> str:
    return next(str(block["label"]["text"]) for block in modal.blocks if block["block_id"] == name)


def _drawn_for(modal: Modal) -> str:
    """The account that a form was drawn for, whatever was chosen in it since."""
    menus = [block["element"] for block in modal.blocks if block["block_id"] == "account"]
    return str(menus[0].get("initial_option", {}).get("value", "")) if menus else ""


def has_button(action_id: str) -> Callable[[Message], bool]:
    """Whether a message has a button of this action_id."""

    def holds(message: Message) -> bool:
        return any(
            element.get("action_id") == action_id
            for block in message.blocks
            if block["type"] == "actions"
            for element in block["elements"]
        )

    return holds
