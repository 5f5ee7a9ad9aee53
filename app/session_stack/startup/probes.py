"""The stores that session engines keep sessions in, and how each is asked whether it answers."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import OperationalError, connection
from django_redis import get_redis_connection
from redis.exceptions import AuthenticationError, RedisError

from session_stack.layers import Store, layer, session_class, unavailable

type Probe = Callable[[], None]

ROLES = "docker compose exec postgres /etc/postgresql/roles.sh"
ITS_URL = "its URL, in deploy/secrets"  # of a store that runs elsewhere


class StoreUnavailableError(Exception):
    """A store that can't be used; the message is one line with the repair, without a secret."""


def postgres_reason(error: Exception) -> str:
    """Return one line that says why Postgres is not to be had, and the repair."""
    env = settings.ENV
    server = f"Postgres at {env.database.host}:{env.database.port}"
    if "password authentication failed" in str(error):
        return (
            f"{server} refuses the password of role {env.database.user!r}: "
            "a changed secret does not change the database; repair: "
            + (ITS_URL if env.database.elsewhere else ROLES)
        )
    reason = str(error).strip().splitlines()[-1].strip()
    see = ITS_URL if env.database.elsewhere else "docker compose logs postgres"
    return f"{server} is not available ({reason}); see: {see}"


def probe_postgres() -> None:
    """Run a statement as the role of this process.

    Raises:
        StoreUnavailableError: when Postgres does not answer or refuses the role.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except unavailable(OperationalError) as error:
        raise StoreUnavailableError(postgres_reason(error)) from error


def probe_redis() -> None:
    """Ask Redis for an answer as the user of this process.

    Raises:
        StoreUnavailableError: when Redis does not answer or refuses the user.
    """
    redis = settings.ENV.redis
    if redis is None:
        raise StoreUnavailableError("this container was given no Redis")
    server = f"Redis at {redis.host}:{redis.port}"
    try:
        get_redis_connection(settings.SESSION_CACHE_ALIAS).ping()
    except AuthenticationError as error:
        raise StoreUnavailableError(
            f"{server} refuses the password of user {redis.user!r}: "
            "Redis reads a changed secret when it starts; repair: "
            + (ITS_URL if redis.elsewhere else "docker compose restart redis")
        ) from error
    except RedisError as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        see = ITS_URL if redis.elsewhere else "docker compose logs redis"
        raise StoreUnavailableError(f"{server} is not available ({reason}); see: {see}") from error


def probe_folder() -> None:
    """Write a nameless file to the folder of file sessions.

    Raises:
        StoreUnavailableError: when that fails.
    """
    folder = Path(settings.SESSION_FILE_PATH)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"1")
    except OSError as error:
        raise StoreUnavailableError(
            f"SESSION_FILE_PATH is {folder}, where this process can't write ({error.strerror}); "
            "it may be a folder that the container's user owns"
        ) from error


PROBES: dict[Store, Probe] = {
    "postgres": probe_postgres,
    "redis": probe_redis,
    "folder": probe_folder,
}


def needed_probes() -> list[Probe]:
    """Return the probes of the stores that the configured engine can't serve without."""
    engine = session_class(settings.ENV.session_backend)
    return [PROBES[store] for store in layer().needed(engine)]
