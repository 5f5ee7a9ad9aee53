"""The hardened layer, `hardened_sessions`: each engine says itself what it needs."""

from contextlib import AbstractContextManager
from functools import partial
from typing import cast

from django.contrib.sessions.backends.base import SessionBase

from hardened_sessions.errors import SessionUnavailableError
from session_stack.layers import Steps, Store, engines, session_class

ENGINES = "hardened_sessions.backends"
DATABASE = "hardened_sessions.postgresql"  # Django's own waits for a hung server without end
APPS = ["hardened_sessions"]
MIDDLEWARE = [
    "hardened_sessions.outages.DatabaseOutageMiddleware",
    "hardened_sessions.middleware.HardenedSessionMiddleware",
]
UNVERIFIED = {"hardened_sessions.W003"}
UNAVAILABLE = (SessionUnavailableError,)


def stores(engine: type[SessionBase]) -> tuple[Store, ...]:
    """Return what the engine's class says."""
    return cast(tuple[Store, ...], engine.stores)  # type: ignore[attr-defined] # HardenedSession's


def needed(engine: type[SessionBase]) -> tuple[Store, ...]:
    """Return the first store, which decides; without the others the engine serves on."""
    return stores(engine)[:1]


def bounded() -> AbstractContextManager[None]:
    """Have each statement end in time, as within a request."""
    from hardened_sessions.postgresql.base import bounds_of_a_request

    return bounds_of_a_request()


def clearing() -> dict[str, Steps]:
    """Return what clears each engine, once where engines share it."""
    from hardened_sessions.clearing.steps import paced

    found = (session_class(name).clears for name in engines("hardened"))  # type: ignore[attr-defined]
    return {kind.place: partial(paced, kind()) for kind in dict.fromkeys(found) if kind}
