"""The commands that show what a store holds."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.layers import backend
from lab.lessons.by_hand import looks


@never_cache
def by_hand(request: HttpRequest) -> HttpResponse:
    """Show the commands for the engine that runs."""
    context = {"backend": backend(), "looks": looks(backend())}
    return render(request, "lab/by_hand.html", context)
