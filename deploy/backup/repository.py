"""The encrypted repository, by restic: made at first, shortened after each proven backup."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from problem import ProblemError

PASSWORD = Path("/run/secrets/backup_repository_password")
TAG, GOOD = "application", "proven"
KEEP = ("--keep-daily", "7", "--keep-weekly", "5", "--keep-monthly", "12")

# restic's exit statuses (its manual, "Exit codes").
NO_REPOSITORY, LOCKED, WRONG_PASSWORD = 10, 11, 12

WORDS = {
    LOCKED: "another backup or restore has the repository's lock; wait for its end",
    WRONG_PASSWORD: (
        "deploy/secrets/backup_repository_password is not the password of this repository; "
        "put the right one there, or name another BACKUP_REPOSITORY"
    ),
}


def restic(*arguments: str, stdout: int = subprocess.PIPE) -> str:
    """Run restic on the repository and return what it prints.

    Raises:
        ProblemError: when it fails, or nobody gave the password.
    """
    if not (PASSWORD.exists() and PASSWORD.stat().st_size):
        raise ProblemError(
            "deploy/secrets/backup_repository_password is not there; write one of 16 characters or "
            "more, and keep a copy elsewhere: nobody can read a backup without it"
        )
    environment = {
        **os.environ,
        "RESTIC_REPOSITORY": os.environ["BACKUP_REPOSITORY"],
        "RESTIC_PASSWORD_FILE": str(PASSWORD),
        "RESTIC_CACHE_DIR": "/scratch/cache",
        # Amazon's form of a credentials file, for repositories that begin with s3:
        "AWS_SHARED_CREDENTIALS_FILE": "/run/secrets/backup_s3_credentials",
    }
    done = subprocess.run(  # noqa: S603 - in no shell
        ["/usr/bin/restic", "--quiet", *arguments],
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode == NO_REPOSITORY and arguments[0] != "init":
        raise NoRepositoryError("there is no backup yet in BACKUP_REPOSITORY; ./scripts/backup")
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        last = lines[-1].removeprefix("Fatal: ") if lines else "failed"
        raise ProblemError(WORDS.get(done.returncode) or f"restic {arguments[0]}: {last}")
    return done.stdout or ""


class NoRepositoryError(ProblemError):
    """Nothing is where the repository should be."""


def keep(folder: Path) -> str:
    """Store a folder; return the id of what was stored."""
    try:
        restic("unlock")  # what a killed backup left behind, where its process is gone
    except NoRepositoryError:
        restic("init")
    lines = restic("backup", "--json", "--host", "stack", "--tag", TAG, str(folder)).splitlines()
    (stored,) = (line for line in map(json.loads, lines) if line["message_type"] == "summary")
    return str(stored["snapshot_id"])


def fetch(snapshot: str, target: Path) -> None:
    """Read a stored folder back, every byte of it checked against its hash."""
    restic("restore", snapshot, "--target", str(target), "--verify")


def prove(snapshot: str) -> str:
    """Mark what was stored as proven, and forget what is too old or was not; return its new id."""
    restic("tag", "--add", GOOD, snapshot)
    held = stored()
    if unproven := [one["short_id"] for one in held if GOOD not in one["tags"]]:
        restic("forget", *unproven)
    restic("forget", "--prune", "--tag", TAG, "--group-by", "host", *KEEP)
    return str(held[-1]["short_id"])


def stored() -> list[dict[str, Any]]:
    """Return what the repository holds, the oldest first."""
    found: list[dict[str, Any]] = json.loads(restic("snapshots", "--json", "--tag", TAG))
    return found
