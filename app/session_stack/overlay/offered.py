"""The stack's values under the names by which projects commonly read them from the environment."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from django.core.exceptions import ImproperlyConfigured

from session_stack.env import Env

# How os.environ, django-environ and python-decouple name the variable that they miss.
MISSED = re.compile(r"\b([A-Z][A-Z0-9_]{2,})\b")


def offers(env: Env) -> dict[str, str]:
    """Return each name with its value.

    Of several hosts of Postgres the first: parsers of the environment take one, and the stack's own
    DATABASES has them all.
    """
    host, port = (text.partition(",")[0] for text in (env.database.host, env.database.port))
    database = {
        "HOST": host,
        "PORT": port,
        "NAME": env.database.name,
        "DB": env.database.name,
        "USER": env.database.user,
        "PASSWORD": env.database.password,
    }
    named = {
        f"{prefix}_{part}": value
        for prefix in ("DATABASE", "DB", "POSTGRES")
        for part, value in database.items()
    }
    login = f"{escaped(env.database.user)}:{escaped(env.database.password)}"
    values = {
        **named,
        "DATABASE_URL": f"postgres://{login}@{host}:{port}/{escaped(env.database.name)}",
        "SECRET_KEY": env.secret_key,
        "ALLOWED_HOSTS": env.domain,
        "CSRF_TRUSTED_ORIGINS": env.origin,
        "DEBUG": "False",
    }
    if env.redis:
        password = f":{escaped(env.redis.password)}@"
        values["REDIS_URL"] = env.redis.location.replace("@", password, 1)
    return values | {f"DJANGO_{name}": value for name, value in values.items()}


def escaped(text: str) -> str:
    """Return a text as it stands in a URL, where each character may have a meaning."""
    return quote(text, safe="")


@contextmanager
def offering(env: Env, module: str) -> Iterator[None]:
    """Have them in the environment, where the operator gave no other value, for an import.

    Raises:
        SystemExit: with one line that names the variable which the module still lacks.
    """
    added = {name: value for name, value in offers(env).items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    except (KeyError, ImproperlyConfigured, ValueError) as error:
        missed = MISSED.search(str(error))
        if missed is None or missed[1] in os.environ:
            raise
        raise SystemExit(
            f"env: {module} reads {missed[1]}, which has no value; the app's service may set it"
        ) from error
    finally:
        for name in added:
            os.environ.pop(name, None)
