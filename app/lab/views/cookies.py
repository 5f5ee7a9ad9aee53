"""What this server sends, line by line."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache

from lab import over_http as plain
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
        "http_address": plain.address(),
        "finding": plain.finding(request.GET.get("over-http", "")),
    }
    return render(request, "lab/cookies.html", context)


def over_http(request: HttpRequest) -> HttpResponse:
    """Say that a browser came over https, though the link says http, which nginx answers itself."""
    return redirect(f"{reverse('cookies')}?over-http=https")
