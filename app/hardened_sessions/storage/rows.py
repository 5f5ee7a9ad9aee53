"""Sessions as rows of Django's table, by statements of this layer's own.

The row is the authority: a save compares and sets on the exact text that was loaded, so it can
neither overwrite what it has not seen nor bring back what was deleted.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction

from hardened_sessions.clients.database import Database, database
from hardened_sessions.conf import options
from hardened_sessions.format import keys
from hardened_sessions.format.codec import Serializer, decode_row, encode_row
from hardened_sessions.format.record import Draft, Stored, epoch, moment
from hardened_sessions.storage import listed, related

# How far beyond the true expiry the column is set, as a share of the time left: as long as it
# stays ahead, saves leave the indexed column alone, so PostgreSQL updates the row in place (HOT).
SLACK_SHARE = 0.1
SLACK_LEAST = 60.0  # seconds

# Notes on what was read: the column's value, and whether everybody sees the row alike.
HORIZON = "horizon"
COMMITTED = "committed"


class Rows:
    """The table, with one statement for each operation."""

    def __init__(self, serializer: Serializer) -> None:
        self.serializer = serializer

    @property
    def database(self) -> Database:
        """Return the database that sessions are kept in."""
        return database(options().database)

    @property
    def table(self) -> str:
        """Return the table's quoted name."""
        return self.database.connection.ops.quote_name(Session._meta.db_table)

    # --- Reading ----------------------------------------------------------------------------------

    def fetch(self, names: tuple[str, ...]) -> Stored | None:
        """Return the session under one of the names, expired or not, or None."""
        places = ", ".join(["%s"] * len(names))
        committed = self.COMMITTED if self.in_transaction else "TRUE"
        found = self.database.query(
            f"SELECT session_key, session_data, expire_date, {committed} "
            f"FROM {self.table} WHERE session_key IN ({places})",
            names,
        )
        # Both forms may stand for a moment while rows are renamed: the one that is written wins.
        for name, text, expire_date, sees_committed in sorted(
            found, key=lambda row: names.index(row[0])
        ):
            horizon = epoch(expire_date)
            stored = decode_row(name, text, horizon, self.serializer)
            if stored is not None:
                # It lies ahead of the expiry, but where somebody ended the session by an UPDATE.
                stored.expires = min(stored.expires, horizon)
                stored.notes.update({HORIZON: horizon, COMMITTED: sees_committed})
                return stored
        return None

    @property
    def in_transaction(self) -> bool:
        """Return whether statements run in a transaction of the application's."""
        return self.database.is_postgres and self.database.connection.in_atomic_block

    # A transaction that has written nothing, and takes a snapshot for each statement, sees rows as
    # they are for everybody.
    COMMITTED = (
        "pg_current_xact_id_if_assigned() IS NULL "
        "AND current_setting('transaction_isolation') = 'read committed'"
    )

    def after_commit(self, then: Callable[[], object]) -> None:
        """Do something once what was written is there for everybody."""
        if self.database.connection.in_atomic_block:
            transaction.on_commit(then, using=self.database.alias)
        else:
            then()

    # --- Writing ----------------------------------------------------------------------------------

    def insert(self, name: str, draft: Draft) -> Stored | None:
        """Insert a row; return None where the name is taken."""
        text, horizon = self.encoded(name, draft), horizon_of(draft)
        inserted = self.change_listed(
            f"INSERT INTO {self.table} (session_key, session_data, expire_date) "
            "VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [name, text, self.stamp(horizon)],
            name,
            draft,
        )
        return self.written(name, text, draft, horizon) if inserted else None

    def replace(
        self, stored: Stored, name: str, draft: Draft, *, announce: bool = False
    ) -> Stored | None:
        """Compare and set; return None where the row is not as it was loaded.

        Args:
            stored: what was loaded.
            name: the name to write, which moves a row that had another one.
            draft: what to write.
            announce: tell the change feed in the same statement.
        """
        text = self.encoded(name, draft)
        horizon = stored.notes.get(HORIZON, 0.0)
        changes = ["session_data = %s"]
        values: list[Any] = [text]
        if name != stored.name:
            changes, values = [*changes, "session_key = %s"], [*values, name]
        if not draft.expires <= horizon <= draft.expires + 2 * slack(draft):
            horizon = horizon_of(draft)
            changes, values = [*changes, "expire_date = %s"], [*values, self.stamp(horizon)]
        update = (
            f"UPDATE {self.table} SET {', '.join(changes)} "
            "WHERE session_key = %s AND session_data = %s"
        )
        values = [*values, stored.name, stored.payload]
        told: list[Any] = [name, draft.version] if announce else []
        with self.renaming(stored.name, name):
            done = self.change_listed(update, values, name, draft, told)
        return self.written(name, text, draft, horizon) if done else None

    def rotate(self, stored: Stored, left: Draft, name: str, draft: Draft) -> Stored | None:
        """Compare, leave something under the former name, and insert under the new one.

        One statement on PostgreSQL, which tells the change feed too; a short transaction elsewhere.
        """
        text, horizon = self.encoded(name, draft), horizon_of(draft)
        former = keys.hashed(stored.name) if keys.is_key(stored.name) else stored.name
        update = (
            f"UPDATE {self.table} SET session_key = %s, session_data = %s, "
            "expire_date = %s WHERE session_key = %s AND session_data = %s"
        )
        insert = f"INSERT INTO {self.table} (session_key, session_data, expire_date)"
        updated = [
            former,
            self.encoded(former, left),
            self.stamp(left.expires),
            stored.name,
            stored.payload,
        ]
        inserted = [name, text, self.stamp(horizon)]
        with self.renaming(stored.name, former):
            if self.database.is_postgres:
                listing, of_list = "", list[Any]()
                if draft.entry:
                    listing, of_list = listed.inserting(name, draft.entry, "updated")
                elif SESSION_KEY in draft.data:
                    listing, of_list = listed.moving(stored.name, name, "updated")
                done = self.database.change(
                    f"WITH updated AS ({update} RETURNING 1), announced AS ("
                    "INSERT INTO hardened_sessions_change (name, version) "
                    f"SELECT %s, %s FROM updated){listing and f', listed AS ({listing})'} "
                    f"{insert} SELECT %s, %s, %s FROM updated",
                    [*updated, former, left.version, *of_list, *inserted],
                )
            else:
                with transaction.atomic(using=self.database.alias):
                    done = self.database.change(update, updated)
                    if done:
                        self.database.change(f"{insert} VALUES (%s, %s, %s)", inserted)
        return self.written(name, text, draft, horizon) if done else None

    def change_listed(
        self, statement: str, values: list[Any], name: str, draft: Draft, told: Sequence[Any] = ()
    ) -> int:
        """Write a row, and list it in the same statement where somebody signs in.

        Args:
            statement: what writes the row.
            values: its parameters.
            name: the row's.
            draft: what it says.
            told: name and version to tell the change feed, or nothing.

        Returns:
            How many rows were written.
        """
        if not (told or draft.entry) or not self.database.is_postgres:
            return self.database.change(statement, values)
        steps, values = [f"WITH done AS ({statement} RETURNING 1)"], [*values, *told]
        if told:
            steps.append(
                "announced AS (INSERT INTO hardened_sessions_change (name, version) "
                "SELECT %s, %s FROM done)"
            )
        if draft.entry:
            listing, more = listed.inserting(name, draft.entry, "done")
            steps.append(f"listed AS ({listing})")
            values += more
        return len(self.database.query(f"{', '.join(steps)} SELECT 1 FROM done", values))

    @property
    def lists(self) -> bool:
        """Return whether the statements that write sessions list them too."""
        return self.database.is_postgres

    def held(self, names: Sequence[str]) -> set[str]:
        """Return which of these sessions are there."""
        places = ", ".join(["%s"] * len(names))
        found = self.database.query(
            f"SELECT session_key FROM {self.table} "
            f"WHERE session_key IN ({places}) AND expire_date > %s",
            [*names, self.stamp(time.time())],
        )
        return {name for (name,) in found}

    @contextmanager
    def renaming(self, former: str, name: str) -> Iterator[None]:
        """Take along what refers to a row that gets another name."""
        if former == name or not related.referred_to():
            yield
            return
        with self.database.spoken_to(), transaction.atomic(using=self.database.alias):
            yield
            related.follow(self.database, former, name)

    def remove(self, names: tuple[str, ...]) -> list[Stored]:
        """Delete the rows under the names and return what they held."""
        if related.referred_to():
            stored = self.fetch(names)
            related.delete(self.database, names)
            return [stored] if stored is not None else []
        places = ", ".join(["%s"] * len(names))
        deleted = self.database.query(
            f"DELETE FROM {self.table} WHERE session_key IN ({places}) "
            "RETURNING session_key, session_data, expire_date",
            names,
        )
        held = (decode_row(name, text, epoch(at), self.serializer) for name, text, at in deleted)
        return [stored for stored in held if stored is not None]

    def decode(self, stored: Stored) -> dict[str, Any]:
        """Return what the row's text says, in a dict of its own."""
        again = decode_row(
            stored.name, stored.payload, stored.expires, self.serializer, trusted=True
        )
        return again.data if again is not None else {}

    # --- Values -----------------------------------------------------------------------------------

    def encoded(self, name: str, draft: Draft) -> str:
        """Return the text for a draft; as Django's own while workers of its own engines may run."""
        bare = options().keys == "read" and draft.pointer is None and draft.mark != "copy"
        return encode_row(name, draft, self.serializer, bare=bare)

    def stamp(self, seconds: float) -> Any:
        """Return a parameter for `expire_date`."""
        return self.database.connection.ops.adapt_datetimefield_value(moment(seconds))

    @staticmethod
    def written(name: str, text: str, draft: Draft, horizon: float) -> Stored:
        """Return what the store holds after a write."""
        return Stored(
            name,
            text,
            draft.data,
            draft.version,
            draft.expires_ceil,
            draft.pointer,
            mark=draft.mark,
            notes={HORIZON: horizon},
        )


def slack(draft: Draft) -> float:
    """Return how far ahead of the expiry the column is set, in seconds."""
    return max(SLACK_LEAST, SLACK_SHARE * (draft.expires - time.time()))


def horizon_of(draft: Draft) -> float:
    """Return the value of `expire_date` for a draft: when clearing may take the row."""
    return draft.expires_ceil + (0.0 if draft.pointer else slack(draft))
