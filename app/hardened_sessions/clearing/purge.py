"""Remove what expired, a step at a time: no long statement, no long lock, resumable."""

import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import batched
from typing import Any, Protocol

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import OperationalError, connections, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from hardened_sessions import bounds
from hardened_sessions.clients.database import database
from hardened_sessions.conf import options
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.models import PurgePosition, RevokedCookie
from hardened_sessions.storage import files, related

PAGES = 125  # the first step of rows: 1 MB
PAGES_MOST = 1000  # any step
STEP_SECONDS = 0.03  # what a step is to take; the pause after it is as long as it took
LOCK_TIMEOUT = "200ms"
LOCK_NOT_AVAILABLE = "55P03"
FILES = 10_000  # a step of files: some 40 for each lock
ORPHAN_SECONDS = 3600.0  # a temporary file this old belongs to nobody


@dataclass(slots=True)
class Progress:
    """How far a purge is, in its own unit, and how many sessions went."""

    unit: str
    done: int
    total: int
    removed: int = 0


class Purge(Protocol):
    """Something that expired sessions are removed from."""

    place: str

    def steps(self) -> Iterator[Progress]:
        """Do one step for each value drawn."""


def run(purge: Purge, show: Callable[[Progress], None] | None = None) -> int:
    """Do every step; return how many sessions went."""
    removed = 0
    for progress in purge.steps():
        removed = progress.removed
        if show:
            show(progress)
    return removed


class RowPurge:
    """Expired rows, then what feed and cookies need no more.

    Rows go in the order they lie in (TID ranges). In expiry order each would touch another page,
    and after a checkpoint every page that is touched is written to the log whole: on 10 million
    rows that was nine times the log.
    """

    place = "table django_session"

    @property
    def connection(self) -> Any:
        """Return the connection to the sessions' database."""
        return connections[options().database]

    def steps(self) -> Iterator[Progress]:
        """Delete the expired rows of some pages a step, from where the last run ended."""
        if self.connection.vendor != "postgresql":
            yield Progress("statement", 1, 1, self.delete_all())
            return
        table = self.quoted(Session)
        position, _ = PurgePosition.objects.using(options().database).get_or_create(pk=1)
        pages = self.pages(table)
        # A table that has shrunk since may end before that page.
        progress = Progress("page", position.page if position.page < pages else 0, pages)
        step = PAGES
        while progress.done < progress.total:
            end, started = progress.done + step, time.monotonic()
            progress.removed += self.delete_between(table, progress.done, end)
            took = time.monotonic() - started
            step = next_step(step, took)
            progress.done = min(end, progress.total)
            position.page = 0 if progress.done >= progress.total else progress.done
            position.save()
            yield progress
            if progress.done < progress.total:
                time.sleep(took)
        self.prune()
        if not progress.total:
            yield progress

    def delete_between(self, table: str, first: int, end: int) -> int:
        """Delete the expired rows of some pages, but for those in use; return how many.

        Rows are passed by only where one is in use: to skip them, each row has to be locked first,
        and the log holds a record of each lock.
        """
        expired = "ctid >= %s::tid AND ctid < %s::tid AND expire_date < now()"
        pages = [f"({first},0)", f"({end},0)"]
        if related.referred_to():
            with transaction.atomic(using=options().database), self.connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                cursor.execute(
                    f"SELECT session_key FROM {table} WHERE {expired} FOR UPDATE SKIP LOCKED", pages
                )
                names = [name for (name,) in cursor.fetchall()]
                return related.delete(database(options().database), names)
        try:
            return self.delete(f"DELETE FROM {table} WHERE {expired}", pages)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
        return self.delete(
            f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} "
            f"WHERE {expired} FOR UPDATE SKIP LOCKED))",
            pages,
        )

    def prune(self) -> None:
        """Delete what the feed says no more, and what was kept of cookies that are over."""
        self.delete(
            "DELETE FROM hardened_sessions_change WHERE at < now() - %s * interval '1 second'",
            [bounds.FEED],
        )
        self.delete(
            f"DELETE FROM {self.quoted(RevokedCookie)} WHERE expire_date < now() "
            "AND at < now() - %s * interval '1 second'",
            [bounds.REVOKED],
        )

    def pages(self, table: str) -> int:
        """Return how many pages the table has."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::int",
                [table],
            )
            count: int = cursor.fetchone()[0]
            return count

    def delete(self, sql: str, parameters: list[Any]) -> int:
        """Run one deletion in a transaction of its own, which waits for no lock long."""
        with transaction.atomic(using=options().database), self.connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            cursor.execute(sql, parameters)
            count: int = cursor.rowcount
            return count

    def delete_all(self) -> int:
        """Delete in one statement, where rows have no place to go by."""
        adapt = self.connection.ops.adapt_datetimefield_value
        now = adapt(timezone.now())
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {self.quoted(RevokedCookie)} WHERE expire_date < %s AND at < %s",
                [now, adapt(timezone.now() - timedelta(seconds=bounds.REVOKED))],
            )
            if related.referred_to():
                expired = Session.objects.filter(expire_date__lt=timezone.now())
                names = expired.using(options().database).values_list("pk", flat=True)
                return related.delete(database(options().database), names)
            cursor.execute(f"DELETE FROM {self.quoted(Session)} WHERE expire_date < %s", [now])
            count: int = cursor.rowcount
            return count

    def quoted(self, model: Any) -> str:
        """Return the model's quoted table."""
        name: str = self.connection.ops.quote_name(model._meta.db_table)
        return name


def next_step(pages: int, seconds: float) -> int:
    """Return how many pages to take after a step of so many took so long.

    At most twice as many: what lies there may be denser.
    """
    factor = min(2.0, STEP_SECONDS / max(seconds, 1e-6))
    return min(PAGES_MOST, max(1, int(pages * factor)))


class FilePurge:
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
        prefix = settings.SESSION_COOKIE_NAME
        form = re.compile(re.escape(prefix) + files.FILE)
        directory = os.open(files.folder(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # All names at once, as Django's engine has them: about 100 MB for a million.
            listed = os.listdir(directory)  # noqa: PTH208 - names alone, by the descriptor
            found = [name for name in listed if name.startswith(prefix)]
            progress.total = len(found)
            for step in batched(found, FILES, strict=False):
                matches = [match for match in map(form.fullmatch, step) if match]
                progress.removed += self.sweep(storage, directory, matches)
                progress.done += len(step)
                yield progress
        finally:
            os.close(directory)
        if not progress.total:
            yield progress
        if self.failure is not None:
            raise self.failure

    def sweep(self, storage: Any, directory: int, matches: list[re.Match[str]]) -> int:
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


def remove_orphan(directory: int, file: str) -> bool:
    """Delete a temporary file that is too old to be anybody's; it is no session that went."""
    # Its modification time may be the expiry that it was to have.
    if os.stat(file, dir_fd=directory).st_ctime < time.time() - ORPHAN_SECONDS:
        os.unlink(file, dir_fd=directory)
    return False
