"""The change feed: what ended or changed lately, read by each process at most once a second.

A trigger writes the name of each deleted row into `hardened_sessions_change`, in the deleting
transaction, whoever deletes: a sign-out, the admin, a script, SQL. A cached value counts only where
the feed was read within `bounds.TRUST` and says nothing against it.

The cursor is a transaction id, `pg_snapshot_xmin`: all transactions below it had ended when the
feed was read. (An id or a time would miss a deletion whose transaction committed late.) A cached
value carries the cursor of who cached it: everything below that cursor it has seen.

A read takes in `MOST` names. Where there are more, none is kept, and only what was cached after all
of them counts: so a flood of deletions costs one bounded statement, however it came about.
"""

import os
import threading
import time
from functools import cache

from hardened_sessions import bounds
from hardened_sessions.clients.database import Database, database
from hardened_sessions.conf import options
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.format import redis_names

# One snapshot for all: how old it is, the cursor to go on from, and what is new. A transaction that
# keeps its first snapshot may have taken it when it began.
READ = """
SELECT now.age, now.xmin::text, now.xmax::text, change.xid::text, change.name, change.version
FROM (
  SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin,
    pg_snapshot_xmax(pg_current_snapshot()) AS xmax,
    CASE current_setting('transaction_isolation') WHEN 'read committed' THEN 0
    ELSE extract(epoch FROM clock_timestamp() - transaction_timestamp()) END AS age
) AS now
LEFT JOIN LATERAL (
  SELECT xid, name, version FROM hardened_sessions_change WHERE xid >= %s::xid8 LIMIT %s
) AS change ON TRUE
"""
EVERYTHING = ""  # the name that TRUNCATE writes, and a deletion of very many rows
MOST = 5000  # names in one read
KNOWN = 20 * MOST  # names in all
ENDED = float("inf")  # the version below which an ended session's values don't count


class Feed:
    """What this process knows of ended and changed sessions."""

    def __init__(self, source: Database) -> None:
        self.database = source
        self.lock = threading.Lock()
        self.forget()
        _feeds.append(self)

    def forget(self) -> None:
        """Know nothing, as a new process does."""
        self.cursor = 0
        self.read_at = float("-inf")
        # What was cached by who had read less than this, does not count.
        self.required = 0
        # Name -> (least version that counts, when this was heard).
        self.least: dict[str, tuple[float, float]] = {}

    def current(self) -> bool:
        """Read the feed if it is due; return whether what is known is recent enough to trust."""
        if not self.database.is_postgres:
            return False
        if time.monotonic() - self.read_at >= bounds.POLL and self.lock.acquire(blocking=False):
            try:
                self.read()
            except SessionUnavailableError:
                pass  # what is known stays good until it is too old
            finally:
                self.lock.release()
        return self.recent()

    def recent(self) -> bool:
        """Return whether what is known is recent enough to trust."""
        return time.monotonic() - self.read_at <= bounds.TRUST

    def read(self) -> None:
        """Take in what is new."""
        started = time.monotonic()
        rows = self.database.query(READ, [str(self.cursor), MOST + 1])
        started -= float(rows[0][0])
        if started <= self.read_at:
            return  # more is known already
        cursor = int(rows[0][1])
        if cursor < self.cursor:
            # Another database, or an older copy of this one: nothing known holds.
            self.forget()
            rows = self.database.query(READ, [str(self.cursor), MOST + 1])
        if len(rows) > MOST or len(self.least) > KNOWN:
            self.required = int(rows[0][2])  # no transaction that the snapshot shows is above
            self.least = {EVERYTHING: (ENDED, started)}
            rows = []
        for _, _, _, xid, name, version in rows:
            if xid is None:
                continue
            if name == EVERYTHING:
                self.required = max(self.required, int(xid) + 1)
            self.hear(name, version, started)
        self.cursor, self.read_at = cursor, started
        self.drop_old(started - bounds.FEED)

    def hear(self, name: str, version: int | None, at: float | None = None) -> None:
        """Count no value of this name below that version, or none at all.

        What this process did itself it need not wait to read. Should that be rolled back, the row
        will say so.
        """
        known, _ = self.least.get(name, (0.0, 0.0))
        least = ENDED if version is None else float(version)
        # In one step: at no moment may another thread find nothing.
        self.least[name] = (max(known, least), time.monotonic() if at is None else at)

    def drop_old(self, before: float) -> None:
        """Forget what no cached value can be older than; the first heard stand first."""
        for name, (_, heard) in list(self.least.items()):
            if heard >= before:
                break
            self.least.pop(name, None)
            if name == EVERYTHING:
                self.required = 0

    def counts(self, name: str, version: int, cursor: int) -> bool:
        """Return whether what is known is recent enough, and nothing in it is against a value.

        The process may have stood still since it asked whether the feed is `current`.

        Args:
            name: whose value it is.
            version: the value's.
            cursor: the feed's, from before what is cached was read.
        """
        least, _ = self.least.get(name, (0.0, 0.0))
        return version >= least and cursor >= self.required and self.recent()

    def announce(self, name: str, version: int) -> None:
        """Tell every process that values below this version don't count."""
        self.database.change(
            "INSERT INTO hardened_sessions_change (name, version) VALUES (%s, %s)", [name, version]
        )
        self.hear(name, version)


_feeds: list[Feed] = []


@cache
def feed_of(alias: str, tenant: str) -> Feed:
    """Return the one feed of this process for a database, and for a tenant's schema there."""
    return Feed(database(alias))


def feed() -> Feed:
    """Return the feed of the sessions' database."""
    source = database(options().database)
    return feed_of(source.alias, source.schema or redis_names.namespace())


def _forget_after_fork() -> None:
    for known in _feeds:
        known.lock = threading.Lock()
        known.forget()


os.register_at_fork(after_in_child=_forget_after_fork)
