"""One clearing of every store, by one container at a time."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import connection
from django.db.models.functions import Now

from session_stack.clearing.health import mark_fresh
from session_stack.clearing.schedule import GRACE
from session_stack.layers import Progress, layer
from session_stack.models import FailedSignIns
from session_stack.sign_in.limits import FORGOTTEN

logger = logging.getLogger("clearsessions")

# The key of the advisory lock: any number that nothing else in this database uses.
LOCK_KEY = 0x636C656172  # "clear"

SHOW_SECONDS = 10.0  # between two lines of progress

NOTHING_TO_CLEAR = {
    "Redis": "each key has a time to live, so Redis removes it",
    "signed cookies": "the session is in the browser's cookie and nowhere else",
}


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


def clear_all(max_seconds: float | None, within: float) -> None:
    """Clear every store that keeps expired sessions, and say why the others need nothing.

    All of them, whichever engine runs, so that a former engine's leftovers go too.

    Args:
        max_seconds: end after the step in which this time is over; the next run goes on. None: go
            on to the end.
        within: seconds that each store's clearing may be spread over; 0 for no pauses.
    """
    deadline = None if max_seconds is None else time.monotonic() + max_seconds
    with one_at_a_time():
        for store, steps in layer().clearing().items():
            if not clear(store, steps(within), deadline):
                return
        clear_failed_sign_ins()
        for store, reason in NOTHING_TO_CLEAR.items():
            logger.info("nothing to clear", extra={"store": store, "reason": reason})


def clear_failed_sign_ins() -> None:
    """Delete the counters that have come to nothing; the table has an end, so it takes no time."""
    removed, _ = FailedSignIns.objects.filter(counted_at__lt=Now() - FORGOTTEN).delete()
    logger.info("cleared", extra={"store": "table of failed sign-ins", "removed": removed})


def clear(store: str, steps: Iterator[Progress], deadline: float | None) -> bool:
    """Clear one store and log how many sessions went; return whether it came to its end."""
    started = shown = time.monotonic()

    def log(message: str, progress: Progress) -> None:
        seconds = round(time.monotonic() - started, 3)
        known = {"store": store, "removed": progress.removed, "seconds": seconds}
        logger.info(message, extra={**known, progress.unit: progress.done})

    for progress in steps:
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            log("time is over: the next run goes on from here", progress)
            return False
        if now - shown >= SHOW_SECONDS:
            log("clearing", progress)
            mark_fresh(datetime.now(UTC) + GRACE)
            shown = now
    log("cleared", progress)
    return True
