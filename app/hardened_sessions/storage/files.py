"""Sessions as files: one a session, sealed, written beside and renamed.

A lock of the session's own makes compare-and-set and deletion one step each. The modification time
is the expiry, with a fraction of a second that only this module sets: so a look at it tells what
may be cleared, and whether it was set here or by a copy of the file.
"""

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from hardened_sessions import bounds
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.format import codec, keys
from hardened_sessions.format.codec import Serializer
from hardened_sessions.format.readable import or_no_session
from hardened_sessions.format.record import Draft, Stored, epoch, live
from hardened_sessions.format.seal import seal, unseal

STORE = "folder"

# What a file is called after the cookie's name; a key stands for a file in Django's own form.
FILE = rf"(?P<name>{keys.NAME.pattern}|{keys.KEY.pattern})(?P<temporary>_out_.*)?"

# So many locks that two sessions rarely share one.
LOCKS = 256
LOCK_PAUSE = 0.002  # seconds

SECOND = 1_000_000_000  # nanoseconds


class FileStorage:
    """One file a session, in `SESSION_FILE_PATH`."""

    def __init__(self, serializer: Serializer) -> None:
        self.serializer = serializer

    def path(self, name: str) -> Path:
        """Return the file for a name."""
        return folder() / f"{settings.SESSION_COOKIE_NAME}{name}"

    # --- Reading ----------------------------------------------------------------------------------

    def fetch(self, names: tuple[str, ...], *, fresh: bool = False) -> Stored | None:
        """Return the session under one of the names."""
        for name in names:
            with failing_as_unavailable():
                try:
                    with self.path(name).open("rb") as file:
                        value, modified = file.read(), os.fstat(file.fileno()).st_mtime
                except FileNotFoundError:
                    if not folder().is_dir():
                        raise  # it is gone with all sessions, so this one may be there
                    continue
            stored = self.decoded(name, value, modified)
            if stored is not None:
                return stored
        return None

    def decoded(self, name: str, value: bytes, modified: float = 0.0) -> Stored | None:
        """Return what a file says, or None where it is not authentic, or no session."""
        return or_no_session(STORE, name, self.read, value, modified)

    def read(self, name: str, value: bytes, modified: float) -> Stored:
        """Return what a file says; raise where it is not authentic, or no session."""
        if not keys.is_key(name):
            return codec.read_sealed(name, value, unseal(name, value), self.serializer)
        # By Django's own engine: its age runs from its modification.
        stored = codec.read_row(name, value.decode("ascii"), 0.0, self.serializer, trusted=False)
        expiry = stored.data.get("_session_expiry")
        if isinstance(expiry, str):
            stored.expires = epoch(expiry)
        else:
            stored.expires = modified + (expiry or settings.SESSION_COOKIE_AGE)
        stored.payload = value
        return stored

    def decode(self, stored: Stored) -> dict[str, Any]:
        """Return what the stored bytes say, in a dict of its own."""
        again = self.decoded(stored.name, stored.payload)
        return again.data if again is not None else {}

    # --- Writing ----------------------------------------------------------------------------------

    def encoded(self, name: str, draft: Draft) -> bytes:
        """Return the file's content for a draft."""
        if keys.is_key(name):
            return codec.encode_row(name, draft, self.serializer, bare=True).encode("ascii")
        body = self.serializer.dumps(codec.wrap(name, draft, self.serializer))
        codec.require_room(body, draft, self.serializer)
        return seal(name, draft.version, draft.expires_ceil, body)

    def insert(self, name: str, draft: Draft) -> Stored | None:
        """Write a file that is not there."""
        with failing_as_unavailable(), locked(name):
            if self.path(name).exists():
                return None
            return self.write(name, draft)

    def replace(self, stored: Stored, name: str, draft: Draft) -> Stored | None:
        """Compare and rename over, under the lock."""
        with failing_as_unavailable(), locked(stored.name, name):
            if self.content(stored.name) != stored.payload:
                return None
            written = self.write(name, draft)
            if name != stored.name:
                self.path(stored.name).unlink(missing_ok=True)
            return written

    def rotate(self, stored: Stored, left: Draft, name: str, draft: Draft) -> Stored | None:
        """Compare, write the new file and leave something in the former one, under the lock."""
        former = keys.hashed(stored.name) if keys.is_key(stored.name) else stored.name
        with failing_as_unavailable(), locked(stored.name, former, name):
            if self.content(stored.name) != stored.payload:
                return None
            written = self.write(name, draft)
            try:
                self.write(former, left)
            except BaseException:
                self.path(name).unlink()
                raise
            if former != stored.name:
                self.path(stored.name).unlink(missing_ok=True)
            return written

    def remove(self, names: tuple[str, ...]) -> list[Stored]:
        """Delete the files and return what they held."""
        held = []
        with failing_as_unavailable(), locked(*names):
            for name in names:
                value = self.content(name)
                if value is None:
                    continue
                self.path(name).unlink(missing_ok=True)
                if (stored := self.decoded(name, value)) is not None:
                    held.append(stored)
        return held

    def remove_expired(self, directory: int, name: str) -> bool:
        """Delete a file whose time is over, under its lock; return whether it was.

        By its modification time where that is its expiry, else by what it says: whoever copies a
        file may change its time.

        Args:
            directory: a descriptor of the folder.
            name: the session's.

        Raises:
            OSError: also where somebody else was first.
        """
        file = f"{settings.SESSION_COOKIE_NAME}{name}"
        modified = os.stat(file, dir_fd=directory).st_mtime_ns
        if looks_live(name, modified):
            return False
        if modified % SECOND != mark(name):
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
            with os.fdopen(descriptor, "rb", buffering=0) as opened:
                modified, value = os.fstat(descriptor).st_mtime_ns, opened.read()
            stored = self.decoded(name, value, modified / SECOND)
            if stored is not None and stored.live:
                return False
        os.unlink(file, dir_fd=directory)
        return True

    lists = False  # sessions, where it writes them

    def held(self, names: Sequence[str]) -> set[str]:
        """Return which of these sessions are there."""
        return {name for name in names if live(self.fetch((name,)))}

    def content(self, name: str) -> bytes | None:
        """Return the file's content, or None where there is none."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, draft: Draft) -> Stored:
        """Write beside and rename, so that nobody ever reads a part."""
        value = self.encoded(name, draft)
        descriptor, temporary = tempfile.mkstemp(
            dir=folder(), prefix=f"{self.path(name).name}_out_"
        )
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(value)
                file.flush()
                if not keys.is_key(name):
                    expires = draft.expires_ceil * SECOND + mark(name)
                    os.utime(descriptor, ns=(expires, expires))
            Path(temporary).replace(self.path(name))
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
        stored = Stored(name, value, draft.data, draft.version, draft.expires_ceil, draft.pointer)
        stored.mark = draft.mark
        return stored


def looks_live(name: str, modified: int) -> bool:
    """Return whether a file can't have expired yet, by its modification time in nanoseconds."""
    now = time.time()
    if modified // SECOND > now:
        return True
    # Of a file by Django's own engine that is when it was saved.
    return keys.is_key(name) and modified / SECOND + settings.SESSION_COOKIE_AGE > now


def mark(name: str) -> int:
    """Return the nanoseconds, under 0.11 s, by which a file's modification time is its expiry.

    Each name has its own, so a copy has them by one chance in 10^9. They are whole steps of 100,
    which is as fine as some file systems go; where one keeps none, expired files are opened. A file
    by Django's own engine has no such time: -1.
    """
    return -1 if keys.is_key(name) else 100 * (1 + int(name[:5], 16))


def folder() -> Path:
    """Return where the files lie; Django's own default is the folder for temporary files."""
    return Path(settings.SESSION_FILE_PATH or tempfile.gettempdir())


def take_over(former: str, name: str) -> None:
    """Call a file after the cookie's present name, unless there is such a file."""
    path = folder() / f"{settings.SESSION_COOKIE_NAME}{name}"
    with failing_as_unavailable(), suppress(FileNotFoundError):
        if not path.exists():
            (folder() / f"{former}{name}").rename(path)


def take_over_all(former: str) -> None:
    """Call every file of the cookie's former name after the present one."""
    form = re.compile(re.escape(former) + FILE)
    for match in filter(None, map(form.fullmatch, os.listdir(folder()))):  # noqa: PTH208
        if not match["temporary"]:
            take_over(former, match["name"])


@contextmanager
def failing_as_unavailable() -> Iterator[None]:
    """Tell a folder that can't be used, or a full disk, from a session that is not there."""
    try:
        yield
    except OSError as error:
        raise SessionUnavailableError(STORE, error.strerror or type(error).__name__) from error


@contextmanager
def locked(*names: str) -> Iterator[None]:
    """Hold the locks of the names, always in one order.

    Raises:
        SessionUnavailableError: when somebody holds one for longer than `bounds.FILE_LOCK`.
    """
    locks = f"{folder()}/.{settings.SESSION_COOKIE_NAME}.locks"
    deadline = time.monotonic() + bounds.FILE_LOCK
    descriptors: list[int] = []
    try:
        for number in sorted({lock_number(name) for name in names}):
            path, flags = f"{locks}/{number:02x}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
            try:
                descriptor = os.open(path, flags, 0o600)
            except FileNotFoundError:
                Path(locks).mkdir(mode=0o700, exist_ok=True)
                descriptor = os.open(path, flags, 0o600)
            descriptors.append(descriptor)
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise SessionUnavailableError(
                            STORE, "a lock is held for too long"
                        ) from None
                    time.sleep(LOCK_PAUSE)
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def lock_number(name: str) -> int:
    """Return the lock of a name; a key and its hash share one."""
    return int((keys.hashed(name) if keys.is_key(name) else name)[:2], 16) % LOCKS
