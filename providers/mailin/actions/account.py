"""What people can ask of Mailin about the account itself and its servers."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from providers.action import Action, Done, Effect, Outcome, Table, from_words
from providers.errors import NotFound
from providers.listing import counted
from providers.mailin.actions.common import facts, some_text
from providers.mailin.client import MailinClient
from providers.mailin.models import ServerState

_STATES = {ServerState.RUNNING: "running", ServerState.STOPPED: "stopped"}


class ShowAccount(
    Action,
    provider="mailin",
    command="postroom account",
    title="Account",
    effect=Effect.READ,
    calls=("GET /api/v1/public/users/{user_id}",),
):
    """See whose account it is, and how many mailboxes it may have."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 19, without what is nobody's business here: phone and address."""
        user = await client.user()
        slots = user.mailboxes_slots
        room = (
            "Mailin does not say how many mailboxes it may have"
            if slots is None
            else f"room for {counted(slots, 'mailbox', 'mailboxes')}"
        )
        return Done(
            summary=f"The account of {user.org_name or user.username or 'nobody named'}: {room}.",
            items=facts(
                {
                    "E-mail": user.email,
                    "Name": f"{user.first_name} {user.last_name}".strip(),
                    "Organization": user.org_name,
                    "Mailbox slots": "" if slots is None else f"{slots:,}",
                    "Here since": f"{user.created_at:%Y-%m-%d}" if user.created_at else "",
                }
            ),
        )


class ListServers(
    Action,
    provider="mailin",
    command="postroom servers",
    title="Servers",
    effect=Effect.READ,
    calls=("GET /api/v1/public/servers",),
):
    """List the servers of an account, and whether they run."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 20: all at once, there are no pages."""
        servers = await client.servers()
        if not servers:
            return Done(summary="This account has no servers.")
        running = sum(server.state is ServerState.RUNNING for server in servers)
        return Done(
            summary=f"{counted(len(servers), 'server')}, {running} running.",
            table=Table(
                columns=("Server", "Address", "For", "State", "In use"),
                rows=tuple(
                    (
                        server.hostname,
                        server.public_ip,
                        server.server_type,
                        _STATES.get(server.state, "not known"),
                        "" if server.active is None else ("yes" if server.active else "no"),
                    )
                    for server in servers
                ),
            ),
        )


class ShowServer(
    Action,
    provider="mailin",
    command="postroom server",
    title="A server",
    effect=Effect.READ,
    calls=("GET /api/v1/public/servers", "GET /api/v1/public/servers/{server_id}"),
):
    """Show one server as it is at this moment."""

    server: Annotated[str, AfterValidator(some_text("the server's name, its address or its number", 253))] = Field(
        title="Server",
        description="Its name or its address, as “postroom servers” shows them, or its number at Mailin.",
        json_schema_extra=from_words(),
    )

    @classmethod
    def usage(cls) -> str:
        return "name"

    def subjects(self) -> tuple[str, ...]:
        return (self.server,)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 21; the number that it wants is found by the name (row 20)."""
        wanted = self.server.lower()
        known = [one for one in await client.servers() if wanted in (one.hostname.lower(), one.public_ip, str(one.id))]
        if not known or known[0].id is None:
            raise NotFound(
                f"This account has no server “{self.server}”.", cure="See “postroom servers” for those that it has."
            )
        server = await client.server(known[0].id)
        state = _STATES.get(server.state, "in a state that Postroom does not know")
        return Done(
            summary=f"{server.hostname or self.server} is {state}.",
            items=facts(
                {
                    "Address": server.public_ip,
                    "For": server.server_type,
                    "In use": "" if server.active is None else ("yes" if server.active else "no"),
                    "Number": server.id,
                }
            ),
        )


ACTIONS: tuple[type[Action], ...] = (ShowAccount, ListServers, ShowServer)
