"""The visit counter."""

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.fingerprint import fingerprint
from lab.cookie import describe
from lab.facts import survivals
from lab.layers import backend, layer
from lab.words import WHERE


@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """Count the visits of this session; the one page that starts a session by itself.

    Only a page that somebody reads is a visit: HEAD and OPTIONS write nothing, as everywhere.
    """
    visits = request.session.get("visits")
    if not isinstance(visits, int):
        visits = 0
    if request.method == "GET":
        visits += 1
        request.session["visits"] = visits
    value = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    readable = layer().in_cookie(backend())
    context = {
        "backend": backend(),
        "layer": layer().describe(),
        "where": WHERE[backend()],
        "survivals": survivals(backend()),
        "readable": readable,
        "visits": visits,
        "cookie": describe(value),
        "contents": readable_contents(value) if readable and value else None,
        "fingerprint": fingerprint(value),
        "expires": request.session.get_expiry_date(),
    }
    return render(request, "lab/home.html", context)


def readable_contents(value: str) -> str | None:
    """Return the JSON in a signed cookie, or None where the signature does not hold."""
    contents = layer().cookie_contents(value)
    return None if contents is None else json.dumps(contents, indent=2, sort_keys=True)
