"""A session beside a cookie and a token."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.lessons import tokens as lesson


@never_cache
def tokens(request: HttpRequest) -> HttpResponse:
    """Show what is kept where, who can read and revoke it, and what to keep elsewhere."""
    context = {"ways": lesson.ways(), "values": lesson.VALUES, "instead": lesson.INSTEAD}
    return render(request, "lab/tokens.html", context)
