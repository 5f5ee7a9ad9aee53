"""The volumes that services read from, and how a file gets into one."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VOLUMES = Path("/volumes")

ROOT = 0
APP = 10001  # the Dockerfile's user
STORES = 999  # postgres and redis, in the official images
NGINX = 101  # in the official image

OWNERS = {
    "app-secrets": APP,
    "migrate-secrets": APP,
    "backup-secrets": APP,
    "postgres-secrets": STORES,
    "redis-secrets": STORES,
    "certificates": NGINX,
    "authority": ROOT,
}


def read(volume: str, name: str) -> str | None:
    """Return the file's text, or None where there is none."""
    try:
        return (VOLUMES / volume / name).read_text()
    except FileNotFoundError:
        return None


@contextmanager
def locked(volume: str) -> Iterator[None]:
    """Hold the volume's lock: containers that have it mounted take turns."""
    descriptor = os.open(VOLUMES / volume, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write(volume: str, name: str, text: str, mode: int = 0o400) -> bool:
    """Put a file in place whole, for the volume's owner; return whether anything changed."""
    path, owner = VOLUMES / volume / name, OWNERS[volume]
    if read(volume, name) == text:
        status = path.stat()
        if (status.st_uid, status.st_gid, status.st_mode & 0o777) == (owner, owner, mode):
            return False
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{name}.")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        os.fchmod(descriptor, mode)
        os.fchown(descriptor, owner, owner)
        file.flush()
        os.fsync(descriptor)
    Path(temporary).replace(path)
    return True
