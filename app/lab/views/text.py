"""What robots and browsers ask for by themselves."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static

# Home starts a session for whoever asks, so that the store would fill with crawlers' sessions.
ROBOTS = """\
User-agent: *
Disallow: /$
Disallow: /accounts/
Disallow: /admin/
"""


def robots(request: HttpRequest) -> HttpResponse:
    """Tell crawlers what to leave alone."""
    return HttpResponse(ROBOTS, content_type="text/plain")


def favicon(request: HttpRequest) -> HttpResponse:
    """Lead to the icon whoever asks for it by its oldest name, as from the admin's pages."""
    return redirect(static("icon.svg"))
