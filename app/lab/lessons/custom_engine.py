"""The engine of `sqlite_engine` at work, and what it lacks beside the engine that runs.

Every line that the page shows is the line that ran. Each demonstration makes its own sessions and
ends them.
"""

import inspect
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from lab.layers import backend, layer
from lab.lessons import sqlite_engine
from session_stack.layers import session_class

type Engine = type[SessionBase]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A line of code, and what it returned."""

    code: str
    result: str


@dataclass(frozen=True, slots=True)
class Lack:
    """What a small engine does not promise, tried on it and on the engine that runs."""

    title: str
    code: str
    here: str  # what happened with the sixty lines
    running: str  # what happened with the engine that runs; empty where it was not asked
    means: str


@cache
def source() -> str:
    """Return the engine's module as it stands."""
    return inspect.getsource(sqlite_engine)


LIFE = (
    "session = SessionStore()",
    'session["cart"] = ["apple"]',
    "session.save()",
    'SessionStore(session.session_key)["cart"]',
    "session.cycle_key()",
    "SessionStore(session.session_key).get_expiry_age()",
    "session.flush()",
    "session.session_key",
)


def life() -> list[Evaluated]:
    """Run a session's life, line by line, on the engine of sixty lines."""
    names: dict[str, Any] = {"SessionStore": sqlite_engine.SessionStore}
    return [Evaluated(line, run(line, names)) for line in LIFE]


def run(line: str, names: dict[str, Any]) -> str:
    """Run one of this module's own lines and return what it returned, as Python writes it."""
    try:
        return repr(eval(line, names))  # noqa: S307 - a constant of this module
    except SyntaxError:
        exec(line, names)  # noqa: S102 - likewise
        return "–"


def key_in_the_store(engine: Engine) -> str:
    session = engine()
    session["cart"] = ["apple"]
    session.save()
    try:
        key = session.session_key or ""
        text = stored_text(session)
        if not text:
            return "nothing is stored: the browser alone has the session"
        return "the key itself" if key in text else "only its hash"
    finally:
        session.delete()


def two_writers(engine: Engine) -> str:
    session = engine()
    session["basket"] = 0
    session.save()
    one, other = engine(session.session_key), engine(session.session_key)
    one.setdefault("cart", ["apple"])
    other.setdefault("theme", "dark")
    one.save()
    other.save()
    try:
        kept = engine(other.session_key)
        return "both are kept" if "cart" in kept and "theme" in kept else "the cart is lost"
    finally:
        other.delete()


def store_away(engine: Engine) -> str:
    class Away(sqlite_engine.SessionStore):
        path = Path("/nonexistent/lesson.sqlite3")

    try:
        return repr(Away("k" * 32).get("cart"))
    except sqlite3.OperationalError as error:
        return f"{error}: a 500 for the visitor"


def moved_row(engine: Engine) -> str:
    ada, bob = sqlite_engine.SessionStore(), sqlite_engine.SessionStore()
    ada["name"], bob["name"] = "Ada", "Bob"
    ada.save()
    bob.save()
    copy = "UPDATE session SET data = (SELECT data FROM session WHERE key = ?) WHERE key = ?"
    ada.execute(copy, bob.session_key, ada.session_key)
    try:
        return f"Ada’s key opens a session of {engine(ada.session_key)['name']}"
    finally:
        ada.delete()
        bob.delete()


def stored_text(session: SessionBase) -> str:
    """Return all that a store holds of a session: its name there, and its value."""
    if isinstance(session, sqlite_engine.SessionStore):
        select = "SELECT key || data FROM session WHERE key = ?"
        return "".join(text for (text,) in session.execute(select, session.session_key))
    if layer().in_cookie(backend()):
        return ""
    return " ".join(
        place.name + place.raw for place in layer().places(backend(), session.session_key or "")
    )


# Title, demonstration, whether the engine that runs is asked too, and what follows.
LACKS: tuple[tuple[str, Callable[[Engine], str], bool, str], ...] = (
    (
        "Whoever reads the store has every session",
        key_in_the_store,
        True,
        "Whoever takes a backup of this file can send any visitor’s cookie. Where a store holds "
        "only the hash of each key, a copy of it opens no session.",
    ),
    (
        "Two requests at once: the later save wins",
        two_writers,
        True,
        "Each save writes the whole session. The hardened engines with a store keep both changes: "
        "they write only over what they read (compare-and-set), and merge by key where that has "
        "changed.",
    ),
    (
        "A store that is away looks like an error of the site",
        store_away,
        False,
        "The hardened layer answers 503 with Retry-After, and leaves the cookie alone.",
    ),
    (
        "A value that was moved to another key is believed",
        moved_row,
        False,
        "The signature covers the data, not the key that it belongs to. A row of the hardened "
        "layer repeats the hash of its key, and is refused under any other.",
    ),
)


def lacks() -> list[Lack]:
    """Demonstrate each lack on the small engine and, where it can be, on the one that runs."""
    small, running = sqlite_engine.SessionStore, session_class(backend())
    return [
        Lack(title, body(show), show(small), show(running) if compare else "", means)
        for title, show, compare, means in LACKS
    ]


def body(function: Callable[..., object]) -> str:
    """Return a function's source without its first line."""
    return dedent(inspect.getsource(function).split("\n", 1)[1]).strip()
