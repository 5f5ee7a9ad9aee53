"""Limit the anonymous sessions that one address may start, so that strangers can't fill the store.

Only a session that would be saved for the first time counts. A cookie that leads nowhere does not,
nor does a page that writes nothing. Each process counts for itself.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from threading import Lock

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)

HOUR = 3600.0  # seconds
ADDRESSES = 10_000  # that are remembered; the one that was not seen for longest is forgotten first


class NewSessionsMiddleware:
    """Drop a new anonymous session where its address has started too many within an hour.

    The page itself is answered as usual, and whoever signs in always gets a session. Stands right
    after the session middleware, of either layer.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.per_hour: int = settings.ENV.new_sessions_per_hour
        self.allowance = Allowance(self.per_hour)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if self.per_hour and response.status_code < 500 and begins(request):
            who = address(request)
            if not self.allowance.take(who):
                drop(request)
                logger.info("a page without a session", extra={"address": who})
        return response


class Allowance:
    """A token bucket for each address: full at first, and refilled within an hour."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.lock = Lock()

    def take(self, who: str) -> bool:
        """Take a token from the address's bucket; return whether there was one."""
        now = time.monotonic()
        with self.lock:
            tokens, then = self.buckets.pop(who, (self.size, now))
            tokens = min(self.size, tokens + (now - then) * self.size / HOUR)
            granted = tokens >= 1
            self.buckets[who] = (tokens - granted, now)
            if len(self.buckets) > ADDRESSES:
                self.buckets.popitem(last=False)
        return granted


def begins(request: HttpRequest) -> bool:
    """Return whether the request starts an anonymous session: saved already, or about to be."""
    session = request.session
    if not session.modified or session.is_empty() or getattr(session, "unavailable", None):
        return False
    names = {settings.SESSION_COOKIE_NAME, settings.ENV.session_old_cookie_name}
    new = session.session_key is None or names.isdisjoint(request.COOKIES)
    return new and SESSION_KEY not in session


def drop(request: HttpRequest) -> None:
    """Leave the session middleware nothing to save, and nothing to set a cookie for."""
    session = request.session
    if session.session_key is not None:
        session.flush()  # the view saved it itself
    request.session = type(session)()
    request.session.accessed = session.accessed  # the page still varies by cookie


def address(request: HttpRequest) -> str:
    """Return the client's address as nginx says it; for an IPv6 one, its /64 network."""
    text: str = request.META.get("HTTP_X_FORWARDED_FOR") or request.META["REMOTE_ADDR"]
    try:
        wide = ip_address(text).version == 6
    except ValueError:
        return text
    return str(ip_network(f"{text}/64", strict=False)) if wide else text
