"""A breaker for each store: one process finds out once that a store is gone, and asks until it is
back, outside of requests."""

import os
import threading
import time
import weakref
from collections.abc import Callable

from hardened_sessions import bounds, events
from hardened_sessions.errors import SessionUnavailableError


class Breaker:
    """Answer at once for a store that is known to be gone.

    Args:
        store: the store's name in events and errors.
        probe: ask the store anything, raising what it raises; called by a thread of its own.
    """

    def __init__(self, store: str, probe: Callable[[], object]) -> None:
        self.store = store
        self.probe = probe
        self.opened: BaseException | None = None
        self.lock = threading.Lock()
        _breakers.add(self)

    def require_closed(self) -> None:
        """Raise SessionUnavailableError while the store is known to be gone."""
        if self.opened is not None:
            raise SessionUnavailableError(self.store, "is known to be gone") from self.opened

    def trip(self, error: BaseException) -> None:
        """Open, and probe at once, and then once a second, until the store answers."""
        with self.lock:
            if self.opened is not None:
                return
            self.opened = error
            threading.Thread(
                target=self.wait_for_store, name=f"{self.store} probe", daemon=True
            ).start()
        events.emit("breaker_opened", self.store, reason=type(error).__name__)

    def wait_for_store(self) -> None:
        """Probe until there is an answer, then close."""
        while True:
            try:
                self.probe()
            except Exception:  # noqa: BLE001 - whatever it is, the store is not back yet
                time.sleep(bounds.PROBE)
            else:
                break
        with self.lock:
            self.opened = None
        events.emit("breaker_closed", self.store)


_breakers: "weakref.WeakSet[Breaker]" = weakref.WeakSet()


def forget_after_fork() -> None:
    """Close every breaker in a new process: the thread that would close it stayed behind."""
    for breaker in _breakers:
        breaker.opened = None
        breaker.lock = threading.Lock()


os.register_at_fork(after_in_child=forget_after_fork)
