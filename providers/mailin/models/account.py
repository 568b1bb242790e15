"""Whose account it is, and its servers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from providers.mailin.lenient import Moment, Number, Shape, Text, YesOrNo, one_of


class User(Shape):
    """Who the account belongs to (endpoint row 19). Personal data: only what the account needs is shown by `repr`."""

    id: Number
    mailboxes_slots: Number = None
    """How many mailboxes the account may have: the only capacity that Mailin tells."""
    username: Text = Field("", repr=False)
    email: Text = Field("", repr=False)
    first_name: Text = Field("", repr=False)
    last_name: Text = Field("", repr=False)
    org_name: Text = Field("", repr=False)
    phone_no: Text = Field("", repr=False)
    address: Text = Field("", repr=False)
    postal_code: Text = Field("", repr=False)
    city_name: Text = Field("", repr=False)
    region: Text = Field("", repr=False)
    country_name: Text = Field("", repr=False)
    created_at: Moment = None


class ServerState(StrEnum):
    """Whether a server runs."""

    RUNNING = "running"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


_SERVER_STATES = {"running": ServerState.RUNNING, "stopped": ServerState.STOPPED}


class Server(Shape):
    """A virtual server of the account (endpoint rows 20, 21)."""

    id: Number
    hostname: Text = ""
    public_ip: Text = ""
    state: Annotated[ServerState, one_of(_SERVER_STATES, ServerState.UNKNOWN, "server state")] = ServerState.UNKNOWN
    active: YesOrNo = None
    server_type: Text = ""
    """`inbound` or `outbound`, as far as is documented."""
