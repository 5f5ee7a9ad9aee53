"""Answer 503 while the database is away: pages read more from it than the session."""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from hardened_sessions import bounds
from hardened_sessions.clients.database import GONE
from hardened_sessions.middleware import plain
from hardened_sessions.postgresql.base import bounds_of_a_request

logger = logging.getLogger(__name__)


class DatabaseOutageMiddleware:
    """Bound each database statement of a request; answer 503 where the database is away.

    The backend `hardened_sessions.postgresql` keeps the bound. With Django alone, a database that
    is gone is a 500, and one that hangs holds the request's thread for ever.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with bounds_of_a_request():
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
