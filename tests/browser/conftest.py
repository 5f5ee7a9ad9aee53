"""Chromium against the running stack: every problem that it reports fails the test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import engine, site, stack, user  # noqa: F401 - the scenarios' own fixtures
from playwright.sync_api import Browser, Request, sync_playwright
from window import WATCH, Visit

from stack import Stack

CHROMIUM = "/usr/bin/chromium"  # Debian's package; Playwright brings none


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return one Chromium for all tests."""
    with sync_playwright() as playwright:
        # As root, as in a container, Chromium's own sandbox can't be set up.
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser, site: Stack) -> Iterator[Callable[..., Visit]]:  # noqa: F811
    """Return what opens a window; at the end, no window may have met a problem."""
    visits: list[Visit] = []

    def make(**options: Any) -> Visit:
        # The scenarios prove the certificate; here its authority is unknown to Chromium.
        context = browser.new_context(ignore_https_errors=True, **options)
        context.add_init_script(WATCH)
        opened = Visit(context, context.new_page(), site.url)
        visits.append(opened)

        def requested(request: Request) -> None:
            if not request.url.startswith(f"{site.url}/"):
                opened.problems.append(f"a request to {request.url}")

        opened.page.on("request", requested)
        opened.page.on(
            "console",
            lambda said: said.type in ("error", "warning") and opened.problems.append(said.text),
        )
        opened.page.on("pageerror", lambda error: opened.problems.append(str(error)))
        opened.page.on("load", lambda page: opened.collect())
        return opened

    yield make
    for opened in visits:
        opened.collect()
        opened.context.close()
    assert [problem for opened in visits for problem in opened.problems] == []


@pytest.fixture
def staff(site: Stack, user: tuple[str, str]) -> tuple[str, str]:  # noqa: F811
    """Return a user who may enter the admin."""
    site.sql(
        f"UPDATE auth_user SET is_staff = true, is_superuser = true WHERE username = '{user[0]}'"
    )
    return user
