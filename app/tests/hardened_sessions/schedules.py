"""Run clients side by side in every order of their calls to the stores, one call at a time.

Each client runs in a thread of its own and stops before every call; the schedule says who goes
next. All schedules are enumerated by running again from the start with the next choice, depth
first.

Of schedules that can't differ one is run. Two neighbouring calls give the same results in either
order where they went to different stores or neither changed anything (Mazurkiewicz, "Trace theory",
1987). So a client whose call was tried first at some point need not be tried again while only such
calls follow (sleep sets: Godefroid, "Partial-order methods", 1996, chapter 5); and a beginning is
left where another one had, for each store, the same changes in the same order with the same calls
between them, clients that do the same being one for the other.
"""

import random
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import permutations
from queue import SimpleQueue
from typing import Any

import pytest
from django.db import connections

from hardened_sessions.clients.database import Database
from hardened_sessions.clients.redis import RedisClient
from hardened_sessions.storage.files import FileStorage

SECONDS = 20.0  # a client that takes longer is stuck

# How often a schedule is begun again in which a client had ended before its turn: on a machine that
# stood still meanwhile, what is known of the feed is too old, and a client's calls are others.
REPEATS = 5

type Client = Callable[[], Any]


@dataclass
class Call:
    """One call to a store; `changed` says, once it was made, whether it changed anything."""

    store: str
    changed: bool = True

    def commutes_with(self, other: "Call") -> bool:
        """Return whether the order of two neighbouring calls that were made does not matter."""
        return self.store != other.store or not (self.changed or other.changed)


class Stepper:
    """Stops the thread of each client before its calls."""

    def __init__(self) -> None:
        self.local = threading.local()
        self.workers: list[Worker] = []

    def call(self, store: str, make: Client, *, reads: bool = False) -> Any:
        """Make a call, in a client's thread once that is permitted; in any other at once."""
        worker: Worker | None = getattr(self.local, "worker", None)
        if worker is None:
            return make()
        call = Call(store)
        worker.events.put(call)
        if not worker.permits.get(timeout=SECONDS):
            raise Left
        result = make()
        call.changed = not reads and changed(result)
        return result

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
            except (Exception, Left) as error:  # noqa: BLE001 - the outcome of this client
                result = error
            self.events.put(Done(result))
        connections.close_all()

    def next_event(self) -> Any:
        """Return the next call that the client is about to make, or its end."""
        return self.events.get(timeout=SECONDS)


class Left(BaseException):
    """The rest of this schedule is that of another one."""


def changed(result: Any) -> bool:
    """Return whether a call with this answer changed its store: a count, rows, or what was held."""
    if isinstance(result, list):
        return any(item is not None for item in result)
    # Redis answers a failed comparison with the value that is there.
    return result is not None and result != 0 and not isinstance(result, bytes)


@dataclass(frozen=True)
class Done:
    """How a client ended."""

    result: Any


@dataclass
class Step:
    """One point of a schedule: who could go, who went, and with what call."""

    options: list[int]
    chosen: int
    call: Call


@dataclass
class Run:
    """One schedule and how each client ended."""

    steps: list[Step] = field(default_factory=list)
    results: dict[int, Any] = field(default_factory=dict)
    # For each store: changes one by one, and the set of calls between two changes. A call is known
    # by its client and its number.
    seen: dict[str, list[frozenset[tuple[int, int]]]] = field(default_factory=dict)
    left: bool = False
    diverged: bool = False  # left because it is not the one that it began as

    @property
    def chosen(self) -> list[int]:
        """Return who went when."""
        return [step.chosen for step in self.steps]

    def note(self, step: Step) -> None:
        """Take in a call that was made."""
        self.steps.append(step)
        history = self.seen.setdefault(step.call.store, [frozenset()])
        this = frozenset({(step.chosen, self.chosen.count(step.chosen))})
        if step.call.changed:
            history.extend((this, frozenset()))
        else:
            history[-1] |= this

    def beginning(self, names: Sequence[str]) -> Hashable:
        """Return what this schedule can't be told from another one by.

        Args:
            names: what each client does.
        """
        return min(
            tuple(
                (store, tuple(tuple(sorted((as_[n], i) for n, i in calls)) for calls in history))
                for store, history in sorted(self.seen.items())
            )
            for as_ in alike(tuple(names))
        )


@cache
def alike(names: tuple[str, ...]) -> list[tuple[int, ...]]:
    """Return the numberings of clients that change nothing: of those that do the same."""
    numbers = range(len(names))
    return [
        order
        for order in permutations(numbers)
        if all(names[number] == names[order[number]] for number in numbers)
    ]


def run(
    stepper: Stepper,
    clients: list[Client],
    choose: Callable[[Run, list[int]], int | None],
    leave: Callable[[Run], bool] = lambda made: False,
) -> Run:
    """Run the clients to their ends.

    Args:
        stepper: what stops them.
        clients: what each does.
        choose: names who of the waiting clients goes next, or None to leave the schedule.
        leave: whether to leave the schedule after a call.
    """
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
        options = sorted(waiting)
        chosen = None if made.left else choose(made, options)
        if chosen not in waiting:
            made.left, made.diverged = True, made.diverged or chosen is not None
            for leaving in options:
                stepper.worker(leaving).permits.put(False)
                del waiting[leaving]
                advance(leaving)
            continue
        call = waiting.pop(chosen)
        stepper.worker(chosen).permits.put(True)
        advance(chosen)
        made.note(Step(options, chosen, call))
        made.left = leave(made)
    return made


def every_schedule(
    stepper: Stepper, names: Sequence[str], start: Callable[[], list[Client]]
) -> Iterator[Run]:
    """Run every schedule of the clients, which `start` makes anew for each."""
    known: set[Hashable] = set()
    # At each point of the path: the choice, and the calls of the clients that were tried before.
    path: list[tuple[int, dict[int, Call]]] = []
    repeats = 0
    while True:

        def asleep(made: Run, path: Any = path) -> dict[int, Call]:
            """Return the clients not to be tried now."""
            sleeping: dict[int, Call] = {}
            for number, step in enumerate(made.steps):
                tried = path[number][1] if number < len(path) else {}
                sleeping = {
                    client: call
                    for client, call in {**sleeping, **tried}.items()
                    if client != step.chosen and call.commutes_with(step.call)
                }
            return sleeping

        def choose(made: Run, options: list[int], path: Any = path, asleep: Any = asleep) -> Any:
            number = len(made.steps)
            if number < len(path):
                return path[number][0]
            sleeping = asleep(made)
            return next((client for client in options if client not in sleeping), None)

        def leave(made: Run, begun: int = len(path)) -> bool:
            if len(made.steps) < begun:  # the beginning of the run before, so it is known
                return False
            beginning = made.beginning(names)
            if beginning in known:
                return True
            known.add(beginning)
            return False

        made = run(stepper, start(), choose, leave)
        if made.diverged:
            repeats += 1
            assert repeats <= REPEATS, "the clients' calls are others each time"
            continue
        repeats = 0
        if not made.left:
            yield made
        path = next_path(made, path, asleep)
        if not path:
            return


def next_path(
    made: Run, path: list[tuple[int, dict[int, Call]]], asleep: Callable[[Run], dict[int, Call]]
) -> list[tuple[int, dict[int, Call]]]:
    """Return the path to the next schedule: the last point where somebody else may go."""
    tried = [path[number][1] if number < len(path) else {} for number in range(len(made.steps))]
    for number in reversed(range(len(made.steps))):
        step = made.steps[number]
        before = {**tried[number], step.chosen: step.call}
        sleeping = asleep(Run(steps=made.steps[:number]))
        for client in step.options:
            if client not in before and client not in sleeping:
                kept = [(made.steps[n].chosen, tried[n]) for n in range(number)]
                return [*kept, (client, before)]
    return []


def random_schedules(
    stepper: Stepper, start: Callable[[], list[Client]], count: int, seed: int
) -> Iterator[Run]:
    """Run that many schedules, drawn by a seed."""
    draw = random.Random(seed)
    for _ in range(count):
        yield run(stepper, start(), lambda made, options: draw.choice(options))


READS = ("SELECT", "GET", "MGET")


@contextmanager
def stepping(monkeypatch: pytest.MonkeyPatch, stepper: Stepper | None = None) -> Iterator[Stepper]:
    """Stop clients before each statement, Redis command and file operation."""
    stepper = stepper or Stepper()
    statement, command = Database._run, RedisClient.call
    script, delete = RedisClient.script, RedisClient.delete_durably

    def run_statement(self: Database, sql: str, *arguments: Any, **named: Any) -> Any:
        return stepper.call(
            "database",
            lambda: statement(self, sql, *arguments, **named),
            reads=sql.lstrip().startswith(READS),
        )

    def run_command(self: RedisClient, name: str, *arguments: Any) -> Any:
        return stepper.call("redis", lambda: command(self, name, *arguments), reads=name in READS)

    def run_script(self: RedisClient, *arguments: Any) -> Any:
        return stepper.call("redis", lambda: script(self, *arguments))

    def run_delete(self: RedisClient, *arguments: Any) -> Any:
        return stepper.call("redis", lambda: delete(self, *arguments))

    def file_operation(name: str) -> Any:
        original = getattr(FileStorage, name)

        def operate(self: FileStorage, *arguments: Any, **named: Any) -> Any:
            return stepper.call(
                "files", lambda: original(self, *arguments, **named), reads=name == "fetch"
            )

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
