"""A visitor's own session, down to the bytes."""

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.fingerprint import fingerprint
from lab.cookie import attributes, describe
from lab.layers import backend, layer


@never_cache
def inspector(request: HttpRequest) -> HttpResponse:
    """Show the cookie, the place, the bytes and what they say; only ever of this session."""
    session = request.session
    contents = dict(session.items())
    key = session.session_key
    context = {
        "backend": backend(),
        "layer": layer().describe(),
        "cookie": describe(request.COOKIES.get(settings.SESSION_COOKIE_NAME)),
        "fingerprint": fingerprint(key),
        "exists": bool(key and contents),
        "attributes": attributes(session),
        "places": layer().places(backend(), key) if key and contents else [],
        "decoded": json.dumps(contents, indent=2, sort_keys=True),
        "expires": session.get_expiry_date(),
    }
    return render(request, "lab/inspector.html", context)
