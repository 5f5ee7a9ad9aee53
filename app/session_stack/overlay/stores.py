"""The stack's database and Redis, among what the project has of its own."""

from collections.abc import Mapping
from typing import Any

from redis.backoff import NoBackoff
from redis.retry import Retry

from session_stack.env import Env

# What a project says of its database that holds wherever that is.
KEPT = ("ATOMIC_REQUESTS", "AUTOCOMMIT", "DISABLE_SERVER_SIDE_CURSORS", "TEST", "TIME_ZONE")
KEPT_OPTIONS = ("cursor_factory", "isolation_level", "server_side_binding")


def databases(project: Mapping[str, Any], engine: str, env: Env) -> dict[str, Any]:
    """Return the project's, whose `default` is the stack's Postgres."""
    theirs = project.get("default", {})
    options = theirs.get("OPTIONS", {})
    return {
        **project,
        "default": {
            **{name: theirs[name] for name in KEPT if name in theirs},
            "ENGINE": engine,
            "HOST": env.database.host,
            "PORT": env.database.port,
            "NAME": env.database.name,
            "USER": env.database.user,
            "PASSWORD": env.database.password,
            # A process keeps one connection for each gunicorn thread; without that, opening
            # connections costs more than all the rest of a request together.
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {
                **{name: options[name] for name in KEPT_OPTIONS if name in options},
                "connect_timeout": 2,  # seconds; the least that libpq takes
                # The layer's own statements are prepared at once: a save costs Postgres less.
                "prepare_threshold": 0,
                "application_name": env.session_backend,
                # For a process that no longer waits; `prepare_database` has bounds of its own.
                "options": f"-c statement_timeout={env.statement_seconds + 8}s "
                "-c idle_in_transaction_session_timeout=30s",
                **env.database_tls,
            },
        },
    }


def caches(project: Mapping[str, Any], env: Env) -> dict[str, Any]:
    """Return the project's, and the sessions' where this container was given a Redis."""
    if not env.redis:
        return dict(project)
    # An alias and a Redis of its own: clearing the general cache must log nobody out.
    sessions = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": env.redis.location,
        "OPTIONS": {
            "PASSWORD": env.redis.password,
            # The default is pickle: whoever writes to Redis could then run code here.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 0.3,  # seconds
            "SOCKET_TIMEOUT": 0.3,  # seconds
            # redis-py's own default tries ten times: seconds of waiting on a hung server.
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0), **env.redis_tls},
        },
    }
    return {**project, "sessions": sessions}
