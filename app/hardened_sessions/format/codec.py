"""What a session looks like as JSON: its data, or a pointer to another one, or ciphertext."""

import zlib
from typing import Any, Protocol

from django.contrib.sessions.backends.base import SessionBase
from django.core import signing

from hardened_sessions.format import encryption
from hardened_sessions.format.record import Draft, Pointer, Stored

META = "_hs"
POINTER = "_hs_to"
CIPHERTEXT = "_hs_sealed"

# How much of its name a row repeats, so that it is no session under another one's: 64 bits, which
# nobody meets a second time by making sessions, in less than half the room.
BOUND_DIGITS = 16

# As in Django's own engines: rows are readable by either, whatever the class is called.
SALT = "django.contrib.sessions.SessionStore"


class Serializer(Protocol):
    """What `SESSION_SERIALIZER` names."""

    def dumps(self, obj: Any) -> bytes: ...
    def loads(self, data: bytes) -> Any: ...


def wrap(name: str, draft: Draft, serializer: Serializer) -> dict[str, Any]:
    """Return the JSON object to keep for a draft."""
    if draft.pointer is not None:
        return {POINTER: [draft.pointer.kind, draft.pointer.target, draft.pointer.who]}
    refuse_reserved(draft.data)
    if encryption.enabled():
        return {CIPHERTEXT: encryption.encrypt(name, serializer.dumps(draft.data))}
    return draft.data


def unwrap(
    name: str, kept: dict[str, Any], serializer: Serializer
) -> tuple[dict[str, Any], Pointer | None, bool]:
    """Return data and pointer of a kept JSON object, and whether a key opened it."""
    if POINTER in kept:
        return {}, Pointer(*kept[POINTER]), True
    if CIPHERTEXT in kept:
        clear = encryption.decrypt(name, kept[CIPHERTEXT])
        return ({}, None, False) if clear is None else (serializer.loads(clear), None, True)
    return kept, None, True


def refuse_reserved(data: dict[str, Any]) -> None:
    """Raise ValueError where a session would pass for something that it is not."""
    if reserved := sorted({META, POINTER, CIPHERTEXT} & data.keys()):
        raise ValueError(f"the session keys {', '.join(reserved)} are the session layer's own")


# --- Rows: Django's own format, readable by `Session.get_decoded()` -------------------------------


def encode_row(name: str, draft: Draft, serializer: Serializer, *, bare: bool) -> str:
    """Return a row's text; `bare` leaves out what Django's own engines would not understand."""
    kept = wrap(name, draft, serializer)
    if not bare:
        kept = {META: f"{draft.version},{draft.expires_ceil},{name[:BOUND_DIGITS]}", **kept}
    # As signing.dumps does.
    body, mark = serializer.dumps(kept), ""
    if len(packed := pack(body)) < len(body) - 1:
        body, mark = packed, "."
    return signing.TimestampSigner(salt=SALT).sign(mark + signing.b64_encode(body).decode())


def pack(body: bytes) -> bytes:
    """Compress, through a window that is no larger than the body needs.

    `zlib.compress` sets up 256 KB for one of 32 KB: on a session of 300 bytes eight times the work
    of the compression itself. `zlib.decompress` reads either.
    """
    window = min(zlib.MAX_WBITS, max(10, len(body).bit_length()))
    packer = zlib.compressobj(wbits=window, memLevel=window - 6)
    return packer.compress(body) + packer.flush()


def decode_row(
    name: str, text: str, expires: float, serializer: Serializer, *, trusted: bool = False
) -> Stored | None:
    """Return what a row says, or None where its signature or its name does not hold.

    Args:
        name: the name that the row was found under.
        text: `session_data`.
        expires: `expire_date` in seconds since 1970: the true expiry of a row by Django.
        serializer: an instance of what `SESSION_SERIALIZER` names.
        trusted: the signature was verified before, or that of a seal around the text.
    """
    by_fallback = False
    try:
        if trusted:
            return row_of(name, text, expires, unsigned(text, serializer), serializer)
        kept = signing.loads(text, salt=SALT, serializer=as_class(serializer), fallback_keys=[])
    except signing.BadSignature:
        try:
            kept = signing.loads(text, salt=SALT, serializer=as_class(serializer))
        except (signing.BadSignature, ValueError):
            return None
        by_fallback = True
    except ValueError:
        return None  # by another serializer; as Django, whatever can't be read is no session
    return row_of(name, text, expires, kept, serializer, by_fallback)


def unsigned(text: str, serializer: Serializer) -> Any:
    """Return what a text by `signing.dumps` says, whatever its signature."""
    value = text.rsplit(":", 2)[0]
    packed = value.startswith(".")
    body = signing.b64_decode(value[packed:].encode())
    return serializer.loads(zlib.decompress(body) if packed else body)


def row_of(
    name: str,
    text: str,
    expires: float,
    kept: dict[str, Any],
    serializer: Serializer,
    by_fallback: bool = False,
) -> Stored | None:
    """Return what a row's JSON object says, or None where it was written for another name."""
    version = 0
    if META in kept:
        try:
            told, until, bound = kept.pop(META).split(",")
            version, expires = int(told), int(until)
        except (AttributeError, ValueError):
            return None  # not by this layer
        if bound != name[:BOUND_DIGITS]:
            return None
    data, pointer, opened = unwrap(name, kept, serializer)
    return Stored(name, text, data, version, expires, pointer, by_fallback, opened)


def as_class(serializer: Serializer) -> type[Serializer]:
    """Return the class that `signing` wants, of an instance or a class."""
    given: Any = serializer
    wanted: type[Serializer] = given if isinstance(given, type) else type(given)
    return wanted


def serializer_of(session: SessionBase) -> Serializer:
    """Return an instance of the session's serializer."""
    serializer: Serializer = session.serializer()
    return serializer
