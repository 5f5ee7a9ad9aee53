"""What expired goes: a step at a time, past whatever is in use, and the next run goes on."""

import os
import shutil
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from hardened_sessions import bounds
from hardened_sessions.clearing import files, steps
from hardened_sessions.clearing import rows as table
from hardened_sessions.clearing.files import ExpiredFiles
from hardened_sessions.clearing.rows import ExpiredRows
from hardened_sessions.clearing.steps import Progress, paced
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.format.keys import hashed
from hardened_sessions.models import PurgePosition, RevokedCookie
from hardened_sessions.storage.files import SECOND, FileStorage, locked, mark
from tests.hardened_sessions.conftest import (
    COOKIE,
    ENGINES,
    PACKAGES,
    MakeSession,
    engines,
    layers,
    rows,
    stock_store,
)

COMMAND = "hardened_sessions.management.commands.clearsessions"


def clear(**named: Any) -> str:
    """Run the command; return what it wrote."""
    out = StringIO()
    call_command("clearsessions", stdout=out, **named)
    return out.getvalue()


# --- Rows -----------------------------------------------------------------------------------------


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a step of two pages at most, so that a small table, made anew, takes many."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE django_session")
        cursor.execute("DELETE FROM hardened_sessions_change")
    monkeypatch.setattr(table, "PAGES", 2)
    monkeypatch.setattr(table, "PAGES_MOST", 2)
    monkeypatch.setattr(table, "STEP_SECONDS", 10.0)  # however slow the machine is, no step shrinks


def insert(count: int, *, every: int = 1) -> None:
    """Insert rows of 300 bytes; each `every`-th is expired and the others live."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_session SELECT left(md5(n::text) || md5(n::text), 40), "
            "repeat('x', 300), now() + CASE WHEN n %% %s = 0 THEN -1 ELSE 1 END * interval '1 hour'"
            " FROM generate_series(1, %s) AS n",
            [every, count],
        )


def expired() -> int:
    return count("django_session WHERE expire_date < now()")


def count(what: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {what}")
        number: int = cursor.fetchone()[0]
        return number


@engines("db", "cached_db", "signed_cookies")
def test_expired_rows_go_and_live_ones_stay(store: MakeSession, small_steps: None) -> None:
    insert(500, every=3)
    live = set(rows())
    assert expired() == 166
    assert "166 sessions removed" in clear()
    assert expired() == 0
    assert set(rows()) < live
    assert len(rows()) == 334


@engines("db", "cached_db")
def test_a_session_that_was_saved_a_moment_ago_is_never_taken(store: MakeSession) -> None:
    session: Any = store()
    session["n"] = 1
    session.set_expiry(2)
    session.save()
    clear()
    assert store(session.session_key)["n"] == 1


@engines("db")
def test_a_row_in_use_is_passed_by(
    store: MakeSession, small_steps: None, other: psycopg.Connection[Any]
) -> None:
    insert(200)
    with other.transaction():
        held = other.execute("SELECT session_key FROM django_session LIMIT 1 FOR UPDATE").fetchone()
        assert "199 sessions removed" in clear()
        assert held
        assert list(rows()) == [held[0]]
    assert "1 sessions removed" in clear()


@engines("db")
def test_rows_are_locked_one_by_one_only_where_one_is_in_use(
    store: MakeSession, small_steps: None, other: psycopg.Connection[Any]
) -> None:
    """Check that nothing is written to the log for locks: each would be a record of its own."""
    insert(200)
    with CaptureQueriesContext(connection) as queries:
        clear()
    assert not any("SKIP LOCKED" in query["sql"] for query in queries.captured_queries)
    insert(200)
    with other.transaction(), CaptureQueriesContext(connection) as queries:
        other.execute("SELECT 1 FROM django_session LIMIT 1 FOR UPDATE")
        clear()
    assert sum("SKIP LOCKED" in query["sql"] for query in queries.captured_queries) == 1
    assert expired() == 1


@engines("db")
def test_a_row_that_is_being_prolonged_is_not_taken_once_that_commits(
    store: MakeSession, monkeypatch: pytest.MonkeyPatch, other: psycopg.Connection[Any]
) -> None:
    insert(5)
    monkeypatch.setattr(table, "LOCK_TIMEOUT", "20s")
    (key,) = other.execute(
        "UPDATE django_session SET expire_date = now() + interval '1 hour' WHERE session_key = "
        "(SELECT session_key FROM django_session LIMIT 1) RETURNING session_key"
    ).fetchone() or ("",)
    commit = threading.Timer(0.5, other.commit)
    commit.start()
    assert "4 sessions removed" in clear()
    commit.join()
    assert list(rows()) == [key]


@engines("db")
def test_the_pages_are_scanned_in_the_order_they_lie_in(
    store: MakeSession, small_steps: None
) -> None:
    insert(3000)
    with CaptureQueriesContext(connection) as queries:
        next(ExpiredRows().steps())
    (deletion,) = (
        query["sql"]
        for query in queries.captured_queries
        if query["sql"].startswith('DELETE FROM "django_session"')
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE django_session")
        cursor.execute(f"EXPLAIN {deletion}")
        assert "Tid Range Scan" in str(cursor.fetchall())


def test_a_step_takes_as_many_pages_as_its_time_allows() -> None:
    target, most = table.STEP_SECONDS, table.PAGES_MOST
    assert table.next_step(100, target) == 100
    assert table.next_step(100, 4 * target) == 25
    assert table.next_step(1, 100 * target) == 1
    assert table.next_step(100, target / 100) == 200
    assert table.next_step(100, 0.0) == 200
    assert table.next_step(most, target / 2) == most


class Hundred:
    """A clearing of a hundred steps, each of which takes a second."""

    place = "nowhere"

    def __init__(self, clock: "Clock") -> None:
        self.clock = clock

    def steps(self) -> Iterator[Progress]:
        for done in range(1, 101):
            self.clock.now += 1
            yield Progress("step", done, 100)


class Clock:
    """A clock that only work and pauses move on."""

    def __init__(self) -> None:
        self.now, self.pauses = 0.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.mark.parametrize(
    ("within", "shortest", "longest", "took"),
    [
        pytest.param(None, 1, 1, 199, id="as-long-as-each-step"),
        pytest.param(0, 0, 0, 100, id="now"),
        pytest.param(10, 1, 1, 199, id="too-little-time"),
        pytest.param(1000, 9, 9.2, 1000, id="spread"),
        pytest.param(1_000_000, 100, 100, 10_000, id="no-gentler-than-one-in-a-hundred"),
    ],
)
def test_a_clearing_is_as_gentle_as_its_time_allows(
    monkeypatch: pytest.MonkeyPatch,
    within: float | None,
    shortest: float,
    longest: float,
    took: float,
) -> None:
    clock = Clock()
    monkeypatch.setattr(steps, "time", clock)
    assert len(list(paced(Hundred(clock), within))) == 100
    pauses = clock.pauses or [0]
    assert shortest - 0.01 <= min(pauses) <= max(pauses) <= longest
    assert clock.now == pytest.approx(took, rel=0.01)
    assert len(clock.pauses) == (0 if within == 0 else 99)  # none after the last


@engines("db")
@pytest.mark.parametrize("held_by", ["another table", "a trigger"])
def test_rows_that_can_not_be_removed_are_named_and_all_others_go(
    store: MakeSession, small_steps: None, held_by: str
) -> None:
    insert(400)
    held = sorted(rows())[::133]
    names_held = f"'{{{','.join(held)}}}'::varchar[]"
    holding = {
        "another table": "CREATE TABLE refers (name varchar(40) REFERENCES django_session); "
        f"INSERT INTO refers SELECT unnest({names_held})",
        "a trigger": "CREATE FUNCTION refers() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF OLD.session_key = ANY({names_held}) THEN RAISE EXCEPTION 'kept'; END IF; "
        "RETURN OLD; END $$; CREATE TRIGGER refers BEFORE DELETE ON django_session "
        "FOR EACH ROW EXECUTE FUNCTION refers()",
    }
    with connection.cursor() as cursor:
        cursor.execute(holding[held_by])
    try:
        for _ in range(2):  # the next run says so again
            with pytest.raises(CommandError, match="4 expired rows can't be removed") as raised:
                clear()
            assert all(name in str(raised.value) for name in held)
            assert "\n" not in str(raised.value)
            assert sorted(rows()) == held
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS refers")
            cursor.execute("DROP FUNCTION IF EXISTS refers CASCADE")
    assert "4 sessions removed" in clear()


@engines("db")
def test_a_clearing_waits_for_no_lock_long_and_the_next_run_goes_on(
    store: MakeSession, small_steps: None, other: psycopg.Connection[Any]
) -> None:
    insert(200)
    with other.transaction():
        other.execute("LOCK TABLE django_session IN SHARE MODE")  # as CREATE INDEX does
        with pytest.raises(CommandError, match="lock timeout; the next run goes on from there"):
            clear()
        assert expired() == 200
    assert "200 sessions removed" in clear()


@engines("db")
def test_what_is_saved_beside_a_clearing_waits_for_no_more_than_a_step(
    store: MakeSession, small_steps: None, other: psycopg.Connection[Any]
) -> None:
    """Check that between two steps nothing is locked: a table lock is had at once."""
    insert(400)
    steps = ExpiredRows().steps()
    next(steps)
    with other.transaction():
        other.execute("LOCK TABLE django_session IN ACCESS EXCLUSIVE MODE NOWAIT")
    for _ in steps:
        pass
    assert expired() == 0


@engines("db")
def test_each_step_is_done_for_good(store: MakeSession, small_steps: None) -> None:
    insert(400)
    left, seen = [400], []
    for progress in ExpiredRows().steps():
        left.append(expired())
        seen.append((progress.done, progress.total, progress.removed))
    assert len(left) > 5
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    done, total, removed = zip(*seen, strict=True)
    assert list(done) == sorted(set(done))
    assert done[-1] == total[-1]
    assert [400 - each for each in left[1:]] == list(removed)


@engines("db")
def test_runs_that_end_early_go_on_where_the_last_one_ended(
    store: MakeSession, small_steps: None
) -> None:
    insert(400)
    pages, outputs = [], []
    while expired():
        outputs.append(clear(max_seconds=0))
        pages.append(PurgePosition.objects.get().page)
        assert len(pages) < 50
    assert len(pages) > 3
    assert pages[:-1] == list(range(2, 2 * len(pages), 2))
    assert "time is over: the next run goes on from here" in outputs[0]
    assert f"page 2 of {count_pages()}: " in outputs[0]
    # Once through, the next one begins at the first page again.
    clear()
    assert PurgePosition.objects.get().page == 0
    insert(20)
    assert "20 sessions removed" in clear()


def count_pages() -> int:
    return ExpiredRows().pages('"django_session"')


@engines("db")
def test_a_table_that_shrank_since_the_last_run_is_cleared_all_the_same(
    store: MakeSession, small_steps: None
) -> None:
    PurgePosition.objects.create(pk=1, page=1_000_000)
    insert(20)
    assert "20 sessions removed" in clear()


@engines("db")
def test_progress_is_shown_unless_silence_is_wanted(
    store: MakeSession, small_steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(200)
    monkeypatch.setattr(f"{COMMAND}.SHOW_SECONDS", 0.0)
    lines = clear().splitlines()
    assert len(lines) > 3
    assert lines[-1] == f"page {count_pages()} of {count_pages()}: 200 sessions removed"
    insert(200)
    assert clear(verbosity=0) == ""


@engines("db")
def test_an_empty_table_is_no_error(store: MakeSession) -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE django_session")
    assert "page 0 of 0: 0 sessions removed" in clear()


# --- Feed and cookies -----------------------------------------------------------------------------


@engines("db")
def test_the_feed_hears_nothing_of_what_expired(store: MakeSession) -> None:
    insert(100)
    clear()
    assert count("hardened_sessions_change") == 0
    insert(100, every=2)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_session")
    assert count("hardened_sessions_change") == 50  # those that still lived


@engines("db", "cached_db", "signed_cookies")
def test_what_the_feed_no_longer_needs_goes(store: MakeSession) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO hardened_sessions_change (name, at) SELECT n::text, "
            "clock_timestamp() - n * interval '1 second' FROM unnest(%s) AS n",
            [[0, int(bounds.FEED) - 60, int(bounds.FEED) + 60, 10 * int(bounds.FEED)]],
        )
    clear()
    assert count("hardened_sessions_change") == 2


@engines("db", "signed_cookies")
def test_deny_records_go_when_no_cookie_of_theirs_can_be_good(store: MakeSession) -> None:
    # The last is by a former version of the layer, which kept rows until not all cookies had ended.
    for sid, days, hours in (("a" * 40, 402, -1), ("b" * 40, 402, 1), ("c" * 40, 13, -1)):
        RevokedCookie.objects.create(
            sid=sid,
            rotated=False,
            successor="",
            at=timezone.now() - timedelta(days=days),
            expire_date=timezone.now() + timedelta(hours=hours),
        )
    clear()
    assert sorted(row.sid[0] for row in RevokedCookie.objects.all()) == ["b", "c"]


# --- Files ----------------------------------------------------------------------------------------

_opened: list[str] | None = None


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _opened is not None:
        _opened.append(str(arguments[0]))


sys.addaudithook(_hear)  # for the rest of the process: Python has no way to take one off


@contextmanager
def opened_files() -> Iterator[set[str]]:
    """Collect the names of the files of sessions that are opened."""
    global _opened
    names: set[str] = set()
    _opened = []
    try:
        yield names
    finally:
        names.update(Path(path).name for path in _opened if Path(path).name.startswith(COOKIE))
        _opened = None


@pytest.fixture
def folder(settings: Settings) -> Path:
    return Path(settings.SESSION_FILE_PATH)


def write_files(store: MakeSession, number: int, expiry: int) -> set[str]:
    """Write that many sessions; return their files' names."""
    names = set()
    for n in range(number):
        session: Any = store()
        session["n"] = n
        session.set_expiry(timezone.now() + timedelta(seconds=expiry))
        session.save()
        names |= {f"{COOKIE}{hashed(session.session_key)}", f"{COOKIE}{session.session_key}"}
    return names & {path.name for path in Path(django_settings.SESSION_FILE_PATH).iterdir()}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


@layers(stock="it opens every file")
@engines("file")
def test_files_are_cleared_by_their_modification_time_unopened(store: Any, folder: Path) -> None:
    gone, kept = write_files(store, 7, -60), write_files(store, 40, 3600)
    assert (len(gone), len(kept)) == (7, 40)
    with opened_files() as opened:
        store.clear_expired()
    assert names(folder) == kept
    assert opened == set()


@engines("file")
def test_of_files_with_another_modification_time_only_those_that_look_expired_are_opened(
    store: MakeSession, folder: Path
) -> None:
    """Check files of a file system, a copy, or a release that knows whole seconds only."""
    gone, kept = write_files(store, 7, -60), write_files(store, 40, 3600)
    for name in gone | kept:
        second = int((folder / name).stat().st_mtime)
        os.utime(folder / name, (second, second))
    with opened_files() as opened:
        clear()
    assert names(folder) == kept
    assert opened == gone


@engines("file")
def test_expired_files_are_counted(store: MakeSession, folder: Path) -> None:
    write_files(store, 3, -60)
    write_files(store, 4, 3600)
    assert "file 7 of 7: 3 sessions removed" in clear()


@layers(stock="the file is opened, and kept, for ever")
@engines("file")
def test_a_file_with_an_expiry_in_seconds_goes(store: Any, folder: Path) -> None:
    session = store()
    session["n"] = 1
    session.set_expiry(1)
    session.save()
    time.sleep(2.1)
    store.clear_expired()
    assert names(folder) == set()


@engines("file")
def test_a_file_that_only_looks_expired_is_kept(store: MakeSession, folder: Path) -> None:
    kept = write_files(store, 3, 3600)
    other, touched, copied = kept
    (expired,) = write_files(store, 1, -60)
    status = (folder / expired).stat()
    os.utime(folder / other, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.utime(folder / touched, (1, 1))
    shutil.copy(folder / copied, folder / "copy")  # without its time
    (folder / "copy").rename(folder / copied)
    clear()
    assert names(folder) == kept


@engines("file")
def test_no_file_is_looked_at_or_removed_but_under_its_lock(
    store: MakeSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that a session that is saved meanwhile, and so lives on, is not taken for expired."""
    write_files(store, 20, -60)
    real, held = FileStorage.remove_expired, []

    def remove(storage: FileStorage, directory: int, name: str) -> bool:
        with pytest.raises(SessionUnavailableError), locked(name):
            pass
        held.append(name)
        return real(storage, directory, name)

    monkeypatch.setattr(FileStorage, "remove_expired", remove)
    monkeypatch.setattr(bounds, "FILE_LOCK", 0.0)
    clear()
    assert len(held) == 20
    assert names(folder) == set()


@engines("file")
def test_a_session_that_a_save_under_way_prolongs_is_kept(store: MakeSession, folder: Path) -> None:
    session: Any = store()
    session["n"] = 1
    session.set_expiry(timezone.now() + timedelta(seconds=1))
    session.save()
    late: Any = store(session.session_key)
    assert late["n"] == 1
    time.sleep(2.1)
    ready, done = threading.Event(), threading.Event()

    def save() -> None:
        with locked(hashed(session.session_key)):
            ready.set()
            done.wait(20)
            late.set_expiry(3600)
            draft = late.draft(late._session, late.stored.version + 1)
            late.storage.write(late.stored.name, draft)

    saving = threading.Thread(target=save)
    saving.start()
    ready.wait(20)
    threading.Timer(0.3, done.set).start()
    clear()
    saving.join()
    assert store(session.session_key)["n"] == 1


@engines("file")
def test_a_file_that_nobody_can_read_goes_when_its_time_is_over(
    store: MakeSession, folder: Path, settings: Settings
) -> None:
    """Check files signed by a secret key that is gone, or cut off by a crash of the machine."""
    gone, kept = write_files(store, 2, -60), write_files(store, 2, 3600)
    (folder / gone.pop()).write_bytes(b"")
    for name in names(folder) - kept:
        os.utime(folder / name, (1, 1))
    settings.SECRET_KEY = "another-" * 8
    clear()
    assert names(folder) == kept


@engines("file")
def test_files_of_djangos_own_engine_go_too(store: MakeSession, folder: Path) -> None:
    gone, kept = write_files(stock_store("file"), 3, -60), write_files(stock_store("file"), 3, 60)
    without = stock_store("file")()
    without["n"] = 1
    without.save()
    month = time.time() - django_settings.SESSION_COOKIE_AGE - 60
    for name in (*gone, *kept, f"{COOKIE}{without.session_key}"):
        os.utime(folder / name, (month, month))
    clear()
    assert names(folder) == kept


@engines("file")
def test_a_live_file_of_djangos_own_engine_is_kept(store: MakeSession, folder: Path) -> None:
    kept = write_files(stock_store("file"), 2, 3600)
    clear()
    assert names(folder) == kept


TEMPORARY = [f"{COOKIE}{'f' * 40}_out_abc123", f"{COOKIE}{'z' * 32}_out_abc123"]


@layers(stock="they lie there for ever")
@engines("file")
def test_temporary_files_that_a_crash_left_go_and_fresh_ones_stay(
    store: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in TEMPORARY:
        (folder / name).write_bytes(b"half a sess")
        os.utime(folder / name, (1, 1))  # an expiry it was to have, not its age
    store.clear_expired()
    assert names(folder) == set(TEMPORARY)
    monkeypatch.setattr(files, "ORPHAN_SECONDS", 0.05)  # a file's age can't be set back
    time.sleep(0.2)
    store.clear_expired()
    assert names(folder) == set()


STRANGERS = [
    "notes.txt",
    COOKIE,
    f"{COOKIE}-notes_out_of_date.txt",
    f"{COOKIE}{'F' * 40}",
    f"{COOKIE}{'f' * 39}",
    f"{COOKIE}{'f' * 41}",
    f"{COOKIE}{'f' * 40}.bak",
    f"other{'f' * 40}",
    f"{COOKIE}2{'f' * 40}_out_abc",
]


@engines("file")
def test_what_is_not_a_session_is_left_alone(
    store: MakeSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "ORPHAN_SECONDS", 0.0)
    for name in STRANGERS:
        (folder / name).write_bytes(b"mine")
        os.utime(folder / name, (1, 1))
    write_files(store, 1, -60)
    (folder / f"{COOKIE}{'e' * 38}_out_").mkdir()
    locks = next(path for path in folder.iterdir() if path.name.endswith(".locks"))
    before = {path.name for path in locks.iterdir()}
    assert before
    with opened_files() as opened:
        clear()
    assert names(folder) == set(STRANGERS)
    assert (folder / f"{COOKIE}{'e' * 38}_out_").is_dir()
    assert not opened & set(STRANGERS)
    assert {path.name for path in locks.iterdir()} >= before


@engines("file")
def test_a_file_in_use_is_passed_by_reported_and_taken_by_the_next_run(
    store: MakeSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "FILE_LOCK", 0.5)
    gone = write_files(store, 5, -60)
    held = min(gone)
    ready, done = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(held.removeprefix(COOKIE)):
            ready.set()
            done.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    ready.wait(20)
    try:
        with pytest.raises(CommandError, match="a lock is held for too long; the next run"):
            clear()
        assert held in names(folder)
        assert len(names(folder)) < 5
    finally:
        done.set()
        holder.join()
    clear()
    assert names(folder) == set()


@engines("file")
def test_files_that_somebody_else_removes_meanwhile_are_no_error(
    store: MakeSession, folder: Path
) -> None:
    write_files(stock_store("file"), 5, -60)
    month = time.time() - django_settings.SESSION_COOKIE_AGE - 60
    for name in names(folder):
        os.utime(folder / name, (month, month))

    listed = list(files.sessions_in(folder))
    for name in listed:
        (folder / name).unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "sessions_in", lambda directory: iter(listed))
        assert [progress.removed for progress in ExpiredFiles().steps()] == [0]


@engines("file")
def test_a_large_folder_is_never_held_in_memory(
    store: MakeSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that the memory in use goes by the step, not by the folder."""
    monkeypatch.setattr(files, "FILES", 100)
    write_files(store, 1, -60)
    for name in (f"{n:040x}" for n in range(20_000)):
        (folder / f"{COOKIE}{name}").touch()
        expiry = SECOND + mark(name)
        os.utime(folder / f"{COOKIE}{name}", ns=(expiry, expiry))
    tracemalloc.start()
    try:
        assert "20,001 of 20,001: 20,001 sessions removed" in clear()
        assert tracemalloc.get_traced_memory()[1] < 1_000_000  # the names alone are 2 MB
    finally:
        tracemalloc.stop()
    assert not names(folder)


@engines("file")
def test_a_folder_without_sessions_is_no_error(store: MakeSession, folder: Path) -> None:
    assert "file 0 of 0: 0 sessions removed" in clear()


@engines("file")
def test_a_folder_that_can_not_be_cleared_is_said_without_naming_a_session(
    store: MakeSession, folder: Path
) -> None:
    (name,) = write_files(store, 1, -60)
    (folder / TEMPORARY[0]).write_bytes(b"")
    folder.chmod(0o500)
    try:
        with pytest.raises(CommandError, match="Permission denied; the next run") as raised:
            clear()
    finally:
        folder.chmod(0o700)
    assert name not in str(raised.value)


# --- Former engines -------------------------------------------------------------------------------


@engines("cache")
@pytest.mark.parametrize(
    "previous",
    [
        ("db", "file"),
        ["django.contrib.sessions.backends.cached_db", "hardened_sessions.backends.file"],
    ],
)
def test_what_former_engines_left_goes_too(
    store: MakeSession, folder: Path, options: Callable[..., None], previous: Any
) -> None:
    insert(10)
    write_files(import_module(f"{PACKAGES['hardened']}.file").SessionStore, 2, -60)
    clear()
    assert (expired(), len(names(folder))) == (10, 2)
    options(PREVIOUS_ENGINES=previous)
    clear()
    assert (expired(), len(names(folder))) == (0, 0)


def test_an_engine_that_there_is_not_is_refused(options: Callable[..., None]) -> None:
    options(PREVIOUS_ENGINES=["databse"])
    with pytest.raises(ImproperlyConfigured, match="'databse'; it may have cache, cached_db, db"):
        clear()
    options(PREVIOUS_ENGINES=())


@engines("db", "cached_db", "file")
def test_with_djangos_own_engine_configured_the_command_works_as_well(
    settings: Settings, engine: str, folder: Path
) -> None:
    settings.SESSION_ENGINE = f"{PACKAGES['stock']}.{engine}"
    if engine == "file":
        write_files(stock_store("file"), 2, -60)
        month = time.time() - django_settings.SESSION_COOKIE_AGE - 60
        for name in names(folder):
            os.utime(folder / name, (month, month))
    else:
        insert(2)
    clear()
    assert (expired(), names(folder)) == (0, set())


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_can_be_asked_as_django_asks(store: Any, folder: Path) -> None:
    if store.__module__.endswith(("db", "file")):
        write_files(store, 1, -1000)
    store.clear_expired()
    assert (expired(), names(folder)) == (0, set())
