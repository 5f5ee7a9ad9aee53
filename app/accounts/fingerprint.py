"""A name for a session that is of no use to anyone who reads it."""

from hashlib import sha256

from django.utils.crypto import salted_hmac

LENGTH = 12  # hexadecimal digits; enough to tell two sessions apart by eye
HASH_LENGTH = 40  # hexadecimal digits, as a layer that keeps no keys stores them


def fingerprint(key: str | None) -> str:
    """Return the first digits of the key's salted hash; empty where there is no key."""
    return of_hash(sha256(key.encode()).hexdigest()[:HASH_LENGTH]) if key else ""


def of_hash(hashed: str) -> str:
    """Return the same from the key's SHA-256, for whoever has no more than that."""
    return salted_hmac("accounts.fingerprint", hashed, algorithm="sha256").hexdigest()[:LENGTH]
