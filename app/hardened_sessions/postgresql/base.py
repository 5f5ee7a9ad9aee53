"""Django's PostgreSQL backend, for which a server that hangs or is gone costs a request little.

Django asks a kept connection `SELECT 1` before its first use in a request. A stopped server keeps
no statement timeout, and TCP sees a live peer: that question alone would hold a thread for ever.
And a connection that comes to nothing costs each request its whole timeout: so, in requests, the
session layer's breaker stands before it, and asks in a thread of its own until the server is back.
"""

from contextvars import ContextVar
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.utils import CursorDebugWrapper, CursorWrapper

from hardened_sessions.clients.database import FULL, database, descriptor
from hardened_sessions.clients.watchdog import Overrun

# Set for as long as a request is served.
serving: ContextVar[bool] = ContextVar("serving", default=False)

STATEMENT_SECONDS = 2.0  # of a view; the session's own have a shorter bound


class Bounded:
    """A cursor whose statements have a bound that also holds for a server that hangs."""

    def _execute(self, *arguments: Any) -> Any:
        return self.bounded(super()._execute, *arguments)  # type: ignore[misc] # of CursorWrapper

    def _executemany(self, *arguments: Any) -> Any:
        return self.bounded(super()._executemany, *arguments)  # type: ignore[misc] # likewise

    def bounded(self, run: Any, *arguments: Any) -> Any:
        """Run a statement; what no request waits for may take its time."""
        if not serving.get():
            return run(*arguments)
        with Overrun(descriptor(self.db), STATEMENT_SECONDS):  # type: ignore[attr-defined]
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
        """Connect, unless a request asks and the server is known to be gone.

        Raises:
            SessionUnavailableError: where it is.
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
