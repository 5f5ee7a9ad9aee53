"""The settings that concern sessions."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.layers import backend
from lab.lessons.session_settings import in_force


@never_cache
def session_settings(request: HttpRequest) -> HttpResponse:
    """Show each setting with its default, its value here, and the line that changes it."""
    context = {"settings": in_force(), "backend": backend()}
    return render(request, "lab/session_settings.html", context)
