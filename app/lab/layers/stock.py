"""Django's own engines: sessions are kept under the key itself.

Who knows a key has the session. So pages and commands name it by its first characters: unique
enough to find it, and 24 characters (124 bits) short of being it.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.core import signing
from django.core.cache import caches
from django.utils import timezone
from django_redis import get_redis_connection

from accounts.fingerprint import fingerprint
from lab.cookie import SHOWN_CHARACTERS
from lab.layers import Command, Place, backend
from lab.layers.commands import IN_REDIS, READ_COOKIE, ROW, SHELL
from session_stack.layers import session_class
from session_stack.layers import stock as stock_layer

COOKIE_SALT = "django.contrib.sessions.backends.signed_cookies"

# By the first characters of the key, so that no line has it whole.
EACH_LIKE = '--scan --pattern "{pattern}" | xargs -n 1 redis-cli --user admin {verb}'


def describe() -> str:
    """Return what this layer is, in a few words."""
    return "Django’s own engines"


def places(backend: str, key: str) -> list[Place]:
    """Return every place where the backend keeps the session with this key, as it is now."""
    if in_cookie(backend):
        return [cookie(key)]
    ways = {"redis": redis_key, "folder": file, "postgres": row}
    stores = stock_layer.stores(session_class(backend))
    found = (look(backend, key) for store, look in ways.items() if store in stores)
    return [place for place in found if place]


def in_cookie(backend: str) -> bool:
    """Return whether the engine has no store on the server."""
    return not stock_layer.stores(session_class(backend))


def row(backend: str, key: str) -> Place | None:
    """Return the row of `django_session`."""
    kept = Session.objects.filter(session_key=key).first()
    if kept is None:
        return None
    start = key[:SHOWN_CHARACTERS]
    where = f"session_key LIKE '{start}%'"
    code = f"print(Session.objects.get(session_key__startswith='{start}').get_decoded())"
    return Place(
        kind="a row in Postgres",
        name=f"django_session, session_key {start}…",
        raw=kept.session_data,
        size=len(kept.session_data),
        expires=kept.expire_date,
        commands=(
            Command("raw", ROW.format(column="session_data", where=where)),
            Command("decoded", SHELL.format(backend=backend, code=code)),
            Command("expires", ROW.format(column="expire_date", where=where)),
        ),
    )


def redis_key(backend: str, key: str) -> Place | None:
    """Return the key in Redis; its value is JSON, as the cache's serializer writes it."""
    cache = caches[settings.SESSION_CACHE_ALIAS]
    prefix = session_class(backend).cache_key_prefix  # type: ignore[attr-defined] # those in Redis have it
    name = cache.make_key(prefix + key)
    with get_redis_connection(settings.SESSION_CACHE_ALIAS).pipeline(transaction=False) as pipe:
        value, seconds = pipe.get(name).ttl(name).execute()
    if value is None:
        return None
    start = cache.make_key(prefix + key[:SHOWN_CHARACTERS])
    return Place(
        kind="a key in Redis",
        name=f"{start}…",
        raw=value.decode(),
        size=len(value),
        expires=timezone.now() + timedelta(seconds=seconds) if seconds >= 0 else None,
        commands=(
            Command("raw", in_redis(start, "get")),
            Command("seconds left", in_redis(start, "ttl")),
        ),
    )


def in_redis(start: str, verb: str) -> str:
    """Return the line that asks for the Redis keys that begin so."""
    return IN_REDIS.format(command=EACH_LIKE.format(pattern=f"{start}*", verb=verb))


def file(backend: str, key: str) -> Place | None:
    """Return the file; how long it lives follows from its age and from what it says."""
    path = Path(settings.SESSION_FILE_PATH) / f"{settings.SESSION_COOKIE_NAME}{key}"
    try:
        raw, changed = path.read_text(encoding="ascii"), path.stat().st_mtime
    except OSError:
        return None
    start = str(path)[: SHOWN_CHARACTERS - len(key)]
    store = session_class(backend)()
    expiry = store.decode(raw).get("_session_expiry")
    changed_at = datetime.fromtimestamp(changed, UTC)
    ignored = isinstance(expiry, int) and expiry > 0  # the engine never compares these with time
    code = (
        "from pathlib import Path; from importlib import import_module; "
        "store = import_module(settings.SESSION_ENGINE).SessionStore(); "
        f"print(store.decode(next(Path('{path.parent}')"
        f".glob('{Path(start).name}*')).read_text()))"
    )
    return Place(
        kind="a file",
        name=f"{start}…",
        raw=raw,
        size=len(raw),
        expires=None if ignored else store.get_expiry_date(modification=changed_at, expiry=expiry),
        commands=(
            Command("raw", f"docker compose exec app-{backend} sh -c 'cat {start}*'"),
            Command("decoded", SHELL.format(backend=backend, code=code)),
            Command("changed", f"docker compose exec app-{backend} sh -c 'stat -c %Y {start}*'"),
        ),
    )


def cookie(value: str, without: str = "") -> Place:
    """Return the cookie itself: signed, so nobody can change it, and readable by all.

    Args:
        value: the cookie's.
        without: what a layer keeps among the data, and its command leaves out.
    """
    return Place(
        kind="the cookie itself",
        name="in your browser and nowhere else",
        raw=f"{value[:SHOWN_CHARACTERS]}…",
        size=len(settings.SESSION_COOKIE_NAME) + len(value),
        expires=None,
        commands=(Command("decoded", READ_COOKIE.format(without=without)),),
    )


def cookie_contents(value: str) -> dict[str, Any] | None:
    """Return what anyone can read in a cookie that holds the data; None where it is not ours."""
    try:
        contents: dict[str, Any] = signing.loads(value, salt=COOKIE_SALT)
    except signing.BadSignature:
        return None
    return contents


def cookie_size(session: SessionBase, data: dict[str, Any]) -> int:
    """Return the bytes of name and value of a cookie that holds this data."""
    value = signing.dumps(data, compress=True, salt=COOKIE_SALT, serializer=session.serializer)
    return len(settings.SESSION_COOKIE_NAME) + len(value)


def read_row(row: Session) -> tuple[dict[str, Any], datetime]:
    """Return what a row of the session table says, decoded, and when the session ends."""
    return row.get_decoded(), row.expire_date


def row_fingerprint(row: Session) -> str:
    """Return the fingerprint of the key that a row is for."""
    return fingerprint(row.session_key)


def end(row: Session) -> None:
    """End the session of a row, and its copy in Redis: deleting the row alone would leave that."""
    session_class(backend())(row.session_key).delete()
