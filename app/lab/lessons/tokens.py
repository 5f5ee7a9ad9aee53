"""A session beside a plain cookie and a token: the same values in each, as bytes."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from django.core import signing

VALUES: dict[str, Any] = {"user": 7, "name": "Ada", "staff": False}


@dataclass(frozen=True, slots=True)
class Way:
    """One way to know on the next request who asks."""

    name: str
    sent: str  # what the browser or the client carries; made now, and of no use here
    kept: str
    read_by: str
    revoked: str
    right_for: str

    @property
    def size(self) -> int:
        """Return the bytes that each request carries."""
        return len(self.sent)


def token(values: dict[str, Any], key: bytes) -> str:
    """Return a JSON Web Token, signed by HMAC-SHA-256 (RFC 7519, RFC 7515)."""

    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    body = ".".join(
        part(json.dumps(value, separators=(",", ":")).encode())
        for value in ({"alg": "HS256", "typ": "JWT"}, values)
    )
    return f"{body}.{part(hmac.digest(key, body.encode(), hashlib.sha256))}"


def ways() -> tuple[Way, ...]:
    """Return the ways, each with the values as it would carry them."""
    return (
        Way(
            "Session",
            "k" * 32,
            "On the server; the cookie holds a random key.",
            "The server alone.",
            "At once: the server deletes it.",
            "People in browsers. Signing out, a cart, a form of several steps.",
        ),
        Way(
            "Signed session cookie",
            signing.dumps(VALUES, key="shown and of no use", salt="lab.tokens"),
            "In the cookie.",
            "Whoever holds it; nobody can change it.",
            "Not by itself: a copy lives until it expires. The hardened layer remembers which "
            "ones ended.",
            "A few small values that are no secret, where no store is shared.",
        ),
        Way(
            "Plain cookie",
            json.dumps(VALUES, separators=(",", ":")),
            "In the cookie.",
            "Whoever holds it; and they can change it.",
            "Never: it is the visitor’s.",
            "Preferences that may be wrong: a theme, a language.",
        ),
        Way(
            "JSON Web Token",
            token(VALUES, b"shown and of no use"),
            "In the client.",
            "Whoever holds it; nobody can change it.",
            "Not before it expires, unless each request asks a store, which is a session again.",
            "Between services, or an API called by programs, for minutes.",
        ),
        Way(
            "No session at all",
            "",
            "Nowhere.",
            "Nobody.",
            "There is nothing to revoke.",
            "Public pages: they can be cached for everybody, and no store has to answer.",
        ),
    )


INSTEAD = (
    ("Passwords, card numbers", "Nothing. Ask again, or leave them to the payment provider."),
    ("A file, a large result", "The database or object storage; the session holds its id."),
    ("What must outlive signing out", "A row that belongs to the user."),
    ("The user’s rights", "The database, asked anew: a copy is wrong once a right is withdrawn."),
    ("A model instance", "Its primary key: JSON takes no object, and a copy grows stale."),
)
