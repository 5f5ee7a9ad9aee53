"""Counts of the SQL statements and Redis commands that a piece of work causes."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from redis import Connection, SSLConnection


@dataclass(slots=True)
class StoreCalls:
    """How often each store was asked."""

    sql: int = 0
    redis: int = 0


# What this thread asks of its stores is counted here.
counting: ContextVar[StoreCalls | None] = ContextVar("store_calls", default=None)


def count_statement(execute: Callable[..., Any], *arguments: Any) -> Any:
    """Count a statement and run it."""
    if calls := counting.get():
        calls.sql += 1
    return execute(*arguments)


def watch(connection: BaseDatabaseWrapper, **others: Any) -> None:
    """Count the statements of a connection, from its opening on."""
    if count_statement not in connection.execute_wrappers:
        # First: `execute_wrapper`, under which it may have been opened, takes the last one off.
        connection.execute_wrappers.insert(0, count_statement)


connection_created.connect(watch)


class Counted:
    """Of a connection to Redis: counts what is sent over it; a pipeline counts once.

    The greeting of a new connection is not counted: it serves all that come after.
    """

    def connect_check_health(self, *arguments: Any, **named: Any) -> None:
        """Connect, and greet uncounted."""
        token = counting.set(None)
        try:
            super().connect_check_health(*arguments, **named)  # type: ignore[misc]
        finally:
            counting.reset(token)

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Count the command and send it."""
        if calls := counting.get():
            calls.redis += 1
        super().send_packed_command(command, check_health)  # type: ignore[misc]


class CountedConnection(Counted, Connection):
    """Counted, in plain text."""


class CountedTLSConnection(Counted, SSLConnection):
    """Counted, over TLS."""
