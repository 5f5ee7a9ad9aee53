"""Read the command line, measure, report: `scripts/bench` with its environment made."""

import argparse
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from proof import documents
from proof.bench import report
from proof.bench.goals import goals
from proof.bench.plan import Plan, carry_out
from proof.bench.trips import STATED, Trips
from proof.bench.variants import LEVERS, VARIANTS
from proof.progress import say
from proof.report.page import LATEST
from stack import ENGINES, StackError

FULL = Plan(
    # The one that the goals speak of comes first.
    engines=tuple(sorted(ENGINES, key=lambda engine: engine != "cached_db")),
    peer_engines=("cached_db",),
    variants=tuple(VARIANTS),
    levers=tuple(LEVERS),
    sessions=2000,
    rounds=5,
    seconds=2,
    clearing_engine="db",
    rows=1_000_000,
    sizes=(1_000, 100_000, 1_000_000),
    files=100_000,
    expired_files=(2, 100),
    file_rounds=3,
)
QUICK = Plan(
    engines=("cached_db",),
    peer_engines=(),
    variants=("hardened", "stock"),
    levers=(),
    sessions=200,
    rounds=1,
    seconds=1,
    clearing_engine="cached_db",
    rows=20_000,
    sizes=(),
    files=0,
    expired_files=(),
    file_rounds=0,
)


def options(arguments: list[str]) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="scripts/bench", add_help=False, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--engine", choices=[*ENGINES, "all"])
    parser.add_argument("--against", choices=[name for name in VARIANTS if name != "hardened"])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--render", action="store_true")
    return parser.parse_args(arguments)


def plan_of(given: argparse.Namespace) -> Plan:
    """Return what is to be measured."""
    plan = QUICK if given.quick else FULL
    if given.engine:
        engines = FULL.engines if given.engine == "all" else (given.engine,)
        plan = replace(
            plan,
            engines=engines,
            peer_engines=plan.peer_engines if given.engine == "all" else engines,
            levers=plan.levers if {"db", "cached_db"} & set(engines) else (),
            rows=plan.rows if {"db", "cached_db"} & set(engines) else 0,
            files=plan.files if "file" in engines else 0,
        )
    if given.against:
        plan = replace(
            plan, peer_engines=plan.engines, variants=("hardened", given.against), levers=()
        )
    return plan


def surprises(result: dict[str, Any]) -> list[str]:
    """Return a line for each view that makes other round trips than stated."""
    return [
        f"{engine}, {view}: {at['postgres']:.2f} round trips to Postgres and {at['redis']:.2f} to "
        f"Redis; stated are {' and '.join(map(str, STATED[engine][view]))}"
        for engine, found in result["engines"].items()
        for view, at in found["trips"]["hardened"].items()
        if Trips(**at).differs(STATED[engine][view])
    ]


def main(arguments: list[str]) -> int:
    """Return the exit status: 1 where round trips differ from what is stated, or it can't run."""
    given = options(arguments)
    if given.render:
        return documents.render(report.render, given.output)
    plan, folder = plan_of(given), given.output or LATEST
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result: dict[str, Any] = {}
    try:
        for result in carry_out(plan):
            path = report.keep(result, folder)
    except StackError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; all that it started is removed", file=sys.stderr)
        return 130
    for goal in goals(result):
        print(f"{'met   ' if goal.met else 'missed'}  {goal.value:8.2f}  {goal.what}")
    say(f"report: {path}")
    lines = surprises(result)
    for line in lines:
        print(f"bench: {line}", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
