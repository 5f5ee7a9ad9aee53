"""What happens to sessions, told to whoever listens: signals, log lines and counters.

Each event has a signal of its name, whose receivers get `store`, `fingerprint` and what else the
event knows; a line on the logger `hardened_sessions`; and a counter. A fingerprint is a salted hash
of a session's name, so events of one session can be joined and no key be found.
"""

import logging
import threading
from collections import Counter
from typing import Any

from django.dispatch import Signal
from django.utils.crypto import salted_hmac

from hardened_sessions.format import keys

created = Signal()
rotated = Signal()
ended = Signal()
expired = Signal()
unavailable = Signal()
refused_cookie = Signal()
refused_value = Signal()
conflict = Signal()
foreign = Signal()
too_large = Signal()
breaker_opened = Signal()
breaker_closed = Signal()

SIGNALS = {
    "created": (created, logging.INFO),
    "rotated": (rotated, logging.INFO),
    "ended": (ended, logging.INFO),
    "expired": (expired, logging.INFO),
    "unavailable": (unavailable, logging.WARNING),
    "refused_cookie": (refused_cookie, logging.WARNING),
    "refused_value": (refused_value, logging.WARNING),
    "conflict": (conflict, logging.WARNING),
    "foreign": (foreign, logging.ERROR),
    "too_large": (too_large, logging.ERROR),
    "breaker_opened": (breaker_opened, logging.ERROR),
    "breaker_closed": (breaker_closed, logging.INFO),
}

logger = logging.getLogger("hardened_sessions")

_counters: Counter[str] = Counter()
_lock = threading.Lock()


def counters() -> dict[str, int]:
    """Return how often each event happened in this process."""
    with _lock:
        return {event: _counters[event] for event in SIGNALS}


def fingerprint(name: str) -> str:
    """Return 16 hexadecimal digits that stand for a session, whichever form its name has."""
    name = keys.hashed(name) if keys.is_key(name) else name
    return salted_hmac("hardened_sessions.events", name, algorithm="sha256").hexdigest()[:16]


def emit(event: str, store: str, name: str | None = None, **extra: Any) -> None:
    """Count an event, log it and send its signal; a receiver that fails harms nobody."""
    signal, level = SIGNALS[event]
    with _lock:
        _counters[event] += 1
    if not (logger.isEnabledFor(level) or signal.receivers):
        return
    known = {"store": store, **extra}
    if name is not None:
        known["fingerprint"] = fingerprint(name)
    logger.log(level, "session %s", event.replace("_", " "), extra={"event": event, **known})
    signal.send_robust(sender=None, **{"fingerprint": None, **known})
