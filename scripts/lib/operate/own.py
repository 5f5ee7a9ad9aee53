"""The operator's own stack: the compose project of this clone."""

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from stack import ROOT, SERVICE, CommandError, ComposeProject, StackError, run


class OwnStack(ComposeProject):
    """The project that `docker compose` finds in this folder, by the environment and `.env`."""

    def __init__(self) -> None:
        """Read its configuration.

        Raises:
            StackError: where no engine answers, or compose refuses the configuration.
        """
        self.folder = ROOT
        if run("docker", "version", check=False).returncode:
            raise StackError("no Docker engine answers; start it, then run this again")
        self.config: dict[str, Any] = json.loads(self.compose("config", "--format=json").stdout)
        self.project = self.config["name"]

    @property
    def apps(self) -> list[dict[str, Any]]:
        """Return the containers that serve the site."""
        return [
            one
            for one in self.containers()
            if one["Config"]["Labels"][SERVICE].startswith("app-") and one["State"]["Running"]
        ]

    @property
    def app_services(self) -> list[str]:
        """Return the services of these containers."""
        return sorted({one["Config"]["Labels"][SERVICE] for one in self.apps})

    def init(self, *command: str) -> str:
        """Run a command where all volumes of secrets and certificates are."""
        return self.compose("run", "--rm", "--no-deps", "--no-TTY", "init", *command).stdout

    def backup(self, *command: str) -> str:
        """Run a command of the service `backup`, and return what it prints."""
        return self.compose("run", "--rm", "--no-deps", "--no-TTY", "backup", *command).stdout

    def command(self, *arguments: str) -> list[str]:
        """Return the words that run `docker compose` in this project."""
        return ["docker", "compose", "--ansi=never", "--profile=*", *arguments]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other verbs of this clone away meanwhile.

        Raises:
            StackError: where one is at work.
        """
        with (ROOT / "docker-compose.yml").open() as lock:  # any file of the clone's own
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StackError("another verb is at work here; wait for its end") from error
            yield


def say(*lines: str) -> None:
    """Print lines of progress, as the scripts do."""
    for line in lines:
        print(f"==> {line}", flush=True)


def one_line(error: StackError | OSError) -> str:
    """Return what an error says; of a command's output, the last line that says anything."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    if not isinstance(error, CommandError):
        return str(error)
    lines = [line.strip() for line in error.output.splitlines() if line.strip()]
    return lines[-1] if lines else str(error).splitlines()[0]


def verb(name: str, main: Callable[[list[str]], int], broken: int = 1) -> None:
    """Run a verb and end with its status; what can't be done is one line and `broken`."""
    try:
        sys.exit(main(sys.argv[1:]))
    except (StackError, OSError) as error:
        print(f"{name}: {one_line(error)}", file=sys.stderr)
        sys.exit(broken)
    except KeyboardInterrupt:
        os.write(2, f"{name}: interrupted; run it again\n".encode())
        sys.exit(130)
