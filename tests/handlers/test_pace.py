"""One channel is written to no faster than Slack takes it; the others do not wait for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from handlers.slack.delivery import Channels, Pace

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def test_some_at_once_and_then_one_a_second() -> None:
    channels = Channels(Pace(per_second=1, at_once=3))

    sent = []
    for step in range(100):
        now = NOON + timedelta(seconds=step / 10)
        while "C1" not in channels.closed(now):
            channels.use("C1", now)
            sent.append(step / 10)

    assert sent == [0, 0, 0, *range(1, 10)]


def test_another_channel_is_open_meanwhile() -> None:
    channels = Channels(Pace(per_second=1, at_once=1))
    channels.use("C1", NOON)

    assert channels.closed(NOON) == {"C1": NOON + timedelta(seconds=1)}


def test_what_slack_asked_for_is_kept_to() -> None:
    channels = Channels(Pace(per_second=1, at_once=10))
    until = NOON + timedelta(seconds=30)
    channels.close("C1", until)

    assert channels.closed(NOON) == {"C1": until}
    assert channels.closed(until) == {}
