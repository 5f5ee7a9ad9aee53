"""What differs between the session layers: one module each, named as SESSION_LAYER names it.

The settings read these modules, so none of them imports a model before a function is called.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Literal, Protocol, cast

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

Store = Literal["postgres", "redis", "folder"]

LAYERS = tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py")))


class Progress(Protocol):
    """How far a clearing is, in its own unit, and how many sessions went."""

    unit: str
    done: int
    total: int
    removed: int


# Takes the seconds that the steps may be spread over; 0 for no pauses.
type Steps = Callable[[float], Iterator[Progress]]


class Layer(Protocol):
    """What a module of this package offers."""

    ENGINES: str  # the package that has a module for each engine
    DATABASE: str  # Django's ENGINE
    APPS: list[str]
    MIDDLEWARE: list[str]
    UNVERIFIED: set[str]  # checks that can't find out during an outage, which refuses no start
    UNAVAILABLE: tuple[type[Exception], ...]  # what its engines raise where a store is away

    def stores(self, engine: type[SessionBase]) -> tuple[Store, ...]:
        """Return where an engine keeps anything; what it is given as that module's SessionStore."""
        ...

    def needed(self, engine: type[SessionBase]) -> tuple[Store, ...]:
        """Return the stores without which an engine serves no session."""
        ...

    def bounded(self) -> AbstractContextManager[None]:
        """Bound the database's statements, where the layer does that in a request."""
        ...

    def clearing(self) -> dict[str, Steps]:
        """Return how each place that keeps expired sessions is cleared, by what it is."""
        ...


def named(name: str) -> Layer:
    """Return the module of that layer."""
    return cast(Layer, import_module(f"{__name__}.{name}"))


def layer() -> Layer:
    """Return the module of the layer that runs."""
    return named(settings.ENV.session_layer)


def unavailable(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """Return what says that a store is away: these, and what the layer's engines raise."""
    return (*others, *layer().UNAVAILABLE)


@cache
def engines(name: str) -> tuple[str, ...]:
    """Return the names of a layer's engines: of the modules in its package.

    Raises:
        ModuleNotFoundError: where the layer is not installed.
    """
    modules = iter_modules(import_module(named(name).ENGINES).__path__)
    return tuple(sorted(module.name for module in modules if module.name != "base"))


def session_class(engine: str) -> type[SessionBase]:
    """Return the SessionStore of an engine in the layer that runs."""
    store = import_module(f"{layer().ENGINES}.{engine}").SessionStore
    return cast(type[SessionBase], store)
