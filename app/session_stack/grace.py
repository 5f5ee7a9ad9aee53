"""Until when this stack finds sessions that Django's own engines stored under their key.

Nobody signed those in Redis, so a stack that never ran the engines looks for none. One that did
looks for them as long as one can live that was saved before the change: the row of the engine in
force knows when that was.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils import timezone

OVER = datetime.min.replace(tzinfo=UTC)


def rows() -> Any:
    """Return the row of the engine in force; the settings name this module before its model is."""
    return apps.get_model("engine", "EngineInForce").objects.filter(pk=1)


def until() -> datetime | None:
    """Return until when; None where no such session counts.

    The processes that serve were told at their start, and need no database for it.
    """
    told: datetime | None = settings.ENV.session_grace_until
    if told is None and settings.ENV.session_layer == "hardened":
        return recorded()
    return told


def recorded() -> datetime | None:
    """Return what the row says."""
    row = rows().first()
    return row.grace_until if row and settings.ENV.session_grace != "false" else None


def record() -> datetime | None:
    """Note which form of sessions this process will write; return until when it finds the other.

    The first process that writes hashes, after one that wrote keys, sets the end of the grace.
    """
    env = settings.ENV
    row = rows().get()
    if env.session_layer == "stock" or env.session_keys == "read":
        rows().update(wrote_keys=True)
        return None
    if row.wrote_keys or (env.session_grace == "true" and row.grace_until is None):
        ends = timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE)
        # Of several that start together one is the first.
        rows().filter(wrote_keys=row.wrote_keys, grace_until=row.grace_until).update(
            wrote_keys=False, grace_until=ends
        )
    return recorded()
