"""Bound the time of a statement on a server that stopped answering.

A statement timeout is the server's to keep, and a stopped one keeps nothing; TCP sees a live peer.
So one thread a process shuts the socket of a statement that overran: the driver then raises at
once.
"""

import os
import socket
import threading
import time
from types import TracebackType
from typing import Self

from hardened_sessions import bounds

TICK = 0.1  # seconds between looks, so that starting a statement wakes no thread
IDLE_TICKS = 50  # looks without a statement before the thread ends


class Overrun:
    """One statement under guard; `fired` says whether its socket was shut.

    Args:
        descriptor: the socket to guard; None guards nothing.
        seconds: how long the statement may take; by default as long as the layer's own, as
            `bounds` says it at that moment.
    """

    __slots__ = ("deadline", "descriptor", "fired", "seconds")

    def __init__(self, descriptor: int | None, seconds: float | None = None) -> None:
        self.fired = False
        self.seconds = bounds.DATABASE_STATEMENT if seconds is None else seconds
        self.guard(descriptor)

    def guard(self, descriptor: int | None) -> None:
        """Guard this socket from now on; None guards nothing."""
        self.descriptor = descriptor
        self.deadline = time.monotonic() + self.seconds - TICK

    def __enter__(self) -> Self:
        with _lock:
            _guarded.add(self)
            _start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _lock:
            _guarded.discard(self)

    def fire(self) -> None:
        """Shut the socket down, both ways, without closing the driver's descriptor."""
        if self.descriptor is None or self.fired:
            return
        self.fired = True
        try:
            with socket.socket(fileno=os.dup(self.descriptor)) as shared:
                shared.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it was gone already


_lock = threading.Lock()
_guarded: set[Overrun] = set()
_thread: threading.Thread | None = None


def _start() -> None:
    """Have a thread that looks; called under the lock."""
    global _thread
    if _thread is None:
        _thread = threading.Thread(target=_watch, name="session watchdog", daemon=True)
        _thread.start()


def _watch() -> None:
    """Look at every guarded statement until none has been seen for a while."""
    global _thread
    idle = 0
    while True:
        time.sleep(TICK)
        now = time.monotonic()
        with _lock:
            idle = 0 if _guarded else idle + 1
            if idle > IDLE_TICKS:
                _thread = None
                return
            for overrun in _guarded:
                if now >= overrun.deadline:
                    overrun.fire()


def _forget_after_fork() -> None:
    """Start anew in a child: the thread and what it watched belong to the parent."""
    global _lock, _thread
    _lock = threading.Lock()
    _thread = None
    _guarded.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
