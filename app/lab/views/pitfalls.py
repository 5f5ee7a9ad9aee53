"""What goes wrong with sessions."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.layers import layer
from lab.lessons.mistakes import shown
from lab.pitfalls import PITFALLS


@never_cache
def pitfalls(request: HttpRequest) -> HttpResponse:
    """Show the mistakes in code, run when asked, and the pitfalls with what Django says."""
    context = {
        "mistakes": shown(run_them=request.method == "POST"),
        "pitfalls": PITFALLS,
        "layer": layer().describe(),
        "cookie_name": settings.SESSION_COOKIE_NAME,
    }
    return render(request, "lab/pitfalls.html", context)
