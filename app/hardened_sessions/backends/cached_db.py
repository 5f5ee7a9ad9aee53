"""Sessions in the database with copies in Redis: a read is one round trip to Redis.

The row stays the authority. Without Redis all goes on, from the rows; without the database a copy
is believed for `bounds.TRUST` and nothing is decided after that.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from hardened_sessions import bounds
from hardened_sessions.backends import db
from hardened_sessions.clients.redis import redis_client
from hardened_sessions.conf import finds_keys
from hardened_sessions.errors import SessionConflictError, SessionUnavailableError
from hardened_sessions.format import keys, redis_names
from hardened_sessions.format.codec import Serializer, serializer_of
from hardened_sessions.format.record import Draft, Stored
from hardened_sessions.revocation.feed import feed
from hardened_sessions.session import Data
from hardened_sessions.storage.copies import Copies, Lease, hashed_only
from hardened_sessions.storage.rows import Rows

# Where Django's own engine keeps its copies.
DJANGO_PREFIX = "django.contrib.sessions.cached_db"


class CachedRowStorage(Rows):
    """The table, and copies of its rows."""

    def __init__(self, serializer: Serializer) -> None:
        super().__init__(serializer)
        self.copies = Copies(serializer)

    @property
    def copied(self) -> bool:
        """Return whether rows may be copied: with hashed names, and a feed to revoke copies by."""
        return hashed_only() and self.database.is_postgres

    def fetch(self, names: tuple[str, ...], *, fresh: bool = False) -> Stored | None:
        """Return the copy, else the row."""
        if fresh or not self.copied or not feed().current():
            return super().fetch(names)
        try:
            stored, value = self.copies.get(names[0])
        except SessionUnavailableError:
            return super().fetch(names)
        if stored is not None:
            return stored
        lease = Lease(names[0], value)
        stored = super().fetch(names)
        self.copies.fill(lease, stored)
        return stored

    def insert(self, name: str, draft: Draft) -> Stored | None:
        """Insert the row, then copy it."""
        cursor = feed().cursor
        written = super().insert(name, draft)
        if written is not None and self.copied:
            self.after_commit(lambda: self.copies.add(written, cursor))
        return written

    def replace(
        self, stored: Stored, name: str, draft: Draft, *, announce: bool = False
    ) -> Stored | None:
        """Save the row, then its copy; every process hears of a copy that could not be saved."""
        reachable = redis_client().breaker.opened is None
        cursor = feed().cursor
        with self.forgetting_copies_unless_sure(stored.name):
            written = super().replace(stored, name, draft, announce=self.copied and not reachable)
        if written is None:
            return None
        if self.copied and not reachable:
            self.after_commit(lambda: feed().hear(written.name, written.version))
        if self.copied and reachable:
            self.after_commit(lambda: self.refresh_or_announce(written, cursor))
        if django_keys(stored.name):
            self.after_commit(lambda: self.remove_copies((stored.name,)))
        return written

    @contextmanager
    def forgetting_copies_unless_sure(self, name: str) -> Iterator[None]:
        """Remove the copy where nobody confirmed the row's change: it may have happened."""
        try:
            yield
        except SessionUnavailableError:
            self.remove_copies((name,))
            raise

    def refresh_or_announce(self, written: Stored, cursor: int) -> None:
        """Refresh the copy, or tell everybody not to believe it, before the request is answered."""
        if not self.copies.refresh(written, cursor):
            feed().announce(written.name, written.version)

    def rotate(self, stored: Stored, left: Draft, name: str, draft: Draft) -> Stored | None:
        """Rotate the row; the feed speaks against former copies, in the same statement.

        The new row is copied by its first reader, under a lease: a sign-out by the former key may
        have followed the pointer and deleted it already.
        """
        with self.forgetting_copies_unless_sure(stored.name):
            written = super().rotate(stored, left, name, draft)
        if written is not None:
            self.after_commit(lambda: self.remove_copies((stored.name,)))
        return written

    def remove(self, names: tuple[str, ...]) -> list[Stored]:
        """Delete the rows and their copies; where Redis does not confirm it, wait out the bound."""
        held = super().remove(names)
        removed_at = time.monotonic()

        def confirm() -> None:
            if not self.remove_copies(names) and self.copied:
                time.sleep(max(0.0, bounds.TRUST - (time.monotonic() - removed_at)))

        self.after_commit(confirm)
        return held

    def remove_copies(self, names: tuple[str, ...]) -> bool:
        """Remove this layer's copies and Django's; return whether Redis confirmed it."""
        return self.copies.remove(names, [key for name in names for key in django_keys(name)])


def django_keys(name: str) -> list[str]:
    """Return where Django's own engine would keep a copy, for a name that is a key."""
    if not keys.is_key(name) or not finds_keys():
        return []
    return [redis_names.made(DJANGO_PREFIX + name)]


class SessionStore(db.SessionStore):
    """A session in Django's table, copied to Redis."""

    store = "cached_db"
    stores = ("postgres", "redis")
    reads_feed = True
    storage: CachedRowStorage

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.storage = CachedRowStorage(serializer_of(self))

    def merged(self, base: Stored, mine: Data, theirs: Stored) -> Data:
        """Merge; where that is refused, remove the copy, whose writer may have died meanwhile.

        As long as a copy of a former row lived, every save would meet the same conflict.
        """
        try:
            return super().merged(base, mine, theirs)
        except SessionConflictError:
            self.storage.remove_copies((theirs.name,))
            raise
