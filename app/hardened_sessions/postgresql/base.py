"""Django's PostgreSQL backend, which gives up soon on a server that hangs or is gone.

Django sends `SELECT 1` over a kept connection before its first use in a request. A stopped server
honours no statement_timeout, and TCP still sees a live peer, so this query could hold a thread for
ever. Where connecting fails, each request would wait for the whole connect timeout. So, in
requests, the session layer's circuit breaker stands before the connection. While it is open, a
thread of its own asks until the server is back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.utils import CursorDebugWrapper, CursorWrapper

from hardened_sessions.clients.database import FULL, database, descriptor
from hardened_sessions.clients.watchdog import Overrun
from hardened_sessions.conf import options

# Set for as long as a request is served.
serving: ContextVar[bool] = ContextVar("serving", default=False)


@contextmanager
def bounds_of_a_request() -> Iterator[None]:
    """Have each statement and each connect end in time, as while a request is served."""
    token = serving.set(True)
    try:
        yield
    finally:
        serving.reset(token)


class Bounded:
    """A cursor whose statements have a bound that also holds for a server that hangs."""

    def _execute(self, *arguments: Any) -> Any:
        return self.bounded(super()._execute, *arguments)  # type: ignore[misc] # of CursorWrapper

    def _executemany(self, *arguments: Any) -> Any:
        return self.bounded(super()._executemany, *arguments)  # type: ignore[misc] # likewise

    def bounded(self, run: Any, *arguments: Any) -> Any:
        """Run a statement, with a bound while a request is served."""
        if not serving.get():
            return run(*arguments)
        with Overrun(descriptor(self.db), options().statement_seconds):  # type: ignore[attr-defined]
            return run(*arguments)


class BoundedCursor(Bounded, CursorWrapper):
    pass


class BoundedDebugCursor(Bounded, CursorDebugWrapper):
    pass


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Return whether the server answers in time."""
        with Overrun(descriptor(self)) as overrun:
            usable = bool(super().is_usable())
        return usable and not overrun.fired

    def connect(self) -> None:
        """Connect; in a request only while the breaker is closed.

        Raises:
            SessionUnavailableError: where it is open.
        """
        if not serving.get():
            super().connect()
            return
        breaker = database(self.alias).breaker
        breaker.require_closed()
        try:
            super().connect()
        except self.Database.OperationalError as error:
            # A server that has no connection to give still serves those that have one.
            if not any(reason in str(error) for reason in FULL):
                breaker.trip(error)
            raise

    def make_cursor(self, cursor: Any) -> BoundedCursor:
        """Return the cursor as Django wraps it, and bounded."""
        return BoundedCursor(cursor, self)

    def make_debug_cursor(self, cursor: Any) -> BoundedDebugCursor:
        """Return the cursor as Django wraps it where statements are logged, and bounded."""
        return BoundedDebugCursor(cursor, self)
