"""Which engine is in use, and what it asks: the checks of a thing that is not used stay silent."""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from hardened_sessions.conf import Options, options
from hardened_sessions.session import HardenedSession


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


def readable() -> Options | None:
    """Return the layer's settings, or None where `check_options` has refused them."""
    try:
        return options()
    except ImproperlyConfigured:
        return None
