"""Expired sessions go, live ones stay, by one container at a time, on a schedule."""

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as RowStore
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from hardened_sessions.clearing import files as clearing_files
from hardened_sessions.clearing import rows as clearing_rows
from hardened_sessions.storage.files import FileStorage
from session_stack.clearing import health, schedule
from session_stack.clearing.run import LOCK_KEY
from session_stack.clearing.schedule import next_run
from session_stack.models import FailedSignIns
from session_stack.sign_in.limits import FORGOTTEN


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "sessions"
    path.mkdir()
    settings.SESSION_FILE_PATH = str(path)
    monkeypatch.setattr(FileStore, "_storage_path", str(path), raising=False)  # it caches it
    return path


def rows(live: int, expired: int) -> None:
    for number in range(live + expired):
        store = RowStore()
        store["n"] = number
        store.save()
        if number >= live:
            past = timezone.now() - timedelta(seconds=1)
            Session.objects.filter(pk=store.session_key).update(expire_date=past)


def files(live: int, expired: int) -> None:
    for number in range(live + expired):
        store = FileStore()
        store["n"] = number
        store.save()
        if number >= live:
            old = time.time() - settings.SESSION_COOKIE_AGE - 1
            os.utime(store._key_to_file(), (old, old))  # type: ignore[attr-defined]


@pytest.fixture(params=["hardened", "stock"])
def layer(request: pytest.FixtureRequest, settings: Settings) -> str:
    settings.ENV = replace(settings.ENV, session_layer=request.param)
    name: str = request.param
    return name


@pytest.mark.django_db(transaction=True)
def test_expired_sessions_of_every_store_go_and_live_ones_stay(
    layer: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows(live=2, expired=3)
    files(live=4, expired=5)
    for number in range(5):
        at = timezone.now() - FORGOTTEN + timedelta(minutes=number - 2, seconds=30)
        FailedSignIns.objects.create(slot=number, tag=0, failures=9, wait=0, counted_at=at)
    with caplog.at_level(logging.INFO, "clearsessions"):
        call_command("clear_expired", "once", "--now")
    assert Session.objects.count() == 2
    assert len([path for path in folder.iterdir() if path.is_file()]) == 4
    cleared = {r.store: r.removed for r in caplog.records if r.message == "cleared"}  # type: ignore[attr-defined]
    assert cleared == {
        "table django_session": 3,
        "folder of file sessions": 5,
        "table of failed sign-ins": 2,
    }
    assert FailedSignIns.objects.count() == 3
    reasons = [r.reason for r in caplog.records if r.message == "nothing to clear"]  # type: ignore[attr-defined]
    assert len(reasons) == 2


def hardened(backend: str, live: int, expired: int) -> None:
    engine = import_module(f"hardened_sessions.backends.{backend}")
    for number in range(live + expired):
        store = engine.SessionStore()
        store["n"] = number
        if number >= live:
            store.set_expiry(timezone.now() - timedelta(seconds=1))
        store.save()
    # The column may lie later than the expiry, which the value holds.
    Session.objects.filter(expire_date__lt=timezone.now() + timedelta(days=7)).update(
        expire_date=timezone.now() - timedelta(seconds=1)
    )


@pytest.mark.django_db(transaction=True)
def test_sessions_of_the_hardened_engines_go_alike(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hardened("db", live=2, expired=3)
    hardened("file", live=4, expired=5)
    with caplog.at_level(logging.INFO, "clearsessions"):
        call_command("clear_expired", "once", "--now")
    assert Session.objects.count() == 2
    assert len([path for path in folder.iterdir() if path.is_file()]) == 4
    cleared = {r.store: r.removed for r in caplog.records if r.message == "cleared"}  # type: ignore[attr-defined]
    assert cleared["table django_session"] == 3
    assert cleared["folder of file sessions"] == 5


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_time_is_over_says_so_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clearing_rows, "PAGES", 1)
    rows(live=0, expired=100)
    with caplog.at_level(logging.INFO, "clearsessions"):
        call_command("clear_expired", "once", "--now", "--max-seconds", "0")
    (record,) = caplog.records
    assert record.message == "time is over: the next run goes on from here"
    left = Session.objects.count()
    assert 0 < left < 100
    assert record.removed == 100 - left  # type: ignore[attr-defined]
    caplog.clear()
    with caplog.at_level(logging.INFO, "clearsessions"):
        call_command("clear_expired", "once", "--now")
    assert caplog.records[0].message == "cleared"
    assert caplog.records[0].removed == left  # type: ignore[attr-defined]
    assert not Session.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_layers_own_command_ends_among_the_files_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(clearing_files, "FILES", 2)
    files(live=0, expired=5)
    call_command("clearsessions", "--max-seconds", "0")
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "file 2 of 5: 2 sessions removed",
        "time is over: the next run goes on from here",
    ]
    assert len([path for path in folder.iterdir() if path.is_file()]) == 3
    call_command("clearsessions")
    assert not [path for path in folder.iterdir() if path.is_file()]


@pytest.mark.django_db(transaction=True)
def test_the_feed_stays_small_with_either_layer(layer: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO hardened_sessions_change (name, at) "
            "VALUES ('old', now() - interval '1 day'), ('new', now())"
        )
    call_command("clear_expired", "once", "--now")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM hardened_sessions_change RETURNING name")
        assert [name for (name,) in cursor.fetchall() if name in ("old", "new")] == ["new"]


@pytest.mark.django_db(transaction=True)
def test_a_second_container_does_nothing_while_the_first_one_clears() -> None:
    rows(live=0, expired=1)
    parameters = connection.get_connection_params()
    known = {key: parameters[key] for key in ("host", "port", "dbname", "user", "password")}
    with psycopg.connect(**known) as first:
        first.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        with pytest.raises(CommandError, match="another container is clearing"):
            call_command("clear_expired", "once", "--now")
    assert Session.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_store_that_fails_fails_the_run_in_one_line(closed: Path) -> None:
    with pytest.raises(CommandError, match=rf"^\[Errno 13\] Permission denied: '{closed}'$"):
        call_command("clear_expired", "once", "--now")


@pytest.mark.django_db(transaction=True)
def test_a_file_that_fails_fails_the_run_without_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(live=0, expired=2)
    monkeypatch.setattr(FileStorage, "remove_expired", refuse)
    with pytest.raises(CommandError, match=r"^folder: Permission denied$"):
        call_command("clear_expired", "once", "--now")


def refuse(self: FileStorage, directory: int, name: str) -> bool:
    raise PermissionError(13, "Permission denied", name)


@pytest.fixture
def closed(folder: Path) -> Iterator[Path]:
    folder.chmod(0)
    yield folder
    folder.chmod(0o700)


class StopLoopError(Exception):
    """Raised in place of a sleep, to look at what the schedule would do."""


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float]:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        raise StopLoopError

    # The command's own: other threads sleep on.
    monkeypatch.setattr(schedule, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(health, "MARK", tmp_path / "mark")
    return slept


@pytest.mark.lesson(45)
@pytest.mark.django_db(transaction=True)
def test_the_schedule_clears_at_start_and_waits_for_the_next_time(sleeps: list[float]) -> None:
    rows(live=0, expired=1)
    with pytest.raises(StopLoopError):
        call_command("clear_expired", "schedule")
    assert not Session.objects.exists()
    assert 0 < sleeps[0] <= schedule.NAP_SECONDS
    assert health.main() == 0


@pytest.mark.django_db(transaction=True)
def test_a_failed_clearing_is_tried_again_soon_and_is_no_success(
    sleeps: list[float], closed: Path
) -> None:
    with pytest.raises(StopLoopError):
        call_command("clear_expired", "schedule")
    assert 0 < sleeps[0] <= 10
    assert health.main() == 1


def test_health_is_the_age_of_the_last_success(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(health, "MARK", tmp_path / "mark")
    assert health.main() == 1
    assert capsys.readouterr().out == "no clearing has succeeded yet\n"
    health.mark_fresh(datetime.now(UTC) + timedelta(minutes=1))
    assert health.main() == 0
    health.mark_fresh(datetime.now(UTC) - timedelta(minutes=1))
    assert health.main() == 1
    assert "60 s ago" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("0 * * * *", datetime(2026, 3, 1, 12, 0, tzinfo=UTC)),
        ("*/15 * * * *", datetime(2026, 3, 1, 11, 45, tzinfo=UTC)),
        ("30 3 * * 1", datetime(2026, 3, 2, 3, 30, tzinfo=UTC)),
    ],
)
def test_the_next_run_follows_the_expression_with_bounded_jitter(
    expression: str, due: datetime
) -> None:
    after = datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
    assert next_run(after, expression, 0) == due
    delays = {(next_run(after, expression, 60) - due).total_seconds() for _ in range(50)}
    assert len(delays) > 1
    assert all(0 <= delay <= 60 for delay in delays)


def test_a_machine_that_was_suspended_runs_on_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that the wait goes by the clock: an own clock that leaps stands for the suspension."""
    begun = datetime.now(UTC)
    naps: list[float] = []

    class Leaping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return begun + timedelta(hours=len(naps))

    monkeypatch.setattr(schedule, "datetime", Leaping)
    monkeypatch.setattr(schedule, "time", SimpleNamespace(sleep=naps.append))
    schedule.sleep_until(begun + timedelta(hours=1.5))
    assert naps == [schedule.NAP_SECONDS] * 2
