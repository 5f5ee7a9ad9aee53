"""Optional encryption at rest: AES-256-GCM, bound to the session's name.

The first of the configured keys encrypts; each of them decrypts.
"""

import base64
import os
from functools import lru_cache
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from hardened_sessions.conf import options
from hardened_sessions.format import keys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

UNOPENED = "no key in HARDENED_SESSIONS['ENCRYPTION_KEYS'] opens the session"

NONCE_BYTES = 12  # NIST SP 800-38D, 8.2: random nonces of 96 bits


@lru_cache(maxsize=4)
def ciphers(encryption_keys: tuple[str, ...]) -> "tuple[AESGCM, ...]":
    """Return a cipher for each key.

    Raises:
        ImproperlyConfigured: when a key is not 64 hexadecimal digits, or `cryptography` is missing.
    """
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ImproperlyConfigured("encryption at rest needs the package cryptography") from error
    try:
        raw = [bytes.fromhex(key) for key in encryption_keys]
    except ValueError:
        raw = [b""]
    if any(len(key) != 32 for key in raw):
        raise ImproperlyConfigured(
            "an encryption key is not 64 hexadecimal digits; make one: openssl rand -hex 32"
        )
    return tuple(AESGCM(key) for key in raw)


def enabled() -> bool:
    """Return whether new values are encrypted."""
    return bool(options().encryption_keys)


def encrypt(name: str, clear: bytes) -> str:
    """Return nonce and ciphertext as base64."""
    nonce = os.urandom(NONCE_BYTES)
    cipher = ciphers(options().encryption_keys)[0]
    return base64.b64encode(nonce + cipher.encrypt(nonce, clear, bound_to(name))).decode()


def decrypt(name: str, value: str) -> bytes | None:
    """Return the clear bytes, or None where no configured key opens the value under this name."""
    if not enabled():
        return None
    from cryptography.exceptions import InvalidTag

    raw = base64.b64decode(value)
    for cipher in ciphers(options().encryption_keys):
        try:
            return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound_to(name))
        except InvalidTag:
            continue
    return None


def bound_to(name: str) -> bytes:
    """Return the associated data of a ciphertext: the same before and after a row is rehashed."""
    return (keys.hashed(name) if keys.is_key(name) else name).encode()
