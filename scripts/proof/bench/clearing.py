"""Clearing a large table while visitors write."""

import time
from dataclasses import asdict, dataclass

from proof.bench.load import Sample, begin_paced, end_paced
from proof.bench.variants import VariantStack
from stack import StackError

CONNECTIONS = 8
PAUSE_MS = 15
BEFORE_SECONDS = 10

# Half of them expired, and each beside one that is not: the worst case for locality.
FILL = """
INSERT INTO django_session (session_key, session_data, expire_date)
SELECT left(encode(sha256(convert_to('bench ' || i, 'UTF8')), 'hex'), 40), model.session_data,
       now() + CASE WHEN i % 2 = 0 THEN -1 ELSE 1 END * interval '1 day' * (1 + 12 * random())
FROM generate_series({first}, {last}) AS i,
     (SELECT session_data FROM django_session LIMIT 1) AS model
"""

# What Django's engine does; the project's limit on a statement would end it half way.
STOCK = """
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
connection.cursor().execute("SET statement_timeout = 0")
SessionStore.clear_expired()
"""


@dataclass(slots=True)
class Cleared:
    """How one clearing went."""

    removed: int
    seconds: float
    wal_megabytes: float
    longest_statement_ms: float
    before: Sample
    during: Sample

    @property
    def p99_ratio(self) -> float:
        """Return how much longer the slowest hundredth of the requests took meanwhile."""
        return self.during.p99_ms / self.before.p99_ms

    def as_json(self) -> dict[str, object]:
        """Return what the report keeps."""
        return {**asdict(self), "p99_ratio": self.p99_ratio}


def fill(site: VariantStack, first: int, last: int) -> None:
    """Add rows to the sessions' table, and have Postgres at rest after it."""
    site.sql(f"{FILL.format(first=first, last=last)};")
    site.sql("VACUUM ANALYZE django_session")
    site.sql("CHECKPOINT")


def clear(site: VariantStack, rows: int) -> Cleared:
    """Clear the table of that many expired rows while visitors write."""
    load = begin_paced(site, "write", PAUSE_MS, CONNECTIONS)
    time.sleep(BEFORE_SECONDS)
    before = end_paced(site, load)
    site.sql("CHECKPOINT")
    site.track("top")
    site.sql("SELECT pg_stat_statements_reset()")
    load = begin_paced(site, "write", PAUSE_MS, CONNECTIONS)
    time.sleep(1)
    started = time.monotonic()
    if site.variant.layer == "stock":
        site.manage("shell", "--command", STOCK)
    else:
        site.manage("clearsessions")
    seconds = time.monotonic() - started
    during = end_paced(site, load)
    # Counted as they go: to count them in the table takes longer than to delete them.
    removed, wal, longest = site.sql(
        "SELECT coalesce(sum(rows), 0) || ' ' || coalesce(sum(wal_bytes), 0) || ' ' || "
        "coalesce(max(max_exec_time), 0) "
        "FROM pg_stat_statements WHERE query LIKE 'DELETE FROM %django_session%'"
    ).split()
    site.track("none")
    if int(removed) != rows:
        raise StackError(f"{site.variant.name}: {removed} of {rows} expired rows were cleared")
    return Cleared(rows, seconds, float(wal) / 1e6, float(longest), before, during)
