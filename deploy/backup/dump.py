"""The application's data of one moment, without sessions, and what a restore must find in it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from problem import ProblemError, run

DUMP, MANIFEST = "app.dump", "manifest.json"
PASSWORD = Path("/run/secrets/database_owner_password")
SESSION_TABLES = (Path(__file__).parent / "session_tables.sql").read_text()
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"


def dump(folder: Path) -> dict[str, Any]:
    """Write a dump and its manifest into a folder; return the manifest.

    Raises:
        ProblemError: where Postgres is away, or the disk is full.
    """
    password = PASSWORD.read_text()
    try:
        with psycopg.connect(
            "host=postgres dbname=app user=app_owner", password=password, connect_timeout=5
        ) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            snapshot = value(connection, "SELECT pg_export_snapshot()")
            left_out = [row[0] for row in connection.execute(SESSION_TABLES)]
            options = [f"--exclude-table-data=public.{name}" for name in left_out]
            run(
                *("pg_dump", "--host=postgres", "--username=app_owner", "--dbname=app"),
                *("--format=custom", f"--snapshot={snapshot}", f"--file={folder / DUMP}"),
                *options,
                env={"PGPASSWORD": password},
            )
            found = manifest(connection, left_out)
    except psycopg.Error as error:
        raise ProblemError(f"Postgres: {str(error).strip().splitlines()[-1]}") from error
    (folder / MANIFEST).write_text(json.dumps(found))
    return found


def manifest(connection: "psycopg.Connection[Any]", left_out: list[str]) -> dict[str, Any]:
    """Return what is in the dump: how many rows each table has, and which migrations it knows."""
    tables = [row[0] for row in connection.execute(TABLES)]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": {name: rows(connection, name) for name in tables if name not in left_out},
        "left_out": left_out,
        "migrations": [
            list(row) for row in connection.execute("SELECT app, name FROM django_migrations")
        ],
    }


def rows(connection: "psycopg.Connection[Any]", table: str) -> int:
    """Return how many rows a table has."""
    count = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(table))
    return int(value(connection, count))


def value(connection: "psycopg.Connection[Any]", statement: psycopg.abc.Query) -> str:
    """Return the one value of a statement."""
    row = connection.execute(statement).fetchone()
    return str(row[0]) if row else ""
