"""What all five engines have in common.

A session is found, absent or unavailable. Found and absent are Django's own two answers; an
unavailable store raises `SessionUnavailableError`, which is remembered: no later access of the same
request asks again, and the middleware answers 503 whatever the view made of it.
"""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils import timezone

from hardened_sessions import bounds, events
from hardened_sessions.errors import SessionConflictError, SessionUnavailableError
from hardened_sessions.format import codec, visitor
from hardened_sessions.format.record import Entry, epoch
from hardened_sessions.revocation.users import EPOCH_KEY, named

Data = dict[str, Any]

# What is set beyond is moved to these: every store, date and header takes them, also where a row's
# column runs ahead.
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(7000, 1, 1, tzinfo=UTC)
SHORTEST, LONGEST = -(10**9), 10**11  # seconds


class HardenedSession(SessionBase):
    """A session with a third answer, whose expiry the server keeps."""

    store: str  # the engine's name in events
    # Where the engine keeps anything: postgres, redis or folder. The first one decides; without the
    # others it serves on.
    stores: tuple[str, ...]
    clears: type | None = None  # what removes expired sessions; None where the store does
    reads_feed = False  # of what was ended or changed elsewhere
    key_salt = codec.SALT
    given = False  # to a request, by the middleware

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.presented = session_key
        self.unavailable: SessionUnavailableError | None = None
        # The browser keeps the key that it has; the response gives it no new one.
        self.keeps_cookie = False
        self.rotated = False
        self.renewing = False  # the next save changes the key
        self.led = False  # the key that came is a former one, and led here
        self.replaced = False  # the key that came is a former one, and opens nothing
        self.began = time.monotonic()
        self.meta: dict[str, Any] = {}  # of the request

    if TYPE_CHECKING:  # of SessionBase, whose stubs lack it
        _session: Data

        def _get_session(self, no_load: bool = False) -> Data: ...

    def asked[T](self, question: Callable[[], T]) -> T:
        """Ask the store, unless it gave no answer before in this request."""
        if self.unavailable is not None and self.given:
            raise self.unavailable.with_traceback(None)
        self.unavailable = None  # a socket's or a command's session outlives an outage
        try:
            return question()
        except SessionUnavailableError as error:
            self.unavailable = error
            events.emit("unavailable", self.store, reason=str(error))
            raise

    def came_by(self, cookie_name: str) -> None:
        """Be told of a key that came by a cookie of another name."""

    @property
    def slow(self) -> bool:
        """Return whether the request takes so long that another may well have changed the key."""
        return time.monotonic() - self.began > bounds.UNDER_WAY

    def renew_key(self) -> None:
        """Have the next save change the key, though nobody signs in.

        The former key leads to the session until the new one was seen, `bounds.FORMER` at most; a
        sign-out by either ends both.
        """
        self.renewing = not self.led
        self.modified = True

    def cycle_key_anew(self) -> None:
        """Change the key at a sign-in of whose session it is already.

        Where another request replaced or ended the session first, this one begins another: its
        visitor has shown who it is.
        """
        try:
            self.cycle_key()
        except (SessionInterrupted, SessionConflictError):
            self.create()
            self.rotated, self.keeps_cookie = True, False

    def entry_for(self, data: Data, epoch: int = 0) -> Entry:
        """Return what to list of a session that signs in."""
        return Entry(
            named(data[SESSION_KEY]),
            visitor.client(self.meta),
            visitor.network(self.meta),
            str(data.get(BACKEND_SESSION_KEY, ""))[:200],
            epoch,
        )

    async def acycle_key(self) -> None:
        """See `cycle_key`."""
        await sync_to_async(self.cycle_key)()

    async def aflush(self) -> None:
        """See `flush`."""
        await sync_to_async(self.flush)()

    # --- Expiry -----------------------------------------------------------------------------------

    def expires_at(self, data: Data) -> float:
        """Return when a session with this data, saved now, ends: seconds since 1970."""
        expiry = data.get("_session_expiry")
        if isinstance(expiry, str):
            at = epoch(expiry)  # its age would be a rounded one
        else:
            at = time.time() + within(self.get_expiry_age(expiry=expiry), SHORTEST, LONGEST)
        return within(at, EARLIEST.timestamp(), LATEST.timestamp())

    def set_expiry(self, value: Any) -> None:
        """Set when the session ends, on the server as in the browser.

        Raises:
            ValueError: for a naive datetime under USE_TZ, whose meaning would be a guess, and for
                what is neither a moment nor a number.
        """
        super().set_expiry(keepable(value, "set_expiry"))

    async def aset_expiry(self, value: Any) -> None:
        """See `set_expiry`."""
        await super().aset_expiry(keepable(value, "aset_expiry"))


def since(data: Data) -> tuple[str, int]:
    """Return whose session it is, and since which epoch of that user."""
    epoch = data.get(EPOCH_KEY, 0)
    return str(data[SESSION_KEY]), epoch if type(epoch) is int else 0


def within[T: (int | float, datetime, timedelta)](value: T, least: T, most: T) -> T:
    """Return the value, or the bound that it lies beyond."""
    return min(max(value, least), most)


def keepable(value: Any, method: str) -> Any:
    """Return an expiry as every store can keep it; raise ValueError for what says no time."""
    if isinstance(value, str):  # as the session has a moment
        value = datetime.fromisoformat(value)
    if isinstance(value, timedelta):
        return within(value, timedelta(seconds=SHORTEST), timedelta(seconds=LONGEST))
    if isinstance(value, datetime):
        if timezone.is_aware(value):
            value = within(value, EARLIEST, LATEST)
            return value if settings.USE_TZ else timezone.make_naive(value)
        if settings.USE_TZ:
            raise ValueError(f"{method}() got a naive datetime; give it a time zone")
        return within(value, EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None))
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{method}() got {value}, which is no number of seconds")
    return value if value is None else within(value, SHORTEST, LONGEST)
