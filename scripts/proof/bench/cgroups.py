"""What the kernel accounts to each container, by control groups of version 1 or 2."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from stack import StackError

PROC = Path("/proc")
SYS = Path("/sys/fs/cgroup")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def folder(process: int, controller: str) -> Path:
    """Return the folder of a process's group.

    Args:
        process: the id of the container's first process, as the host sees it.
        controller: what version 1 keeps a hierarchy of its own for; version 2 has one for all.
    """
    try:
        lines = (PROC / str(process) / "cgroup").read_text().splitlines()
    except OSError as error:
        raise StackError(f"no account of process {process}: is Docker on this machine?") from error
    groups = dict(line.split(":", 2)[1:] for line in lines)
    if (SYS / "cgroup.controllers").exists():
        return SYS / groups[""].lstrip("/")
    for controllers, path in groups.items():
        if controller in controllers.split(","):
            return SYS / controller / path.lstrip("/")
    raise StackError(f"process {process} is in no {controller} group")


def cpu_seconds(process: int) -> float:
    """Return the processor time of the group so far, ended processes included."""
    group = folder(process, "cpuacct")
    usage = group / "cpuacct.usage"
    if usage.exists():
        return int(usage.read_text()) / 1e9
    return number_of(group / "cpu.stat", "usage_usec") / 1e6


def memory_bytes(process: int) -> int:
    """Return the memory of the group's processes, without cached files."""
    stat = folder(process, "memory") / "memory.stat"
    text = stat.read_text()
    names = ("total_rss",) if "\ntotal_rss " in text else ("anon",)
    return sum(number_of(stat, name) for name in names)


def number_of(path: Path, name: str) -> int:
    """Return the number on the line of that name."""
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    raise StackError(f"{path} has no {name}")


@dataclass(frozen=True, slots=True)
class Machine:
    """The time since some moment, and what all processors did in it. In seconds."""

    at: float
    busy: float


def machine() -> Machine:
    """Return what the machine has done so far; time stolen by its host counts as busy.

    Interrupts do not: they are charged to no group, and are the load's own packets for the most.
    """
    user, nice, system, _idle, _iowait, _irq, _softirq, steal = map(
        int, (PROC / "stat").read_text().splitlines()[0].split()[1:9]
    )
    ticks = user + nice + system + steal
    return Machine(time.monotonic(), ticks / CLOCK_TICKS)
