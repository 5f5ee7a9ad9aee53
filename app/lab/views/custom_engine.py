"""A session engine of one's own."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.layers import backend
from lab.lessons import custom_engine as lesson


@never_cache
def custom_engine(request: HttpRequest) -> HttpResponse:
    """Show the engine's source and, when asked, what it does and lacks."""
    context: dict[str, Any] = {"source": lesson.source(), "backend": backend()}
    if request.method == "POST":
        context |= {"life": lesson.life(), "lacks": lesson.lacks()}
    return render(request, "lab/custom_engine.html", context)
