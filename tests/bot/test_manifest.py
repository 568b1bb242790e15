"""The manifest that people paste into Slack: within Slack's limits, and asking for exactly what is used."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.doctor import SCOPES
from bot.sandbox.stage import installed
from handlers.slack.shortcuts import ASK, FROM_MESSAGE
from providers.catalogue import NOUNS

TEXT = (Path(__file__).parents[2] / "manifest.yml").read_text(encoding="utf-8")


@pytest.fixture
def manifest() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(TEXT)
    return parsed


def test_the_scopes_are_those_of_the_doctor(manifest: dict[str, Any]) -> None:
    assert manifest["oauth_config"]["scopes"] == {"bot": list(SCOPES)}


def test_every_scope_says_its_use(manifest: dict[str, Any]) -> None:
    said = dict(re.findall(r"^ +- ([a-z:.]+) # (.+)$", TEXT, flags=re.MULTILINE))

    assert said == dict(SCOPES)


def test_every_noun_has_its_command(manifest: dict[str, Any]) -> None:
    commands = [command["command"] for command in manifest["features"]["slash_commands"]]

    assert commands == [f"/{noun}" for noun in NOUNS]


def test_the_local_workspace_escapes_the_commands_that_slack_escapes(manifest: dict[str, Any]) -> None:
    escaped = {one["command"] for one in manifest["features"]["slash_commands"] if one["should_escape"]}

    assert escaped == installed().escaped == {"/postroom"}


def test_the_shortcuts_are_those_that_the_door_answers_and_the_local_workspace_offers(
    manifest: dict[str, Any],
) -> None:
    declared = [
        (one["type"], one["callback_id"], one["name"], one["description"]) for one in manifest["features"]["shortcuts"]
    ]

    assert declared == [(one.kind, one.callback_id, one.name, one.description) for one in installed().shortcuts]
    assert {(kind, callback_id) for kind, callback_id, _, _ in declared} == {
        ("global", ASK), ("message", FROM_MESSAGE)
    }  # fmt: skip


def test_slacks_limits_hold(manifest: dict[str, Any]) -> None:
    about = manifest["display_information"]
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert 175 <= len(about["long_description"]) <= 4000
    assert re.fullmatch(r"#[0-9a-f]{6}", about["background_color"])
    assert len(manifest["features"]["bot_user"]["display_name"]) <= 80
    for command in manifest["features"]["slash_commands"]:
        assert re.fullmatch(r"/[a-z]{1,31}", command["command"])
        assert 0 < len(command["description"]) <= 2000
        assert 0 < len(command["usage_hint"]) <= 1000
    assert len(manifest["features"]["shortcuts"]) <= 10
    for shortcut in manifest["features"]["shortcuts"]:
        assert 0 < len(shortcut["name"]) <= 24
        assert 0 < len(shortcut["description"]) <= 150


def test_what_is_subscribed_and_switched_on(manifest: dict[str, Any]) -> None:
    settings = manifest["settings"]

    assert settings["event_subscriptions"]["bot_events"] == ["app_home_opened", "app_uninstalled", "tokens_revoked"]
    assert settings["interactivity"]["is_enabled"] is True
    assert settings["socket_mode_enabled"] is True
    assert manifest["features"]["app_home"]["home_tab_enabled"] is True


def test_the_lines_for_http_mode_fit_where_they_stand() -> None:
    changed = re.sub(r"# HTTP mode: (?=\w+: )", "", TEXT)
    changed = re.sub(r" *# HTTP mode: false\n( +\w+:) true", r"\1 false", changed)

    http = yaml.safe_load(changed)

    address = "https://postroom.example.com/slack/events"
    assert {command["url"] for command in http["features"]["slash_commands"]} == {address}
    assert http["settings"]["event_subscriptions"]["request_url"] == address
    assert http["settings"]["interactivity"]["request_url"] == address
    assert http["settings"]["socket_mode_enabled"] is False
    assert "# HTTP mode:" not in changed
