"""When a session ends: the choices, the cookie, and whether the server lets go."""

import time
from datetime import timedelta
from http.cookies import Morsel
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from lab.cookie import UNTIL_BROWSER_CLOSES, attributes
from lab.witness import COOKIE as WITNESS
from session_stack.env import COOKIE_AGE_MAX_SECONDS
from session_stack.layers import engines, session_class
from tests.lab.visiting import STOCK, contents, key_of, stored, text_of

ENGINES = engines("hardened")

pytestmark = pytest.mark.django_db

# Which engines let go of a session after set_expiry(seconds).
HOLDS = {"db", "cached_db", "cache"} if STOCK else set(ENGINES)


def choose(visitor: Client, choice: str, seconds: object = "", date: str = "") -> str:
    form = {"choice": choice, "seconds": str(seconds), "date": date}
    answer = visitor.post("/expiry/", form)
    assert answer.status_code == 200
    return text_of(answer)


def cookie(visitor: Client) -> "Morsel[str]":
    return visitor.cookies[settings.SESSION_COOKIE_NAME]


@pytest.mark.parametrize(
    ("choice", "seconds", "max_age"),
    [
        ("default", "", settings.SESSION_COOKIE_AGE),
        ("browser", "", ""),
        ("seconds", 90, 90),
        ("both", 3600, ""),
    ],
)
def test_each_choice_sets_the_cookie_that_it_speaks_of(
    engine: str, visitor: Client, choice: str, seconds: object, max_age: object
) -> None:
    page = choose(visitor, choice, seconds)
    assert cookie(visitor)["max-age"] == max_age
    assert bool(cookie(visitor)["expires"]) is bool(max_age)
    line = page.split("data-set-cookie>")[1].split("</code>")[0]
    assert (f"Max-Age={max_age}" in line) is bool(max_age)
    assert ("ends <strong>when the browser closes" in page.lower()) is not bool(max_age)


@pytest.mark.lesson(13)
def test_browser_close_and_an_hour_is_an_hour_on_the_server(engine: str, visitor: Client) -> None:
    choose(visitor, "both", 3600)
    store = session_class(engine)(key_of(visitor))
    assert 3590 <= store.get_expiry_age() <= 3600
    # Later changes keep both.
    visitor.get("/")
    assert cookie(visitor)["max-age"] == ""
    choose(visitor, "default")
    assert cookie(visitor)["max-age"] == settings.SESSION_COOKIE_AGE
    assert contents(visitor)[UNTIL_BROWSER_CLOSES] is False


def test_a_date_is_the_end_on_the_server(engine: str, visitor: Client) -> None:
    ends = (timezone.now() + timedelta(days=3)).replace(second=0, microsecond=0)
    page = choose(visitor, "date", date=ends.strftime("%Y-%m-%dT%H:%M"))
    assert session_class(engine)(key_of(visitor)).get_expiry_date() == ends
    assert f'data-countdown="{int(ends.timestamp())}"' in page


def wrong_dates() -> dict[str, str]:
    now = timezone.now()
    return {
        "past": (now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M"),
        "far": (now + timedelta(days=401)).strftime("%Y-%m-%dT%H:%M"),
        "no date": "tomorrow",
        "a day that is none": "2026-02-31T00:00",
        "missing": "",
    }


@pytest.mark.parametrize("case", wrong_dates())
def test_a_wrong_date_is_said_beside_the_field(visitor: Client, case: str) -> None:
    page = choose(visitor, "date", date=wrong_dates()[case])
    assert 'id="id_date_error"' in page
    assert wrong_dates()[case] in page.split('id="id_date"')[0].rsplit("<input", 1)[1] or not case
    assert not key_of(visitor)


@pytest.mark.parametrize("choice", ["seconds", "both"])
@pytest.mark.parametrize("seconds", ["0", "-1", "1.5", "soon", "", str(COOKIE_AGE_MAX_SECONDS + 1)])
def test_wrong_seconds_are_said_beside_the_field(
    visitor: Client, choice: str, seconds: str
) -> None:
    page = choose(visitor, choice, seconds)
    assert 'id="id_seconds_error"' in page
    field = page.split('id="id_seconds"')[0].rsplit("<input", 1)[1]
    assert f'value="{seconds}"' in field or not seconds
    assert not key_of(visitor)


def test_an_unknown_choice_is_said_beside_the_choices(visitor: Client) -> None:
    assert "id_choice_error" in choose(visitor, "never")
    assert not key_of(visitor)


def test_the_server_is_asked_with_a_cookie_that_outlives_its_session(
    engine: str, visitor: Client
) -> None:
    choose(visitor, "seconds", 1)
    assert visitor.cookies[WITNESS]["httponly"]
    assert visitor.cookies[WITNESS]["secure"]
    assert 590 <= visitor.cookies[WITNESS]["max-age"] <= 601
    assert 'data-witness="accepted"' in text_of(visitor.get("/expiry/"))
    time.sleep(2.1)  # the hardened layer rounds up to a whole second
    page = text_of(visitor.get("/expiry/"))
    if engine in HOLDS:
        assert 'data-witness="refused"' in page
    else:
        assert 'data-witness="accepted"' in page
        assert "it does not keep to this expiry" in page


@pytest.mark.skipif(not STOCK, reason="Django's own engine makes a file of an expired one")
def test_an_expired_file_is_refused_and_asking_makes_no_new_one(use, visitor: Client) -> None:
    use("file")
    ends = (timezone.now() + timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M")
    choose(visitor, "date", date=ends)
    store = session_class("file")
    for file in Path(settings.SESSION_FILE_PATH).iterdir():
        past = (timezone.now() - timedelta(minutes=1)).isoformat()
        data = store().decode(file.read_text())
        file.write_text(store().encode(data | {"_session_expiry": past}))
    visitor.cookies.pop(settings.SESSION_COOKIE_NAME)
    assert 'data-witness="refused"' in text_of(visitor.get("/expiry/"))
    assert stored()[2] == 1  # the visitor's own; the witness's is gone, and none came instead


def test_a_new_choice_ends_the_former_witness(engine: str, visitor: Client) -> None:
    choose(visitor, "seconds", 500)
    before = stored()
    choose(visitor, "seconds", 600)
    assert stored() == before
    choose(visitor, "default")
    assert not visitor.cookies[WITNESS].value


@pytest.mark.parametrize("value", ["", "x", "a:b:c", "é" * 9])
def test_a_forged_witness_is_no_witness(visitor: Client, value: str) -> None:
    visitor.cookies[WITNESS] = value
    assert "data-witness" not in text_of(visitor.get("/expiry/"))


def test_the_attributes_shown_are_the_attributes_sent(engine: str, visitor: Client) -> None:
    for choice in ("default", "browser", "both"):
        choose(visitor, choice, 60)
        sent = {
            name.title().replace("Httponly", "HttpOnly").replace("Samesite", "SameSite"): value
            for name, value in cookie(visitor).items()
            if value and name not in ("expires", "comment", "version")
        }
        shown = dict(attributes(session_class(engine)(key_of(visitor))))
        assert set(shown) == set(sent)
        assert shown["SameSite"] == sent["SameSite"]
        assert shown["Path"] == sent["Path"]
        assert shown.get("Max-Age", "") == str(sent.get("Max-Age", ""))
