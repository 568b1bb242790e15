"""Mailin's endpoints about the account itself: whose it is, and its servers."""

from __future__ import annotations

from providers.action import Effect
from providers.errors import BadAnswer
from providers.mailin.lenient import read_page
from providers.mailin.models import Server, User
from providers.mailin.session import Session


class AccountCalls(Session):
    """The account and its servers."""

    async def user(self) -> User:
        """Whose account it is, and how many mailboxes it may have (endpoint row 19; its path is inferred)."""
        await self._token_for(Effect.READ)  # it is the log-in that says which user one is
        if self._user_id is None:
            raise BadAnswer("Mailin's log-in did not say which user this is.", detail="no user_id")
        return await self._get(f"/users/{self._user_id}", User)

    async def servers(self) -> tuple[Server, ...]:
        """All servers of the account, which is a bare list (endpoint row 20; its path is inferred)."""
        reply = await self._call("GET", "/servers", effect=Effect.READ)
        page = self._understood(
            reply,
            "a list of servers",
            lambda body: read_page(body, lambda item: Server.model_validate(item, context=self._odd), 1, 1),
        )
        return page.data

    async def server(self, server_id: int) -> Server:
        """One server (endpoint row 21; its path is inferred)."""
        return await self._get(f"/servers/{server_id}", Server)
