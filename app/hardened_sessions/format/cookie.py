"""What a signed cookie says: by Django's own signing, with an id and an expiry beside the data.

Whoever holds the cookie can read it, unless it is encrypted.
"""

import time
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.utils.crypto import salted_hmac

from hardened_sessions import bounds
from hardened_sessions.format import codec, encryption, keys
from hardened_sessions.format.codec import Serializer
from hardened_sessions.format.record import epoch as seconds_of

SALT = "django.contrib.sessions.backends.signed_cookies"
LARGEST = 4096  # bytes of name and value (RFC 6265bis, 5.6)


@dataclass(slots=True)
class Cookie:
    """What an authentic cookie says."""

    sid: str
    # The user's epoch (see `revocation.cookies`) when the cookie was made.
    epoch: int
    expires: float
    data: dict[str, Any]
    # As of `Stored`.
    by_fallback: bool
    opened: bool = True
    # The id that this one took the place of, as long as no browser has come with this one.
    former: str = ""

    @property
    def live(self) -> bool:
        """Return whether it has not expired."""
        return self.expires > time.time()


def derived(sid: str) -> str:
    """Return the id that takes the place of another where nobody signs in.

    The same one in each of several requests at once.
    """
    digest = salted_hmac("hardened_sessions.sid", sid, algorithm="sha256").hexdigest()
    return digest[: keys.NAME_LENGTH]


def write(cookie: Cookie, serializer: Serializer) -> str:
    """Return the value of a cookie, of whatever length."""
    codec.refuse_reserved(cookie.data)
    kept = cookie.data
    if encryption.enabled():
        kept = {codec.CIPHERTEXT: encryption.encrypt(cookie.sid, serializer.dumps(kept))}
    # In the second place former versions have a time, and check the row where it is long ago.
    meta = [cookie.sid, 0, int(cookie.expires), cookie.epoch, *filter(None, [cookie.former])]
    return signing.dumps(
        {codec.META: meta, **kept},
        salt=SALT,
        serializer=codec.as_class(serializer),
        compress=True,
    )


def signed(value: str | None, serializer: Serializer) -> tuple[dict[str, Any], bool] | None:
    """Return what this site signed, and whether by a former secret key; None for all else."""
    if not value or not value.isascii() or len(value) > LARGEST:
        return None
    attempts: tuple[list[str | bytes] | None, ...] = ([], None)
    for fallback_keys in attempts:
        try:
            kept = signing.loads(
                value,
                salt=SALT,
                serializer=codec.as_class(serializer),
                fallback_keys=fallback_keys,
            )
        except signing.BadSignature:
            continue
        except Exception:  # noqa: BLE001 - as Django: whatever can't be read is no session
            return None
        return (kept, fallback_keys is None) if isinstance(kept, dict) else None
    return None


def parsed(
    value: str, signed: tuple[dict[str, Any], bool], serializer: Serializer, age: int
) -> Cookie:
    """Return what a cookie says whose signature holds.

    Args:
        value: as the browser sent it.
        signed: what `signed` made of it.
        serializer: an instance of what `SESSION_SERIALIZER` names.
        age: the seconds that a session without an expiry of its own lasts, as set at present.
    """
    kept, by_fallback = signed
    signed_at = signing.b62_decode(value.rsplit(":", 2)[1])
    if codec.META not in kept:
        # By Django's own engine: the cookie itself is its id, and its age runs from its signature.
        expires = longest(codec.require_plain(kept), signed_at, age)
        return Cookie(keys.hashed(value), 0, expires, kept, by_fallback)
    sid, _, expires, epoch, *former = kept.pop(codec.META)
    expires = min(float(expires), signed_at + bounds.COOKIE)
    cookie = Cookie(str(sid), int(epoch), expires, kept, by_fallback, former="".join(former))
    if codec.CIPHERTEXT in kept:
        clear = encryption.decrypt(cookie.sid, kept[codec.CIPHERTEXT])
        if clear is None:
            cookie.data, cookie.opened = {}, False
            return cookie
        cookie.data = serializer.loads(clear)
    # The signature has whole seconds, and the expiry is rounded up to one.
    allowed = longest(codec.require_plain(cookie.data), signed_at + 1, age)
    cookie.expires = min(expires, allowed)
    return cookie


def longest(data: dict[str, Any], signed_at: float, age: int) -> float:
    """Return until when a cookie can count that was signed then, by the settings of today."""
    expiry = data.get("_session_expiry")
    at = seconds_of(expiry) if isinstance(expiry, str) else signed_at + (expiry or age)
    return float(min(at, signed_at + bounds.COOKIE))
