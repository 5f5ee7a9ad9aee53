"""Who finds sessions that lie under their key, and until when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from session_stack import grace
from session_stack.env import SessionGrace, SessionKeys
from session_stack.models import EngineInForce

pytestmark = pytest.mark.django_db

AGE = timedelta(seconds=1_209_600)


class Stack:
    """A stack that is started again and again, with other settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        EngineInForce.objects.create(backend="cache")

    def start(
        self,
        keys: SessionKeys = "hash",
        layer: str = "hardened",
        session_grace: SessionGrace = "auto",
    ) -> datetime | None:
        """Return until when what starts finds keys; each other process says the same."""
        self.settings.ENV = replace(
            self.settings.ENV,
            session_keys=keys,
            session_layer=layer,
            session_grace=session_grace,
            session_grace_until=None,
        )
        until = grace.record()
        if keys == "hash":
            assert grace.until() == until
        return until


@pytest.fixture
def stack(settings: Settings) -> Stack:
    return Stack(settings)


def is_one_age_ahead(until: datetime | None) -> bool:
    return until is not None and timedelta() <= timezone.now() + AGE - until < timedelta(minutes=1)


def test_a_stack_that_never_ran_stock_finds_none(stack: Stack) -> None:
    assert [stack.start(), stack.start()] == [None, None]


@pytest.mark.parametrize("before", [("read", "hardened"), ("hash", "stock")])
def test_one_that_did_finds_them_for_one_age_after_it(
    stack: Stack, before: tuple[SessionKeys, str]
) -> None:
    stack.start(*before)
    until = stack.start()
    assert is_one_age_ahead(until)
    # No later start makes it longer.
    EngineInForce.objects.update(grace_until=until - timedelta(days=3))  # type: ignore[operator]
    assert stack.start() == stack.start() == until - timedelta(days=3)  # type: ignore[operator]
    stack.start(*before)
    assert is_one_age_ahead(stack.start())


def test_what_came_from_elsewhere_is_said_once(stack: Stack) -> None:
    assert stack.start() is None
    until = stack.start(session_grace="true")
    assert is_one_age_ahead(until)
    assert stack.start(session_grace="true") == stack.start() == until
    assert stack.start(session_grace="false") is None


def test_a_stack_of_an_earlier_release_may_have_run_stock(stack: Stack) -> None:
    import_module("session_stack.migrations.0003_grace").history_unknown(apps, None)
    assert is_one_age_ahead(stack.start())


def test_whoever_serves_was_told_and_asks_no_database(
    settings: Settings, django_assert_num_queries: pytest.FixtureRequest
) -> None:
    for told in (grace.OVER, datetime(2027, 1, 1, tzinfo=UTC)):
        settings.ENV = replace(settings.ENV, session_grace_until=told)
        with django_assert_num_queries(0):  # type: ignore[operator]
            assert grace.until() == told


def test_preflight_says_it_to_the_process_that_will_serve(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = "session_stack.management.commands.preflight"
    monkeypatch.setattr(f"{command}.wait_until_ready", lambda: None)
    call_command("preflight")
    assert capsys.readouterr().out == f"{grace.OVER.isoformat()}\n"
    stack.start("read")
    stack.settings.ENV = replace(stack.settings.ENV, session_keys="hash")
    call_command("preflight")
    assert is_one_age_ahead(datetime.fromisoformat(capsys.readouterr().out.strip()))
