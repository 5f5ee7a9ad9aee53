"""What became of the session's key with each step of signing in and changing the password."""

from dataclasses import dataclass
from itertools import pairwise

from django.conf import settings
from django.http import HttpRequest

from accounts.fingerprint import fingerprint

KEY = "key_steps"
KEPT = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One step, and the key's fingerprint on both sides of it."""

    name: str
    before: str
    after: str


def current(request: HttpRequest) -> str:
    """Return the fingerprint of the key that the browser sent; empty without one."""
    return fingerprint(request.COOKIES.get(settings.SESSION_COOKIE_NAME))


def record(request: HttpRequest, name: str, before: str) -> None:
    """Remember a step in the session that came out of it, with the fingerprint from before.

    The one from after is what the next request brings: under `signed_cookies` the key is the
    cookie, which holds this very list.
    """
    request.session[KEY] = [*kept(request), [name, before]][-KEPT:]


def kept(request: HttpRequest) -> list[list[str]]:
    """Return what the session says, as far as it was written here."""
    found = request.session.get(KEY)
    if not isinstance(found, list):
        return []
    return [step for step in found if isinstance(step, list) and [*map(type, step)] == [str, str]]


def steps(request: HttpRequest) -> list[Step]:
    """Return the steps that this session remembers, the newest last."""
    taken = kept(request)
    befores = [before for _, before in taken] + [current(request)]
    return [Step(name, *sides) for (name, _), sides in zip(taken, pairwise(befores), strict=True)]
