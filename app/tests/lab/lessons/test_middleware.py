"""The way of a request, as the page shows it, is the way that Django makes it go."""

import pytest
from django.conf import settings
from django.test import Client

from lab.lessons import middleware as lesson
from tests.lab.visiting import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.lesson(16)]


def test_each_middleware_of_the_site_is_passed_in_its_order(visitor: Client) -> None:
    journey = lesson.travel(settings.MIDDLEWARE, {})
    assert [step.name for step in journey.steps] == settings.MIDDLEWARE
    assert journey.error == ""
    adds = {step.name.rpartition(".")[2]: step for step in journey.steps}
    sessions = next(adds[name] for name in lesson.SESSIONS if name in adds)
    assert "session" in sessions.adds_to_request
    assert "Vary" in sessions.adds_to_response
    assert "user" in adds["AuthenticationMiddleware"].adds_to_request
    assert all(step.does and step.reached for step in journey.steps)


def test_below_authentication_the_session_comes_too_late(visitor: Client) -> None:
    journey = lesson.travel(lesson.wrong_order(), {})
    assert journey.error.startswith(
        "The Django authentication middleware requires session middleware to be installed."
    )
    reached = [step.name for step in journey.steps if step.reached]
    assert reached[-1] == lesson.AUTHENTICATION
    page = text_of(visitor.get("/middleware/"))
    assert journey.error in page
    for name in settings.MIDDLEWARE:
        assert f'data-step="{name}"' in page


def test_the_page_shows_a_signed_in_visitor_the_same_and_writes_nothing(
    visitor: Client, ada: object
) -> None:
    visitor.force_login(ada)  # type: ignore[arg-type]
    before = visitor.cookies[settings.SESSION_COOKIE_NAME].value
    assert visitor.get("/middleware/").status_code == 200
    assert visitor.cookies[settings.SESSION_COOKIE_NAME].value == before
