"""One JSON object a line on stderr, each with the id of the request it belongs to."""

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest, HttpResponse
from gunicorn.glogging import Logger  # type: ignore[import-untyped] # it has no types
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from session_stack.env import LogLevel

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

# nginx sends 32 hexadecimal digits; anything else could forge a line or fill the log.
REQUEST_ID = re.compile(r"[0-9a-f]{32}")

# Both hold the tokens of password resets, sign-ins and other sites: Django names the referrer that
# it refuses, gunicorn the whole line that it can't read.
QUERY = re.compile(r"\?\S+")
REFERRER = re.compile(r"(https?://[^/\s]+)\S*")


class RequestIdMiddleware:
    """Keep nginx's X-Request-ID for every log line of the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        value = request.headers.get("X-Request-ID", "")
        # Never reset: Django logs the response after the last middleware, and the next request of
        # this thread sets its own.
        request_id.set(value if REQUEST_ID.fullmatch(value) else None)
        return self.get_response(request)


class RequestIdFilter(logging.Filter):
    """Put the current request's id on each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


class Formatter(JsonFormatter):
    """Write JSON without the query strings of addresses, nor the paths of other sites'."""

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Cut them from every text of the line, a traceback included."""
        served = str(log_data.get("logger")).startswith(("django.", "gunicorn."))
        for name, value in log_data.items():
            if isinstance(value, str):
                cut = REFERRER.sub(r"\1/...", value) if served else value
                log_data[name] = QUERY.sub("?...", cut)
        return super().process_log_record(log_data)


def logging_config(level: LogLevel) -> dict[str, Any]:
    """Return the `dictConfig` that Django and gunicorn share."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": RequestIdFilter}},
        "formatters": {
            "json": {
                "()": Formatter,
                "fmt": "{asctime}{levelname}{name}{message}{request_id}",
                "style": "{",
                "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
                "datefmt": "%Y-%m-%dT%H:%M:%S%z",
                "reserved_attrs": [*RESERVED_ATTRS, "request"],
            }
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "filters": ["request_id"],
                "formatter": "json",
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own handlers (mail_admins, a console handler under DEBUG) are not wanted.
            "django": {"handlers": [], "level": level, "propagate": True},
            # At DEBUG these would write every statement with its values: session keys among them.
            "django.db.backends": {"level": "INFO"},
            "gunicorn.error": {"handlers": [], "level": level, "propagate": True},
        },
    }


class GunicornLogger(Logger):  # type: ignore[misc] # it has no types
    """gunicorn's logger without an access log, which nginx writes.

    With a `logconfig_dict` it would put together each line before it finds that nobody wants it.
    """

    def access(self, *arguments: Any) -> None:
        """Log nothing."""
