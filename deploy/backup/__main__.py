"""`python /backup once|schedule|health|list|dump ID`: back up, encrypted, and prove it.

once and schedule: now, or also whenever BACKUP_SCHEDULE says. health: fails unless the last proven
backup is as young as the schedule promises. list: what the repository holds. dump: write a stored
file to stdout, for a restore.
"""

import json
import os
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import proving
import repository
from dump import DUMP, MANIFEST, dump
from problem import ProblemError
from session_stack.clearing.schedule import next_run
from session_stack.env import VariableError, schedule

SCRATCH = Path("/scratch")
STATE = SCRATCH / "state.json"
FOLDER = SCRATCH / "out"  # what is stored
GRACE = timedelta(hours=1)  # that a backup may take
RETRY = timedelta(minutes=10)


def back_up() -> dict[str, Any]:
    """Dump, store, read back, prove; return what became of it.

    Raises:
        ProblemError: where one of these failed; what was stored is kept, and not proven.
    """
    back = SCRATCH / "back"
    for folder in (FOLDER, back):
        shutil.rmtree(folder, ignore_errors=True)
    FOLDER.mkdir()
    started = time.monotonic()
    try:
        manifest = dump(FOLDER)
        size = (FOLDER / DUMP).stat().st_size
        snapshot = repository.keep(FOLDER)
        repository.fetch(snapshot, back)
        proving.prove(back / FOLDER.relative_to("/"), manifest, SCRATCH)
        snapshot = repository.prove(snapshot)
    except OSError as error:
        raise ProblemError(f"{error.filename or 'disk'}: {error.strerror}") from error
    finally:
        for folder in (FOLDER, back):
            shutil.rmtree(folder, ignore_errors=True)
    seconds = round(time.monotonic() - started, 1)
    return {"at": time.time(), "snapshot": snapshot, "bytes": size, "seconds": seconds}


def known() -> dict[str, Any]:
    """Return what became of the last backup."""
    state: dict[str, Any] = json.loads(STATE.read_text()) if STATE.exists() else {}
    return state


def attempt(due: datetime) -> str:
    """Back up and note it, good until that moment; return why not, or nothing."""
    state = known()
    try:
        state = {**back_up(), "good_until": (due + GRACE).timestamp(), "problem": ""}
    except ProblemError as problem:
        state["problem"] = str(problem)
    whole = STATE.with_suffix(".new")  # power may fail meanwhile
    whole.write_text(json.dumps(state))
    whole.replace(STATE)
    said = state["problem"] or f"{state['snapshot']} is proven, in {state['seconds']} s"
    sys.stderr.write(f"backup: {said}\n")
    return str(state["problem"])


def due() -> datetime:
    """Return when the next backup is due.

    Raises:
        ProblemError: where the schedule is none.
    """
    try:
        expression = schedule(os.environ["BACKUP_SCHEDULE"])
    except VariableError as problem:
        raise ProblemError(f"BACKUP_SCHEDULE {problem}") from problem
    return next_run(datetime.now(UTC), expression, 60)


def keep_going() -> None:
    """Back up where the last proven one is not good any more, then by the clock."""
    at = due()
    if health():
        at = datetime.now(UTC)
    while True:
        time.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))
        at = due()
        if attempt(at):
            at = min(at, datetime.now(UTC) + RETRY)


def health() -> str:
    """Return what is wrong, or nothing."""
    state = known()
    if state.get("good_until", 0) >= time.time():
        return ""
    return state.get("problem") or "no backup is proven yet, or the last one is too old"


def main(verb: str = "", *arguments: str) -> int:
    """Return the exit status."""
    match verb, arguments:
        case "once", ():
            return 1 if attempt(due()) else 0
        case "schedule", ():
            keep_going()
        case "health", ():
            if reason := health():
                print(reason)  # noqa: T201 - where docker inspect shows it
                return 1
        case "list", ():
            for one in repository.stored():
                proven = "proven" if repository.GOOD in one["tags"] else "not proven"
                print(one["short_id"], one["time"][:16].replace("T", " "), proven)  # noqa: T201
        case "dump", (snapshot, name) if name in (DUMP, MANIFEST):
            repository.restic("dump", snapshot, str(FOLDER / name), stdout=sys.stdout.fileno())
        case _:
            raise ProblemError(f"{verb!r} is no verb; it may be once, schedule, health or list")
    return 0


try:
    sys.exit(main(*sys.argv[1:]))
except ProblemError as error:
    sys.stderr.write(f"backup: {error}\n")
    sys.exit(1)
