"""What the visitor sees of a wait, and the cookie of a browser that signed in."""

import logging
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from session_stack.sign_in import device, hooks
from session_stack.sign_in.counters import UncountedError
from session_stack.sign_in.visit import Visit, current

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2  # where the database is away


class SignInMiddleware(MiddlewareMixin):
    """Count the passwords that a request tries; answer 429 where one came too early.

    Stands below the session's middleware. Without it nothing is counted.
    """

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        hooks.install()

    def process_request(self, request: HttpRequest) -> None:
        """Keep the request for whoever looks at a password."""
        current.set(Visit(request))

    def process_template_response(self, request: HttpRequest, response: Any) -> Any:
        """Say the wait in the form, as sign-in and password pages show one."""
        visit = current.get()
        form = (response.context_data or {}).get("form")
        if visit and visit.wait_seconds and isinstance(form, Form) and form.is_bound:
            form.errors.clear()  # "wrong password", which nobody knows
            form.add_error(None, words(visit))
            response.status_code = 429
        return response

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Answer 429 where a password had to wait, and give who signed in the cookie."""
        visit = current.get()
        current.set(None)
        if visit is None:
            return response
        if visit.wait_seconds:
            if response.status_code != 429:
                response = plain(429, words(visit))
            response["Retry-After"] = str(visit.wait_seconds)
        if visit.signed_in:
            device.write(response, visit.device)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer 503 where nobody can say whether a password may be looked at."""
        if not isinstance(error, UncountedError):
            return None
        logger.error("failed sign-ins can't be counted", extra={"reason": str(error)})
        response = plain(503, "Nobody can sign in just now. Please try again.")
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response


@receiver(user_logged_in)
def remember(sender: object, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Know this browser by that account from now on."""
    if visit := current.get():
        visit.remember(user.get_username())


def words(visit: Visit) -> str:
    """Return what the visitor is told; the same whether or not there is such an account."""
    seconds = visit.wait_seconds
    unit = "second" if seconds == 1 else "seconds"
    return f"Too many wrong passwords for this name. Please try again in {seconds} {unit}."


def plain(status: int, text: str) -> HttpResponse:
    """Return an answer that no cache keeps."""
    return HttpResponse(
        f"{text}\n",
        status=status,
        content_type="text/plain; charset=utf-8",
        headers={"Cache-Control": "no-store", "Vary": "Cookie"},
    )
