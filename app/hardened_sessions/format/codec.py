"""What a session looks like as JSON: its data, or a pointer to another one, or ciphertext."""

import zlib
from typing import Any, Protocol, get_args

from django.contrib.sessions.backends.base import SessionBase
from django.core import signing

from hardened_sessions.errors import SessionTooLargeError
from hardened_sessions.format import encryption
from hardened_sessions.format.readable import (
    UnreadableError,
    or_no_session,
    require_session,
    unpacked,
)
from hardened_sessions.format.record import Draft, Kind, Mark, Pointer, Stored
from hardened_sessions.format.seal import Sealed

META = "_hs"
POINTER = "_hs_to"
CIPHERTEXT = "_hs_sealed"
MARK = "_hs_mark"

# Each row repeats the first digits of its name, so that a row copied under another name is refused.
# 16 digits are 64 bits: nobody finds a second name that begins alike by starting sessions.
BOUND_DIGITS = 16

# No value that this layer wrote is larger than this when it is decompressed.
LARGEST = 32 * 2**20  # bytes

# That of Django's own engines, so that they and this layer read each other's rows.
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
        sealed = encryption.encrypt(name, serializer.dumps(draft.data))
        return marked({CIPHERTEXT: sealed}, draft.mark)
    return marked(draft.data, draft.mark)


def marked(kept: dict[str, Any], mark: Mark) -> dict[str, Any]:
    """Return a JSON object with its mark, if it has one."""
    return {MARK: mark, **kept} if mark else kept


def unwrap(
    name: str, kept: dict[str, Any], serializer: Serializer
) -> tuple[dict[str, Any], Pointer | None, bool]:
    """Return data and pointer of a stored JSON object, and whether it could be decrypted."""
    if POINTER in kept:
        return {}, pointer_of(*kept[POINTER]), True
    if CIPHERTEXT in kept:
        clear = encryption.decrypt(name, kept[CIPHERTEXT])
        if clear is None:
            return {}, None, False
        kept = serializer.loads(clear)
    return require_plain(kept), None, True


def require_plain(data: Any) -> dict[str, Any]:
    """Return a session's data; raise ValueError where it is none, or uses a reserved key."""
    plain = require_session(data)
    refuse_reserved(plain)
    return plain


def pointer_of(kind: Kind, target: str, who: list[Any]) -> Pointer:
    """Return a kept pointer."""
    if kind not in get_args(Kind) or not isinstance(target, str):
        raise UnreadableError("its pointer leads nowhere")
    return Pointer(kind, target, who)


def require_room(body: bytes, draft: Draft, serializer: Serializer) -> bytes:
    """Return the bytes to store; raise SessionTooLargeError where they exceed the limit."""
    if len(body) > draft.most:
        raise SessionTooLargeError(
            f"the session would take {len(body):,} bytes, and HARDENED_SESSIONS['MAX_BYTES'] is "
            f"{draft.most:,}; {largest(draft.data, serializer)}"
        )
    return body


def largest(data: dict[str, Any], serializer: Serializer) -> str:
    """Return a sentence that names the largest keys of a session, without their values."""
    sizes = {name: len(serializer.dumps(value)) for name, value in data.items()}
    names = sorted(sizes, key=sizes.__getitem__, reverse=True)[:3]
    return f"largest: {', '.join(f'{name[:40]} ({sizes[name]:,})' for name in names)}"


def refuse_reserved(data: dict[str, Any]) -> None:
    """Raise ValueError where the data has a key that the layer uses itself."""
    if reserved := sorted({META, POINTER, CIPHERTEXT, MARK} & data.keys()):
        raise ValueError(f"the session keys {', '.join(reserved)} are the session layer's own")


def read_sealed(name: str, value: bytes, sealed: Sealed, serializer: Serializer) -> Stored:
    """Return the session in a sealed value."""
    kept = serializer.loads(sealed.body)
    mark = kept.pop(MARK, "")
    data, pointer, opened = unwrap(name, kept, serializer)
    return Stored(
        name, value, data, sealed.version, sealed.expires, pointer, sealed.by_fallback, opened, mark
    )


# --- Rows: Django's own format, readable by `Session.get_decoded()` -------------------------------


def encode_row(name: str, draft: Draft, serializer: Serializer, *, bare: bool) -> str:
    """Return a row's text; `bare` leaves out what Django's own engines would not understand."""
    kept = wrap(name, draft, serializer)
    if not bare:
        kept = {META: f"{draft.version},{draft.expires_ceil},{name[:BOUND_DIGITS]}", **kept}
    # As signing.dumps does.
    body, mark = require_room(serializer.dumps(kept), draft, serializer), ""
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
    """Return what a row says, or None where it is not authentic, or no session."""
    return or_no_session("database", name, read_row, text, expires, serializer, trusted)


def read_row(name: str, text: str, expires: float, serializer: Serializer, trusted: bool) -> Stored:
    """Return what a row says.

    Args:
        name: the name that the row was found under.
        text: `session_data`.
        expires: `expire_date` in seconds since 1970: the true expiry of a row by Django.
        serializer: an instance of what `SESSION_SERIALIZER` names.
        trusted: the signature was verified before, or that of a seal around the text.

    Raises:
        UnreadableError: or any other, where it is not authentic, or no session.
    """
    by_fallback = False if trusted else signed_by_fallback(text)
    return row_of(name, text, expires, unsigned(text, serializer), serializer, by_fallback)


def signed_by_fallback(text: str) -> bool:
    """Return whether only a former secret key verifies a text by `signing.dumps`.

    Raises:
        UnreadableError: where no key verifies it.
    """
    try:
        signing.TimestampSigner(salt=SALT, fallback_keys=[]).unsign(text)
    except signing.BadSignature:
        try:
            signing.TimestampSigner(salt=SALT).unsign(text)
        except signing.BadSignature as error:
            raise UnreadableError("its signature does not hold") from error
        return True
    return False


def unsigned(text: str, serializer: Serializer) -> Any:
    """Return what a text by `signing.dumps` says, without verifying its signature."""
    value = text.rsplit(":", 2)[0]
    packed = value.startswith(".")
    body = signing.b64_decode(value[packed:].encode())
    return serializer.loads(unpacked(body, LARGEST) if packed else body)


def row_of(
    name: str,
    text: str,
    expires: float,
    kept: dict[str, Any],
    serializer: Serializer,
    by_fallback: bool = False,
) -> Stored:
    """Return what a row's JSON object says.

    Raises:
        UnreadableError: where it was written for another name.
    """
    version = 0
    if META in kept:
        told, until, bound = kept.pop(META).split(",")
        # `expire_date` is later than the true expiry, unless it was set back to end the session.
        version, expires = int(told), min(int(until), expires or int(until))
        if bound != name[:BOUND_DIGITS]:
            raise UnreadableError("it is another session's")
    mark = kept.pop(MARK, "")
    data, pointer, opened = unwrap(name, kept, serializer)
    return Stored(name, text, data, version, expires, pointer, by_fallback, opened, mark)


def as_class(serializer: Serializer) -> type[Serializer]:
    """Return the class that `signing` wants, of an instance or a class."""
    given: Any = serializer
    wanted: type[Serializer] = given if isinstance(given, type) else type(given)
    return wanted


def serializer_of(session: SessionBase) -> Serializer:
    """Return an instance of the session's serializer."""
    serializer: Serializer = session.serializer()
    return serializer
