"""Take off the list of signed-in sessions what has ended: by asking the engine, some at a time."""

from datetime import timedelta
from importlib import import_module
from typing import Any

from django.conf import settings
from django.utils import timezone

from hardened_sessions.conf import options
from hardened_sessions.models import SignedInSession
from hardened_sessions.storage import listed

ROWS = 500  # a step
YOUNG = timedelta(minutes=1)  # a session may be listed a moment before it is there


def remove_ended() -> None:
    """Remove the rows whose sessions are gone."""
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore()
    # Stored under keys, which nothing here knows, no session would be found.
    if not hasattr(store, "held") or options().keys == "read":
        return
    last = ""
    listing = SignedInSession.objects.using(options().database).order_by("name")
    old = listing.filter(created__lt=timezone.now() - YOUNG).values_list("name", flat=True)
    while names := list(old.filter(name__gt=last)[:ROWS]):
        held = store.held(names)
        listed.remove(name for name in names if name not in held)
        last = names[-1]
