"""Copies of rows in Redis: believed only while the change feed says nothing against them.

No process writes a copy of a row that may have been deleted. A reader that finds no copy takes a
lease, reads the row, and writes the copy only if the lease still stands. Saving or deleting the row
ends the lease. So, in whatever order these steps happen, no copy of a deleted row remains.
"""

import secrets
import time
from contextlib import suppress

from hardened_sessions import bounds
from hardened_sessions.clients.redis import STORE, RedisFullError, Script, redis_client
from hardened_sessions.conf import options
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.format import keys
from hardened_sessions.format.codec import Serializer, read_row
from hardened_sessions.format.readable import or_no_session
from hardened_sessions.format.record import Stored
from hardened_sessions.format.redis_names import redis_name
from hardened_sessions.format.seal import seal, unseal
from hardened_sessions.revocation.feed import feed
from hardened_sessions.storage.rows import COMMITTED, HORIZON

LEASED = b"lease|"

LEASE, FILL, REFRESH = Script("lease"), Script("fill"), Script("refresh")

# Any of this may fail without harm: the row is the authority.
Failures = (SessionUnavailableError, RedisFullError)


class Lease:
    """A promise to fill in the copy of one row."""

    def __init__(self, name: str, instead_of: bytes | None) -> None:
        self.name = name
        # The feed's position before the row is read: a later entry that ends the row ends the copy.
        self.cursor = feed().cursor
        self.token = LEASED + secrets.token_hex(8).encode()
        self.held = False
        if instead_of and instead_of.startswith(LEASED):
            return  # somebody else is about to fill it
        try:
            self.held = bool(
                redis_client().script(
                    LEASE,
                    [redis_name(name)],
                    instead_of or b"",
                    self.token,
                    int(bounds.LEASE * 1000),
                )
            )
        except Failures:
            return  # the row is read all the same

    def fill(self, value: bytes, milliseconds: int) -> None:
        """Put the copy in place, or end the lease where there is nothing to copy."""
        if not self.held:
            return
        with suppress(*Failures):  # the lease ends by itself
            redis_client().script(FILL, [redis_name(self.name)], self.token, value, milliseconds)


class Copies:
    """The copies of one session store."""

    def __init__(self, serializer: Serializer) -> None:
        self.serializer = serializer

    def get(self, name: str) -> tuple[Stored | None, bytes | None]:
        """Return the copy, if it is valid, and the value that was found in Redis.

        Raises:
            SessionUnavailableError: when Redis gave no answer.
        """
        value: bytes | None = redis_client().call("GET", redis_name(name))
        if not value or value.startswith(LEASED):
            return None, value
        return or_no_session(STORE, name, self.read, value), value

    def read(self, name: str, value: bytes) -> Stored | None:
        """Return the row in a copy, or None where the copy is no longer valid.

        Raises:
            UnreadableError: or any other, where it is not authentic, or no session.
        """
        sealed = unseal(name, value)
        if sealed.by_fallback or not sealed.notes:
            return None  # without notes it is a session that the engine `cache` left
        horizon, cursor, by_fallback = sealed.notes.split(b",")
        if not feed().counts(name, sealed.version, int(cursor)):
            return None
        text = sealed.body.decode()
        stored = read_row(name, text, sealed.expires, self.serializer, trusted=True)
        stored.notes[HORIZON] = float(horizon)
        stored.by_fallback = by_fallback == b"1"
        return stored

    def fill(self, lease: Lease, stored: Stored | None) -> None:
        """Write the copy of the row that was read under a lease, or end the lease without one."""
        if (
            stored is None
            or stored.pointer
            or keys.is_key(stored.name)
            or not stored.notes[COMMITTED]
        ):
            lease.fill(b"", 0)
            return
        value, milliseconds = self.sealed(stored, lease.cursor)
        lease.fill(value if milliseconds > 0 else b"", milliseconds)

    def add(self, stored: Stored, cursor: int) -> None:
        """Copy a row that was just inserted; it needs no lease, as nobody else knows its key."""
        value, milliseconds = self.sealed(stored, cursor)
        if milliseconds <= 0:
            return
        with suppress(*Failures):  # the first reader copies it
            redis_client().call("SET", redis_name(stored.name), value, "NX", "PX", milliseconds)

    def refresh(self, stored: Stored, cursor: int) -> bool:
        """Replace the copy of a row that was saved; return whether Redis has done it."""
        value, milliseconds = self.sealed(stored, cursor)
        try:
            redis_client().script(
                REFRESH, [redis_name(stored.name)], value, stored.version, max(1, milliseconds)
            )
        except SessionUnavailableError:
            return False
        return True

    def remove(self, names: tuple[str, ...], others: list[str]) -> bool:
        """Remove copies, leases and other keys; return whether Redis has done it."""
        try:
            redis_client().call("DEL", *map(redis_name, names), *others)
        except SessionUnavailableError:
            return False
        return True

    def sealed(self, stored: Stored, cursor: int) -> tuple[bytes, int]:
        """Return the value to put into Redis, and for how many milliseconds it may stay.

        Args:
            stored: the row.
            cursor: the feed's, from before the row was read or written.
        """
        notes = b"%d,%d,%d" % (
            int(stored.notes[HORIZON]),
            cursor,
            stored.by_fallback,
        )
        value = seal(
            stored.name, stored.version, int(stored.expires), stored.payload.encode(), notes
        )
        seconds = min(bounds.CACHE, stored.expires - time.time())
        return value, int(seconds * 1000)


def hashed_only() -> bool:
    """Return whether rows are stored by hash, so that they may be copied at all."""
    return options().keys == "hash"
