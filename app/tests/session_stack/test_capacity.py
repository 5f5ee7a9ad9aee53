"""What follows from the capacity in `.env`, and the sums that must fit a container's limits."""

from decimal import Decimal
from pathlib import Path

import pytest

from session_stack import capacity


@pytest.mark.parametrize(
    ("cpus", "given", "workers"), [("0.5", None, 2), ("2.1", None, 3), ("8", 3, 3), ("8", 1, 1)]
)
def test_a_worker_for_each_processor_two_at_least(cpus: str, given: int, workers: int) -> None:
    assert capacity.workers(Decimal(cpus), given) == workers


@pytest.mark.parametrize(
    ("threads", "memory", "connections", "problem"),
    [
        (8, 512, 60, None),
        (32, 512, 74, None),
        (64, 512, 138, "128 for shared_buffers + 32 + 138 connections x 4 = 712; it may be 779"),
        (64, 779, 138, None),
        (8, 64, 60, "16 for shared_buffers + 32 + 60 connections x 4 = 288; it may be 363"),
        (8, 363, 60, None),
    ],
)
def test_postgres_has_a_connection_for_each_thread_and_memory_for_each_connection(
    threads: int, memory: int, connections: int, problem: str | None
) -> None:
    postgres = capacity.Postgres(threads, memory)
    assert f"max_connections = {connections}\n" in postgres.configuration
    said = postgres.problem()
    assert said is None if problem is None else said is not None and problem in said
    assert said is None or said.startswith(f"POSTGRES_MEMORY_MB is {memory}; ")


def limits(root: Path, version: int, memory: str, pids: str) -> Path:
    """Write a container's limits as that version of cgroup shows them."""
    names = {1: ("memory/memory.limit_in_bytes", "pids/pids.max"), 2: ("memory.max", "pids.max")}
    for name, text in zip(names[version], (memory, pids), strict=True):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return root


MB = 1 << 20


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("workers", "threads", "connections", "problem"),
    [
        (2, 4, 60, None),
        (7, 4, 60, None),
        (8, 4, 60, "APP_MEMORY_MB is 384; 8 workers and their master, 9 x 48 = 432"),
        (7, 12, 94, "APP_THREADS is 12; 7 workers x (12 + 4) threads + 4 = 116"),
        (6, 9, 60, "APP_THREADS is 9; 6 workers x 9 threads + 10 = 64 connections, where"),
    ],
)
def test_what_would_not_fit_is_named_with_its_sum(
    tmp_path: Path, version: int, workers: int, threads: int, connections: int, problem: str | None
) -> None:
    root = limits(tmp_path, version, str(384 * MB), "100")
    found = list(capacity.problems(workers, threads, connections, root))
    assert [line[: len(problem or "")] for line in found] == ([problem] if problem else [])
    assert all("repair: " in line or "it may be " in line for line in found)


@pytest.mark.parametrize(
    ("version", "memory", "pids"), [(1, "9223372036854771712", "max"), (2, "max", "max")]
)
def test_a_container_without_limits_refuses_nothing(
    tmp_path: Path, version: int, memory: str, pids: str
) -> None:
    assert not list(capacity.problems(64, 16, 2000, limits(tmp_path, version, memory, pids)))
    assert not list(capacity.problems(64, 16, 2000, tmp_path / "nowhere"))
