"""What the session cookie of a request holds, as far as anyone who holds it can read."""

import json
from dataclasses import dataclass

from django.conf import settings
from django.core import signing

SHOWN_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Cookie:
    """A session cookie, described without giving it away."""

    name: str
    start: str
    size: int
    contents: str | None


def describe(value: str | None) -> Cookie | None:
    """Describe the cookie that the browser sent; None where it sent none.

    Only `signed_cookies` keeps the session in the cookie: there anyone can read the contents, as
    here, and nobody can change them. Every other backend's cookie is a random key.
    """
    if value is None:
        return None
    name = settings.SESSION_COOKIE_NAME
    return Cookie(
        name=name,
        start=f"{value[:SHOWN_CHARACTERS]}…",
        size=len(name) + 1 + len(value),
        contents=readable(value) if settings.ENV.session_backend == "signed_cookies" else None,
    )


def readable(value: str) -> str | None:
    """Return the JSON in a signed cookie, or None where the signature does not hold."""
    try:
        session = signing.loads(value, salt="django.contrib.sessions.backends.signed_cookies")
    except signing.BadSignature:
        return None
    return json.dumps(session, indent=2, sort_keys=True)
