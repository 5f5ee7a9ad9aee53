"""What the hardened layer is held to, and whether it got there."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

# Whose chart stands beside the report, and in MEASURED.md.
SHOWN = "cached_db"


@dataclass(frozen=True, slots=True)
class Goal:
    """A measured number beside the one that was wanted."""

    what: str
    value: float
    bound: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Return whether it is."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def goals(result: dict[str, Any]) -> Iterator[Goal]:
    """Yield each goal that this run can speak of."""
    cached = result["engines"].get(SHOWN)
    if cached:
        yield from of_requests(cached["requests"])
    for engine in ("db", "cached_db"):
        share = result["engines"].get(engine, {}).get("hot", {}).get("hardened")
        if share is not None:
            yield Goal(f"{engine}: share of updates that touch no index", share, 0.9, True)
    cleared = result.get("clearing", {})
    if "hardened" in cleared:
        yield Goal(
            "clearing: p99 during, by p99 before", cleared["hardened"]["p99_ratio"], 1.5, False
        )
    if {"hardened", "stock"} <= set(cleared):
        wal = cleared["hardened"]["wal_megabytes"] / cleared["stock"]["wal_megabytes"]
        yield Goal("clearing: write-ahead log, by stock's", wal, 1.1, False)
    for every, rounds in result.get("files", {}).get("rounds", {}).items():
        if rounds and {"hardened", "stock"} <= set(rounds[0]):
            ratio = median(one["stock"]["cpu"] / one["hardened"]["cpu"] for one in rounds)
            what = f"clearing files, one of {every} expired: stock's CPU, by hardened's"
            yield Goal(what, ratio, 4, True)


def of_requests(requests: dict[str, Any]) -> Iterator[Goal]:
    """Yield the goals of `cached_db`, all by server CPU a request unless said."""
    hardened = requests["hardened"]
    write, read, ping = (hardened[view] for view in ("write", "read", "ping"))
    cpu = write["ratios"]["cpu_total"]
    for other, bound in (("stock", 1.4), ("honest", 1.5), ("peer", 12)):
        if other in cpu:
            yield Goal(
                f"cached_db write: {other}'s CPU, by hardened's", 1 / cpu[other], bound, True
            )
    if "stock" in cpu:
        yield Goal(
            "cached_db read: CPU by stock's", read["ratios"]["cpu_total"]["stock"], 1.05, False
        )
    if "honest" in cpu:
        p99 = write["ratios"]["p99_ms"]["honest"]
        yield Goal("cached_db write: p99 by honest's", p99, 0.75, False)
    yield Goal("cached_db read: CPU by ping's", read["cpu_total"] / ping["cpu_total"], 1.45, False)
