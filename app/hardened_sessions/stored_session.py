"""A session over a `Storage`: what the four engines that keep sessions on the server share."""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils.crypto import get_random_string

from hardened_sessions import bounds, events
from hardened_sessions.conf import options
from hardened_sessions.errors import (
    SessionConflictError,
    SessionTooLargeError,
    SessionUnavailableError,
)
from hardened_sessions.format import codec, encryption, keys
from hardened_sessions.format.record import Draft, Entry, Kind, Mark, Pointer, Stored, who
from hardened_sessions.merge import IdentityChangedError, identity, merge, same
from hardened_sessions.revocation import users
from hardened_sessions.revocation.users import EPOCH_KEY
from hardened_sessions.session import Data, HardenedSession, since
from hardened_sessions.storage import listed

# What signing in adds to a session at most.
SIGN_IN_BYTES = 4096

# A longer chain of pointers than any number of secret keys makes.
LONGEST_CHAIN = 8

# How much of the age has to pass before an unchanged session is written for its expiry alone. By as
# much the server then keeps it longer, since the cookies between say a later end each.
TOUCH_SHARE = 0.1


class Storage(Protocol):
    """Where an engine keeps sessions; every method raises SessionUnavailableError."""

    def fetch(self, names: tuple[str, ...], *, fresh: bool = False) -> Stored | None:
        """Return the session under one of the names; `fresh` goes past any copy."""

    def insert(self, name: str, draft: Draft) -> Stored | None:
        """Write a new session; None where the name is taken."""

    def replace(self, stored: Stored, name: str, draft: Draft) -> Stored | None:
        """Compare and set; None where the session is not as it was loaded."""

    def rotate(self, stored: Stored, left: Draft, name: str, draft: Draft) -> Stored | None:
        """Compare, move to a new name and leave `left` under the former; None as `replace`."""

    def remove(self, names: tuple[str, ...]) -> list[Stored]:
        """End sessions, return when that holds, and return what was there."""

    def decode(self, stored: Stored) -> Data:
        """Return what the stored bytes say, in a dict of its own."""

    def held(self, names: Sequence[str]) -> set[str]:
        """Return which of these sessions are there."""

    @property
    def lists(self) -> bool:
        """Return whether what writes a session lists it too, where somebody signs in."""


def new_key() -> str:
    """Return a key that nobody could guess."""
    return get_random_string(keys.KEY_LENGTH, VALID_KEY_CHARS)


class StoredSession(HardenedSession):
    """A session over a `Storage`."""

    storage: Storage

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.stored: Stored | None = None
        self.cleared = False
        self.most: float | None = None  # bytes that it may take, where not as the settings say
        self.touching = False  # a save changes the expiry alone
        self.loaded_identity = identity({})
        self.entry: Entry | None = None  # for the list, while somebody signs in
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
            self.keeps_cookie = self.replaced
            return {}
        data = self.stored.data
        if SESSION_KEY in data and not self.asked(partial(users.counts, *since(data))):
            events.emit("ended", self.store, self.stored.name)
            self.stored, self._session_key, self.keeps_cookie = None, None, False
            return {}
        self.loaded_identity = identity(data)
        if self.stored.mark == "unseen" and self.arrived(self.stored):
            self.modified = True
        return data

    def find(self, *, fresh: bool = False) -> Stored | None:
        """Return what is stored for this key, at the end of its pointers; None where it is absent.

        Of a key that was replaced and opens nothing any more, `replaced` says so.
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
                self.keeps_cookie = self.keeps_cookie or stored.mark == "copy"
                return stored
            if pointer.kind == "key":
                stored = self.fetch((pointer.target,), fresh)
            if pointer.kind == "identity" or self.passed_by(pointer, stored):
                self.replaced = True
                return None
            self.led = True
            key = keys.derived(self.session_key or "")
            if pointer.target in keys.names_for(key):
                self._session_key, self.modified = key, True
            else:
                self.keeps_cookie = True  # by another secret key: only its own process can tell
        return None

    @staticmethod
    def passed_by(pointer: Pointer, stored: Stored | None) -> bool:
        """Return whether what a pointer led to has gone on without it."""
        return stored is not None and stored.pointer is None and not pointer.leads_to(stored)

    def arrived(self, stored: Stored) -> bool:
        """Return whether the browser came with the session's own key, not with a former one."""
        return stored.name in keys.names_for(self.presented or "")

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
        if stored is None or stored.pointer is not None or stored.mark == "copy":
            return False
        return stored.live

    # --- Saving -----------------------------------------------------------------------------------

    def create(self) -> None:
        """Write a new session under a new key."""
        while True:
            self._session_key = new_key()
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
        if SESSION_KEY in data and identity(data) != self.loaded_identity:
            self.asked(lambda: self.sign_in(data))
        if must_create:
            self.asked(lambda: self.insert(data))
        elif self.renewing and not (self.stored and self.stored.mark == "copy"):
            self.asked(lambda: self.rotate(data, "key"))
        else:
            self.asked(lambda: self.update_stored(data))
        self.loaded_identity, self.entry = identity(data), None
        self.cleared = False

    def sign_in(self, data: Data, since: int = 0) -> None:
        """Note the user's epoch, and list the session before anybody has its key.

        Args:
            data: of the session.
            since: an epoch to take in place of the present one.
        """
        entry = self.entry_for(data, since)
        if self.storage.lists:
            epoch = since or users.epoch(data[SESSION_KEY])
            self.entry = replace(entry, epoch=epoch)
        else:
            epoch = listed.add(self.session_key or "", entry)
        data.pop(EPOCH_KEY, None)
        if epoch:
            data[EPOCH_KEY] = epoch

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
                loaded, self.name_to_write(loaded), self.next_draft(wanted, loaded)
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
        stored = self.find(fresh=True)
        return stored is not None and stored.mark != "copy"

    def must_find(self) -> Stored:
        """Return what is stored now.

        Raises:
            SessionConflictError: where a sign-in or a new password replaced the key.
            UpdateError: where the session was ended.
        """
        stored = self.find(fresh=True)
        if stored is None and self.replaced:
            raise SessionConflictError("the session's key was replaced meanwhile")
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
        self.touching = False
        if self.cleared or stored.by_fallback or stored.name != self.name_to_write(stored):
            return True
        if not same(self.storage.decode(stored), data):
            return True
        if self.next_draft(data, stored).mark != stored.mark:
            return True
        ends = self.expires_at(data)
        kept = ends - 1 <= stored.expires <= ends + 2 * self.ahead(data) + 1  # whole seconds
        self.touching = not kept and stored.mark != "copy"
        return self.touching

    def draft(self, data: Data, version: int, mark: Mark = "") -> Draft:
        """Return what to write for this data: its expiry is the server's own."""
        most, expires = self.most or options().max_bytes, self.expires_at(data)
        if self.touching or settings.SESSION_SAVE_EVERY_REQUEST:
            expires += self.ahead(data)
        return Draft(data, version, expires, most=most, mark=mark, entry=self.entry)

    def ahead(self, data: Data) -> float:
        """Return by how many seconds a session is kept longer whose end moves with its requests."""
        if isinstance(data.get("_session_expiry"), str):
            return 0.0  # a moment
        return TOUCH_SHARE * max(0.0, self.expires_at(data) - time.time())

    def next_draft(self, data: Data, loaded: Stored) -> Draft:
        """Return what to write in the place of what was loaded."""
        draft = self.draft(data, loaded.version + 1)
        if loaded.mark == "copy":
            draft.mark, draft.expires = "copy", min(draft.expires, loaded.expires)
        elif loaded.mark == "unseen" and not self.arrived(loaded):
            draft.mark = "unseen"
        return draft

    def name_to_write(self, stored: Stored) -> str:
        """Return the name to save under: of the key, or where a copy lies or a pointer led to."""
        if stored.mark != "copy" and stored.name in keys.names_for(self.session_key or ""):
            return keys.name_for(self.session_key or "")
        return stored.name

    # --- Keys -------------------------------------------------------------------------------------

    def cycle_key(self) -> None:
        """Give the session a new key; the former one leads to a copy of it, if that is nobody's.

        Where only the secret key changed, which is when Django's auth calls this for a session that
        a former secret key signed, nobody signs in: see `renew_key`.
        """
        data = self._session
        if self.stored is None:
            self.create()
            self._session_cache = data
            self.rotated = True
            self.keeps_cookie = False
        elif self.stored.by_fallback and SESSION_KEY in self.stored.data and not self.rotated:
            self.renew_key()
            self.rotated = True
        else:
            self.asked(lambda: self.rotate(data, "identity"))

    def rotate(self, data: Data, kind: Kind) -> None:
        """Move to a new key and leave a pointer or a copy under the former name."""
        stored = self.stored or self.must_find()
        former = self.session_key or ""
        key = keys.derived(former) if kind == "key" else new_key()
        name = keys.name_for(key)

        def attempt(loaded: Stored, wanted: Data) -> Stored | None:
            if loaded.mark == "copy":  # another sign-in was first
                return self.storage.insert(name, self.draft(wanted, 1))
            if kind == "key" and loaded.name not in keys.names_for(former):
                # A parallel request was first: go on with what its pointer leads to.
                if not self.needs_writing(loaded, wanted):
                    return loaded
                return self.storage.replace(loaded, loaded.name, self.next_draft(wanted, loaded))
            draft = self.draft(wanted, 1, "unseen" if kind == "key" else "")
            return self.storage.rotate(loaded, self.left_behind(loaded, kind, name), name, draft)

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
                if SESSION_KEY in data and not self.storage.lists:
                    self.asked(lambda: listed.move(stored.name, name))
                if self.session_key != key:  # else a parallel request's
                    events.emit("rotated", self.store, name, kind=kind)
                self._session_key = key
                self.keeps_cookie = False
        self.renewing = False
        self.rotated = self.modified = True

    def left_behind(self, loaded: Stored, kind: Kind, name: str) -> Draft:
        """Return what stays under the former name for a while, where the new one is `name`."""
        data, now = self.storage.decode(loaded), int(time.time())
        version, whose = loaded.version + 1, who(data)
        if kind == "identity" and whose == who({}):
            return Draft(data, version, now + bounds.FORMER, mark="copy")
        seconds = bounds.FORMER if kind == "key" else bounds.ROTATED
        return Draft({}, version, now + seconds, Pointer(kind, name, whose))

    def delete(self, session_key: str | None = None) -> None:
        """End a session, by default this one, and whatever a rotation made of it.

        Returns when the end holds in every process.
        """
        key = self.session_key if session_key is None else session_key
        if key is None and self.replaced:
            key = self.presented  # signs out what took its place
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

    @property
    def listed_as(self) -> str:
        """Return the name that the list of signed-in sessions has this one under."""
        return listed.unopening(self.stored.name) if self.stored else ""

    def outlast_end(self) -> tuple[str, int]:
        """Have this session outlast an end of its user's; return the user and from which epoch."""
        data = self._session
        user = str(data[SESSION_KEY])
        epoch = self.asked(lambda: users.next_epoch(user))
        self.asked(lambda: self.sign_in(data, epoch))
        self.save()
        return user, epoch

    def held(self, names: Sequence[str]) -> set[str]:
        """Return which of these sessions, by their stored names, are there."""
        return self.asked(lambda: self.storage.held(names))

    def flush(self) -> None:
        """End the session and forget its data and key."""
        self.delete()
        self.clear()
        self._session_key = None
        self.stored = None
        self.by_name = False
        self.rotated = True
        self.renewing = self.replaced = self.keeps_cookie = False

    def clear(self) -> None:
        """Empty the session: what others add meanwhile goes too."""
        super().clear()
        self.cleared = True
