"""What the page says that Django says is what Django says."""

from pathlib import Path
from secrets import token_bytes

import pytest
from django.conf import LazySettings, settings
from django.contrib.sessions.backends import db, file, signed_cookies
from django.core.exceptions import ImproperlyConfigured
from django.db import ProgrammingError, connection, transaction
from django.test import Client
from django_redis import get_redis_connection

from lab.pitfalls import PITFALLS
from tests.lab.visiting import text_of

SAYS = {pitfall.slug: pitfall.django_says for pitfall in PITFALLS}


def words(slug: str) -> str:
    said = SAYS[slug]
    assert said
    return said


@pytest.mark.django_db
def test_each_pitfall_stands_on_the_page(visitor: Client) -> None:
    page = text_of(visitor.get("/pitfalls/"))
    for pitfall in PITFALLS:
        assert f'<h3 id="{pitfall.slug}">{pitfall.title}</h3>' in page
        assert pitfall.stack_does in page
        assert pitfall.django_says is None or f"<code>{pitfall.django_says}</code>" in page


def test_a_missing_key() -> None:
    lazy = LazySettings()
    lazy.configure(SECRET_KEY="")
    with pytest.raises(ImproperlyConfigured) as caught:
        _ = lazy.SECRET_KEY
    assert str(caught.value) == words("missing-key")


@pytest.mark.lesson(6)
@pytest.mark.django_db
def test_a_session_that_does_not_fit_into_a_cookie_is_saved_without_a_word() -> None:
    store = signed_cookies.SessionStore()
    store["blob"] = token_bytes(4000).hex()
    store.save()
    assert SAYS["too-large"] is None
    assert len(store.session_key or "") > 4096


@pytest.mark.lesson(4)
@pytest.mark.django_db
def test_a_forgotten_migration() -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE django_session")
        with pytest.raises(ProgrammingError) as caught, transaction.atomic():
            db.SessionStore("k" * 32).load()
        assert str(caught.value).splitlines()[0] == words("forgotten-migration")
        transaction.set_rollback(True)


@pytest.mark.lesson(26)
def test_a_folder_that_cannot_be_written(tmp_path: Path, use) -> None:
    use("file")
    store = file.SessionStore()
    store["a"] = 1
    store.save()
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError) as caught:
            file.SessionStore().create()
        assert str(caught.value).startswith(words("unwritable-folder"))
        # A change of an existing session is lost without a word.
        store["a"] = 2
        store.save()
        assert file.SessionStore(store.session_key)["a"] == 1
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.django_db
def test_a_flushed_redis_is_an_empty_session_and_a_deleted_cookie(visitor: Client, use) -> None:
    use("cache")
    visitor.get("/")
    get_redis_connection(settings.SESSION_CACHE_ALIAS).flushdb()
    assert SAYS["emptied-redis"] is None
    visitor.get("/values/")
    assert visitor.cookies[settings.SESSION_COOKIE_NAME].value == ""
