"""Remove what expired, a step at a time: no long statement, no long lock, resumable."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connections, transaction
from django.utils import timezone

from hardened_sessions import bounds, keys
from hardened_sessions.conf import options
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.models import PurgePosition, RevokedCookie

PAGES = 1000  # a step of rows: 8 MB
PAUSE_SECONDS = 0.05
LOCK_TIMEOUT = "200ms"
FILES = 2000  # a step of files
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
        while progress.done < progress.total:
            end = progress.done + PAGES
            progress.removed += self.delete(
                f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} "
                "WHERE ctid >= %s::tid AND ctid < %s::tid AND expire_date < now() "
                "FOR UPDATE SKIP LOCKED))",
                [f"({progress.done},0)", f"({end},0)"],
            )
            progress.done = min(end, progress.total)
            position.page = 0 if progress.done >= progress.total else progress.done
            position.save()
            yield progress
            if progress.done < progress.total:
                time.sleep(PAUSE_SECONDS)
        self.prune()
        if not progress.total:
            yield progress

    def prune(self) -> None:
        """Delete what the feed says no more, and what was kept of cookies that are over."""
        self.delete(
            "DELETE FROM hardened_sessions_change WHERE at < now() - %s * interval '1 second'",
            [bounds.FEED],
        )
        self.delete(f"DELETE FROM {self.quoted(RevokedCookie)} WHERE expire_date < now()", [])

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
        now = self.connection.ops.adapt_datetimefield_value(timezone.now())
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {self.quoted(RevokedCookie)} WHERE expire_date < %s", [now]
            )
            cursor.execute(f"DELETE FROM {self.quoted(Session)} WHERE expire_date < %s", [now])
            count: int = cursor.rowcount
            return count

    def quoted(self, model: Any) -> str:
        """Return the model's quoted table."""
        name: str = self.connection.ops.quote_name(model._meta.db_table)
        return name


class FilePurge:
    """Expired files, and temporary ones that a crash left behind.

    The modification time is the expiry, so only files that look expired are opened.
    """

    def steps(self) -> Iterator[Progress]:
        """Look at some files a step; what could not be removed is raised at the end."""
        from hardened_sessions.backends.file import NAME, FileStorage, folder, looks_live
        from hardened_sessions.session import HardenedSession

        storage = FileStorage(HardenedSession().serializer())
        progress, prefix = Progress("file", 0, 0), settings.SESSION_COOKIE_NAME
        failure: Exception | None = None
        if not (folder().is_dir() or settings.SESSION_ENGINE.endswith(".file")):
            yield progress  # the engine that ran before left nothing
            return
        # Names alone: cheap beside the looks at the files that follow.
        with os.scandir(folder()) as entries:
            progress.total = sum(entry.name.startswith(prefix) for entry in entries)
        with os.scandir(folder()) as entries:
            for entry in entries:
                if not entry.name.startswith(prefix):
                    continue
                name, mark, _ = entry.name[len(prefix) :].partition("_out_")
                if not (NAME.fullmatch(name) or keys.is_key(name)):
                    continue  # somebody else's
                progress.done += 1
                progress.total = max(progress.total, progress.done)  # some came meanwhile
                try:
                    if mark:
                        # Its modification time may be the expiry that it was to have.
                        if entry.stat().st_ctime < time.time() - ORPHAN_SECONDS:
                            Path(entry.path).unlink()
                    elif not looks_live(name, entry.stat()):
                        progress.removed += storage.remove_expired(name)
                except FileNotFoundError:
                    pass  # somebody else was first
                except SessionUnavailableError as error:
                    failure = error  # the others still go
                except OSError as error:
                    # Without the file's name, which may be a key.
                    failure = SessionUnavailableError("file", error.strerror or "failed")
                if progress.done % FILES == 0:
                    yield progress
        progress.total = progress.done
        yield progress
        if failure is not None:
            raise failure


def purges(engine: str) -> list[Purge]:
    """Return what an engine's expired sessions are removed from, by the engine's last word."""
    known: dict[str, list[Purge]] = {
        "db": [RowPurge()],
        "cached_db": [RowPurge()],
        "file": [FilePurge()],
        "signed_cookies": [RowPurge()],
    }
    return known.get(engine, [])
