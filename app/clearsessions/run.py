"""One clearing of every store, by one container at a time."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from clearsessions.stores import NOTHING_TO_CLEAR, STORES

logger = logging.getLogger("clearsessions")

# The key of the advisory lock: any number that nothing else in this database uses.
LOCK_KEY = 0x636C656172  # "clear"


class AlreadyRunningError(Exception):
    """Another container is clearing right now."""


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the lock; it ends with the connection, so a killed container never keeps it.

    Raises:
        AlreadyRunningError: when somebody else holds it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY])
        if cursor.fetchone() != (True,):
            raise AlreadyRunningError
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])


def clear_all() -> None:
    """Clear every store that keeps expired sessions, and say why the others need nothing."""
    with one_at_a_time():
        for store, clear in STORES.items():
            started = time.monotonic()
            removed = clear()
            seconds = round(time.monotonic() - started, 3)
            logger.info("cleared", extra={"store": store, "removed": removed, "seconds": seconds})
        for store, reason in NOTHING_TO_CLEAR.items():
            logger.info("nothing to clear", extra={"store": store, "reason": reason})
