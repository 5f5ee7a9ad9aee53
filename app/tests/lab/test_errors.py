"""The error pages: each with its status, in plain words, and without asking a store."""

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisConnectionError

from config import urls as config_urls
from tests.lab.visiting import STOCK, key_of, text_of

handler400 = config_urls.handler400
handler403 = config_urls.handler403
handler404 = config_urls.handler404
handler500 = config_urls.handler500


def fail(request: HttpRequest, kind: str) -> HttpResponse:
    """Raise what a view may raise."""
    raise {
        "mistake": ZeroDivisionError("secret detail"),
        "postgres": OperationalError("secret detail"),
        "redis": RedisConnectionError("secret detail"),
        "denied": PermissionDenied("secret detail"),
    }[kind]


urlpatterns = [*config_urls.urlpatterns, path("fail/<str:kind>/", fail)]


@pytest.fixture
def failing(visitor: Client, settings: Settings) -> Client:
    settings.ROOT_URLCONF = __name__
    visitor.raise_request_exception = False
    return visitor


def test_a_database_that_is_away_is_503(failing: Client) -> None:
    answer = failing.get("/fail/postgres/")
    assert (answer.status_code, "Retry-After" in answer) == (503, True)
    assert "secret detail" not in text_of(answer)
    says = "Back in a moment" if STOCK else "The database is away just now."
    assert says in text_of(answer)


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/fail/mistake/", 500, "Something went wrong"),
        ("/fail/redis/", 503, "Back in a moment"),
        ("/fail/denied/", 403, "This page is not yours to see"),
        ("/no-such-page/", 404, "There is no such page"),
    ],
)
def test_each_error_has_a_plain_page_that_gives_nothing_away(
    failing: Client, path: str, status: int, title: str
) -> None:
    # No database mark: a query would fail the test.
    answer = failing.get(path)
    assert answer.status_code == status
    page = text_of(answer)
    assert f"<h1>{title}</h1>" in page
    assert "secret detail" not in page
    assert path not in page
    assert "no-store" in answer["Cache-Control"]
    assert ("Retry-After" in answer) is (status == 503)
    assert not key_of(failing)


def test_a_bad_request_has_its_page(failing: Client) -> None:
    answer = failing.get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "This request can’t be read" in text_of(answer)
    assert "evil" not in text_of(answer)


@pytest.mark.django_db
def test_a_refused_form_names_the_reason(engine: str) -> None:
    strict = Client(
        enforce_csrf_checks=True,
        headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"},
    )
    answer = strict.post(
        "/values/", {"action": "flush"}, headers={"Referer": "https://www.example.org/"}
    )
    assert answer.status_code == 403
    assert "CSRF cookie not set." in text_of(answer)
    answer = strict.post(
        "/values/", {"action": "flush"}, headers={"Origin": "https://evil.example"}
    )
    assert "Origin checking failed" in text_of(answer)


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/values/", "/cart/", "/expiry/", "/compare/", "/accounts/login/"])
def test_every_form_asks_for_the_token(url: str, visitor: Client) -> None:
    strict = Client(
        enforce_csrf_checks=True,
        headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"},
    )
    assert strict.post(url, {}).status_code == 403
    page = text_of(visitor.get(url))
    assert page.count('method="post"') == page.count('name="csrfmiddlewaretoken"') > 0
    assert 'method="get"' not in page
