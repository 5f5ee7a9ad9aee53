"""What a request's session did: loaded, changed, saved, in which time and by how many calls."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse

from lab.store_calls import StoreCalls, counting

# Every method by which a session reaches its store, and the time it counts towards.
METHODS = {
    "load": "load",
    "exists": "save",
    "create": "save",
    "save": "save",
    "delete": "save",
    "cycle_key": "save",
    "flush": "save",
}


@dataclass(slots=True)
class SessionTrace:
    """The life of one session object; times are milliseconds."""

    session: SessionBase
    milliseconds: dict[str, float] = field(default_factory=lambda: {"load": 0.0, "save": 0.0})
    calls: StoreCalls = field(default_factory=StoreCalls)
    saved: bool = False
    inside: bool = False

    @property
    def server_timing(self) -> str:
        """Return the value of a `Server-Timing` header (W3C Server Timing, 3)."""
        times = [f"session-{name};dur={spent:.2f}" for name, spent in self.milliseconds.items()]
        counts = {"sql": self.calls.sql, "redis": self.calls.redis}
        return ", ".join(times + [f'session-{name};desc="{n}"' for name, n in counts.items()])

    def timed(self, name: str, method: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        """Call the session's method, timed and counted; calls from within another are part."""
        if self.inside:
            return method(*arguments, **named)
        self.inside = True
        token = counting.set(self.calls)
        started = time.perf_counter()
        try:
            result = method(*arguments, **named)
        finally:
            self.inside = False
            counting.reset(token)
            self.milliseconds[METHODS[name]] += (time.perf_counter() - started) * 1000
        self.saved = self.saved or name in ("save", "create")
        return result


class SessionTraceMiddleware:
    """Watch the request's session; stands directly below SessionMiddleware, which saves it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        trace = SessionTrace(request.session)
        for name in METHODS:
            method = getattr(request.session, name)
            setattr(request.session, name, partial(trace.timed, name, method))
        request.session_trace = trace  # type: ignore[attr-defined]
        return self.get_response(request)
