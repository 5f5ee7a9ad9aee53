"""Round trips to the stores that one request makes, as the stores themselves count them."""

import json
from dataclasses import dataclass

from proof.bench.load import sample
from proof.bench.variants import VariantStack
from stack import ROOT

SECONDS = 1

# The calls that the hardened layer makes for a session that was read before, which its own tests
# hold it to: to Postgres, and to Redis. A view that writes loads first.
BUDGETS = json.loads(
    (ROOT / "app" / "tests" / "hardened_sessions" / "round_trips.json").read_text()
)


def stated(engine: str) -> dict[str, tuple[int, int]]:
    """Return the round trips of each view."""
    sql, redis = (len(calls) for calls in BUDGETS["load"][engine])
    more_sql, more_redis = (len(calls) for calls in BUDGETS["save"][engine])
    return {"ping": (0, 0), "read": (sql, redis), "write": (sql + more_sql, redis + more_redis)}


STATED = {engine: stated(engine) for engine in BUDGETS["load"]}

# What is read now and then, such as the change feed once a second, is a small share of a request.
NOW_AND_THEN = 0.1


@dataclass(frozen=True, slots=True)
class Trips:
    """Round trips a request, and the statements among them."""

    postgres: float
    redis: float
    statements: list[tuple[float, str]]

    def differs(self, stated: tuple[int, int]) -> bool:
        """Return whether it is not what was stated."""
        pairs = zip((self.postgres, self.redis), stated, strict=True)
        return any(abs(counted - count) > NOW_AND_THEN for counted, count in pairs)


def count(site: VariantStack, view: str) -> Trips:
    """Send requests over one connection, and ask the stores what they did."""
    with_redis = "redis" in site.processes
    sample(site, view, SECONDS, connections=1)  # what happens once a session has happened then
    site.track("top")
    site.sql("SELECT pg_stat_statements_reset()")
    reads = redis_reads(site) if with_redis else 0
    requests = sample(site, view, SECONDS, connections=1).requests
    # Asking is itself a few reads, among thousands.
    reads = redis_reads(site) - reads if with_redis else 0
    found = site.sql(
        "SELECT calls || ' ' || left(regexp_replace(query, '\\s+', ' ', 'g'), 120) "
        "FROM pg_stat_statements JOIN pg_roles ON pg_roles.oid = userid WHERE rolname = 'app' "
        "ORDER BY calls DESC"
    )
    site.track("none")
    calls = [(int(line.split(" ", 1)[0]), line.split(" ", 1)[1]) for line in found.splitlines()]
    return Trips(
        sum(number for number, _ in calls) / requests,
        reads / requests,
        [(number / requests, text) for number, text in calls if number / requests > NOW_AND_THEN],
    )


def redis_reads(site: VariantStack) -> int:
    """Return how often Redis has read from a client: once a round trip, pipelined or not."""
    for line in site.redis("INFO", "stats").splitlines():
        name, _, value = line.partition(":")
        if name == "total_reads_processed":
            return int(value)
    raise AssertionError("INFO stats has no total_reads_processed")
