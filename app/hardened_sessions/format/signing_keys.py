"""Keys derived from SECRET_KEY and SECRET_KEY_FALLBACKS, one purpose each."""

import hmac
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256

from django.conf import settings


@lru_cache(maxsize=64)
def derived(purpose: str, secret: str) -> bytes:
    """Return 32 bytes for one purpose from one secret key."""
    return hmac.digest(secret.encode(), f"hardened_sessions.{purpose}".encode(), sha256)


def current_key(purpose: str) -> bytes:
    """Return the key for a purpose."""
    return derived(purpose, settings.SECRET_KEY)


def keys(purpose: str) -> Iterator[bytes]:
    """Return the keys for a purpose: the current one first, then those of former secret keys."""
    yield current_key(purpose)
    for secret in settings.SECRET_KEY_FALLBACKS:
        yield derived(purpose, secret)
