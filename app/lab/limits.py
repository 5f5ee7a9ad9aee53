"""How much a visitor may put into the session."""

from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ValidationError

from lab.layers import backend, layer

# Room for what signing in adds, below the 4096 bytes at which a browser drops the cookie.
COOKIE_BYTES = 3072


def require_room(session: SessionBase, changes: dict[str, Any]) -> None:
    """Raise ValidationError where the session would outgrow its cookie with these changes.

    Django saves without a word, and the browser drops
    the new cookie and goes on sending the old one.
    """
    if not layer().in_cookie(backend()):
        return
    size = layer().cookie_size(session, {**dict(session.items()), **changes})
    if size > COOKIE_BYTES:
        raise ValidationError(
            f"This would make the cookie {size:,} bytes; up to {COOKIE_BYTES:,} are allowed here, "
            "as browsers drop a cookie above 4,096."
        )
