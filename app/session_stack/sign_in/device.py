"""The cookie of a browser that signed in before: such a browser has counters of its own.

A stranger's wrong passwords don't delay it. OWASP's "device cookies":
https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies
"""

import secrets
from dataclasses import dataclass

from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import salted_hmac

COOKIE = "__Host-device"
AGE_SECONDS = 400 * 24 * 3600  # browsers cap at 400 days (RFC 6265bis, 5.5)
ACCOUNTS = 4  # of one browser; the one that signed in longest ago is dropped
SALT = "session_stack.sign_in.device"


@dataclass(frozen=True, slots=True)
class Device:
    """A browser, and the accounts that signed in with it; none of their names can be read."""

    id: str
    accounts: tuple[str, ...] = ()

    def knows(self, name: str) -> bool:
        """Return whether that account signed in here before."""
        return account(name) in self.accounts

    def with_account(self, name: str) -> "Device":
        """Return the browser after that account signed in, the newest first."""
        others = [other for other in self.accounts if other != account(name)]
        return Device(self.id, (account(name), *others)[:ACCOUNTS])


def account(name: str) -> str:
    """Return what stands for a name in the cookie."""
    return salted_hmac(SALT, name, algorithm="sha256").hexdigest()[:16]


def read(request: HttpRequest) -> Device:
    """Return the browser that the cookie says, or a new one where its signature or age is wrong."""
    try:
        name, accounts = signing.loads(
            request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=AGE_SECONDS
        )
    except signing.BadSignature:
        return Device(secrets.token_urlsafe(12))
    return Device(name, tuple(accounts))


def write(response: HttpResponseBase, device: Device) -> None:
    """Have the browser keep it."""
    value = signing.dumps([device.id, device.accounts], salt=SALT)
    response.set_cookie(
        COOKIE, value, max_age=AGE_SECONDS, path="/", secure=True, httponly=True, samesite="Lax"
    )
