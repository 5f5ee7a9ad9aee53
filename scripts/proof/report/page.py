"""What every report is made of: one HTML file that needs nothing else, and where it was made."""

import html
import json
import os
import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stack import ROOT, run

Cells = Iterable[object]

REPORTS = ROOT / "scripts" / "proof" / "report"
LATEST = REPORTS / "latest"  # git ignores it

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
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def write(name: str, result: dict[str, Any], page: Iterable[str], folder: Path) -> Path:
    """Write `name`.json and `name`.html; return the latter."""
    keep(name, result, folder)
    path = folder / f"{name}.html"
    path.write_text("\n".join(page) + "\n")
    return path
