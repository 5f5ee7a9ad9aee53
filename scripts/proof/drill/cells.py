"""The cells of a drill: one fault on one engine of one layer, with clients, one after another."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import inf
from typing import Any

from proof.drill.faults import FAULTS
from proof.drill.judge import Terms, Verdict, judge
from proof.drill.stage import DrillStack, made
from proof.progress import say
from stack import STORES, CommandError, StackError

LAYERS = ("hardened", "stock")

# What a cell takes beside its fault's hold, until the first has been timed.
CELL_SECONDS = 14.0
ENGINE_SECONDS = 25.0

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """What is drilled."""

    layer: str
    engine: str
    fault: str

    def terms(self) -> Terms:
        """Return what may happen in it."""
        fault = FAULTS[self.fault]
        needed = {
            "postgres": True,  # it has the table of users
            "redis": STORES[self.engine][0] == "redis",
            "stack": True,
            "app": bool(fault.answers),  # killed, not rolled
            "nginx": bool(fault.answers),  # killed, not reloaded: it starts without an address
        }
        loses = fault.loses.get(self.engine, "")
        # Django's answer to a save whose session is gone since it was loaded.
        interrupted = {"400"} if loses else set()
        return Terms(
            unavailable=needed.get(fault.service, False),
            answers=frozenset(map(str, fault.answers)) | interrupted,
            loses=loses,
        )


def carry_out(cells: list[Cell], clients: int, longest: float = inf) -> Iterator[Result]:
    """Drill every cell, in an order in which each engine starts once a layer.

    Args:
        cells: what is drilled.
        clients: how many stay signed in.
        longest: the seconds that a fault may last.

    Yields:
        All that is known, after each cell.
    """
    result: Result = {"clients": clients, "planned": len(cells), "cells": []}
    site = DrillStack()
    with made(site):
        started = time.monotonic()
        for number, cell in enumerate(cells):
            if (site.scene.engine, site.scene.layer) != (cell.engine, cell.layer):
                say(f"{cell.engine}, {cell.layer}: starting")
                site.begin(cell.engine, cell.layer)
            left = time_left(cells, number, time.monotonic() - started)
            say(f"{cell.engine}, {cell.layer}: {cell.fault}; {left}")
            result["cells"].append(drill(site, cell, clients, longest))
            yield result


def drill(site: DrillStack, cell: Cell, clients: int, longest: float) -> Result:
    """Return what became of one cell.

    Where all that was missed may have been a busy machine's doing, it is drilled again, once.
    """
    found = attempt(site, cell, clients, longest)
    repeated = cell.layer == "hardened" and found["in_doubt"]
    if repeated:
        say("    others had the machine: drilling it again")
        found = attempt(site, cell, clients, longest)
    return {**found, "repeated": repeated}


def attempt(site: DrillStack, cell: Cell, clients: int, longest: float) -> Result:
    """Drill a cell; where it can't be drilled, make the stack anew."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    found: Result = {**asdict(cell), "at": at, "loses": cell.terms().loses}
    try:
        ledger = site.drill(FAULTS[cell.fault], clients, longest)
    except StackError as error:
        if interrupted(error):
            raise KeyboardInterrupt from error
        say(f"    {one_line(error)}")
        say("    it could not be drilled; the stack is made anew")
        site.begin_anew(cell.engine, cell.layer)
        return {**found, **asdict(Verdict(misses=[f"could not be drilled: {one_line(error)}"]))}
    verdict = judge(ledger, cell.terms())
    marks = {"injected": ledger.injected - ledger.began, "lifted": ledger.lifted - ledger.began}
    for miss in verdict.misses:
        say(f"    {miss}")
    return {**found, **marks, **asdict(verdict)}


def one_line(error: StackError) -> str:
    """Return what an error says; of a command's output, its last line."""
    if isinstance(error, CommandError):
        first, *rest = str(error).strip().splitlines()
        words = " ".join(word for word in first.split() if not word.startswith("--"))
        return f"{words} {rest[-1]}" if rest else words
    return str(error)


def interrupted(error: BaseException | None) -> bool:
    """Return whether an error came about while an interruption was being cleaned up after."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def time_left(cells: list[Cell], done: int, passed: float) -> str:
    """Return how many cells there are, and about how long they take, given what it took so far."""
    planned = [seconds(*pair) for pair in zip(cells, (None, *cells), strict=False)]
    pace = passed / sum(planned[:done]) if done else 1.0
    return f"{len(cells) - done} to go, about {sum(planned[done:]) * pace / 60:.0f} min"


def seconds(cell: Cell, former: Cell | None) -> float:
    """Return how long a cell may take after another one on a quiet machine."""
    started = former and (former.layer, former.engine) == (cell.layer, cell.engine)
    hold: float = FAULTS[cell.fault].hold
    return CELL_SECONDS + hold + (0.0 if started else ENGINE_SECONDS)
