"""Sessions in the browser's cookie, signed: readable by whoever holds it, yet revocable.

Each cookie carries an id, and when that was last known to be good. Signing out writes a row for the
id, which the change feed carries to every process; a cookie whose last check is older than the feed
reaches back is checked by that row. Two requests of one browser can't be merged: the answer that
arrives last wins.
"""

import math
import secrets
import time
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core import signing

from hardened_sessions import bounds, events
from hardened_sessions.clearing import purge
from hardened_sessions.errors import (
    CookieTooLargeError,
    SessionRotatedError,
    SessionUnavailableError,
)
from hardened_sessions.format import codec, encryption, keys
from hardened_sessions.format.readable import or_no_session
from hardened_sessions.format.record import epoch as seconds_of
from hardened_sessions.format.record import who
from hardened_sessions.revocation import cookies as revocations
from hardened_sessions.revocation.feed import feed
from hardened_sessions.session import Data, HardenedSession

SALT = "django.contrib.sessions.backends.signed_cookies"
LARGEST_COOKIE = 4096  # bytes of name and value (RFC 6265bis, 5.6)


class SessionStore(HardenedSession):
    """A session in a cookie."""

    store = "signed_cookies"
    stores = ("postgres",)  # the rows of ended cookies
    reads_feed = True
    clears = purge.RowPurge

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.begin()

    def begin(self) -> None:
        """Be another session than any so far: the id of an ended one is never used again."""
        self.sid = secrets.token_hex(20)
        self.known_to_browser = False
        self.by_fallback = False
        self.epoch = 0
        self.expires = 0.0
        self.checked_at = time.time()
        self.loaded_who = who({})

    # --- Loading ----------------------------------------------------------------------------------

    def load(self) -> Data:
        """Return the data in the cookie, empty where the cookie does not count."""
        value = self.session_key
        kept = self.authentic(value)
        if kept is None:
            if value is not None:
                events.emit("refused_cookie", self.store)
            self._session_key = None
            return {}
        data = self.asked(lambda: or_no_session(self.store, value or "", self.opened, kept))
        if data is None:
            pass
        elif self.expires <= time.time():
            events.emit("expired", self.store, self.sid)
        elif self.asked(lambda: self.counts(data)):
            self.known_to_browser = True
            self.loaded_who = who(data)
            return data
        self._session_key = None
        self.begin()
        return {}

    def authentic(self, value: str | None) -> dict[str, Any] | None:
        """Return what a cookie of this site says, or None."""
        if not value or not value.isascii() or len(value) > LARGEST_COOKIE:
            return None
        attempts: tuple[list[str | bytes] | None, ...] = ([], None)
        for fallback_keys in attempts:
            try:
                kept = signing.loads(
                    value, salt=SALT, serializer=self.serializer, fallback_keys=fallback_keys
                )
            except signing.BadSignature:
                continue
            except Exception:  # noqa: BLE001 - as Django: whatever can't be read is no session
                return None
            self.by_fallback = fallback_keys is None
            return kept if isinstance(kept, dict) else None
        return None

    def opened(self, value: str, kept: dict[str, Any]) -> Data:
        """Take in what the cookie says of itself, and return its data."""
        if codec.META in kept:
            sid, checked_at, expires, epoch = kept.pop(codec.META)
            self.sid, self.checked_at = str(sid), float(checked_at)
            self.expires, self.epoch = float(expires), int(epoch)
            if codec.CIPHERTEXT in kept:
                clear = encryption.decrypt(self.sid, kept[codec.CIPHERTEXT])
                if clear is not None:
                    return codec.require_plain(codec.serializer_of(self).loads(clear))
                if self.expires > time.time():
                    raise SessionUnavailableError(self.store, encryption.UNOPENED)
                return {}
            return codec.require_plain(kept)
        # By Django's own engine: the cookie itself is its id, and its age runs from its signature.
        self.sid, self.checked_at = keys.hashed(value), 0.0
        signed_at = signing.b62_decode(value.rsplit(":", 2)[1])
        expiry = codec.require_plain(kept).get("_session_expiry")
        if isinstance(expiry, str):
            self.expires = seconds_of(expiry)
        else:
            self.expires = signed_at + (expiry or self.get_session_cookie_age())
        return kept

    def counts(self, data: Data) -> bool:
        """Return whether nobody ended this cookie.

        Raises:
            SessionRotatedError: when it was replaced a moment ago.
        """
        now, user_id = time.time(), data.get(SESSION_KEY)
        told = feed().current() and revocations.counts(self.sid, user_id, self.epoch)
        if told and now - self.checked_at <= bounds.CACHE:
            self.checked_at = now
            return True
        verdict = revocations.verdict(self.sid)
        if verdict == "rotated":
            raise SessionRotatedError
        if verdict == "ended":
            return False
        if user_id is not None and revocations.epoch(user_id) > self.epoch:
            return False
        # Let the browser keep the new date, so that the row is not read again for a while.
        self.checked_at, self.modified = now, True
        return True

    # --- Saving -----------------------------------------------------------------------------------

    def save(self, must_create: bool = False) -> None:
        """Make the cookie's value.

        Raises:
            CookieTooLargeError: where no browser would keep it; nothing is sent then.
        """
        data = self._get_session(no_load=must_create)
        if who(data) != self.loaded_who and SESSION_KEY in data:
            self.epoch = self.asked(lambda: revocations.epoch(data[SESSION_KEY]))
            self.loaded_who = who(data)
        self.expires = math.ceil(self.expires_at(data))
        value = self.cookie_value(data)
        size = len(settings.SESSION_COOKIE_NAME) + len(value)
        if size > LARGEST_COOKIE:
            raise CookieTooLargeError(
                f"the session needs a cookie of {size} bytes, and browsers keep {LARGEST_COOKIE}: "
                "keep less in it, or choose another engine; "
                f"{codec.largest(data, codec.serializer_of(self))}"
            )
        if not self.known_to_browser:
            events.emit("created", self.store, self.sid)
            self.known_to_browser = True
        self._session_key = value
        self.modified = True

    def cookie_value(self, data: Data) -> str:
        """Return the value of a cookie with this data, of whatever length."""
        codec.refuse_reserved(data)
        kept = data
        if encryption.enabled():
            clear = codec.serializer_of(self).dumps(data)
            kept = {codec.CIPHERTEXT: encryption.encrypt(self.sid, clear)}
        meta = [self.sid, int(self.checked_at), int(self.expires), self.epoch]
        return str(
            signing.dumps(
                {codec.META: meta, **kept}, salt=SALT, serializer=self.serializer, compress=True
            )
        )

    def create(self) -> None:
        """Begin a session: the cookie is made by `save`, at the end of the request."""
        self.modified = True

    def exists(self, session_key: str | None = None) -> bool:
        """Return False: no store could say."""
        return False

    # --- Ending -----------------------------------------------------------------------------------

    def cycle_key(self) -> None:
        """Give the session a new id and end the former one.

        Only the signature is new where only the secret key changed: the id stays good.
        """
        data = self._session
        if self.by_fallback and SESSION_KEY in data and not self.rotated:
            self.rotated = True
            self.save()
            return
        former, self.sid = self.sid, secrets.token_hex(20)
        if self.known_to_browser:
            replaced = self.asked(
                lambda: revocations.replace(former, self.sid, self.longest_expiry(data))
            )
            if not replaced and who(data) != who({}):
                raise SessionInterrupted("The session was ended before its key changed.")
            events.emit("rotated", self.store, self.sid, kind="identity")
        self.checked_at = time.time()
        self.rotated = True
        self.save()

    def delete(self, session_key: str | None = None) -> None:
        """End a session, by default this one, and what a rotation made of it.

        Holds in every process within `bounds.TRUST`.
        """
        if session_key is not None and session_key != self.session_key:
            other = type(self)(session_key)
            other._get_session()
            if other.known_to_browser:
                other.delete()
            return
        if self.session_key is not None:
            data = self._get_session()
            if self.known_to_browser:
                self.asked(lambda: self.revoke(self.longest_expiry(data)))
        self._session_key = None
        self._session_cache: Data = {}
        self.modified = True

    def revoke(self, expires: float) -> None:
        """Write rows for this cookie and those that replaced it."""
        sid = self.sid
        while sid:
            successor = revocations.revoke(sid, expires)
            events.emit("ended", self.store, sid)
            sid = successor

    def longest_expiry(self, data: Data) -> float:
        """Return until when any cookie of this id can be good: another request may send one now."""
        return max(self.expires, self.expires_at(data))

    def flush(self) -> None:
        """End the session and forget its data and id."""
        self.delete()
        self.clear()
        self.begin()
        self.rotated = True

    @classmethod
    def clear_expired(cls) -> None:
        """Do nothing: the browser keeps the cookie; rows of ended ones go with the purge."""
