"""From the fields of an action to a modal and back, with an action nobody would make."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, Field, HttpUrl, SecretStr

from bot.sandbox.blocks import completed_view, view_problems
from bot.sandbox.forms import client_errors, elements_in, typed_state, values_of
from handlers.policy import Policy, Ruling, Terms
from handlers.slack import entered, forms, windows
from handlers.slack.messages import answer_lines
from handlers.slack.words import built, paragraphs
from providers.accounts import Account
from providers.action import Action, Done, Effect, Failed, Item, Outcome, Quote, QuoteLine, from_words, hidden
from providers.fields import DomainName, problem
from providers.files import from_file

Letter = Literal["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
Digit = Literal["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]


class Colour(Enum):
    DARK_RED = "red"
    BLUE = "blue"


class MakeThing(Action, provider="maker", command="thing make", title="Make a thing", effect=Effect.SPEND):
    """Make a thing of every kind."""

    size: Literal["small", "big"] = Field(title="Size", json_schema_extra={"choices": {"big": "Very big"}})
    letter: Letter
    some: list[Literal["x", "y", "z"]]
    many: list[Digit] = Field(description="As many as you like.")
    colour: Colour
    sure: bool
    count: int = Field(ge=1)
    price: Decimal
    day: date
    at: time
    when: datetime
    link: HttpUrl
    names: list[str] = Field(json_schema_extra=from_words())
    domain: DomainName
    note: Annotated[str, Field(max_length=20)]
    page: int = Field(1, json_schema_extra=hidden())


class MaybeThing(Action, provider="maker", command="thing maybe", title="Maybe", effect=Effect.READ):
    """Make a thing of nothing."""

    size: Literal["small", "big"] = "small"
    letter: Letter | None = None
    some: list[Literal["x", "y"]] = Field(default=[])
    sure: bool = True
    count: int | None = None
    day: date | None = None
    when: datetime | None = None
    names: list[str] = Field(default=[])
    note: str = ""


def _few(names: list[str]) -> list[str]:
    if len(names) > 500:
        raise problem("At most 500.")
    return names


def told(outcome: Outcome) -> list[dict[str, Any]]:
    return built(paragraphs(answer_lines(outcome, None)))


ACCOUNTS = [Account("main", "maker", None)]
GIVEN: dict[str, Any] = {
    "account": "main",
    "size": "big",
    "letter": "zeta",
    "some": ["x", "z"],
    "many": ["one", "eleven"],
    "colour": "red",
    "sure": True,
    "count": 7,
    "price": "12.50",
    "day": date(2026, 3, 2),
    "at": time(9, 30),
    "when": datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
    "link": "https://acme.com/x",
    "names": ["Ana Ruiz", "Omar, Finn"],
    "domain": "Bücher.com",
    "note": "short",
    "reason": "Because",
}
MADE = MakeThing(
    size="big",
    letter="zeta",
    some=["x", "z"],
    many=["one", "eleven"],
    colour=Colour.DARK_RED,
    sure=True,
    count=7,
    price=Decimal("12.50"),
    day=date(2026, 3, 2),
    at=time(9, 30),
    when=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
    link=HttpUrl("https://acme.com/x"),
    names=["Ana Ruiz", "Omar, Finn"],
    domain="xn--bcher-kva.com",
    note="short",
)


def shown(view: Mapping[str, Any]) -> dict[str, Any]:
    """The view as the workspace takes it; it refuses what Slack would refuse."""
    problems = view_problems(dict(view), expected="modal")
    assert not problems, problems.messages
    return completed_view(dict(view))


def filled(view: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The state of the form after a person has put `given` in, as Slack sends it."""
    blocks = shown(view)["blocks"]
    inputs = {block["block_id"]: element for block, element in elements_in(blocks) if block["type"] == "input"}
    typed = {(name, inputs[name]["action_id"]): typed_state(inputs[name], value) for name, value in given.items()}
    return values_of(blocks, typed)


def refused(view: Mapping[str, Any]) -> dict[str, str]:
    """What Slack itself would not let through if nothing was touched."""
    return client_errors(shown(view)["blocks"], {})


class LendThing(Action, provider="maker", command="thing lend", title="Lend", effect=Effect.WRITE):
    """Lend a thing."""

    pin: SecretStr = Field(title="PIN", description="Four digits.")
    code: SecretStr | None = None


class TestSecrets:
    def test_it_is_asked_for_in_a_line_and_never_filled_in(self) -> None:
        values = {"pin": SecretStr("1234"), "code": "abcd"}

        view = shown(forms.form(LendThing, "req_1", ACCOUNTS, values=values))

        inputs = {block["block_id"]: block for block in view["blocks"] if block["type"] == "input"}
        for name in ("pin", "code"):
            assert inputs[name]["element"]["type"] == "plain_text_input"
            assert "initial_value" not in inputs[name]["element"]
        again = "You had filled this in: type it once more, it was not kept here."
        assert inputs["pin"]["hint"]["text"].startswith(f"{again} Four digits. Slack does not hide what you type here.")
        assert inputs["code"]["hint"]["text"].startswith(f"{again} Slack does not hide what you type here.")
        assert [bool(inputs[name].get("optional")) for name in ("pin", "code")] == [False, True]
        assert "1234" not in repr(view)

    def test_it_is_read_back(self) -> None:
        given = filled(forms.form(LendThing, "req_1", ACCOUNTS), {"account": "main", "pin": "1234"})

        read = entered.read({"maker": LendThing}, ACCOUNTS, given).action

        assert read == LendThing(pin=SecretStr("1234"))
        assert "1234" not in repr(read)


class TestThere:
    def test_each_type_becomes_its_element(self) -> None:
        view = shown(forms.form(MakeThing, "req_1", ACCOUNTS))

        kinds = {b["block_id"]: b["element"]["type"] for b in view["blocks"] if b["type"] == "input"}
        assert kinds == {
            "account": "static_select",
            "size": "radio_buttons",
            "letter": "static_select",
            "some": "checkboxes",
            "many": "multi_static_select",
            "colour": "radio_buttons",
            "sure": "checkboxes",
            "count": "number_input",
            "price": "number_input",
            "day": "datepicker",
            "at": "timepicker",
            "when": "datetimepicker",
            "link": "url_text_input",
            "names": "plain_text_input",
            "domain": "plain_text_input",
            "note": "plain_text_input",
            "reason": "plain_text_input",
        }
        assert view["title"]["text"] == "Make a thing"
        assert view["submit"]["text"] == "Review"
        assert view["private_metadata"] == "req_1"

    def test_words_for_people(self) -> None:
        blocks = {b["block_id"]: b for b in shown(forms.form(MakeThing, "req_1", ACCOUNTS))["blocks"]}

        assert blocks["size"]["label"]["text"] == "Size"
        assert blocks["letter"]["label"]["text"] == "Letter"
        assert [o["text"]["text"] for o in blocks["size"]["element"]["options"]] == ["Small", "Very big"]
        assert [o["text"]["text"] for o in blocks["colour"]["element"]["options"]] == ["Dark red", "Blue"]
        assert blocks["many"]["hint"]["text"] == "As many as you like."

    def test_a_whole_number_takes_no_fraction(self) -> None:
        blocks = {b["block_id"]: b for b in shown(forms.form(MakeThing, "req_1", ACCOUNTS))["blocks"]}

        assert blocks["count"]["element"]["is_decimal_allowed"] is False
        assert blocks["price"]["element"]["is_decimal_allowed"] is True

    def test_what_must_be_given_and_what_need_not(self) -> None:
        """A box that is not ticked is an answer, so it is never missing."""
        missing = refused(forms.form(MakeThing, "req_1", ACCOUNTS))
        assert set(missing) == set(GIVEN) - {"account", "sure"}

        assert refused(forms.form(MaybeThing, "req_1", ACCOUNTS)) == {}

    def test_what_is_not_given_is_what_the_class_says(self) -> None:
        view = forms.form(MaybeThing, "req_1", ACCOUNTS)

        assert entered.read({"maker": MaybeThing}, ACCOUNTS, filled(view, {})) == entered.Filled(
            MaybeThing(), "main", ""
        )

    def test_a_question_asks_for_no_reason(self) -> None:
        view = shown(forms.form(MaybeThing, "req_1", ACCOUNTS))

        assert "reason" not in [block["block_id"] for block in view["blocks"]]
        assert view["submit"]["text"] == "Go"

    def test_fifty_accounts_and_none_is_chosen_for_you(self) -> None:
        accounts = [Account(f"account-{n}", "maker", None) for n in range(120)]
        view = shown(forms.form(MaybeThing, "req_1", accounts))

        assert "account" in refused(view)


class TestAndBack:
    def test_what_was_put_in_comes_out(self) -> None:
        view = forms.form(MakeThing, "req_1", ACCOUNTS)

        read = entered.read({"maker": MakeThing}, ACCOUNTS, filled(view, GIVEN))

        assert read == entered.Filled(MADE, "main", "Because")

    def test_the_form_shows_again_what_was_read(self) -> None:
        """The way back from the review: nothing is lost, and nothing is changed by going there and back."""
        again = forms.form(
            MakeThing, "req_1", ACCOUNTS, values=MADE.model_dump(mode="python"), account="main", reason="Because"
        )

        assert entered.read({"maker": MakeThing}, ACCOUNTS, filled(again, {})) == entered.Filled(
            MADE, "main", "Because"
        )

    def test_a_box_that_is_not_ticked(self) -> None:
        view = forms.form(MakeThing, "req_1", ACCOUNTS)

        read = entered.read({"maker": MakeThing}, ACCOUNTS, filled(view, GIVEN | {"sure": False}))

        assert isinstance(read.action, MakeThing)
        assert read.action.sure is False

    def test_a_box_ticked_by_default_can_be_emptied(self) -> None:
        view = forms.form(MaybeThing, "req_1", ACCOUNTS)

        read = entered.read({"maker": MaybeThing}, ACCOUNTS, filled(view, {"sure": False}))

        assert isinstance(read.action, MaybeThing)
        assert read.action.sure is False

    def test_the_words_after_a_command_are_a_line_each(self) -> None:
        made = entered.from_words(_Listing, ["a", "b c"])

        assert made == _Listing(names=["a", "b c"])

    @pytest.mark.parametrize(
        ("changed", "errors"),
        [
            ({"count": "0"}, {"count": "Input should be greater than or equal to 1."}),
            ({"count": "1.5"}, {"count": "This has to be a number."}),
            ({"price": "much"}, {"price": "This has to be a number."}),
            ({"note": "x" * 21}, {"note": "At most 20 characters fit here."}),
            ({"domain": "acme"}, {"domain": "“acme” is not a domain name. A domain looks like acme-mail.com."}),
            ({"reason": " "}, {"reason": "Say in a few words what it is for; those who decide read it."}),
            ({"note": None, "letter": None}, {"note": "Fill this in.", "letter": "Fill this in."}),
            ({"reason": " ", "count": "0"}, {"reason": "Say in a few", "count": "Input should be"}),
        ],
    )
    def test_each_mistake_is_a_sentence_under_its_field(self, changed: dict[str, Any], errors: dict[str, str]) -> None:
        view = forms.form(MakeThing, "req_1", ACCOUNTS)

        with pytest.raises(entered.FormError) as told:
            entered.read({"maker": MakeThing}, ACCOUNTS, filled(view, GIVEN | changed))

        assert set(told.value.errors) == set(errors)
        for field, sentence in errors.items():
            assert told.value.errors[field].startswith(sentence)

    def test_a_choice_that_was_not_offered(self) -> None:
        values = filled(forms.form(MakeThing, "req_1", ACCOUNTS), GIVEN)
        values["size"]["value"]["selected_option"] = {"value": "huge"}
        values["account"]["value"]["selected_option"] = {"value": "somebody-elses"}

        with pytest.raises(entered.FormError) as told:
            entered.read({"maker": MakeThing}, ACCOUNTS, values)

        assert told.value.errors == {"size": "Choose one of these.", "account": "Choose one of the accounts."}

    @given(
        st.dictionaries(
            st.sampled_from([*GIVEN, "page", "surprise"]),
            st.none()
            | st.integers()
            | st.text()
            | st.dictionaries(
                st.just("value"),
                st.fixed_dictionaries(
                    {
                        "type": st.sampled_from(
                            ["plain_text_input", "checkboxes", "static_select", "datetimepicker", ""]
                        )
                    },
                    optional={
                        key: st.none()
                        | st.integers()
                        | st.text()
                        | st.lists(st.none() | st.dictionaries(st.text(), st.text()))
                        for key in ("value", "selected_option", "selected_options", "selected_date_time")
                    },
                ),
            ),
        )
    )
    def test_any_shape_is_read_or_refused_in_sentences(self, values: dict[str, Any]) -> None:
        try:
            entered.read({"maker": MakeThing}, ACCOUNTS, values)
        except entered.FormError as told:
            errors = told.errors
        else:
            errors = {}
        assert all(isinstance(sentence, str) and sentence for sentence in errors.values())
        assert "surprise" not in errors

    def test_a_hidden_field_cannot_be_set_from_a_form(self) -> None:
        values = filled(forms.form(MakeThing, "req_1", ACCOUNTS), GIVEN)
        values["page"] = {"value": {"type": "number_input", "value": "99"}}

        read = entered.read({"maker": MakeThing}, ACCOUNTS, values)

        assert isinstance(read, entered.Filled)
        assert isinstance(read.action, MakeThing)
        assert read.action.page == 1


class TestFiles:
    """A field that takes a file has two inputs, and neither alone has to be filled in."""

    LINES = tuple(f"name-{n:03}.acme.com" for n in range(400))

    def sent(
        self,
        view: Mapping[str, Any],
        typed: Mapping[str, Any],
        files: Collection[str] = (),
        before: Mapping[str, Any] | None = None,
    ) -> entered.Filled | entered.Unread:
        """What the form is when it is sent, with a file in each of these fields."""
        filling = filled(view, {"account": "main", **typed})
        for name in files:
            filling[f"{name}.file"]["value"]["files"] = [
                {"id": "F1", "name": "a.csv", "size": 9, "mimetype": "text/csv"}
            ]
        return entered.read({"maker": FillThings}, ACCOUNTS, filling, before=before)

    def read(
        self,
        view: Mapping[str, Any],
        typed: Mapping[str, Any],
        *,
        lines: Mapping[str, list[str]] | None = None,
        before: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """The names that a form gives, when its files have these lines."""
        sent = self.sent(view, typed, lines or (), before)
        is_long = sum(map(len, (before or {}).get("names", ()))) > 3000 and not typed.get("names")
        assert isinstance(sent, entered.Unread) is (bool(lines) or is_long)
        made = sent.action if isinstance(sent, entered.Filled) else entered.judged(sent.kind, sent.typed, lines)
        assert isinstance(made, FillThings)
        return made.names

    def test_what_is_still_to_be_read_is_stored_as_it_was_sent(self) -> None:
        sent = self.sent(forms.form(FillThings, "req_1", ACCOUNTS), {"names": "a b", "note": "x"}, ["names"])
        assert isinstance(sent, entered.Unread)

        stored = json.loads(json.dumps(sent.stored()))
        assert stored["names.file"] == {"id": "F1", "name": "a.csv", "size": 9}  # and nothing else of what Slack says
        again = entered.Unread.of(FillThings, stored, account="main", reason="")
        assert again is not None
        assert (again.kind, again.account, again.typed, again.files) == (FillThings, "main", sent.typed, sent.files)
        assert again.aside == sent.aside == {}
        assert entered.Unread.of(FillThings, {"names": ["a b"]}, account="main", reason="") is None

    def test_a_form_that_is_shown_again_names_the_file_and_still_has_it(self) -> None:
        sent = self.sent(forms.form(FillThings, "req_1", ACCOUNTS), {"note": "x"}, ["names"])
        assert isinstance(sent, entered.Unread)
        before = sent.stored()

        view = forms.form(FillThings, "req_1", ACCOUNTS, values=before)
        assert "*Names, from a file:* a.csv is kept from before." in str(shown(view)["blocks"])
        again = self.sent(view, {"note": "x"}, before=before)
        assert isinstance(again, entered.Unread)
        assert again.files == sent.files
        useless = sent.without_files(["names"]).stored()
        assert isinstance(self.sent(view, {"names": "a", "note": "x"}, before=useless), entered.Filled)

    def test_two_inputs(self) -> None:
        view = shown(forms.form(FillThings, "req_1", ACCOUNTS))

        inputs = {b["block_id"]: b for b in view["blocks"] if b["type"] == "input"}
        assert list(inputs) == ["account", "names", "names.file", "note"]
        assert inputs["names.file"]["element"] == {
            "type": "file_input",
            "action_id": "value",
            "filetypes": ["csv", "xlsx"],
            "max_files": 1,
        }
        assert "a column called domain" in inputs["names.file"]["hint"]["text"]
        assert refused(view) == {}

    def test_what_is_typed_and_what_the_file_has(self) -> None:
        view = forms.form(FillThings, "req_1", ACCOUNTS)

        assert self.read(view, {"names": "a b\n\n c "}) == ["a b", "c"]
        assert self.read(view, {"names": "a b"}, lines={"names": ["c", "d e"]}) == ["a b", "c", "d e"]
        assert self.read(view, {}, lines={"names": ["c"]}, before={"names": self.LINES}) == ["c"]

    @pytest.mark.parametrize(
        ("typed", "lines", "errors"),
        [
            ({}, {}, {"names": "Fill this in, or attach a file."}),
            ({}, {"names": ["x"] * 501}, {"names.file": "At most 500."}),
            ({"names": "y"}, {"names": ["x"] * 500}, {"names": "At most 500."}),
            ({"note": "x" * 21}, {"names": ["x"]}, {"note": "At most 20 characters fit here."}),
        ],
    )
    def test_mistakes_stand_where_they_were_made(
        self, typed: dict[str, Any], lines: dict[str, list[str]], errors: dict[str, str]
    ) -> None:
        with pytest.raises(entered.FormError) as told:
            self.read(forms.form(FillThings, "req_1", ACCOUNTS), typed, lines=lines)

        assert told.value.errors == errors

    @given(st.lists(st.from_regex(r"[a-z]{1,40}( [a-z]{1,40})?", fullmatch=True), min_size=1, max_size=300))
    def test_going_back_loses_nothing(self, names: list[str]) -> None:
        """What has no room in the input is kept without it; what has is there, and can be taken out."""
        again = forms.form(FillThings, "req_1", ACCOUNTS, values={"names": names})

        assert self.read(again, {}, before={"names": names}) == names

    def test_what_is_kept_is_said_and_can_be_replaced(self) -> None:
        again = forms.form(FillThings, "req_1", ACCOUNTS, values={"names": ["<!here>", *self.LINES]})

        said = str(shown(again)["blocks"])
        assert "*Names:* 401 are kept from before: &lt;!here&gt;, name-000.acme.com, name-001.acme.com …" in said
        assert self.read(again, {"names": "other"}, before={"names": self.LINES}) == ["other"]

    def test_what_had_room_and_was_taken_out_is_not_kept(self) -> None:
        with pytest.raises(entered.FormError):
            self.read(forms.form(FillThings, "req_1", ACCOUNTS), {}, before={"names": ["a"]})

    def test_a_field_without_files_takes_none(self) -> None:
        file = {"value": {"type": "file_input", "files": [{"id": "F1"}]}}

        assert entered.attached(FillThings, {"note.file": file, "page.file": file}) == {}
        assert list(entered.attached(FillThings, {"names.file": file})) == ["names"]


class TestOtherViews:
    """Each of them as long as it can get: the workspace's rules refuse what Slack would."""

    def test_a_review_of_a_hundred_lines(self) -> None:
        quote = Quote(lines=tuple(QuoteLine(what=f"{'long-' * 12}{n}.com", price=Decimal(n)) for n in range(100)))
        headline = SimpleNamespace(
            headline=lambda: "h" * 500, title="Make a thing", effect=Effect.SPEND, command="thing make"
        )

        view = windows.review(
            headline,  # type: ignore[arg-type]
            "req_1",
            seen="f" * 16,
            account="main",
            reason="&" * 500,
            quote=quote,
            ruling=Ruling("r" * 80, (), auto=False, terms=Terms(tuple(f"U0APPROVER{n}" for n in range(60)))),
            policy=Policy(Terms(("U0OMAR",)), "C0APPROVALS"),
        )

        assert shown(view)["submit"]["text"] == "Ask for approval"

    def test_an_answer_of_a_thousand_lines(self) -> None:
        items = tuple(Item(name=f"name-{n}" * 20, note="<&>" * 200) for n in range(1000))

        view = shown(windows.answer(MaybeThing(), told(Done(summary="s" * 5000, items=items))))

        assert "more" in str(view["blocks"][-1])

    def test_a_failure_says_what_to_do(self) -> None:
        view = shown(windows.answer(MaybeThing(), told(Failed(summary="No.", cure="Ask <again>."))))

        assert "Ask &lt;again&gt;." in str(view)

    def test_notices_denials_and_checks(self) -> None:
        shown(windows.notice("t" * 100, "<!channel>" * 1000))
        shown(windows.checking(MakeThing, "w" * 5000))
        denial = shown(windows.deny("req_1", "f" * 16, "*h*" * 500))

        assert denial["private_metadata"] == f"req_1:{'f' * 16}"

    def test_a_picker_of_thirty_actions(self) -> None:
        view = shown(windows.picker("thing", [MakeThing, MaybeThing], "C0OUTREACH"))

        assert [b["accessory"]["value"] for b in view["blocks"]] == ["thing make", "thing maybe"]


class FillThings(Action, provider="maker", command="thing fill", title="Fill", effect=Effect.READ):
    """Fill things with names."""

    names: Annotated[list[str], AfterValidator(_few)] = Field(json_schema_extra=from_words() | from_file("domain"))
    note: Annotated[str, Field(max_length=20)] = ""


class _Listing(Action, provider="maker", command="thing list", effect=Effect.READ):
    """List things."""

    names: list[str] = Field(json_schema_extra=from_words())
