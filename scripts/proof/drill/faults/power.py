"""What happens when the machine goes off and on again.

Every process dies at once. What a kernel had not written yet is not lost: that needs a machine.
"""

from typing import Any

from proof.drill.faults.model import WITH_REDIS, Fault, Scene
from stack import run


def servers(scene: Scene) -> list[dict[str, Any]]:
    """Return every container that a boot starts."""
    return [
        container
        for container in scene.stack.containers()
        if container["HostConfig"]["RestartPolicy"]["Name"] != "no"
    ]


def cut(scene: Scene) -> None:
    running = [container["Id"] for container in servers(scene) if container["State"]["Running"]]
    run("docker", "kill", *running)


def boot(scene: Scene) -> None:
    """Start everything in no order, and wait for what a request passes through."""
    run("docker", "start", *(container["Id"] for container in servers(scene)))
    redis = ["redis"] if scene.engine in WITH_REDIS else []
    scene.stack.wait_ready("postgres", *redis, scene.app, "nginx")


FAULTS = (
    Fault(
        "power-cut",
        "every container is killed at once, and started again",
        "stack",
        cut,
        boot,
        hold=2,
        answers=frozenset({"502", "reset"}),
    ),
)
