"""System checks: what would break the layer's promises is refused before anything is served."""

import pickle
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from redis.exceptions import RedisError

from hardened_sessions.conf import Options, options
from hardened_sessions.format import encryption
from hardened_sessions.session import HardenedSession

PSYCOPG_MIN_SIZE = 4  # psycopg_pool's default, which is also its default max_size

LONGEST_WAIT = 1.0  # seconds a request may wait for the general cache's Redis


def engine() -> str | None:
    """Return the layer's engine in use, by its word, or None; a project's subclass is one too."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    return store.store if issubclass(store, HardenedSession) else None


def session_class() -> Any:
    """Return the SessionStore of the engine in use, or None where it is not the layer's."""
    return import_module(settings.SESSION_ENGINE).SessionStore if engine() else None


def stores() -> tuple[str, ...]:
    """Return where the engine in use keeps anything; nothing where it is not the layer's."""
    return session_class().stores if engine() else ()


def uses_database() -> bool:
    """Return whether the engine in use asks the database."""
    return "postgres" in stores()


def uses_redis() -> bool:
    """Return whether the engine in use keeps anything in Redis."""
    return "redis" in stores()


@register(Tags.security)
def check_options(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """The layer's own settings can be read."""
    try:
        if encryption.enabled():
            encryption.ciphers(options().encryption_keys)
    except ImproperlyConfigured as error:
        yield Error(str(error), id="hardened_sessions.E001")


def readable() -> Options | None:
    """Return the layer's settings, or None where `check_options` has refused them."""
    try:
        return options()
    except ImproperlyConfigured:
        return None


@register(Tags.security)
def check_encryption(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """Nothing is encrypted while Django's own engines may have to read it."""
    known = readable()
    if engine() and known and known.encryption_keys and known.keys == "read":
        yield Error(
            'Sessions are encrypted while HARDENED_SESSIONS["KEYS"] is "read": workers of '
            "Django's own engine would take each for an empty one.",
            hint='ENCRYPTION_KEYS may follow once KEYS is "hash" in every worker.',
            id="hardened_sessions.E013",
        )


class Reduced:
    """What says that it was asked how to make it again, as only serializers of code ask."""

    asked = False

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Take note; a dict will do."""
        self.asked = True
        return dict, ()


def pickles(name: str) -> bool:
    """Return whether a serializer writes or reads more than values: any object, by code."""
    serializer = import_string(name)()
    probe = Reduced()
    with suppress(Exception):  # JSON can't hold it
        serializer.dumps({"probe": probe})
    if probe.asked:
        return True
    with suppress(Exception):  # it is no JSON
        return bool(serializer.loads(pickle.dumps({"probe": 1})) == {"probe": 1})
    return False


@register(Tags.security)
def check_serializer(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """Nothing is ever pickled, whatever the serializer is called."""
    if not engine():
        return
    name = settings.SESSION_SERIALIZER
    try:
        problem = "who can write to the store could run code in Django." if pickles(name) else ""
    except (ImportError, TypeError) as error:
        problem = f"{error}."
    if problem:
        yield Error(
            f"SESSION_SERIALIZER is {name}: {problem}",
            hint="It may be django.contrib.sessions.serializers.JSONSerializer.",
            id="hardened_sessions.E002",
        )


@register(Tags.security)
def check_middleware(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """The middleware is the one that knows a third answer."""
    if engine() and "django.contrib.sessions.middleware.SessionMiddleware" in settings.MIDDLEWARE:
        yield Error(
            "Django's own session middleware makes a server error of an unavailable session.",
            hint="MIDDLEWARE may hold hardened_sessions.middleware.HardenedSessionMiddleware in "
            "its place.",
            id="hardened_sessions.E003",
        )


@register(Tags.security)
def check_cookie_name(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """Nobody but this host can have set the cookie, once the grace is over."""
    known = readable()
    if engine() is None or known is None or settings.SESSION_COOKIE_NAME.startswith("__Host-"):
        return
    kind = Warning if known.grace_until else Error
    yield kind(
        f"SESSION_COOKIE_NAME is {settings.SESSION_COOKIE_NAME!r}: another host of the domain "
        "could plant a cookie of that name.",
        hint='It may begin with __Host-; HARDENED_SESSIONS["OLD_COOKIE_NAME"] takes the old one '
        "over.",
        id="hardened_sessions.W001" if known.grace_until else "hardened_sessions.E004",
    )


def locations(alias: str) -> list[str]:
    """Return the cache's servers."""
    location = settings.CACHES.get(alias, {}).get("LOCATION") or []
    return [location] if isinstance(location, str) else list(location)


def is_redis(alias: str) -> bool:
    """Return whether the cache is one that Redis commands can be sent to."""
    servers = locations(alias)
    return bool(servers) and servers[0].startswith(("redis://", "rediss://", "unix://"))


def sharing_with(alias: str) -> list[str]:
    """Return the other caches that are kept in the same place."""
    place = settings.CACHES[alias].get("LOCATION")
    return [
        name
        for name, other in settings.CACHES.items()
        if name != alias and other.get("LOCATION") == place
    ]


@register(Tags.caches)
def check_alias(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """The session alias is one Redis server of its own."""
    if not uses_redis():
        return
    alias = settings.SESSION_CACHE_ALIAS
    if alias not in settings.CACHES:
        yield Error(f"CACHES has no {alias!r}.", id="hardened_sessions.E005")
        return
    servers = locations(alias)
    if not is_redis(alias):
        yield Error(
            f"The cache {alias!r} is no Redis.",
            hint="Its LOCATION may be redis://, rediss:// or unix:// and a server.",
            id="hardened_sessions.E005",
        )
        return
    if len(servers) != 1 or "," in servers[0]:
        yield Error(
            f"The cache {alias!r} has {len(servers)} servers: a replica that lags would not know "
            "new sessions, and know ended ones.",
            hint="Its LOCATION may be one primary.",
            id="hardened_sessions.E006",
        )
    sharing = sharing_with(alias)
    if alias == "default" or sharing:
        yield Error(
            f"Sessions share {alias!r} with {', '.join(sharing) or 'everything that caches'}: "
            "clearing that cache would end every session.",
            hint="SESSION_CACHE_ALIAS may name an alias whose LOCATION no other one has.",
            id="hardened_sessions.E007",
        )


@register(Tags.caches)
def check_timeouts(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """Whoever else uses the session alias does not wait long for a hung Redis either."""
    if not uses_redis():
        return
    given = settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {}).get("OPTIONS", {})
    lower = {name.lower(): value for name, value in given.items()}
    for name in ("socket_timeout", "socket_connect_timeout"):
        if not 0 < (lower.get(name) or 0) <= LONGEST_WAIT:
            yield Error(
                f"The cache {settings.SESSION_CACHE_ALIAS!r} has no short {name}.",
                hint=f"OPTIONS may hold {name} of {LONGEST_WAIT:.0f} second or less.",
                id="hardened_sessions.E008",
            )


@register(Tags.database)
def check_database(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """The database can do what the layer's statements ask, and has a connection for each thread."""
    known = readable()
    if not uses_database() or known is None or known.database not in (databases or []):
        return
    from hardened_sessions.clients.database import database

    connection = database(known.database).connection
    if connection.vendor not in ("postgresql", "sqlite"):
        yield Error(
            f"Sessions are in {connection.display_name}.",
            hint="The layer's statements are for PostgreSQL and SQLite.",
            id="hardened_sessions.E009",
        )
    elif connection.vendor == "sqlite" and session_class().reads_feed:
        yield Warning(
            "SQLite has no change feed: the database is read at each load.",
            hint="PostgreSQL has one.",
            id="hardened_sessions.W002",
        )
    yield from check_pool(connection.settings_dict.get("OPTIONS", {}).get("pool"), known.threads)


def check_pool(pool: Any, threads: int | None) -> Iterable[CheckMessage]:
    """A thread that waits for a pooled connection waits for longer than any hung server."""
    if not pool:
        return  # a connection for each thread
    given = pool if isinstance(pool, dict) else {}
    largest = given.get("max_size") or given.get("min_size", PSYCOPG_MIN_SIZE)
    if threads is None:
        yield Warning(
            f"Whether the pool's {largest} connections are enough is unverified.",
            hint='HARDENED_SESSIONS["THREADS"] may hold the number of threads a process.',
            id="hardened_sessions.W004",
        )
    elif largest < threads:
        yield Error(
            f"The pool has {largest} connections for {threads} threads: the others would wait.",
            hint=f"The pool's max_size may be {threads}.",
            id="hardened_sessions.E012",
        )


@register(Tags.caches, deploy=True)
def check_redis(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """Redis evicts nothing, and keeps what it confirmed where it is the only authority."""
    if not uses_redis() or not is_redis(settings.SESSION_CACHE_ALIAS):
        return
    from hardened_sessions.clients.redis import redis_client

    try:
        info = redis_client().redis.info()
    except RedisError as error:
        # An outage must never block a start.
        yield Warning(
            f"Redis's eviction policy is unverified: {type(error).__name__}.",
            id="hardened_sessions.W003",
        )
        return
    if info["maxmemory_policy"] != "noeviction":
        yield Error(
            f"Redis's maxmemory-policy is {info['maxmemory_policy']}: an evicted session is "
            "somebody logged out.",
            hint="It may be noeviction.",
            id="hardened_sessions.E010",
        )
    if stores()[0] == "redis" and not info["aof_enabled"]:
        yield Error(
            "Redis keeps no append-only file: a sign-out could be undone by its restart.",
            hint="redis.conf may hold: appendonly yes",
            id="hardened_sessions.E011",
        )
