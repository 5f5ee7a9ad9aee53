"""Sessions that Django's own `cache` engine left in Redis, and its form for the way back.

Nothing signs them: whoever can write to Redis can have written one. So what a value may cost, and
what it may say, is bounded before anybody works with it.
"""

import json
from typing import Any

from django.conf import settings
from django.core.cache import caches

from hardened_sessions.format import codec, plain_pickle, redis_names
from hardened_sessions.format.readable import UnreadableError, unpacked
from hardened_sessions.format.record import Mark

PREFIX = "django.contrib.sessions.cache"

# Limits of a value once it is decompressed. A part that is referred to twice counts twice.
LARGEST = 2**20  # bytes
MOST = 100_000  # lists, objects, keys, texts, numbers
DEEPEST = 100  # levels of lists and objects
LONGEST_NUMBER = 1024  # bits

# Django shows what a flashed message calls safe HTML without escaping it.
DROPPED = {"_messages"}


def redis_key(key: str) -> str:
    """Return where Django's own engine keeps the session with this key."""
    return redis_names.made(PREFIX + key)


def loads(value: bytes) -> tuple[dict[str, Any], Mark]:
    """Return the session in a value of Django's or django-redis's, and its mark.

    Raises:
        UnreadableError: or any other, where it is none.
    """
    if value.startswith(b"x"):  # zlib's first byte: django-redis can compress
        value = unpacked(value, LARGEST)
    if len(value) > LARGEST:
        raise UnreadableError(f"it is more than {LARGEST:,} bytes")
    data = json.loads(value) if value.startswith(b"{") else plain_pickle.loads(value)
    require_small(data)
    # Through JSON, as the next save will be: each key becomes text.
    data = json.loads(json.dumps(data))
    mark = data.pop(codec.MARK, "")
    data = codec.require_plain(data)
    return {name: value for name, value in data.items() if name not in DROPPED}, mark


def require_small(data: Any) -> None:
    """Raise UnreadableError for what is too much, too deep, or can't be written.

    Each part counts as often as it is referred to, so a few bytes can't stand for many.
    """
    parts, room, waiting = 0, LARGEST, [(data, 0)]
    while waiting:
        value, depth = waiting.pop()
        parts += 1
        if isinstance(value, str):
            room -= len(value)
            value.encode()
        elif isinstance(value, dict):
            waiting += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            waiting += [(part, depth + 1) for part in value]
        elif isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
            raise UnreadableError(f"it has a number of {value.bit_length():,} bits")
        if parts + len(waiting) > MOST or room < 0 or depth > DEEPEST:
            raise UnreadableError("it is too large, or too deep")


def dumps(data: dict[str, Any]) -> bytes:
    """Return a value that Django's own engine reads through the same cache alias."""
    cache: Any = caches[settings.SESSION_CACHE_ALIAS]
    encode = (
        getattr(getattr(cache, "client", None), "encode", None) or cache._cache._serializer.dumps
    )
    value: bytes = encode(data)
    return value
