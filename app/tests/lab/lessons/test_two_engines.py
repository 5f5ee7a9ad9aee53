"""One session through two engines."""

import pytest
from django.conf import settings
from django.test import Client

from lab.lessons import two_engines as lesson
from tests.lab.visiting import stored, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.lesson(8)]


def test_both_stored_forms_stand_side_by_side(engine: str, visitor: Client) -> None:
    visitor.get("/compare/")  # the first connection to Redis
    before = stored()
    page = text_of(visitor.post("/two-engines/"))
    assert stored() == before  # both sessions have ended
    forms = lesson.forms()
    assert forms[0].engine == engine
    assert {form.engine for form in forms} > {"signed_cookies"}
    assert all(form.read_back for form in forms)
    for form in forms:
        assert f'data-engine="{form.engine}"' in page
    cookie = next(form for form in forms if form.engine == "signed_cookies")
    assert cookie.read_by_anyone is not None
    assert cookie.read_by_anyone["cart"] == lesson.VALUES["cart"]
    on_server = next(form for form in forms if form.engine != "signed_cookies")
    assert on_server.places
    assert on_server.size == len(settings.SESSION_COOKIE_NAME) + 32
