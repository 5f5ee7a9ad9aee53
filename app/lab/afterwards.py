"""Parts of a page that only the finished answer knows: what was saved, which headers go out.

A template is rendered before Django's middleware saves the session and sets the cookie. So
`{% afterwards "part.html" %}` leaves a mark, and the outermost middleware fills it in.
"""

import secrets
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from lab.cookie import SHOWN_CHARACTERS


def leave_mark(request: HttpRequest, template: str) -> str:
    """Return a mark that nobody can foresee, in place of which the template will stand."""
    mark = f"<!--{secrets.token_hex(16)}-->"
    request.__dict__.setdefault("afterwards", {})[mark] = template
    return mark


class AfterwardsMiddleware:
    """Send `Server-Timing`, and put what only the finished answer knows into its page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        trace = getattr(request, "session_trace", None)
        if trace is not None:
            response["Server-Timing"] = trace.server_timing
        marks: dict[str, str] = request.__dict__.get("afterwards", {})
        if marks and not response.streaming:
            context = {"trace": trace, "headers": sent_headers(response)}
            for mark, template in marks.items():
                part = render_to_string(template, context)
                response.content = response.content.replace(mark.encode(), part.encode())
            response["Content-Length"] = str(len(response.content))
        return response


def sent_headers(response: HttpResponse) -> list[tuple[str, str]]:
    """Return the answer's headers; of a cookie's value only what gives nothing away.

    Not Content-Length: a page that said how long it is would be longer.
    """
    headers = [(name, value) for name, value in response.items() if name != "Content-Length"]
    for name, cookie in response.cookies.items():
        line = cookie.OutputString()
        value = cookie.coded_value
        if len(value) > SHOWN_CHARACTERS:
            line = line.replace(f"{name}={value}", f"{name}={value[:SHOWN_CHARACTERS]}…", 1)
        headers.append(("Set-Cookie", line))
    return headers


def session_cookie_line(headers: list[tuple[str, str]]) -> str | None:
    """Return the line that sets the session cookie, if one does."""
    start = f"{settings.SESSION_COOKIE_NAME}="
    return next((v for n, v in headers if n == "Set-Cookie" and v.startswith(start)), None)
