"""The commands that show what a store holds, for the engine that runs.

Each is a line for a shell in the folder of `docker-compose.yml`; a test runs them as they are
printed.
"""

from dataclasses import dataclass, replace

from django.conf import settings

from lab.layers import layer as lab_layer
from lab.layers.commands import IN_REDIS, PSQL, SHELL
from session_stack.layers import layer, session_class

ALL_DECODED = (
    "from django.contrib.sessions.models import Session; "
    "print(*(row.get_decoded() for row in Session.objects.all()[:5]), sep='\\n')"
)
AS_APP = IN_REDIS.replace("redis_admin_password", "redis_app_password").replace(
    "--user admin", "--user app"
)


@dataclass(frozen=True, slots=True)
class Look:
    """One command, and what to see in what it prints."""

    slug: str
    title: str
    line: str
    see: str


COLUMNS = Look(
    "columns",
    "The table’s three columns",
    PSQL.format(
        sql="SELECT session_key, left(session_data, 32), expire_date FROM django_session LIMIT 5"
    ),
    "A key, the data, and when the row may go. The hardened layer stores the hash of the key; with "
    "Django’s own engine the first column is the cookie’s value.",
)
DECODED = Look(
    "decoded",
    "Decoded by Django’s own method",
    SHELL.format(backend="{engine}", code=ALL_DECODED),
    "What visitors put in, and nothing else.",
)
SCAN = Look(
    "scan",
    "The keys in Redis, by its administrator",
    IN_REDIS.format(command="--scan --count 100 | head -n 5"),
    "SCAN walks the keys in small steps. KEYS * walks them all at once, and every other client "
    "waits meanwhile: with a million sessions, for a second.",
)
REFUSED = Look(
    "refused",
    "The app’s user may do neither",
    AS_APP.format(command='--scan 2>&1; redis-cli --user app keys "*" 2>&1'),
    "NOPERM, twice. The app knows its sessions by their keys; who walks all of them wants to steal "
    "them.",
)
LISTING = Look(
    "listing",
    "The folder",
    f"docker compose exec app-file sh -c 'ls -l {settings.SESSION_FILE_PATH} | head -n 5'",
    "A file for each session, named as the cookie. The hardened layer’s names are hashes, and each "
    "file’s time is when its session ends.",
)
COOKIE = Look(
    "nothing",
    "On the server: nothing",
    PSQL.format(sql="SELECT count(*) FROM django_session"),
    "No row. The inspector has the command that reads the cookie itself.",
)

IN_STORE = {"postgres": (COLUMNS, DECODED), "redis": (SCAN, REFUSED), "folder": (LISTING,)}


def looks(engine: str) -> list[Look]:
    """Return the commands for the stores of an engine, with its service filled in."""
    if lab_layer().in_cookie(engine):
        return [COOKIE]
    return [
        replace(look, line=look.line.replace("{engine}", engine))
        for store in layer().stores(session_class(engine))
        for look in IN_STORE[store]
    ]
