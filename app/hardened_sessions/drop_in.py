"""System checks: what Django's own engines honour and these can't is refused, never passed over."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections, router
from django.db.models import Model
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from hardened_sessions.checks import (
    engine,
    is_redis,
    readable,
    session_class,
    uses_database,
    uses_redis,
)
from hardened_sessions.models import RevokedCookie
from hardened_sessions.session import HardenedSession

# What Django's engines call and the layer's don't, with what takes its place.
HOOKS = {
    **dict.fromkeys(("encode", "decode", "key_salt"), "SESSION_SERIALIZER, or ENCRYPTION_KEYS"),
    **dict.fromkeys(
        (
            *("_get_new_session_key", "_aget_new_session_key"),
            *("_get_or_create_session_key", "_aget_or_create_session_key"),
        ),
        "nothing: a key is 32 random characters",
    ),
    **dict.fromkeys(
        (
            *("get_model_class", "model", "create_model_instance", "acreate_model_instance"),
            *("_get_session_from_db", "_aget_session_from_db"),
        ),
        "a model of its own beside Session, written on the signal user_logged_in",
    ),
    **dict.fromkeys(
        ("cache_key_prefix", "cache_key", "acache_key", "_cache"),
        "KEY_PREFIX, VERSION or KEY_FUNCTION of the cache alias",
    ),
    **dict.fromkeys(
        ("_key_to_file", "_get_storage_path", "_storage_path", "_last_modification"),
        "SESSION_FILE_PATH",
    ),
}

CLIENTS = ("django_redis.client.DefaultClient", "django_redis.client.default.DefaultClient")
# A connection for each thread is what either comes to.
POOLS = tuple(
    f"redis.{place}{name}"
    for place in ("", "connection.")
    for name in ("ConnectionPool", "BlockingConnectionPool")
)
# An option of either Redis backend: what it may be.
OPTIONS = {
    "CLIENT_CLASS": CLIENTS,
    "CONNECTION_FACTORY": ("django_redis.pool.ConnectionFactory",),
    "CONNECTION_POOL_CLASS": POOLS,
    "pool_class": POOLS,
}


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    """Yield every class under one, wherever it was imported from."""
    found: list[type[Any]] = kind.__subclasses__()
    for each in found:
        yield each
        yield from subclasses(each)


def own_hooks(store: type) -> list[str]:
    """Return the hooks that a project's session class overrides."""
    own = (kind for kind in store.__mro__ if not kind.__module__.startswith("hardened_sessions."))
    return [
        name
        for kind in own
        if issubclass(kind, HardenedSession)
        for name in HOOKS
        if name in vars(kind)
    ]


@register(Tags.security)
def check_hooks(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """No session class has a hook that would never be called, whichever engine is in use."""
    for store in dict.fromkeys(subclasses(HardenedSession)):
        for name in own_hooks(store):
            yield Error(
                f"{store.__module__}.{store.__qualname__} overrides {name}, which this layer does "
                "not call.",
                hint=f"In its place: {HOOKS[name]}.",
                id="hardened_sessions.E020",
            )


@register(Tags.security)
def check_engine(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """The middleware does not stand for an engine that is somebody else's."""
    middleware = "hardened_sessions.middleware.HardenedSessionMiddleware"
    own = "django.contrib.sessions.backends."
    if middleware in settings.MIDDLEWARE and not (
        engine() or settings.SESSION_ENGINE.startswith(own)
    ):
        yield Warning(
            f"SESSION_ENGINE is {settings.SESSION_ENGINE}: none of the layer's promises holds.",
            hint="It may be one of hardened_sessions.backends, or a subclass.",
            id="hardened_sessions.W005",
        )


@register(Tags.security)
def check_signals(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """Nobody waits for signals of Django's model: the layer writes by statements of its own."""
    if "get_model_class" not in dir(session_class()):
        return
    for name, signal in (
        *(("pre_save", pre_save), ("post_save", post_save)),
        *(("pre_delete", pre_delete), ("post_delete", post_delete)),
    ):
        if listens(signal, Session):
            yield Error(
                f"{name} of Session has a receiver, which this layer never calls.",
                hint="It may listen to user_logged_in, user_logged_out or the signals in "
                "hardened_sessions.events.",
                id="hardened_sessions.E024",
            )


def listens(signal: Any, model: type[Model]) -> bool:
    """Return whether a receiver asks for this very model; one that asks for all is no sign."""
    return any(key[0][1] == id(model) for key in signal.receivers)


@register(Tags.database)
def check_routers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """What the layer keeps beside the sessions lies in their database."""
    known = readable()
    if not uses_database() or known is None:
        return
    if not router.allow_migrate_model(known.database, RevokedCookie):
        yield Error(
            f"DATABASE_ROUTERS keep hardened_sessions out of {known.database!r}, where the "
            "sessions are.",
            hint="They may treat hardened_sessions as they treat sessions, or "
            'HARDENED_SESSIONS["DATABASE"] may name where both are.',
            id="hardened_sessions.E023",
        )


@register(Tags.caches)
def check_tenants(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """Where each tenant has a schema, its sessions have names of their own in Redis too."""
    known = readable()
    alias = settings.SESSION_CACHE_ALIAS
    if not uses_redis() or alias not in settings.CACHES or known is None:
        return
    database = connections[known.database]
    custom = settings.CACHES[alias].get("KEY_FUNCTION")
    if hasattr(database, "schema_name") and not custom:
        yield Error(
            f"The database {known.database!r} has a schema for each tenant, and the cache "
            f"{alias!r} one name for all: a session of one tenant would open at another.",
            hint="Its KEY_FUNCTION may be django_tenants.cache.make_key, or any that puts the "
            "schema into a key.",
            id="hardened_sessions.E022",
        )


@register(Tags.caches)
def check_connections(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """The alias asks for no way to Redis that the layer, which connects by itself, would not go."""
    alias = settings.SESSION_CACHE_ALIAS
    if not uses_redis() or not is_redis(alias):
        return
    options = settings.CACHES[alias].get("OPTIONS", {})
    for name, allowed in OPTIONS.items():
        given = options.get(name)
        word = given if isinstance(given, str) or given is None else full_name(given)
        if word is not None and word not in (*allowed, *map(canonical, allowed)):
            yield Error(
                f"The cache {alias!r} has the {name} {word}: no Sentinel, cluster or client of "
                "one's own is asked for sessions.",
                hint="LOCATION may be one primary, and the option be left out.",
                id="hardened_sessions.E021",
            )
    yield from check_tls(alias)


def full_name(kind: Any) -> str:
    """Return a class's dotted name."""
    return f"{kind.__module__}.{kind.__qualname__}"


def canonical(name: str) -> str:
    """Return the name that the class of a pool has itself."""
    return name if ".connection." in name else name.replace("redis.", "redis.connection.", 1)


def check_tls(alias: str) -> Iterable[CheckMessage]:
    """A rediss:// alias speaks TLS."""
    from redis import SSLConnection

    from hardened_sessions.clients.redis import connection_arguments, pool

    location = settings.CACHES[alias]["LOCATION"]
    url = location if isinstance(location, str) else location[0]
    kind = pool(alias, connection_arguments(alias)).connection_class
    if url.startswith("rediss://") and not issubclass(kind, SSLConnection):
        yield Error(
            f"The cache {alias!r} is rediss://, and its connection_class {kind.__name__} speaks no "
            "TLS: the password would travel in clear.",
            hint="The option may be left out, or be a subclass of redis.SSLConnection.",
            id="hardened_sessions.E025",
        )
