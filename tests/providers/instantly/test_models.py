"""The many ways in which Instantly writes one fact, and the one way in which it wants to be written to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from providers.instantly.models import (
    AccountStatus,
    ApiKey,
    Campaign,
    CampaignOptions,
    CampaignStatus,
    LeadImport,
    Limits,
    Refusal,
    SendingAccount,
    Step,
    parse_accounts,
    with_hard_spaces,
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def account(**facts: Any) -> SendingAccount:
    [account] = parse_accounts({"accounts": [{"email": "a@acme.com"} | facts]})
    return account


class TestStatuses:
    @pytest.mark.parametrize(
        ("said", "means"),
        [
            (1, AccountStatus.ACTIVE),
            ("1", AccountStatus.ACTIVE),
            (1.0, AccountStatus.ACTIVE),
            (2, AccountStatus.PAUSED),
            (3, AccountStatus.MAINTENANCE),
            (-1, AccountStatus.CONNECTION_ERROR),
            ("-2", AccountStatus.SOFT_BOUNCE),
            (-3, AccountStatus.SENDING_ERROR),
            *((odd, AccountStatus.UNKNOWN) for odd in (0, 4, -99, None, "", "active", True, [], {}, "9" * 99)),
        ],
    )
    def test_of_an_account(self, said: Any, means: AccountStatus) -> None:
        assert account(status=said).status is means

    @pytest.mark.parametrize(
        ("said", "means"),
        [
            (0, CampaignStatus.DRAFT),
            ("1", CampaignStatus.ACTIVE),
            (2, CampaignStatus.PAUSED),
            (3, CampaignStatus.COMPLETED),
            (4, CampaignStatus.RUNNING_SUBSEQUENCES),
            (-1, CampaignStatus.ACCOUNTS_UNHEALTHY),
            (-2, CampaignStatus.BOUNCE_PROTECT),
            (-99, CampaignStatus.SUSPENDED),
            *((odd, CampaignStatus.UNKNOWN) for odd in (5, -3, None, "draft", False, [0])),
        ],
    )
    def test_of_a_campaign(self, said: Any, means: CampaignStatus) -> None:
        assert Campaign.model_validate({"id": "c", "status": said}).status is means

    def test_none_at_all(self) -> None:
        assert account().status is AccountStatus.UNKNOWN
        assert Campaign.model_validate({"id": "c"}).status is CampaignStatus.UNKNOWN


class TestAccounts:
    @pytest.mark.parametrize(
        ("said", "means"),
        [("30", 30), (30, 30), (" 30 ", 30), (30.0, 30), ("30.0", 30), ("", None), ("many", None), (None, None)],
    )
    def test_numbers_as_text(self, said: Any, means: int | None) -> None:
        got = account(payload={"daily_limit": said, "sending_gap": said, "warmup": {"limit": said}})
        assert (got.daily_limit, got.sending_gap, got.warmup_limit) == (means, means, means)

    @pytest.mark.parametrize("payload", [None, [], "x", {}, {"name": None, "warmup": "on"}, {"name": ["Ann"]}])
    def test_a_payload_that_is_none(self, payload: Any) -> None:
        got = account(payload=payload, tags=None)
        assert (got.first_name, got.daily_limit, got.warmup_limit, got.tags) == ("", None, None, ())

    @pytest.mark.parametrize(
        ("said", "means"),
        [(98, 98.0), ("98.5", 98.5), (None, None), ("good", None), (float("nan"), None), (True, None)],
    )
    def test_the_score(self, said: Any, means: float | None) -> None:
        assert account(stat_warmup_score=said).warmup_score == means

    def test_what_else_there_is_does_not_matter(self) -> None:
        got = account(
            tags=[{"id": 7, "label": None}, "?"], timestamp_created="2025-08-20T12:45:22Z", brand_new={"a": 1}
        )
        assert [(tag.id, tag.label) for tag in got.tags] == [("7", "")]
        assert got.created_at == datetime(2025, 8, 20, 12, 45, 22, tzinfo=UTC)

    @pytest.mark.parametrize("body", [None, [], {}, {"accounts": None}, {"accounts": [{}]}, {"accounts": ["a@b.co"]}])
    def test_no_listing(self, body: Any) -> None:
        with pytest.raises(ValueError, match=r"no accounts|no row of the listing"):
            parse_accounts(body)

    @pytest.mark.parametrize("odd", [None, "b@acme.com", {}, {"email": None}, {"email": ""}, {"email": ["b@acme.com"]}])
    def test_one_that_cannot_be_read_is_left_out(self, odd: Any) -> None:
        got = parse_accounts({"accounts": [odd, {"email": "a@acme.com"}]})
        assert ([account.email for account in got], got.unreadable) == (["a@acme.com"], 1)

    @settings(max_examples=40, deadline=None)
    @given(ANYTHING)
    def test_no_value_is_too_odd(self, odd: Any) -> None:
        names = ("payload", "status", "warmup_status", "stat_warmup_score", "tags", "timestamp_created")
        got = account(**dict.fromkeys(names, odd))
        assert isinstance(got.status, AccountStatus)
        Refusal.model_validate({"error": odd, "detail": odd, "message": odd, "code": odd})
        Campaign.model_validate({"id": "c", "payload": odd, "status": odd, "not_sending_status": odd})


class TestOtherAnswers:
    def test_the_counts_of_an_import(self) -> None:
        told = LeadImport.model_validate({"leads_uploaded": "3", "skipped_count": None, "remaining_in_plan": "7"})
        assert (told.leads_uploaded, told.skipped_count, told.remaining_in_plan) == (3, 0, 7)
        with pytest.raises(ValidationError):
            LeadImport.model_validate({"status": "success"})

    @pytest.mark.parametrize("body", [None, {}, {"key": ""}, {"key": None}, {"key": 5}])
    def test_no_key(self, body: Any) -> None:
        with pytest.raises(ValidationError) as error:
            ApiKey.model_validate(body)
        assert "input_value" not in str(error.value)

    @pytest.mark.parametrize("nothing", [None, "", False, {}, []])
    def test_an_error_that_is_none(self, nothing: Any) -> None:
        assert Refusal.model_validate({"error": nothing}).error == ""

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"error": "Internal Server Error", "message": "invalid input"}, "invalid input"),
            ({"detail": "Invalid token."}, "Invalid token."),
            ({"error": "Campaign not found"}, "Campaign not found"),
            ({}, ""),
        ],
    )
    def test_its_words(self, body: Any, words: str) -> None:
        assert Refusal.model_validate(body).words == words


class TestWhatIsSent:
    @pytest.mark.parametrize(
        ("html", "sent"),
        [
            ("Hello there you", "Hello&nbsp;there&nbsp;you"),
            ("<div>Hello there</div>", "<div>Hello&nbsp;there</div>"),
            ("<a href=\"x y\" class='b > c'>go on</a> now", "<a href=\"x y\" class='b > c'>go&nbsp;on</a>&nbsp;now"),
            ("1 < 2 and 3 > 2", "1&nbsp;<&nbsp;2&nbsp;and&nbsp;3&nbsp;>&nbsp;2"),
            ("already&nbsp;hard\u00a0too", "already&nbsp;hard&nbsp;too"),
            ("a  b\nc", "a&nbsp;&nbsp;b\nc"),
            ("<br /> <img src='a b'/>", "<br />&nbsp;<img src='a b'/>"),
            ("never <b closed", "never&nbsp;<b&nbsp;closed"),
            ("", ""),
        ],
    )
    def test_spaces_of_the_text_become_hard(self, html: str, sent: str) -> None:
        assert with_hard_spaces(html) == sent
        assert with_hard_spaces(sent) == sent

    def test_in_no_time(self) -> None:
        with_hard_spaces("<a '" * 5_000 + '<b "' * 5_000)

    def test_a_step_has_a_variant_and_nothing_else(self) -> None:
        with pytest.raises(ValidationError):
            Step(variants=())
        with pytest.raises(ValidationError):
            Step.model_validate({"variants": [{"subject": "a", "body": "b", "name": "c"}]})

    def test_options_say_only_what_is_to_change(self) -> None:
        assert CampaignOptions().as_sent() == {}
        assert CampaignOptions(text_only=False, email_list=()).as_sent() == {"textOnly": False, "emailList": []}

    def test_limits_are_text(self) -> None:
        assert Limits(daily_limit=0, sending_gap=5).as_sent() == {"daily_limit": "0", "sending_gap": "5"}
        with pytest.raises(ValidationError):
            Limits(daily_limit=-1)
