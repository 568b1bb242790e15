"""Mailin's endpoints about the account itself: whose it is, and its servers."""

from __future__ import annotations

from typing import Any

from providers.action import Effect
from providers.errors import BadAnswer
from providers.mailin.lenient import with_id
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
        return self._page_of("/servers", reply, with_id(self._server)).data

    async def server(self, server_id: int) -> Server:
        """One server (endpoint row 21; its path is inferred)."""
        return await self._get(f"/servers/{server_id}", Server)

    def _server(self, said: Any) -> Server:
        return Server.model_validate(said, context=self._odd)
