"""Which engine should I choose?"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.lessons import choose as lesson


@never_cache
def choose(request: HttpRequest) -> HttpResponse:
    """Ask four questions and name one engine; the answers stand in the address."""
    form = lesson.Questions(request.GET if "rate" in request.GET else None)
    context: dict[str, Any] = {"form": form, "costs": lesson.microseconds()}
    if form.is_bound and form.is_valid():
        context["choice"] = lesson.choose(**form.cleaned_data)
    return render(request, "lab/choose.html", context)
