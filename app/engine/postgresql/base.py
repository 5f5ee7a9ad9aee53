"""Django's PostgreSQL backend, for which a server that hangs or is gone costs a request little.

Django asks a kept connection `SELECT 1` before its first use in a request. A stopped server keeps
no statement timeout, and TCP sees a live peer: that question alone would hold a thread for ever.
And a connection that comes to nothing costs each request its whole timeout: so, in requests, the
session layer's breaker stands before it, and asks in a thread of its own until the server is back.
"""

from contextvars import ContextVar

from django.db.backends.postgresql import base

from hardened_sessions.database import FULL, database, descriptor
from hardened_sessions.watchdog import Overrun

# Set for as long as a request is served.
serving: ContextVar[bool] = ContextVar("serving", default=False)


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Return whether the server answers in time."""
        with Overrun(descriptor(self)):
            return bool(super().is_usable())

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
