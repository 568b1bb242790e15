"""What a REVEAL shows has to be the credential to the letter, or somebody is locked out by a wrong copy."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from bot.sandbox.blocks import view_problems
from handlers.requests import Sorry
from handlers.slack import windows
from handlers.slack.answers import secret_blocks
from providers.action import Action, Effect, Revealed


class ShowKey(Action, provider="maker", command="thing key", title="Show the key", effect=Effect.REVEAL):
    """Show the key of a thing."""


@pytest.mark.parametrize("value", ["p`w`d", "<!channel>&amp;", "*bold*_x_~y~ :tada:", "a" * 2000, "uphw yazt "])
def test_a_credential_is_shown_to_the_letter(value: str) -> None:
    blocks = secret_blocks(Revealed("Of ana@acme.com.", (("Password", SecretStr(value)), ("User", SecretStr("ana")))))

    told = [block["text"] for block in blocks if block["type"] == "section" and block["text"]["type"] == "plain_text"]
    assert f"Password\n{value}" in told[0]["text"]
    assert all(text["emoji"] is False for text in told)


def test_dozens_of_credentials_fit_into_one_window() -> None:
    secrets = tuple((f"name-{n}@acme.com", SecretStr(f"secret-{n:03}-" + "x" * 20)) for n in range(100))

    view = windows.answer(ShowKey(), secret_blocks(Revealed("All.", secrets)))

    assert not view_problems(view, expected="modal")
    assert all(f"secret-{n:03}-" in str(view) for n in range(100))


def test_what_slack_cannot_show_whole_is_not_shown_cut() -> None:
    with pytest.raises(Sorry, match="too long"):
        secret_blocks(Revealed("Of x.", (("Key", SecretStr("k" * 5000)),)))
