"""Live: this process answers. Ready: the session engine's store answers too."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from session_stack.startup.probes import StoreUnavailableError, needed_probes


@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """Answer 200 wherever a worker runs."""
    return HttpResponse("live\n", content_type="text/plain")


@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """Answer 503 with the reason while the backend can't serve a session."""
    try:
        for probe in needed_probes():
            probe()
    except StoreUnavailableError as error:
        return HttpResponse(f"{error}\n", status=503, content_type="text/plain")
    return HttpResponse("ready\n", content_type="text/plain")
