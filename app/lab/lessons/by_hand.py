"""The commands that show what a store holds, for the engine that runs.

Each is a line for a shell in the folder of `docker-compose.yml`; a test runs them as they are
printed.
"""

from dataclasses import dataclass, replace

from django.conf import settings

from lab.layers import layer as lab_layer
from lab.layers.commands import IN_REDIS, PSQL, SHELL
from session_stack.layers import layer, session_class

ALL_DECODED = "print(*(row.get_decoded() for row in Session.objects.all()[:5]), sep='\\n')"
FOLDER = settings.SESSION_FILE_PATH
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
    'docker compose exec postgres psql -U postgres app -qAc "SELECT session_key, '
    'left(session_data, 32) AS session_data, expire_date FROM django_session LIMIT 5"',
    "The key, the first characters of the data, and when the row may be cleared. With Django’s own "
    "engines the key is the cookie’s value. The hardened layer stores its hash instead.",
)
DECODED = Look(
    "decoded",
    "The rows, decoded",
    SHELL.format(backend="{engine}", code=ALL_DECODED),
    "get_decoded() is Django’s own method. It shows what visitors put in, and nothing of what the "
    "layer keeps beside it.",
)
SCAN = Look(
    "scan",
    "The keys in Redis, by its administrator",
    IN_REDIS.format(command="--scan --count 100 | head -n 5"),
    "SCAN walks the keys in small steps. KEYS * walks all of them in one command, and every other "
    "client of Redis waits until it has finished.",
)
REFUSED = Look(
    "refused",
    "The app’s user may run neither SCAN nor KEYS",
    AS_APP.format(command='--scan 2>&1; redis-cli --user app keys "*" 2>&1'),
    "NOPERM, twice. The app asks for each session by its key and never needs a list; a thief "
    "would.",
)
LISTING = Look(
    "listing",
    "The folder",
    f"docker compose exec app-{{engine}} sh -c 'ls -l {FOLDER} | head -n 5'",
    "A file for each session. Its name begins with the cookie’s name. With Django’s own engine the "
    "key follows; with the hardened layer its hash, and the file’s time is when the session ends.",
)
FILE = Look(
    "file",
    "What is in a file",
    f"docker compose exec app-{{engine}} sh -c 'cat $(find {FOLDER} -type f | head -n 1)'",
    "The data, signed. Without the site’s SECRET_KEY nobody can change it.",
)
NOTHING = Look(
    "nothing",
    "On the server: nothing",
    PSQL.format(sql="SELECT count(*) FROM django_session"),
    "0, or what another engine left here before: this one writes no row.",
)
COOKIE = Look(
    "cookie",
    "In the cookie: everything",
    "",  # looks() fills it in: the layer knows how to read its cookie
    "Copy the cookie’s value from the browser’s developer tools. It takes no secret to read it: "
    "the cookie is signed, not encrypted.",
)

IN_STORE = {"postgres": (COLUMNS, DECODED), "redis": (SCAN, REFUSED), "folder": (LISTING, FILE)}


def looks(engine: str) -> list[Look]:
    """Return the commands for the stores of an engine, with its service filled in."""
    if lab_layer().in_cookie(engine):
        (place,) = lab_layer().places(engine, "")
        return [replace(COOKIE, line=place.commands[0].line), NOTHING]
    return [
        replace(look, line=look.line.replace("{engine}", engine))
        for store in layer().stores(session_class(engine))
        for look in IN_STORE[store]
    ]
