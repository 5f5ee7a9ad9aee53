"""What follows from the capacity in `.env`, as lines for the stores' own configuration."""

import os
from collections.abc import Callable, Iterator

import volumes
from refusal import RefusedError
from session_stack import capacity
from session_stack.env import VariableError, cpus, integer

NAME = "capacity.conf"
MEMORY = integer(64, 1_048_576)


def value[T](name: str, parse: Callable[[str], T]) -> T:
    """Return the variable, which compose sets.

    Raises:
        RefusedError: where it is not what it may be.
    """
    try:
        return parse(os.environ[name])
    except VariableError as problem:
        raise RefusedError(f"{name} {problem}") from problem


def postgres() -> capacity.Postgres:
    """Return what Postgres is told."""
    given = value("APP_WORKERS", integer(1, 256)) if os.environ.get("APP_WORKERS") else None
    workers = capacity.workers(value("APP_CPUS", cpus), given)
    threads = workers * value("APP_THREADS", integer(1, 64))
    return capacity.Postgres(threads, value("POSTGRES_MEMORY_MB", MEMORY))


def checks() -> Iterator[Callable[[], object]]:
    """Yield what raises RefusedError where the stores would outgrow their memory."""
    yield check_postgres
    yield lambda: value("REDIS_MEMORY_MB", MEMORY)


def check_postgres() -> None:
    """Raise RefusedError where Postgres has too little memory for its connections."""
    if problem := postgres().problem():
        raise RefusedError(problem)


def place() -> Iterator[str]:
    """Write each store's file; yield a line for each that changed."""
    redis = capacity.redis_configuration(value("REDIS_MEMORY_MB", MEMORY))
    for store, lines in (("postgres", postgres().configuration), ("redis", redis)):
        if volumes.write(f"{store}-secrets", NAME, lines):
            yield f"placed {NAME}; a running {store.capitalize()} reads it when it restarts"
