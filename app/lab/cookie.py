"""The session cookie of a request, described without giving it away."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

SHOWN_CHARACTERS = 8
LIMIT_BYTES = 4096  # name and value; browsers drop a longer one (RFC 6265bis, 5.6)

# In the session: its cookie ends with the browser, though the server has an expiry of its own.
UNTIL_BROWSER_CLOSES = "until_browser_closes"


@dataclass(frozen=True, slots=True)
class Cookie:
    """A session cookie, as far as a page may show it."""

    name: str
    start: str
    size: int
    limit: int = LIMIT_BYTES


def describe(value: str | None) -> Cookie | None:
    """Describe the cookie that the browser sent; None where it sent none."""
    if value is None:
        return None
    name = settings.SESSION_COOKIE_NAME
    return Cookie(name=name, start=f"{value[:SHOWN_CHARACTERS]}…", size=len(name) + len(value))


def attributes(session: SessionBase) -> list[tuple[str, str]]:
    """Return the attributes that this session's cookie is set with, in the order of the header."""
    lifetime = [] if ends_with_browser(session) else [("Max-Age", str(session.get_expiry_age()))]
    return [
        *lifetime,
        ("Path", settings.SESSION_COOKIE_PATH),
        *([("Secure", "")] if settings.SESSION_COOKIE_SECURE else []),
        *([("HttpOnly", "")] if settings.SESSION_COOKIE_HTTPONLY else []),
        ("SameSite", settings.SESSION_COOKIE_SAMESITE or "none"),
    ]


def ends_with_browser(session: SessionBase) -> bool:
    """Return whether the browser forgets the cookie when it closes."""
    return session.get_expire_at_browser_close() or bool(session.get(UNTIL_BROWSER_CLOSES))
