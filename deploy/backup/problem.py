"""How a step says no, and how a program is run."""

import os
import subprocess
from collections.abc import Mapping


class ProblemError(Exception):
    """Why no backup came about: one line, without a secret."""


def run(*command: str, env: Mapping[str, str] | None = None, stdin: str | None = None) -> str:
    """Run a program and return what it prints.

    Raises:
        ProblemError: with the last line of what it said, when it fails.
    """
    done = subprocess.run(  # noqa: S603 - commands of this folder, in no shell
        command,
        env={**os.environ, **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise ProblemError(f"{command[0]}: {lines[-1] if lines else 'failed'}")
    return done.stdout
