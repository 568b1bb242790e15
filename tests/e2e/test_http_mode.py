"""Slack calls Postroom: signed requests over HTTP, and what the process says of its own health."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from bot import app
from bot.sandbox import payloads
from tests.house import House, open_house, reading, served


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, mode="http") as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


def events_url(house: House) -> str:
    url = house.slack.app.request_url
    assert url is not None
    return url


def signed(house: House, body: str, *, age: float = 0, secret: str | None = None) -> dict[str, str]:
    """The headers with which Slack would have signed this body so many seconds ago."""
    at = str(int(time.time() - age))
    key = (secret or house.slack.app.signing_secret).encode()
    digest = hmac.new(key, f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()
    return {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": at,
        "x-slack-signature": f"v0={digest}",
    }


async def approval(house: House) -> str:
    """What Slack would send if Omar approved the newest request: a body whose signature is still to come."""
    story = await house.asks(house.ana, "acme.com")
    [block] = [block for block in story.card.blocks if block["type"] == "actions"]
    action = payloads.action_of(house.slack, block, block["elements"][0])
    click = payloads.message_action(house.slack, house.omar.user, story.card, action)
    return urlencode({"payload": json.dumps(click)})


class TestTheScene:
    async def test_from_the_command_to_the_finished_thread(self, house: House) -> None:
        story = await house.approved(house.ana, "acme-mail.com", "acme-hq.co")
        await house.runs_for(minutes=5)

        assert house.bought == ["acme-mail.com", "acme-hq.co"]
        assert [line.split()[0] for line in story.thread] == [
            ":raised_hand:",
            ":white_check_mark:",
            ":package:",
            ":tada:",
        ]
        assert "*Done.*" in reading(story.card.blocks)

    async def test_errors_under_fields_private_answers_and_denials(self, house: House) -> None:
        form = await house.form(house.ana, "/domain buy acme.org")
        await house.ana.fills(form, reason="Because")
        assert set((await house.ana.submits(form)).errors) == {"domains"}

        story = await house.asks(house.ana, "acme.com")
        await house.ana.clicks(story.card, "approve")
        await house.tick()
        assert "This is your own request" in house.privately(house.ana, "#approvals")[0]

        await house.omar.clicks(story.card, "deny")
        modal = await house.omar.sees_modal("deny")
        await house.omar.fills(modal, reason="No")
        assert (await house.omar.submits(modal)).result == "closed"
        await house.tick()
        assert "> No" in story.thread[-1]

    async def test_an_answer_at_once_and_the_home_tab(self, house: House) -> None:
        await house.ana.types("/domain check acme.com", channel="#outreach")
        await house.ana.types("/postroom help", channel="#outreach")
        await house.ana.opens_home()
        await house.tick()

        assert len(house.privately(house.ana, "#outreach")) == 2
        assert house.ana.home is not None


class TestWhoCalls:
    async def test_a_good_signature_is_taken(self, house: House, http: httpx.AsyncClient) -> None:
        body = await approval(house)

        answer = await http.post(events_url(house), content=body, headers=signed(house, body, age=4 * 60))
        await house.tick()

        assert answer.status_code == 200
        assert house.bought == ["acme.com"]

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda house, body: signed(house, body, secret="another-secret"),
            lambda house, body: signed(house, body + "x"),
            lambda house, body: signed(house, body, age=6 * 60),
            lambda house, body: signed(house, body, age=-6 * 60),
            lambda house, body: signed(house, body) | {"x-slack-signature": "v0=" + "0" * 64},
            lambda house, body: signed(house, body) | {"x-slack-signature": ""},
            lambda house, body: signed(house, body) | {"x-slack-request-timestamp": "soon"},
            lambda house, body: {"content-type": "application/x-www-form-urlencoded"},
        ],
        ids=[
            "wrong-secret",
            "other-body",
            "six-minutes-old",
            "from-the-future",
            "zeros",
            "empty",
            "no-time",
            "unsigned",
        ],
    )
    async def test_anything_else_is_turned_away_and_nothing_happens(
        self, house: House, http: httpx.AsyncClient, spoil: Any
    ) -> None:
        body = await approval(house)

        answer = await http.post(events_url(house), content=body, headers=spoil(house, body))
        await house.tick()

        assert answer.status_code == 401
        assert not house.omar.ephemerals("#approvals")
        assert not house.omar.messages("dm")
        assert house.on_disk("SELECT state FROM requests") == [("awaiting_approval",)]
        assert house.bought == []

    async def test_the_same_request_once_more_is_answered_and_decides_nothing(
        self, house: House, http: httpx.AsyncClient
    ) -> None:
        body = await approval(house)
        headers = signed(house, body)

        for _ in range(3):
            assert (await http.post(events_url(house), content=body, headers=headers)).status_code == 200
        await house.runs_for(minutes=5)

        assert house.bought == ["acme.com"]
        assert len(house.privately(house.omar, "#approvals")) == 2

    async def test_slacks_question_whether_the_address_is_ours(self, house: House, http: httpx.AsyncClient) -> None:
        body = json.dumps({"type": "url_verification", "challenge": "c-123", "token": "x"})
        headers = signed(house, body) | {"content-type": "application/json"}

        answer = await http.post(events_url(house), content=body, headers=headers)

        assert answer.status_code == 200
        assert "c-123" in answer.text

    async def test_only_posts_and_only_there(self, house: House, http: httpx.AsyncClient) -> None:
        assert (await http.get(events_url(house))).status_code == 405
        assert (await http.post(events_url(house) + "/x")).status_code == 404
        assert (await http.post(events_url(house).replace("/slack/events", "/"))).status_code == 404

    @pytest.mark.parametrize("body", ["", "payload=", "payload={", "payload=[]", "payload=%00", "{", "a=b&c"])
    async def test_a_signed_body_that_makes_no_sense_breaks_nothing(
        self, house: House, http: httpx.AsyncClient, body: str
    ) -> None:
        answer = await http.post(events_url(house), content=body, headers=signed(house, body))

        assert answer.status_code in (200, 400, 404, 500)
        assert (await house.form(house.ana)).title == "Buy domains"


class TestHealth:
    async def test_well(self, house: House, http: httpx.AsyncClient) -> None:
        url = events_url(house).removesuffix("/slack/events")

        alive, ready = await http.get(f"{url}/healthz"), await http.get(f"{url}/readyz")

        assert (alive.status_code, alive.text) == (200, "ok\n")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "wrong": {}})

    async def test_the_store_cannot_be_written(self, house: House, http: httpx.AsyncClient) -> None:
        url = events_url(house).removesuffix("/slack/events")
        house.inside.store.close()

        ready = await http.get(f"{url}/readyz")

        assert ready.status_code == 503
        assert ready.json() == {"ready": False, "wrong": {"store": "cannot be written (StoreUnavailable)"}}
        assert (await http.get(f"{url}/healthz")).status_code == 200

    async def test_a_beat_is_late(self, house: House, http: httpx.AsyncClient) -> None:
        url = events_url(house).removesuffix("/slack/events")
        await house.inside.start()
        while len(await house.inside.store.beats.last()) < 5:  # each has beaten once
            pass
        assert (await http.get(f"{url}/readyz")).status_code == 200

        house.clock.advance(minutes=2)
        ready = await http.get(f"{url}/readyz")

        assert ready.status_code == 503
        assert ready.json()["wrong"] == {"beats": "late: outbox, requests, jobs, home, facts"}
        await house.inside.beats.stop(1)


class TestHealthOfASocket:
    @pytest.fixture
    async def house(self, tmp_path: Path) -> AsyncIterator[House]:
        async with open_house(tmp_path) as opened:
            yield opened

    async def test_red_when_the_socket_is_dropped(self, house: House, http: httpx.AsyncClient) -> None:
        async with served(house.inside) as url:
            assert (await http.get(f"{url}/readyz")).status_code == 200

            await house.slack.delivery.drop()
            answer = await http.get(f"{url}/readyz")
            for _ in range(1000):
                if answer.status_code == 503:
                    break
                answer = await http.get(f"{url}/readyz")

            assert answer.json() == {"ready": False, "wrong": {"socket": "not connected to Slack"}}

    async def test_red_before_it_is_connected(self, house: House, http: httpx.AsyncClient) -> None:
        assert house.inside.link is not None
        link, house.inside.link = house.inside.link, None
        async with served(house.inside) as url:
            answer = await http.get(f"{url}/readyz")
        house.inside.link = link

        assert answer.status_code == 503
        assert answer.json()["wrong"] == {"socket": "not connected to Slack yet"}

    async def test_slacks_path_is_not_served_in_socket_mode(self, house: House, http: httpx.AsyncClient) -> None:
        async with served(house.inside) as url:
            assert (await http.post(f"{url}/slack/events", content="x")).status_code == 404


def test_answers_are_not_held_back_by_nagle() -> None:
    """asyncio switches it off only for sockets that say of themselves that they are TCP: 40 ms an answer otherwise."""
    listening = app._listen(0)
    with listening:
        assert listening.proto == socket.IPPROTO_TCP


async def test_a_body_larger_than_slack_would_send_is_not_even_read(house: House, http: httpx.AsyncClient) -> None:
    answer = await http.post(events_url(house), content=b"x" * (2**20 + 1))

    assert answer.status_code == 413
