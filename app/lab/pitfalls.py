"""What goes wrong with sessions: what Django says to it, word by word, and what this stack does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pitfall:
    """One way to lose sessions, or to give them away."""

    slug: str
    title: str
    happens: str
    django_says: str | None  # the exception's text; None where there is no exception
    stack_does: str


PITFALLS = (
    Pitfall(
        "missing-key",
        "The secret key is missing",
        "Without SECRET_KEY nothing can be signed. With a new one after each start, every session "
        "of db, cached_db, file and signed_cookies is void, and everybody is signed out.",
        "The SECRET_KEY setting must not be empty.",
        "init makes a key at the first start and keeps it in a volume; no default exists. An app "
        "without one does not start, and its log names the variable. Rotation: put the former key "
        "into the fallbacks first, see deploy/secrets.",
    ),
    Pitfall(
        "too-large",
        "The session does not fit into a cookie",
        "Browsers drop a cookie above 4,096 bytes and go on sending the old one: what was saved "
        "last is lost without a trace. nginx’s default answers 502 at about the same size.",
        None,
        "The pages here refuse what would not fit, beside the field, before anything is saved. "
        "nginx has room for a 4 KB cookie both ways.",
    ),
    Pitfall(
        "forgotten-migration",
        "The migration was forgotten",
        "db and cached_db need the table django_session; without it every request that touches a "
        "session fails.",
        'relation "django_session" does not exist',
        "A service of its own migrates before any app starts, as the only role that owns the "
        "schema. An app that finds a migration missing waits, and logs the command that repairs "
        "it.",
    ),
    Pitfall(
        "unwritable-folder",
        "The folder of file sessions can’t be written",
        "The file engine raises when it makes a new session. When it changes an existing one, and "
        "the disk is full or the folder read-only, it says nothing, and the change is lost.",
        "[Errno 13] Permission denied",
        "An app does not start before it could write a nameless file there, and turns unhealthy "
        "when it no longer can; either names the folder.",
    ),
    Pitfall(
        "emptied-redis",
        "Redis evicts sessions, or is flushed",
        "A session that Redis dropped is an empty one: the visitor is signed out, and Django "
        "deletes the cookie. One cache.clear() does it to everybody.",
        None,
        "Sessions have a Redis and an alias of their own. It refuses writes rather than evict "
        "(noeviction), keeps an append-only file, and the app’s user may not flush it.",
    ),
)
