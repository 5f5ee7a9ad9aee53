"""The five engines side by side."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.chart import bars
from lab.facts import table
from lab.layers import backend, layer
from lab.measure import ROUNDS, BusyError, measure, reachable
from lab.words import WHERE
from session_stack.errors import too_many_requests


@never_cache
def compare(request: HttpRequest) -> HttpResponse:
    """Show what the scenarios recorded; on a POST, measure."""
    context: dict[str, Any] = {
        "backends": settings.ENGINES,
        "where": WHERE,
        "running": backend(),
        "layer": layer().describe(),
        "facts": table(),
        "rounds": ROUNDS,
        "not_reached": [b for b in settings.ENGINES if b not in reachable()],
    }
    if request.method == "POST":
        try:
            results = measure()
        except BusyError:
            return too_many_requests()
        context |= {"results": results, "chart": bars(results)}
    return render(request, "lab/compare.html", context)
