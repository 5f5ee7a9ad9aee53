"""A counter in the session; every answer says whose session it is and what it holds.

Who has no session gets an answer too, and none.
"""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST


@require_POST
def begin(request: HttpRequest, client: int) -> JsonResponse:
    """Note whose session this is: all are of one user."""
    if request.user.is_authenticated:
        request.session["client"] = client
        request.session["count"] = 0
    return contents(request)


@require_POST
def guest(request: HttpRequest, client: int) -> JsonResponse:
    """Begin a session of nobody who is signed in."""
    request.session["client"] = client
    request.session["count"] = 0
    return contents(request)


@never_cache
def read(request: HttpRequest) -> JsonResponse:
    """Change nothing."""
    return contents(request)


@require_POST
def write(request: HttpRequest) -> JsonResponse:
    """Add one to the counter."""
    if "count" in request.session:
        request.session["count"] += 1
    return contents(request)


def contents(request: HttpRequest) -> JsonResponse:
    """Return the user's name, empty for nobody, and what the session holds."""
    held = {name: request.session.get(name) for name in ("client", "count")}
    return JsonResponse({"user": request.user.get_username(), **held})
