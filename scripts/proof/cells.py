"""The cells of a drill: one fault on one engine of one layer, with clients, one after another."""

import json
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from proof.clients import USER, Crowd
from proof.faults import FAULTS, Fault, Scene
from proof.judge import Terms, Verdict, judge
from proof.ledger import Ledger
from stack import Stack, StackError

BEFORE_SECONDS = 2.0
# Long enough after the last sign-out to see that it held.
STEADY_SECONDS = 2.5
WATCH_SECONDS = 12.0
LEAVERS = 8
# What a cell takes beside its fault's hold, until the first has been timed.
CELL_SECONDS = 14.0
ENGINE_SECONDS = 25.0

OVERRIDES = ["deploy/drill/stack.yml"]

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
        needed = fault.service in ("postgres", "app", "stack")
        return Terms(
            unavailable=needed or (fault.service == "redis" and self.engine == "cache"),
            answers=frozenset(map(str, fault.answers)),
            loses=fault.loses.get(self.engine, ""),
        )


class Site(Stack):
    """The stack that is drilled."""

    def __init__(self) -> None:
        super().__init__("drill", OVERRIDES)
        self.tls: ssl.SSLContext | None = None
        self.scene = Scene(self, "", "")

    def up(self, engine: str, *arguments: str, **settings: str) -> None:
        """Start only what a request passes through: a fault that needs more starts it."""
        redis = ["redis"] if engine in ("cache", "cached_db") else []
        super().up(engine, *arguments, "nginx", f"app-{engine}", *redis, **settings)

    def begin(self, engine: str, layer: str) -> None:
        """Run that engine of that layer."""
        self.settings["SESSION_LAYER"] = layer
        self.switch(engine)
        self.scene = Scene(self, engine, layer)
        self.tls = ssl.create_default_context(cafile=str(self.ca_file()))
        if USER not in self.sql("SELECT username FROM auth_user").splitlines():
            self.manage("demo_user", "add", USER)

    def begin_anew(self, engine: str, layer: str) -> None:
        """Run that engine of that layer on a stack that knows nothing of the last one."""
        self.down("--volumes")
        self.begin(engine, layer)

    def manage(self, *command: str) -> str:
        """Run a Django command in the app's container."""
        return self.execute(self.scene.app, "python", "manage.py", *command)

    def crowd(self, clients: int) -> Crowd:
        """Return clients with new sessions."""
        number = clients + LEAVERS
        data = json.dumps({"count": 0})
        minted = self.manage("mint_sessions", str(number), f"--user={USER}", f"--data={data}")
        cookies = [line.partition("=")[2] for line in minted.splitlines()]
        if len(set(cookies)) != number:
            raise StackError(f"{number} sessions were to be minted, not {len(set(cookies))}")
        scene = self.scene
        assert self.tls is not None  # noqa: S101 - begin() comes first
        return Crowd(self.url, self.tls, lambda: time.time() + scene.clock_offset, cookies, LEAVERS)

    def drill(self, fault: Fault, clients: int) -> Ledger:
        """Have clients ask while the fault comes and goes; return what they saw."""
        try:
            fault.prepare(self.scene)
            crowd = self.crowd(clients)
            try:
                crowd.start()
                time.sleep(BEFORE_SECONDS / 2)
                crowd.sign_out(2)
                time.sleep(BEFORE_SECONDS / 2)
                crowd.sign_out(1)  # as it happens
                crowd.ledger.injected = time.monotonic()
                try:
                    fault.inject(self.scene)
                    crowd.sign_out(2)
                    time.sleep(fault.hold / 2)
                    crowd.sign_out(1)
                    time.sleep(fault.hold / 2)
                finally:
                    fault.lift(self.scene)
                crowd.ledger.lifted = lifted = time.monotonic()
                crowd.sign_out(2)
                while time.monotonic() < min(
                    lifted + WATCH_SECONDS, crowd.steady_since() + STEADY_SECONDS
                ):
                    time.sleep(0.05)
            finally:
                ledger = crowd.stop()
        finally:
            fault.clean(self.scene)
        return ledger


def say(text: str) -> None:
    """Show what is going on."""
    print(f"==> {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def carry_out(cells: list[Cell], clients: int) -> Iterator[Result]:
    """Drill every cell, in an order in which each engine starts once a layer.

    Yields:
        All that is known, after each cell.
    """
    result: Result = {"clients": clients, "planned": len(cells), "cells": []}
    site = Site()
    say("building")
    try:
        site.create()
        started = time.monotonic()
        for number, cell in enumerate(cells):
            if (site.scene.engine, site.scene.layer) != (cell.engine, cell.layer):
                say(f"{cell.engine}, {cell.layer}: starting")
                site.begin(cell.engine, cell.layer)
            left = time_left(cells, number, time.monotonic() - started)
            say(f"{cell.engine}, {cell.layer}: {cell.fault}; {left}")
            result["cells"].append(drill(site, cell, clients))
            yield result
    finally:
        if site.folder.exists():
            site.destroy()


def drill(site: Site, cell: Cell, clients: int) -> Result:
    """Return what became of one cell; where it can't be drilled, the stack is made anew."""
    fault = FAULTS[cell.fault]
    found: Result = {**asdict(cell), "loses": cell.terms().loses}
    try:
        ledger = site.drill(fault, clients)
    except StackError as error:
        say(f"{cell.fault} could not be drilled; the stack is made anew")
        site.begin_anew(cell.engine, cell.layer)
        misses = [f"could not be drilled: {str(error).strip().splitlines()[-1]}"]
        return {**found, **asdict(Verdict(misses=misses))}
    verdict = judge(ledger, cell.terms())
    marks = {"injected": ledger.injected - ledger.began, "lifted": ledger.lifted - ledger.began}
    for miss in verdict.misses:
        say(f"    {miss}")
    return {**found, **marks, **asdict(verdict)}


def time_left(cells: list[Cell], done: int, passed: float) -> str:
    """Return how many cells there are, and about how long they take, given what it took so far."""
    ahead = seconds(cells[done:])
    behind = seconds(cells) - ahead
    pace = passed / behind if done else 1.0
    return f"{len(cells) - done} to go, about {ahead * pace / 60:.0f} min"


def seconds(cells: list[Cell]) -> float:
    """Return how long cells may take on a quiet machine."""
    engines = {(cell.layer, cell.engine) for cell in cells}
    holds = sum(CELL_SECONDS + FAULTS[cell.fault].hold for cell in cells)
    return holds + ENGINE_SECONDS * len(engines)
