"""Requests of other sites, which browsers send without the visitor's SameSite cookie."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")  # with these, a link brings a cookie that is Lax


class CrossSiteMiddleware:
    """Start no anonymous session in answer to another site: its cookie would replace the visitor's.

    An identity provider or a payment page posts back, and the browser withholds the session cookie.
    What the view puts into the session of such a request is not kept, unless the view signed
    somebody in. Stands right below the session middleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        withheld = is_withheld(request)
        response = self.get_response(request)
        session = request.session
        if withheld and session.modified and SESSION_KEY not in session:
            request.session = type(session)()
        return response


def is_withheld(request: HttpRequest) -> bool:
    """Return whether the visitor may have a session whose cookie the browser did not send."""
    same_site = settings.SESSION_COOKIE_SAMESITE
    kept_back = same_site == "Strict" or (same_site == "Lax" and request.method not in SAFE)
    return kept_back and request.session.session_key is None and is_cross_site(request)


def is_cross_site(request: HttpRequest) -> bool:
    """Return whether another site's page made this request, as far as the browser says."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "cross-site"
    origin = request.headers.get("Origin")
    return origin is not None and origin != f"{request.scheme}://{request.get_host()}"
