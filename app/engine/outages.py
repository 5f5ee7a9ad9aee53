"""What a page answers while the database is away: the session is not all that is read from it."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from django.db import InterfaceError, OperationalError, connections
from django.http import HttpRequest, HttpResponse

from engine.postgresql.base import serving
from hardened_sessions import bounds
from hardened_sessions.database import GONE, descriptor
from hardened_sessions.middleware import plain
from hardened_sessions.watchdog import Overrun

logger = logging.getLogger(__name__)

STATEMENT_SECONDS = 2.0  # of a view; the session's own have a shorter bound


class DatabaseOutageMiddleware:
    """Bound every statement of a request, also on a server that hangs, and answer 503 after it.

    Django alone would make a server error of the first, and a thread that waits for ever of the
    second.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with ExitStack() as wrappers:
            for alias in connections:
                wrappers.enter_context(connections[alias].execute_wrapper(bounded))
            wrappers.callback(serving.reset, serving.set(True))
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer 503 where the error says that the database is away."""
        if not isinstance(error, OperationalError | InterfaceError):
            return None
        state = getattr(error.__cause__, "sqlstate", None)
        if state is not None and not state.startswith(GONE):
            return None
        logger.error("the database is away", extra={"reason": str(error).strip().splitlines()[-1]})
        return plain(503, "The database is away just now. Please try again.", bounds.RETRY_AFTER)


def bounded(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Run a statement with a bound that also holds for a server that hangs."""
    with Overrun(descriptor(context["connection"]), STATEMENT_SECONDS):
        return execute(sql, params, many, context)
