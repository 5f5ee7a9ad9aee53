"""What robots read."""

from django.http import HttpRequest, HttpResponse

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
