"""What holds for every page, on every engine."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver, reverse

from lab.pages import GROUPS
from tests.lab.visiting import PASSWORD, key_of, stored, text_of

pytestmark = pytest.mark.django_db

PAGES = [page for pages in GROUPS.values() for page in pages]
PATHS = {page.name: reverse(page.name) for page in PAGES}
TITLES = {page.name: page.title for page in PAGES}


def sign_in(visitor: Client) -> None:
    form = {"username": "ada", "password": PASSWORD}
    assert visitor.post("/accounts/login/", form).status_code == 302


def test_all_pages_are_in_the_navigation_of_each(engine: str, visitor: Client, ada: object) -> None:
    sign_in(visitor)
    for name, path in PATHS.items():
        answer = visitor.get(path)
        assert answer.status_code == 200
        page = text_of(answer)
        for linked in PATHS.values():
            assert f'<a href="{linked}"' in page
        assert re.search(rf'aria-current="page">{TITLES[name]}<', page)


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signed-out/"])
def test_signing_in_and_out_are_part_of_the_account_page(visitor: Client, path: str) -> None:
    page = text_of(visitor.get(path))
    assert page.count("aria-current") == 1
    assert 'aria-current="page">Account<' in page


def test_no_page_needs_more_than_five_queries(engine: str, visitor: Client, ada: object) -> None:
    sign_in(visitor)
    visitor.post("/cart/", {"action": "add", "product": first_product(visitor), "quantity": 2})
    counts = {}
    for name, path in PATHS.items():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert visitor.get(path).status_code == 200
        # Transactions of the test itself are no statements of the page's.
        sql = [q["sql"] for q in queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))]
        counts[name] = len(sql)
    assert max(counts.values()) <= 5, counts
    assert counts["account"] >= 1


def test_what_only_teaches_costs_one_load_of_the_session(use: Any, visitor: Client) -> None:
    use("db")
    visitor.get("/")
    # What these show of a store, or write, is what they are for.
    others = {"home", "cart", "account", "inspector", "middleware"}
    teaching = {name: path for name, path in PATHS.items() if name not in others}
    assert len(teaching) > 10
    for name, path in [*teaching.items(), ("robots", "/robots.txt"), ("icon", "/favicon.ico")]:
        with CaptureQueriesContext(connection) as queries:
            visitor.get(path)
        assert len(queries) == (name in teaching), path


def first_product(visitor: Client) -> str:
    match = re.search(r'name="product" value="(\d+)"', text_of(visitor.get("/cart/")))
    assert match
    return match[1]


def test_nothing_stands_inline_that_the_policy_would_block(engine: str, visitor: Client) -> None:
    for path in [*PATHS.values(), "/accounts/login/", "/accounts/signed-out/", "/no-such-page/"]:
        page = text_of(visitor.get(path))
        assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", page), path
        assert not re.search(r"<script(?![^>]* src=)|<style", page), path
        # To the site itself over plain http: /cookies/ has a link that asks what it gets.
        assert not re.search(r"(src|href)=\"(https?:)?//(?!www\.example\.org/)", page), path


def test_the_policy_allows_nothing_inline(visitor: Client) -> None:
    policy = visitor.get("/compare/")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-" not in policy
    assert "nonce-" not in policy


def addresses(patterns: list[Any], before: str = "/") -> Iterator[str]:
    """Return every address below some patterns; what may be anything in one is 1."""
    for pattern in patterns:
        route = re.sub(r"\(\?P<\w+>([^|)]*)[^)]*\)", r"\1", str(pattern.pattern)).strip("^$")
        path = before + re.sub(r"<[^>]+>", "1", route)
        yield path
        yield from addresses(getattr(pattern, "url_patterns", []), path)


def test_visits_without_a_cookie_leave_no_session_behind(engine: str, visitor: Client) -> None:
    visitor.get("/compare/")  # the first connection to Redis
    before = stored()
    paths = {*addresses(get_resolver().url_patterns), "/no-such-page/"}
    assert {"/", "/admin/login/", "/admin/auth/user/1/change/"} <= paths
    for path in sorted(paths):
        for method in ("GET", "HEAD", "OPTIONS"):
            if (path, method) != ("/", "GET"):  # the visit counter
                visitor.cookies.clear()
                answer = visitor.generic(method, path)
                assert answer.status_code < 500, path
                assert not key_of(visitor), path
    assert stored() == before


def test_the_visit_counter_is_what_starts_a_session(engine: str, visitor: Client) -> None:
    before = stored()
    visitor.get("/")
    assert key_of(visitor)
    grown = 0 if engine == "signed_cookies" else 1
    assert max(now - was for now, was in zip(stored(), before, strict=True)) == grown


def test_robots_are_told_to_leave_the_counter_alone(visitor: Client) -> None:
    answer = visitor.get("/robots.txt")
    assert answer["Content-Type"] == "text/plain"
    lines = text_of(answer).splitlines()
    assert lines[0] == "User-agent: *"
    assert {"Disallow: /$", "Disallow: /accounts/", "Disallow: /admin/"} <= set(lines)


def test_the_icon_is_found_by_its_oldest_name(visitor: Client) -> None:
    answer = visitor.get("/favicon.ico")
    assert re.fullmatch(r"/static/icon\.[0-9a-f]{12}\.svg", answer["Location"])


def test_a_page_is_kept_by_no_cache(visitor: Client) -> None:
    for path in PATHS.values():
        answer = visitor.get(path)
        assert {"private", "no-store"} <= set(answer["Cache-Control"].split(", ")), path


def test_the_engine_that_runs_is_named(engine: str, visitor: Client) -> None:
    visitor.get("/")
    assert f"<code>{engine}</code>" in text_of(visitor.get("/"))
