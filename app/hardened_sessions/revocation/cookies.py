"""Signed cookies that no longer count: by their id, or by their user's epoch.

Each is a row, read by primary key once in `bounds.CACHE` for each cookie; in between the change
feed tells. Both are written by one statement on PostgreSQL.
"""

import time
from typing import Any, Literal

from hardened_sessions import bounds
from hardened_sessions.clients.database import Database, database
from hardened_sessions.conf import options
from hardened_sessions.format.record import epoch as seconds_of
from hardened_sessions.format.record import moment
from hardened_sessions.models import RevokedCookie, SignOutEpoch
from hardened_sessions.revocation.feed import feed

Verdict = Literal["good", "rotated", "ended"]

# Longer than any browser keeps a cookie (RFC 6265bis, 5.5).
LONGEST_AGE = 400 * 24 * 3600.0


def source() -> Database:
    """Return the sessions' database."""
    return database(options().database)


def table(model: Any) -> str:
    """Return the model's quoted table."""
    return source().connection.ops.quote_name(model._meta.db_table)


def user_name(user_id: Any) -> str:
    """Return the name under which the feed speaks of a user."""
    return f"user:{user_id}"


def announcing(statement: str, name: str, version: str) -> tuple[str, list[Any]]:
    """Return a statement that also tells the feed, where there is one, and what that needs.

    Args:
        statement: what returns a row where it did something.
        name: whom the feed speaks of.
        version: the column of that row to announce, or NULL for an end.
    """
    if not source().is_postgres:
        return statement, []
    return (
        f"WITH done AS ({statement}), announced AS ("
        f"INSERT INTO hardened_sessions_change (name, version) SELECT %s, {version} FROM done) "
        "SELECT * FROM done",
        [name],
    )


def revoke(sid: str, expires: float) -> str:
    """End a cookie; return the id that replaced it, if a rotation did, or ''."""
    statement, told = announcing(
        f"INSERT INTO {table(RevokedCookie)} (sid, rotated, successor, at, expire_date) "
        "VALUES (%s, FALSE, '', %s, %s) "
        "ON CONFLICT (sid) DO UPDATE SET rotated = FALSE RETURNING successor",
        sid,
        "NULL::bigint",
    )
    values = [sid, stamp(time.time()), stamp(horizon(expires)), *told]
    successor: str = source().query(statement, values)[0][0]
    feed().hear(sid, None)
    return successor


def replace(sid: str, successor: str, expires: float) -> bool:
    """End a cookie in favour of another; return False where it had ended already."""
    statement, told = announcing(
        f"INSERT INTO {table(RevokedCookie)} (sid, rotated, successor, at, expire_date) "
        "VALUES (%s, TRUE, %s, %s, %s) ON CONFLICT (sid) DO NOTHING RETURNING sid",
        sid,
        "NULL::bigint",
    )
    values = [sid, successor, stamp(time.time()), stamp(horizon(expires)), *told]
    done = bool(source().query(statement, values))
    feed().hear(sid, None)
    return done


def verdict(sid: str) -> Verdict:
    """Return what the cookie's row says."""
    found = source().query(
        f"SELECT rotated, at FROM {table(RevokedCookie)} WHERE sid = %s",
        [sid],
    )
    if not found:
        return "good"
    rotated, at = found[0]
    return "rotated" if rotated and time.time() - seconds_of(at) < bounds.ROTATED else "ended"


def epoch(user_id: Any) -> int:
    """Return the user's epoch."""
    found = source().query(
        f"SELECT epoch FROM {table(SignOutEpoch)} WHERE user_id = %s",
        [str(user_id)],
    )
    return int(found[0][0]) if found else 0


def sign_out_everywhere(user_id: Any) -> None:
    """End every signed cookie of the user; holds in every process within `bounds.TRUST`.

    Sessions that are kept on the server are ended one by one, or by a new password.
    """
    statement, told = announcing(
        f"INSERT INTO {table(SignOutEpoch)} (user_id, epoch) VALUES (%s, 1) "
        f"ON CONFLICT (user_id) DO UPDATE SET epoch = {table(SignOutEpoch)}.epoch + 1 "
        "RETURNING epoch",
        user_name(user_id),
        "epoch",
    )
    ((current,),) = source().query(statement, [str(user_id), *told])
    feed().hear(user_name(user_id), current)


def counts(sid: str, user_id: Any, user_epoch: int) -> bool:
    """Return whether the feed, read recently enough, speaks against neither cookie nor user."""
    if not feed().counts(sid, 0, feed().generation):
        return False
    return user_id is None or feed().counts(user_name(user_id), user_epoch, feed().generation)


def stamp(seconds: float) -> Any:
    """Return a parameter for a DateTimeField."""
    return source().connection.ops.adapt_datetimefield_value(moment(seconds))


def horizon(expires: float) -> float:
    """Return until when a row is kept: no cookie of that id can be good after it."""
    return min(max(expires, time.time()) + bounds.CACHE, time.time() + LONGEST_AGE)
