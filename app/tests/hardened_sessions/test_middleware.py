"""What the middleware makes of what a view did."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.urls import path
from pytest_django import Settings

from tests.hardened_sessions.conftest import (
    COOKIE,
    FOUND,
    Browser,
    MakeSession,
    engines,
    layers,
    saved,
)
from tests.hardened_sessions.urls import read, write

MIDDLEWARE = django_settings.MIDDLEWARE
FILE_ENGINE = "hardened_sessions.backends.file"


def delete(request: HttpRequest) -> HttpResponse:
    if "changed" in request.GET:
        request.session["n"] = 2
    if "loaded" in request.GET:
        request.session.get("n")
    request.session.delete(request.session.session_key if "key" in request.GET else None)
    if "again" in request.GET:
        request.session.modified = True
    return HttpResponse("deleted")


urlpatterns = [path("delete", delete), path("read", read), path("write", write)]


@layers()
@engines("db", "cached_db", "cache", "file")
@pytest.mark.parametrize(
    ("query", "every_request", "status"),
    [
        ("", False, 200),
        ("loaded", False, 200),
        ("loaded&again", False, 400),
        ("loaded&again&key", False, 400),
        ("changed", False, 400),
        ("loaded", True, 400),
    ],
)
def test_a_session_that_a_view_deleted_sets_no_cookie_of_a_dead_key(
    store: MakeSession, settings: Settings, query: str, every_request: bool, status: int
) -> None:
    settings.ROOT_URLCONF = __name__
    browser = Browser()
    browser.get("/write")
    settings.SESSION_SAVE_EVERY_REQUEST = every_request
    answer = browser.get(f"/delete?{query}")
    assert (answer.status_code, COOKIE in answer.cookies) == (status, False)
    settings.SESSION_SAVE_EVERY_REQUEST = False
    assert browser.get("/read").content == b"0"


@engines("db")
@pytest.mark.parametrize("domain", [None, "example.org"])
def test_the_old_cookie_is_deleted_with_the_domain_that_it_had(
    store: MakeSession, options: Callable[..., None], domain: str | None
) -> None:
    options(OLD_COOKIE_NAME="sessionid", OLD_COOKIE_DOMAIN=domain)
    browser = Browser()
    browser.client.cookies["sessionid"] = saved(store, n=1).session_key
    answer = browser.get("/read")
    assert answer.cookies["sessionid"]["domain"] == (domain or "")
    assert answer.cookies["sessionid"]["max-age"] == 0
    assert answer.cookies[COOKIE]["domain"] == ""


@layers()
@engines("file")
def test_files_that_are_called_after_the_old_cookie_are_taken_over_and_cleared(
    store: MakeSession,
    layer: str,
    settings: Settings,
    options: Callable[..., None],
    tmp_path: Path,
) -> None:
    """`layer` is the one that wrote them; Django's own calls them after the cookie as well."""
    settings.SESSION_COOKIE_NAME = "sessionid"
    live, expired = saved(store, n=5).session_key, store()
    expired["n"] = 6
    expired.set_expiry(-10)
    expired.save()
    settings.SESSION_COOKIE_NAME, settings.SESSION_ENGINE = COOKIE, FILE_ENGINE
    options(OLD_COOKIE_NAME="sessionid", **FOUND)
    browser = Browser()
    browser.client.cookies["sessionid"] = live
    settings.MIDDLEWARE = MIDDLEWARE
    assert browser.get("/read").content == b"5"
    assert browser.get("/read").content == b"5"
    import_module(FILE_ENGINE).SessionStore.clear_expired()
    left = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert not [name for name in left if name.startswith("sessionid")]
    # The session, the pointer of its former key, and what Django's own engine keeps for its age.
    assert len(left) == (2 if layer == "hardened" else 3)
