"""How an action is played: what is typed, what is right, what shows that it was done; what is often there before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from providers.action import Action
from providers.catalogue import built_in

CATALOGUE = built_in()

Names = Mapping[str, str]


def nothing(sandbox: Any) -> Names:
    """Nothing has to be there before."""
    return {}


def anything(sandbox: Any) -> bool:
    """Reading leaves no trace in the books."""
    return True


@dataclass(frozen=True, slots=True)
class Case:
    """One action. `$name` in what is typed or said is a name that `ready` has given."""

    provider: str
    command: str
    words: str
    """What is typed after the command."""
    says: str
    """What can be read at the happy end: in the thread, or in the private answer."""
    call: str
    """The operation of the sandbox that does it: made once, and made to fail."""
    done: Callable[[Any], Any] = anything
    """Whether the provider's own books show it."""
    ready: Callable[[Any], Names] = nothing
    """Puts into the provider's books what has to be there before."""
    stands: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the words have put into the form, besides its defaults."""
    fills: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What else has to be filled in."""
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    """Files that are attached, by field: name and content."""
    secret: Callable[[Any], str] | None = None
    """The credential that a REVEAL shows."""
    status: int = 422
    """With what the provider says no."""

    @property
    def action(self) -> type[Action]:
        found = CATALOGUE.action(self.command, self.provider)
        assert found is not None, f"/{self.command} at {self.provider} is not in the catalogue"
        return found

    def __str__(self) -> str:
        return f"{self.provider}-{self.command.replace(' ', '-')}"


def own(*names: str, **more: Any) -> Callable[[Any], Names]:
    """The account has these domains."""

    def ready(sandbox: Any) -> Names:
        for name in names:
            sandbox.own(name, **more)
        return {}

    return ready


def other_way(cases: Sequence[Case], name: str, words: str, says: str, call: str, **more: Any) -> Case:
    """An action of the table asked for something else, by which it makes calls that it does not make there."""
    [case] = [one for one in cases if str(one) == name]
    return replace(case, words=words, says=says, call=call, done=anything, **more)


FORTY = [f"acme-{number:02}" for number in range(40)]


def forty(add: Callable[[Any, str], object], ending: str = "") -> Callable[[Any], list[str]]:
    """Puts forty things into the books; gives the names by which they are listed."""

    def ready(books: Any) -> list[str]:
        for name in FORTY:
            add(books, name + ending)
        return [name + ending for name in FORTY]

    return ready


def own_with_forty(books: Any) -> list[str]:
    books.own("acme.com", mailboxes=40)
    [domain] = books.domains.values()
    return list(getattr(domain, "mailboxes", None) or books.mailboxes)
