"""What the scenarios measured on the running stack: `recorded/<layer>.json`, written by them.

`pytest tests/scenarios --record` writes what it finds; without it, a difference fails the test.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

RECORDED = Path(__file__).parent / "recorded"

# The survivals that a restart of the stack is not part of: what a visitor of Home wants to know.
RESTARTS = ("app restart", "Postgres restart", "Redis restart", "Redis emptied")


@dataclass(frozen=True, slots=True)
class Fact:
    """A question that a scenario answers for each engine, and the answer one would want."""

    name: str  # in the file
    question: str
    wanted: bool


FACTS = (
    Fact("app restart", "Still signed in after an app restart?", True),
    Fact("Postgres restart", "Still signed in after a Postgres restart?", True),
    Fact("Redis restart", "Still signed in after a Redis restart?", True),
    Fact("Redis emptied", "Still signed in after Redis was emptied?", True),
    Fact("down and up", "Still signed in after the stack went down and up?", True),
    Fact("readable by the client", "Can whoever holds the cookie read the data?", False),
    Fact("revoked by signing out", "Is a copy of the cookie dead after signing out?", True),
    Fact("ends on the server", "Does set_expiry(seconds) hold on the server?", True),
    Fact("replay", "Does an older copy of the cookie show older contents?", False),
    Fact("more than 4 KB", "Does it take more than 4 KB?", True),
    Fact("needs clearsessions", "Does it keep expired sessions until clearsessions runs?", False),
    Fact("several hosts", "Does an app on another host find the session?", True),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was measured for one engine; None where it does not apply, or nobody measured yet."""

    measured: bool | None
    wanted: bool

    @property
    def word(self) -> str:
        """Return yes, no, or a dash."""
        return {True: "yes", False: "no", None: "–"}[self.measured]

    @property
    def good(self) -> bool | None:
        """Return whether that is what one would want."""
        return None if self.measured is None else self.measured == self.wanted


@cache
def recorded(layer: str) -> dict[str, dict[str, bool]]:
    """Return what was measured on a layer: for each fact, an answer for each engine."""
    path = RECORDED / f"{layer}.json"
    results: dict[str, dict[str, bool]] = json.loads(path.read_text()) if path.exists() else {}
    return results


def table() -> list[tuple[Fact, list[Answer]]]:
    """Return every fact with its answers, in the order of `settings.ENGINES`."""
    results = recorded(settings.ENV.session_layer)
    return [
        (fact, [Answer(results.get(fact.name, {}).get(b), fact.wanted) for b in settings.ENGINES])
        for fact in FACTS
    ]


def answer(name: str, backend: str) -> bool | None:
    """Return what was measured for one engine on the layer that runs."""
    return recorded(settings.ENV.session_layer).get(name, {}).get(backend)


def survivals(backend: str) -> tuple[list[str], list[str]]:
    """Return what sessions of this engine outlive, and what they do not."""
    measured = {name: answer(name, backend) for name in RESTARTS}
    return (
        [name for name, lives in measured.items() if lives],
        [name for name, lives in measured.items() if lives is False],
    )
