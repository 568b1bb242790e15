"""What Prometheus reads of a house in which something happened, and in which something is broken."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bot.app import intervals
from bot.metrics import ACK_BUCKETS, Metrics
from bot.policy_settings import RuleSettings
from bot.sandbox.faults import ANY_METHOD
from bot.sandbox.faults import Fault as SlackFault
from providers.mailin.sandbox import Fault, Operation
from storage import figures
from storage.digests import Setup
from tests.house import House, open_house, served

DOCS = Path(__file__).parents[2] / "docs"


@dataclass
class Page:
    """One page, as Prometheus understands it."""

    text: str

    def __post_init__(self) -> None:
        families = text_string_to_metric_families(self.text)
        self.samples = [sample for family in families for sample in family.samples]

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}

    def labels(self, name: str) -> set[str]:
        """The labels that the samples of this name have."""
        return {label for sample in self.samples if sample.name == name for label in sample.labels}

    def value(self, name: str, **labels: str) -> float:
        """The one sample of this name and these labels, the prefix left out."""
        [found] = [one.value for one in self.samples if one.name == f"postroom_{name}" and one.labels == labels]
        return found


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def scraped(house: House) -> Page:
    async with served(house.inside) as url, httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return Page(answer.text)


class TestWhatHappened:
    async def test_acks_decisions_purchases_and_calls(self, house: House) -> None:
        await house.approved(house.ana, "acme.com")
        refused = await house.asks(house.ana, "acme.co")
        await house.omar.clicks(refused.card, "deny")
        await house.omar.fills(await house.omar.sees_modal("deny"), reason="No")
        await house.omar.submits(await house.omar.sees_modal("deny"))
        await house.runs_for(minutes=5)

        page = await scraped(house)

        assert page.value("ack_seconds_count", kind="command") == 2
        assert page.value("ack_seconds_count", kind="block_actions") == 2
        assert page.value("ack_seconds_count", kind="view_submission") == 5
        assert page.value("ack_seconds_bucket", kind="command", le="+Inf") == 2
        assert 0 < page.value("ack_seconds_sum", kind="command") < 60
        assert page.value("decisions_total", verdict="approved") == 1
        assert page.value("decisions_total", verdict="denied") == 1
        assert page.value("outcomes_total", effect="spend", outcome="done") == 1
        assert page.value("outcomes_total", effect="spend", outcome="failed") == 0
        bought = {"account": "mailin-main", "effect": "spend"}
        assert page.value("provider_calls_total", **bought, outcome="answered") == house.calls["buy"] == 1
        assert page.value("provider_call_seconds_count", **bought) == 1

    async def test_whose_yes_it_was(self, house: House) -> None:
        """One rule lets little things pass; another wants two people."""
        little = RuleSettings(name="little", auto_below=Decimal(20), currency="USD", under=Decimal(20))
        dear = RuleSettings(name="dear", approvers=("U0OMAR", "U0FINN"), needs=2)
        approvals = house.settings.approvals.model_copy(update={"rules": (little, dear)})
        await house.restarts(approvals=approvals)
        await house.asks(house.ana, "cheap.com")
        story = await house.asks(house.ana, "dear.co")
        await house.omar.clicks(story.card, "approve")
        await house.tick()
        page = await scraped(house)
        assert page.value("decisions_total", verdict="auto_approved") == 1
        assert page.value("decisions_total", verdict="approved_by_one") == 1
        assert page.value("decisions_total", verdict="approved") == 0

        await house.finn.clicks(story.card, "approve")
        await house.tick()
        assert (await scraped(house)).value("decisions_total", verdict="approved") == 1

    async def test_a_purchase_that_nobody_heard_of_until_a_person_looked(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.mailin.faults.add(Operation.BUY, Fault.cut_before())
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(hours=2)

        page = await scraped(house)
        assert page.value("outcomes_total", effect="spend", outcome="unknown") == 1
        assert page.value("provider_calls_total", account="mailin-main", effect="spend", outcome="unknown") == 1
        assert page.value("person_waiting") == 1
        assert page.value("person_oldest_seconds") > 60
        assert page.value("requests", state="unknown") == 1

        await house.omar.clicks(story.card, "settle_did_not")
        await house.tick()

        page = await scraped(house)
        assert page.value("outcomes_total", effect="spend", outcome="settled_failed") == 1
        assert page.value("person_waiting") == 0
        assert page.value("person_oldest_seconds") == 0

    async def test_what_was_counted_is_counted_once_and_a_new_process_counts_from_nought(self, house: House) -> None:
        await house.approved(house.ana, "acme.com")
        for _ in range(2):
            assert (await scraped(house)).value("decisions_total", verdict="approved") == 1

        await house.restarts()
        assert (await scraped(house)).value("decisions_total", verdict="approved") == 0
        await house.approved(house.ana, "acme.co")
        assert (await scraped(house)).value("decisions_total", verdict="approved") == 1

    async def test_the_audit_is_counted_in_bounded_bites(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        await house.approved(house.ana, "acme.com")
        await house.runs_for(minutes=5)
        [[entries]] = house.on_disk("SELECT COUNT(*) FROM audit")
        monkeypatch.setattr(figures, "ENTRIES_AT_ONCE", 1)

        seen = [(await scraped(house)).value("outcomes_total", effect="spend", outcome="done") for _ in range(entries)]

        assert seen == sorted(seen)
        assert (seen[0], seen[-1]) == (0, 1)

    async def test_a_provider_that_is_away(self, house: House) -> None:
        house.mailin.faults.add(Operation.AVAILABILITY, Fault.answers(503), times=1000)
        await house.ana.types("/domain check acme.com", channel="#outreach")
        await house.tick()

        page = await scraped(house)

        assert page.value("provider_calls_total", account="mailin-main", effect="read", outcome="failed") == 3
        assert page.value("provider_resting", account="mailin-main") == 0


class TestHowThingsStand:
    async def test_what_waits_for_a_decision(self, house: House) -> None:
        await house.asks(house.ana, "acme.com")
        house.clock.advance(minutes=7)

        page = await scraped(house)

        assert page.value("decision_waiting") == page.value("requests", state="awaiting_approval") == 1
        assert page.value("decision_oldest_seconds") == 7 * 60

    async def test_jobs_that_nobody_looks_at(self, house: House) -> None:
        house.mailin.job_seconds = 7200
        await house.approved(house.ana, "acme.com")
        page = await scraped(house)
        assert page.value("jobs_watched", account="mailin-main") == 1
        assert page.value("jobs_due", account="mailin-main") == page.value("jobs_late", account="mailin-main") == 0

        house.clock.advance(hours=1)
        page = await scraped(house)
        assert page.value("jobs_due", account="mailin-main") == page.value("jobs_late", account="mailin-main") == 1

    async def test_what_slack_does_not_take(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.clock.advance(hours=1)
        assert (await scraped(house)).value("outbox_waiting") == 0
        house.slack.faults.add(ANY_METHOD, SlackFault.server_error(), times=None)
        await house.inside.approvals.cancel(story.id, house.ana.id)
        await house.passes(minutes=4)

        page = await scraped(house)

        # The thread's line, and the two messages that say that it was cancelled: an hour old, but not owed for so long.
        assert page.value("outbox_waiting") == 3
        assert page.value("outbox_oldest_seconds") == 4 * 60

    async def test_a_digest_that_slack_does_not_take(self, house: House) -> None:
        setup = Setup(
            "C0OUTREACH", time(9, 30), "UTC", frozenset(range(7)), ("stuck",), when_empty=True, set_by=house.ana.id,
            set_at=house.clock.now(),
        )  # fmt: skip
        await house.inside.digest._digests.set_up(setup)
        house.slack.faults.add(ANY_METHOD, SlackFault.server_error(), times=None)
        house.clock.advance(minutes=30)
        await house.inside.digest.send()
        house.clock.advance(minutes=5)

        page = await scraped(house)
        assert page.value("outbox_waiting") == 1
        assert page.value("outbox_oldest_seconds") == 5 * 60

        house.clock.advance(days=3)  # nobody will send it any more
        assert (await scraped(house)).value("outbox_waiting") == 0

    async def test_the_size_of_the_database_and_the_process(self, house: House) -> None:
        path = house.settings.database

        page = await scraped(house)

        assert page.value("database_bytes", file="main") == path.stat().st_size
        assert page.value("database_bytes", file="wal") == path.with_name(f"{path.name}-wal").stat().st_size
        assert "process_resident_memory_bytes" in page.names

    async def test_a_line_to_slack(self, house: House) -> None:
        page = await scraped(house)
        assert page.value("socket_connected") == 1
        assert page.value("socket_silent_seconds") < 60

        link = house.inside.link
        assert link is not None
        await link.close()
        assert (await scraped(house)).value("socket_connected") == 0


class TestWhatCannotBeRead:
    async def test_a_table_that_is_gone(self, house: House) -> None:
        with closing(sqlite3.connect(house.settings.database)) as outside:
            outside.execute("DROP TABLE jobs")

        page = await scraped(house)

        assert "postroom_jobs_due" not in page.names
        assert page.value("figures_not_read_total", figure="jobs") == 1
        assert page.value("figures_not_read_total", figure="outbox") == page.value("outbox_waiting") == 0

    async def test_the_whole_store_is_gone(self, house: House) -> None:
        await house.form(house.ana)
        house.inside.store.close()

        page = await scraped(house)

        assert page.value("figures_not_read_total", figure="database") == 1
        assert page.value("ack_seconds_count", kind="command") == 1

    async def test_a_question_that_takes_too_long(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
        with closing(sqlite3.connect(house.settings.database)) as outside:
            outside.execute(
                "INSERT INTO jobs (request_id, account, kind, ref, due_at, deadline_at, started_at, attempts,"
                f" lease_until) {many}"
                " SELECT 'req_' || i, 'mailin-main', 'poll', '{}', '2026', '2027', '2026', 0, '' FROM n"
            )
            outside.commit()
        assert (await scraped(house)).value("jobs_late", account="mailin-main") == 3000

        monkeypatch.setattr(figures, "MOST_SECONDS", 0)
        page = await scraped(house)
        assert page.value("figures_not_read_total", figure="jobs") == 1
        assert page.value("decision_waiting") == 0


def test_no_start_pays_for_it() -> None:
    loaded = "import sys, bot.app; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], cwd=DOCS.parent, check=False).returncode == 0


async def test_nothing_on_the_page_is_about_anybody(house: House) -> None:
    await house.approved(house.ana, "very-own-name.com", reason="Quite private")
    await house.sends(house.ana, "block_actions", type="kind_of_a_stranger")
    await house.runs_for(minutes=5)

    page = await scraped(house)

    assert {sample.labels["kind"] for sample in page.samples if "kind" in sample.labels} <= {
        "command", "block_actions", "view_submission", "event_callback", "other",
    }  # fmt: skip
    for private in ("very-own-name", "private", "U0", "C0", "req_", "stranger", "xox", "xapp"):
        assert private not in page.text
    for secret in house.settings.secrets():
        assert secret.get_secret_value() not in page.text


def test_a_payload_of_another_kind_gets_no_label_of_its_own(house: House) -> None:
    metrics: Metrics = house.inside.metrics
    for kind in ("anything", "at all"):
        metrics.acked(kind, ACK_BUCKETS[0])
    assert set(metrics._acks) == {"other"}


# What the docs ask of Prometheus.

_NAME = re.compile(r"\b(?:postroom|process)_[a-z_]+\b")


def queries(shape: Any) -> Iterator[str]:
    """Every `expr` in a dashboard or in alert rules."""
    if isinstance(shape, Mapping):
        for key, value in shape.items():
            if key == "expr":
                yield value
            else:
                yield from queries(value)
    elif isinstance(shape, list):
        for one in shape:
            yield from queries(one)


class TestTheDocs:
    @pytest.fixture
    def dashboard(self) -> Any:
        return json.loads((DOCS / "grafana" / "postroom.json").read_text())

    @pytest.fixture
    def alerts(self) -> Any:
        return yaml.safe_load((DOCS / "alerts.yml").read_text())

    @pytest.fixture
    async def busy(self, tmp_path: Path) -> Page:
        """The page of a house in which everything has happened that makes a figure."""
        async with open_house(tmp_path, mode="socket") as house:
            await house.approved(house.ana, "acme.com")
            await house.runs_for(minutes=5)
            house.inside._set_beats()
            house.inside.beats.start()
            page = await scraped(house)
            await house.inside.beats.stop(5)
        return page

    async def test_they_ask_for_what_there_is(self, busy: Page, dashboard: Any, alerts: Any) -> None:
        page = busy
        for named, file in ((dashboard, "dashboard"), (alerts, "alerts")):
            asked = {name for query in queries(named) for name in _NAME.findall(query)}
            assert len(asked) > 8, file
            assert asked <= page.names, (file, asked - page.names)
            for query in queries(named):
                labels = {label for name in _NAME.findall(query) for label in page.labels(name)}
                assert set(self.labels_in(query)) <= labels | {"job"}, query

    async def test_the_guide_lists_all_of_them_with_their_labels(self, busy: Page) -> None:
        guide = (DOCS / "operating.md").read_text().partition("## What is measured")[2].partition("\n## ")[0]
        listed: dict[str, set[str]] = {}
        for first in re.findall(r"^\| (`.*?) \|", guide, re.MULTILINE):
            names, _, labels = first.partition(" by ")
            for name in re.findall(r"`(\w+)`", names):
                listed[f"postroom_{name}"] = set(re.findall(r"`(\w+)`", labels))
        told: dict[str, set[str]] = {}
        for sample in busy.samples:
            name = re.sub(r"(?<=_seconds)_(bucket|count|sum)$", "", sample.name)
            if name.startswith("postroom_") and not name.endswith("_created"):
                told.setdefault(name, set()).update(sample.labels.keys() - {"le"})
        assert listed == told

    def test_the_guide_says_what_each_beat_is_for(self, house: House) -> None:
        guide = (DOCS / "operating.md").read_text().partition("### PostroomBeatLate")[2].partition("\n### ")[0]
        listed = re.findall(r"^\| `(\w+)` \| \w", guide, re.MULTILINE)
        assert sorted(listed) == sorted(intervals(house.settings))

    def labels_in(self, query: str) -> Iterator[str]:
        """The labels that a query chooses or groups by."""
        for grouped in re.findall(r"\bby \(([^)]*)\)", query):
            yield from map(str.strip, grouped.split(","))
        for chosen in re.findall(r"{([^}]*)}", query):
            yield from re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", chosen)

    def test_every_alert_is_explained(self, alerts: Any) -> None:
        rules = [rule for group in alerts["groups"] for rule in group["rules"]]
        guide = (DOCS / "operating.md").read_text()
        explained = re.findall(r"^### (\w+)$", guide, re.MULTILINE)
        assert sorted(rule["alert"] for rule in rules) == sorted(explained)
        for rule in rules:
            assert rule["labels"]["severity"] in ("page", "ticket")
            assert rule["annotations"]["summary"].strip()
            assert rule["annotations"]["runbook"].endswith(f"operating.md#{rule['alert'].lower()}")

    def test_every_panel_says_what_it_shows(self, dashboard: Any) -> None:
        panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
        for panel in panels:
            assert panel["title"]
            assert panel["description"]
            assert panel["targets"]
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
