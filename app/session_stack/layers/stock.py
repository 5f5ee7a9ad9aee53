"""Django's own engines; the package `hardened_sessions` need not be there."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone

from session_stack.layers import Steps, Store

ENGINES = "django.contrib.sessions.backends"
DATABASE = "django.db.backends.postgresql"
# Where the other layer is there, its tables are too: a change of layers changes no table.
APPS = ["hardened_sessions"] if find_spec("hardened_sessions") else []
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
UNVERIFIED: set[str] = set()
UNAVAILABLE: tuple[type[Exception], ...] = ()
bounded = nullcontext  # Django's own database waits

# An attribute that a SessionStore of Django's has only with this store.
HOOKS: dict[str, Store] = {
    "get_model_class": "postgres",
    "cache_key_prefix": "redis",
    "_get_storage_path": "folder",
}


@dataclass(slots=True)
class Done:
    """A clearing that is one step."""

    unit: str
    done: int
    total: int
    removed: int


def stores(engine: type[SessionBase]) -> tuple[Store, ...]:
    """Return the stores that the engine's class has hooks for."""
    return tuple(store for hook, store in HOOKS.items() if hasattr(engine, hook))


def needed(engine: type[SessionBase]) -> tuple[Store, ...]:
    """Return them all: each of Django's engines fails wherever one of its stores is away."""
    return stores(engine)


def clearing() -> dict[str, Steps]:
    """Return Django's two ways to clear."""
    return {"table django_session": rows, "folder of file sessions": files}


def rows(within: float) -> Iterator[Done]:
    """Delete the expired rows in Django's one statement, which has no pace."""
    from django.contrib.sessions.models import Session

    _, deleted = Session.objects.filter(expire_date__lt=timezone.now()).delete()
    if APPS:
        # The hardened layer's triggers write its feed whichever layer runs.
        from hardened_sessions.clearing.rows import ExpiredRows

        ExpiredRows().clear_revocations()
    yield Done("statement", 1, 1, deleted.get(Session._meta.label, 0))


def files(within: float) -> Iterator[Done]:
    """Delete the expired files as Django does, which opens each one."""
    from django.contrib.sessions.backends.file import SessionStore

    folder = Path(settings.SESSION_FILE_PATH)
    before = set(folder.iterdir())
    SessionStore.clear_expired()
    yield Done("file", len(before), len(before), len(before - set(folder.iterdir())))
