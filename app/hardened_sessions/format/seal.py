"""Values stored outside the database, authenticated together with their name.

A sealed value is text: `s1|mac|version|expires|notes|body`. The MAC (HMAC-SHA256, 128 bits) covers
the name too, so one session's value under another's name is no value. The body is whatever the
engine keeps, JSON or a database row's own text.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256

from hardened_sessions.format.readable import UnreadableError
from hardened_sessions.format.signing_keys import current_key, keys

FORMAT = b"s1"
PURPOSE = "seal"
MAC_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Sealed:
    """What an authentic value says."""

    version: int
    expires: int
    notes: bytes
    body: bytes
    by_fallback: bool


def seal(name: str, version: int, expires: int, body: bytes, notes: bytes = b"") -> bytes:
    """Return the sealed value; `notes` may hold anything but a bar."""
    rest = b"%d|%d|%b|%b" % (version, expires, notes, body)
    return b"%b|%b|%b" % (FORMAT, mac(current_key(PURPOSE), name, rest), rest)


def unseal(name: str, value: bytes) -> Sealed:
    """Return what the value says.

    Raises:
        UnreadableError: where it was not sealed for this name.
    """
    if value.startswith(FORMAT + b"|"):
        found, _, rest = value[len(FORMAT) + 1 :].partition(b"|")
        for number, key in enumerate(keys(PURPOSE)):
            if hmac.compare_digest(found, mac(key, name, rest)):
                version, expires, notes, body = rest.split(b"|", 3)
                return Sealed(int(version), int(expires), notes, body, by_fallback=number > 0)
    raise UnreadableError("its seal does not hold")


def etag(value: bytes) -> bytes:
    """Return a value's format and MAC, which stand for the whole value in a comparison."""
    return value[: len(FORMAT) + 1 + MAC_DIGITS]


def mac(key: bytes, name: str, rest: bytes) -> bytes:
    """Return the MAC as hexadecimal digits."""
    return hmac.digest(key, b"%b|%b" % (name.encode(), rest), sha256).hex()[:MAC_DIGITS].encode()
