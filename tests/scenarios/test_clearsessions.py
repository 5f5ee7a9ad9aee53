"""The scheduled container clears what expired, everywhere, and leaves the living alone."""

import json
import time
from collections.abc import Callable

import pytest
from conftest import Visitor

from stack import CommandError, Stack, eventually

LOCK_KEY = 0x636C656172


def once(stack: Stack) -> str:
    done = stack.compose("run", "--rm", "--no-TTY", "clearsessions", "once")
    return done.stderr


def cleared(log: str) -> dict[str, int]:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return {line["store"]: line["removed"] for line in lines if line["message"] == "cleared"}


@pytest.fixture
def expired_and_live(cache_site: Stack) -> None:
    """Leave sessions of former engines behind: three expired and two live rows, as many files."""
    script = """
import os, time
from datetime import timedelta
from django.conf import settings
from django.contrib.sessions.backends import db, file
from django.contrib.sessions.models import Session
from django.utils import timezone
Session.objects.all().delete()
for entry in os.scandir(settings.SESSION_FILE_PATH):
    if entry.is_file():
        os.unlink(entry.path)
for backend in (db, file):
    for number in range(5):
        store = backend.SessionStore()
        store["n"] = number
        store.save()
        if number < 3:
            Session.objects.filter(pk=store.session_key).update(
                expire_date=timezone.now() - timedelta(seconds=1))
            if backend is file:
                old = time.time() - settings.SESSION_COOKIE_AGE - 1
                os.utime(store._key_to_file(), (old, old))
"""
    cache_site.execute("clearsessions", "python", "manage.py", "shell", "-c", script)


def left(stack: Stack) -> tuple[int, int]:
    rows = int(stack.sql("SELECT count(*) FROM django_session"))
    files = stack.execute("clearsessions", "ls", "/var/lib/sessions").split()
    return rows, len(files)


@pytest.mark.lesson(19)
def test_expired_rows_and_files_go_though_another_engine_runs(
    cache_site: Stack, expired_and_live: None, visitor: Visitor
) -> None:
    visitor.visit()
    log = once(cache_site)
    assert cleared(log) == {
        "table django_session": 3,
        "folder of file sessions": 3,
        "table of failed sign-ins": 0,
    }
    assert left(cache_site) == (2, 2)
    assert "Redis removes it" in log
    assert "browser's cookie and nowhere else" in log
    assert visitor.visit() == 2


@pytest.mark.lesson(45)
def test_it_clears_at_start_and_is_healthy_by_its_last_success(
    cache_site: Stack, expired_and_live: None
) -> None:
    cache_site.compose("restart", "clearsessions")
    cache_site.wait_healthy("clearsessions")
    assert left(cache_site) == (2, 2)
    mark = "/tmp/clearsessions-fresh-until"
    cache_site.execute("clearsessions", "sh", "-c", f"echo $(($(date +%s) - 60)) > {mark}")
    with pytest.raises(CommandError, match="ended with 1"):
        cache_site.execute("clearsessions", "python", "-m", "session_stack.clearing.health")
    cache_site.compose("restart", "clearsessions")
    cache_site.wait_healthy("clearsessions")


def test_two_containers_never_clear_at_once(cache_site: Stack, expired_and_live: None) -> None:
    # A session of psql stands for the container that was first.
    cache_site.sql("SELECT 1")
    holder = (
        "psql -U postgres -d app -qtA -c 'SELECT pg_advisory_lock("
        f"{LOCK_KEY})' -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 & echo started"
    )
    cache_site.execute("postgres", "bash", "-c", holder)
    held = (
        f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK_KEY % 2**32}"
    )
    assert eventually(lambda: cache_site.sql(held) == "1")
    with pytest.raises(CommandError) as caught:
        once(cache_site)
    assert "another container is clearing; this one did nothing" in caught.value.output
    assert "Traceback" not in caught.value.output
    assert left(cache_site) == (5, 5)
    cache_site.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    assert cleared(once(cache_site))["table django_session"] == 3


def test_a_clearing_that_fails_has_a_status_and_one_line(cache_site: Stack) -> None:
    cache_site.compose("stop", "postgres")
    try:
        with pytest.raises(CommandError) as caught:
            cache_site.compose("run", "--rm", "--no-deps", "--no-TTY", "clearsessions", "once")
        assert "CommandError: " in caught.value.output
        assert "Traceback" not in caught.value.output
    finally:
        cache_site.compose("start", "postgres")
        cache_site.wait_healthy("postgres")


def test_it_stops_at_once(cache_site: Stack) -> None:
    started = time.monotonic()
    cache_site.compose("stop", "clearsessions")
    state = cache_site.container("clearsessions")["State"]
    assert state["ExitCode"] == 143  # by SIGTERM; a container that waits it out is killed: 137
    assert time.monotonic() - started < 10
    cache_site.compose("start", "clearsessions")


def test_live_sessions_of_the_running_engine_stay(
    site: Stack, engine: str, new_visitor: Callable[[], Visitor]
) -> None:
    visitor = new_visitor()
    visitor.visit()
    once(site)
    assert visitor.visit() == 2
