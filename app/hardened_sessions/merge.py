"""Two requests changed one session: put both changes into it, key by key."""

import time
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from hardened_sessions.format.record import epoch

# Who the session belongs to: one unit, never mixed from two requests.
IDENTITY = (SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY)
EXPIRY = "_session_expiry"

_ABSENT = object()

Data = dict[str, Any]


class IdentityChangedError(Exception):
    """The stored session belongs to another user now than when it was loaded."""


def identity(data: Data) -> list[Any]:
    """Return the keys that say whose session it is; they are never mixed from two requests."""
    return [data.get(name) for name in IDENTITY]


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal; values nested too deep to compare count as changed."""
    try:
        return alike(one, other)
    except RecursionError:
        return False


def alike(one: Any, other: Any) -> bool:
    """Return whether two values are equal as JSON, where 1, 1.0 and true differ."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


def merge(base: Data, mine: Data, theirs: Data, *, strict: bool = False) -> tuple[Data, list[str]]:
    """Put this request's changes into what is stored now; return that, and the keys both changed.

    A key is changed where its value differs from the one loaded; a deleted key is a change.

    Args:
        base: what this request loaded.
        mine: what it wants to save.
        theirs: what is stored now.
        strict: count it as a conflict even where both set a key to the same value, as two requests
            do that each add one to a counter.

    Raises:
        IdentityChangedError: where the session's user changed meanwhile. A merge could keep what
            only the former user was allowed.
    """
    if identity(theirs) not in (identity(base), identity(mine)):
        raise IdentityChangedError
    merged, conflicts = dict(theirs), []
    for name in {**base, **mine}:
        value, loaded = mine.get(name, _ABSENT), base.get(name, _ABSENT)
        if same(value, loaded):
            continue
        stored = theirs.get(name, _ABSENT)
        if name == EXPIRY and not (same(stored, loaded) or identity(mine) != identity(base)):
            merged[name] = expiry_of_both(base.get(name), mine.get(name), theirs.get(name))
            continue
        agreed = same(stored, value) and (not strict or name in IDENTITY)
        if not (same(stored, loaded) or agreed):
            conflicts.append(name)
        if value is _ABSENT:
            merged.pop(name, None)
        else:
            merged[name] = value
    return merged, conflicts


def expiry_of_both(base: Any, mine: Any, theirs: Any) -> Any:
    """Return the expiry where two requests changed it: if both slid it the later, else the sooner.

    A request slides the expiry when it sets a moment that is no sooner than the one it loaded.
    """
    slid = isinstance(mine, str) and isinstance(theirs, str)
    if slid and isinstance(base, str):
        slid = min(epoch(mine), epoch(theirs)) >= epoch(base)
    return (max if slid else min)(mine, theirs, key=ends)


def ends(expiry: Any) -> float:
    """Return when a session with this expiry ends if it is saved now."""
    if isinstance(expiry, str):
        return epoch(expiry)
    return time.time() + (expiry or settings.SESSION_COOKIE_AGE)
