"""The app's home tab: what I asked, and what can be asked. Published when somebody opens it (`views.publish`)."""

from __future__ import annotations

import slackblocks as sb

from handlers.slack.front import Body, Front
from handlers.slack.words import clip, code, escape, paragraphs, plain, section, small
from providers.catalogue import NOUNS

SHOWN = 10


class Home:
    """Draws the home tab of one person."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def on_opened(self, body: Body) -> None:
        """`app_home_opened`: publish this person's home tab."""
        event = body.get("event") or {}
        user = str(event.get("user", ""))
        if not user or event.get("tab", "home") != "home":
            return
        mine = await self._front.requests.requests_of(user, SHOWN)
        blocks: list[sb.Block] = [sb.HeaderBlock(plain("My requests", 150))]
        for request in mine:
            headline = escape(clip(self._front.messages.headline(request), 150))
            blocks.append(section(f"*{headline}*\n{self._front.messages.status(request)}"))
        if not mine:
            blocks.append(section("You have not asked for anything yet."))
        blocks.append(sb.DividerBlock())
        blocks.append(sb.HeaderBlock(plain("What you can ask", 150)))
        lines = []
        for noun in NOUNS:
            for command in self._front.commands(noun):
                action = self._front.catalogue.any_variant(command)
                if action is not None:
                    lines.append(f"{code(f'/{command} {action.usage()}'.strip())} {escape(action.help_line())}")
        blocks.extend(paragraphs(lines))
        blocks.append(small("Type these in the channel whose thread should tell how it goes."))
        await self._front.client.views_publish(user_id=user, view=sb.HomeTabView(blocks=blocks).to_dict())
