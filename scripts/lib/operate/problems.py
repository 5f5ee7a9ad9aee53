"""What needs a person, from what is known of a stack: the worst first, each with what to do."""

import time
from collections.abc import Iterator
from typing import NamedTuple

from operate.facts import Facts

CRITICAL, WARNING = "critical", "warning"
STATUS = {CRITICAL: 2, WARNING: 1}  # as monitoring plugins end (Monitoring Plugins guidelines, 2.5)

UPKEEP = ("clearsessions", "certificates", "backup")  # visitors notice nothing while these are away
LATELY_SECONDS = 3600.0
RENEWAL_DAYS = 2.0  # by then a renewal that is due has happened
FULL = ((0.95, CRITICAL), (0.85, WARNING))
DAY = 86400.0


class Problem(NamedTuple):
    """One line."""

    level: str
    what: str
    repair: str


def problems(facts: Facts, now: float | None = None) -> list[Problem]:
    """Return what needs a person, the worst first."""
    now = time.time() if now is None else now
    if not facts["services"]:
        return [Problem(CRITICAL, "nothing of the stack runs", "./scripts/up ENGINE")]
    found = [
        *of_services(facts, now),
        *of_engine(facts),
        *of_certificate(facts, now),
        *of_clearing(facts, now),
        *of_stores(facts),
    ]
    return sorted(found, key=lambda problem: -STATUS[problem.level])


def of_services(facts: Facts, now: float) -> Iterator[Problem]:
    """Yield services that are away, ill, or were lately ended by something."""
    for name in facts["expected"]:
        level = WARNING if name in UPKEEP else CRITICAL
        containers = facts["services"].get(name, [])
        if not containers:
            yield Problem(level, f"{name} is not there", f"./scripts/up {facts['engine']}")
        for one in containers:
            if one["state"] != "running":
                yield Problem(level, f"{name} is {one['state']}", f"docker compose logs {name}")
            elif one["health"] == "unhealthy":
                says = f": {one['says']}" if one["says"] else ""
                yield Problem(level, f"{name} is unhealthy{says}", f"docker compose logs {name}")
            elif one["health"] == "starting":
                yield Problem(WARNING, f"{name} is starting", "ask again in a minute")
            elif one["restarts"] and now - one["started"] < LATELY_SECONDS:
                ended = f"{name} ended and was started again in the last hour"
                yield Problem(WARNING, ended, f"docker compose logs {name}")
            if one["out_of_memory"]:
                killed = f"{name} had a process killed for want of memory"
                yield Problem(WARNING, killed, "more memory in .env, section Capacity")
    for name in ("init", "migrate"):
        if any(
            one["state"] == "exited" and one["exit_status"]
            for one in facts["services"].get(name, [])
        ):
            yield Problem(CRITICAL, f"{name} failed", "./scripts/complaints")


def of_engine(facts: Facts) -> Iterator[Problem]:
    """Yield an app beside the one in force, and stores that the app takes for gone."""
    for name, containers in facts["services"].items():
        engine = name.removeprefix("app-")
        running = any(one["state"] == "running" for one in containers)
        if name.startswith("app-") and engine != facts["engine"] and running:
            what = f"{name} runs, and the engine in force is {facts['engine']}"
            yield Problem(CRITICAL, what, f"./scripts/up {facts['engine']}")
    for store, breaker in facts["breakers"].items():
        if breaker["open"]:
            what = f"the app takes {store} for gone, and asks it every second"
            yield Problem(CRITICAL, what, f"docker compose logs {store}")


def of_certificate(facts: Facts, now: float) -> Iterator[Problem]:
    """Yield a certificate that is not served, or is near its end or over it."""
    kept = facts["kept"]
    if kept is None:
        return
    repair = "docker compose run --rm init"
    certificate = kept["certificate"]
    if certificate is None:
        yield Problem(CRITICAL, "there is no certificate", repair)
        return
    if kept["given"]:
        repair = f"put a new one into deploy/certs, then {repair}"
    life, left = certificate["ends"] - certificate["begins"], certificate["ends"] - now
    if left <= 0:
        yield Problem(CRITICAL, f"the certificate expired {-left / DAY:.1f} days ago", repair)
    elif left < life * kept["short_below"]:
        yield Problem(CRITICAL, f"the certificate has {left / DAY:.1f} days left", repair)
    elif left < life * kept["renew_below"] - RENEWAL_DAYS * DAY:
        yield Problem(WARNING, f"the certificate has {left / DAY:.1f} days left", repair)
    if facts["served"] is None:
        yield Problem(
            CRITICAL, "nginx shows no certificate on its port", "docker compose logs nginx"
        )
    elif facts["served"] != certificate["sha256"]:
        what = "nginx serves another certificate than the newest"
        yield Problem(WARNING, what, "docker compose restart nginx")


def of_clearing(facts: Facts, now: float) -> Iterator[Problem]:
    """Yield a clearing that is overdue."""
    upkeep = facts["upkeep"]
    if upkeep is not None and upkeep["fresh_until"] < now:
        what = "no clearing has succeeded yet"
        if upkeep["cleared"]:
            what = f"the last clearing was {(now - upkeep['cleared']) / 3600:.1f} hours ago"
        yield Problem(WARNING, what, "docker compose run --rm clearsessions once")


def of_stores(facts: Facts) -> Iterator[Problem]:
    """Yield each store that is nearly full."""
    postgres, redis, kept = facts["postgres"], facts["redis"], facts["kept"]
    shares: dict[str, tuple[float, str]] = {}
    if kept:
        shares["the disk with Docker's volumes"] = kept["disk"], "make room; see docker system df"
    if postgres:
        share = postgres["connections"] / postgres["connections_most"]
        shares["Postgres's max_connections"] = share, "APP_WORKERS and APP_THREADS in .env"
        shares["Postgres's disk"] = postgres["disk"], "make room, or give it a larger disk"
    if redis:
        share = redis["bytes"] / redis["bytes_most"] if redis["bytes_most"] else 0.0
        shares["Redis's maxmemory"] = share, "raise REDIS_MEMORY_MB in .env, then ./scripts/up"
        shares["Redis's disk"] = redis["disk"], "make room, or give it a larger disk"
        if not redis["log_is_written"]:
            what = "Redis can't write its append-only file"
            yield Problem(CRITICAL, what, "make room on its disk; see docker compose logs redis")
    said: set[int] = set()  # file systems that are as full to the byte are one
    for what, (share, repair) in shares.items():
        level = next((level for limit, level in FULL if share >= limit), None)
        if level and (mark := int(share * 1e6)) not in said:
            said.add(mark)
            yield Problem(level, f"{what}: {share:.0%} used", repair)
