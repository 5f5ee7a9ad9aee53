"""`scripts/status`: what an operator reads in the morning."""

import json
import sys
import time
from collections.abc import Iterator

from operate.facts import Facts, gather
from operate.own import OwnStack, verb
from operate.problems import DAY, STATUS, Problem, problems
from stack import STORES, StackError

UNKNOWN = 3


def main(arguments: list[str]) -> int:
    """Print it; return 0 where all is well, 1 on a warning, 2 where something is broken."""
    if arguments not in ([], ["--json"]):
        raise StackError(f"{' '.join(arguments)!r} is no option; it may be --json")
    facts = gather(OwnStack())
    found = problems(facts)
    if arguments:
        listed = [problem._asdict() for problem in found]
        level = found[0].level if found else "ok"
        json.dump({"status": level, "problems": listed, **facts}, sys.stdout, indent=2)
        print()
    else:
        print("\n".join([*headline(found), "", *table(facts)]))
    return STATUS[found[0].level] if found else 0


def headline(found: list[Problem]) -> Iterator[str]:
    """Yield what needs a person first."""
    for level, what, repair in found:
        yield f"{level:9} {what}\n{'':9} -> {repair}"
    if not found:
        yield "ok        nothing needs a person"


def table(facts: Facts) -> Iterator[str]:
    """Yield a line for each part that answered."""
    now = time.time()

    def line(name: str, text: str) -> str:
        return f"{name:14}{text}"

    layer = (facts["app"] or {}).get("layer", "unknown")
    yield line("engine", f"{facts['engine'] or 'unknown'}, layer {layer}")
    for name in facts["expected"]:
        containers = facts["services"].get(name, [])
        states = [
            one["state"] if one["state"] != "running" else one["health"] for one in containers
        ] or ["not there"]
        yield line(name, ", ".join(states))
    if kept := facts["kept"]:
        if certificate := kept["certificate"]:
            whose = "of deploy/certs" if kept["given"] else "of this stack's own authority"
            left, life = (certificate["ends"] - t for t in (now, certificate["begins"]))
            yield line("certificate", f"{left / DAY:.1f} of {life / DAY:.0f} days left, {whose}")
        if authority := kept["authority"]:
            yield line("authority", f"{(authority['ends'] - now) / DAY:.0f} days left")
        ages = [f"{name} {(now - at) / DAY:.0f} d" for name, at in kept["secrets"].items()]
        for number in range(0, len(ages), 3):
            yield line("" if number else "secrets", ", ".join(ages[number : number + 3]))
        yield line("disk", f"{kept['disk']:.0%} used")
    if upkeep := facts["upkeep"]:
        yield line("cleared", f"{(now - upkeep['cleared']) / 60:.0f} min ago")
    if (last := facts["backup"]) and "at" in last:
        size = f"{last['bytes'] / 2**20:.1f} MB"
        yield line("backup", f"{last['snapshot']}, {(now - last['at']) / 3600:.0f} h ago, {size}")
    yield line("sessions", sessions(facts))
    if postgres := facts["postgres"]:
        connections = f"{postgres['connections']} of {postgres['connections_most']} connections"
        yield line("postgres", f"{postgres['bytes'] >> 20} MB, {connections}")
    if redis := facts["redis"]:
        most = redis["bytes_most"] >> 20
        yield line("redis", f"{redis['bytes'] >> 20} of {most} MB, {redis['keys']} keys")
    for store, breaker in facts["breakers"].items():
        state = "open" if breaker["open"] else "closed"
        yield line("breaker", f"{store}: {state}, opened {breaker['opened']} times in an hour")


def sessions(facts: Facts) -> str:
    """Return how many sessions the engine keeps."""
    where = {
        "postgres": ("postgres", "live", "expired"),
        "folder": ("upkeep", "files_live", "files_expired"),
    }
    store = next(iter(STORES.get(facts["engine"], ())), "")
    if store in where:
        part, live, expired = where[store]
        found = facts[part]
        return f"{found[live]} live, {found[expired]} expired" if found else "unknown"
    if store == "redis":
        return f"at most {facts['redis']['keys']} live" if facts["redis"] else "unknown"
    return "not counted"


verb("status", main, UNKNOWN)
