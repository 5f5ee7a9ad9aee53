"""The way of a request through the middleware."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from lab.lessons import middleware as lesson


@never_cache
def middleware(request: HttpRequest) -> HttpResponse:
    """Show what each middleware of this site adds, and what a wrong order does."""
    context = {
        "journey": lesson.travel(settings.MIDDLEWARE, request.COOKIES),
        "wrong": lesson.travel(lesson.wrong_order(), request.COOKIES),
        "sessions": lesson.SESSIONS,
    }
    return render(request, "lab/middleware.html", context)
