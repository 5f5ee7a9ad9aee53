"""What goes wrong with sessions."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.layers import layer
from lab.pitfalls import PITFALLS


@never_cache
def pitfalls(request: HttpRequest) -> HttpResponse:
    """Show each pitfall with what Django says and what this stack does about it."""
    context = {"pitfalls": PITFALLS, "layer": layer().describe()}
    return render(request, "lab/pitfalls.html", context)
