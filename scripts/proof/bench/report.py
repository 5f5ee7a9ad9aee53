"""One HTML file that needs nothing else, and the same numbers as JSON."""

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proof.bench.goals import SHOWN, goals
from proof.bench.rounds import NOISE, VIEWS
from proof.bench.trips import STATED
from proof.bench.variants import LEVERS, SERVERS, VARIANTS
from proof.report import charts, page
from proof.report.page import table

VERDICT = {True: "<span class=met>met</span>", False: "<span class=missed>missed</span>"}


def keep(result: dict[str, Any], folder: Path) -> Path:
    """Write all files; return the HTML one."""
    result = {
        **page.made_now(),
        "goals": [
            {"what": goal.what, "value": goal.value, "bound": goal.bound, "met": goal.met}
            for goal in goals(result)
        ],
        **result,
    }
    page.keep("bench", result, folder)
    return render(folder)


def render(folder: Path) -> Path:
    """Make the page and the chart of the JSON file; return the page."""
    result = page.kept("bench", folder)
    if SHOWN in result["engines"]:
        (folder / "bench.svg").write_text(chart(SHOWN, result["engines"][SHOWN]))
    return page.write("bench", html_of(result), folder)


def summary(result: dict[str, Any]) -> Iterator[str]:
    """Yield what MEASURED.md says, a line of Markdown each."""
    yield "| Server CPU, microseconds a request | ping | read | write | writes: p99, ms |"
    yield "|---|--:|--:|--:|--:|"
    for engine, found in result["engines"].items():
        for name, views in found["requests"].items():
            cpu = " | ".join(f"{views[view]['cpu_total']:,.0f}" for view in VIEWS)
            yield f"| {engine}, {name} | {cpu} | {views['write']['p99_ms']:.0f} |"


def goals_in_markdown(result: dict[str, Any]) -> Iterator[str]:
    """Yield what was measured beside what was wanted, a line of Markdown each."""
    yield "| | Measured | Wanted |"
    yield "|---|--:|--:|"
    for goal in goals(result):
        sign = "≥" if goal.at_least else "≤"
        yield f"| {goal.what} | {goal.value:.2f} | {sign} {goal.bound:g} |"


def html_of(result: dict[str, Any]) -> Iterator[str]:
    """Yield the HTML."""
    yield from page.begin("bench", "What a session costs", result)
    yield (
        "<p>Judge: processor time of nginx, app, Postgres and Redis together, microseconds a "
        "request, from the kernel's account of each container. Medians; ratios are taken within "
        f"a round first. A sample in which others had more than {NOISE:.0%} of the machine was "
        "taken again, up to a limit; what remained is said in the tables. The README beside this "
        "file says what the numbers do not show.</p>"
    )
    yield from goals_table(result)
    yield "<h2>Variants</h2><ul>"
    for name in result["plan"]["variants"]:
        yield f"<li><b>{name}</b>: {html.escape(VARIANTS[name].what)}</li>"
    yield "</ul>"
    for engine, found in result["engines"].items():
        yield from engine_section(engine, found)
    if "levers" in result:
        yield from levers_section(result["levers"])
    if "clearing" in result:
        yield from clearing_section(result["clearing"])
    if "files" in result:
        yield from files_section(result["files"])


def goals_table(result: dict[str, Any]) -> Iterator[str]:
    """Yield what was wanted and what was measured."""
    yield "<h2>Goals</h2>"
    yield from table(
        ("", "measured", "goal", ""),
        (
            (
                html.escape(goal.what),
                f"{goal.value:.2f}",
                f"{'≥' if goal.at_least else '≤'} {goal.bound:g}",
                VERDICT[goal.met],
            )
            for goal in goals(result)
        ),
    )


def chart(engine: str, found: dict[str, Any]) -> str:
    """Return a drawing of what each view of one engine costs."""
    bars = {
        f"{view}, {name}": views[view]["cpu"]
        for view in VIEWS
        for name, views in found["requests"].items()
    }
    return charts.stacked_bars(f"{engine}: server CPU", "microseconds a request", bars, SERVERS)


def engine_section(engine: str, found: dict[str, Any]) -> Iterator[str]:
    """Yield one engine."""
    yield f"<h2><code>{engine}</code></h2>"
    requests = found["requests"]
    yield chart(engine, found)
    yield from table(
        ("", "", *SERVERS, "CPU us", "by hardened", "req/s", "p50 ms", "p99 ms", "others", "noisy"),
        (
            (
                view,
                name,
                *(f"{at['cpu'][service]:,.0f}" for service in SERVERS),
                f"{at['cpu_total']:,.0f}",
                f"{at['ratios']['cpu_total']['hardened']:.2f}",
                f"{at['per_second']:,.0f}",
                f"{at['p50_ms']:.1f}",
                f"{at['p99_ms']:.1f}",
                f"{at['foreign']:.0%}",
                f"{at['noisy']} of {at['samples']}, {at['repeated']} repeated",
            )
            for view in VIEWS
            for name, views in requests.items()
            for at in [views[view]]
        ),
    )
    yield "<p>Round trips to Postgres and Redis a request, and the statements among them:</p>"
    yield from table(
        ("", "", "Postgres", "Redis", "stated", "statements"),
        (
            (
                view,
                name,
                f"{at['postgres']:.2f}",
                f"{at['redis']:.2f}",
                " and ".join(map(str, STATED[engine][view])) if name == "hardened" else "",
                "<br>".join(f"{n:.1f} {html.escape(text)}" for n, text in at["statements"]),
            )
            for view in VIEWS
            for name, views in found["trips"].items()
            for at in [views[view]]
        ),
    )
    yield from table(
        ("", *(f"{name} MB" for name in SERVERS), "start s", "updates in place"),
        (
            (
                name,
                *(f"{memory[s]:.0f}" if s in memory else "" for s in SERVERS),
                f"{found['cold_start_seconds'][name]:.2f}",
                "" if found["hot"][name] is None else f"{found['hot'][name]:.1%}",
            )
            for name, memory in found["memory"].items()
        ),
    )
    images = ", ".join(f"{name} {size:.0f} MB" for name, size in found["images"].items())
    yield (
        f"<p>Images: {images}. A full TLS handshake costs nginx "
        f"{found['handshake_microseconds']:.0f} us, so one processor makes "
        f"{1e6 / found['handshake_microseconds']:,.0f} a second.</p>"
    )


def levers_section(found: dict[str, Any]) -> Iterator[str]:
    """Yield what each default that this stack changes would cost, had it stayed."""
    yield "<h2>Defaults that this stack changes, each back in its place</h2>"
    yield from table(
        (
            *("", "", "read CPU us", "by hardened", "write CPU us", "by hardened"),
            *("Postgres's share", "write p99 ms"),
        ),
        (
            (
                name,
                html.escape(LEVERS[name].what) if name in LEVERS else "this stack",
                *(
                    cell
                    for view in ("read", "write")
                    for cell in (
                        f"{views[view]['cpu_total']:,.0f}",
                        f"{views[view]['ratios']['cpu_total']['hardened']:.2f}",
                    )
                ),
                f"{views['write']['cpu']['postgres']:,.0f}",
                f"{views['write']['p99_ms']:.1f}",
            )
            for name, views in found.items()
        ),
    )


def clearing_section(found: dict[str, Any]) -> Iterator[str]:
    """Yield the clearing of a table, and its size's cost."""
    yield f"<h2>Clearing {found['rows']:,} expired rows of {2 * found['rows']:,}</h2>"
    names = [name for name in ("hardened", "stock") if name in found]
    p99 = {
        f"{name}, {when}": found[name][when]["p99_ms"]
        for name in names
        for when in ("before", "during")
    }
    yield charts.bars("p99 of writes at a steady pace", "milliseconds", p99)
    yield from table(
        ("", "s", "WAL MB", "longest ms", "p99 before", "p99 during", "ratio", "longest"),
        (
            (
                name,
                f"{at['seconds']:.1f}",
                f"{at['wal_megabytes']:,.0f}",
                f"{at['longest_statement_ms']:,.0f}",
                f"{at['before']['p99_ms']:.1f}",
                f"{at['during']['p99_ms']:.1f}",
                f"{at['p99_ratio']:.2f}",
                f"{at['during']['longest_ms']:.0f} ms",
            )
            for name in names
            for at in [found[name]]
        ),
    )
    if found["sizes"]:
        series = {
            f"{view}, {name}": {
                int(size): at[name][view]["cpu_total"] for size, at in found["sizes"].items()
            }
            for view in ("read", "write")
            for name in names
        }
        yield charts.lines("Cost by size of the table (db)", "us a request", "rows", series)


def files_section(found: dict[str, Any]) -> Iterator[str]:
    """Yield the clearing of a folder."""
    yield f"<h2>Clearing a folder of {found['files']:,} files</h2>"
    yield from table(
        ("", "", "", "removed", "CPU s", "wall s"),
        (
            (
                f"one of {every} expired",
                f"round {number}",
                name,
                f"{at['removed']:,}",
                f"{at['cpu']:.2f}",
                f"{at['wall']:.2f}",
            )
            for every, rounds in found["rounds"].items()
            for number, one in enumerate(rounds, 1)
            for name, at in one.items()
        ),
    )
