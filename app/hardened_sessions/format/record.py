"""A session as a store holds it, apart from how the store writes it."""

import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY
from django.utils import timezone

Kind = Literal["identity", "key"]

# What a session is beside its data. `copy`: what an anonymous one held before a sign-in replaced
# its key. `unseen`: its key replaced another one, and no request has come with it yet.
Mark = Literal["", "copy", "unseen"]

# Who a session belongs to, as Django's auth says it.
WHO = (SESSION_KEY, BACKEND_SESSION_KEY)


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a rotation leaves under the former name, unless that is a copy.

    `identity`: a signed-in visitor signed in again or changed the password; the former key is of no
    use. `key`: nobody signed in, only the secret key or the cookie's name changed; the former key
    leads to the session until the new one was seen, as long as it is the same visitor's.
    """

    kind: Kind
    target: str
    who: list[Any]

    def leads_to(self, stored: "Stored") -> bool:
        """Return whether it still leads to what is stored under the new name."""
        return self.kind == "key" and stored.mark == "unseen" and self.who == who(stored.data)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the list of signed-in sessions says of one that is being signed in."""

    user: str
    client: str
    address: str
    backend: str
    epoch: int = 0  # as of `revocation.users`


@dataclass(slots=True)
class Draft:
    """What is about to be written."""

    data: dict[str, Any]
    version: int
    expires: float
    pointer: Pointer | None = None
    most: float = math.inf  # bytes that it may take
    mark: Mark = ""
    entry: Entry | None = None  # where somebody signs in

    @property
    def expires_ceil(self) -> int:
        """Return the expiry in whole seconds since 1970, never earlier than it is."""
        return math.ceil(self.expires)


@dataclass(slots=True)
class Stored:
    """What a store holds: under which name, its exact bytes, and what they say."""

    name: str
    payload: Any
    data: dict[str, Any]
    version: int = 0
    expires: float = math.inf
    pointer: Pointer | None = None
    # The signature holds only by a key in SECRET_KEY_FALLBACKS.
    by_fallback: bool = False
    # False where no encryption key opens it: it is there, and nobody can say what it holds.
    opened: bool = True
    mark: Mark = ""
    # Whatever else the engine needs to write it again.
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Return whether it has not expired."""
        return self.expires > time.time()


def live(stored: Stored | None) -> bool:
    """Return whether that is a session which has not expired, and nothing that it left behind."""
    return stored is not None and stored.live and not stored.pointer and stored.mark != "copy"


def who(data: dict[str, Any]) -> list[Any]:
    """Return whose session it is: None for a visitor who has not signed in."""
    return [data.get(name) for name in WHO]


def epoch(value: datetime | str) -> float:
    """Return seconds since 1970 of a moment, which SQLite and sessions keep as text.

    A naive one is in UTC, or under USE_TZ=False in the site's own time.
    """
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC if settings.USE_TZ else timezone.get_default_timezone())
    return at.timestamp()


def moment(seconds: float) -> datetime:
    """Return what a DateTimeField keeps for seconds since 1970: the reverse of `epoch`."""
    at = datetime.fromtimestamp(seconds, UTC)
    return at if settings.USE_TZ else timezone.make_naive(at, timezone.get_default_timezone())
