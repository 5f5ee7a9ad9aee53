"""What is measured, in which order, and how much of it."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from proof.bench import clearing, rounds, standing, trips
from proof.bench.variants import SERVERS, VariantStack, sites
from proof.progress import say
from stack import ENGINES, STORES

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    engines: tuple[str, ...]
    peer_engines: tuple[str, ...]  # those that run with the peers too
    variants: tuple[str, ...]
    levers: tuple[str, ...]  # of LEVERS: what each default that the stack changes is worth
    sessions: int
    rounds: int
    seconds: float
    clearing_engine: str  # under which the table is cleared
    rows: int  # that are not expired; as many again are
    sizes: tuple[int, ...]  # of the table, at which a request's cost is measured
    files: int
    expired_files: tuple[int, ...]  # one of how many is expired
    file_rounds: int


def carry_out(plan: Plan) -> Iterator[Result]:
    """Measure all of it; yield what is known after each part."""
    result: Result = {"plan": asdict(plan), "engines": {}}
    names = (*plan.variants, *plan.levers)
    say(f"building {', '.join(names)}")
    with sites(names) as every:
        made = {name: every[name] for name in plan.variants}
        layers = {name: site for name, site in made.items() if not site.variant.peer}
        for engine in plan.engines[:1]:
            result["engines"][engine] = measure_engine(made, layers, engine, plan)
            yield result
        if plan.levers:
            result["levers"] = measure_levers(every, plan)
            yield result
        if plan.rows:
            result["clearing"] = measure_clearing(layers, plan)
            yield result
        if plan.files:
            result["files"] = measure_files(layers, plan)
            yield result
        for engine in plan.engines[1:]:
            result["engines"][engine] = measure_engine(made, layers, engine, plan)
            yield result


def start(made: dict[str, VariantStack], engine: str, sessions: int) -> None:
    """Have every site run that engine, with sessions to ask with."""
    with ThreadPoolExecutor(len(made)) as pool:
        list(pool.map(lambda site: site.begin(engine), made.values()))
        list(pool.map(lambda site: site.mint(sessions), made.values()))


def measure_engine(
    made: dict[str, VariantStack], layers: dict[str, VariantStack], engine: str, plan: Plan
) -> Result:
    """Measure one engine: its requests, its round trips, and what stands around them."""
    made = made if engine in plan.peer_engines else layers
    say(f"{engine}: starting {', '.join(made)}")
    start(made, engine, plan.sessions)
    say(f"{engine}: round trips")
    trips_of = {
        name: {view: asdict(trips.count(site, view)) for view in rounds.VIEWS}
        for name, site in made.items()
        if not site.variant.peer
    }
    say(f"{engine}: {plan.rounds} rounds of {len(made)} variants, {plan.seconds:.0f} s a sample")
    updates = {name: updates_of(site) for name, site in made.items()}
    table = rounds.measure(made, plan.rounds, plan.seconds)
    time.sleep(2)  # until Postgres has the counts of every process
    hot = {name: hot_share(updates[name], updates_of(site)) for name, site in made.items()}
    say(f"{engine}: memory and start")
    return {
        "requests": requests_of(table),
        "trips": trips_of,
        "hot": hot,
        "memory": {name: standing.memory(site) for name, site in made.items()},
        "handshake_microseconds": standing.handshake_microseconds(made["hardened"]),
        "images": standing.images(made["hardened"]),
        "cold_start_seconds": {name: standing.cold_start(site) for name, site in made.items()},
    }


def measure_levers(every: dict[str, VariantStack], plan: Plan) -> Result:
    """Measure the hardened layer as it is, and with one default back in its place at a time."""
    made = {name: every[name] for name in ("hardened", *plan.levers)}
    say(f"levers: starting {', '.join(plan.levers)}")
    start(made, plan.engines[0], plan.sessions)
    say(f"levers: {plan.rounds} rounds of {len(made)}, {plan.seconds:.0f} s a sample")
    return requests_of(rounds.measure(made, plan.rounds, plan.seconds, ("read", "write")))


def requests_of(table: rounds.Table) -> Result:
    """Return medians, and ratios to each other variant."""
    found: Result = {}
    for (name, view), series in table.items():
        found.setdefault(name, {})[view] = {
            "cpu_total": series.median("cpu_total"),
            "cpu": {service: series.cpu(service) for service in SERVERS},
            "per_second": series.median("per_second"),
            "p50_ms": series.median("p50_ms"),
            "p99_ms": series.median("p99_ms"),
            "ratios": {
                measure: {
                    other: rounds.ratio(table, view, name, other, measure)
                    for other, its_view in table
                    if its_view == view
                }
                for measure in ("cpu_total", "per_second", "p99_ms")
            },
            "foreign": series.median("foreign"),
            "noisy": series.noisy,
            "repeated": series.repeated,
            "samples": len(series.samples),
        }
    return found


def updates_of(site: VariantStack) -> tuple[int, int]:
    """Return how many rows were updated, and how many of them in place."""
    counts = site.sql(
        "SELECT n_tup_upd || ' ' || n_tup_hot_upd FROM pg_stat_user_tables "
        "WHERE relname = 'django_session'"
    )
    updated, hot = map(int, counts.split())
    return updated, hot


def hot_share(before: tuple[int, int], after: tuple[int, int]) -> float | None:
    """Return the share of updates that touched no index; None where there were none."""
    updated = after[0] - before[0]
    return (after[1] - before[1]) / updated if updated else None


def measure_clearing(layers: dict[str, VariantStack], plan: Plan) -> Result:
    """Measure the table's growth, and then its clearing, by each layer."""
    say("clearing a large table: starting")
    start(layers, plan.clearing_engine, plan.sessions)
    result: Result = {"rows": plan.rows, "sizes": {}}
    filled = 0
    for size in plan.sizes:
        say(f"a table of {size:,} rows")
        for site in layers.values():
            clearing.fill(site, filled + 1, size)
        filled = size
        table = rounds.measure(layers, max(1, plan.rounds // 2), plan.seconds, ("read", "write"))
        result["sizes"][size] = requests_of(table)
    for name, site in layers.items():
        say(f"{name}: {plan.rows:,} expired rows of {2 * plan.rows:,}")
        clearing.fill(site, filled + 1, 2 * plan.rows)
        result[name] = clearing.clear(site, plan.rows).as_json()
        site.sql("TRUNCATE django_session")  # what comes next starts from a small table again
    return result


def measure_files(layers: dict[str, VariantStack], plan: Plan) -> Result:
    """Measure the clearing of a folder, by each layer in turn."""
    say(f"clearing {plan.files:,} files: starting")
    (engine,) = (name for name in ENGINES if STORES[name][0] == "folder")
    start(layers, engine, 1)
    result: Result = {"files": plan.files, "rounds": {every: [] for every in plan.expired_files}}
    for every, rounds_of in result["rounds"].items():
        for number in range(plan.file_rounds):
            found: Result = {}
            for name, site in layers.items():
                files = ["python", "-m", "bench.files"]
                site.execute(f"app-{engine}", *files, "fill", str(plan.files), str(every))
                found[name] = json.loads(site.execute(f"app-{engine}", *files, "clear"))
            rounds_of.append(found)
            say(f"    one of {every} expired: round {number + 1} of {plan.file_rounds}")
    return result
