"""How long each engine takes to load and to save a session, measured in this process."""

import threading
import time
from dataclasses import dataclass
from statistics import median, quantiles

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from lab.layers import layer
from session_stack import layers
from session_stack.layers import session_class
from session_stack.startup.probes import StoreUnavailableError, probe_folder

ROUNDS = 40

# What a signed-in visitor's session holds, and a cart.
CONTENTS = {
    "_auth_user_id": "1",
    "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
    "_auth_user_hash": "0" * 64,
    "cart": {str(product): {"quantity": 2, "price": "4.50"} for product in range(1, 6)},
}

_one_at_a_time = threading.Lock()


class BusyError(Exception):
    """This process is measuring already."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Microseconds of many rounds."""

    median: int
    p95: int


@dataclass(frozen=True, slots=True)
class Result:
    """What one engine took, and how many bytes it keeps."""

    backend: str
    load: Timing
    save: Timing
    size: int


def reachable() -> list[str]:
    """Return the engines that this container can use: those whose stores it was given."""
    given = {"postgres": True, "redis": settings.ENV.redis is not None, "folder": has_folder()}
    return [
        name
        for name in settings.ENGINES
        if all(given[store] for store in layers.layer().stores(session_class(name)))
    ]


def has_folder() -> bool:
    """Return whether this container may write to the folder of file sessions."""
    try:
        probe_folder()
    except StoreUnavailableError:
        return False
    return True


def measure() -> list[Result]:
    """Measure every engine in reach.

    Raises:
        BusyError: when another request is measuring: two at once would measure each other.
    """
    if not _one_at_a_time.acquire(blocking=False):
        raise BusyError
    try:
        return [measure_one(backend) for backend in reachable()]
    finally:
        _one_at_a_time.release()


def measure_one(backend: str) -> Result:
    """Load and save a session of this engine many times, and end it."""
    engine = session_class(backend)
    session = engine()
    session.update(CONTENTS)
    session.save()
    try:
        size = stored_size(backend, session)
        loads, saves = [], []
        for number in range(ROUNDS):
            started = time.perf_counter_ns()
            session = engine(session.session_key)
            session["round"] = number  # loads it
            loaded = time.perf_counter_ns()
            session.save()
            saves.append(time.perf_counter_ns() - loaded)
            loads.append(loaded - started)
    finally:
        session.delete()
    return Result(backend, timing(loads), timing(saves), size)


def stored_size(backend: str, session: SessionBase) -> int:
    """Return the bytes that are kept, in every place together."""
    places = layer().places(backend, session.session_key or "")
    return sum(place.size for place in places)


def timing(nanoseconds: list[int]) -> Timing:
    """Return median and 95th percentile in microseconds."""
    return Timing(
        median=round(median(nanoseconds) / 1000),
        p95=round(quantiles(nanoseconds, n=20)[-1] / 1000),
    )
