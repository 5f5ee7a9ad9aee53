"""The table of settings is the one in force."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.conf import global_settings
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from lab.lessons.session_settings import VARIABLES, WHAT, in_force
from session_stack.env import read
from tests.lab.visiting import text_of
from tests.session_stack.test_env import GOOD

pytestmark = [pytest.mark.lesson(11, 12, 35, 36, 37)]

NAMES = [name for name in vars(global_settings) if name.startswith(("SESSION_", "CSRF_"))]


@pytest.mark.django_db
def test_every_setting_stands_on_the_page_and_in_the_command(
    visitor: Client, settings: Settings
) -> None:
    page = text_of(visitor.get("/settings/"))
    printed = StringIO()
    call_command("session_settings", stdout=printed)
    assert [one.name for one in in_force()] == NAMES
    assert set(WHAT) == set(NAMES)
    for line, name in zip(printed.getvalue().splitlines(), NAMES, strict=True):
        assert line.split()[0] == name
        assert repr(getattr(settings, name)) in line
        assert f'data-setting="{name}"' in page
        assert f"<code>{getattr(settings, name)}</code>" in page.replace("<wbr>", "")


def test_who_set_it_is_said(settings: Settings) -> None:
    by_name = {one.name: one.set_by for one in in_force()}
    assert by_name["CSRF_USE_SESSIONS"] == "Django’s default"
    assert by_name["SESSION_COOKIE_SECURE"] == "this stack"
    settings.ENV = replace(settings.ENV, given=frozenset({"SESSION_COOKIE_AGE_SECONDS"}))
    by_name = {one.name: one.set_by for one in in_force()}
    assert by_name["SESSION_COOKIE_AGE"].startswith("SESSION_COOKIE_AGE_SECONDS, in .env")


def test_what_env_offers_changes_the_setting() -> None:
    env = read(
        GOOD
        | {
            "SESSION_COOKIE_NAME": "__Host-Http-id",
            "SESSION_COOKIE_AGE_SECONDS": "600",
            "SESSION_EXPIRE_AT_BROWSER_CLOSE": "true",
            "SESSION_SAVE_EVERY_REQUEST": "true",
        }
    )
    assert env.session_cookie_name == "__Host-Http-id"
    assert env.session_cookie_age_seconds == 600
    assert env.session_expire_at_browser_close
    assert env.session_save_every_request
    assert env.given >= {"SESSION_COOKIE_NAME", "SESSION_SAVE_EVERY_REQUEST"}
    manual = (Path(__file__).resolve().parents[4] / ".env.example").read_text()
    for variable in VARIABLES.values():
        assert f"\n#{variable}=" in manual, variable
