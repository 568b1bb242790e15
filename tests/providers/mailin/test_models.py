"""The many ways in which Mailin writes one fact, and what is made of JSON that is none."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from providers.answers import read_json
from providers.mailin.lenient import read_page
from providers.mailin.models import (
    Accepted,
    Availability,
    Domain,
    DomainStatus,
    Job,
    JobState,
    Refusal,
)
from providers.mailin.repair import repaired_json

UUID = "5d297ac4-1bf4-4f3c-935c-ec9df38d63b3"


class TestDomain:
    @pytest.mark.parametrize("said", ["1", 1, True, "Active", "ACTIVE", " active "])
    def test_active(self, said: Any) -> None:
        assert Domain(name="a.com", status=said, name_server_status=said).status is DomainStatus.ACTIVE

    @pytest.mark.parametrize("said", ["0", 0, False, "Inactive"])
    def test_inactive(self, said: Any) -> None:
        assert Domain(name="a.com", status=said).status is DomainStatus.INACTIVE

    @pytest.mark.parametrize("said", [None, "", "Suspended", 2, [], {"a": 1}])
    def test_what_nobody_has_documented_is_unknown(self, said: Any) -> None:
        assert Domain(name="a.com", status=said).status is DomainStatus.UNKNOWN

    @pytest.mark.parametrize(
        ("said", "servers"),
        [
            ("ns1.mailin.ai, ns2.mailin.ai", ("ns1.mailin.ai", "ns2.mailin.ai")),
            (["ns1.mailin.ai", "ns2.mailin.ai"], ("ns1.mailin.ai", "ns2.mailin.ai")),
            (None, ()),
            ("", ()),
            (7, ()),
        ],
    )
    def test_name_servers(self, said: Any, servers: tuple[str, ...]) -> None:
        assert Domain(name="a.com", name_servers=said).name_servers == servers

    def test_the_example_of_the_single_domain(self) -> None:
        domain = Domain.model_validate(
            {
                "id": "1",
                "name": "example.com",
                "main_domain": 1,
                "name_server_status": "Active",
                "created_at": "2023-10-27T10:00:00.000000Z",
                "updated_at": "yesterday",
                "something_new": {"a": 1},
            }
        )
        assert (domain.id, domain.main_domain) == (1, "1")
        assert domain.created_at == datetime(2023, 10, 27, 10, tzinfo=UTC)
        assert domain.updated_at is None

    def test_a_time_without_a_zone_is_utc(self) -> None:
        assert Domain(name="a.com", created_at="2025-08-20 12:45:22").created_at == datetime(
            2025, 8, 20, 12, 45, 22, tzinfo=UTC
        )

    def test_a_name_is_all_that_it_needs(self) -> None:
        assert Domain(name="a.com").id is None
        with pytest.raises(ValidationError):
            Domain.model_validate({"id": 1})


class TestListing:
    @pytest.mark.parametrize(
        ("said", "page", "names", "expected"),
        [
            ({"last_page": 3, "total": "25", "per_page": 10}, 1, 10, (2, 3, 25)),
            ({"last_page": "3", "total": 25, "per_page": "10"}, 3, 5, (None, 3, 25)),
            ({"last_page": 1, "total": 0}, 1, 0, (None, 1, 0)),
            ({"total": 25, "per_page": 10}, 2, 10, (3, 3, 25)),
            ({"total": 20, "per_page": 10}, 2, 10, (None, 2, 20)),
            ({}, 1, 10, (2, 2, 10)),
            ({}, 2, 3, (None, 2, 13)),
            ({"last_page": 99}, 2, 0, (None, 99, 10)),
            ({"current_page": 1, "last_page": 2}, 2, 4, (None, 2, 14)),
        ],
    )
    def test_what_comes_next(
        self, said: dict[str, Any], page: int, names: int, expected: tuple[int | None, int, int]
    ) -> None:
        listing = {"data": [{"name": f"{n}.com"} for n in range(names)], **said}
        got = read_page(listing, Domain.model_validate, page, asked_per_page=10)
        assert (got.next_page, got.last_page, got.total) == expected
        assert got.page == page


class TestJob:
    @pytest.mark.parametrize(
        ("said", "state", "final"),
        [
            ("pending", JobState.PENDING, False),
            ("Processing", JobState.PROCESSING, False),
            ("completed", JobState.COMPLETED, True),
            ("1", JobState.COMPLETED, True),
            (1, JobState.COMPLETED, True),
            ("failed", JobState.FAILED, True),
            ("completed_with_errors", JobState.COMPLETED_WITH_ERRORS, True),
            ("Completed with errors", JobState.COMPLETED_WITH_ERRORS, True),
            ("unknown", JobState.UNKNOWN, False),
            ("reticulating", JobState.UNKNOWN, False),
            ("0", JobState.UNKNOWN, False),
            (None, JobState.UNKNOWN, False),
        ],
    )
    def test_states(self, said: Any, state: JobState, final: bool) -> None:
        job = Job.model_validate({"id": UUID, "status": said})
        assert (job.state, job.state.is_final) == (state, final)
        assert job.raw_status == ("" if said is None else str(said))

    @pytest.mark.parametrize(
        ("said", "ids"),
        [(["10", 11], ("10", "11")), ([{"id": 10}, {"x": 1}], ("10",)), (None, ()), ("10", ()), ([None, True], ())],
    )
    def test_what_it_is_about(self, said: Any, ids: tuple[str, ...]) -> None:
        assert Job.model_validate({"status": "pending", "data": said}).domain_ids == ids

    def test_without_a_status_it_is_no_job(self) -> None:
        with pytest.raises(ValidationError):
            Job.model_validate({"result": "ok"})


class TestOtherAnswers:
    @pytest.mark.parametrize(
        ("said", "means"),
        [(True, True), (False, False), ("1", True), (0, False), ("false", False), (None, None), ("maybe", None)],
    )
    def test_availability(self, said: Any, means: bool | None) -> None:
        assert Availability.model_validate({"available": said}).available is means

    @pytest.mark.parametrize("body", [{}, {"uuid": ""}, {"uuid": None}, None, [], "x", {"uuid": "u" * 101}])
    def test_no_job_was_named(self, body: Any) -> None:
        with pytest.raises(ValidationError):
            Accepted.model_validate(body)

    def test_a_job_may_be_a_number(self) -> None:
        assert Accepted.model_validate({"uuid": 42}).uuid == "42"

    @pytest.mark.parametrize(
        "said",
        [
            {"domain": "a.com, b.co"},
            {"domain": ["a.com", "b.co"]},
            ["a.com", "b.co"],
            [{"domain": "a.com"}, {"domain": "b.co"}],
            "a.com, b.co",
            {"a.com": True, "b.co": True},
        ],
    )
    def test_unavailable_in_all_its_shapes(self, said: Any) -> None:
        assert Refusal.model_validate({"message": "No.", "unavailable": said}).unavailable == ("a.com", "b.co")

    def test_reasons_by_field(self) -> None:
        refusal = Refusal.model_validate({"message": None, "errors": {"domain_name": ["a", "b"], "other": "c"}})
        assert refusal.errors == {"domain_name": ["a", "b"], "other": ["c"]}
        assert Refusal.model_validate({"errors": ["?"]}).errors == {}


class TestRepair:
    def test_the_job_status_of_the_documentation(self) -> None:
        text = f'{{\n"id": {UUID},\n"status": "pending",\n"report": "x",\n"data": [\n"10",\n"11"\n]\n}}'
        assert repaired_json(text) == {"id": UUID, "status": "pending", "report": "x", "data": ["10", "11"]}

    def test_the_accepted_purchase_of_the_documentation(self) -> None:
        assert repaired_json(f'{{\n"message": "Received."\n"uuid" : "{UUID}"\n}}') == {
            "message": "Received.",
            "uuid": UUID,
        }

    @pytest.mark.parametrize(
        ("text", "means"),
        [
            ('{"message": "Done.",}', {"message": "Done."}),
            ('{"a": [1, 2,], "b": {},}', {"a": [1, 2], "b": {}}),
            ('{"a": {"b": 1} "c": [2] "d": null "e": 3}', {"a": {"b": 1}, "c": [2], "d": None, "e": 3}),
            (f'[{UUID}, "{UUID}"]', [UUID, UUID]),
            ('{"a": "x,}  \\" \\"b\\": ,]"}', {"a": 'x,}  " "b": ,]'}),
            (f'{{"id": {UUID.upper()} "n": -1.5e3}}', {"id": UUID.upper(), "n": -1500.0}),
        ],
    )
    def test_commas_and_bare_uuids(self, text: str, means: Any) -> None:
        assert repaired_json(text) == means

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "<html>",
            "{ 'message' => 'Updated' }",
            "{'a': 1}",
            '{"a": 1',
            '{"a" "b"}',
            '{"a": bare}',
            '{"a": 1 2}',
            '["a" "b"]',
            '{"a": 1,,}',
            "[,]",
            "{,}",
            '{"a":,}',
            '{"a": 1} {"b": 2}',
            '{"links": [...]}',
            f'{{"id": {UUID}0}}',
            f'{{"id": x{UUID}}}',
            '{"id": 5d297ac4-1bf4}',
            '{"a": NaN}',
            '{"a": "line\nbreak"}',
            '{"a": __import__("os")}',
            "[" * 100_000,
        ],
    )
    def test_all_else_stays_unreadable(self, text: str) -> None:
        with pytest.raises(ValueError):
            repaired_json(text)

    @settings(max_examples=50, deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        )
    )
    def test_what_is_json_already_stays_what_it_is(self, value: Any) -> None:
        assert repaired_json(json.dumps(value)) == read_json(json.dumps(value))
        assert repaired_json(json.dumps(value, ensure_ascii=False, indent=2)) == read_json(json.dumps(value))

    @settings(max_examples=50, deadline=None)
    @given(st.text())
    def test_nothing_makes_it_fail_otherwise(self, text: str) -> None:
        with contextlib.suppress(ValueError):
            repaired_json(text)
