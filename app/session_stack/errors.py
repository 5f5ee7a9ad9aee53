"""Plain error pages. They use no store, as a store may be what failed."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

# What is raised where a store is away.
UNAVAILABLE = (
    OperationalError,
    InterfaceError,
    ConnectionInterrupted,
    RedisConnectionError,
    RedisTimeoutError,
)
RETRY_AFTER_SECONDS = 5


def page(status: int, title: str, text: str, detail: str = "") -> HttpResponse:
    """Return the page for that status; nothing of the request is in it."""
    context = {"status": status, "title": title, "text": text, "detail": detail}
    body = render_to_string("errors/error.html", context)
    return HttpResponse(body, status=status, headers={"Cache-Control": "no-store"})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400."""
    return page(400, "This request can’t be read", "Nothing was changed.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403."""
    return page(403, "This page is not yours to see", "Another account may be.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 with the reason why a form was refused."""
    text = (
        "A form must come from a page of this site, with the token that the page holds. "
        "Nothing was changed. Load the page again, and send the form once more."
    )
    return page(403, "This form was refused", text, detail=reason)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    return page(404, "There is no such page", "The address may be mistyped.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, or 503 where the cause is a store that is away."""
    if isinstance(sys.exception(), UNAVAILABLE):
        text = "A store does not answer just now. Your cookie is untouched: please try again soon."
        response = page(503, "Back in a moment", text)
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    text = "The server could not answer this request. Nothing is wrong with your browser."
    return page(500, "Something went wrong", text)


def too_many_requests() -> HttpResponse:
    """Answer 429, for a view that limits what it takes on."""
    text = "Somebody else’s request of this kind is under way. Please wait a moment."
    response = page(429, "Too many at once", text)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
