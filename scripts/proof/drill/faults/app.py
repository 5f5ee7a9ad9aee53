"""What happens to the app's containers: one dies, is replaced, or a new release is rolled out."""

from proof.drill.faults.model import Fault, Scene
from stack import run


def kill(scene: Scene) -> None:
    scene.stack.kill(scene.app)


def pause(scene: Scene) -> None:
    scene.stack.signal(scene.app, "STOP")


def resume(scene: Scene) -> None:
    scene.stack.start(scene.app)
    scene.stack.signal(scene.app, "CONT")
    scene.stack.wait_ready(scene.app)


def recreate(scene: Scene) -> None:
    scene.stack.compose("up", "--detach", "--no-deps", "--force-recreate", scene.app)


def back(scene: Scene) -> None:
    """Have the container run, however it was left."""
    scene.stack.start(scene.app)
    scene.stack.wait_ready(scene.app)


# --- A new release --------------------------------------------------------------------------------


def release(scene: Scene) -> str:
    """Return the name of the next release's image."""
    return f"{scene.stack.settings['APP_IMAGE']}:next"


def scale(scene: Scene, number: int, image: str) -> None:
    """Have that many containers; those that are there stay, and new ones get that image."""
    up = ["up", "--detach", "--wait", "--no-deps", "--no-recreate", "--scale"]
    scene.stack.compose(*up, f"{scene.app}={number}", scene.app, settings={"APP_IMAGE": image})


def two_replicas(scene: Scene) -> None:
    current = scene.stack.settings["APP_IMAGE"]
    # The same content under another name: what is drilled is the replacement.
    run("docker", "tag", current, release(scene))
    scale(scene, 2, current)


def roll(scene: Scene) -> None:
    """Replace one container after the other, each once its successor is healthy."""
    former = scene.stack.containers(scene.app)
    for container in former:
        scale(scene, len(former) + 1, release(scene))
        run("docker", "stop", container["Id"])
        run("docker", "rm", container["Id"])


def rolled(scene: Scene) -> None:
    for container in scene.stack.containers(scene.app):
        run("docker", "start", container["Id"])
    scene.stack.wait_ready(scene.app)


def one_replica(scene: Scene) -> None:
    scene.stack.compose("up", "--detach", "--wait", "--no-deps", scene.app)
    run("docker", "image", "rm", "--force", release(scene), check=False)


# A page that was on its way breaks off with the process.
BROKEN = frozenset({"502", "reset"})

FAULTS = (
    Fault(
        "app-kill",
        "SIGKILL to gunicorn's master and workers; the container's policy starts it again",
        "app",
        kill,
        back,
        hold=0,
        answers=BROKEN,
    ),
    Fault(
        "app-pause",
        "SIGSTOP to gunicorn's master and workers for 10 s, as a machine that stands still",
        "app",
        pause,
        resume,
        hold=10,
        answers=BROKEN | {"504", "timeout"},
    ),
    Fault(
        "app-recreate",
        "the app's container is replaced: up --force-recreate",
        "app",
        recreate,
        back,
        hold=0,
        answers=BROKEN,
    ),
    Fault(
        "app-roll",
        "two replicas are replaced by a new image's, one after the other",
        "app",
        roll,
        rolled,
        hold=0,
        prepare=two_replicas,
        clean=one_replica,
    ),
)
