"""Signed cookies that no longer count: by their id, or by their user.

Each is a row. A process reads it by primary key once in `bounds.CACHE` for each cookie; in between
the change feed tells. Row and feed are written by one statement on PostgreSQL.

When the row was read is remembered here and not in the cookie, where it would be a time by whatever
the clock said when the cookie was made.
"""

import time
from collections.abc import Sequence
from typing import Any, Literal

from hardened_sessions import bounds
from hardened_sessions.clients.database import Database, database
from hardened_sessions.conf import options
from hardened_sessions.format import cookie
from hardened_sessions.format.record import epoch as seconds_of
from hardened_sessions.format.record import moment
from hardened_sessions.models import RevokedCookie
from hardened_sessions.revocation import users
from hardened_sessions.revocation.feed import feed

# Of one that ended lately: `copy`, an anonymous visitor signed in; `moved`, nobody did, and the
# derived id took its place; `replaced`, it was a signed-in visitor's.
Verdict = Literal["good", "copy", "moved", "replaced", "ended"]
Key = tuple[str, str, int]
Clocks = tuple[float, float]


class Known:
    """When this process read the rows of some cookies and found them good."""

    MOST = 10_000  # at most twice as many, some 8 MB

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know nothing, as a new process does."""
        self.young: dict[Key, Clocks] = {}
        self.old: dict[Key, Clocks] = {}

    def put(self, key: Key, at: Clocks) -> None:
        """Remember a cookie, and forget the older half of what is too much."""
        if len(self.young) >= self.MOST:
            self.old, self.young = self.young, {}
        self.young[key] = at

    def lately(self, key: Key) -> bool:
        """Return whether that was within `bounds.CACHE`.

        By both clocks: one may have been set back or forth, the other stands still while the
        machine sleeps.
        """
        at = self.young.get(key) or self.old.get(key)
        return at is not None and all(
            0 <= now - then <= bounds.CACHE for now, then in zip(clocks(), at, strict=True)
        )


known = Known()


def clocks() -> Clocks:
    """Return the time by the clock that is set, and by the one that only runs."""
    return time.time(), time.monotonic()


def source() -> Database:
    """Return the sessions' database."""
    return database(options().database)


def table(model: Any) -> str:
    """Return the model's quoted table."""
    return source().connection.ops.quote_name(model._meta.db_table)


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


def revoke(sid: str) -> str:
    """End a cookie; return the id that replaced it, if a rotation did, or ''."""
    statement, told = announcing(
        f"INSERT INTO {table(RevokedCookie)} (sid, rotated, successor, at, expire_date) "
        "VALUES (%s, FALSE, '', %s, %s) "
        "ON CONFLICT (sid) DO UPDATE SET rotated = FALSE RETURNING successor",
        sid,
        "NULL::bigint",
    )
    values = [sid, *lifetime(), *told]
    successor: str = source().query(statement, values)[0][0]
    feed().hear(sid, None)
    return successor


def replace(sid: str, successor: str) -> bool:
    """End a cookie in favour of another; return False where it had ended already.

    Args:
        sid: its id.
        successor: the id that ends with it; '' where a sign-out by it is to reach no further.
    """
    statement, told = announcing(
        f"INSERT INTO {table(RevokedCookie)} (sid, rotated, successor, at, expire_date) "
        "VALUES (%s, TRUE, %s, %s, %s) ON CONFLICT (sid) DO NOTHING RETURNING sid",
        sid,
        "NULL::bigint",
    )
    values = [sid, successor, *lifetime(), *told]
    done = bool(source().query(statement, values))
    feed().hear(sid, None)
    return done


def verdict(sid: str, user_id: Any, user_epoch: int, *, fresh: bool = False) -> Verdict:
    """Return whether a cookie counts: by the feed where its row was read lately, else by the row.

    Args:
        sid: the cookie's id.
        user_id: whose it is; None for a visitor who has not signed in.
        user_epoch: the user's epoch when the cookie was made.
        fresh: ask the row in any case.
    """
    key, at = (sid, str(user_id), user_epoch), clocks()
    # A cookie carries no cursor: after a flood, whose names nobody kept, its row has to be read.
    if fresh or not known.lately(key) or not feed().current() or not feed().counts(sid, 0, 0):
        said = row_verdict(sid)
        if said != "good":
            return said
        known.put(key, at)
    return "good" if user_id is None or users.counts(user_id, user_epoch) else "ended"


def remember(sid: str, user_id: Any, user_epoch: int) -> None:
    """Take a new cookie for good: nobody has it yet."""
    known.put((sid, str(user_id), user_epoch), clocks())


def row_verdict(sid: str) -> Verdict:
    """Return what the cookie's row says."""
    found = source().query(
        f"SELECT rotated, successor, at FROM {table(RevokedCookie)} WHERE sid = %s",
        [sid],
    )
    if not found:
        return "good"
    rotated, successor, at = found[0]
    said: Verdict = "replaced"
    if not successor:
        said = "copy"
    elif successor == cookie.derived(sid):
        said = "moved"
    # Both ways: another host's clock may run ahead, and this one's may have been set back.
    age = abs(time.time() - seconds_of(at))
    lately = age < (bounds.ROTATED if said == "replaced" else bounds.FORMER)
    return said if rotated and lately else "ended"


def stamp(seconds: float) -> Any:
    """Return a parameter for a DateTimeField."""
    return source().connection.ops.adapt_datetimefield_value(moment(seconds))


def not_ended(sids: Sequence[str]) -> set[str]:
    """Return which of these cookies have not been ended."""
    places = ", ".join(["%s"] * len(sids))
    found = source().query(
        f"SELECT sid FROM {table(RevokedCookie)} WHERE sid IN ({places})", list(sids)
    )
    return set(sids) - {sid for (sid,) in found}


def lifetime() -> list[Any]:
    """Return parameters for when a row begins, and until when it is kept."""
    return [stamp(time.time()), stamp(time.time() + bounds.REVOKED)]
