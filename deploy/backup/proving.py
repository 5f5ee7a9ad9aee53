"""Whether a backup is one: it is restored into a Postgres of this container's own, and used."""

import secrets
import shutil
from pathlib import Path
from typing import Any

import psycopg

from dump import DUMP, rows
from problem import ProblemError, run

ROLES = "CREATE ROLE app_owner; CREATE ROLE app LOGIN; CREATE DATABASE app OWNER app_owner"
SIGN_IN = (Path(__file__).parent / "sign_in.py").read_text()
# Nothing of it has to outlive a power failure, and nobody but this container reaches it.
QUICK = "-c listen_addresses= -c fsync=off -c full_page_writes=off -c autovacuum=off"


def prove(folder: Path, manifest: dict[str, Any], scratch: Path) -> None:
    """Restore a dump, and compare, migrate and sign in as this release does.

    Raises:
        ProblemError: with what does not hold.
    """
    data, socket = scratch / "postgres", scratch / "socket"
    shutil.rmtree(data, ignore_errors=True)
    socket.mkdir(exist_ok=True)
    initdb = ("initdb", "--username=postgres", "--auth=trust", "--no-sync", "--locale=C.UTF-8")
    run(*initdb, f"--pgdata={data}")
    control = ("pg_ctl", f"--pgdata={data}", "--wait", "--silent", f"--log={scratch / 'log'}")
    run(*control, "start", f"--options={QUICK} -k {socket}")
    try:
        for statement in ROLES.split("; "):
            run("psql", f"--host={socket}", "--username=postgres", "-qc", statement)
        run(
            *("pg_restore", f"--host={socket}", "--username=postgres", "--dbname=app"),
            *("--exit-on-error", "--no-owner", "--role=app_owner", str(folder / DUMP)),
        )
        compare(socket, manifest)
        environment = {
            "DATABASE_HOST": str(socket),
            # Made up: nothing in a backup is signed by the one, nor asks for the other.
            "SECRET_KEY": secrets.token_urlsafe(50),
            "DATABASE_PASSWORD": secrets.token_urlsafe(16),
        }
        manage = ("python", "manage.py")
        run(*manage, "migrate", "--check", env=environment)
        run(*manage, "shell", "--command", SIGN_IN, env=environment)
    finally:
        run(*control, "stop", "--mode=immediate")
        shutil.rmtree(data, ignore_errors=True)


def compare(socket: Path, manifest: dict[str, Any]) -> None:
    """Raise ProblemError where a table has other rows than it had."""
    with psycopg.connect(f"host={socket} dbname=app user=postgres") as connection:
        for table, wanted in manifest["rows"].items():
            if (found := rows(connection, table)) != wanted:
                raise ProblemError(f"{table} has {found} rows where {wanted} were dumped")
