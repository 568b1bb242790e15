"""The life of requests, put together: asked, ruled on, run, and settled when nobody could tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from handlers.drafts import Drafts
from handlers.outcomes import Outcomes
from handlers.policy import JobTimes, Policy
from handlers.requests import Requests
from handlers.rulings import Rulings
from handlers.runs import Runs
from handlers.settling import Settling
from handlers.who import Directory
from providers.accounts import Account, Clock
from providers.catalogue import Catalogue
from storage.store import Store


class Life:
    """The rooms through which a request walks. Each knows those above it, and none below."""

    def __init__(
        self,
        *,
        store: Store,
        catalogue: Catalogue,
        accounts: Mapping[str, Account],
        policy: Policy,
        times: JobTimes,
        directory: Directory,
        clock: Clock,
        chance: Callable[[], float],
        changed: Callable[[str], None],
    ) -> None:
        """`chance` gives a random number in [0, 1); `changed` is told which beat has work, as `Requests` has it."""
        self.requests = Requests(
            store=store,
            catalogue=catalogue,
            accounts=accounts,
            policy=policy,
            directory=directory,
            clock=clock,
            changed=changed,
        )
        self.outcomes = Outcomes(store, self.requests, times=times, clock=clock, chance=chance)
        self.rulings = Rulings(store, self.requests, self.outcomes, clock)
        self.drafts = Drafts(store, self.requests, self.rulings, catalogue, clock)
        self.runs = Runs(
            store=store,
            requests=self.requests,
            outcomes=self.outcomes,
            rulings=self.rulings,
            times=times,
            clock=clock,
            chance=chance,
        )
        self.settling = Settling(store, self.requests, self.outcomes, clock)
