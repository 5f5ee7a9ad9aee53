"""Whether the services can read what is mounted from the clone: they are not its owner."""

import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from refusal import RefusedError

MOUNTED = Path("/mounted")
FOLDERS = ("nginx", "deploy/postgres", "deploy/redis")


def checks() -> Iterator[Callable[[], object]]:
    """Yield what raises RefusedError where others may not read one of the folders."""
    for folder in FOLDERS:
        yield partial(check, folder)


def check(folder: str) -> None:
    """Raise RefusedError with the first path that others may not read."""
    top = MOUNTED / folder
    for path in (top, *sorted(top.rglob("*"))):
        needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
        if path.stat().st_mode & needed != needed:
            raise RefusedError(
                f"{path.relative_to(MOUNTED)} can be read by its owner alone, as a strict umask "
                f"makes it; repair: chmod -R go+rX {' '.join(FOLDERS)}"
            )
