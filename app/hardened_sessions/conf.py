"""The layer's settings: `HARDENED_SESSIONS`, a dict; every key may be left out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import DEFAULT_DB_ALIAS, router

Keys = Literal["read", "hash"]
Conflicts = Literal["merge", "strict"]

type Until = datetime | Callable[[], datetime | None] | None

LONGEST_GRACE = 400 * 24 * 3600.0  # seconds; longer than any browser keeps a session's cookie

LEAST_BYTES = 4096  # of MAX_BYTES: what a cookie takes

# Each module in backends/ is an engine of that name.
ENGINES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("backends/[a-z]*.py")))


@dataclass(frozen=True, slots=True)
class Options:
    """What can be set, by its lower-case name, with its default."""

    # `hash` stores sessions under the hash of their key. `read` finds those too, but writes under
    # the key itself, as Django does: the step before `hash`, and the way back.
    keys: Keys = "hash"
    # With `hash`: until when sessions that Django's own engines stored under their key are found
    # too. It is a datetime with a time zone, its ISO 8601 text, or a function that each process
    # asks once and that returns one or None. None: they are not found, as on a site that never ran
    # those engines. Nobody signed what the `cache` engine left: until then, whoever writes to Redis
    # can be any user.
    grace_until: Until = None
    # How large a session may be that the server keeps, in bytes as they are stored: JSON with its
    # escapes, and what encryption makes of it, before any compression. What was stored before may
    # stay as large as it is.
    max_bytes: int = 65_536
    # Two requests changed one key: `merge` keeps the later one's value, `strict` answers it 409.
    conflicts: Conflicts = "merge"
    # The alias in DATABASES that sessions are kept in. Where it is not given, DATABASE_ROUTERS say
    # once in each process where Django's model is written.
    database: str = "default"
    # A cookie of this name is taken where the new one is absent, and replaced at once.
    old_cookie_name: str | None = None
    # The Domain that the old cookie was set with; without it browsers would not delete that one.
    old_cookie_domain: str | None = None
    # Engines that ran before, whose expired sessions `clearsessions` removes as well; each as in
    # SESSION_ENGINE, or by its last word.
    previous_engines: tuple[str, ...] = ()
    # How many threads of a process serve requests, for the check that a connection pool has one
    # for each; None leaves that unverified.
    threads: int | None = None
    # Where `request.META` has the client's address, of which the list of signed-in sessions keeps
    # the network; of several the last counts, which the nearest proxy added.
    client_address: str = "REMOTE_ADDR"
    # How long a statement of a view may take, in seconds, where DATABASES has this layer's backend:
    # then its connection is closed. The session's own have a shorter bound.
    statement_seconds: float = 2.0
    # AES-256 keys as 64 hexadecimal digits: the first encrypts, all decrypt. Empty: no encryption.
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)


@cache
def options() -> Options:
    """Return the settings.

    Raises:
        ImproperlyConfigured: with the name of what may not be, and what it may be.
    """
    given: dict[str, Any] = getattr(settings, "HARDENED_SESSIONS", {})
    known = {field.name.upper(): field.name for field in fields(Options)}
    if unknown := sorted(set(given) - set(known)):
        raise ImproperlyConfigured(
            f"HARDENED_SESSIONS has no {', '.join(unknown)}; it may hold {', '.join(known)}"
        )
    for name, words in (("KEYS", get_args(Keys)), ("CONFLICTS", get_args(Conflicts))):
        if given.get(name, words[0]) not in words:
            raise ImproperlyConfigured(
                f"HARDENED_SESSIONS[{name!r}] is {given[name]!r}; it may be {', '.join(words)}"
            )
    for name in given.get("PREVIOUS_ENGINES", ()):
        if name.rpartition(".")[2] not in ENGINES:
            raise ImproperlyConfigured(
                f"HARDENED_SESSIONS['PREVIOUS_ENGINES'] has {name!r}; it may have "
                f"{', '.join(ENGINES)}"
            )
    most = given.get("MAX_BYTES", LEAST_BYTES)
    if type(most) is not int or most < LEAST_BYTES:
        raise ImproperlyConfigured(
            f"HARDENED_SESSIONS['MAX_BYTES'] is {most!r}; it may be a whole number from "
            f"{LEAST_BYTES}"
        )
    if "GRACE_UNTIL" in given:
        given = {**given, "GRACE_UNTIL": until(given["GRACE_UNTIL"])}
    values: dict[str, Any] = {
        known[name]: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
    }
    values.setdefault("database", routed())
    return Options(**values)


def routed() -> str:
    """Return where DATABASE_ROUTERS have Django's session model written."""
    if not apps.models_ready or not apps.is_installed("django.contrib.sessions"):
        return DEFAULT_DB_ALIAS
    return str(router.db_for_write(apps.get_model("sessions", "Session")))


def until(given: Any) -> Until:
    """Return what GRACE_UNTIL is.

    Raises:
        ImproperlyConfigured: where it is no moment that comes within `LONGEST_GRACE`.
    """
    if given is None or callable(given):
        return cast(Until, given)
    try:
        at: datetime = datetime.fromisoformat(given) if isinstance(given, str) else given
        if at.tzinfo is not None and at.timestamp() - time.time() <= LONGEST_GRACE:
            return at
    except (AttributeError, ValueError):
        pass
    raise ImproperlyConfigured(
        f"HARDENED_SESSIONS['GRACE_UNTIL'] is {given!r}; it may be None, a moment with a time zone "
        "within the next 400 days, such as '2026-12-24T00:00+00:00', or a function that returns one"
    )


@cache
def grace_ends() -> float:
    """Return when the grace ends or ended, in seconds since 1970; 0 where there is none."""
    given = options().grace_until
    at = given() if callable(given) else given
    return at.timestamp() if at is not None else 0.0


def finds_keys() -> bool:
    """Return whether sessions are found, too, that are stored under their key."""
    return options().keys == "read" or time.time() < grace_ends()


def forget(*, setting: str = "HARDENED_SESSIONS", **kwargs: Any) -> None:
    """Read the settings anew after a test changed them."""
    if setting in ("HARDENED_SESSIONS", "DATABASE_ROUTERS"):
        options.cache_clear()
        grace_ends.cache_clear()


setting_changed.connect(forget)
