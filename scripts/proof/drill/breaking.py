"""A stack whose services can be broken, and mended."""

import time

from stack import ROOT, Stack, StackError, run

LINK = ROOT / "scripts" / "proof" / "drill" / "stack" / "link.py"


class BreakableStack(Stack):
    """A stack of which a service can be signalled, killed, started again or cut off."""

    def signal(self, service: str, signal: str) -> None:
        """Send a signal to every process of the service's one container but its init."""
        self.execute(service, "sh", "-c", f"kill -{signal} -1")

    def kill(self, service: str, first: str = "true") -> None:
        """Kill the processes of the service's one container, and wait until that has ended.

        From inside: a container that `docker kill` ended would not be started again by its policy.

        Args:
            service: which one.
            first: a shell command to run in the container just before.

        Raises:
            StackError: when the container runs on.
        """
        before = self.container(service)
        command = ["docker", "exec", before["Id"], "sh", "-c", f"{first}; kill -KILL -1"]
        done = run(*command, check=False)  # the shell may be taken along
        deadline = time.monotonic() + 10
        while (state := self.container(service)["State"])["Running"]:
            if state["StartedAt"] != before["State"]["StartedAt"]:
                return
            if time.monotonic() > deadline:
                raise StackError(f"{service} was killed and runs on: {done.stderr.strip()}")

    def start(self, *services: str) -> None:
        """Start those of the services that don't run, at once where a policy would wait."""
        for service in services:
            found = self.containers(service)
            for container in found:
                state = container["State"]
                if not state["Running"] or state["Restarting"]:
                    run("docker", "restart", container["Id"])
            if not found:
                self.compose("up", "--detach", "--no-deps", service)

    def wait_ready(self, *services: str, seconds: float = 60) -> None:
        """Wait until the services' own health checks pass, asked at once and not at their interval.

        Raises:
            StackError: when one does not, after that long.
        """
        deadline = time.monotonic() + seconds
        for container in self.containers(*services):
            kind, *test = container["Config"]["Healthcheck"]["Test"]
            shell = ["sh", "-c"] if kind == "CMD-SHELL" else []
            command = ["docker", "exec", container["Id"], *shell, *test]
            while (done := run(*command, check=False)).returncode:
                if time.monotonic() > deadline:
                    said = f"{done.stdout}{done.stderr}".strip()
                    name = container["Name"].removeprefix("/")
                    raise StackError(f"{name} is not ready after {seconds:.0f} s: {said}")
                time.sleep(0.05)

    def link(self, service: str, state: str) -> None:
        """Take the service's one container off its networks, or back on: `down` or `up`.

        Names, addresses and connections stay; packets get lost.
        """
        network = f"container:{self.container(service)['Id']}"
        options = ["--rm", "--interactive", "--network", network, "--user", "0:0"]
        limits = ["--read-only", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN"]
        image = self.settings["APP_IMAGE"]
        command = ["docker", "run", *options, *limits, image, "python", "-", state]
        run(*command, stdin=LINK.read_text())
