"""What happens to nginx."""

from proof.drill.faults.model import Fault, Scene


def reload(scene: Scene) -> None:
    scene.stack.execute("nginx", "nginx", "-s", "reload")


def kill(scene: Scene) -> None:
    scene.stack.kill("nginx")


def back(scene: Scene) -> None:
    """Have the container run, however it was left."""
    scene.stack.start("nginx")
    scene.stack.wait_ready("nginx")


FAULTS = (
    Fault("nginx-reload", "nginx reads its configuration again", "nginx", reload, back, hold=2),
    Fault(
        "nginx-kill",
        "SIGKILL to nginx; the container's policy starts it again",
        "nginx",
        kill,
        back,
        hold=0,
        answers=frozenset({"reset"}),
    ),
)
