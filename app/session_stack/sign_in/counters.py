"""Counters of failures, in a table of a fixed number of rows.

A counter's row is chosen by a keyed hash, so the table holds no name and no address, and nobody
outside can tell which rows meet. Where two do, the newer counter takes the row: under a flood of
made-up names the table forgets, and neither grows nor delays anybody for another's failures.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError, connections, router
from django.db.backends.utils import CursorWrapper
from django.utils.crypto import salted_hmac

from session_stack.models import FailedSignIns
from session_stack.sign_in.limits import Limit

ROWS = 2**18  # some 30 MB with its index, were it full
SALT = "session_stack.sign_in.counters"

# One statement, so that of parallel attempts each sees the one before: whoever is counted may have
# its password looked at. The clock is the server's, and read after the row is locked. A count from
# the future, which a clock that was set back leaves behind, keeps nobody waiting.
COUNT = """
INSERT INTO {table} AS kept (slot, tag, failures, wait, counted_at)
VALUES (%(slot)s, %(tag)s, 1, 0, clock_timestamp())
ON CONFLICT (slot) DO UPDATE SET
  tag = excluded.tag,
  counted_at = clock_timestamp(),
  (failures, wait) = (
    SELECT number,
      CASE WHEN round(number) < %(free)s THEN 0
      ELSE least(%(longest)s, %(first)s * power(2, round(number) - %(free)s)) END
    FROM (
      SELECT CASE WHEN kept.tag = excluded.tag
        THEN least(%(most)s, 1 + greatest(0, kept.failures - greatest(
          0, extract(epoch FROM clock_timestamp() - kept.counted_at)) / %(forget)s))
        ELSE 1 END AS number
    ) AS counted
  )
WHERE kept.tag <> excluded.tag OR clock_timestamp()
  NOT BETWEEN kept.counted_at AND kept.counted_at + make_interval(secs => kept.wait)
RETURNING failures
"""
REMAINING = """
SELECT extract(epoch FROM counted_at - clock_timestamp()) + wait FROM {table}
WHERE slot = %(slot)s AND tag = %(tag)s
"""
TAKE_BACK = """
UPDATE {table} SET failures = greatest(0, failures - 1)
WHERE slot = %(slot)s AND tag = %(tag)s
"""
FORGET = "DELETE FROM {table} WHERE slot = %(slot)s AND tag = %(tag)s"


class TooEarlyError(PermissionDenied):
    """The attempt has to wait, and no password was looked at."""

    def __init__(self, seconds: float) -> None:
        super().__init__("too early")
        self.seconds = max(1, math.ceil(seconds))


class UncountedError(Exception):
    """The database did not say whether the attempt may go on, so it may not."""


class Counter(NamedTuple):
    """One counter: the row, and what tells it from another that has the same row."""

    slot: int
    tag: int
    limit: Limit


def counter(limit: Limit, *what: str) -> Counter:
    """Return the counter of what is counted, such as a name and a network."""
    digest = salted_hmac(SALT, "\0".join(what).encode(), algorithm="sha256").digest()
    return Counter(
        int.from_bytes(digest[:8]) % ROWS, int.from_bytes(digest[8:16], signed=True), limit
    )


def count(counted: Counter) -> float:
    """Count an attempt as a failure, which it is until it succeeded; return how many there are.

    Raises:
        TooEarlyError: where it has to wait; it is not counted then.
        UncountedError: where the database is away.
    """
    limit = counted.limit
    with cursor() as statement:
        run(statement, COUNT, counted, most=limit.most, **asdict(limit))
        if row := statement.fetchone():
            return float(row[0])
        run(statement, REMAINING, counted)
        remaining = statement.fetchone()
    # Past by now, or taken by another counter: then a second is enough.
    raise TooEarlyError(float(remaining[0]) if remaining else 1)


def take_back(counted: Counter) -> None:
    """Count one failure less."""
    with cursor() as statement:
        run(statement, TAKE_BACK, counted)


def forget(counted: Counter) -> None:
    """Count from nothing again."""
    with cursor() as statement:
        run(statement, FORGET, counted)


def run(statement: CursorWrapper, sql: str, counted: Counter, **values: int) -> None:
    """Execute one of the statements above for a counter."""
    key = {"slot": counted.slot, "tag": counted.tag}
    statement.execute(sql.format(table=table()), key | values)


def table() -> str:
    """Return the table's name."""
    return FailedSignIns._meta.db_table


@contextmanager
def cursor() -> Iterator[CursorWrapper]:
    """Give a cursor whose statements are committed at once.

    Inside a transaction, as under ATOMIC_REQUESTS, it has a connection of its own: the count would
    else be undone by an error in the view, and keep others waiting for its row until the hash is
    known.

    Raises:
        UncountedError: where a statement fails.
    """
    alias = router.db_for_write(FailedSignIns)
    connection = usual = connections[alias]
    # As Django's own `durable` does: the transaction that a TestCase wraps around a test is none.
    blocks = usual.atomic_blocks
    if blocks and not getattr(blocks[-1], "_from_testcase", False):
        connection = usual.copy()
    try:
        with connection.cursor() as opened:
            yield opened
    except (DatabaseError, InterfaceError) as error:
        raise UncountedError(str(error).strip().splitlines()[-1]) from error
    finally:
        if connection is not usual:
            connection.close()
