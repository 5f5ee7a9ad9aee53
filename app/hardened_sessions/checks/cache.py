"""Checks of the cache alias that holds sessions."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from hardened_sessions.checks.in_use import readable, uses_redis

LONGEST_WAIT = 1.0  # seconds a request may wait for the general cache's Redis


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
