"""Remove expired files of sessions."""

import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import batched
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from hardened_sessions.clearing.steps import Progress
from hardened_sessions.conf import options
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.storage import files

FILES = 10_000  # a step of files: some 40 for each lock
ORPHAN_SECONDS = 3600.0  # a temporary file this old belongs to nobody


class ExpiredFiles:
    """Expired files, and temporary ones that a crash left behind.

    The modification time is the expiry, so of the files that the layer wrote none is opened. One
    lock serves all files of a step that share it, and every call goes by the folder's descriptor:
    what is left to do for each is a look at it, and the deletion.
    """

    place = "folder of file sessions"

    def __init__(self) -> None:
        self.failure: Exception | None = None

    def steps(self) -> Iterator[Progress]:
        """Look at some files a step; what could not be removed is raised at the end."""
        progress = Progress("file", 0, 0)
        if not (files.folder().is_dir() or settings.SESSION_ENGINE.endswith(".file")):
            yield progress  # the engine that ran before left nothing
            return
        if (former := options().old_cookie_name) and files.folder().is_dir():
            files.take_over_all(former)
        storage = files.FileStorage(import_string(settings.SESSION_SERIALIZER)())
        form = re.compile(re.escape(settings.SESSION_COOKIE_NAME) + files.FILE)
        directory = os.open(files.folder(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Never all names at once: those of a million files are 100 MB.
            progress.total = sum(1 for _ in sessions_in(directory))
            for step in batched(sessions_in(directory), FILES, strict=False):
                matches = [match for match in map(form.fullmatch, step) if match]
                progress.removed += self.clear(storage, directory, matches)
                # Files that came meanwhile are in no total.
                progress.done = min(progress.done + len(step), progress.total)
                yield progress
        finally:
            os.close(directory)
        if not progress.total:
            yield progress
        if self.failure is not None:
            raise self.failure

    def clear(self, storage: Any, directory: int, matches: list[re.Match[str]]) -> int:
        """Remove what is over of some files; return how many sessions went."""
        removed, sharing = 0, defaultdict[int, list[str]](list)
        for match in matches:
            if match["temporary"]:
                self.tried(remove_orphan, directory, match[0])
            else:
                sharing[files.lock_number(match["name"])].append(match["name"])
        for names in sharing.values():
            try:
                with files.failing_as_unavailable(), files.locked(names[0]):
                    for name in names:
                        removed += self.tried(storage.remove_expired, directory, name)
            except SessionUnavailableError as error:
                self.failure = error  # the others still go
        return removed

    def tried(self, remove: Callable[[int, str], bool], directory: int, name: str) -> bool:
        """Return whether a file went; keep why not, for when the others have."""
        try:
            return remove(directory, name)
        except FileNotFoundError:
            pass  # somebody else was first
        except OSError as error:
            # Without the file's name, which may be a key.
            self.failure = SessionUnavailableError(files.STORE, error.strerror or "failed")
        return False


def sessions_in(directory: int | Path) -> Iterator[str]:
    """Yield the names of the files of sessions, finished or not."""
    prefix = settings.SESSION_COOKIE_NAME
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(prefix):
                yield entry.name


def remove_orphan(directory: int, file: str) -> bool:
    """Delete a temporary file that is too old to be anybody's; it is no session that went."""
    # Its modification time may be the expiry that it was to have.
    if os.stat(file, dir_fd=directory).st_ctime < time.time() - ORPHAN_SECONDS:
        os.unlink(file, dir_fd=directory)
    return False
