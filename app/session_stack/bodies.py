"""The rest of a request's body, which an answer waits for.

gunicorn closes a connection where a body was left unread, as by a refused form. nginx, which is
still sending it, then answers 503 in place of the app.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from session_stack.health.answers import Application

PART_BYTES = 65_536


def read_whole(application: Application) -> Application:
    """Return an application that has read the request before its answer goes out."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = application(environ, start_response)
        with suppress(OSError):  # who sent it is gone, and the answer finds nobody either
            while environ["wsgi.input"].read(PART_BYTES):
                pass
        return response

    return answer
