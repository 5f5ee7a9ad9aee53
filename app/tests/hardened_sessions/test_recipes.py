"""What people are told to do with Django's sessions, word for word: it works, or says why not."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    user_logged_in,
)
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from hardened_sessions.middleware import HardenedSessionMiddleware
from hardened_sessions.revocation.feed import feed
from tests.hardened_sessions.conftest import COOKIE, Browser, engines

pytestmark = engines("db", "cached_db")

type Recipe = Callable[[Browser, Browser], None]


def store_class() -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore


def ada() -> Any:
    return get_user_model().objects.get(username="ada")


def users(browser: Browser) -> str:
    """Return who the browser is, once the process has heard of what was deleted."""
    feed().forget()
    name: str = browser.get("/who").content.decode()
    return name


def rows_of(user: Any) -> list[Session]:
    rows = Session.objects.filter(expire_date__gte=timezone.now())
    return [row for row in rows if row.get_decoded().get(SESSION_KEY) == str(user.pk)]


# --- Ending sessions ------------------------------------------------------------------------------


def everybody_out(one: Browser, other: Browser) -> None:
    Session.objects.all().delete()
    assert (users(one), users(other)) == ("nobody", "nobody")


def a_users_rows(one: Browser, other: Browser) -> None:
    for row in rows_of(ada()):
        row.delete()
    assert (users(one), users(other)) == ("nobody", "nobody")


def a_users_rows_by_a_store(one: Browser, other: Browser) -> None:
    for row in rows_of(ada()):
        store_class()(row.session_key).delete()
    assert (users(one), users(other)) == ("nobody", "nobody")


def a_users_rows_by_flush(one: Browser, other: Browser) -> None:
    for row in rows_of(ada()):
        store_class()(session_key=row.session_key).flush()
    assert (users(one), users(other)) == ("nobody", "nobody")


def all_but_mine(one: Browser, other: Browser) -> None:
    names = [row.pk for row in rows_of(ada())]
    Session.objects.filter(pk__in=names).exclude(session_key=one.cookie).delete()
    assert (users(one), users(other)) == ("ada", "nobody")


def one_by_its_key(one: Browser, other: Browser) -> None:
    Session.objects.get(pk=other.cookie).delete()
    assert (users(one), users(other)) == ("ada", "nobody")


def some_by_their_keys(one: Browser, other: Browser) -> None:
    Session.objects.filter(session_key__in=[other.cookie, "0" * 32]).delete()
    assert (users(one), users(other)) == ("ada", "nobody")


def by_an_update(one: Browser, other: Browser) -> None:
    past = timezone.now() - timedelta(days=1)
    Session.objects.filter(session_key=other.cookie).update(expire_date=past)
    assert (users(one), users(other)) == ("ada", "nobody")


def one_session_a_user(one: Browser, other: Browser) -> None:
    kept: dict[Any, str] = {}

    def only(request: Any, user: Any, **kwargs: Any) -> None:
        Session.objects.filter(session_key=kept.get(user.pk)).delete()
        kept[user.pk] = request.session.session_key

    user_logged_in.connect(only)
    try:
        for browser in (one, other, one):
            assert browser.get("/sign_in").status_code == 200
    finally:
        user_logged_in.disconnect(only)
    assert kept[ada().pk] == one.cookie
    assert (users(one), users(other)) == ("ada", "nobody")


# --- Making and changing them ---------------------------------------------------------------------


def outside_of_views(one: Browser, other: Browser) -> None:
    session = store_class()()
    session["last_login"] = 1376587691
    session.create()
    assert store_class()(session_key=session.session_key)["last_login"] == 1376587691
    assert store_class()().exists(session.session_key)


def a_cookie_for_selenium(one: Browser, other: Browser) -> None:
    session, user = store_class()(), ada()
    session[SESSION_KEY] = user.pk
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    one.client.cookies[COOKIE] = session.session_key
    assert users(one) == "ada"


def a_request_of_a_factory(one: Browser, other: Browser) -> None:
    request = RequestFactory().get("/")
    HardenedSessionMiddleware(lambda request: HttpResponse()).process_request(request)
    request.session["cart"] = 1
    request.session.save()
    assert store_class()(request.session.session_key)["cart"] == 1


def the_test_clients_own(one: Browser, other: Browser) -> None:
    client = Client()
    for _ in range(2):
        client.force_login(ada(), backend="django.contrib.auth.backends.ModelBackend")
    session = client.session
    session["n"] = 41
    session.save()
    assert client.get("/write", secure=True).content == b"42"
    client.logout()
    assert client.get("/who", secure=True).content == b"nobody"


def changed_by_its_key(one: Browser, other: Browser) -> None:
    session = store_class()(one.cookie)
    session["n"] = 41
    session.save()
    feed().forget()
    assert one.get("/write").content == b"42"


def in_a_transaction(one: Browser, other: Browser) -> None:
    with transaction.atomic():
        session = store_class()(one.cookie)
        session["n"] = 41
        session.save()
        Session.objects.filter(session_key=other.cookie).delete()
    assert one.get("/write").content == b"42"
    assert users(other) == "nobody"


def by_the_manager(one: Browser, other: Browser) -> None:
    data, at = {"n": 41}, timezone.now() + timedelta(hours=1)
    Session.objects.save("k" * 32, data, at)
    one.client.cookies[COOKIE] = "k" * 32
    assert one.get("/write").content == b"42"


def an_expiry_of_a_row(one: Browser, other: Browser) -> None:
    row = Session.objects.get(session_key=one.cookie)
    assert row.expire_date > timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE - 60)
    assert row.get_decoded()[SESSION_KEY] == str(ada().pk)


# --- What can't be, and says so -------------------------------------------------------------------


def a_save_by_a_rows_name(one: Browser, other: Browser) -> None:
    session = store_class()(Session.objects.get(pk=one.cookie).session_key)
    session["n"] = 1
    with pytest.raises(ValueError, match="name, not a key"):
        session.save()


def a_key_of_ones_own(one: Browser, other: Browser) -> None:
    with pytest.raises(ValueError, match="32 characters"):
        store_class()("my-own-key").save(must_create=True)


RECIPES: list[Recipe] = [
    *(everybody_out, a_users_rows, a_users_rows_by_a_store, a_users_rows_by_flush, all_but_mine),
    *(one_by_its_key, some_by_their_keys, by_an_update, one_session_a_user, outside_of_views),
    *(a_cookie_for_selenium, a_request_of_a_factory, the_test_clients_own, changed_by_its_key),
    *(in_a_transaction, by_the_manager, an_expiry_of_a_row),
    *(a_save_by_a_rows_name, a_key_of_ones_own),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.__name__)
def test_a_recipe_does_what_it_says(browser: Browser, recipe: Recipe) -> None:
    other = Browser()
    assert other.get("/sign_in").status_code == 200
    assert users(other) == "ada"
    recipe(browser, other)
