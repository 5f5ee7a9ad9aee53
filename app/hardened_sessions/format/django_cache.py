"""Sessions that Django's own `cache` engine left in Redis, and its form for the way back."""

import io
import json
import pickle
import zlib
from typing import Any

from django.conf import settings
from django.core.cache import caches

PREFIX = "django.contrib.sessions.cache"


class PlainUnpickler(pickle.Unpickler):
    """Unpickle plain values only: whoever could write to Redis must not run code here."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Refuse every class and function."""
        raise pickle.UnpicklingError(f"{module_name}.{global_name} is refused")


def redis_key(key: str) -> str:
    """Return where Django's own engine keeps the session with this key."""
    return str(caches[settings.SESSION_CACHE_ALIAS].make_key(PREFIX + key))


def loads(value: bytes) -> dict[str, Any] | None:
    """Return the session in a value of Django's or django-redis's, or None."""
    if value.startswith(b"x"):  # zlib's first byte: django-redis can compress
        value = zlib.decompress(value)
    try:
        data = json.loads(value)
    except ValueError:
        try:
            data = PlainUnpickler(io.BytesIO(value)).load()
        except (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError):
            return None
    return data if isinstance(data, dict) else None


def dumps(data: dict[str, Any]) -> bytes:
    """Return a value that Django's own engine reads through the same cache alias."""
    cache: Any = caches[settings.SESSION_CACHE_ALIAS]
    encode = (
        getattr(getattr(cache, "client", None), "encode", None) or cache._cache._serializer.dumps
    )
    value: bytes = encode(data)
    return value
