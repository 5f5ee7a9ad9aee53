"""Chromium against the running stack: every problem that it reports fails the test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import (  # noqa: F401 - the scenarios' own fixtures
    engine,
    layer,
    pytest_addoption,
    site,
    user,
    users,
)
from playwright.sync_api import Browser, sync_playwright
from window import ARGUMENTS, CHROMIUM, Visit

from stack import Stack


@pytest.fixture(scope="session")
def stack(layer: str) -> Iterator[Stack]:  # noqa: F811
    """Return a project of its own, so that the scenarios may run meanwhile."""
    stack = Stack("browser")
    stack.settings["SESSION_LAYER"] = layer
    stack.create()
    yield stack
    stack.destroy()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return one Chromium for all tests."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser, site: Stack) -> Iterator[Callable[..., Visit]]:  # noqa: F811
    """Return what opens a window; at the end, no window may have met a problem."""
    visits: list[Visit] = []

    def make(**options: Any) -> Visit:
        # The scenarios prove the certificate; here its authority is unknown to Chromium.
        context = browser.new_context(ignore_https_errors=True, **options)
        visits.append(Visit(context, context.new_page(), site.url))
        visits[-1].watch()
        return visits[-1]

    yield make
    for opened in visits:
        opened.context.close()
    assert [problem for opened in visits for problem in opened.problems] == []


@pytest.fixture
def staff(site: Stack, user: tuple[str, str]) -> tuple[str, str]:  # noqa: F811
    """Return a user who may enter the admin."""
    site.sql(
        f"UPDATE auth_user SET is_staff = true, is_superuser = true WHERE username = '{user[0]}'"
    )
    return user
