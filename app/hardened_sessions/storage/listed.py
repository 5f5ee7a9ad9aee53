"""The list of signed-in sessions: one row each, written as the session is signed in.

Where sessions are rows of one PostgreSQL, by the very statement that signs it in; elsewhere before
anybody has the key. The list says who is signed in where; whether a session counts it does not say.
"""

import time
from collections.abc import Iterable
from typing import Any

from hardened_sessions.format import keys
from hardened_sessions.format.record import Entry, moment
from hardened_sessions.models import SignedInSession
from hardened_sessions.revocation import users

COLUMNS = ("name", "user_id", "epoch", "created", "last_seen", "client", "address", "backend")
KEPT = ("name", "created")  # by a session that is signed in again


def table() -> str:
    """Return the list's quoted table."""
    return users.source().connection.ops.quote_name(SignedInSession._meta.db_table)


def unopening(name: str) -> str:
    """Return a name that opens no session, where sessions are stored under their keys."""
    return keys.hashed(name) if keys.is_key(name) else name


def inserting(
    name: str, entry: Entry, source: str = "", epoch: str = "%s"
) -> tuple[str, list[Any]]:
    """Return the statement that lists a session, and its parameters.

    Args:
        name: the session's.
        entry: what to say of it.
        source: from which rows to select; it is listed where there is one.
        epoch: the SQL of the user's epoch.
    """
    name = unopening(name)
    now = users.source().connection.ops.adapt_datetimefield_value(moment(time.time()))
    values = [name, entry.user, entry.epoch, now, now, entry.client, entry.address, entry.backend]
    places = f"%s, %s, ({epoch}), %s, %s, %s, %s, %s"
    if source:  # where PostgreSQL takes a bare parameter for text
        places = "%s, %s, %s::bigint, %s::timestamptz, %s::timestamptz, %s, %s, %s"
    renewed = ", ".join(f"{column} = EXCLUDED.{column}" for column in COLUMNS if column not in KEPT)
    rows = f"SELECT {places} FROM {source}" if source else f"VALUES ({places})"
    return (
        f"INSERT INTO {table()} ({', '.join(COLUMNS)}) {rows} "
        f"ON CONFLICT (name) DO UPDATE SET {renewed}",
        values,
    )


def add(name: str, entry: Entry) -> int:
    """List a session by a statement of its own; return its user's epoch, which it reads too.

    Raises as `Database.query`.
    """
    if entry.epoch:
        statement, values = inserting(name, entry)
    else:
        statement, values = inserting(name, entry, epoch=users.EPOCH)
        at = COLUMNS.index("epoch")
        values[at : at + 1] = [entry.user, users.EVERYBODY]
    ((epoch,),) = users.query(f"{statement} RETURNING epoch", values)
    return int(epoch)


def moving(former: str, name: str, source: str = "") -> tuple[str, list[Any]]:
    """Return the statement that lists a session under its new name; see `inserting`.

    Where another request has listed it there, nothing is left to do.
    """
    where = f" AND EXISTS (SELECT 1 FROM {source})" if source else ""
    return (
        f"UPDATE {table()} SET name = %s WHERE name = %s "
        f"AND NOT EXISTS (SELECT 1 FROM {table()} WHERE name = %s){where}",
        [unopening(name), unopening(former), unopening(name)],
    )


def move(former: str, name: str) -> None:
    """List a session under its new name, where no other request has. Raises as `Database.query`."""
    if not users.source().is_postgres:
        statement, values = moving(former, name)
        users.query(f"{statement} RETURNING 1", values)
        return
    others = ", ".join(COLUMNS[1:])
    users.query(
        f"WITH gone AS (DELETE FROM {table()} WHERE name = %s RETURNING *) "
        f"INSERT INTO {table()} ({', '.join(COLUMNS)}) SELECT %s, {others} FROM gone "
        "ON CONFLICT (name) DO NOTHING RETURNING 1",
        [unopening(former), unopening(name)],
    )


def remove(names: Iterable[str]) -> None:
    """Take sessions off the list. Raises as `Database.query`."""
    wanted = list(names)
    places = ", ".join(["%s"] * len(wanted))
    if wanted:
        users.query(f"DELETE FROM {table()} WHERE name IN ({places}) RETURNING 1", wanted)
