"""Every action of a provider, played through Slack: words, form, mistakes, the happy end, and the provider's no.

A module of tests says whose with its `TABLE`; everything follows from that and from the action's own class. A provider
has one house for all of them, and its books are emptied before each scene.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from string import Template
from typing import Any

import pytest
import pytest_asyncio
import structlog
from pydantic import ValidationError

from bot.sandbox.modal import Modal
from bot.sandbox.people import Person
from handlers.slack import entered
from providers.action import Action, Effect, bare, choices_of
from providers.catalogue import registered
from providers.files import wanted_of
from providers.mailin.sandbox import MailinSandbox
from providers.simulator import Fault
from tests.e2e.actions.case import Case, Names, nothing
from tests.house import House, Story, open_house, reading
from tests.providers.calls import declared_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN_CALLS = {provider.name: provider.own_calls for provider in registered()}
CHANNEL = "#outreach"
JOB_SECONDS = 60.0


def _texts(case: Case) -> list[str]:
    """The fields in which anything can be written: those filled in by hand, and those with several words."""
    typed = {**case.fills, **{name: value for name, value in case.stands.items() if " " in value.strip()}}
    kinds = {name: bare(one.annotation) for name, one in entered.fields_of(case.action)}
    free = [name for name, kind in kinds.items() if kind is str and name not in case.action.secret_fields()]
    return [name for name in free if name in typed or name not in case.stands]


# The houses.


@dataclass(slots=True)
class Scene:
    """A case that is set: its house, the provider's books, and the words with their names put in."""

    case: Case
    house: House
    books: Any
    names: Names
    logged: list[Any]

    def said(self, text: Any) -> Any:
        """With the names put in, where it is a text."""
        return Template(text).safe_substitute(self.names) if isinstance(text, str) else text

    @property
    def command(self) -> str:
        return f"/{self.case.command} {self.said(self.case.words)}".strip()

    async def form(self, who: Person, command: str = "") -> Modal:
        """The form, with everything filled in that the words have not filled in."""
        form = await self.house.form(who, command or self.command, CHANNEL)
        await self.completed(who, form)
        return form

    async def completed(self, who: Person, form: Modal) -> None:
        more = {"reason": "For ACME"} if self.case.action.may_need_decision() else {}
        if form.values["account"] is None:
            more["account"] = f"{self.case.provider}-main"
        await who.fills(form, **{name: self.said(value) for name, value in self.case.fills.items()}, **more)
        for name, file in self.case.files.items():
            await who.attaches(form, entered.file_block(name), file)

    async def sends(self, who: Person, form: Modal) -> Modal:
        """Presses the button; gives what is seen when the provider has been asked."""
        sent = await who.submits(form)
        assert sent.result == "updated", sent
        await self.house.tick()
        assert who.modal is not None
        return who.modal

    async def asked(self, who: Person) -> Story:
        """Asked in the form, confirmed in the review where there is one, and approved where that is needed."""
        seen = await self.sends(who, await self.form(who))
        if seen.callback_id == "review":
            assert (await who.submits(seen)).result == "cleared"
        else:
            assert seen.reads("It is being done."), reading(seen.blocks)
        story = await self.house.story_of(who)
        if self.case.action.may_need_decision():
            assert await story.state() == "awaiting_approval"
            assert not self.books.calls[self.case.call], "it was done before anybody said yes"
            await self.house.omar.clicks(story.card, "approve")
        await self.house.runs_for(hours=2)
        return story

    async def answer(self, who: Person) -> str:
        """What is answered to what was typed, privately."""
        before = len(who.ephemerals(CHANNEL))
        await who.types(self.command, channel=CHANNEL)
        await self.house.tick()
        told = who.ephemerals(CHANNEL)[before:]
        assert len(told) == 1, [message.text for message in told]
        return content(told[0].blocks) or told[0].text

    def fails(self, fault: Fault | None = None) -> None:
        """The next time that the provider is asked for what the case is about, it says no; or whatever else."""
        self.books.faults.add(self.case.call, fault or Fault.answers(self.case.status))

    def others_see(self, who: Person) -> int:
        """How many messages there are that not only this person sees."""
        own = self.house.slack.dm(who.id).id
        places = [there for place, there in self.house.slack._messages.items() if place != own]
        return sum(message.ephemeral_to != who.id for there in places for message in there.values())


Setting = Callable[..., Awaitable[Scene]]


Made = dict[str, set[str]]
"""For each case, the documented calls that were made whenever it was played."""


@pytest.fixture(scope="module")
def ever_made() -> Made:
    return {}


@pytest_asyncio.fixture(loop_scope="module")
async def setting(stage: Setting, ever_made: Made) -> AsyncIterator[Setting]:
    """Sets the stage for a case; when it has been played, only calls were made that its action declares."""
    scenes: list[Scene] = []

    async def opened(case: Case, accounts: int = 1, *, is_ready: bool = True) -> Scene:
        scenes.append(await stage(case, accounts, is_ready=is_ready))
        return scenes[-1]

    yield opened
    for scene in scenes:
        declared = {*scene.case.action.calls, *OWN_CALLS[scene.case.provider]}
        made = {f"{call.method} {call.path}" for call in scene.books.arrived}
        found = {call: declared_for(call, declared) for call in made}
        assert [call for call, ones in found.items() if len(ones) != 1] == [], "made, and not (clearly) declared"
        ever_made.setdefault(str(scene.case), set()).update(*found.values())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setting]:
    """Sets the stage for a case: in a house with one account at its provider, or with two."""
    houses: dict[tuple[str, int], House] = {}
    with structlog.testing.capture_logs() as logged:
        async with AsyncExitStack() as stack:

            async def opened(case: Case, accounts: int = 1, *, is_ready: bool = True) -> Scene:
                key = (case.provider, accounts)
                if key not in houses:
                    names = (f"{case.provider}-main", f"{case.provider}-spare")[:accounts]
                    folder: Path = tmp_path_factory.mktemp(f"{case.provider}{accounts}")
                    houses[key] = await stack.enter_async_context(
                        open_house(folder, accounts=names, job_seconds=JOB_SECONDS, quiet=False)
                    )
                house = houses[key]
                books = house.sandboxes[case.provider]
                house.clock.advance(hours=2)  # whatever was limited is so no longer
                emptied(books)
                names_given = case.ready(books)
                if not is_ready:
                    emptied(books)
                for who in (house.ana, house.omar, house.finn):
                    if who.modal is not None:
                        await who.closes(who.modal, everything=True)
                logged.clear()
                return Scene(case, house, books, names_given, logged)

            yield opened


def emptied(books: Any) -> None:
    """A sandbox as it was made, with its clock and the server in front of it."""
    fresh = type(books)(books.clock)
    if isinstance(fresh, MailinSandbox):
        fresh.job_seconds = JOB_SECONDS
    for one in fields(books):
        if one.name == "_tokens":  # who is logged in stays so
            continue
        setattr(books, one.name, getattr(fresh, one.name))


def content(blocks: Any) -> str:
    """Everything that can be read in blocks, tables and charts included."""
    texts: list[str] = []

    def walk(shape: Any) -> None:
        if isinstance(shape, list | tuple):
            for one in shape:
                walk(one)
        elif isinstance(shape, dict):
            for key, value in shape.items():
                if key in ("text", "label", "title") and isinstance(value, str):
                    texts.append(value)
                else:
                    walk(value)

    walk(list(blocks))
    return "\n".join(texts)


NOT_FOR_PEOPLE = re.compile(
    r"Traceback|[a-z]Error\b|Exception|\bNone\b(?! of)|object at"  # Python's
    r"|\{\"|\[\{|<html|\bHTTP\b|status \d"  # the wire's
)


def is_plain(text: str) -> bool:
    """Whether it is words for people: nothing of Python, HTTP or JSON in it."""
    return not NOT_FOR_PEOPLE.search(text)


Cases = Callable[[Any], list[Any]]
"""Which of a table a scene is about."""


def each(cases: Cases, names: str = "case", ids: Callable[[Any], str] | None = str) -> Any:
    """The scene is played with each of these of the module's own table."""

    def noted(scene: Any) -> Any:
        scene.played_with = (names, cases, ids)
        return scene

    return noted


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Called for each scene in each module that has them."""
    if (played := getattr(metafunc.function, "played_with", None)) is not None:
        names, cases, ids = played
        metafunc.parametrize(names, cases(metafunc.module.TABLE), ids=ids)


def everything(table: Any) -> list[Case]:
    return list(table.CASES)


def reads(table: Any) -> list[Case]:
    """What answers at once."""
    return [case for case in table.CASES if case.action.effect is Effect.READ]


def reveals(table: Any) -> list[Case]:
    """What shows a credential."""
    return [case for case in table.CASES if case.action.effect is Effect.REVEAL]


def changes(table: Any) -> list[Case]:
    """What is done to something."""
    return [case for case in table.CASES if case not in reads(table) + reveals(table)]


def with_something_there(cases: Cases) -> Cases:
    """Those for which something has to be there before."""
    return lambda table: [case for case in cases(table) if case.ready is not nothing]


# Words.


class TestWords:
    @each(reads)
    async def test_are_answered_at_once_to_the_asker_alone(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        ana = scene.house.ana
        before = scene.others_see(ana)

        said = await scene.answer(ana)

        assert scene.said(case.says) in said
        assert is_plain(said)
        assert scene.books.calls[case.call]
        assert scene.others_see(ana) == before
        assert await scene.house.inside.store.requests.of(ana.id, 1) == []
        assert ana.modal is None

    @each(everything)
    async def test_fill_the_form(self, setting: Setting, case: Case) -> None:
        """Where somebody has to choose the account, what answers at once has a form too."""
        scene = await setting(case, accounts=2)

        form = await scene.house.form(scene.house.ana, scene.command, CHANNEL)

        stands = {name: scene.said(value) for name, value in case.stands.items()}
        assert {name: form.values[name] for name in stands} == stands
        asked_for: list[str] = []
        for name, one in entered.fields_of(case.action):
            asked_for += [name, entered.file_block(name)] if wanted_of(one) else [name]
        assert form.fields == ["account", *asked_for, *(["reason"] if case.action.may_need_decision() else [])]
        assert form.title == case.action.title

    @each(everything)
    async def test_that_fit_nowhere_open_it_all_the_same(self, setting: Setting, case: Case) -> None:
        scene = await setting(case, accounts=2)

        form = await scene.house.form(scene.house.ana, f"/{case.command} $x -1.5 “ä” <b>&amp; a@b@c", CHANNEL)

        assert form.title == case.action.title
        assert broken(scene) == []

    @each(reads)
    async def test_that_fit_nowhere_are_answered_in_a_sentence(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        ana = scene.house.ana
        before = len(ana.ephemerals(CHANNEL))

        await ana.types(f"/{case.command} $x -1.5 “ä” <b>&amp; a@b@c", channel=CHANNEL)
        await scene.house.tick()

        told = ana.ephemerals(CHANNEL)[before:]
        assert len(told) == 1, [message.text for message in told]
        assert is_plain(content(told[0].blocks) or told[0].text), told[0].text
        assert "Something broke" not in told[0].text
        assert broken(scene) == []

    @each(lambda table: [case for case in reads(table) if _asks_for_something(case.action)])
    async def test_that_are_missing_are_asked_for_in_the_form(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)

        form = await scene.house.form(scene.house.ana, f"/{case.command}", CHANNEL)

        assert form.title == case.action.title
        assert form.values["account"] == f"{case.provider}-main"

    @each(lambda table: reads(table) + reveals(table))
    async def test_are_answered_in_the_form(self, setting: Setting, case: Case) -> None:
        scene = await setting(case, accounts=2)
        omar = scene.house.omar
        before = scene.others_see(omar)

        seen = await scene.sends(omar, await scene.form(omar))

        assert seen.callback_id == "answer", content(seen.blocks)
        assert scene.said(case.says) in content(seen.blocks)
        assert is_plain(content(seen.blocks))
        assert scene.others_see(omar) == before
        assert case.done(scene.books)


@each(everything)
async def test_clicks_lead_to_its_form_too(setting: Setting, case: Case) -> None:
    scene = await setting(case)
    ana, (noun, _) = scene.house.ana, case.command.split()
    await ana.types("/postroom help", channel=CHANNEL)

    await ana.clicks(ana.ephemerals(CHANNEL)[-1], f"catalogue:{noun}")
    picker = await ana.sees_modal("picker")
    await ana.clicks(picker, "pick", value=case.command)

    form = await ana.sees_modal("form")
    assert form.title == case.action.title


# Pages.


class TestPages:
    @each(lambda table: [case for case in reads(table) if "page" in case.action.model_fields])
    async def test_show_each_thing_once(self, setting: Setting, case: Case, request: pytest.FixtureRequest) -> None:
        scene = await setting(case, is_ready=False)
        ana = scene.house.ana
        words, ready = request.module.TABLE.PAGED[str(case)]
        there = ready(scene.books)
        await ana.types(f"/{case.command} {words}", channel=CHANNEL)
        await scene.house.tick()

        shown = Counter[str]()
        pages = 0
        while True:
            answer = ana.ephemerals(CHANNEL)[-1]
            pages += 1
            assert pages < 12, "it goes on for ever"
            lines = re.split(r"[\n`]", content(answer.blocks))
            shown.update(name for name in there if name in lines)
            if "Next →" not in lines:
                break
            await ana.clicks(answer, "Next →")
            await scene.house.tick()

        assert pages > 1
        assert shown == Counter(there)
        assert broken(scene) == []


# Mistakes.


CANDIDATES = ("§", "x" * 2999, " ", "-1", "123456789012", "ana@acme", "0", "a.b,c", "acme.com\n" * 3)


def wrong_for(action: type[Action], right: Mapping[str, Any], name: str) -> str | None:
    """A value that this field refuses when all others are right; None where it takes whatever is typed."""
    for candidate in CANDIDATES:
        typed = {**right, name: entered.in_lines(action.model_fields[name], candidate)}
        try:
            action.model_validate(typed)
        except ValidationError as refused:
            if {problem["loc"][0] for problem in refused.errors()} == {name}:
                return candidate
    return None


def typed_into(action: type[Action], form: Modal) -> dict[str, Any]:
    """What a form holds, by field, as the action takes it. A list is that of a ticked box."""
    return {
        name: True if isinstance(form.values[name], list) else entered.in_lines(one, form.values[name])
        for name, one in entered.fields_of(action)
        if form.values[name] not in (None, [])
    }


def longest_for(action: type[Action], right: Mapping[str, Any], name: str) -> str | None:
    """The longest text of words that this field takes, if it takes any, with markup and what markup is made of."""
    for length in (entered.LONGEST_TEXT, 1000, 500, 255, 200, 100, 50, 24):
        text = ("*a* & <b> `c` _d_\\ " * (length // 10))[: length - 1] + "z"
        try:
            action.model_validate({**right, name: text})
        except ValidationError:
            continue
        return text
    return None


def fields_asked_for(table: Any) -> list[Any]:
    """Each case with each of the fields of its form."""
    return [
        pytest.param(case, name, id=f"{case}-{name}")
        for case in table.CASES
        for name in [
            *(name for name, _ in entered.fields_of(case.action)),
            *(["reason"] * case.action.may_need_decision()),
        ]
    ]


class TestMistakes:
    @each(fields_asked_for, "case, name", ids=None)
    async def test_stand_under_their_field(self, setting: Setting, case: Case, name: str) -> None:
        scene = await setting(case)
        ana, action = scene.house.ana, case.action
        if name != "reason" and _is_chosen(action, name):
            pytest.skip("a choice: there is nothing wrong to choose")
        scene = await setting(case, accounts=2)
        ana = scene.house.ana
        form = await scene.form(ana)
        if name == "reason":
            wrong: str | None = "  "
        else:
            wrong = wrong_for(action, typed_into(action, form), name)
        if wrong is None:
            pytest.skip("it takes whatever is typed")

        await ana.fills(form, **{name: wrong})
        sent = await ana.submits(form)

        errors = sent.errors
        if name in case.files:  # which has to be read first; then the form comes back with what is wrong
            label = entered.label_of(name, action.model_fields[name])
            said = content((await ana.sees_modal("form")).blocks)
            errors = {name: said.partition(f":warning: {label}: ")[2].partition("\n")[0]}
        assert sent.result == ("updated" if name in case.files else "errors"), sent
        assert list(errors) == [name]
        assert errors[name]
        assert is_plain(errors[name])
        assert not re.search(r"Value error|Input should|String should", errors[name])
        assert not sum(scene.books.calls.values()), "the provider was asked"


def _asks_for_something(action: type[Action]) -> bool:
    return any(field.is_required() for field in action.model_fields.values())


def _is_chosen(action: type[Action], name: str) -> bool:
    field = action.model_fields[name]
    return bare(field.annotation) is bool or bool(choices_of(field))


# The happy end.


class TestItIsDone:
    @each(changes)
    async def test_once_and_the_thread_says_so(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)

        story = await scene.asked(scene.house.ana)

        assert await story.state() == "succeeded", story.thread
        assert story.thread[-1].startswith(":tada: <@U0ANA> ")
        assert scene.said(case.says) in story.thread[-1]
        assert all(is_plain(said) for said in story.thread), story.thread
        assert story.parent.reads("*Done.*")
        assert scene.books.calls[case.call] == 1
        assert case.done(scene.books)
        assert broken(scene) == []
        handed_over = [str(case.fills[name]) for name in case.action.secret_fields() if name in case.fills]
        kept = f"{scene.house.everything_shown()} {scene.logged} {everything_stored(scene.house)}"
        assert not [one for one in handed_over if one in kept]

    @each(lambda table: [case for case in changes(table) if _texts(case)])
    async def test_with_texts_as_long_as_they_may_be(self, setting: Setting, case: Case) -> None:
        """What people write goes into cards, threads and windows, which all have limits of their own."""
        scene = await setting(case)
        ana = scene.house.ana
        form = await scene.form(ana)
        right = typed_into(case.action, form)
        longest = {name: longest_for(case.action, right, name) for name in _texts(case)}
        await ana.fills(form, **{name: text for name, text in longest.items() if text})

        seen = await scene.sends(ana, form)
        if seen.callback_id == "review":
            assert (await ana.submits(seen)).result == "cleared"
        else:
            assert seen.reads("It is being done."), reading(seen.blocks)
        story = await scene.house.story_of(ana)
        if case.action.effect.needs_decision:
            await scene.house.omar.clicks(story.card, "approve")
        await scene.house.runs_for(hours=2)

        assert await story.state() == "succeeded", story.thread
        assert story.thread[-1].startswith(":tada: <@U0ANA> ")
        assert story.parent.reads("*Done.*")
        assert broken(scene) == []

    @each(reveals)
    async def test_shown_once_and_kept_nowhere(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        omar = scene.house.omar
        before = scene.others_see(omar)

        seen = await scene.sends(omar, await scene.form(omar))

        shown = content(seen.blocks)
        secret = case.secret(scene.books) if case.secret else re.findall(r"\b\d{6}\b", shown)[0]
        assert scene.said(case.says) in shown
        assert secret in shown
        assert scene.books.calls[case.call] == 1
        await omar.closes(seen, everything=True)
        assert scene.others_see(omar) == before
        assert secret not in scene.house.everything_shown()
        assert secret not in "\n".join(str(entry) for entry in scene.logged)
        assert secret not in everything_stored(scene.house)

    @each(reveals)
    async def test_not_shown_to_everybody(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        ana = scene.house.ana

        seen = await scene.sends(ana, await scene.form(ana))

        assert seen.reads("Credentials are shown only to those who may approve. Nothing was shown.")
        assert not scene.books.calls[case.call]


# The provider's no.


class TestItIsRefused:
    @each(changes)
    async def test_the_thread_says_what_now(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        scene.fails()

        story = await scene.asked(scene.house.ana)

        assert await story.state() == "failed", story.thread
        last = story.thread[-1]
        assert last.startswith(":x: <@U0ANA> ")
        assert "*What to do now:* " in last
        assert all(is_plain(said) for said in story.thread), story.thread
        assert says_what_was_not_done(last), last
        assert scene.books.calls[case.call] == 1
        assert broken(scene) == []

    @each(reads)
    async def test_the_asker_is_told(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        scene.fails()
        before = scene.others_see(scene.house.ana)

        said = await scene.answer(scene.house.ana)

        assert is_plain(said), said
        assert has_cure(said), said
        assert scene.others_see(scene.house.ana) == before
        assert broken(scene) == []

    @each(reveals)
    async def test_nothing_is_shown(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        scene.fails()

        seen = await scene.sends(scene.house.omar, await scene.form(scene.house.omar))

        assert seen.callback_id == "notice"
        assert is_plain(content(seen.blocks)), content(seen.blocks)
        assert has_cure(content(seen.blocks)), content(seen.blocks)
        assert broken(scene) == []

    @each(changes)
    async def test_no_clear_answer_is_looked_up_and_never_asked_again(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        scene.fails(Fault.cut_after())

        story = await scene.asked(scene.house.ana)

        state = await story.state()
        assert state in ("succeeded", "failed", "unknown"), story.thread
        assert scene.books.calls[case.call] == 1
        assert case.done(scene.books)
        assert any("It may or may not have happened" in said for said in story.thread), story.thread
        assert all(is_plain(said) for said in story.thread), story.thread
        if state != "succeeded":
            assert "*What to do now:* " in story.thread[-1]
        if state == "unknown":
            await scene.house.omar.clicks(story.card, "settle_happened")
            await scene.house.tick()
            assert await story.state() == "succeeded"
        assert broken(scene) == []

    @each(changes)
    async def test_too_many_calls(self, setting: Setting, case: Case) -> None:
        """What costs money or cannot be undone is never sent again; anything else goes when there is room for it."""
        scene = await setting(case)
        scene.fails(Fault.answers(429, retry_after=3))

        story = await scene.asked(scene.house.ana)

        # Endpoint rows 36 and 58 only change something; their actions wait for a yes because of what that means.
        again = case.action.effect is Effect.WRITE or case.call in ("forward_email", "set_forwarding")
        assert await story.state() == ("succeeded" if again else "failed"), story.thread
        assert scene.books.calls[case.call] == (2 if again else 1)
        assert all(is_plain(said) for said in story.thread), story.thread
        assert again or "*What to do now:* " in story.thread[-1]
        assert not again or case.done(scene.books)
        assert broken(scene) == []

    @each(reads)
    async def test_an_answer_that_nobody_has_seen_before(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        scene.fails(Fault.unknown_shape())

        said = await scene.answer(scene.house.ana)

        assert is_plain(said), said
        assert broken(scene) == []

    @each(with_something_there(changes))
    async def test_what_is_not_there_is_not_asked_for(self, setting: Setting, case: Case) -> None:
        """The provider does not have it: the form says so, and nobody else hears of it."""
        scene = await setting(case, is_ready=False)
        ana = scene.house.ana
        before = scene.others_see(ana)

        form = await scene.form(ana)
        seen = await scene.sends(ana, form)

        assert seen.callback_id == "form"
        assert ":warning:" in content(seen.blocks)
        assert is_plain(content(seen.blocks)), content(seen.blocks)
        shown_again = {*form.fields} - {*case.action.secret_fields(), *map(entered.file_block, case.files)}
        typed = {name: value for name, value in form.values.items() if value and name in shown_again}
        assert {name: seen.values[name] for name in typed} == typed, "what was typed is lost"
        assert scene.others_see(ana) == before
        assert not scene.books.calls[case.call]
        assert broken(scene) == []

    @each(with_something_there(lambda table: reads(table) + reveals(table)))
    async def test_what_is_not_there_cannot_be_shown(self, setting: Setting, case: Case) -> None:
        scene = await setting(case, accounts=2, is_ready=False)

        seen = await scene.sends(scene.house.omar, await scene.form(scene.house.omar))

        assert seen.callback_id in ("answer", "notice")
        assert is_plain(content(seen.blocks)), content(seen.blocks)
        assert broken(scene) == []


def everything_stored(house: House) -> str:
    """All that is in the database, as text."""
    tables = [name for (name,) in house.on_disk("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return json.dumps([house.on_disk(f"SELECT * FROM {name}") for name in tables], default=str)


def says_what_was_not_done(text: str) -> bool:
    return bool(re.search(r"[Nn]othing|[Nn]ot |not_done|:x:.*:x:", text))


def has_cure(text: str) -> bool:
    """Whether there is more than what happened: a second sentence."""
    return len(re.findall(r"[.:!?](?:\s|$)", text)) > 1


def broken(scene: Scene) -> list[Any]:
    """What Postroom logged of itself having broken."""
    return [entry for entry in scene.logged if entry.get("exc_info") or entry["event"].endswith("_broke")]


# What the actions declare.


@each(lambda table: list(table.OTHER_WAYS), ids=lambda case: f"{case}-{case.call}")
async def test_it_can_be_asked_in_another_way(setting: Setting, case: Case) -> None:
    scene = await setting(case, accounts=2)

    if case.action.effect is Effect.READ:
        said = content((await scene.sends(scene.house.ana, await scene.form(scene.house.ana))).blocks)
    else:
        story = await scene.asked(scene.house.ana)
        assert await story.state() == "succeeded", story.thread
        said = story.thread[-1]

    assert scene.said(case.says) in said
    assert scene.books.calls[case.call]
    assert broken(scene) == []


async def test_every_declared_call_was_made(ever_made: Made, request: pytest.FixtureRequest) -> None:
    """The last scene: over all of the above, each action has made all the calls that it declares."""
    asked, part = request.config.args, request.config.getoption
    if part("keyword") or part("lf", default=False) or any("::" in one for one in asked):
        pytest.skip("only a part of this file was played")

    idle = {str(case): {*case.action.calls} - ever_made[str(case)] for case in request.module.TABLE.CASES}

    assert {name: calls for name, calls in idle.items() if calls} == {}
