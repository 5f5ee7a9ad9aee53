"""The page of cookies and headers says what is really sent."""

import re
from dataclasses import replace

import pytest
from django.conf import settings
from django.test import Client

from lab.headers import HEADERS, SESSION_COOKIE
from lab.over_http import FINDINGS, LOCAL, address, finding
from tests.lab.visiting import key_of, text_of

pytestmark = pytest.mark.django_db


def test_every_header_that_is_sent_has_its_reason(visitor: Client) -> None:
    answer = visitor.get("/cookies/")
    page = text_of(answer)
    sent = set(answer.headers) - {"Content-Length"}
    assert sent <= set(HEADERS)
    shown = dict(
        re.findall(r'data-header="([A-Za-z-]+)">.*?class="value">(.*?)</code>', page, re.DOTALL)
    )
    for name in sent:
        assert shown[name] == answer[name]


def test_every_attribute_of_the_session_cookie_has_its_reason(visitor: Client) -> None:
    visitor.get("/")
    line = visitor.cookies[settings.SESSION_COOKIE_NAME].OutputString()
    for part in line.split("; ")[1:]:
        if not part.startswith("expires"):
            assert part in SESSION_COOKIE or part.split("=")[0] in SESSION_COOKIE
    assert line.startswith("__Host-")


def test_hsts_is_explained_where_it_is_sent_and_where_it_is_not(visitor: Client, settings) -> None:
    assert 'data-header="Strict-Transport-Security"' in text_of(visitor.get("/cookies/"))
    settings.SECURE_HSTS_SECONDS = 0
    without = Client(headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"})
    page = text_of(without.get("/cookies/"))
    assert 'data-header="Strict-Transport-Security"' not in page
    assert "is not among them" in page


def test_the_length_is_the_length_of_what_was_filled_in(visitor: Client) -> None:
    for path in ("/cookies/", "/", "/values/"):
        answer = visitor.get(path)
        assert int(answer["Content-Length"]) == len(answer.content)
        assert b"<!--" not in answer.content


def test_a_cookie_that_is_set_is_shown_without_its_value(visitor: Client) -> None:
    page = text_of(visitor.get("/"))
    assert f"__Host-sessionid={key_of(visitor)[:8]}…; " in page
    assert key_of(visitor) not in page


def test_what_the_page_says_of_other_names_holds(visitor: Client) -> None:
    assert "dropped before anything reads it" in text_of(visitor.get("/cookies/"))
    visitor.get("/")
    planted = f"\xe2\x80\x80{settings.SESSION_COOKIE_NAME}={key_of(visitor)}"
    answer = visitor.get("/", headers={"Cookie": planted})
    assert answer.context["visits"] == 1


@pytest.mark.parametrize("word", ["none", "other", "site", "https", "anything else"])
def test_what_came_over_http_is_said_in_words(visitor: Client, settings, word: str) -> None:
    settings.ENV = replace(settings.ENV, http_port=8080)
    page = text_of(visitor.get("/cookies/", {"over-http": word}))
    assert 'href="http://www.example.org:8080/cookies/over-http/"' in page
    assert [found.says for found in FINDINGS.values() if found.says in page] == (
        [FINDINGS[word].says] if word in FINDINGS else []
    )
    settings.ENV = replace(settings.ENV, domain="localhost", http_port=80)
    assert address() == "http://localhost/cookies/over-http/"
    found = finding(word)
    assert found == (LOCAL if word == "site" else FINDINGS.get(word))


def test_a_browser_that_asks_over_https_in_its_place_is_told_so(visitor: Client) -> None:
    assert visitor.get("/cookies/over-http/")["Location"] == "/cookies/?over-http=https"
