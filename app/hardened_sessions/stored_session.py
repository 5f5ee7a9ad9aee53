"""A session over a `Storage`: what the four engines that keep sessions on the server share."""

import math
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils.crypto import get_random_string

from hardened_sessions import bounds, events
from hardened_sessions.conf import options
from hardened_sessions.errors import (
    SessionConflictError,
    SessionRotatedError,
    SessionTooLargeError,
    SessionUnavailableError,
)
from hardened_sessions.format import codec, encryption, keys
from hardened_sessions.format.record import Draft, Kind, Pointer, Stored, who
from hardened_sessions.merge import IdentityChangedError, merge, same
from hardened_sessions.session import Data, HardenedSession

# What signing in adds to a session at most.
SIGN_IN_BYTES = 4096

# A longer chain of pointers than any number of secret keys makes.
LONGEST_CHAIN = 8

# How much of a session's age has to pass before an unchanged one is written for its expiry alone.
TOUCH_SHARE = 0.1


class Storage(Protocol):
    """Where an engine keeps sessions; every method raises SessionUnavailableError."""

    def fetch(self, names: tuple[str, ...], *, fresh: bool = False) -> Stored | None:
        """Return the session under one of the names; `fresh` goes past any copy."""

    def insert(self, name: str, draft: Draft) -> Stored | None:
        """Write a new session; None where the name is taken."""

    def replace(self, stored: Stored, name: str, draft: Draft) -> Stored | None:
        """Compare and set; None where the session is not as it was loaded."""

    def rotate(self, stored: Stored, pointer: Draft, name: str, draft: Draft) -> Stored | None:
        """Compare, move to a new name and leave a pointer; None as `replace`."""

    def remove(self, names: tuple[str, ...]) -> list[Stored]:
        """End sessions, return when that holds, and return what was there."""

    def decode(self, stored: Stored) -> Data:
        """Return what the stored bytes say, in a dict of its own."""


class StoredSession(HardenedSession):
    """A session over a `Storage`."""

    storage: Storage

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.stored: Stored | None = None
        self.cleared = False
        self.most: float | None = None  # bytes that it may take, where not as the settings say
        self.rotation_pending = False
        self.by_name = False  # what was given as a key is a stored session's name

    # --- Found, absent, unavailable ---------------------------------------------------------------

    def load(self) -> Data:
        """Return the session's data, empty where there is none.

        Raises:
            SessionUnavailableError: when nobody can say.
        """
        self.by_name = keys.is_name(self.session_key)
        if keys.is_key(self.session_key):
            self.stored = self.asked(self.find)
        else:
            if self.session_key is not None:
                events.emit("refused_cookie", self.store)
            self.stored = None
        if self.stored is None:
            self._session_key = None
            return {}
        return self.stored.data

    def find(self, *, fresh: bool = False) -> Stored | None:
        """Return what is stored for this key, at the end of its pointers; None where it is absent.

        Raises:
            SessionRotatedError: for a key that was replaced a moment ago.
        """
        stored = self.fetch(keys.names_for(self.session_key or ""), fresh)
        for _ in range(LONGEST_CHAIN):
            if stored is None:
                return None
            if not stored.live:
                events.emit("expired", self.store, stored.name)
                return None
            pointer = stored.pointer
            if pointer is None:
                return stored
            if pointer.kind == "identity":
                raise SessionRotatedError
            stored = self.fetch((pointer.target,), fresh)
            if stored is not None and stored.pointer is None and not pointer.leads_to(stored.data):
                return None
            self.keeps_cookie = True  # a former key, which the pointer leads on from
        return None

    def fetch(self, names: tuple[str, ...], fresh: bool) -> Stored | None:
        """Return what is stored; raise SessionUnavailableError where no encryption key opens it."""
        stored = self.storage.fetch(names, fresh=fresh)
        if stored is not None and stored.live and not stored.opened:
            raise SessionUnavailableError(self.store, encryption.UNOPENED)
        return stored

    def exists(self, session_key: str | None) -> bool:
        """Return whether a live session has that key."""
        if not keys.is_key(session_key):
            return False
        names = keys.names_for(session_key or "")
        stored = self.asked(lambda: self.storage.fetch(names))
        return stored is not None and stored.live and stored.pointer is None

    # --- Saving -----------------------------------------------------------------------------------

    def create(self) -> None:
        """Write a new session under a new key."""
        while True:
            self._session_key = get_random_string(32, VALID_KEY_CHARS)
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            except SessionTooLargeError:
                self._session_key = None
                raise
            self.modified = True
            return

    def save(self, must_create: bool = False) -> None:
        """Write the session; nothing where nothing changed.

        Raises:
            CreateError: with `must_create`, where the key is taken.
            UpdateError: where the session was ended meanwhile.
            SessionConflictError: where another request changed the same thing.
            SessionTooLargeError: where it would be larger than one may be.
            SessionUnavailableError: where it is not known to be written.
            ValueError: where a script gave the name of a row in place of a key.
        """
        if self.by_name:
            raise ValueError(
                "that is a stored session's name, not a key: it ends a session, but changes none"
            )
        if self.session_key is None:
            self.create()
            return
        data = self._get_session(no_load=must_create)
        if must_create:
            self.asked(lambda: self.insert(data))
        elif self.rotation_pending:
            self.asked(lambda: self.rotate(data, "key"))
        else:
            self.asked(lambda: self.update_stored(data))
        self.cleared = False

    def insert(self, data: Data) -> None:
        """Write a session that is not there yet.

        Raises:
            ValueError: under a key that no load would take for one.
        """
        if not keys.is_key(self.session_key):
            raise ValueError(
                f"a session's key has {keys.KEY_LENGTH} characters of a-z and 0-9, as create() "
                f"makes it: under one of {len(self.session_key or '')} nobody would find it again"
            )
        name = keys.name_for(self.session_key or "")
        self.stored = self.storage.insert(name, self.draft(data, version=1))
        if self.stored is None:
            raise CreateError
        events.emit("created", self.store, name)

    def update_stored(self, data: Data) -> None:
        """Compare and set; where another request was first, merge and try again."""
        stored = self.stored or self.must_find()
        if not self.needs_writing(stored, data):
            if self.slow and not self.still_leads_here():
                self.keeps_cookie = True
            return

        def attempt(loaded: Stored, wanted: Data) -> Stored | None:
            return self.storage.replace(
                loaded, self.name_to_write(loaded), self.draft(wanted, loaded.version + 1)
            )

        self.stored = self.until_written(stored, data, attempt)

    def until_written(
        self, stored: Stored, data: Data, attempt: Callable[[Stored, Data], Stored | None]
    ) -> Stored:
        """Attempt a write, merging what others wrote meanwhile; return what is stored then."""
        base, wanted = stored, data
        deadline, pause = time.monotonic() + bounds.MERGE, bounds.MERGE_PAUSE / 64
        while True:
            try:
                written = attempt(stored, wanted)
            except SessionTooLargeError:
                if not self.was_as_large(stored, wanted):
                    raise
                self.most = math.inf
                written = attempt(stored, wanted)
            if written:
                if wanted is not data:
                    self._session_cache = wanted
                return written
            if time.monotonic() > deadline:
                raise SessionUnavailableError(
                    self.store, "too many saves of one session at once", 1
                )
            time.sleep(random.uniform(0, pause))  # noqa: S311 - who goes first is no secret
            pause = min(2 * pause, bounds.MERGE_PAUSE)
            stored = self.must_find()
            wanted = self.merged(base, data, stored)

    def was_as_large(self, stored: Stored, data: Data) -> bool:
        """Return whether it was stored as large already, but for what signing in adds."""
        former, dumps = self.storage.decode(stored), codec.serializer_of(self).dumps
        added = SIGN_IN_BYTES if who(data) != who(former) else 0
        return len(dumps(data)) <= len(dumps(former)) + added

    def still_leads_here(self) -> bool:
        """Return whether this request's key still opens a session, of which it changed nothing."""
        try:
            return self.find(fresh=True) is not None
        except SessionRotatedError:
            return False

    def must_find(self) -> Stored:
        """Return what is stored now; raise UpdateError where the session was ended."""
        stored = self.find(fresh=True)
        if stored is None:
            raise UpdateError
        return stored

    def merged(self, base: Stored, mine: Data, theirs: Stored) -> Data:
        """Return this request's changes on top of what another one stored."""
        if self.cleared:
            return mine
        serializer = codec.serializer_of(self)
        mine = serializer.loads(serializer.dumps(mine))
        strict = options().conflicts == "strict"
        try:
            data, conflicts = merge(self.storage.decode(base), mine, theirs.data, strict=strict)
        except IdentityChangedError as error:
            events.emit("conflict", self.store, theirs.name, keys=["identity"])
            raise SessionConflictError("the session changed hands meanwhile") from error
        if conflicts:
            events.emit("conflict", self.store, theirs.name, keys=sorted(conflicts))
            if strict:
                raise SessionConflictError(f"{', '.join(sorted(conflicts))} changed meanwhile")
        return data

    def needs_writing(self, stored: Stored, data: Data) -> bool:
        """Return whether data, name or signature differ, or the expiry moved enough to matter."""
        if self.cleared or stored.by_fallback or stored.name != self.name_to_write(stored):
            return True
        if not same(self.storage.decode(stored), data):
            return True
        expires = self.draft(data, 0).expires
        return abs(expires - stored.expires) > TOUCH_SHARE * max(0.0, expires - time.time())

    def draft(self, data: Data, version: int, pointer: Pointer | None = None) -> Draft:
        """Return what to write for this data: its expiry is the server's own."""
        most = self.most or options().max_bytes
        return Draft(data, version, self.expires_at(data), pointer, most)

    def name_to_write(self, stored: Stored) -> str:
        """Return the name to save under: of the key, or where a pointer led to."""
        if stored.name in keys.names_for(self.session_key or ""):
            return keys.name_for(self.session_key or "")
        return stored.name

    # --- Keys -------------------------------------------------------------------------------------

    def cycle_key(self) -> None:
        """Give the session a new key; the former one is of no use from then on.

        Where only the secret key changed, which is when Django's auth calls this for a session that
        a former secret key signed, the former key leads to the session, so that requests that are
        under way go on; the new key is written together with the rest, by `save`.
        """
        data = self._session
        if self.stored is None:
            self.create()
            self._session_cache = data
            self.rotated = True
        elif self.stored.by_fallback and SESSION_KEY in self.stored.data and not self.rotated:
            self.rotation_pending = self.rotated = self.modified = True
        else:
            self.asked(lambda: self.rotate(data, "identity"))

    def rotate(self, data: Data, kind: Kind) -> None:
        """Move to a new key and leave a pointer under the former name."""
        stored = self.stored or self.must_find()
        key = get_random_string(32, VALID_KEY_CHARS)
        name = keys.name_for(key)

        def attempt(loaded: Stored, wanted: Data) -> Stored | None:
            if kind == "key" and loaded.name not in keys.names_for(self.session_key or ""):
                # A parallel request was first: go on with what its pointer leads to.
                if not self.needs_writing(loaded, wanted):
                    return loaded
                return self.storage.replace(
                    loaded, loaded.name, self.draft(wanted, loaded.version + 1)
                )
            draft = self.draft(wanted, 1)
            pointer = Pointer(kind, name, who(self.storage.decode(loaded)))
            former = Draft({}, loaded.version + 1, draft.expires, pointer)
            if kind == "identity":
                former.expires = time.time() + bounds.ROTATED
            return self.storage.rotate(loaded, former, name, draft)

        try:
            self.stored = self.until_written(stored, data, attempt)
        except UpdateError as error:
            # Signed out meanwhile: that holds. A visitor who is only now signing in goes on.
            if who(self.storage.decode(stored)) != who({}):
                raise SessionInterrupted("The session was ended before its key changed.") from error
            self.create()
            self._session_cache = data
        else:
            if self.stored.name == name:
                self._session_key = key
                self.keeps_cookie = False
                events.emit("rotated", self.store, name, kind=kind)
        self.rotation_pending = False
        self.rotated = self.modified = True

    def delete(self, session_key: str | None = None) -> None:
        """End a session, by default this one, and whatever a rotation made of it.

        Returns when the end holds in every process.
        """
        key = self.session_key if session_key is None else session_key
        if not keys.is_key(key) and not keys.is_name(key):
            return
        names = keys.names_for(key or "")
        if session_key is None and self.stored is not None:
            names = tuple(dict.fromkeys((*names, self.stored.name)))
        self.end(names)
        if key == self.session_key:
            self.stored = None  # so that a save finds out

    def end(self, names: tuple[str, ...]) -> None:
        """End what is stored under the names, for whoever has no key: an admin, a script.

        Args:
            names: as the store has them; they can be one session's forms, with and without a hash.
        """
        for _ in range(LONGEST_CHAIN):
            held = self.asked(partial(self.storage.remove, names))
            for stored in held:
                events.emit("ended", self.store, stored.name)
            names = tuple(stored.pointer.target for stored in held if stored.pointer)
            if not names:
                return

    def flush(self) -> None:
        """End the session and forget its data and key."""
        self.delete()
        self.clear()
        self._session_key = None
        self.stored = None
        self.by_name = False
        self.rotated = True
        self.rotation_pending = False

    def clear(self) -> None:
        """Empty the session: what others add meanwhile goes too."""
        super().clear()
        self.cleared = True
