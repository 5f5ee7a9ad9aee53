"""Load on one stack, and what it cost the stack: one sample."""

import json
import subprocess
from dataclasses import asdict, dataclass, field

from proof.bench import cgroups
from proof.bench.variants import COOKIES, DOMAIN, PROCESSORS, VariantStack
from stack import StackError, run

CONNECTIONS = 32
LONGEST_RUN_SECONDS = 600


@dataclass(slots=True)
class Sample:
    """What one run of wrk showed."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    longest_ms: float
    # Server CPU, microseconds a request, by service.
    cpu: dict[str, float] = field(default_factory=dict)
    # The share of all processors that neither the stack nor its client had.
    foreign: float = 0.0

    @property
    def cpu_total(self) -> float:
        """Return the CPU of all services, in microseconds a request."""
        return sum(self.cpu.values())

    @property
    def per_second(self) -> float:
        """Return requests a second."""
        return self.requests / self.seconds

    def as_json(self) -> dict[str, object]:
        """Return what the report keeps."""
        return {**asdict(self), "cpu_total": self.cpu_total, "per_second": self.per_second}


def wrk(
    view: str, seconds: float, connections: int = CONNECTIONS, pause_ms: int | None = None
) -> list[str]:
    """Return the command that asks for a view with each cookie in turn."""
    return [
        "wrk",
        "--threads=1",
        f"--connections={connections}",
        f"--duration={seconds:.0f}s",
        "--script=/load/sessions.lua",
        f"https://{DOMAIN}:8443/bench/{view}",
        "--",
        COOKIES,
        *([str(pause_ms)] if pause_ms else []),
    ]


def parse(output: str) -> Sample:
    """Return what wrk printed.

    Raises:
        StackError: where a request was not answered, or not with success: no such run counts.
    """
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise StackError(f"wrk printed no result: {output.strip()[-300:]}")
    found = json.loads(lines[-1])
    if found["refused"] or found["broken"] or not found["requests"]:
        raise StackError(
            f"of {found['requests']} requests {found['refused']} were refused and "
            f"{found['broken']} had no answer"
        )
    return Sample(
        found["requests"],
        found["microseconds"] / 1e6,
        found["p50"] / 1e3,
        found["p99"] / 1e3,
        found["longest"] / 1e3,
    )


def sample(site: VariantStack, view: str, seconds: float, connections: int = CONNECTIONS) -> Sample:
    """Send load for that long, and hold every service to account for it."""
    client = cgroups.cpu_seconds(site.client_process)
    machine = cgroups.machine()
    before = {name: cgroups.cpu_seconds(process) for name, process in site.processes.items()}
    done = run("docker", "exec", site.client, *wrk(view, seconds, connections))
    after = {name: cgroups.cpu_seconds(process) for name, process in site.processes.items()}
    passed = cgroups.machine()
    client = cgroups.cpu_seconds(site.client_process) - client
    found = parse(done.stdout)
    found.cpu = {name: (after[name] - before[name]) * 1e6 / found.requests for name in before}
    foreign = passed.busy - machine.busy - client - sum(after.values()) + sum(before.values())
    found.foreign = max(0.0, foreign / (passed.at - machine.at) / PROCESSORS)
    return found


def begin_paced(
    site: VariantStack, view: str, pause_ms: int, connections: int
) -> "subprocess.Popen[str]":
    """Begin a steady, light load; `end_paced` ends it."""
    command = wrk(view, LONGEST_RUN_SECONDS, connections, pause_ms)
    return subprocess.Popen(  # noqa: S603 - a command of this file, in no shell
        ["docker", "exec", site.client, *command],  # noqa: S607
        stdout=subprocess.PIPE,
        text=True,
    )


def end_paced(site: VariantStack, load: "subprocess.Popen[str]") -> Sample:
    """Stop the load and return what it showed."""
    # wrk prints its summary when it is interrupted.
    run("docker", "exec", site.client, "sh", "-c", "kill -INT $(pidof wrk)")
    output, _ = load.communicate(timeout=30)
    return parse(output)
