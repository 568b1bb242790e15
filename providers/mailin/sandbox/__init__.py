"""Mailin.ai itself, simulated: it sells domains, forgets commas, and breaks in all the ways one asks it to.

It keeps what a real provider keeps (domains, mailboxes, jobs, orders, credits, tokens) and what only a simulation can
know (what was really bought, how often). Time passes by its clock alone. Everything under /sandbox/ is for whoever
drives it, from any process.
"""

from providers.mailin.sandbox.operations import Operation
from providers.mailin.sandbox.server import Running, create_app, serve
from providers.mailin.sandbox.state import (
    SANDBOX_EMAIL,
    SANDBOX_PASSWORD,
    TAKEN,
    MailinSandbox,
    Purchase,
    SandboxDomain,
    SandboxJob,
    SandboxMailbox,
    SandboxOrder,
    SandboxTask,
)
from providers.simulator import Fault, Faults, Kind, Work

__all__ = [
    "SANDBOX_EMAIL",
    "SANDBOX_PASSWORD",
    "TAKEN",
    "Fault",
    "Faults",
    "Kind",
    "MailinSandbox",
    "Operation",
    "Purchase",
    "Running",
    "SandboxDomain",
    "SandboxJob",
    "SandboxMailbox",
    "SandboxOrder",
    "SandboxTask",
    "Work",
    "create_app",
    "serve",
]
