"""The ways in which MailAPI writes one fact: maps, numbers as text, days first, prose."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from providers.mailapi.models import (
    AcceptedDomain,
    AcceptedTask,
    DomainStatus,
    MailboxStatus,
    Refusal,
    Task,
    TaskState,
    parse_domains,
    parse_mailboxes,
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


class TestListings:
    def test_a_map_of_domains(self) -> None:
        facts = {"status": "verified", "domain_quota": "10GB", "mailbox_count": "15", "created_at": "14-04-2026"}
        [domain] = parse_domains({"total_domain": 1, "results": {"acme.com": facts}, "status": "success"})
        assert (domain.name, domain.status, domain.quota) == ("acme.com", DomainStatus.VERIFIED, "10GB")
        assert (domain.mailbox_count, domain.created_at) == (15, date(2026, 4, 14))

    def test_a_map_of_mailboxes_without_what_they_log_in_with(self) -> None:
        facts = {"provisioning_status": "Active", "mailbox_quota": 1024, "imap_credentials": {"password": "s3cr3t"}}
        [mailbox] = parse_mailboxes({"results": {"a@acme.com": facts}})
        assert (mailbox.address, mailbox.status, mailbox.quota) == ("a@acme.com", MailboxStatus.ACTIVE, "1024")
        assert "s3cr3t" not in repr(mailbox)

    def test_an_empty_map_is_an_empty_list(self) -> None:
        assert parse_domains({"results": []}) == parse_mailboxes({"results": {}}) == ()

    @pytest.mark.parametrize("body", [None, [], "x", {}, {"results": None}, {"results": ["a.com"]}, {"result": {}}])
    def test_no_listing(self, body: Any) -> None:
        for parse in (parse_domains, parse_mailboxes):
            with pytest.raises(ValueError, match="no results"):
                parse(body)

    @pytest.mark.parametrize(
        ("said", "means"),
        [
            ("14-04-2026", date(2026, 4, 14)),
            ("1-2-2026", date(2026, 2, 1)),
            ("2026-04-14", date(2026, 4, 14)),
            ("2026-04-14T10:00:00Z", date(2026, 4, 14)),
            ("31-02-2026", None),
            ("yesterday", None),
            ("", None),
            (None, None),
            (14042026, None),
            ([], None),
        ],
    )
    def test_days(self, said: Any, means: date | None) -> None:
        assert parse_domains({"results": {"a.com": {"created_at": said}}})[0].created_at == means

    @pytest.mark.parametrize(
        ("said", "means"),
        [("15", 15), (15, 15), (" 15 ", 15), ("many", None), (None, None), (True, None), ("1.5", None)],
    )
    def test_counts(self, said: Any, means: int | None) -> None:
        assert parse_domains({"results": {"a.com": {"mailbox_count": said}}})[0].mailbox_count == means

    @settings(max_examples=40, deadline=None)
    @given(ANYTHING)
    def test_no_value_is_too_odd(self, odd: Any) -> None:
        domain = dict.fromkeys(("status", "domain_quota", "mailbox_count", "created_at"), odd)
        mailbox = dict.fromkeys(("provisioning_status", "mailbox_quota", "imap_credentials", "created_at"), odd)
        for facts in (domain, odd):
            assert isinstance(parse_domains({"results": {"a.com": facts}})[0].status, DomainStatus)
        for facts in (mailbox, odd):
            assert isinstance(parse_mailboxes({"results": {"a@b.co": facts}})[0].status, MailboxStatus)
        fields = dict.fromkeys(("task_id", "total_email", "domain", "results", "status", "reason"), odd)
        assert isinstance(Task.model_validate(fields).state, TaskState)
        Refusal.model_validate({"status": odd, "reason": odd})


class TestTasks:
    @pytest.mark.parametrize(
        ("said", "state", "final"),
        [
            ("completed", TaskState.COMPLETED, True),
            ("Completed", TaskState.COMPLETED, True),
            ("failed", TaskState.FAILED, True),
            ("error", TaskState.FAILED, True),
            ("pending", TaskState.PENDING, False),
            ("In progress", TaskState.PENDING, False),
            ("success", TaskState.UNKNOWN, False),
            ("reticulating", TaskState.UNKNOWN, False),
            (None, TaskState.UNKNOWN, False),
        ],
    )
    def test_states(self, said: Any, state: TaskState, final: bool) -> None:
        task = Task.model_validate({"status": said})
        assert (task.state, task.state.is_final) == (state, final)

    @pytest.mark.parametrize(
        ("body", "task_id"),
        [
            ({"Task_id": 123, "task_id": "123"}, "123"),
            ({"Task_id": 123}, "123"),
            ({"task_id": " 7 "}, "7"),
            ({"task_id": True}, None),
            ({"task_id": "../1"}, None),
            ({}, None),
        ],
    )
    def test_its_id(self, body: dict[str, Any], task_id: str | None) -> None:
        assert Task.model_validate({"status": "completed", **body}).id == task_id

    @pytest.mark.parametrize(
        ("said", "created"),
        [
            ({"status": "Created successfully."}, True),
            ("Created successfully.", True),
            ({"status": "Created successfully"}, False),
            ({"status": "created successfully."}, False),
            ({"status": "Created successfully. Not activated."}, False),
            ({"status": None}, False),
            (None, False),
            ({}, False),
        ],
    )
    def test_prose_counts_only_to_the_letter(self, said: Any, created: bool) -> None:
        [mailbox] = Task.model_validate({"status": "completed", "results": {"a@b.co": said}}).mailboxes
        assert (mailbox.address, mailbox.created) == ("a@b.co", created)

    @pytest.mark.parametrize("said", [None, [], "all", 7])
    def test_without_results(self, said: Any) -> None:
        assert Task.model_validate({"status": "pending", "results": said}).mailboxes == ()

    def test_without_a_status_it_is_no_task(self) -> None:
        with pytest.raises(ValidationError):
            Task.model_validate({"result": "ok"})


class TestOtherAnswers:
    @pytest.mark.parametrize("body", [None, [], {}, {"task_id": None}, {"task_id": ""}, {"task_id": 1.5}])
    def test_no_task_was_named(self, body: Any) -> None:
        with pytest.raises(ValidationError):
            AcceptedTask.model_validate(body)

    def test_a_task_is_a_number_or_a_text(self) -> None:
        assert AcceptedTask.model_validate({"task_id": 42}).task_id == "42"
        assert AcceptedDomain.model_validate({"status": "success", "task_id": "42"}).task_id == "42"

    @pytest.mark.parametrize(
        ("body", "is_one", "reason"),
        [
            ({"status": "error", "reason": "No."}, True, "No."),
            ({"status": "Error", "message": "No."}, True, "No."),
            ({"status": "success"}, False, ""),
            ({}, False, ""),
        ],
    )
    def test_refusals(self, body: dict[str, Any], is_one: bool, reason: str) -> None:
        refusal = Refusal.model_validate(body)
        assert (refusal.is_one, refusal.reason) == (is_one, reason)
