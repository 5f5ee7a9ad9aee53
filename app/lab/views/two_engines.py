"""One session, two engines."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.layers import backend
from lab.lessons import two_engines as lesson


@never_cache
def two_engines(request: HttpRequest) -> HttpResponse:
    """Show what two engines store of the same values, when asked."""
    context: dict[str, Any] = {"code": lesson.CODE, "running": backend()}
    if request.method == "POST":
        context["forms"] = lesson.forms()
    return render(request, "lab/two_engines.html", context)
