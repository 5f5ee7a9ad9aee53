"""Sessions in Redis alone: a load is one round trip, and so is a save."""

from collections.abc import Sequence
from typing import Any

from hardened_sessions.clients.redis import STORE, RedisFullError, Script, redis_client
from hardened_sessions.conf import options
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.format import codec, django_cache, keys
from hardened_sessions.format.codec import Serializer
from hardened_sessions.format.readable import or_no_session
from hardened_sessions.format.record import Draft, Stored, live
from hardened_sessions.format.redis_names import redis_name
from hardened_sessions.format.seal import etag, seal, unseal

REPLACE, ROTATE = Script("replace"), Script("rotate")


class RedisStorage:
    """One Redis key a session."""

    def __init__(self, serializer: Serializer) -> None:
        self.serializer = serializer

    # --- Names ------------------------------------------------------------------------------------

    def redis_key(self, name: str) -> str:
        """Return the Redis key for a name: of this layer, or of Django's engine for a plain key."""
        return django_cache.redis_key(name) if keys.is_key(name) else redis_name(name)

    def encoded(self, name: str, draft: Draft) -> bytes:
        """Return the value for a draft."""
        if keys.is_key(name):
            kept = codec.marked(draft.data, draft.mark)
            return codec.require_room(django_cache.dumps(kept), draft, self.serializer)
        body = self.serializer.dumps(codec.wrap(name, draft, self.serializer))
        codec.require_room(body, draft, self.serializer)
        return seal(name, draft.version, draft.expires_ceil, body)

    def decoded(self, name: str, value: bytes) -> Stored | None:
        """Return what a value says, or None where it is not authentic, or no session."""
        return or_no_session(STORE, name, self.read, value)

    def read(self, name: str, value: bytes) -> Stored | None:
        """Return what a value says; raise where it is not authentic, or no session."""
        if keys.is_key(name):
            data, mark = django_cache.loads(value)
            return Stored(name, value, data, mark=mark)
        sealed = unseal(name, value)
        if sealed.notes:
            return None  # the copy of a row, from when cached_db was the engine
        return codec.read_sealed(name, value, sealed, self.serializer)

    def decode(self, stored: Stored) -> dict[str, Any]:
        """Return what the stored bytes say, in a dict of its own."""
        again = self.decoded(stored.name, stored.payload)
        return again.data if again is not None else {}

    # --- Reading ----------------------------------------------------------------------------------

    def fetch(self, names: tuple[str, ...], *, fresh: bool = False) -> Stored | None:
        """Return the session under one of the names."""
        if options().keys == "hash":
            names = tuple(sorted(names, key=keys.is_key))
        values = redis_client().call("MGET", *map(self.redis_key, names))
        for name, value in zip(names, values, strict=True):
            if value is not None and (stored := self.decoded(name, value)) is not None:
                return stored
        return None

    # --- Writing ----------------------------------------------------------------------------------

    def insert(self, name: str, draft: Draft) -> Stored | None:
        """Set a key that is not there."""
        value = self.encoded(name, draft)
        done = self.written(
            lambda: redis_client().call(
                "SET", self.redis_key(name), value, "NX", "PXAT", milliseconds(draft)
            )
        )
        return self.decoded_draft(name, value, draft) if done else None

    def replace(self, stored: Stored, name: str, draft: Draft) -> Stored | None:
        """Compare and set, in one script."""
        value = self.encoded(name, draft)
        answer = self.written(
            lambda: redis_client().script(
                REPLACE,
                [self.redis_key(stored.name), self.redis_key(name)],
                self.beginning(stored),
                value,
                milliseconds(draft),
            )
        )
        return self.decoded_draft(name, value, draft) if answer == 1 else None

    def rotate(self, stored: Stored, left: Draft, name: str, draft: Draft) -> Stored | None:
        """Compare, move and leave something under the former name, in one script."""
        former = keys.hashed(stored.name) if keys.is_key(stored.name) else stored.name
        value = self.encoded(name, draft)
        answer = self.written(
            lambda: redis_client().script(
                ROTATE,
                [self.redis_key(stored.name), redis_name(former), self.redis_key(name)],
                self.beginning(stored),
                self.encoded(former, left),
                milliseconds(left),
                value,
                milliseconds(draft),
            )
        )
        return self.decoded_draft(name, value, draft) if answer == 1 else None

    def remove(self, names: tuple[str, ...]) -> list[Stored]:
        """Delete the keys and wait until that is in the append-only file."""
        redis_keys = [self.redis_key(name) for name in names]
        values = redis_client().delete_durably(redis_keys)
        held = (
            self.decoded(name, value)
            for name, value in zip(names, values, strict=True)
            if value is not None
        )
        return [stored for stored in held if stored is not None]

    lists = False  # sessions, where it writes them

    def held(self, names: Sequence[str]) -> set[str]:
        """Return which of these sessions are there."""
        values = redis_client().call("MGET", *map(self.redis_key, names))
        found = zip(names, values, strict=True)
        return {name for name, value in found if value and live(self.decoded(name, value))}

    # --- Values -----------------------------------------------------------------------------------

    @staticmethod
    def written(write: Any) -> Any:
        """Return the answer to a write; want of memory is no answer."""
        try:
            return write()
        except RedisFullError as error:
            raise SessionUnavailableError(STORE, "is full and refuses to keep more") from error

    @staticmethod
    def decoded_draft(name: str, value: bytes, draft: Draft) -> Stored:
        """Return what is stored after a write."""
        stored = Stored(name, value, draft.data, draft.version, draft.expires_ceil, draft.pointer)
        stored.mark = draft.mark
        return stored

    @staticmethod
    def beginning(stored: Stored) -> bytes:
        """Return how the loaded value begins, enough to know it by."""
        value: bytes = stored.payload
        return value if keys.is_key(stored.name) else etag(value)


def milliseconds(draft: Draft) -> int:
    """Return the expiry in milliseconds since 1970."""
    return int(draft.expires * 1000)
