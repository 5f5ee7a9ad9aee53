"""Replace the app's containers one after another, each once its successor is healthy."""

from operate.own import OwnStack
from stack import SERVICE, run


def roll(own: OwnStack) -> None:
    """Replace every container that runs now; no request fails, as one more serves meanwhile."""
    for former in own.apps:
        service = former["Config"]["Labels"][SERVICE]
        number = len(own.containers(service)) + 1
        up = ("up", "--detach", "--wait", "--no-deps", "--no-recreate")
        own.compose(*up, "--scale", f"{service}={number}", service)
        run("docker", "stop", former["Id"])
        run("docker", "rm", former["Id"])
    own.compose("restart", "clearsessions")  # it reads the same files
