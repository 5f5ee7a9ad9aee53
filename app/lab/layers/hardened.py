"""The hardened layer: sessions are kept under the hash of their key.

A name that a store knows opens nothing, so pages and commands show it whole.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.fingerprint import of_hash
from hardened_sessions.backends import signed_cookies
from hardened_sessions.clients.redis import redis_client
from hardened_sessions.format import codec, keys
from hardened_sessions.format.record import Stored, epoch
from hardened_sessions.format.redis_names import redis_name
from hardened_sessions.storage.files import folder
from hardened_sessions.stored_session import StoredSession
from lab.layers import Command, Place, Shows, backend, stock
from lab.layers.commands import IN_REDIS, ROW, SHELL
from session_stack.layers import session_class

FETCH = (
    "from importlib import import_module; "
    "session = import_module(settings.SESSION_ENGINE).SessionStore(); "
    "kept = session.storage.fetch(('{name}',), fresh=True); "
)
DATA = FETCH + "print(kept.data)"
DECODED = "print(Session.objects.get(session_key='{name}').get_decoded())"
ENDS = (
    "from datetime import UTC, datetime; "
    + FETCH
    + "print(datetime.fromtimestamp(kept.expires, UTC).isoformat())"
)


# Both sign a cookie alike.
cookie_contents = stock.cookie_contents


def describe() -> str:
    """Return what this layer is, in a few words."""
    return "the hardened engines"


def places(backend: str, key: str) -> list[Place]:
    """Return every place where the backend keeps the session with this key, as it is now."""
    if in_cookie(backend):
        return [stock.cookie(key, without=codec.META)]
    stored = engine(backend).storage.fetch(keys.names_for(key), fresh=True)
    if stored is None:
        return []
    if keys.is_key(stored.name):
        # Django's own form, until its next save: its name is the key, and not to be shown.
        return stock.places(backend, key)
    stores = session_class(backend).stores  # type: ignore[attr-defined] # the layer's have it
    found = redis_key(backend, stored) if "redis" in stores else []
    if "folder" in stores:
        found.append(file(backend, stored))
    if "postgres" in stores:
        found.append(row(backend, stored))
    return found


def in_cookie(backend: str) -> bool:
    """Return whether the engine has no storage on the server."""
    return not issubclass(session_class(backend), StoredSession)


def engine(backend: str) -> StoredSession:
    """Return an empty session of the backend."""
    return cast(StoredSession, session_class(backend)())


def ends(stored: Stored) -> datetime:
    """Return when the session ends, which is in its value."""
    return datetime.fromtimestamp(stored.expires, UTC)


def shell(backend: str, shows: Shows, code: str, stored: Stored) -> Command:
    """Return a command that runs a line of Python in the app's container."""
    return Command(shows, SHELL.format(backend=backend, code=code.format(name=stored.name)))


def row(backend: str, stored: Stored) -> Place:
    """Return the row of `django_session`."""
    where = f"session_key = '{stored.name}'"
    return Place(
        kind="a row in Postgres",
        name=f"django_session, session_key {stored.name}",
        raw=stored.payload,
        size=len(stored.payload),
        expires=ends(stored),
        commands=(
            Command("raw", ROW.format(column="session_data", where=where)),
            shell(backend, "decoded", DECODED, stored),
            shell(backend, "expires", ENDS, stored),
        ),
    )


def redis_key(backend: str, stored: Stored) -> list[Place]:
    """Return the key in Redis: the session, or a copy of its row."""
    decides = session_class(backend).stores[0] == "redis"  # type: ignore[attr-defined]
    name = redis_name(stored.name)
    value, milliseconds = redis_client().call("GET", name), redis_client().call("PTTL", name)
    if value is None or milliseconds < 0:
        return []
    return [
        Place(
            kind="a key in Redis" if decides else "a copy in Redis",
            name=name,
            raw=value.decode(),
            size=len(value),
            expires=timezone.now() + timedelta(milliseconds=milliseconds),
            commands=(
                Command("raw", IN_REDIS.format(command=f"get {name}")),
                Command("seconds left", IN_REDIS.format(command=f"ttl {name}")),
                *((shell(backend, "decoded", DATA, stored),) if decides else ()),
            ),
        )
    ]


def file(backend: str, stored: Stored) -> Place:
    """Return the file; its modification time is when the session ends."""
    path = folder() / f"{settings.SESSION_COOKIE_NAME}{stored.name}"
    execute = f"docker compose exec app-{backend}"
    return Place(
        kind="a file",
        name=str(path),
        raw=Path(path).read_text(),
        size=len(stored.payload),
        expires=ends(stored),
        commands=(
            Command("raw", f"{execute} cat {path}"),
            shell(backend, "decoded", DATA, stored),
            Command("expires", f"{execute} date --utc --iso-8601=seconds --reference={path}"),
        ),
    )


def cookie_size(session: SessionBase, data: dict[str, Any]) -> int:
    """Return the bytes of name and value of a cookie that holds this data."""
    store = cast(signed_cookies.SessionStore, session)
    return len(settings.SESSION_COOKIE_NAME) + len(store.cookie_value(data))


def read_row(row: Session) -> tuple[dict[str, Any], datetime]:
    """Return what a row of the session table says, decoded, and when the session ends.

    `expire_date` is when the row may be cleared, which is later.
    """
    serializer = codec.serializer_of(session_class(backend())())
    stored = codec.decode_row(row.session_key, row.session_data, epoch(row.expire_date), serializer)
    return (stored.data, ends(stored)) if stored else ({}, row.expire_date)


def row_fingerprint(row: Session) -> str:
    """Return the fingerprint of the key that a row is for."""
    name = row.session_key
    return of_hash(keys.hashed(name) if keys.is_key(name) else name)


def end(row: Session) -> None:
    """End the session of a row, wherever else it is kept too."""
    engine(backend()).end((row.session_key,))
