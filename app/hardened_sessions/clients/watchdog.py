"""Bound the time of a statement on a server that stopped answering.

A statement timeout is the server's to keep, and a stopped one keeps nothing; TCP sees a live peer.
So one thread a process asks the server to cancel a statement that takes too long, which leaves the
connection as it is and waits for no lock any more. Where that has not helped a moment later, it
shuts the statement's socket: the driver then raises at once.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from hardened_sessions import bounds

TICK = 0.1  # seconds between looks, so that starting a statement wakes no thread
STOOD_STILL = 3 * TICK  # between two looks: the process was stopped, and so were its statements
IDLE_TICKS = 50  # looks without a statement before the thread ends


class Overrun:
    """One statement under guard; `fired` says whether its socket was shut.

    Args:
        descriptor: the socket to guard; None guards nothing.
        seconds: how long the statement may take; by default as long as the layer's own, as
            `bounds` says it at that moment.
        cancel: asks the server to cancel it, in a thread of its own; None shuts the socket only.
    """

    __slots__ = ("cancel", "cancelled", "deadline", "descriptor", "fired")

    def __init__(
        self,
        descriptor: int | None,
        seconds: float | None = None,
        cancel: Callable[[], object] | None = None,
    ) -> None:
        self.fired = self.cancelled = False
        self.guard(descriptor, seconds, cancel)

    def guard(
        self,
        descriptor: int | None,
        seconds: float | None = None,
        cancel: Callable[[], object] | None = None,
    ) -> None:
        """Guard this socket from now on; None guards nothing."""
        self.descriptor, self.cancel = descriptor, cancel
        seconds = bounds.DATABASE_STATEMENT if seconds is None else seconds
        self.deadline = time.monotonic() + seconds - TICK

    @property
    def late(self) -> bool:
        """Return whether the connection is dead, or what is asked on it next may be cancelled."""
        return self.fired or self.cancelled

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

    def look(self, now: float) -> None:
        """Cancel the statement one look before its time is over, then shut its socket."""
        if now >= self.deadline:
            self.fire()
        elif now >= self.deadline - TICK and self.cancel is not None and not self.cancelled:
            self.cancelled = True
            asking = threading.Thread(target=self.ask, args=(self.cancel,), name="session cancel")
            asking.daemon = True
            asking.start()

    def ask(self, cancel: Callable[[], object]) -> None:
        """Ask the server to cancel; one that answers is given the time to end the statement."""
        with suppress(Exception):  # the socket is shut next
            cancel()
            self.deadline = time.monotonic() + bounds.DATABASE_STATEMENT

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
    idle, now = 0, time.monotonic()
    while True:
        before = now
        time.sleep(TICK)
        now = time.monotonic()
        with _lock:
            idle = 0 if _guarded else idle + 1
            if idle > IDLE_TICKS:
                _thread = None
                return
            look_at_all(before, now)


def look_at_all(before: float, now: float) -> None:
    """Look at every guarded statement; of time in which the process stood still none counts."""
    still = now - before if now - before > STOOD_STILL else 0.0
    for overrun in _guarded:
        overrun.deadline += still
        overrun.look(now)


def _forget_after_fork() -> None:
    """Start anew in a child: the thread and what it watched belong to the parent."""
    global _lock, _thread
    _lock = threading.Lock()
    _thread = None
    _guarded.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
