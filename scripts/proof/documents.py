"""The tables of results in the project's documents: written from the committed reports.

A table stands between `<!-- begin NAME ... -->` and `<!-- end NAME -->`, in whichever document.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from proof.bench import report as bench
from proof.drill import outages
from proof.drill import report as drill
from proof.drill.cells import LAYERS
from proof.report import page
from stack import ENGINES, ROOT, StackError, run

Facts = dict[str, dict[str, bool]]

FACTS = ROOT / "app" / "lab" / "recorded"  # by the scenarios, of each layer
COSTS = FACTS / "costs.json"
WORDS = {True: "yes", False: "no", None: "n/a"}

BLOCK = re.compile(
    r"(?P<begin><!-- begin (?P<name>[a-z-]+)\b[^\n]*-->\n).*?(?=<!-- end )", re.DOTALL
)


def tables() -> dict[str, str]:
    """Return every table by its name."""
    measured, drilled = (page.kept(name, page.REPORTS) for name in ("bench", "drill"))
    facts = {layer: json.loads((FACTS / f"{layer}.json").read_text()) for layer in LAYERS}
    lines = {
        "bench-costs": bench.summary(measured),
        "bench-goals": bench.goals_in_markdown(measured),
        "drill-losses": drill.in_markdown(drilled),
        "drill-faults": drill.faults_in_markdown(),
        "outages-hardened": outages.in_markdown("hardened"),
        "outages-stock": outages.in_markdown("stock"),
        "facts-hardened": in_markdown(facts["hardened"]),
        "facts-stock": in_markdown(facts["stock"], beside=facts["hardened"]),
    }
    return {name: "\n".join(table) for name, table in lines.items()}


def in_markdown(facts: Facts, beside: Facts | None = None) -> Iterator[str]:
    """Yield what the scenarios recorded of each engine; beside another layer, what differs."""
    yield f"| | {' | '.join(ENGINES)} |"
    yield f"|---{'|---' * len(ENGINES)}|"
    for name, answers in facts.items():
        if not beside or beside[name] != answers:
            yield f"| {name} | {' | '.join(WORDS[answers.get(engine)] for engine in ENGINES)} |"


def costs(measured: dict[str, Any]) -> str:
    """Return processor time by engine, layer and view, in microseconds, for the lab's pages."""
    wanted = {
        engine: {
            layer: {view: round(found[layer][view]["cpu_total"]) for view in ("read", "write")}
            for layer in LAYERS
        }
        for engine, found in ((name, part["requests"]) for name, part in measured.items())
    }
    return json.dumps(wanted, indent=2) + "\n"


def documents() -> list[Path]:
    """Return every document that git knows."""
    return [ROOT / name for name in run("git", "ls-files", "*.md").stdout.splitlines()]


def filled(text: str, known: dict[str, str]) -> str:
    """Return a document's text with each table as it is now."""
    return BLOCK.sub(lambda found: f"{found['begin']}{known[found['name']]}\n", text)


def write() -> None:
    """Write every table where it stands, and what the lab's pages know of costs."""
    known = tables()
    COSTS.write_text(costs(page.kept("bench", page.REPORTS)["engines"]))
    for path in documents():
        text = path.read_text()
        if (new := filled(text, known)) != text:
            path.write_text(new)


def render(make: Callable[[Path], Path], folder: Path | None) -> int:
    """Make a report's page anew, and the documents' tables where it is the committed one.

    Returns:
        The exit status.
    """
    try:
        sys.stdout.write(f"{make(folder or page.REPORTS)}\n")
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if folder is None:
        write()
    return 0
