"""`scripts/restore`: a backup beside the database in use, then in its place."""

import json
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from operate.own import OwnStack, say, verb
from stack import ROOT, STORES, StackError

LIVE, BESIDE, FORMER = "app", "app_restored", "app_before_restore"
SESSION_TABLES = (ROOT / "deploy" / "backup" / "session_tables.sql").read_text()
USAGE = "undo ID, disaster ID, back or finish; see scripts/restore --help"

# What is on disk decides which migrations the code knows; no database is asked.
MIGRATIONS = """
import json
from django.db.migrations.loader import MigrationLoader
print(json.dumps(sorted(MigrationLoader(None).disk_migrations)))
"""
# Carried rows may refer to what the other database lacks: a session's to a user, for one.
ORPHANS = """
SELECT format('DELETE FROM %s AS t WHERE t.%I IS NOT NULL AND NOT EXISTS '
              '(SELECT FROM %s AS r WHERE r.%I = t.%I)',
              c.conrelid::regclass, a.attname, c.confrelid::regclass, b.attname, a.attname)
FROM pg_constraint AS c
JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
JOIN pg_attribute AS b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1]
WHERE c.contype = 'f' AND cardinality(c.conkey) = 1 AND c.conrelid::regclass::text IN ({tables})
\\gexec
"""
SWAP = """
BEGIN;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('{out}', '{into}');
ALTER DATABASE {out} RENAME TO {name};
ALTER DATABASE {into} RENAME TO {out};
COMMIT;
"""


def main(arguments: list[str]) -> int:
    """Restore, go back, or finish; return the exit status."""
    match arguments:
        case ["undo" | "disaster" as mode, snapshot, *rest]:
            own = OwnStack()
            with own.alone():
                restore(own, mode, snapshot, rest)
        case ["back"]:
            own = OwnStack()
            with own.alone():
                require_former(own)
                replace(own, FORMER, BESIDE, carrying=True)
                drop(own, BESIDE)
            say("the former database is in its place again")
        case ["finish"]:
            own = OwnStack()
            with own.alone():
                require_former(own)
                drop(own, FORMER)
            say("the former database is deleted")
        case _:
            raise StackError(f"{' '.join(arguments)!r} is nothing to do; it may be {USAGE}")
    return 0


def restore(own: OwnStack, mode: str, snapshot: str, rest: list[str]) -> None:
    """Check, say what would be lost, and do it where the operator names the project."""
    if FORMER in databases(own):
        raise StackError(
            "the last restore keeps its former database; first ./scripts/restore finish, or back"
        )
    own.compose("build", "--quiet", "backup")
    if snapshot == "latest":
        proven = re.findall(r"^(\w+) \S+ \S+ proven$", own.backup("list"), re.MULTILINE)
        if not proven:
            raise StackError("no backup is proven; ./scripts/backup list")
        snapshot = proven[-1]
    manifest: dict[str, Any] = json.loads(own.backup("dump", snapshot, "manifest.json"))
    check_release(own, mode, manifest)
    say(f"the backup {snapshot} is of {manifest['at']}", *differences(own, manifest))
    if rest != ["--replace", own.project]:
        raise StackError(f"this replaces a database in use; to do it: --replace {own.project}")
    say("restoring beside the database in use")
    beside(own, snapshot)
    if mode == "undo":
        say(f"{passwords(own)} users have another password now; their sessions end")
    replace(own, BESIDE, FORMER, carrying=mode == "undo")
    say("restored; the former database is kept: ./scripts/restore back, or finish to delete it")


# --- What speaks against it -----------------------------------------------------------------------


def databases(own: OwnStack) -> list[str]:
    """Return the names of all databases."""
    return own.sql("SELECT datname FROM pg_database", "postgres").split()


def require_former(own: OwnStack) -> None:
    """Raise StackError where no restore left a former database."""
    if FORMER not in databases(own):
        raise StackError("there is no former database: no restore, or it is finished")


def check_release(own: OwnStack, mode: str, manifest: dict[str, Any]) -> None:
    """Raise StackError where the code can't run on the backup, or its sessions not be carried."""
    shell = ["python", "manage.py", "shell", "--no-imports", "-c", MIGRATIONS]
    known = json.loads(own.execute("clearsessions", *shell).splitlines()[-1])
    held = manifest["migrations"]
    if newer := [one for one in held if one not in known]:
        raise StackError(
            f"a newer release made this backup (migration {'.'.join(newer[0])}); "
            "start that release, then run this again"
        )
    applied = own.sql("SELECT json_agg(json_build_array(app, name)) FROM django_migrations")
    if mode == "undo" and sorted(held) != sorted(json.loads(applied)):
        raise StackError(
            "an older release made this backup, and sessions can't be carried into it; "
            "start that release, or restore by disaster"
        )


def differences(own: OwnStack, manifest: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each table that has another number of rows now."""
    held = manifest["rows"]
    query = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in held)  # noqa: S608
    for line in own.sql(query).splitlines():
        name, now = line.split("|")
        if int(now) != held[name]:
            yield f"{name} has {now} rows, in the backup {held[name]}"


def passwords(own: OwnStack) -> int:
    """Return how many users have a password beside that differs: Django ends their sessions."""
    query = "SELECT id || ' ' || md5(password) FROM auth_user"
    now, then = (set(own.sql(query, name).splitlines()) for name in (LIVE, BESIDE))
    return len({line.split()[0] for line in now - then} & {line.split()[0] for line in then})


# --- Doing it -------------------------------------------------------------------------------------


def beside(own: OwnStack, snapshot: str) -> None:
    """Restore into a database of its own; it is gone where that fails."""
    drop(own, BESIDE)
    own.execute("postgres", "/etc/postgresql/roles.sh", BESIDE)
    try:
        pipe(
            own.command("run", "--rm", "--no-deps", "-T", "backup", "dump", snapshot, "app.dump"),
            own.command(
                *("exec", "-T", "postgres", "pg_restore", "--username=postgres"),
                *(f"--dbname={BESIDE}", "--exit-on-error", "--no-owner", "--role=app_owner"),
                "--single-transaction",
            ),
        )
    except StackError:
        drop(own, BESIDE)
        raise


def drop(own: OwnStack, name: str) -> None:
    """Delete a database that nobody uses any more."""
    own.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", "postgres")


def replace(own: OwnStack, into: str, former: str, *, carrying: bool) -> None:
    """Put a database in the place of the live one, while nothing that uses it runs."""
    apps = own.app_services
    say(f"stopping {', '.join(apps)}: visitors get 503 until it is back")
    with stopped(own, [*apps, "clearsessions"]):
        if carrying:
            carry(own, LIVE, into)
        else:
            sign_everybody_out(own)
        own.sql(SWAP.format(out=LIVE, into=into, name=former), "postgres")
        if not carrying:
            own.compose("run", "--rm", "--no-deps", "migrate")
        # Rows decide what a copy is worth, and these are others now.
        engines = {name.removeprefix("app-") for name in apps}
        only_there = any(STORES[name][0] == "redis" for name in engines)
        if own.containers("redis") and not (carrying and only_there):
            own.redis("FLUSHALL")


@contextmanager
def stopped(own: OwnStack, services: list[str]) -> Iterator[None]:
    """Have the services stopped, and running again whatever happens."""
    own.compose("stop", *services)
    try:
        yield
    finally:
        own.compose("start", *services)
        own.wait_healthy(*services)


def carry(own: OwnStack, source: str, target: str) -> None:
    """Give one database the sessions of another, and all that is known of them."""
    tables = own.sql(SESSION_TABLES, source).splitlines()
    options = [f"--table={name}" for name in tables]
    dumped = own.execute(
        *("postgres", "pg_dump", "--username=postgres", f"--dbname={source}", "--data-only"),
        *options,
    )
    orphans = ORPHANS.format(tables=", ".join(f"'{name}'" for name in tables))
    # No trigger tells the feed of rows that only move.
    begin = f"BEGIN;\nSET session_replication_role = replica;\nTRUNCATE {', '.join(tables)};\n"
    reset = "SELECT pg_catalog.set_config('search_path', 'public', true);\n"
    own.sql(f"{begin}{dumped}{reset}{orphans}COMMIT;\n", target)


def sign_everybody_out(own: OwnStack) -> None:
    """Make a new secret key, under which nothing that was signed counts, and empty the folder."""
    given = ROOT / "deploy" / "secrets"
    (given / "secret_key_fallbacks").unlink(missing_ok=True)
    if (given / "secret_key").exists():
        (given / "secret_key").write_text(secrets.token_urlsafe(50))
    else:
        own.init("rm", "--force", "/volumes/app-secrets/secret_key")
    own.compose("run", "--rm", "--no-deps", "init")
    folder = Path("/var/lib/sessions")
    delete = ["clearsessions", str(folder), "-mindepth", "1", "-delete"]
    own.compose("run", "--rm", "--no-deps", "--entrypoint", "find", *delete)


def pipe(source: list[str], target: list[str]) -> None:
    """Run two commands, the output of the first being the input of the second.

    Raises:
        StackError: with the last line of the one that failed first.
    """
    piped = subprocess.PIPE
    with (
        subprocess.Popen(source, cwd=ROOT, stdout=piped, stderr=piped) as first,  # noqa: S603
        subprocess.Popen(target, cwd=ROOT, stdin=first.stdout, stderr=piped) as second,  # noqa: S603
    ):
        if first.stdout:
            first.stdout.close()  # so that the first hears of the second's end
        said = first.stderr.read() if first.stderr else b"", second.communicate()[1]
    for process, words in zip((first, second), said, strict=True):
        if process.returncode:
            lines = words.decode(errors="replace").strip().splitlines() or ["failed"]
            raise StackError(lines[-1])


verb("restore", main)
