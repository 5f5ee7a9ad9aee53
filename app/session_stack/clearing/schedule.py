"""When the next clearing is due, and until when the last one counts."""

import random
import time
from datetime import UTC, datetime, timedelta

from croniter import croniter

# How much later than due a clearing may succeed before the container counts as unhealthy.
GRACE = timedelta(minutes=10)

# A sleep does not count the time that the machine was suspended, so the clock is asked again after
# so many seconds.
NAP_SECONDS = 30.0


def next_run(after: datetime, expression: str, jitter_seconds: int) -> datetime:
    """Return the first time the cron expression names after that moment, plus a random delay.

    The delay keeps many stacks with one schedule from clearing in the same second.
    """
    due = croniter(expression, after.astimezone(UTC)).get_next(datetime)
    return due + timedelta(seconds=random.uniform(0, jitter_seconds))  # noqa: S311 - no secret


def sleep_until(due: datetime) -> None:
    """Return once the clock says so, also where it was set or the machine was suspended."""
    while (left := (due - datetime.now(UTC)).total_seconds()) > 0:
        time.sleep(min(left, NAP_SECONDS))
