"""Live: this process answers. Ready: the session engine's store answers too.

Both are answered before any middleware and any address of the project: none of them can take them
away, redirect them or fail in them.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.db import close_old_connections

from session_stack.layers import layer
from session_stack.startup.probes import StoreUnavailableError, needed_probes

type Application = Callable[..., Iterable[bytes]]


def live() -> tuple[str, bytes]:
    """Answer 200 wherever a worker runs."""
    return "200 OK", b"live\n"


def ready() -> tuple[str, bytes]:
    """Answer 503 with the reason while the backend can't serve a session."""
    close_old_connections()  # no request begins or ends here, so nothing else does
    try:
        with layer().bounded():
            for probe in needed_probes():
                probe()
    except StoreUnavailableError as error:
        return "503 Service Unavailable", f"{error}\n".encode()
    finally:
        close_old_connections()
    return "200 OK", b"ready\n"


ANSWERS: dict[str, Callable[[], tuple[str, bytes]]] = {
    "/health/live": live,
    "/health/ready": ready,
}


def with_health(project: Application) -> Application:
    """Return an application that answers for the container, and leaves the rest to the project."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = ANSWERS.get(environ["PATH_INFO"])
        if answer is None:
            return project(environ, start_response)
        status, text = answer()
        headers = [("Content-Type", "text/plain"), ("Cache-Control", "no-store")]
        start_response(status, [*headers, ("Content-Length", str(len(text)))])
        return [text]

    return application
