"""The least that a view can do with a session: nothing, read it, change it.

A session that is lost is a KeyError, so that it never passes for a fast answer.
"""

from django.http import HttpRequest, HttpResponse

BODY = "<!doctype html><title>bench</title><p>{value}</p>" + "<!-- as long as a small page -->" * 5


def ping(request: HttpRequest) -> HttpResponse:
    """Answer without the session."""
    return HttpResponse(BODY.format(value="-"))


def read(request: HttpRequest) -> HttpResponse:
    """Read one value."""
    return HttpResponse(BODY.format(value=request.session["theme"]))


def write(request: HttpRequest) -> HttpResponse:
    """Change one value."""
    request.session["count"] += 1
    return HttpResponse(BODY.format(value=request.session["count"]))
