"""What this server sends, line by line."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.headers import OTHER_COOKIES, SESSION_COOKIE


@never_cache
def cookies(request: HttpRequest) -> HttpResponse:
    """Show cookies and headers as they are sent, each with its reason."""
    context = {
        "session_cookie_name": settings.SESSION_COOKIE_NAME,
        "session_cookie": SESSION_COOKIE,
        "other_cookies": OTHER_COOKIES,
        "hsts_seconds": settings.SECURE_HSTS_SECONDS,
        "domain": settings.ENV.domain,
    }
    return render(request, "lab/cookies.html", context)
