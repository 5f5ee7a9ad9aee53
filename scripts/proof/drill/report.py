"""What the drills found, as one page and as JSON."""

import html
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from proof.drill.cells import LAYERS, Cell
from proof.drill.faults import FAULTS
from proof.drill.judge import BUCKET_SECONDS
from proof.report import charts, page
from proof.report.page import table
from stack import ENGINES

Found = dict[str, Any]

LOSSES = 3  # that are shown in a cell; all are in the JSON file

# Whose chart stands beside the report, and in MEASURED.md.
SHOWN = ("redis-stop", "cache")

LOST = (
    ("foreign", "somebody else's"),
    ("signed_out", "signed out"),
    ("lost", "lost"),
    ("revived", "revived"),
)

PHASES = ("before", "during", "after")
HEAD = (
    *("", "", "requests", "failed", "somebody else's", "signed out", "lost"),
    *("sign-outs", "revived"),
    *("detect s", "recover s", *(f"{phase}, ms" for phase in PHASES)),
)


def keep(result: Found, folder: Path) -> None:
    """Write the JSON file: what is known so far."""
    page.keep("drill", {**page.made_now(), **result}, folder)


def beside_kept(result: Found, folder: Path, cells: Sequence[Cell]) -> Found:
    """Return a result beside those cells of the report that is there which are not drilled now."""
    here = (folder / "drill.json").exists()
    former: Found = page.kept("drill", folder) if here else {"cells": []}
    kept = [
        one
        for one in former["cells"]
        if Cell(one["layer"], one["engine"], one["fault"]) not in cells
    ]
    return {
        **result,
        "planned": len(cells) + len(kept),
        "cells": sorted(
            kept + result["cells"],
            key=lambda one: (LAYERS.index(one["layer"]), ENGINES.index(one["engine"])),
        ),
    }


def render(folder: Path) -> Path:
    """Make the page and the chart of the JSON file; return the page."""
    result = page.kept("drill", folder)
    fault, engine = SHOWN
    shown = [cell for cell in result["cells"] if (cell["fault"], cell["engine"]) == SHOWN]
    if drawing := chart(fault, engine, shown):
        (folder / "drill.svg").write_text(drawing)
    return page.write("drill", html_of(result), folder)


def in_markdown(result: Found) -> Iterator[str]:
    """Yield what MEASURED.md says, a line of Markdown each: what was lost, on either layer."""
    at = {(cell["fault"], cell["engine"], cell["layer"]): cell for cell in result["cells"]}
    yield f"| | {' | '.join(ENGINES)} |"
    yield f"|---{'|---' * len(ENGINES)}|"
    for fault in faults_of(result["cells"]):
        found = (
            " / ".join(
                in_words(at[fault, engine, layer])
                for layer in LAYERS
                if (fault, engine, layer) in at
            )
            for engine in ENGINES
        )
        yield f"| {fault} | {' | '.join(found)} |"


def faults_in_markdown() -> Iterator[str]:
    """Yield every fault, what is done, to which engines, and what they may lose: Markdown."""
    yield "| Fault | What is done | Engines | What may be lost |"
    yield "|---|---|---|---|"
    for fault in FAULTS.values():
        of_all = set(fault.engines) == set(ENGINES)
        engines = "all" if of_all else ", ".join(f"`{engine}`" for engine in fault.engines)
        lost = "; ".join(f"`{engine}`: {why}" for engine, why in fault.loses.items())
        yield f"| `{fault.name}` | {fault.what} | {engines} | {lost} |"


def in_words(cell: Found) -> str:
    """Return what was lost in a cell, or else whether it met the goal."""
    losses = ", ".join(f"{cell[name]} {word}" for name, word in LOST if cell.get(name))
    return losses or ("missed" if cell["misses"] else "ok")


def missed(result: Found) -> list[str]:
    """Return a line for each cell of the hardened layer that missed its goal."""
    return [
        f"{cell['engine']}, {cell['fault']}: {'; '.join(cell['misses'])}"
        for cell in result["cells"]
        if cell["layer"] == "hardened" and cell["misses"]
    ]


def html_of(result: Found) -> Iterator[str]:
    """Yield the HTML."""
    cells = result["cells"]
    yield from page.begin("drill", "What users see when something breaks", result)
    yield (
        f"<p>{result['clients']} signed-in clients read and write through TLS, others sign out, "
        "while one thing breaks and is mended. Each line is one fault on one engine. The hardened "
        "layer is held to a goal; Django's own engines stand beside it. The README beside this "
        "file says how to read it and what it does not show. Latencies are the 50th and the 99th "
        "percentile.</p>"
    )
    began = sorted(cell["at"] for cell in cells)
    yield f"<p>The first cell began at {began[0]}, the last one at {began[-1]}.</p>"
    if len(cells) < result["planned"]:
        yield f"<p class=missed>{len(cells)} of {result['planned']} cells: it was ended early.</p>"
    lines = missed(result)
    hardened = sum(cell["layer"] == "hardened" for cell in cells)
    yield f"<p>Hardened: {hardened - len(lines)} of {hardened} cells met their goal.</p>"
    if lines:
        yield "<ul>" + "".join(f"<li class=missed>{html.escape(one)}</li>" for one in lines)
        yield "</ul>"
    yield from summary(cells)
    for fault in faults_of(cells):
        yield from fault_section(fault, [cell for cell in cells if cell["fault"] == fault])


def in_order(names: Iterable[str]) -> list[str]:
    """Return each name once, as they come."""
    return list(dict.fromkeys(names))


def faults_of(cells: list[Found]) -> list[str]:
    """Return the faults that were drilled, in the order of the report."""
    drilled = {cell["fault"] for cell in cells}
    return [fault for fault in FAULTS if fault in drilled]


def summary(cells: list[Found]) -> Iterator[str]:
    """Yield what was lost in each cell, the layers side by side."""
    engines = in_order(cell["engine"] for cell in cells)
    layers = in_order(cell["layer"] for cell in cells)
    at = {(cell["fault"], cell["engine"], cell["layer"]): cell for cell in cells}
    yield "<h2>What was lost</h2>"
    yield "<div class=wide>"
    yield from table(
        ("", *(f"{engine}<br>{layer}" for engine in engines for layer in layers)),
        (
            (
                f"<a href=#{fault}>{fault}</a>",
                *(
                    brief(at[fault, engine, layer]) if (fault, engine, layer) in at else ""
                    for engine in engines
                    for layer in layers
                ),
            )
            for fault in faults_of(cells)
        ),
    )
    yield "</div>"


def brief(cell: Found) -> str:
    """Return the most important of what happened in a cell."""
    losses = [f"{cell[name]} {word}" for name, word in LOST if cell.get(name)]
    if not cell["misses"]:
        return "<span class=met>ok</span>" + "".join(f"<br>{loss}, as stated" for loss in losses)
    return f"<span class=missed>{'<br>'.join(losses or map(html.escape, cell['misses']))}</span>"


def fault_section(fault: str, cells: list[Found]) -> Iterator[str]:
    """Yield one fault, on every engine."""
    yield f"<h2 id={fault}><code>{fault}</code></h2><p>{html.escape(FAULTS[fault].what)}.</p>"
    engine = max(cells, key=lambda cell: len(cell["failed"]))["engine"]
    yield chart(fault, engine, [cell for cell in cells if cell["engine"] == engine])
    yield "<div class=wide>"
    yield from table(HEAD, (row(cell) for cell in cells))
    yield "</div>"
    for cell in cells:
        if cell["loses"]:
            yield f"<p>{cell['engine']}, {cell['layer']}: {html.escape(cell['loses'])}.</p>"


def chart(fault: str, engine: str, cells: list[Found]) -> str:
    """Return a drawing of the answers over time, a panel for each layer; nothing of nothing."""
    drawn = [cell for cell in cells if cell["over_time"]]
    if not drawn:
        return ""
    return charts.answers_over_time(
        f"{fault}, {engine}; grey: until the fault was lifted",
        BUCKET_SECONDS,
        {cell["layer"]: cell["over_time"] for cell in drawn},
        {cell["layer"]: (cell["injected"], cell["lifted"]) for cell in drawn},
    )


def row(cell: Found) -> Iterator[str]:
    """Yield what a table says of one cell."""
    yield f"{cell['engine']},<br>{cell['layer']}"
    yield verdict(cell)
    yield f"{cell['requests']:,}"
    yield "<br>".join(f"{number} x {html.escape(name)}" for name, number in cell["failed"].items())
    yield str(cell.get("foreign", "among signed out"))  # as it was counted once
    yield str(cell["signed_out"])
    yield "<br>".join((str(cell["lost"]), *map(html.escape, cell["losses"][:LOSSES])))
    yield f"{cell['sign_outs']}, {cell['sign_outs_refused']} refused"
    yield str(cell["revived"])
    yield "none failed" if cell["detect"] is None else f"{cell['detect']:.1f}"
    yield "never" if cell["recover"] is None else f"{cell['recover']:.1f}"
    for phase in PHASES:
        times = cell["latencies"].get(phase)
        yield f"{times['p50']:.0f}&nbsp;/&nbsp;{times['p99']:.0f}" if times else ""


def verdict(cell: Found) -> str:
    """Return whether the goal was met, and on which machine."""
    beside = (("repeated", "drilled twice"), ("busy", "busy machine"))
    notes = "".join(f"<br>{note}" for name, note in beside if cell[name])
    if not cell["misses"]:
        return f"<span class=met>ok</span>{notes}"
    return f"<span class=missed>{'<br>'.join(map(html.escape, cell['misses']))}</span>{notes}"
