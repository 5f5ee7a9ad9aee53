"""The table of outages: what visitors meet while a store is away, by the drills' cells."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from proof.drill.cells import LAYERS
from proof.drill.faults import OUTAGES
from stack import ENGINES, ROOT

RECORDED = ROOT / "app" / "lab" / "recorded" / "outages.json"

Cells = Iterable[dict[str, Any]]
Table = dict[str, dict[str, dict[str, dict[str, str]]]]  # by layer, outage and engine


def recorded() -> Table:
    """Return the table as it was recorded."""
    table: Table = json.loads(RECORDED.read_text())
    return table


def found(cells: Cells) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Yield layer, outage, engine, and what visitors met, for each cell that could be drilled."""
    names = {fault: name for name, fault in OUTAGES.items()}
    for cell in cells:
        if cell["fault"] in names and cell.get("outage"):
            yield cell["layer"], names[cell["fault"]], cell["engine"], cell["outage"]


def differences(cells: Cells) -> list[str]:
    """Return a line for each cell of the hardened layer that is not as it was recorded."""
    table = recorded()
    return [
        f"{engine}, {layer}, {name}: {in_words(met)}; recorded is {in_words(former)}"
        for layer, name, engine, met in found(cells)
        if layer == "hardened" and met != (former := table[layer][name][engine])
    ]


def record(cells: Cells) -> None:
    """Write what visitors met in these cells into the table."""
    table = recorded()
    for layer, name, engine, met in found(cells):
        table[layer][name][engine] = met
    RECORDED.write_text(f"{json.dumps(table, indent=2)}\n")


def in_words(met: dict[str, str]) -> str:
    """Return what visitors met, as the table says it."""
    pages = dict.fromkeys((met["signed in"], met["not signed in"]))
    return f"{' / '.join(pages)}, {met['afterwards']}, {met['sign-out']}"


def in_markdown(layer: str) -> Iterator[str]:
    """Yield the table of one layer."""
    assert layer in LAYERS  # noqa: S101 - a name of this program's own
    yield f"| While | {' | '.join(ENGINES)} |"
    yield f"|---{'|---' * len(ENGINES)}|"
    for name, by_engine in recorded()[layer].items():
        cells = (in_words(by_engine[e]) if e in by_engine else "n/a" for e in ENGINES)
        yield f"| {name} | {' | '.join(cells)} |"
