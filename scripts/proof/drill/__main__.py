"""Read the command line, drill, report: `scripts/drill` with its environment made."""

import argparse
import signal
import sys
from math import inf
from pathlib import Path
from typing import Any

from proof import documents
from proof.drill import outages, report
from proof.drill.cells import LAYERS, Cell, carry_out, one_line
from proof.drill.faults import FAULTS, QUICK
from proof.progress import say
from proof.report.page import LATEST
from stack import ENGINES, StackError

QUICK_SECONDS = 5.0  # that a fault lasts in the quick set


class NothingToDrillError(StackError):
    """A fault that touches nothing of what was asked for."""


def options(arguments: list[str]) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        prog="scripts/drill", usage="%(prog)s --help", add_help=False, allow_abbrev=False
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--engine", choices=[*ENGINES, "all"])
    parser.add_argument("--layer", choices=[*LAYERS, "both"])
    parser.add_argument("--fault", choices=[*FAULTS, "all"], action="append")
    parser.add_argument("--clients", type=number_of_clients, default=20, metavar="N")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--record", action="store_true")
    return parser.parse_args(arguments)


def number_of_clients(text: str) -> int:
    """Return a number that one machine can play."""
    if text.isdecimal() and 1 <= int(text) <= 200:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 200")


def cells_of(given: argparse.Namespace) -> list[Cell]:
    """Return what is to be drilled.

    Raises:
        NothingToDrillError: where no fault that was asked for touches an engine that was.
    """
    engines = ENGINES if given.engine in (None, "all") else (given.engine,)
    faults = tuple(given.fault or FAULTS)
    if "all" in faults:
        faults = tuple(FAULTS)
    layer = given.layer or ("hardened" if given.quick else "both")
    pairs = [
        (engine, fault)
        for engine in engines
        for fault in faults
        if FAULTS[fault].applies(engine) and (not given.quick or (engine, fault) in QUICK)
    ]
    if not pairs:
        raise NothingToDrillError(
            f"{', '.join(faults)} touches nothing of {', '.join(engines)}"
            f"{' in the quick set' if given.quick else ''}; "
            "choose another --engine or --fault, or all"
        )
    layers = LAYERS if layer == "both" else (layer,)
    return [Cell(layer, engine, fault) for layer in layers for engine, fault in pairs]


def main(arguments: list[str]) -> int:
    """Return the exit status: 1 where the hardened layer missed its goal, or it can't run."""
    given = options(arguments)
    if given.render:
        return documents.render(report.render, given.output)
    folder = given.output or LATEST
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result: dict[str, Any] = {"cells": []}
    status = 0
    try:
        cells = cells_of(given)
        for found in carry_out(cells, given.clients, QUICK_SECONDS if given.quick else inf):
            kept = given.keep
            result = report.beside_kept(found, folder, cells) if kept else found
            report.keep(result, folder)
    except StackError as error:
        print(f"drill: {one_line(error)}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("drill: interrupted; all that it started is removed", file=sys.stderr)
        status = 130
    if result["cells"]:
        say(f"report: {report.render(folder)}")
    lines = report.missed(result)
    if given.record:
        outages.record(result["cells"])
        documents.write()
    else:
        lines += outages.differences(result["cells"])
    for line in lines:
        print(f"drill: {line}", file=sys.stderr)
    return status or int(bool(lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
