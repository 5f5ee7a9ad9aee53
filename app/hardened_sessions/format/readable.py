"""Stored values that are no session: one log line each, and never a server error.

Whoever writes to a store, or an older release did, can have put anything there. A value that its
reader can't make sense of is no session, as with Django's own engines.
"""

import math
import zlib
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from django.apps import apps
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
)
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from hardened_sessions import events
from hardened_sessions.errors import SessionUnavailableError

LONGEST_EXPIRY = 10**11  # seconds: 3,000 years


class UnreadableError(ValueError):
    """A stored value is no session; the message says why, without any of it."""


def or_no_session[T](store: str, name: str, decode: Callable[..., T], *arguments: Any) -> T | None:
    """Return what a value under a name says; where it is no session, log why and return None."""
    try:
        return decode(name, *arguments)
    except (ImproperlyConfigured, SessionUnavailableError):
        raise
    except Exception as error:  # noqa: BLE001 - of any kind: RecursionError, MemoryError ...
        events.emit("refused_value", store, name, reason=reason(error))
        return None


def reason(error: Exception) -> str:
    """Return why a value was refused; of an error that is not this module's only the kind."""
    return str(error) if isinstance(error, UnreadableError) else type(error).__name__


def unpacked(packed: bytes, most: int) -> bytes:
    """Decompress to so many bytes at most: a thousandth of that can be the bytes to begin with."""
    reader = zlib.decompressobj()
    body = reader.decompress(packed, most)
    if not reader.eof:
        raise UnreadableError(f"it is cut off, or more than {most:,} bytes")
    return body


def require_session(data: Any) -> dict[str, Any]:
    """Return the data, which Django can work with on every request.

    Raises:
        UnreadableError: where who is signed in, or when the session ends, is no such thing.
    """
    if not isinstance(data, dict):
        raise UnreadableError("it is no object")
    for name in (SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY):
        if name in data:
            require_text(name, data[name])
    if SESSION_KEY in data and has_users():
        get_user_model()._meta.pk.to_python(data[SESSION_KEY])
    require_expiry(data.get("_session_expiry"))
    return data


@cache
def has_users() -> bool:
    """Return whether Django's auth will look the user up."""
    return apps.is_installed("django.contrib.auth")


def require_text(name: str, value: Any) -> None:
    """Raise where a value is no text that could be written; a user's id may be a number."""
    if name == SESSION_KEY and type(value) is int:
        return
    if not isinstance(value, str):
        raise UnreadableError(f"{name} is no text")
    value.encode()


def require_expiry(value: Any) -> None:
    """Raise where a value is not one of those that `set_expiry` leaves."""
    if isinstance(value, str):
        # TypeError where one has a time zone and the other has none.
        datetime.fromisoformat(value) - timezone.now()
    elif value is not None and not (
        isinstance(value, int | float) and math.fabs(value) <= LONGEST_EXPIRY
    ):
        raise UnreadableError("_session_expiry is no number of seconds")
