"""Response headers that Django has no setting for."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

SIGNED_OUT = "session_stack.signed_out"  # in META, which a framework's own request shares


@receiver(user_logged_out, dispatch_uid=SIGNED_OUT)
def note(sender: object, request: HttpRequest | None, **kwargs: Any) -> None:
    """Remember that this request signed somebody out, in whichever view."""
    if request is not None:
        request.META[SIGNED_OUT] = True


class HeadersMiddleware:
    """Set Cross-Origin-Resource-Policy; at a sign-out, have the browser drop the pages it keeps.

    A view's own `Cross-Origin-Resource-Policy` stays. `Clear-Site-Data` never names `"cookies"`:
    that would delete those of every other site under the same registrable domain.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        # An error says that the sign-out did not hold; browsers take the header over HTTPS alone.
        if request.META.get(SIGNED_OUT) and response.status_code < 400 and request.is_secure():
            response.headers.setdefault("Clear-Site-Data", '"cache", "storage"')
        return response


class PolicyMiddleware:
    """Send SECURE_CSP where Django (before 6.0) does not; it knows no nonce."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.policy = "; ".join(
            f"{name} {' '.join(sources)}" for name, sources in settings.SECURE_CSP.items()
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", self.policy)
        return response
