"""Four questions, one engine, and the measured number behind the answer."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from django import forms

from lab.facts import RECORDED

# Where a second store costs less than it saves: a quarter of a processor. Redis needs memory, a
# password, updates and a place in whoever is on call's head.
PAYS_AT_PROCESSORS = 0.25


@cache
def microseconds() -> dict[str, dict[str, dict[str, int]]]:
    """Return the server's processor time of a request: by engine, layer and view, in microseconds.

    `scripts/bench` measured it, and `scripts/bench --render` writes the file.
    """
    costs: dict[str, Any] = json.loads((RECORDED / "costs.json").read_text())
    return costs


def saved_by_redis() -> int:
    """Return how many microseconds less a request with a session costs on cached_db than on db."""
    costs = microseconds()
    return costs["db"]["hardened"]["read"] - costs["cached_db"]["hardened"]["read"]


def pays_from() -> int:
    """Return the requests a second from which `cached_db` saves `PAYS_AT_PROCESSORS`."""
    return round(PAYS_AT_PROCESSORS * 1_000_000 / saved_by_redis() / 50) * 50


class Questions(forms.Form):
    """What decides; the rest is taste."""

    database = forms.ChoiceField(
        label="Do all hosts of the app share a database?",
        choices=[("yes", "Yes"), ("one", "No, but there is one host only"), ("no", "No")],
        initial="yes",
        widget=forms.RadioSelect,
    )
    contents = forms.ChoiceField(
        label="Does a session hold more than 3 KB, or what its owner must not read?",
        choices=[("yes", "Yes"), ("no", "No")],
        initial="no",
        widget=forms.RadioSelect,
    )
    loss = forms.ChoiceField(
        label="May an emptied Redis sign everybody out?",
        choices=[("no", "No"), ("yes", "Yes")],
        initial="no",
        widget=forms.RadioSelect,
    )
    rate = forms.IntegerField(
        label="How many requests a second ask for the session, at the busiest?",
        min_value=0,
        max_value=1_000_000,
        initial=50,
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine to take, and why."""

    engine: str
    reason: str
    changes: str  # the rate, or the answer, at which another one is right


def choose(database: str, contents: str, loss: str, rate: int) -> Choice:
    """Return the engine for the answers of `Questions`."""
    pays = pays_from()
    saving = f"{saved_by_redis()} microseconds of processor time a request"
    if database == "one":
        return Choice(
            "file",
            "One host needs no server to share sessions: a folder holds them, and outlives a "
            "restart.",
            "With a second host, share a database: then db.",
        )
    if database == "no":
        if contents == "yes":
            return Choice(
                "cache",
                "Sessions do not fit into a cookie, or their owner must not read them. Without a "
                "shared database, the hosts can share a Redis.",
                "An emptied Redis forgets them all. With a database that all hosts share: db.",
            )
        return Choice(
            "signed_cookies",
            "The browser carries the session, so hosts need not share anything but their "
            "SECRET_KEY. Its owner can read it, and it has room for 4,096 bytes.",
            "With a database that all hosts share: db, whose sessions stay on the server.",
        )
    if rate < pays:
        return Choice(
            "db",
            f"One store, which you back up already. Redis would save {saving}: at {rate} a second, "
            f"{rate * saved_by_redis() / 10_000:.1f} % of one processor.",
            f"From about {pays} a second on, Redis saves a quarter of a processor: then cached_db.",
        )
    if loss == "yes":
        return Choice(
            "cache",
            "Redis alone holds the sessions, so no save goes to Postgres. An emptied Redis signs "
            "everybody out, and you said that it may.",
            "If it may not: cached_db, which also writes each save to Postgres, and loses nothing.",
        )
    return Choice(
        "cached_db",
        f"Sessions are rows in Postgres, and Redis answers most reads: that saves {saving}. While "
        "Redis is away, Postgres answers.",
        f"Below about {pays} a second, db alone is enough.",
    )
