"""The visit counter."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.cookie import describe


@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """Count the visits of this session; the one page that starts a session by itself."""
    visits = request.session.get("visits", 0) + 1
    request.session["visits"] = visits
    context = {
        "backend": settings.ENV.session_backend,
        "layer": settings.ENV.session_layer,
        "visits": visits,
        "cookie": describe(request.COOKIES.get(settings.SESSION_COOKIE_NAME)),
    }
    return render(request, "lab/home.html", context)
