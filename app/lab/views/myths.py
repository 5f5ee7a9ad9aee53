"""What tutorials get wrong."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.lessons.myths import MYTHS


@never_cache
def myths(request: HttpRequest) -> HttpResponse:
    """Show each statement with how it is, and what its proof says when asked to run."""
    asked = request.method == "POST"
    context: dict[str, Any] = {"myths": [(myth, myth.proof() if asked else "") for myth in MYTHS]}
    return render(request, "lab/myths.html", context)
