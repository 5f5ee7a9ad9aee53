"""Run clients side by side in every order of their calls to the stores, one call at a time.

Each client runs in a thread of its own and stops before every call; the schedule says who goes
next. All schedules are enumerated by running again from the start with the next choice, depth
first. Two neighbouring calls to different stores, or two that only read, give the same result in
either order: of two such schedules one is run (Mazurkiewicz traces; the test is on neighbours only,
so some are run twice and none is left out).
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import pytest
from django.db import connections

from hardened_sessions.backends.file import FileStorage
from hardened_sessions.database import Database
from hardened_sessions.redis_client import RedisClient

SECONDS = 20.0  # a client that takes longer is stuck

type Client = Callable[[], Any]


@dataclass(frozen=True)
class Call:
    """One call to a store."""

    store: str
    writes: bool

    def commutes_with(self, other: "Call") -> bool:
        """Return whether the order of two neighbouring calls does not matter."""
        return self.store != other.store or not (self.writes or other.writes)


class Stepper:
    """Stops the thread of each client before its calls."""

    def __init__(self) -> None:
        self.local = threading.local()
        self.workers: list[Worker] = []

    def before(self, call: Call) -> None:
        """Wait for permission, in a client's thread; go on at once in any other."""
        worker: Worker | None = getattr(self.local, "worker", None)
        if worker is not None:
            worker.events.put(call)
            if worker.permits.get(timeout=SECONDS) is None:
                raise RuntimeError("the schedule ended early")

    def worker(self, number: int) -> "Worker":
        """Return the thread for a client; they are kept, with their connections."""
        while len(self.workers) <= number:
            self.workers.append(Worker(self))
        return self.workers[number]

    def close(self) -> None:
        """End every thread."""
        for worker in self.workers:
            worker.jobs.put(None)
            worker.thread.join(SECONDS)


class Worker:
    """A thread that runs one client after another."""

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self.jobs: SimpleQueue[Client | None] = SimpleQueue()
        self.events: SimpleQueue[Any] = SimpleQueue()
        self.permits: SimpleQueue[Any] = SimpleQueue()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self) -> None:
        self.stepper.local.worker = self
        while (client := self.jobs.get()) is not None:
            try:
                result: Any = client()
            except Exception as error:  # noqa: BLE001 - the outcome of this client
                result = error
            self.events.put(Done(result))
        connections.close_all()

    def next_event(self) -> Any:
        """Return the next call that the client is about to make, or its end."""
        return self.events.get(timeout=SECONDS)


@dataclass(frozen=True)
class Done:
    """How a client ended."""

    result: Any


@dataclass
class Run:
    """One schedule: who went when, and how each client ended."""

    chosen: list[int] = field(default_factory=list)
    options: list[list[int]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    results: dict[int, Any] = field(default_factory=dict)


def run(stepper: Stepper, clients: list[Client], choose: Callable[[Run, list[int]], int]) -> Run:
    """Run the clients to their ends; `choose` names who goes next."""
    made = Run()
    waiting: dict[int, Call] = {}

    def advance(number: int) -> None:
        event = stepper.worker(number).next_event()
        if isinstance(event, Done):
            made.results[number] = event.result
        else:
            waiting[number] = event

    for number, client in enumerate(clients):
        stepper.worker(number).jobs.put(client)
        advance(number)
    while waiting:
        options = [
            number
            for number in sorted(waiting)
            if not (
                made.chosen
                and number < made.chosen[-1]
                and waiting[number].commutes_with(made.calls[-1])
            )
        ]
        if not options:
            # Every order from here is the order of another schedule; finish this one anyhow.
            options = sorted(waiting)
        number = choose(made, options)
        made.options.append(options)
        made.chosen.append(number)
        made.calls.append(waiting.pop(number))
        stepper.worker(number).permits.put(True)
        advance(number)
    return made


def every_schedule(stepper: Stepper, start: Callable[[], list[Client]]) -> Iterator[Run]:
    """Run every schedule of the clients that `start` makes anew for each."""
    path: list[int] = []
    while True:

        def choose(made: Run, options: list[int], path: list[int] = path) -> int:
            step = len(made.chosen)
            return path[step] if step < len(path) else options[0]

        made = run(stepper, start(), choose)
        yield made
        path = made.chosen
        while path:
            options, last = made.options[len(path) - 1], path[-1]
            if options.index(last) + 1 < len(options):
                path = [*path[:-1], options[options.index(last) + 1]]
                break
            path = path[:-1]
        if not path:
            return


def random_schedules(
    stepper: Stepper, start: Callable[[], list[Client]], count: int, seed: int
) -> Iterator[Run]:
    """Run that many schedules, drawn by a seed."""
    draw = random.Random(seed)
    for _ in range(count):
        yield run(stepper, start(), lambda made, options: draw.choice(options))


READS = ("SELECT", "GET", "MGET")


@contextmanager
def stepping(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stepper]:
    """Stop clients before each statement, Redis command and file operation."""
    stepper = Stepper()
    statement, command = Database._run, RedisClient.call
    script, delete = RedisClient.script, RedisClient.delete_durably

    def run_statement(self: Database, sql: str, *arguments: Any, **named: Any) -> Any:
        stepper.before(Call("database", not sql.lstrip().startswith(READS)))
        return statement(self, sql, *arguments, **named)

    def run_command(self: RedisClient, name: str, *arguments: Any) -> Any:
        stepper.before(Call("redis", name not in READS))
        return command(self, name, *arguments)

    def run_script(self: RedisClient, *arguments: Any) -> Any:
        stepper.before(Call("redis", writes=True))
        return script(self, *arguments)

    def run_delete(self: RedisClient, *arguments: Any) -> Any:
        stepper.before(Call("redis", writes=True))
        return delete(self, *arguments)

    def file_operation(name: str) -> Any:
        original = getattr(FileStorage, name)

        def operate(self: FileStorage, *arguments: Any, **named: Any) -> Any:
            stepper.before(Call("files", name != "fetch"))
            return original(self, *arguments, **named)

        return operate

    with monkeypatch.context() as patch:
        patch.setattr(Database, "_run", run_statement)
        patch.setattr(RedisClient, "call", run_command)
        patch.setattr(RedisClient, "script", run_script)
        patch.setattr(RedisClient, "delete_durably", run_delete)
        for name in ("fetch", "insert", "replace", "rotate", "remove"):
            patch.setattr(FileStorage, name, file_operation(name))
        try:
            yield stepper
        finally:
            stepper.close()
