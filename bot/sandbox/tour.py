"""What people do at each of the five providers: short scenes, each compared with the provider's own books."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.sandbox.people import Person
from bot.sandbox.stage import Stage
from bot.sandbox.story import OUTREACH, PATIENCE, Act, Scenes, Wanted
from bot.sandbox.transcript import Transcript
from bot.sandbox.witness import NotSeen
from providers.mailin.sandbox import Operation as AtMailin
from providers.scaledmail.models import Platform
from providers.smailor.sandbox import SandboxMailbox

SENDER = "hello@acme-direct.com"
GOOGLE_MAILBOX = "ana@acme-hello.com"
SECONDS_OF_A_JOB = 0.8
"""How long the providers take in these scenes: there are many."""

E_MAILS = """\
Spring at {{companyName}}
Hi {{firstName}}, shall we talk?
---
Still interested?
Just a short reminder."""

_ID = re.compile(r"\bid ([0-9a-f-]{36})\b")
_CODE = re.compile(r"\b\d{6}\b")


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done at a provider and what it cost, by the provider's own books. `dollars` is what was paid at once."""

    provider: str
    what: str
    dollars: Decimal = Decimal(0)
    monthly: Decimal = Decimal(0)
    """Of these dollars, what will be charged again every month."""
    credits: int = 0


def furnish(stage: Stage) -> None:
    """What the accounts have from the start, so that there is something to see, to buy and to work with."""
    stage.mailin.own("acme-news.com", "acme-team.co")
    stage.mailin.own_mailboxes(GOOGLE_MAILBOX, "omar@acme-hello.com", hosting="google")
    shop = stage.scaledmail.put_on_shelf
    shop("acme-reach.com", "acme-letters.com", warmup_months=3, mailbox_count=3, one_time="23", monthly="8")
    shop("acme-writes.com", warmup_months=6, mailbox_count=5, one_time="35", monthly="14.50")
    shop("acme-bulletin.com", platform=Platform.OUTLOOK, warmup_months=2, mailbox_count=25, one_time="60", monthly="45")
    stage.scaledmail.own("acme-warm.com")
    stage.smailor.own("acme-direct.com", "acme-offers.com", "acme-blast.com")
    for name, reputation, *counts in (
        ("acme-direct.com", "healthy", 1840, 12, 1),
        ("acme-offers.com", "watch", 960, 71, 3),
        ("acme-blast.com", "blocked", 4100, 530, 48),
    ):
        domain = stage.smailor.domains[name]
        domain.reputation = reputation
        domain.sends, domain.bounces, domain.complaints = counts
    stage.smailor.mailboxes.append(SandboxMailbox(SENDER, "Acme", stage.smailor.clock.now()))
    stage.smailor.add_template("Thank you", body_html="<p>Thank you, {{customer_name}}.</p>")
    for address in ("ana@acme-news.com", "omar@acme-news.com"):
        stage.instantly.add_account(address, tags=("spring",))
    stage.instantly.blocklist.add("legal@globex.com")
    stage.mailapi.own("acme-ops.com", mailboxes=2)


class Tour(Scenes):
    """A visit to each provider. `deeds` tells what the books say of it."""

    PREWARMED = ("acme-reach.com", "acme-letters.com")
    LEADS = ("kim@globex.com", "lee@initech.com", "kim@globex.com", "legal@globex.com", "noor@umbrella.com")
    TO_VERIFY = ("kim@globex.com", "lee@initech.com", "bad.address@globex.com")
    SUB_DOMAINS = ("mail", "team")

    def __init__(self, stage: Stage, transcript: Transcript) -> None:
        super().__init__(stage, transcript)
        self.deeds: list[Deed] = []

    async def play(self) -> None:
        """Everything, in order, with providers that are quick."""
        stage = self._stage
        stage.mailin.job_seconds = stage.scaledmail.setup_seconds = SECONDS_OF_A_JOB
        stage.mailapi.verify_seconds = stage.mailapi.task_seconds = SECONDS_OF_A_JOB
        await super().play()

    def acts(self) -> Sequence[Act]:
        """One or two for each provider."""
        return (
            ("ScaledMail: inboxes that are warm already", self._prewarmed),
            ("Smailor: the reputation of domains, and a test e-mail", self._reputation),
            ("Instantly: a campaign with its e-mails and leads", self._campaign),
            ("MailAPI: domains that you own already, added at once", self._domains),
            ("Mailin: who of these would get our mail?", self._verification),
            ("A log-in code, for those alone who may see it", self._credential),
        )

    async def _prewarmed(self) -> None:
        ana = self._ana
        await self._types(ana, "/prewarm browse google")
        found = await ana.sees("for sale", in_=OUTREACH, timeout=PATIENCE)
        await ana.chooses(found, "choose", list(self.PREWARMED))
        self._say.aside(f"Ana chooses {', '.join(self.PREWARMED)}")
        found = await ana.sees("for sale", in_=OUTREACH, timeout=PATIENCE)
        await self._clicks(ana, found, "Buy the chosen …")
        form = await ana.sees_modal("form", timeout=PATIENCE)
        await self._fills(ana, form, tag="spring", reason="We want to start this week")
        await self._sends(ana, form)
        await self._clicks(self._omar, await self._card("Buy 2 pre-warmed domains"), "Approve")
        await self._ends("Buy 2 pre-warmed domains", "Both domains are there")
        books = self._stage.scaledmail
        bought = [purchase for purchase in books.purchases if purchase.charged]
        self._books_say(sorted(one.domain for one in bought) == sorted(self.PREWARMED), "each domain bought once")
        monthly = sum((inbox.monthly for inbox in books.stock.values() if inbox.id in books.sold), Decimal(0))
        paid = sum((one.price for one in bought), Decimal(0))
        self.deeds.append(
            Deed("ScaledMail", f"Bought {' and '.join(one.domain for one in bought)}, pre-warmed", paid, monthly)
        )

    async def _reputation(self) -> None:
        await self._types(self._ana, "/domain reputation")
        await self._ana.sees("1 blocked, 1 on watch, 1 healthy", in_=OUTREACH, timeout=PATIENCE)
        await self._asks(
            self._ana, f"/postroom send-test ana@example.com {SENDER} Hello from Acme", text="Does this arrive?"
        )
        await self._ends("Send a test e-mail", "has taken the e-mail to ana@example.com")
        sent = [(message.to, message.sender, message.subject) for message in self._stage.smailor.messages]
        self._books_say(sent == [("ana@example.com", SENDER, "Hello from Acme")], "one e-mail sent, once")
        self.deeds.append(Deed("Smailor", "Looked at the reputation of 3 domains, sent a test e-mail"))

    async def _campaign(self) -> None:
        await self._asks(self._ana, '/campaign create "Spring at Acme"')
        told = await self._ends("Create the campaign", "is there, as a draft")
        shown = _ID.search(" ".join(self._say.texts_of(told)))
        if shown is None:
            raise NotSeen("The thread does not show the campaign's id, so nobody could go on with it.")
        campaign_id = shown[1]
        await self._asks(self._ana, f"/campaign sequences {campaign_id}", emails=E_MAILS)
        await self._ends("Write 2 steps", "has taken 2 steps")
        await self._asks(self._ana, f"/campaign leads {campaign_id}", leads="\n".join(self.LEADS))
        await self._ends("Add 5 leads", "3 of 5 addresses became leads")
        campaign = self._stage.instantly.campaigns[campaign_id]
        steps = campaign.sequences[0]["steps"]
        self._books_say(
            list(self._stage.instantly.campaigns) == [campaign_id] and len(steps) == 2, "one campaign with two steps"
        )
        wanted = ["kim@globex.com", "lee@initech.com", "noor@umbrella.com"]
        self._books_say(campaign.leads == wanted, "three leads, each once, and nobody of the blocklist")
        self.deeds.append(Deed("Instantly", f"Made “{campaign.name}”: {len(steps)} steps, {len(campaign.leads)} leads"))

    async def _domains(self) -> None:
        ana = self._ana
        await self._asks(ana, "/domain add acme-post.com")
        await self._ends("Add acme-post.com", "acme-post.com is verified")
        await self._types(ana, "/domain list acme")
        form = await ana.sees_modal("form", timeout=PATIENCE)
        self._say.aside("four of the accounts have domains, so a form asks which is meant")
        await self._chooses(ana, form, "mailapi-main")
        await self._submits(ana, form)
        found = await ana.sees_modal("answer", timeout=PATIENCE)
        self._say.modal(ana, found)
        await ana.closes(found)
        await self._types(ana, f"/domain subdomain acme-ops.com {' '.join(self.SUB_DOMAINS)}")
        form = await ana.sees_modal("form", timeout=PATIENCE)
        self._say.aside("two of the accounts could do this, and it changes something: the form asks which is meant")
        await self._chooses(ana, form, "mailapi-main")
        form = await ana.sees_modal("form", timeout=PATIENCE)
        await self._sends(ana, form)
        await self._ends("Add 2 sub-domains", "All 2 sub-domains are verified")
        made = ["acme-post.com", *(f"{label}.acme-ops.com" for label in self.SUB_DOMAINS)]
        self._books_say(self._stage.mailapi.made == made, "a domain and two sub-domains made, each once")
        self.deeds.append(Deed("MailAPI", f"Added {', '.join(made)}"))

    async def _verification(self) -> None:
        books, before = self._stage.mailin, self._stage.mailin.credits
        await self._asks(
            self._ana, "/verify list", addresses="\n".join(self.TO_VERIFY), reason="Before the spring campaign"
        )
        await self._clicks(self._omar, await self._card("Verify 3 addresses"), "Approve")
        await self._ends("Verify 3 addresses", "2 of 3 addresses are deliverable")
        [task] = books.tasks.values()
        await self._types(self._ana, f"/verify result {task.id}")
        result = Wanted("the result", lambda m: m.is_ephemeral and m.reads("2 of 3"))
        await self._ana.sees(result, in_=OUTREACH, timeout=PATIENCE)
        self._books_say(task.addresses == self.TO_VERIFY and before - books.credits == 3, "three credits spent")
        self.deeds.append(
            Deed("Mailin.ai", f"Verified {len(task.addresses)} addresses", credits=before - books.credits)
        )

    async def _credential(self) -> None:
        await self._asks_for_code(self._ana, "only to those who may approve")
        shown = await self._asks_for_code(self._omar, "A log-in code of")
        [code] = _CODE.findall(shown)
        self._books_say(self._stage.mailin.calls[AtMailin.TOTP] == 1, "the code was asked for once, by Omar")
        workspace = self._stage.workspace
        told = [message for channel in workspace.channels for message in workspace.messages(channel)]
        told += [message for channel in workspace.channels for message in workspace.ephemerals(channel, self._ana.id)]
        if any(code in _CODE.findall(" ".join([message.text, *self._say.texts_of(message)])) for message in told):
            raise NotSeen("The log-in code stands in a channel, where others can read it.")
        self.deeds.append(Deed("Mailin.ai", "Showed a log-in code to Omar, refused it to Ana"))

    async def _asks_for_code(self, who: Person, words: str) -> str:
        """Returns what the modal says in the end, which has these words in it."""
        await self._types(who, f"/mailbox totp {GOOGLE_MAILBOX}")
        await self._submits(who, await who.sees_modal("form", timeout=PATIENCE))
        shown = await who.sees_modal(Wanted(f"with “{words}”", lambda modal: modal.reads(words)), timeout=PATIENCE)
        self._say.modal(who, shown)
        await who.closes(shown)
        return " ".join(self._say.texts_of(shown))

    def _books_say(self, true: bool, what: str) -> None:
        if not true:
            raise NotSeen(f"By the provider's books this is not so: {what}.")
