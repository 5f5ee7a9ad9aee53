"""What follows from the capacity in `.env`, and whether it fits: sums that init and startup share.

All memory is in MB. What a process takes was measured on Linux with Python 3.13 and PostgreSQL 17.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from pathlib import Path

PROCESS_MB = 48  # a gunicorn process before its first request
THREADS_BESIDE = 4  # of each process: the main thread, and those that watch statements and stores
CONNECTION_MB = 4  # of a Postgres process that serves a connection
UPKEEP_MB = 32  # maintenance_work_mem in postgresql.conf
CONNECTIONS_BESIDE = 10  # migrate, clearsessions, and looking in
CONNECTIONS_LEAST = 60

# Where a container finds its limits: cgroup v2, then v1.
LIMITS = {
    "memory": ("memory.max", "memory/memory.limit_in_bytes"),
    "pids": ("pids.max", "pids/pids.max"),
}


def workers(cpus: Decimal, given: int | None) -> int:
    """Return the number of gunicorn's workers: two at least, so that one can be recycled."""
    return given or max(2, ceil(cpus))


@dataclass(frozen=True, slots=True)
class Postgres:
    """What Postgres is told, for so many threads and so much memory."""

    threads: int  # of all workers of one app container
    memory: int

    @property
    def connections(self) -> int:
        """Return max_connections: two containers run while a release rolls."""
        return max(CONNECTIONS_LEAST, 2 * self.threads + CONNECTIONS_BESIDE)

    @property
    def buffers(self) -> int:
        """Return shared_buffers: a quarter of the memory."""
        return self.memory // 4

    @property
    def configuration(self) -> str:
        """Return the lines for postgresql.conf."""
        return (
            f"max_connections = {self.connections}\n"
            f"shared_buffers = {self.buffers}MB\n"
            f"effective_cache_size = {self.memory // 2}MB\n"
        )

    def problem(self) -> str | None:
        """Return why the memory does not suffice, if it does not."""
        taken = self.buffers + UPKEEP_MB + self.connections * CONNECTION_MB
        if taken <= self.memory:
            return None
        enough = ceil((UPKEEP_MB + self.connections * CONNECTION_MB) * 4 / 3)
        return (
            f"POSTGRES_MEMORY_MB is {self.memory}; {self.buffers} for shared_buffers + {UPKEEP_MB} "
            f"+ {self.connections} connections x {CONNECTION_MB} = {taken}; it may be {enough} or "
            "more, or APP_WORKERS or APP_THREADS less"
        )


def redis_configuration(memory: int) -> str:
    """Return the line for redis.conf: to rewrite the append-only file, Redis may need the rest."""
    return f"maxmemory {memory * 5 // 8}mb\n"


def limit(kind: str, root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return this container's limit of that kind; None where there is none, or none is readable."""
    for name in LIMITS[kind]:
        try:
            text = (root / name).read_text().strip()
        except OSError:
            continue
        # cgroup v1 says "no limit" by a number near 2**63.
        return int(text) if text.isdecimal() and int(text) < 2**60 else None
    return None


def problems(
    workers: int, threads: int, connections: int, root: Path = Path("/sys/fs/cgroup")
) -> Iterator[str]:
    """Yield one line for each limit that gunicorn would outgrow.

    Args:
        workers: gunicorn's.
        threads: of each worker.
        connections: what Postgres has for all.
        root: where the container's limits are.
    """
    memory, pids = limit("memory", root), limit("pids", root)
    needed = (workers + 1) * PROCESS_MB
    if memory is not None and needed > memory >> 20:
        yield (
            f"APP_MEMORY_MB is {memory >> 20}; {workers} workers and their master, "
            f"{workers + 1} x {PROCESS_MB} = {needed}; it may be {needed} or more, or APP_WORKERS "
            f"{max(1, (memory >> 20) // PROCESS_MB - 1)} or less"
        )
    needed = workers * (threads + THREADS_BESIDE) + THREADS_BESIDE
    if pids is not None and needed > pids:
        yield (
            f"APP_THREADS is {threads}; {workers} workers x ({threads} + {THREADS_BESIDE}) threads "
            f"+ {THREADS_BESIDE} = {needed}, where the service's limit (pids) is {pids}; "
            "it may be less, or APP_WORKERS"
        )
    needed = workers * threads + CONNECTIONS_BESIDE
    if needed > connections:
        yield (
            f"APP_THREADS is {threads}; {workers} workers x {threads} threads + "
            f"{CONNECTIONS_BESIDE} = {needed} connections, where Postgres has {connections} "
            "(max_connections); repair: docker compose up --detach init && "
            "docker compose restart postgres"
        )
