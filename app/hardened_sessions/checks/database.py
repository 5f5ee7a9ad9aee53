"""Checks of the database that holds sessions."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import router

from hardened_sessions.checks.in_use import readable, session_class, uses_database
from hardened_sessions.models import RevokedCookie

PSYCOPG_MIN_SIZE = 4  # psycopg_pool's default, which is also its default max_size


@register(Tags.database)
def check_database(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """The database can do what the layer's statements ask, and has a connection for each thread."""
    known = readable()
    if not uses_database() or known is None or known.database not in (databases or []):
        return
    from hardened_sessions.clients.database import database

    connection = database(known.database).connection
    if connection.vendor not in ("postgresql", "sqlite"):
        yield Error(
            f"Sessions are in {connection.display_name}.",
            hint="The layer's statements are for PostgreSQL and SQLite.",
            id="hardened_sessions.E009",
        )
    elif connection.vendor == "sqlite" and session_class().reads_feed:
        yield Warning(
            "SQLite has no change feed: the database is read at each load.",
            hint="PostgreSQL has one.",
            id="hardened_sessions.W002",
        )
    yield from check_pool(connection.settings_dict.get("OPTIONS", {}).get("pool"), known.threads)


def check_pool(pool: Any, threads: int | None) -> Iterable[CheckMessage]:
    """A thread that waits for a pooled connection waits for longer than any hung server."""
    if not pool:
        return  # a connection for each thread
    given = pool if isinstance(pool, dict) else {}
    largest = given.get("max_size") or given.get("min_size", PSYCOPG_MIN_SIZE)
    if threads is None:
        yield Warning(
            f"Whether the pool's {largest} connections are enough is unverified.",
            hint='HARDENED_SESSIONS["THREADS"] may hold the number of threads a process.',
            id="hardened_sessions.W004",
        )
    elif largest < threads:
        yield Error(
            f"The pool has {largest} connections for {threads} threads: the others would wait.",
            hint=f"The pool's max_size may be {threads}.",
            id="hardened_sessions.E012",
        )


@register(Tags.database)
def check_routers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """What the layer keeps beside the sessions lies in their database."""
    known = readable()
    if not uses_database() or known is None:
        return
    if not router.allow_migrate_model(known.database, RevokedCookie):
        yield Error(
            f"DATABASE_ROUTERS keep hardened_sessions out of {known.database!r}, where the "
            "sessions are.",
            hint="They may treat hardened_sessions as they treat sessions, or "
            'HARDENED_SESSIONS["DATABASE"] may name where both are.',
            id="hardened_sessions.E023",
        )
