"""When the next clearing is due, and until when the last one counts."""

import random
from datetime import UTC, datetime, timedelta

from croniter import croniter

# How much later than due a clearing may succeed before the container counts as unhealthy.
GRACE = timedelta(minutes=10)


def next_run(after: datetime, expression: str, jitter_seconds: int) -> datetime:
    """Return the first time the cron expression names after that moment, plus a random delay.

    The delay keeps many stacks with one schedule from clearing in the same second.
    """
    due = croniter(expression, after.astimezone(UTC)).get_next(datetime)
    return due + timedelta(seconds=random.uniform(0, jitter_seconds))  # noqa: S311 - no secret
