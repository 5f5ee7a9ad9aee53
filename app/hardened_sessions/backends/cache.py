"""Sessions in Redis alone.

Redis is the only authority. It keeps what it confirmed but for the last second before a crash; a
sign-out waits until it is in the append-only file. A failover to a replica that lags, or a restored
backup, can bring sessions back: nothing here can tell.
"""

from hardened_sessions.format.codec import serializer_of
from hardened_sessions.storage.redis import RedisStorage
from hardened_sessions.stored_session import StoredSession


class SessionStore(StoredSession):
    """A session in Redis."""

    store = "cache"
    stores = ("redis",)

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.storage = RedisStorage(serializer_of(self))

    @classmethod
    def clear_expired(cls) -> None:
        """Do nothing: each key has a time to live."""
