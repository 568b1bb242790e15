"""What is answered at once, to the asker alone: questions, lists, help, and words nobody knows."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.model import Message
from handlers.slack import entered
from handlers.slack.words import LIST_TEXT
from providers.catalogue import built_in
from providers.mailin.actions import BuyDomains
from providers.mailin.provider import provider as mailin
from providers.mailin.sandbox import Fault
from tests.house import House, Person, open_house, prices, reading


def told(house: House, who: Person, channel: str = "#outreach") -> str:
    """The newest thing that only they were told."""
    return house.privately(who, channel)[-1]


async def asks(house: House, words: str) -> str:
    await house.ana.types(words, channel="#outreach")
    await house.tick()
    return told(house, house.ana)


class TestCheck:
    async def test_one_name(self, house: House) -> None:
        said = await asks(house, "/domain check acme.com")

        assert said.splitlines()[:2] == ["*acme.com is free.*", "• `acme.com` — free · $12.50"]
        assert "only you see this" in said
        assert not house.ana.messages("#outreach")
        assert not house.omar.ephemerals("#outreach")

    async def test_several_names(self, house: House) -> None:
        house.mailin.own("ours.com")
        await house.restarts(prices=prices(domain_biz=None))

        said = await asks(house, "/domain check acme.com, acme.biz ours.com google.com")

        assert said.splitlines()[:5] == [
            "*2 of 4 names are free.*",
            "• `acme.com` — free · $12.50",
            "• `acme.biz` — free · price unknown",
            "• `ours.com` — already in this account",
            "• `google.com` — taken",
        ]

    async def test_two_names_where_one_is_taken_are_told_on_one_line(self, house: House) -> None:
        said = await asks(house, "/domain show acme.com acme.co")

        assert said.startswith("“acme.com acme.co” is not a domain name. A domain looks like acme-mail.com.\nUsage:")

    async def test_a_mistake_is_told_with_the_usage(self, house: House) -> None:
        said = await asks(house, "/domain check acme.org <b>")

        assert "“&lt;b&gt;” is not a domain name." in said
        assert "Usage: `/domain check name.com …`" in said
        assert house.calls["availability"] == 0

    async def test_without_a_name_a_form_asks_for_it(self, house: House) -> None:
        form = await house.form(house.ana, "/domain check")
        assert form.fields == ["account", "domains"]
        await house.ana.fills(form, domains="acme.com")
        await house.ana.submits(form)

        answer = await house.ana.sees_modal("answer")
        assert "acme.com is free." in reading(answer.blocks)

    async def test_eleven_names_are_too_many_to_wait_for(self, house: House) -> None:
        said = await asks(house, "/domain check " + " ".join(f"acme{n}.com" for n in range(11)))

        assert "These are 11 domains; at most 10 go into one request." in said

    async def test_the_provider_does_not_answer(self, house: House) -> None:
        house.mailin.faults.add("availability", Fault.answers(500), times=3)

        said = await asks(house, "/domain check acme.com")

        assert said.startswith("Mailin failed to answer.")
        assert "Try again in a few minutes." in said

    async def test_a_reading_is_asked_again_by_itself(self, house: House) -> None:
        house.mailin.faults.add("availability", Fault.answers(500), times=2)

        assert "acme.com is free." in await asks(house, "/domain check acme.com")


class TestList:
    async def test_an_empty_account(self, house: House) -> None:
        assert "There are no domains in this account." in await asks(house, "/domain list")

    async def test_both_kinds_of_hosting(self, house: House) -> None:
        house.mailin.own("smtp-one.com", "smtp-two.com")
        house.mailin.own("google-one.com", hosting="google")

        pages = await self._all_pages(house, "/domain list")

        assert [line for page in pages for line in page if line.startswith("•")] == [
            "• `smtp-one.com` — live · SMTP",
            "• `smtp-two.com` — live · SMTP",
            "• `google-one.com` — live · Google",
        ]

    async def test_a_domain_that_is_not_active_yet(self, house: House) -> None:
        await house.approved(house.ana, "acme.com")

        assert "• `acme.com` — not active yet · SMTP" in await asks(house, "/domain list")

    async def test_paging_forth_and_back(self, house: House) -> None:
        names = [f"acme-{n:02}.com" for n in range(35)]
        house.mailin.own(*names)
        house.mailin.own("g-1.com", "g-2.com", hosting="google")

        first = await self._page(house, "/domain list")
        assert "`acme-00.com`" in first
        assert "`acme-15.com`" not in first
        assert "[Next →]" in first
        assert "[← Previous]" not in first

        second = await self._turn(house, "Next →")
        assert "`acme-15.com`" in second
        assert "`acme-00.com`" not in second
        assert "[← Previous]\n[Next →]" in second

        assert await self._turn(house, "← Previous") == first
        assert len(house.ana.ephemerals("#outreach")) == 1  # a page takes the place of the one before

    async def test_every_domain_is_on_exactly_one_page(self, house: House) -> None:
        smtp, google = [f"s-{n:02}.com" for n in range(31)], [f"g-{n:02}.com" for n in range(16)]
        kit = [f"k-{n}.com" for n in range(3)]
        house.mailin.own(*smtp)
        house.mailin.own(*google, hosting="google")
        house.mailin.own(*kit, hosting="inboxkit")

        pages = await self._all_pages(house, "/domain list")

        listed = [[line.split("`")[1] for line in page if line.startswith("•")] for page in pages]
        assert [name for page in listed for name in page] == smtp + google + kit
        assert [len(page) for page in listed] == [15, 15, 15, 5]
        assert [page[0] for page in pages] == [f"*50 domains, page {n}.*" for n in range(1, 5)]
        assert pages[-1][-4].endswith("live · from InboxKit")

    async def test_only_the_names_with_a_word_in_them(self, house: House) -> None:
        house.mailin.own("acme-mail.com", "other.com")
        house.mailin.own("acme-hq.co", hosting="google")

        pages = await self._all_pages(house, "/domain list acme")

        assert [line.split("`")[1] for page in pages for line in page if line.startswith("•")] == [
            "acme-mail.com",
            "acme-hq.co",
        ]
        assert "with “acme” in the name" in pages[0][0]

    async def test_a_word_that_is_in_no_name(self, house: House) -> None:
        house.mailin.own("acme-mail.com")

        said = await asks(house, "/domain list *zzz* <!channel>")

        assert "There are no domains with “*zzz* &lt;!channel&gt;” in the name in this account." in said

    async def test_the_list_changes_while_somebody_turns_its_pages(self, house: House) -> None:
        house.mailin.own(*[f"acme-{n:02}.com" for n in range(16)])
        await self._page(house, "/domain list")
        house.mailin.domains.clear()

        assert "There are no more domains in this account." in await self._turn(house, "Next →")

    async def _page(self, house: House, words: str) -> str:
        await asks(house, words)
        return reading(self._shown(house).blocks)

    async def _turn(self, house: House, button: str) -> str:
        await house.ana.clicks(self._shown(house), button)
        await house.tick()
        return reading(self._shown(house).blocks)

    async def _all_pages(self, house: House, words: str) -> list[list[str]]:
        pages = [await self._page(house, words)]
        while "[Next →]" in pages[-1]:
            pages.append(await self._turn(house, "Next →"))
        return [page.splitlines() for page in pages]

    def _shown(self, house: House) -> Message:
        return house.ana.ephemerals("#outreach")[-1]


class TestHouseCommands:
    async def test_help_shows_every_noun_and_says_what_is_not_there_yet(self, house: House) -> None:
        said = await asks(house, "/postroom help")

        assert "*/domain* Domains: buy, check and list them\nbuy · buy-many · check · list · " in said
        assert "`/campaign` Campaigns: no account for it" in said
        assert "`/postroom jobs`" in said
        assert said == await asks(house, "/postroom")

    async def test_help_with_words_shows_what_has_them(self, house: House) -> None:
        said = await asks(house, "/postroom help new domains")

        assert "`/domain buy [name.com …]` Buy one or more new domains." in said
        assert "`/domain list" not in said
        assert "[Domain]" in said
        assert await asks(house, "/domain help new domains") == said.replace("about new", "about domain new")

    @pytest.mark.parametrize(
        ("typed", "meant", "command"),
        [
            ("pasword", "password", "/mailbox password"),
            ("domian buy", "domain buy", "/domain buy"),
            ("Verfy Credts", "verify credits", "/verify credits"),
            ("buget", "budget", "/postroom budget"),
        ],
    )
    async def test_help_with_a_typo_shows_what_was_meant(
        self, house: House, typed: str, meant: str, command: str
    ) -> None:
        said = await asks(house, f"/postroom help {typed}")

        assert said.splitlines()[1] == f"Nothing has all of these words. Did you mean “{meant}”?"
        assert f"`{command}" in said

    @pytest.mark.parametrize("typed", ["budget", "postroom budgets", "left of the"])
    async def test_help_finds_what_no_provider_is_asked_for(self, house: House, typed: str) -> None:
        said = (await asks(house, f"/postroom help {typed}")).splitlines()

        assert "`/postroom budget [all]` What is left of the budgets here." in said
        assert not any("Nothing has all" in line for line in said)

    @pytest.mark.parametrize("typed", ["zeppelin", "domain zeppelin", "password credits servers"])
    async def test_help_with_words_that_nothing_has(self, house: House, typed: str) -> None:
        said = await asks(house, f"/postroom help {typed}")

        assert said.splitlines()[1:] == ["Nothing has all of these words. `/postroom help` shows everything."]

    @pytest.mark.parametrize("typed", ["domain buy", "/domain buy", "Domain BUY"])
    async def test_help_for_one_command_shows_what_it_asks_for(self, house: House, typed: str) -> None:
        said = (await asks(house, f"/postroom help {typed}")).splitlines()

        assert said[1] == "`/domain buy [name.com …]` Buy one or more new domains."
        for _, field in entered.fields_of(BuyDomains):
            assert f"• *{field.title}*" in "\n".join(said)
        assert "It waits for somebody else's yes." in said
        assert not [line for line in said if "/domain buy-many" in line]

    async def test_help_fits_however_much_can_be_asked(self, tmp_path: Path) -> None:
        crowd = replace(mailin(), actions=(*mailin().actions, *(another_way(number) for number in range(400))))
        async with open_house(tmp_path, providers=(crowd,)) as house:
            said = await asks(house, "/postroom help")

            assert len(said) < LIST_TEXT
            assert re.search(r"^buy · .* … and \d{3} more$", said, re.MULTILINE)
            assert "`/postroom jobs`" in said
            assert said.splitlines()[-1].endswith("the thread tells how it goes.")

            await house.ana.clicks(house.ana.ephemerals("#outreach")[-1], "catalogue:domain")
            picker = await house.ana.sees_modal("picker")
            assert len(picker.blocks) == 100
            assert picker.reads("`/postroom help` with a word finds them.")

            await asks(house, "/postroom help yet another way")
            assert "More words find fewer." in told(house, house.ana)

    async def test_jobs_when_there_are_none(self, house: House) -> None:
        assert await asks(house, "/postroom jobs") == "Nothing is waiting and nothing is under way."

    async def test_jobs_shows_what_is_open_and_nothing_else(self, house: House) -> None:
        done = await house.approved(house.ana, "done.com")
        await house.runs_for(minutes=5)
        await house.approved(house.ana, "working.com")
        await house.asks(house.ana, "waiting.com", "waiting.co", channel="dm")
        assert "Done" in reading(done.parent.blocks)

        said = await asks(house, "/postroom jobs")

        assert "*2 requests are not finished.*" in said
        assert "*Buy 2 domains (SMTP)* · <@U0ANA> in a direct message" in said
        assert "Waiting for approval" in said
        assert "*Buy working.com (SMTP)* · <@U0ANA> in <#C0OUTREACH>" in said
        assert "In progress" in said
        assert "done.com" not in said

    @pytest.mark.parametrize(
        ("typed", "meant"),
        [("job", "`/postroom jobs`"), ("HELP", "What you can ask"), ("hlep", "`/postroom help`"), ("xyz", "or")],
    )
    async def test_a_typo_in_a_house_command(self, house: House, typed: str, meant: str) -> None:
        assert meant in await asks(house, f"/postroom {typed}")


class TestHelpOverSeveralProviders:
    """Where several providers do the same, a word is found in what any of them asks for."""

    @pytest.fixture
    async def all_five(self, tmp_path: Path) -> AsyncIterator[House]:
        accounts = tuple(f"{name}-main" for name in ("mailin", "scaledmail", "smailor", "instantly", "mailapi"))
        async with open_house(tmp_path, accounts=accounts) as opened:
            yield opened

    @pytest.mark.parametrize(
        ("word", "command"),
        [
            ("hour", "/domain subdomain"),  # of the second variant: its help
            ("team", "/domain subdomain"),  # … the hint of a field
            ("quota", "/mailbox create"),  # … its label
            ("csv", "/verify file"),  # what is said of files
            ("porkbun", "/postroom registrar-add"),  # a choice
            ("instantly", "/campaign create"),  # the provider's name
            ("MailAPI", "/domain add"),
        ],
    )
    async def test_a_word_is_found_in_whatever_is_read_of_it(self, all_five: House, word: str, command: str) -> None:
        said = await asks(all_five, f"/postroom help {word}")

        assert f"`{command}" in said, said
        assert "Nothing has all of these words" not in said

    async def test_only_what_can_be_asked_here_is_found(self, house: House) -> None:
        """No account at the provider that takes sub-domains by the hour."""
        assert "Nothing has all of these words." in await asks(house, "/postroom help quota")
        assert "`/domain subdomain" not in await asks(house, "/postroom help hour")

    async def test_words_that_no_one_variant_has_together_find_nothing(self, all_five: House) -> None:
        assert "Nothing has all of these words." in await asks(all_five, "/postroom help smailor quota")

    async def test_a_typo_of_another_variants_word(self, all_five: House) -> None:
        assert "Did you mean “quota”?" in await asks(all_five, "/postroom help qoata")

    async def test_it_says_which_accounts_can_be_named(self, all_five: House) -> None:
        said = await asks(all_five, "/postroom help domain subdomain")

        assert "Accounts: `mailin-main`, `mailapi-main`. Type one of these names with the command" in said
        assert "Accounts:" not in await asks(all_five, "/postroom help domain buy")


class TestWordsNobodyKnows:
    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            ("bye acme.com", "Did you mean `/domain buy`?"),
            ("BUYY", "Did you mean `/domain buy` or `/domain buy-many`?"),
            ("chekc acme.com", "Did you mean `/domain check`?"),
            ("lst", "Did you mean `/domain list`?"),
            ("frobnicate", "Did you mean `/domain buy` or `/domain buy-many` or `/domain check`?"),
        ],
    )
    async def test_the_nearest_are_suggested(self, house: House, typed: str, meant: str) -> None:
        said = await asks(house, f"/domain {typed}")

        assert said.startswith("Postroom does not know `/domain ")
        assert meant in said
        assert said.endswith("Nothing was asked.")
        assert house.ana.modal is None

    @pytest.mark.parametrize(
        ("typed", "told"),
        [
            (
                "/postroom orders add xyz",
                "/postroom orders takes no words, so “add xyz” was not used. Did you mean /postroom order-add? "
                "Nothing was asked.",
            ),
            (
                "/verify credits of <b>",
                "/verify credits takes no words, so “of &lt;b&gt;” was not used. Nothing was asked.",
            ),
            ("/postroom jobs of Ana", "/postroom jobs takes no words, so “of Ana” was not used."),
        ],
    )
    async def test_words_that_nothing_is_done_with_are_named(self, house: House, typed: str, told: str) -> None:
        assert await asks(house, typed) == told
        assert not house.calls["orders"] + house.calls["credits"]

    async def test_a_form_names_them_too(self, house: House) -> None:
        form = await house.form(house.ana, "/postroom registrar-add porkbun key")

        assert "/postroom registrar-add takes no words, so “porkbun key” was not used." in reading(form.blocks)

    async def test_a_command_that_no_account_can_do(self, house: House) -> None:
        for command, at in (("/prewarm", "ScaledMail"), ("/campaign start now", "Instantly")):
            said = await asks(house, command)
            assert f"No account in Postroom's settings can do `/{command.split()[0][1:]}`. Nothing was asked." in said
            assert f"It needs an account at {at}" in said

    async def test_a_command_that_is_not_in_the_manifest(self, house: House) -> None:
        assert "Postroom does not know `/domian`." in await asks(house, "/domian buy")


CATALOGUE = built_in()


def another_way(number: int) -> type[BuyDomains]:
    class Another(BuyDomains, provider="mailin", command=f"domain buy-another-way-{number}"):
        """Buy one or more new domains, in yet another way."""

    return Another


class TestThePicker:
    @pytest.mark.parametrize("typed", ["/domain", "/domain help", "/domain  "])
    async def test_a_bare_noun_shows_what_can_be_asked(self, house: House, typed: str) -> None:
        await house.ana.types(typed, channel="#outreach")

        picker = await house.ana.sees_modal("picker")
        said = reading(picker.blocks)
        for command in ("/domain buy", "/domain check", "/domain list"):
            assert f"*{command}" in said
        assert said.count("[Open]") == sum("mailin" in CATALOGUE.variants(one) for one in CATALOGUE.commands("domain"))

    async def test_picking_opens_the_form_and_its_thread_is_where_the_command_was_typed(self, house: House) -> None:
        await house.ana.types("/domain", channel="#outreach")
        picker = await house.ana.sees_modal("picker")

        await house.ana.clicks(picker, "pick", value="domain buy")
        form = await house.ana.sees_modal("form")
        await house.ana.fills(form, domains="acme.com", reason="Because")
        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))
        story = await house.story_of(house.ana)

        assert story.channel == "C0OUTREACH"
        assert "asks in <#C0OUTREACH>" in reading(story.card.blocks)

    async def test_a_question_can_be_picked_too(self, house: House) -> None:
        await house.ana.types("/domain", channel="#outreach")
        picker = await house.ana.sees_modal("picker")
        await house.ana.clicks(picker, "pick", value="domain list")
        form = await house.ana.sees_modal("form")
        await house.ana.submits(form)

        assert (await house.ana.sees_modal("answer")).reads("There are no domains in this account.")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("registrar-remove Porkbun", "“Porkbun” cannot stand here: type a whole number. Its number, as “postroom"),
            ("registrar-update 3 4", "“3 4” cannot stand here: type a whole number."),
            ("registrar-remove 7", "Its number, as “postroom registrars” shows it."),
        ],
    )
    async def test_a_word_where_a_number_belongs_is_not_dropped_in_silence(
        self, house: House, words: str, said: str
    ) -> None:
        form = await house.form(house.ana, f"/postroom {words}")

        assert said in reading(form.blocks)
        assert ("cannot stand here" in reading(form.blocks)) == ("cannot" in said)

    async def test_two_words_for_one_line_stay_two_words(self, house: House) -> None:
        """Where the end of a line is dropped, somebody would delete acme.com."""
        form = await house.form(house.ana, "/domain delete acme.co m")

        assert form.values["domain"] == "acme.co m"
        await house.ana.fills(form, reason="Of no use")
        assert (await house.ana.submits(form)).result == "errors"

    async def test_slack_waits_too_long_to_open_it(self, house: House) -> None:
        house.slack.faults.add("views.open", SlackFault.error("expired_trigger_id"))

        said = await asks(house, "/domain")

        assert said == "Slack waited too long to open the window, so nothing was done. Please try once more."


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ('"Spring sale"', "Spring sale"),
        ("“Spring sale”", "Spring sale"),  # as Macs and telephones write it
        ("„Frühling“ 2027", "Frühling 2027"),
        ("Ana's sale", "Ana's sale"),
        ("Ana’s sale", "Ana’s sale"),
        ("Pat O'Brien's, not Kim O'Hara's", "Pat O'Brien's, not Kim O'Hara's"),
        ("'Spring sale' 2027", "Spring sale 2027"),
        ("\"the 'Spring' sale\"", "the 'Spring' sale"),
        (r"Spring\Summer", r"Spring\Summer"),
        ('5" screens', '5" screens'),
        ("“open", "“open"),
    ],
)
async def test_quotation_marks_of_every_keyboard(tmp_path: Path, typed: str, name: str) -> None:
    async with open_house(tmp_path, accounts=("instantly-main",)) as house:
        form = await house.form(house.ana, f"/campaign create {typed}")

        assert form.values["name"] == name
