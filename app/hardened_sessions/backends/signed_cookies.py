"""Sessions in the browser's cookie, signed: readable by whoever holds it, yet revocable.

Each cookie carries an id. Signing out writes a row for the id, which the change feed carries to
every process; a process that has not read the row lately reads it. Two requests of one browser
can't be merged: of two answers the one that arrives last wins, but none brings back an id that
ended meanwhile.
"""

import math
import secrets
from collections.abc import Sequence

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted

from hardened_sessions import events
from hardened_sessions.clearing.rows import ExpiredRows
from hardened_sessions.errors import (
    CookieTooLargeError,
    SessionConflictError,
    SessionUnavailableError,
)
from hardened_sessions.format import cookie, encryption
from hardened_sessions.format.codec import largest, serializer_of
from hardened_sessions.format.cookie import Cookie
from hardened_sessions.format.readable import or_no_session
from hardened_sessions.format.record import who
from hardened_sessions.merge import identity, same
from hardened_sessions.revocation import cookies as revocations
from hardened_sessions.revocation import users
from hardened_sessions.revocation.cookies import Verdict
from hardened_sessions.session import Data, HardenedSession
from hardened_sessions.storage import listed


class SessionStore(HardenedSession):
    """A session in a cookie."""

    store = "signed_cookies"
    stores = ("postgres",)  # the rows of ended cookies
    reads_feed = True
    clears = ExpiredRows

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.begin()

    def begin(self) -> None:
        """Be another session than any so far: the id of an ended one is never used again."""
        self.sid = secrets.token_hex(20)
        self.epoch = 0
        # What the browser sent, as long as the id is the one in it.
        self.sent: str | None = None
        # The id that this one took the place of, as long as no browser has come with this one.
        self.former = ""
        self.expires = 0.0
        self.created = False
        self.seen = False  # a browser came with the id that took the place of another
        self.by_fallback = False
        self.loaded_who, self.loaded_identity = who({}), identity({})
        self.loaded_expiry: object = None

    # --- Loading ----------------------------------------------------------------------------------

    def load(self) -> Data:
        """Return the data in the cookie, empty where the cookie does not count."""
        value = self.session_key
        kept = self.read(value)
        if kept is not None and self.asked(lambda: self.counts(kept)):
            self.sent, self.created = value, True
            self.sid, self.epoch, self.expires = kept.sid, kept.epoch, kept.expires
            self.by_fallback, self.former = kept.by_fallback, kept.former
            self.loaded_who, self.loaded_identity = who(kept.data), identity(kept.data)
            self.loaded_expiry = kept.data.get("_session_expiry")
            return kept.data
        self._session_key = None
        self.begin()
        if kept is not None and self.replaced:
            self.sid = kept.sid  # which a sign-out ends, with what took its place
        return {}

    def read(self, value: str | None) -> Cookie | None:
        """Return what a cookie of this site says, or None."""
        serializer = serializer_of(self)
        signed = cookie.signed(value, serializer)
        if signed is None:
            if value is not None:
                events.emit("refused_cookie", self.store)
            return None
        age = self.get_session_cookie_age()
        return or_no_session(self.store, value or "", cookie.parsed, signed, serializer, age)

    def counts(self, kept: Cookie) -> bool:
        """Return whether a cookie has neither expired nor been ended.

        Of one that was replaced and opens nothing any more, `replaced` says so.
        """
        if not kept.live:
            events.emit("expired", self.store, kept.sid)
            return False
        if not kept.opened:
            raise SessionUnavailableError(self.store, encryption.UNOPENED)
        verdict = revocations.verdict(kept.sid, kept.data.get(SESSION_KEY), kept.epoch)
        if verdict == "moved":
            kept.former, kept.sid = kept.sid, cookie.derived(kept.sid)
            self.led = self.modified = True
            verdict = revocations.verdict(kept.sid, kept.data.get(SESSION_KEY), kept.epoch)
        elif kept.former:
            self.seen = self.modified = True
        self.replaced = verdict == "replaced"
        self.keeps_cookie = verdict in ("copy", "replaced")
        return verdict in ("good", "copy")

    # --- Saving -----------------------------------------------------------------------------------

    def save(self, must_create: bool = False) -> None:
        """Make the cookie's value.

        Raises:
            CookieTooLargeError: where no browser would keep it; nothing is sent then.
            UpdateError: where the session was ended meanwhile.
            SessionConflictError: where its id was replaced meanwhile.
        """
        data = self._get_session(no_load=must_create)
        if self.renewing:
            self.asked(self.move)
        if self.seen:
            self.asked(lambda: revocations.revoke(self.former))
            self.seen, self.former = False, ""
        if self.sent is not None and not self.asked(lambda: self.stands(data)):
            return
        if SESSION_KEY in data and identity(data) != self.loaded_identity:
            self.epoch = self.asked(lambda: self.sign_in(data))
            self.loaded_who, self.loaded_identity = who(data), identity(data)
        self.expires = math.ceil(self.expires_at(data))
        self.loaded_expiry = data.get("_session_expiry")
        value = self.cookie_value(data)
        size = len(settings.SESSION_COOKIE_NAME) + len(value)
        if size > cookie.LARGEST:
            raise CookieTooLargeError(
                f"the session needs a cookie of {size} bytes, and browsers keep {cookie.LARGEST}: "
                "keep less in it, or choose another engine; "
                f"{largest(data, serializer_of(self))}"
            )
        if not self.created:
            events.emit("created", self.store, self.sid)
            self.created = True
        if self.sent is None:
            revocations.remember(self.sid, data.get(SESSION_KEY), self.epoch)
        self._session_key = value
        self.modified = True

    def sign_in(self, data: Data) -> int:
        """List the cookie before the browser has it; return the user's epoch."""
        return listed.add(self.sid, self.entry_for(data))

    def stands(self, data: Data) -> bool:
        """Return whether to answer with a cookie of the id that the browser sent, or a new one.

        An id that ended while the request was under way is not sent again: that would take the
        place of what another answer gave the browser. Where the session ends earlier than before,
        copies of the former cookie would outlive it, so the id is replaced.
        """
        shortened = (
            data.get("_session_expiry") != self.loaded_expiry
            and math.ceil(self.expires_at(data)) < self.expires
        )
        verdict = self.verdict(fresh=shortened or self.slow)
        if verdict == "moved":
            self.former, self.sid = self.sid, cookie.derived(self.sid)
            verdict = self.verdict(fresh=True)
        if verdict == "good" and shortened and not self.renew("expiry"):
            verdict = "ended"
        if verdict == "good":
            return True
        loaded = self.read(self.sent)
        if verdict == "copy" or (loaded is not None and same(loaded.data, data)):
            self.keeps_cookie = True  # the browser has another one, or is about to get it
            return False
        if verdict == "ended":
            raise UpdateError
        raise SessionConflictError("the session's id was replaced meanwhile")

    def verdict(self, *, fresh: bool) -> Verdict:
        """Return whether this request's id still counts."""
        return revocations.verdict(self.sid, self.loaded_who[0], self.epoch, fresh=fresh)

    def cookie_value(self, data: Data) -> str:
        """Return the value of a cookie with this data, of whatever length."""
        kept = Cookie(
            self.sid, self.epoch, self.expires, data, by_fallback=False, former=self.former
        )
        return cookie.write(kept, serializer_of(self))

    def create(self) -> None:
        """Begin a session: the cookie is made by `save`, at the end of the request."""
        self.modified = True

    def exists(self, session_key: str | None = None) -> bool:
        """Return False: no store could say."""
        return False

    # --- Ending -----------------------------------------------------------------------------------

    def cycle_key(self) -> None:
        """Give the session a new id; the former one shows a copy of it, if that is nobody's.

        Only the signature is new where only the secret key changed: the id stays good.
        """
        data = self._session
        if self.by_fallback and SESSION_KEY in data:
            self.by_fallback = False
        else:
            renewed = self.asked(lambda: self.renew("identity"))
            if not renewed and who(data) != who({}):
                raise SessionInterrupted("The session was ended before its key changed.")
            self.rotated = True
            self.renewing = self.seen = self.keeps_cookie = False
        self.save()

    def renew(self, kind: str) -> bool:
        """Take a new id and end the former one; return False where that had ended already."""
        former, sid = self.sid, secrets.token_hex(20)
        copied = kind == "identity" and self.loaded_who == who({})
        done = self.sent is None or revocations.replace(former, "" if copied else sid)
        if self.sent is not None and done:
            if SESSION_KEY in self._session:
                listed.move(former, sid)
            events.emit("rotated", self.store, sid, kind=kind)
        self.sid, self.sent = sid, None
        return done

    def move(self) -> None:
        """Take the derived id, and have the former one lead to it until a browser came with it.

        Raises:
            UpdateError: where the former one has ended.
        """
        former, self.renewing = self.sid, False
        self.sid = cookie.derived(former)
        if revocations.replace(former, self.sid):
            events.emit("rotated", self.store, self.sid, kind="key")
        elif revocations.row_verdict(former) != "moved":
            raise UpdateError
        if SESSION_KEY in self._session:
            listed.move(former, self.sid)
        self.former = former

    def delete(self, session_key: str | None = None) -> None:
        """End a session, by default this one, and what a rotation made of it.

        Holds in every process within `bounds.TRUST`.
        """
        if session_key is not None and session_key != self.session_key:
            other = type(self)(session_key)
            other._get_session()
            other.delete()
            return
        if self.session_key is not None:
            self._get_session()
            if self.created:
                self.asked(self.revoke)
        elif self.replaced:
            self.asked(self.revoke)
        self._session_key = None
        self._session_cache: Data = {}
        self.modified = True
        self.begin()

    def revoke(self) -> None:
        """Write rows for this cookie, those that replaced it, and the one that leads to it."""
        sid = self.sid
        while sid:
            successor = revocations.revoke(sid)
            events.emit("ended", self.store, sid)
            sid = successor
        if self.former:
            revocations.revoke(self.former)

    def end(self, names: tuple[str, ...]) -> None:
        """End cookies by their ids, for whoever has no cookie: an admin, a script."""
        for self.sid in names:
            self.asked(self.revoke)

    @property
    def listed_as(self) -> str:
        """Return the name that the list of signed-in sessions has this one under."""
        return self.sid

    def outlast_end(self) -> tuple[str, int]:
        """Have this session outlast an end of its user's; return the user and from which epoch.

        The browser has to get the cookie that this request is answered with.
        """
        user = str(self._session[SESSION_KEY])
        self.epoch = self.asked(lambda: users.next_epoch(user))
        entry = self.entry_for(self._session, self.epoch)
        self.asked(lambda: listed.add(self.sid, entry))
        self.modified = True
        return user, self.epoch

    def held(self, names: Sequence[str]) -> set[str]:
        """Return which of these ids have not been ended; which expired nobody knows."""
        return self.asked(lambda: revocations.not_ended(names))

    def flush(self) -> None:
        """End the session and forget its data and id."""
        self.delete()
        self.clear()
        self.rotated = True
        self.renewing = self.replaced = self.keeps_cookie = False

    @classmethod
    def clear_expired(cls) -> None:
        """Do nothing: the browser keeps the cookie; rows of ended ones go with the clearing."""
