"""The five mistakes of tutorials, run on each engine."""

import pytest
from django.conf import settings
from django.test import Client

from lab.lessons import mistakes
from tests.lab.visiting import stored, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.lesson(13, 14, 40)]

SAYS = {
    "not-saved": ("stored: {'apples': 1}", "stored: {'apples': 2}"),
    "key-error": ("KeyError('cart')", "[]"),
    "too-early": ("a later change left the end where it was", "a later change moved the end along"),
    "no-script": ("", "{'theme': 'light'}"),  # the browser runs the wrong one
    "not-persistent": (
        "the cookie has no Max-Age: it goes when the browser is closed",
        f"the cookie has Max-Age={settings.SESSION_COOKIE_AGE}",
    ),
}


def test_wrong_and_right_code_do_what_the_page_says(engine: str, visitor: Client) -> None:
    visitor.get("/compare/")  # the first connection to Redis
    before = stored()
    page = text_of(visitor.post("/pitfalls/"))
    assert stored() == before  # their sessions have ended
    assert {mistake.slug for mistake in mistakes.MISTAKES} == set(SAYS)
    for mistake, wrong, right in mistakes.shown(run_them=True):
        assert (wrong.did, right.did) == SAYS[mistake.slug]
        assert wrong.did in page
        assert right.did in page


def test_nothing_runs_until_somebody_asks(visitor: Client) -> None:
    page = text_of(visitor.get("/pitfalls/"))
    assert 'data-did="' not in page
    for mistake, wrong, right in mistakes.shown(run_them=False):
        assert mistake.title in page
        assert wrong.code in page
        assert right.code in page
