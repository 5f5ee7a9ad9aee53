"""How much a visitor may put into the session."""

import json
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ValidationError

from lab.layers import backend, layer

# Room for what signing in adds, below the 4096 bytes at which a browser drops the cookie.
COOKIE_BYTES = 3072

# With what encryption makes of it below SESSION_MAX_BYTES.
SESSION_BYTES = 45_056


def require_room(session: SessionBase, changes: dict[str, Any]) -> None:
    """Raise ValidationError where the session would grow too large with these changes.

    Django saves what is too large for a cookie without a word, and the browser drops the new cookie
    and goes on sending the old one.
    """
    data = {**dict(session.items()), **changes}
    if not layer().in_cookie(backend()):
        size = len(json.dumps(data))
        if size > SESSION_BYTES:
            raise ValidationError(
                f"This would make the session {size:,} bytes; up to {SESSION_BYTES:,} are allowed."
            )
        return
    size = layer().cookie_size(session, data)
    if size > COOKIE_BYTES:
        raise ValidationError(
            f"This would make the cookie {size:,} bytes; up to {COOKIE_BYTES:,} are allowed here, "
            "as browsers drop a cookie above 4,096."
        )
