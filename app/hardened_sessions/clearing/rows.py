"""Remove expired rows of `django_session`; the next run goes on where one ended."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db import DatabaseError, OperationalError, connections, transaction
from django.utils import timezone

from hardened_sessions import bounds
from hardened_sessions.clearing.ended import remove_ended
from hardened_sessions.clearing.steps import Progress
from hardened_sessions.clients.database import database
from hardened_sessions.conf import options
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.models import PurgePosition, RevokedCookie
from hardened_sessions.storage import related

PAGES = 16  # the first step: 128 KB
PAGES_MOST = 1000  # any step
STEP_SECONDS = 0.005  # aim of a step: a statement of a request may have to wait for it
LOCK_TIMEOUT = "200ms"
LOCK_NOT_AVAILABLE = "55P03"
NAMED = 5  # rows that could not be removed, in an error


class ExpiredRows:
    """Delete expired rows, then what the feed and the list of ended cookies no longer need.

    Rows are deleted in their physical order, by TID ranges. In order of expiry almost every row
    lies on another page, and Postgres writes a whole page to the WAL when it is first touched after
    a checkpoint (full_page_writes). On 10 million rows that was nine times as much WAL.
    """

    place = "table django_session"

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}  # why a row could not be removed, by its name

    @property
    def connection(self) -> Any:
        """Return the connection to the sessions' database."""
        return connections[options().database]

    def steps(self) -> Iterator[Progress]:
        """Delete the expired rows of some pages a step, from where the last run ended.

        Raises:
            SessionUnavailableError: at the end, where rows could not be removed; some are named.
        """
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
            with transaction.atomic(using=options().database), self.connection.cursor() as cursor:
                # If a crash loses this commit, the next run deletes the rows again.
                cursor.execute("SET LOCAL synchronous_commit = off")
                progress.removed += self.delete_between(table, progress.done, end)
                position.page = end if end < progress.total else 0
                position.save()
            progress.done = min(end, progress.total)
            step = next_step(step, time.monotonic() - started)
            yield progress
        self.clear_revocations()
        if not progress.total:
            yield progress
        if self.kept:
            some = "; ".join(f"{name}: {why}" for name, why in list(self.kept.items())[:NAMED])
            raise SessionUnavailableError(
                self.place, f"{len(self.kept)} expired rows can't be removed: {some}"
            )

    def delete_between(self, table: str, first: int, end: int) -> int:
        """Delete the expired rows of some pages; return how many.

        Where a row can't be deleted, the pages are halved until it is alone, so that the others go.
        """
        where, pages = "ctid >= %s::tid AND ctid < %s::tid", [f"({first},0)", f"({end},0)"]
        try:
            return self.delete_expired(table, where, pages)
        except OperationalError:
            raise  # the server, not a row
        except DatabaseError:
            if end - first == 1:
                return self.delete_singly(table, where, pages)
        middle = (first + end) // 2
        return self.delete_between(table, first, middle) + self.delete_between(table, middle, end)

    def delete_singly(self, table: str, where: str, pages: list[str]) -> int:
        """Delete the expired rows of a page one by one, and note why one could not be."""
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT session_key FROM {table} WHERE {where}", pages)
            names = [name for (name,) in cursor.fetchall()]
        removed = 0
        for name in names:
            try:
                removed += self.delete_expired(table, "session_key = %s", [name])
            except OperationalError:
                raise
            except DatabaseError as error:
                self.kept[name] = str(error).partition("\n")[0]
        return removed

    def delete_expired(self, table: str, where: str, parameters: list[str]) -> int:
        """Delete those expired rows, except any that are in use; return how many.

        A plain DELETE comes first. Only if a row is locked, a second one skips it (SKIP LOCKED).
        That locks each row before it is deleted, and writes a WAL record for each lock.
        """
        where += " AND expire_date < now()"
        skipping = f"FROM {table} WHERE {where} FOR UPDATE SKIP LOCKED"
        if related.referred_to():
            with transaction.atomic(using=options().database), self.connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                cursor.execute(f"SELECT session_key {skipping}", parameters)
                names = [name for (name,) in cursor.fetchall()]
                return related.delete(database(options().database), names)
        try:
            return self.delete(f"DELETE FROM {table} WHERE {where}", parameters)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
        return self.delete(
            f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid {skipping}))", parameters
        )

    def clear_revocations(self) -> None:
        """Delete what the feed no longer has to say, and ended cookies that have expired by now."""
        self.delete(
            "DELETE FROM hardened_sessions_change WHERE at < now() - %s * interval '1 second'",
            [bounds.FEED],
        )
        self.delete(
            f"DELETE FROM {self.quoted(RevokedCookie)} WHERE expire_date < now() "
            "AND at < now() - %s * interval '1 second'",
            [bounds.REVOKED],
        )
        remove_ended()

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
        """Run one deletion in its own transaction; it waits for a lock LOCK_TIMEOUT at most."""
        with transaction.atomic(using=options().database), self.connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            cursor.execute(sql, parameters)
            count: int = cursor.rowcount
            return count

    def delete_all(self) -> int:
        """Delete in one statement: databases other than Postgres have no TID ranges."""
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
    """Return the next step's size in pages, so that it takes `STEP_SECONDS`.

    At most double: the next pages may hold more expired rows.
    """
    factor = min(2.0, STEP_SECONDS / max(seconds, 1e-6))
    return min(PAGES_MOST, max(1, int(pages * factor)))
