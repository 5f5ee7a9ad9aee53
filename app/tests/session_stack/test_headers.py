"""Headers of every answer; what a sign-out has the browser forget; answers to other sites."""

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

LAYERS = {
    "hardened": (
        "hardened_sessions.middleware.HardenedSessionMiddleware",
        "hardened_sessions.backends.db",
    ),
    "stock": (
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.sessions.backends.db",
    ),
}
COOKIE = "__Host-sessionid"


def own(request: HttpRequest) -> HttpResponse:
    """Answer with a policy of the view's own."""
    return HttpResponse(headers={"Cross-Origin-Resource-Policy": "cross-origin"})


def callback(request: HttpRequest) -> HttpResponse:
    """Write to the session, and sign in whom the query names."""
    request.session["state"] = "missing"
    if "user" in request.GET:
        request.session[SESSION_KEY] = request.GET["user"]
    return HttpResponse("called back")


callback.csrf_exempt = True  # type: ignore[attr-defined] # as such views are
urlpatterns = [path("own/", own), path("callback/", callback)]


@pytest.fixture(params=LAYERS)
def layer(request: pytest.FixtureRequest, settings: Settings) -> str:
    """Return each session layer in turn, in place."""
    middleware, engine = LAYERS[request.param]
    settings.SESSION_ENGINE = engine
    settings.MIDDLEWARE = [
        middleware if name in [m for m, _ in LAYERS.values()] else name
        for name in settings.MIDDLEWARE
    ]
    name: str = request.param
    return name


@pytest.mark.django_db
def test_every_answer_keeps_to_its_origin_unless_its_view_says_otherwise(
    client: Client, settings: Settings
) -> None:
    for page in ("/", "/no-such-page", "/static/icon.svg"):
        answer = client.get(page, secure=True)
        assert answer["Cross-Origin-Resource-Policy"] == "same-origin", page
        assert "Clear-Site-Data" not in answer
    settings.ROOT_URLCONF = __name__
    assert client.get("/own/", secure=True)["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.django_db
@pytest.mark.usefixtures("layer")
@pytest.mark.parametrize("page", ["/accounts/logout/", "/admin/logout/"])
def test_a_sign_out_has_the_browser_forget_pages_and_storage_but_no_cookie(
    client: Client, page: str
) -> None:
    client.force_login(User.objects.create_superuser("ada"))
    answer = client.post(page, secure=True)
    assert answer.status_code < 400
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert "Clear-Site-Data" not in client.get("/", secure=True)
    assert "Clear-Site-Data" not in client.post(page)  # not over http


OTHER_SITES = [
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://pay.example"}, "Lax"),
    ({"Origin": "https://pay.example"}, "Lax"),
    ({"Origin": "null"}, "Strict"),
]


@pytest.mark.django_db
@pytest.mark.usefixtures("layer")
@pytest.mark.parametrize("save_every_request", [False, True])
@pytest.mark.parametrize(("headers", "same_site"), OTHER_SITES)
def test_another_site_that_posts_back_replaces_nobodys_session(
    client: Client,
    settings: Settings,
    headers: dict[str, str],
    same_site: str,
    save_every_request: bool,
) -> None:
    settings.ROOT_URLCONF = __name__
    settings.SESSION_COOKIE_SAMESITE = same_site
    settings.SESSION_SAVE_EVERY_REQUEST = save_every_request
    answer = client.post("/callback/", headers=headers, secure=True)
    assert answer.content == b"called back"
    assert COOKIE not in answer.cookies
    # A sign-in is meant.
    assert COOKIE in client.post("/callback/?user=1", headers=headers, secure=True).cookies


@pytest.mark.django_db
@pytest.mark.usefixtures("layer")
@pytest.mark.parametrize(
    ("method", "headers", "same_site", "cookie"),
    [
        ("post", {"Sec-Fetch-Site": "same-origin", "Origin": "https://testserver"}, "Lax", True),
        ("post", {"Sec-Fetch-Site": "same-site", "Origin": "https://www.example"}, "Lax", True),
        ("post", {"Origin": "https://testserver"}, "Strict", True),
        ("post", {}, "Strict", True),
        ("post", {"Sec-Fetch-Site": "cross-site"}, "None", True),
        ("get", {"Sec-Fetch-Site": "cross-site"}, "Lax", True),
        ("get", {"Sec-Fetch-Site": "cross-site"}, "Strict", False),
    ],
)
def test_a_request_that_brings_all_cookies_starts_a_session(
    client: Client,
    settings: Settings,
    method: str,
    headers: dict[str, str],
    same_site: str,
    cookie: bool,
) -> None:
    settings.ROOT_URLCONF = __name__
    settings.SESSION_COOKIE_SAMESITE = same_site
    answer = getattr(client, method)("/callback/", headers=headers, secure=True)
    assert (COOKIE in answer.cookies) is cookie
    # Where a cookie came, the session is the visitor's, and stays.
    client.cookies.clear()
    client.post("/callback/?user=1", secure=True)
    key = client.cookies[COOKIE].value
    again = client.post("/callback/", headers=OTHER_SITES[0][0], secure=True)
    assert not again.cookies or again.cookies[COOKIE].value == key
