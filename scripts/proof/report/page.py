"""What every report is made of: one HTML file that needs nothing else, and where it was made."""

import html
import json
import os
import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stack import ROOT, StackError, run

Cells = Iterable[object]

REPORTS = ROOT / "scripts" / "proof" / "report"
LATEST = REPORTS / "latest"  # git ignores it
LINE = 200  # characters of a report's JSON

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left }
.missed { color: #b00020; font-weight: 600 } .met { color: #1b6e3c }
svg { max-width: 100%; height: auto } .wide { overflow-x: auto }
.wide td, .wide th { padding: .2rem .4rem; font-size: .8rem } code { font-size: .9em }
"""


def machine() -> dict[str, Any]:
    """Describe what was measured on; nothing that names it."""
    about = dict(
        line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line
    )
    model = next((value for name, value in about.items() if name.startswith("model name")), "?")
    memory = Path("/proc/meminfo").read_text().splitlines()[0].split()[1]
    version = run("docker", "version", "--format", "{{.Server.Version}}").stdout.strip()
    return {
        "processor": model.strip(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_gigabytes": round(int(memory) / 2**20, 1),
        "kernel": platform.release(),
        "docker": version,
        "cgroups": 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1,
    }


def made_now() -> dict[str, Any]:
    """Return when and where a report is made."""
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine()}


def begin(title: str, heading: str, result: dict[str, Any]) -> Iterator[str]:
    """Yield the beginning of a page."""
    about = ", ".join(
        f"{name.replace('_', ' ')}: {value}" for name, value in result["machine"].items()
    )
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
    yield f"<style>{STYLE}</style>"
    yield f"<h1>{heading}</h1><p>{result['date']}. {html.escape(about)}.</p>"


def table(head: Cells, rows: Iterable[Cells]) -> Iterator[str]:
    """Yield a table; what a cell holds is HTML already."""
    yield "<table><tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
    yield "</table>"


def keep(name: str, result: dict[str, Any], folder: Path) -> None:
    """Write `name`.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(in_lines(rounded(result)) + "\n")


def kept(name: str, folder: Path) -> dict[str, Any]:
    """Return what `name`.json holds.

    Raises:
        StackError: when there is none.
    """
    path = folder / f"{name}.json"
    if not path.exists():
        raise StackError(f"there is no {path}; measure first, or name its folder by --output")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def rounded(value: Any) -> Any:
    """Return a value with six digits of each fraction: more than any clock here is good for."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: rounded(held) for name, held in value.items()}
    return [rounded(held) for held in value] if isinstance(value, list) else value


def in_lines(value: Any, indent: str = "") -> str:
    """Return JSON that is small, and of which a diff is readable.

    On one line stands what fits there, and each list of bare values.
    """
    line = json.dumps(value)
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    bare = not any(isinstance(one, dict | list) for one in held)
    if len(indent + line) <= LINE or (bare and not isinstance(value, dict)):
        return line
    deeper = f"{indent} "
    if isinstance(value, dict):
        lines = [f"{json.dumps(name)}: {in_lines(one, deeper)}" for name, one in value.items()]
        first, last = "{}"
    else:
        lines = [in_lines(one, deeper) for one in value]
        first, last = "[]"
    return f"{first}\n{deeper}" + f",\n{deeper}".join(lines) + f"\n{indent}{last}"


def write(name: str, page: Iterable[str], folder: Path) -> Path:
    """Write `name`.html and return its path."""
    path = folder / f"{name}.html"
    path.write_text("\n".join(page) + "\n")
    return path
