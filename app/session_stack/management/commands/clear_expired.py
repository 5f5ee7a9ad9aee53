"""`manage.py clear_expired once|schedule`: clear every store that keeps expired sessions."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection

from session_stack.clearing.health import mark_fresh
from session_stack.clearing.run import AlreadyRunningError, clear_all
from session_stack.clearing.schedule import GRACE, next_run, sleep_until
from session_stack.layers import unavailable

logger = logging.getLogger("clearsessions")

RETRY = timedelta(seconds=10)


class Command(BaseCommand):
    help = (
        "once: clear now; exit status 1 when that fails or another container is clearing. "
        "schedule: clear now, then whenever CLEARSESSIONS_SCHEDULE says. A run is as gentle as "
        "half of the time until the next one allows."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("when", choices=["once", "schedule"])
        parser.add_argument(
            "--max-seconds",
            type=float,
            help="end a run after the step in which this time is over; the next one goes on",
        )
        parser.add_argument("--now", action="store_true", help="without pauses")

    def handle(
        self, *args: Any, when: str, max_seconds: float | None, now: bool, **options: Any
    ) -> None:
        if when == "once":
            if reason := clear(max_seconds, 0 if now else gentle()):
                raise CommandError(reason)
            return
        while True:
            reason = clear(max_seconds, 0 if now else gentle())
            due = due_next()
            if reason:
                logger.error("failed: %s", reason)
                due = min(due, datetime.now(UTC) + RETRY)
            else:
                mark_fresh(due + GRACE)
                logger.info("waiting", extra={"next": due.isoformat(timespec="seconds")})
            sleep_until(due)


def due_next() -> datetime:
    """Return when the next run is due."""
    return next_run(
        datetime.now(UTC),
        settings.ENV.clearsessions_schedule,
        settings.ENV.clearsessions_jitter_seconds,
    )


def gentle() -> float:
    """Return half the seconds until the next run, which a clearing may be spread over."""
    return (due_next() - datetime.now(UTC)).total_seconds() / 2


def clear(max_seconds: float | None, within: float) -> str | None:
    """Clear once; return one line that says why it failed, if it did."""
    try:
        clear_all(max_seconds, within)
    except AlreadyRunningError:
        return "another container is clearing; this one did nothing"
    except unavailable(DatabaseError, OSError) as error:
        return str(error).strip().splitlines()[-1].strip()
    finally:
        connection.close()
    return None
