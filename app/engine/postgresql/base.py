"""Django's PostgreSQL backend, whose health check does not wait for a server that hangs.

Django asks a kept connection `SELECT 1` before its first use in a request. A stopped server keeps
no statement timeout, and TCP sees a live peer: that question alone would hold a thread for ever.
"""

from django.db.backends.postgresql import base

from hardened_sessions.database import descriptor
from hardened_sessions.watchdog import Overrun


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Return whether the server answers in time."""
        with Overrun(descriptor(self)):
            return bool(super().is_usable())
