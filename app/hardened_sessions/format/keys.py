"""Session keys: which are well formed, and the names that sessions are stored under."""

import re
from hashlib import sha256
from typing import Any

from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.utils.crypto import salted_hmac

from hardened_sessions.conf import finds_keys, options

# What Django makes: 32 of 36 characters, 165 bits. Nothing else ever reaches a store; the names
# below are longer, so none of them is a key.
KEY_LENGTH = 32
KEY = re.compile(rf"[a-z0-9]{{{KEY_LENGTH}}}")

NAME_LENGTH = 40  # as long as Django's column
NAME = re.compile(rf"[0-9a-f]{{{NAME_LENGTH}}}")


def is_key(value: Any) -> bool:
    """Return whether the value could be a key that this site gave out."""
    return isinstance(value, str) and len(value) == KEY_LENGTH and KEY.fullmatch(value) is not None


def is_name(value: Any) -> bool:
    """Return whether the value could be what `hashed` returns."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def hashed(key: str) -> str:
    """Return the first 40 hexadecimal digits of the key's SHA-256.

    160 bits: a key can't be found from its name, nor two keys with one name.
    """
    return sha256(key.encode()).hexdigest()[:NAME_LENGTH]


def derived(key: str) -> str:
    """Return the key that replaces another one, for any cause but a sign-in.

    It is an HMAC of the old key: parallel requests arrive at the same one, and nobody can compute
    it without SECRET_KEY.
    """
    digest = salted_hmac("hardened_sessions.key", key, algorithm="sha256").digest()
    number, digits = int.from_bytes(digest), ""
    for _ in range(KEY_LENGTH):
        number, digit = divmod(number, len(VALID_KEY_CHARS))
        digits += VALID_KEY_CHARS[digit]
    return digits


def name_for(key: str) -> str:
    """Return the name that a session with this key is written under."""
    return key if options().keys == "read" else hashed(key)


def names_for(key: str) -> tuple[str, ...]:
    """Return every name that a session with this key may have in a store; for a name, itself."""
    if is_name(key):
        return (key,)
    return (hashed(key), key) if finds_keys() else (hashed(key),)
