"""A session has a largest size: an error for the developer, a page for the visitor."""

import logging
import random
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from hardened_sessions.errors import SessionTooLargeError
from tests.hardened_sessions.conftest import (
    COOKIE,
    ENGINES,
    ON_SERVER,
    Browser,
    MakeSession,
    engines,
    saved,
)

LEAST = 4096
HEX = random.Random(0).randbytes(4).hex()
FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "as Django": {"KEYS": "read"},
    "encrypted": {"ENCRYPTION_KEYS": ["a1" * 32]},
}


@engines(*ON_SERVER)
@pytest.mark.parametrize("form", FORMS)
def test_what_would_be_too_large_is_refused_and_nothing_changes(
    store: MakeSession, engine: str, options: Callable[..., None], form: str
) -> None:
    options(MAX_BYTES=LEAST, **FORMS[form])
    session = saved(store, basket="x" * 2000, other=1)
    texts = ["x" * LEAST]
    if form == "encrypted":  # what that makes of it counts
        texts.append("x" * 3100)
    if (engine, form) != ("cache", "as Django"):  # escapes count, where they are stored
        texts.append("\u00e4" * (LEAST // 6))
    for text in texts:
        session["basket"] = text
        with pytest.raises(SessionTooLargeError, match=r"is 4,096; largest: basket \(") as error:
            session.save()
        assert text not in str(error.value)
    assert dict(store(session.session_key).items()) == {"basket": "x" * 2000, "other": 1}
    session["basket"] = "x" * (2900 if form == "encrypted" else 3900)
    session.save()
    options(MAX_BYTES=65_536, KEYS="hash", ENCRYPTION_KEYS=())


@engines(*ENGINES)
@pytest.mark.parametrize("now", ["", "&now"])
def test_the_visitor_gets_a_page_and_keeps_the_session(
    browser: Browser, engine: str, now: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    before = browser.cookie
    for visitor in (browser, Browser()):
        answer = visitor.get(f"/fill?bytes=60000{now}")
        assert (answer.status_code, answer["Content-Type"][:10]) == (413, "text/plain")
        assert answer["Cache-Control"] == "no-store"
        assert COOKIE not in answer.cookies
    assert browser.cookie == before
    assert browser.get("/who").content == b"ada"
    assert browser.get("/write").content == b"2"
    logged = [each for each in caplog.records if getattr(each, "event", "") == "too_large"]
    assert len(logged) == 2
    assert all(
        "basket (120,002)" in each.reason and HEX not in each.reason  # type: ignore[attr-defined]
        for each in logged
    )


@engines(*ON_SERVER)
def test_what_was_stored_before_stays_may_shrink_and_signs_in(
    store: MakeSession, options: Callable[..., None]
) -> None:
    get_user_model().objects.create_user("ada", password="p" * 20)
    session = saved(store, basket="x" * 9000, n=1)
    options(MAX_BYTES=LEAST)
    browser = Browser()
    browser.client.cookies[COOKIE] = session.session_key
    assert [browser.get("/write").content for _ in range(2)] == [b"2", b"3"]
    assert browser.get("/put?key=another").status_code == 413
    assert browser.get("/sign_in").status_code == 200
    assert browser.get("/who").content == b"ada"
    assert store(browser.cookie)["basket"] == "x" * 9000
    assert browser.get("/fill?bytes=3").status_code == 200
    assert browser.get("/fill?bytes=3000").status_code == 413
    options(MAX_BYTES=65_536)


@engines(*ON_SERVER)
@pytest.mark.parametrize("key", ["a" * 8, "a" * 31, "a" * 40, "A" * 32, "g" * 40])
def test_a_key_under_which_nobody_would_find_it_is_refused(store: MakeSession, key: str) -> None:
    session: Any = store(key)
    session._session_cache = {"a": 1}
    with pytest.raises(ValueError, match="has 32 characters of a-z and 0-9"):
        session.save(must_create=True)
    assert not store(key).exists(key)
