"""The five mistakes that tutorials warn of: wrong code, what it does, and right code.

What the page shows is the source of the functions here. Each runs on a session of its own, made and
ended by `run`, which saves by the rule of Django's middleware: a session is saved where it was
modified.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from textwrap import dedent

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from lab.layers import backend
from session_stack.layers import session_class

type Code = Callable[[SessionBase], object]


def nested_wrong(session: SessionBase) -> None:
    session["basket"]["apples"] += 1


def nested_right(session: SessionBase) -> None:
    session["basket"]["apples"] += 1
    session.modified = True


def missing_wrong(session: SessionBase) -> object:
    return session["cart"]


def missing_right(session: SessionBase) -> object:
    return session.get("cart", [])


def early_wrong(session: SessionBase) -> None:
    # Django stores the moment half an hour from now.
    session.set_expiry(timedelta(minutes=30))


def early_right(session: SessionBase) -> None:
    # Seconds, counted from each change.
    session.set_expiry(30 * 60)


def closed_wrong(session: SessionBase) -> None:
    session.set_expiry(0)


def closed_right(session: SessionBase) -> None:
    # Back to SESSION_COOKIE_AGE.
    session.set_expiry(None)


# For the browser, which runs it on the page itself.
SCRIPT_WRONG = f'document.cookie.includes("{settings.SESSION_COOKIE_NAME}=")'


def script_right(session: SessionBase) -> object:
    # Into the page, or the answer of a JSON view.
    return {"theme": session.get("theme", "light")}


def basket(session: SessionBase, result: object) -> str:
    """Say what is stored after a request that put one apple more into a basket of one."""
    return f"stored: {session['basket']}"


def returned(session: SessionBase, result: object) -> str:
    """Say what the code returned or raised."""
    return repr(result)


def renewal(session: SessionBase, result: object) -> str:
    """Change the session once more, and say whether its end moved along."""
    before = session.get_expiry_date()
    session["basket"] = {"apples": 3}
    session.save()
    return (
        "a later change moved the end along"
        if session_class(backend())(session.session_key).get_expiry_date() > before
        else "a later change left the end where it was"
    )


def lifetime(session: SessionBase, result: object) -> str:
    """Say how long the browser is told to keep the cookie."""
    if session.get_expire_at_browser_close():
        return "the cookie has no Max-Age: it goes when the browser is closed"
    return f"the cookie has Max-Age={session.get_expiry_age()}"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake, its repair, and what to look at afterwards."""

    slug: str
    title: str
    happens: str
    wrong: Code | str  # a string is JavaScript
    right: Code
    look: Callable[[SessionBase, object], str]


MISTAKES = (
    Mistake(
        "not-saved",
        "A change inside a value is not saved",
        "Django notices that a key was assigned to, not that a list or dict inside changed.",
        nested_wrong,
        nested_right,
        basket,
    ),
    Mistake(
        "key-error",
        "A key that is not there raises KeyError",
        "A session begins empty, and may have expired since the last page.",
        missing_wrong,
        missing_right,
        returned,
    ),
    Mistake(
        "too-early",
        "The session ends while the visitor is busy",
        "A timedelta or a date is a fixed end; a number of seconds counts from each change. "
        "Reading moves neither, unless SESSION_SAVE_EVERY_REQUEST is on.",
        early_wrong,
        early_right,
        renewal,
    ),
    Mistake(
        "no-script",
        "JavaScript can’t read the cookie",
        "The cookie is HttpOnly, so that a script which an attacker smuggles into a page can’t "
        "steal it. Your own script needs a value of the session, not the cookie: put the value "
        "into the page.",
        SCRIPT_WRONG,
        script_right,
        returned,
    ),
    Mistake(
        "not-persistent",
        "The session is gone when the browser is closed",
        "An expiry of 0, or SESSION_EXPIRE_AT_BROWSER_CLOSE, makes a cookie without Max-Age.",
        closed_wrong,
        closed_right,
        lifetime,
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a piece of code did; empty where it was not run."""

    code: str
    did: str


def shown(run_them: bool) -> list[tuple[Mistake, Outcome, Outcome]]:
    """Return each mistake with its code and, where asked, what the code did just now."""
    return [
        (
            mistake,
            outcome(mistake, mistake.wrong, run_them),
            outcome(mistake, mistake.right, run_them),
        )
        for mistake in MISTAKES
    ]


def outcome(mistake: Mistake, code: Code | str, run_it: bool) -> Outcome:
    """Return a piece of code and, where asked, what it did; the browser runs its own."""
    if isinstance(code, str):
        return Outcome(code, "")
    return Outcome(body(code), run(mistake, code) if run_it else "")


def run(mistake: Mistake, code: Code) -> str:
    """Run code as a request would, save where it modified the session, and look."""
    engine = session_class(backend())
    session = engine()
    session["basket"] = {"apples": 1}
    session.save()
    try:
        session = engine(session.session_key)
        result: object
        try:
            result = code(session)
        except KeyError as error:
            result = error
        if session.modified:
            session.save()
        session = engine(session.session_key)
        return mistake.look(session, result)
    finally:
        session.delete()


def body(function: Code) -> str:
    """Return a function's source without its first line."""
    return dedent(inspect.getsource(function).split("\n", 1)[1]).strip()
