"""A name for a session key that is of no use to anyone who reads it."""

from django.utils.crypto import salted_hmac

LENGTH = 12  # hexadecimal digits; enough to tell two keys apart by eye


def fingerprint(key: str | None) -> str:
    """Return the first digits of the key's salted hash; empty where there is no key."""
    if not key:
        return ""
    return salted_hmac("lab.fingerprint", key, algorithm="sha256").hexdigest()[:LENGTH]
