"""Sessions that ended because their user's did, all at once: by one row for each user.

A session knows its user's epoch as of when it was signed in. Ending all of a user's sessions raises
the epoch in `SignOutEpoch`, in a row that the change feed carries to every process; whatever was
signed in at an earlier one does not count, on every engine, also where no list knows of it. The
user `EVERYBODY` stands for all.

An epoch is a moment, in microseconds since 1970, that never goes back: it is compared with other
rows only, so that clocks which differ decide nothing.

A process reads all epochs in one statement, once in `bounds.CACHE`, and goes by the feed in
between. Where they are more than `MOST`, it reads those of the users it meets.
"""

import os
import time
from functools import cache
from hashlib import sha256
from typing import Any

from django.db import ProgrammingError

from hardened_sessions import bounds
from hardened_sessions.clients.database import STORE, Database, database
from hardened_sessions.conf import options
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.models import SignOutEpoch
from hardened_sessions.revocation.feed import Feed, feed

EVERYBODY = ""
# Of a session: its user's epoch when it was signed in, where that is not 0.
EPOCH_KEY = "_auth_user_epoch"

MOST = 10_000  # epochs in one process, some 2 MB
LONGEST = 64  # characters of a user's name in the table

# On PostgreSQL by the server's clock, which all processes share.
CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

TABLE = SignOutEpoch._meta.db_table
# Parameters: the user, and EVERYBODY.
EPOCH = f"SELECT COALESCE(MAX(epoch), 0) FROM {TABLE} WHERE user_id IN (%s, %s)"


class Epochs:
    """The epochs that this process knows of the users that one feed speaks of."""

    def __init__(self, heard: Feed) -> None:
        self.feed = heard
        self.forget()

    def forget(self) -> None:
        """Know nothing, as a new process does."""
        self.of_user: dict[str, int] = {}
        self.complete = True
        self.cursor = 0
        self.read_at = float("-inf")

    def current(self) -> bool:
        """Read the epochs if they are due; return whether the feed speaks against none of them."""
        if not self.feed.current():
            return False
        late = time.monotonic() - self.read_at > bounds.CACHE
        if late or not self.feed.required <= self.cursor <= self.feed.cursor:
            self.read()
        return True

    def read(self) -> None:
        """Read all epochs, or find that there are too many."""
        cursor, at = self.feed.cursor, time.monotonic()
        found = query(f"SELECT user_id, epoch FROM {TABLE} LIMIT %s", [MOST + 1])
        self.complete = len(found) <= MOST
        self.of_user = dict(found) if self.complete else {}
        self.cursor, self.read_at = cursor, at

    def allow(self, user: str, since: int) -> bool:
        """Return whether a session of this user, signed in at that epoch, was not ended since."""
        known = self.of_user
        if user not in known and not self.complete:
            if len(known) > MOST:
                known.clear()
            known[user] = epoch(user)
        if max(known.get(user, 0), known.get(EVERYBODY, 0)) > since:
            return False
        return all(
            self.feed.counts(feed_name(each), since, self.cursor) for each in (user, EVERYBODY)
        )


@cache
def epochs_of(heard: Feed) -> Epochs:
    """Return what this process knows by a feed."""
    return Epochs(heard)


def epochs() -> Epochs:
    """Return the epochs of the sessions' database, and of the tenant's schema there."""
    return epochs_of(feed())


os.register_at_fork(after_in_child=epochs_of.cache_clear)


def counts(user_id: Any, since: int) -> bool:
    """Return whether a session of the user's, signed in at that epoch, was not ended since.

    Raises:
        SessionUnavailableError: where nobody can say.
    """
    user = named(user_id)
    known = epochs()
    if known.current() and known.allow(user, since):
        return True
    return epoch(user) <= since


def epoch(user_id: Any) -> int:
    """Return the least epoch at which the user's sessions count, as the table has it."""
    ((found,),) = query(EPOCH, [named(user_id), EVERYBODY])
    return int(found)


def next_epoch(user_id: Any) -> int:
    """Return an epoch that is later than any of the user's, and lasts if all before it end."""
    now = CLOCK if source().is_postgres else str(int(time.time() * 1_000_000))
    ((found,),) = query(
        f"SELECT MAX(moment) FROM (SELECT {now} AS moment UNION ALL "
        f"SELECT epoch + 1 FROM {TABLE} WHERE user_id IN (%s, %s) OR %s = %s) AS moments",
        [named(user_id), EVERYBODY, named(user_id), EVERYBODY],
    )
    return int(found)


def end(user_id: Any, at: int | None = None) -> None:
    """End every session of the user, or of `EVERYBODY`, that was signed in before.

    Holds in every process within `bounds.TRUST`.

    Args:
        user_id: the user's primary key.
        at: the epoch from which sessions go on counting; by default a new one.
    """
    at = next_epoch(user_id) if at is None else at
    user = named(user_id)
    statement = (
        f"INSERT INTO {TABLE} AS kept (user_id, epoch) VALUES (%s, %s) ON CONFLICT (user_id) "
        "DO UPDATE SET epoch = CASE WHEN kept.epoch < EXCLUDED.epoch THEN EXCLUDED.epoch "
        "ELSE kept.epoch + 1 END RETURNING epoch"
    )
    values = [user, at]
    if source().is_postgres:
        statement = (
            f"WITH done AS ({statement}), announced AS (INSERT INTO hardened_sessions_change "
            "(name, version) SELECT %s, epoch FROM done) SELECT epoch FROM done"
        )
        values.append(feed_name(user))
    ((current,),) = query(statement, values)
    feed().hear(feed_name(user), current)


def named(user_id: Any) -> str:
    """Return how the table names a user: by the primary key, or the hash of a long one."""
    text = str(user_id)
    return text if len(text) <= LONGEST else sha256(text.encode()).hexdigest()


def feed_name(user: str) -> str:
    """Return the name under which the feed speaks of a user."""
    return f"user:{user}"


def source() -> Database:
    """Return the sessions' database."""
    return database(options().database)


def query(sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    """Run a statement; a table that is missing can't say who ended. Raises as `Database.query`."""
    try:
        return source().query(sql, parameters)
    except ProgrammingError as error:
        reason = str(error).partition("\n")[0]
        raise SessionUnavailableError(STORE, f"{reason}; run manage.py migrate") from error
