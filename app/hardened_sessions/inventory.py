"""Whose sessions are these: list them, end one, the others, a user's, all.

Ending raises SessionUnavailableError where a store is away; nothing was ended then, or in
`end_session` the one session was not known to be.
"""

from collections.abc import Iterable
from importlib import import_module
from itertools import batched
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from hardened_sessions.conf import options
from hardened_sessions.models import SignedInSession
from hardened_sessions.revocation import users
from hardened_sessions.session import HardenedSession
from hardened_sessions.storage import listed

BATCH = 500


def engine() -> Any:
    """Return an empty session of the engine in use; raise TypeError where it isn't the layer's."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    if not isinstance(store, HardenedSession):
        raise TypeError(f"SESSION_ENGINE is {settings.SESSION_ENGINE}, which lists no sessions")
    return store


def sessions_of(user: Any, *, most: int | None = None) -> list[SignedInSession]:
    """Return where a user is signed in, the latest first.

    Args:
        user: the user, or its primary key.
        most: how many sessions to look at.
    """
    key = primary_key(user)
    found = SignedInSession.objects.using(options().database).filter(
        user_id=users.named(key), epoch__gte=users.epoch(key)
    )
    return there(found.order_by("-created")[:most])


def there(rows: Iterable[SignedInSession]) -> list[SignedInSession]:
    """Return those rows whose sessions are there."""
    store, kept = engine(), []
    if options().keys == "read":  # they may lie under their keys, which nothing here knows
        return list(rows)
    for some in batched(rows, BATCH, strict=False):
        held = store.held([row.name for row in some])
        kept += [row for row in some if row.name in held]
    return kept


def is_this(row: SignedInSession, request: HttpRequest) -> bool:
    """Return whether a row is the request's own session."""
    return row.name == name_of(request)


def name_of(request: HttpRequest) -> str:
    """Return the name under which the request's session is listed."""
    session: Any = request.session
    session._get_session()
    return str(session.listed_as)


def end_session(row: SignedInSession) -> None:
    """End one session; returns when that holds as a sign-out does.

    Raises:
        ValueError: while sessions may be stored under their keys, which nothing here knows.
    """
    if options().keys == "read":
        raise ValueError(
            'HARDENED_SESSIONS["KEYS"] is "read": one session can be ended once it is "hash"; '
            "a user's can be ended now"
        )
    engine().end((row.name,))
    listed.remove([row.name])


def end_others(request: HttpRequest) -> None:
    """End every session of the request's user but this one.

    This one is first made to outlast the end; where a store goes away in between, none ends.
    """
    session: Any = request.session
    users.end(*session.outlast_end())


def end_all_of(user: Any) -> None:
    """End every session of a user, listed or not: by one row, however many they are.

    Holds in every process within `bounds.TRUST`.
    """
    users.end(primary_key(user))


def end_all() -> None:
    """End every signed-in session of the site; holds as `end_all_of`."""
    users.end(users.EVERYBODY)


def primary_key(user: Any) -> str:
    """Return a user's primary key, as sessions have it."""
    meta = getattr(user, "_meta", None)
    return meta.pk.value_to_string(user) if meta else str(user)
