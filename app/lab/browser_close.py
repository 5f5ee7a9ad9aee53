"""Sessions that end when the browser closes, and after some time at the latest.

Django's `set_expiry` knows one or the other. The combination is an expiry that the server keeps to,
and a cookie without the two attributes that would let it outlive the browser.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from lab.cookie import UNTIL_BROWSER_CLOSES


class BrowserCloseMiddleware:
    """Let a cookie end with the browser where its session asks; stands above SessionMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        cookie = response.cookies.get(settings.SESSION_COOKIE_NAME)
        # A cookie with a value is set for a session that is loaded already: nothing is read here.
        if cookie is not None and cookie.value and request.session.get(UNTIL_BROWSER_CLOSES):
            cookie["max-age"] = cookie["expires"] = ""
        return response
