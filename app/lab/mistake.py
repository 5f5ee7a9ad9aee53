"""The classic mistake, and its repair: what a nested change does to a session that is saved after.

Each runs on a session of its own, made and ended here, by the rule of Django's middleware: a
session is saved where it was modified.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from lab.layers import backend
from session_stack.layers import session_class


class Request:
    """As much of a request as the code on the page needs."""

    def __init__(self, session: SessionBase) -> None:
        self.session = session


def forgotten(request: Request) -> None:
    basket = request.session["basket"]
    basket["apples"] += 1


def marked(request: Request) -> None:
    basket = request.session["basket"]
    basket["apples"] += 1
    request.session.modified = True


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one way of changing a session did."""

    code: str
    before: Any
    after: Any
    modified: bool

    @property
    def kept(self) -> bool:
        """Return whether the change was still there when the session was loaded again."""
        return bool(self.before != self.after)


def lines_of(function: Callable[..., None]) -> str:
    """Return the function's body, as it stands in this file."""
    return dedent(inspect.getsource(function).split("\n", 1)[1]).strip()


CODE: dict[Callable[[Request], None], str] = {
    function: lines_of(function) for function in (forgotten, marked)
}


def attempts() -> list[Attempt]:
    """Run both ways and return what became of them."""
    return [attempt(function) for function in CODE]


def attempt(change: Callable[[Request], None]) -> Attempt:
    """Change a stored session once, save it by the middleware's rule, and load it again."""
    engine = session_class(backend())
    session = engine()
    session["basket"] = {"apples": 1}
    session.save()
    before = dict(session["basket"])
    try:
        session = engine(session.session_key)
        change(Request(session))
        modified = session.modified
        if modified:
            session.save()
        after = engine(session.session_key).get("basket")
    finally:
        session.delete()
    return Attempt(CODE[change], before, after, modified)
