"""What a stack costs beside requests: memory, its start, its images, handshakes."""

import time

from proof.bench import cgroups
from proof.bench.variants import DOMAIN, VariantStack
from stack import SERVICE, run

START_SECONDS = 60
HANDSHAKE_SECONDS = 5


def memory(site: VariantStack) -> dict[str, float]:
    """Return the memory of each service's processes, in megabytes."""
    return {name: cgroups.memory_bytes(process) / 1e6 for name, process in site.processes.items()}


def cold_start(site: VariantStack) -> float:
    """Kill the app, start it, and return the seconds until a visitor has an answer."""
    container = site.container(f"app-{site.engine}")["Id"]
    run("docker", "stop", "--time", "0", container)
    started = time.monotonic()
    run("docker", "start", container)
    command = ["python", "/load/first_answer.py", DOMAIN, "8443", "/bench/ping", str(START_SECONDS)]
    answered = float(run("docker", "exec", site.client, *command).stdout)
    site.look_up()
    return answered - started


def images(site: VariantStack) -> dict[str, float]:
    """Return the size of each service's image, in megabytes."""
    sizes = {}
    for container in site.containers():
        service = container["Config"]["Labels"][SERVICE].partition("-")[0]
        if service in site.processes:
            format_ = ["--format", "{{.Size}}", container["Image"]]
            sizes[service] = int(run("docker", "image", "inspect", *format_).stdout) / 1e6
    return sizes


def handshake_microseconds(site: VariantStack) -> float:
    """Return what a full TLS handshake costs nginx."""
    before = cgroups.cpu_seconds(site.processes["nginx"])
    command = ["python", "/load/handshakes.py", DOMAIN, "8443", str(HANDSHAKE_SECONDS)]
    number = int(run("docker", "exec", site.client, *command).stdout)
    return (cgroups.cpu_seconds(site.processes["nginx"]) - before) * 1e6 / number
