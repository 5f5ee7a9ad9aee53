"""What a fault is, and where it happens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from proof.drill.breaking import BreakableStack
from stack import ENGINES, STORES

WITH_REDIS = tuple(engine for engine in ENGINES if "redis" in STORES[engine])
WITH_ROWS = ("db", "cached_db")


@dataclass(slots=True)
class Scene:
    """A running stack and its visitors."""

    stack: BreakableStack
    engine: str
    layer: str
    clock_offset: float = 0.0  # seconds by which the visitors' clocks are ahead

    @property
    def app(self) -> str:
        """Return the service that answers."""
        return f"app-{self.engine}"


def nothing(scene: Scene) -> None:
    """Do nothing: for a fault that needs no preparation, or ends by itself."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that breaks, and how it is mended.

    `inject` returns once the fault is there, or, where it ends by itself, once it is over. `lift`
    takes the cause away and returns when it is gone: a process accepts again, a container has
    started. It may be called twice, and after an `inject` that failed half-way.
    """

    name: str
    what: str  # one line: what is done
    service: str  # redis, postgres, nginx, app, clearsessions, stack or client
    inject: Callable[[Scene], None]
    lift: Callable[[Scene], None]
    hold: float = 5.0  # seconds between the return of `inject` and the call of `lift`
    # Failures that visitors may meet meanwhile, beside 503 with Retry-After: statuses, as words, or
    # "reset", which is a connection that was refused or broke off.
    answers: frozenset[str] = frozenset()
    engines: tuple[str, ...] = ENGINES
    # For an engine: what it may lose, and why.
    loses: Mapping[str, str] = field(default_factory=dict)
    # Before the visitors come, and after the last has gone; `clean` is as safe as `lift`.
    prepare: Callable[[Scene], None] = nothing
    clean: Callable[[Scene], None] = nothing

    def applies(self, engine: str) -> bool:
        """Return whether the fault touches what that engine needs."""
        return engine in self.engines
