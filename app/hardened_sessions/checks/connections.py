"""Checks of how the cache alias connects: the layer connects by itself, and in no other way."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from hardened_sessions.checks.cache import is_redis
from hardened_sessions.checks.in_use import uses_redis

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
