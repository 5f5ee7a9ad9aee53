"""Code of other people that reaches sessions through Django's model, by the keys that it knows."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection, models
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone
from pytest_django import Settings

from hardened_sessions.format import keys
from hardened_sessions.middleware import HardenedSessionMiddleware
from tests.hardened_sessions.conftest import COOKIE, FOUND, MakeSession


@pytest.fixture(params=["db", "cached_db"])
def engine(request: pytest.FixtureRequest) -> str:
    word: str = request.param
    return word


@pytest.fixture(params=["none", "a" * 64], ids=["clear", "encrypted"])
def _encryption(request: pytest.FixtureRequest, settings: Settings) -> None:
    if request.param != "none":
        settings.HARDENED_SESSIONS = {"ENCRYPTION_KEYS": (request.param,)}


def made(store: MakeSession, **data: Any) -> Any:
    session = store()
    session.update(data)
    session.save()
    return session


LOOKUPS: dict[str, Callable[[str], Any]] = {
    "session_key": lambda key: Session.objects.filter(session_key=key),
    "pk": lambda key: Session.objects.filter(pk=key),
    "exact": lambda key: Session.objects.filter(session_key__exact=key),
    "in": lambda key: Session.objects.filter(session_key__in=[key, "b" * 32]),
    "pk in": lambda key: Session.objects.filter(pk__in=(key,)),
    "expression": lambda key: Session.objects.filter(
        session_key__in=Session.objects.filter(session_key=key)
    ),
}


@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.parametrize("form", ["key", "name"])
def test_a_row_is_found_by_its_key_and_by_its_name(
    store: MakeSession, lookup: str, form: str
) -> None:
    session, other = made(store, cat="Tom"), made(store, cat="Felix")
    value = session.session_key if form == "key" else keys.hashed(session.session_key)
    (row,) = LOOKUPS[lookup](value)
    assert row.session_key == keys.hashed(session.session_key)
    assert row.get_decoded() == {"cat": "Tom"}
    (left,) = Session.objects.exclude(session_key=value)
    assert left.get_decoded() == {"cat": "Felix"}
    assert other.session_key not in (value, left.session_key)
    assert Session.objects.get(pk=value) == row
    assert Session.objects.in_bulk([value]) == {row.pk: row}


@pytest.mark.parametrize("lookup", [name for name in LOOKUPS if name != "expression"])
def test_during_grace_a_row_by_django_is_found_too(
    store: MakeSession, lookup: str, settings: Settings
) -> None:
    settings.HARDENED_SESSIONS = {"KEYS": "read"}
    key = made(store, cat="Tom").session_key
    settings.HARDENED_SESSIONS = FOUND
    (row,) = LOOKUPS[lookup](key)
    assert row.session_key == key
    assert LOOKUPS[lookup](key).delete()[0] == 1
    assert not store().exists(key)


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_deleting_a_row_by_key_ends_the_session(store: MakeSession, lookup: str) -> None:
    session = made(store, cat="Tom")
    LOOKUPS[lookup](session.session_key).delete()
    assert not Session.objects.exists()


@pytest.mark.parametrize("end", ["delete", "flush"])
def test_a_store_of_a_rows_name_ends_its_session(store: MakeSession, end: str) -> None:
    sessions = [made(store, cat="Tom"), made(store, cat="Felix")]
    for row in Session.objects.all():
        getattr(store(row.session_key), end)()
    assert not Session.objects.exists()
    assert not any(store().exists(session.session_key) for session in sessions)


def test_a_name_opens_nothing_and_saves_nothing(store: MakeSession) -> None:
    session = made(store, cat="Tom")
    by_name = store(keys.hashed(session.session_key))
    assert dict(by_name.items()) == {}
    by_name["cat"] = "Felix"
    with pytest.raises(ValueError, match="a stored session's name, not a key"):
        by_name.save()
    assert Session.objects.count() == 1
    assert store(session.session_key)["cat"] == "Tom"


@pytest.mark.lesson(39)
@pytest.mark.usefixtures("_encryption")
def test_get_decoded_shows_the_visitors_own_data(store: MakeSession) -> None:
    session = made(store, cat="Tom", lives=9)
    assert Session.objects.get(pk=session.session_key).get_decoded() == {"cat": "Tom", "lives": 9}
    session.cycle_key()
    decoded = [row.get_decoded() for row in Session.objects.all()]
    assert [data for data in decoded if data] == [{"cat": "Tom", "lives": 9}]


def test_what_django_saves_by_key_is_the_visitors_session(store: MakeSession) -> None:
    key = "c" * 32
    Session.objects.save(key, {"cat": "Tom"}, timezone.now() + timedelta(hours=1))
    assert store(key)["cat"] == "Tom"
    assert Session.objects.get(pk=key).session_key == keys.hashed(key)


@pytest.mark.parametrize("setting", [{"KEYS": "read"}, {}], ids=["read", "other engine"])
def test_elsewhere_the_field_is_djangos_own(
    store: MakeSession, settings: Settings, setting: dict[str, str]
) -> None:
    settings.HARDENED_SESSIONS = setting
    if not setting:
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    key = "d" * 32
    Session.objects.save(key, {"cat": "Tom"}, timezone.now() + timedelta(hours=1))
    assert Session.objects.get(session_key=key).session_key == key
    assert not Session.objects.filter(session_key=keys.hashed(key)).exists()


def test_no_migration_differs() -> None:
    call_command("makemigrations", "--check", "--dry-run", stdout=StringIO())


# --- Foreign keys ---------------------------------------------------------------------------------


@pytest.fixture
def visit_model(store: MakeSession) -> Iterator[Any]:
    """Return a model of another app that refers to sessions, as long as the test runs."""

    class Visit(models.Model):
        session = models.ForeignKey(Session, on_delete=models.CASCADE, null=True)

        class Meta:
            app_label = "hardened_sessions"

        def __str__(self) -> str:
            return f"visit {self.pk}"

    with connection.schema_editor() as editor:
        editor.create_model(Visit)
    yield Visit
    with connection.schema_editor() as editor:
        editor.delete_model(Visit)
    del apps.all_models["hardened_sessions"]["visit"]
    apps.clear_cache()


def test_what_refers_to_a_session_by_its_key_goes_with_it(
    store: MakeSession, visit_model: Any
) -> None:
    session, other = made(store, cat="Tom"), made(store, cat="Felix")
    for one in (session, other):
        visit_model.objects.create(session_id=one.session_key)
    visit = visit_model.objects.get(session_id=session.session_key)
    assert visit.session.get_decoded() == {"cat": "Tom"}
    assert visit_model.objects.get(session__session_key=session.session_key) == visit
    session.flush()
    (left,) = visit_model.objects.all()
    assert left.session_id == keys.hashed(other.session_key)
    assert not Session.objects.filter(pk=session.session_key).exists()


def test_clearing_takes_what_refers_to_expired_sessions_along(
    store: MakeSession, visit_model: Any
) -> None:
    old, new = made(store, cat="Tom"), made(store, cat="Felix")
    for one in (old, new):
        visit_model.objects.create(session_id=one.session_key)
    past = timezone.now() - timedelta(days=1)
    Session.objects.filter(pk=old.session_key).update(expire_date=past)
    store.clear_expired()  # type: ignore[attr-defined]
    (left,) = visit_model.objects.all()
    assert left.session_id == Session.objects.get().pk == keys.hashed(new.session_key)


@pytest.mark.parametrize("renames", ["rehash_sessions", "save", "cycle_key"])
def test_what_refers_to_a_session_follows_its_new_name(
    store: MakeSession, visit_model: Any, settings: Settings, renames: str
) -> None:
    settings.HARDENED_SESSIONS = {"KEYS": "read"}
    key = made(store, cat="Tom").session_key
    visit_model.objects.create(session_id=key)
    settings.HARDENED_SESSIONS = FOUND
    if renames == "rehash_sessions":
        call_command(renames, verbosity=0, stdout=StringIO())
    else:
        session = store(key)
        session["cat"] = "Felix"
        getattr(session, renames)()
    assert visit_model.objects.get().session_id == keys.hashed(key)


# --- Other recipes --------------------------------------------------------------------------------


def test_a_row_whose_expiry_is_put_into_the_past_is_no_session(store: MakeSession) -> None:
    session = made(store, cat="Tom")
    past = timezone.now() - timedelta(seconds=5)
    Session.objects.filter(pk=session.session_key).update(expire_date=past)
    found: Any = store(session.session_key)
    assert found.find(fresh=True) is None


def test_a_cookie_with_a_stored_name_ends_nothing(store: MakeSession) -> None:
    session = made(store, cat="Tom")
    request = RequestFactory().get("/", secure=True)
    request.COOKIES[COOKIE] = keys.hashed(session.session_key)

    def view(request: Any) -> HttpResponse:
        request.session.flush()
        return HttpResponse()

    HardenedSessionMiddleware(view)(request)
    assert store(session.session_key)["cat"] == "Tom"
