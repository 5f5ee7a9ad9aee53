"""A second session with the same expiry, whose cookie the browser keeps longer than it holds.

A browser stops sending a cookie that has expired, so nothing would show whether the server still
takes it. The witness cookie lives on, so the server is asked with it, again and again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from lab import expiry
from lab.layers import backend
from session_stack.layers import session_class

COOKIE = "__Host-witness"
SALT = "lab.witness"
OUTLIVES_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Witness:
    """What the server says to the witness cookie now."""

    ends: datetime
    accepted: bool

    @property
    def ended(self) -> bool:
        """Return whether the session should have ended."""
        return self.ends <= timezone.now()


def summon(request: HttpRequest, response: HttpResponse, cleaned: dict[str, Any]) -> None:
    """Make the witness, in place of an earlier one, for a choice that ends at a known time."""
    dismiss(request, response)
    if cleaned["choice"] not in ("seconds", "date", "both"):
        return
    store = session_class(backend())()
    expiry.apply(store, cleaned)
    store["witness"] = True
    store.save()
    ends = store.get_expiry_date()
    value = signing.dumps([store.session_key, ends.timestamp()], salt=SALT, compress=True)
    lives = ends - timezone.now() + timedelta(seconds=OUTLIVES_SECONDS)
    response.set_cookie(COOKIE, value, max_age=lives, secure=True, httponly=True, samesite="Lax")


def dismiss(request: HttpRequest, response: HttpResponse) -> None:
    """End the witness session, if there is one."""
    if not (known := read(request)):
        return
    key, _ = known
    session_class(backend())(key).delete()
    response.delete_cookie(COOKIE, samesite="Lax")


def ask(request: HttpRequest) -> Witness | None:
    """Return what the server makes of the witness cookie; None where there is none."""
    if not (known := read(request)):
        return None
    key, ends = known
    store = session_class(backend())(key)
    accepted = bool(store.get("witness"))
    if not accepted and store.session_key:
        store.delete()  # the file engine makes a new session where it meets an expired one
    return Witness(ends, accepted)


def read(request: HttpRequest) -> tuple[str, datetime] | None:
    """Return the key and the end of the witness that the browser sent."""
    try:
        key, ends = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT)
    except signing.BadSignature:
        return None
    return key, datetime.fromtimestamp(ends, timezone.get_default_timezone())
