"""A request on its way through this site's own middleware, and through one in a wrong order.

Nothing leaves the process: the request is made here and answered by a view of three lines.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils.module_loading import import_string

type Handler = Callable[[HttpRequest], HttpResponse]

SESSIONS = ("SessionMiddleware", "HardenedSessionMiddleware")
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"

# What those of other projects do, as far as it concerns a session; the rest have a docstring.
WORDS = {
    "SecurityMiddleware": "Redirects http to https, and sets HSTS and other headers.",
    "WhiteNoiseMiddleware": "Answers for style sheets, scripts and pictures.",
    "ContentSecurityPolicyMiddleware": "Sets the Content-Security-Policy header.",
    "SessionMiddleware": "Gives the request its session; saves it and sets its cookie.",
    "CommonMiddleware": "Adds the slash that an address lacks.",
    "CsrfViewMiddleware": "Refuses a form that another site sent.",
    "AuthenticationMiddleware": "Finds the user by what the session holds.",
    "MessageMiddleware": "Keeps messages in the session until a page shows them.",
    "XFrameOptionsMiddleware": "Forbids other sites to frame the page.",
}

STEPS = "_journey"  # of a request, by the middleware's names


@dataclass(slots=True)
class Step:
    """One middleware on the way."""

    name: str
    does: str
    adds_to_request: list[str] = field(default_factory=list)
    adds_to_response: list[str] = field(default_factory=list)
    reached: bool = False
    attributes_before: set[str] = field(default_factory=set)  # of the request
    headers_before: set[str] = field(default_factory=set)  # of the response


@dataclass(frozen=True, slots=True)
class Journey:
    """The way of one request; `error` says what stopped it."""

    steps: list[Step]
    error: str = ""


def view(request: HttpRequest) -> HttpResponse:
    """Answer as a page that asks who the visitor is."""
    return HttpResponse(f"Hello {request.user}, cart: {request.session.get('cart')}")


def wrong_order() -> list[str]:
    """Return the site's list with authentication directly above the session middleware."""
    order = [name for name in settings.MIDDLEWARE if name != AUTHENTICATION]
    session = next(name for name in order if name.rpartition(".")[2] in SESSIONS)
    order.insert(order.index(session), AUTHENTICATION)
    return order


def travel(order: Sequence[str], cookies: dict[str, str]) -> Journey:
    """Send a request through middleware in an order and return what each one did.

    Args:
        order: dotted names, the outermost first, as in the setting MIDDLEWARE.
        cookies: what the browser sent; the request only reads.
    """
    request = RequestFactory(headers={"host": settings.ALLOWED_HOSTS[0]}).get(
        "/middleware/", secure=True
    )
    request.META["HTTP_X_FORWARDED_PROTO"] = "https"
    request.COOKIES = dict(cookies)
    handler, passed = chain(tuple(order))
    steps = {name: Step(name, does) for name, does in passed}
    vars(request)[STEPS] = steps
    try:
        handler(request)
    except ImproperlyConfigured as error:
        return Journey([*steps.values()], str(error))
    return Journey([*steps.values()])


@cache
def chain(order: tuple[str, ...]) -> tuple[Handler, tuple[tuple[str, str], ...]]:
    """Return the middleware in an order around the view, and each one's name and what it does.

    Made once, as a server does: WhiteNoise looks up every static file when it is made.
    """
    handler: Handler = view
    passed: list[tuple[str, str]] = []
    for name in reversed(order):
        try:
            handler, does = recorded(name, handler)
        except MiddlewareNotUsed:
            continue
        passed.insert(0, (name, does))
    return handler, tuple(passed)


def recorded(name: str, inner: Handler) -> tuple[Handler, str]:
    """Return the middleware around `inner`, noting what it adds, and what it does in words."""
    middleware = import_string(name)

    def enter(request: HttpRequest) -> HttpResponse:
        step = step_of(request)
        step.reached = True
        step.attributes_before = set(vars(request))
        response = outer(request)
        step.adds_to_response = sorted(set(response.headers) - step.headers_before)
        return response

    def pass_on(request: HttpRequest) -> HttpResponse:
        step = step_of(request)
        step.adds_to_request = sorted(
            name
            for name in set(vars(request)) - step.attributes_before
            # Not what Django works out and keeps when somebody first asks, such as `headers`.
            if not name.startswith("_") and not hasattr(HttpRequest, name)
        )
        response = inner(request)
        step.headers_before = set(response.headers)
        return response

    def step_of(request: HttpRequest) -> Step:
        steps: dict[str, Step] = vars(request)[STEPS]
        return steps[name]

    outer: Handler = middleware(pass_on)
    return enter, WORDS.get(middleware.__name__) or first_line(middleware)


def first_line(middleware: type) -> str:
    """Return what a middleware says of itself."""
    return (middleware.__doc__ or "").strip().partition("\n")[0].replace("`", "")
