"""Counts of the SQL statements and Redis commands that a piece of work causes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from redis import Connection


@dataclass(slots=True)
class StoreCalls:
    """How often each store was asked."""

    sql: int = 0
    redis: int = 0

    def count_sql(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        """Count a statement and run it: a wrapper for `connection.execute_wrapper`."""
        self.sql += 1
        return execute(*arguments)


_counting: ContextVar[StoreCalls | None] = ContextVar("store_calls", default=None)


@contextmanager
def counting(calls: StoreCalls) -> Iterator[None]:
    """Count into `calls` what this thread asks of its stores."""
    # Not above: settings name the class below, and Django's connections need settings.
    from django.db import connection

    token = _counting.set(calls)
    try:
        with connection.execute_wrapper(calls.count_sql):
            yield
    finally:
        _counting.reset(token)


class CountedConnection(Connection):
    """A connection to Redis that counts what is sent over it; a pipeline counts once.

    The greeting of a new connection is not counted: it serves all that come after.
    """

    def connect_check_health(self, *arguments: Any, **named: Any) -> None:
        """Connect, and greet uncounted."""
        token = _counting.set(None)
        try:
            super().connect_check_health(*arguments, **named)
        finally:
            _counting.reset(token)

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Count the command and send it."""
        if calls := _counting.get():
            calls.redis += 1
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]
