"""The views of a small site: each does one thing with its session."""

import random
from contextlib import suppress

from django.contrib.auth import get_user_model, login, logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template import Context, Template
from django.urls import path

from hardened_sessions import inventory

GREETING = Template("{% if request.user.is_authenticated %}known{% else %}nobody{% endif %}")


def ping(request: HttpRequest) -> HttpResponse:
    return HttpResponse("pong")


def read(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.session.get('n', 0)}")


async def aread(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{await request.session.aget('n', 0)}")


def write(request: HttpRequest) -> HttpResponse:
    request.session["n"] = n = request.session.get("n", 0) + 1
    return HttpResponse(f"{n}")


def put(request: HttpRequest) -> HttpResponse:
    request.session[request.GET["key"]] = "1"
    return HttpResponse("put")


def fill(request: HttpRequest) -> HttpResponse:
    # Which no compression makes small.
    request.session["basket"] = random.Random(0).randbytes(int(request.GET["bytes"])).hex()
    if "now" in request.GET:
        request.session.save()
    return HttpResponse("filled")


def names(request: HttpRequest) -> HttpResponse:
    return HttpResponse(" ".join(request.session.keys()))


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username() or "nobody")


def greeting(request: HttpRequest) -> HttpResponse:
    return HttpResponse(GREETING.render(Context({"request": request})))


def redirecting(request: HttpRequest) -> HttpResponse:
    with suppress(Exception):  # as careless code does
        request.session.get("n")
    return HttpResponseRedirect("/ping")


def failing(request: HttpRequest) -> HttpResponse:
    try:
        request.session.get("n")
    except Exception as error:
        raise RuntimeError("the view fails for its own reason") from error
    return HttpResponse("fine")


def crash(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the view fails for its own reason")


def streaming(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([f"{request.session.get('n', 0)}"]))


def sign_in(request: HttpRequest) -> HttpResponse:
    user = get_user_model().objects.get(username=request.GET.get("name", "ada"))
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse("in")


def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("out")


def end_others(request: HttpRequest) -> HttpResponse:
    inventory.end_others(request)
    return HttpResponse("ended")


def new_password(request: HttpRequest) -> HttpResponse:
    user = get_user_model().objects.get(username=request.user.get_username())
    user.set_password(request.GET["password"])
    user.save()
    update_session_auth_hash(request, user)
    return HttpResponse("changed")


urlpatterns = [
    path(view.__name__, view)
    for view in (
        *(
            ping,
            read,
            write,
            put,
            fill,
            names,
            who,
            greeting,
            redirecting,
            failing,
            crash,
            streaming,
        ),
        *(sign_in, sign_out, new_password, end_others, crash, aread),
    )
]
