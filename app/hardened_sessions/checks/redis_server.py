"""What the Redis behind the alias can do: tried once, before anybody's session depends on it."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from hardened_sessions.checks.cache import is_redis
from hardened_sessions.checks.in_use import stores, uses_redis


@register(Tags.caches, deploy=True)
def check_redis(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """Redis evicts nothing, keeps what it confirmed where it is the only authority, and can all."""
    if not uses_redis() or not is_redis(settings.SESSION_CACHE_ALIAS):
        return
    from redis.exceptions import RedisError

    from hardened_sessions.clients.redis import redis_client

    redis = redis_client().redis
    try:
        info = redis.info()
        refused = list(refusals(redis)) if not info["cluster_enabled"] else []
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
    if info["cluster_enabled"]:
        yield Error(
            "Redis is a cluster, whose scripts and commands keep to one slot each.",
            hint="LOCATION may be one Redis, or Valkey, that is none.",
            id="hardened_sessions.E026",
        )
    for command, reason in refused:
        yield Error(
            f"Redis refuses {command}, which {settings.SESSION_ENGINE} needs: {reason}",
            hint="It may be Redis 7.2, Valkey 7.2, or newer, and the user's rights may hold "
            f"+{command.lower()} for the names of sessions.",
            id="hardened_sessions.E027",
        )


def refusals(redis: Any) -> Iterator[tuple[str, str]]:
    """Yield each command that the layer's engine sends and this server refuses, and why.

    All go to a name that is nobody's, and leave nothing there.
    """
    from redis.exceptions import ResponseError

    from hardened_sessions.clients.redis import Script
    from hardened_sessions.format.redis_names import redis_name

    name = redis_name(secrets.token_hex(20))
    source = Script("replace").source
    tried: list[tuple[Any, ...]] = [
        ("SET", name, "", "PX", 1000),
        ("GET", name),
        ("DEL", name),
        ("EVAL", source, 2, name, name, "", "", 0),
    ]
    if stores()[0] == "redis":
        # No local file is waited for: whether there is one, INFO has said.
        tried += [("MGET", name), ("GETDEL", name), ("WAITAOF", 0, 0, 1)]
    for command in tried:
        try:
            redis.execute_command(*command)
        except ResponseError as error:
            yield command[0], f"{error}.".replace(name, "session")
