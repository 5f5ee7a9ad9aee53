"""Statements on the sessions' database: each bounded, none retried, every failure told apart."""

import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from django.db import InterfaceError, InternalError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from hardened_sessions import bounds
from hardened_sessions.clients.breaker import Breaker
from hardened_sessions.clients.watchdog import Overrun
from hardened_sessions.errors import SessionUnavailableError

STORE = "database"

# SQLSTATE classes of a server that is going or starting; none at all means that there was no
# connection to speak over.
GONE = ("08", "57P")
FULL = ("too many clients", "connection slots")


class Database:
    """The connection of the current thread, for single statements in autocommit mode."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.breaker = Breaker(STORE, self.probe)
        self._settings: object = None
        self._is_postgres = False
        self._has_schemas = False

    @property
    def connection(self) -> BaseDatabaseWrapper:
        """Return the thread's connection."""
        return connections[self.alias]

    @property
    def is_postgres(self) -> bool:
        """Return whether this is PostgreSQL, which alone has the change feed."""
        # By the settings, which tests replace: to find the thread's connection takes longer.
        settings = connections.databases[self.alias]
        if settings is not self._settings:
            self._is_postgres = self.connection.vendor == "postgresql"
            self._has_schemas = hasattr(self.connection, "schema_name")
            self._settings = settings
        return self._is_postgres

    @property
    def schema(self) -> str:
        """Return the schema that a tenants' backend has chosen; '' with any other backend."""
        if not self.is_postgres or not self._has_schemas:
            return ""
        return getattr(self.connection, "schema_name", None) or ""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement that returns rows.

        Raises:
            SessionUnavailableError: when the database gave no answer in time, or could not serve.
        """
        rows: list[tuple[Any, ...]] = self._run(sql, parameters, rows=True)
        return rows

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement that changes rows; return how many. Raises as `query` does."""
        count: int = self._run(sql, parameters, rows=False)
        return count

    def _run(self, sql: str, parameters: Sequence[Any], rows: bool) -> Any:
        self.breaker.require_closed()
        connection = self.connection
        number = descriptor(connection)
        if number is not None and silent(number):
            # What Django's health check would find out by one more statement.
            connection.health_check_done = True  # type: ignore[attr-defined]
        with Overrun(number, cancel=canceller(connection)) as overrun:
            try:
                before = connection.connection
                with cursor_of(connection) as cursor:
                    if connection.connection is not before:
                        # A server that starts many at once takes its time for the first statement.
                        overrun.guard(
                            descriptor(connection), bounds.DATABASE_CONNECT, canceller(connection)
                        )
                    cursor.execute(sql, parameters)
                    answer = cursor.fetchall() if rows else cursor.rowcount
            except (OperationalError, InterfaceError, InternalError) as error:
                raise self._failed(connection, error) from error
        if overrun.late:  # just after the answer: the application gets no dead connection
            connection.close()
        return answer

    @contextmanager
    def spoken_to(self) -> Iterator[None]:
        """Translate what Django's own statements raise. Raises as `query` does."""
        self.breaker.require_closed()
        try:
            yield
        except (OperationalError, InterfaceError, InternalError) as error:
            raise self._failed(self.connection, error) from error

    def _failed(self, connection: BaseDatabaseWrapper, error: Exception) -> SessionUnavailableError:
        state = getattr(error.__cause__, "sqlstate", None)
        if self.is_postgres and (state is None or state.startswith(GONE)):
            connection.close()
            # A server that has no connection to give still serves those that have one.
            if not any(reason in str(error) for reason in FULL):
                self.breaker.trip(error)
        return SessionUnavailableError(STORE, f"{type(error).__name__} {state or ''}".strip())

    def probe(self) -> None:
        """Connect anew and run a statement, in the breaker's own thread."""
        connection = self.connection
        try:
            with connection.cursor() as cursor, Overrun(descriptor(connection)):
                cursor.execute("SELECT 1")
        finally:
            connection.close()


def cursor_of(connection: BaseDatabaseWrapper) -> CursorWrapper:
    """Return a cursor, whose statements the server prepares if the connection allows that.

    It does where `OPTIONS` sets psycopg's `prepare_threshold`; Django's own cursors never prepare,
    and by its default nothing does, since not every pooler between can keep a statement.
    """
    raw: Any = connection.connection
    if getattr(raw, "prepare_threshold", None) is None or connection.queries_logged:
        return connection.cursor()
    from psycopg import Cursor

    usual, raw.cursor_factory = raw.cursor_factory, Cursor
    try:
        return connection.cursor()
    finally:
        raw.cursor_factory = usual


def descriptor(connection: BaseDatabaseWrapper) -> int | None:
    """Return the socket of an open PostgreSQL connection, else None."""
    raw = connection.connection
    if raw is None or connection.vendor != "postgresql" or raw.closed:
        return None
    number: int = raw.fileno()
    return number


def silent(number: int) -> bool:
    """Return whether nothing lies on an idle connection's socket: no end of it, and no word of one.

    A server that ends, is killed, or closes the connection is heard so without a round trip; one
    that hangs is not, nor is it by a statement, but for the watchdog.
    """
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return not poll.poll(0)


def canceller(connection: BaseDatabaseWrapper) -> Callable[[], object] | None:
    """Return what asks the server to cancel the statement of an open PostgreSQL connection."""
    raw: Any = connection.connection
    if raw is None or connection.vendor != "postgresql":
        return None
    return partial(raw.cancel_safe, timeout=bounds.DATABASE_CONNECT)


@cache
def database(alias: str) -> Database:
    """Return the one `Database` of this process for an alias."""
    return Database(alias)
