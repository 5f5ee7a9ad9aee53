"""No room, or no way in: an error is said, no success, and what was stored stays readable."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from pytest_django import Settings
from redis.exceptions import OutOfMemoryError

from hardened_sessions.clients.redis import redis_client
from hardened_sessions.events import counters
from hardened_sessions.format.keys import hashed
from tests.hardened_sessions.conftest import Browser, MakeSession, engines, layers
from tests.servers import RedisServer

SMALL = Path("/small")  # app/tests/compose.yml mounts it
BLOCK = 4096

FILE = engines("file")


@pytest.fixture
def small_disk(settings: Settings) -> Iterator[Path]:
    """Keep sessions on a disk that is soon full; it is empty before and after."""
    assert SMALL.is_mount(), "run these tests by app/tests/compose.yml"
    folder = SMALL / "sessions"
    folder.mkdir()
    settings.SESSION_FILE_PATH = str(folder)
    yield folder
    (SMALL / "filler").unlink(missing_ok=True)
    for path in sorted(SMALL.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.fixture
def small_browser(small_disk: Path, store: MakeSession) -> Browser:
    """Return a browser that is signed in, with a counter of 1, in a session on the small disk."""
    get_user_model().objects.create_user("ada", password="p" * 20)
    browser = Browser()
    browser.get("/sign_in")
    assert browser.get("/write").content == b"1"
    return browser


def fill(*, but: int = 0) -> None:
    """Fill the small disk for real, but for some blocks."""
    with (SMALL / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * BLOCK)
        except OSError:
            pass
        filler.truncate(filler.tell() // BLOCK * BLOCK - but * BLOCK)
    disk = os.statvfs(SMALL)
    assert disk.f_bavail == but


def make_room() -> None:
    (SMALL / "filler").unlink()


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


@layers(stock="the save is reported as done, and lost")
@FILE
def test_a_full_disk_is_an_error_and_never_a_success(
    small_browser: Browser, small_disk: Path
) -> None:
    cookie, before = small_browser.cookie, files(small_disk)
    fill()
    answer = small_browser.get("/write")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert not answer.cookies
    assert small_browser.cookie == cookie
    assert small_browser.get("/read").content == b"1"
    assert small_browser.get("/who").content == b"ada"
    assert files(small_disk) == before  # nothing half written lies about
    make_room()
    assert small_browser.get("/write").content == b"2"


@layers(stock="a session of nothing is begun")
@FILE
def test_a_full_disk_begins_no_session(small_browser: Browser) -> None:
    fill()
    newcomer = Browser()
    answer = newcomer.get("/write")
    assert answer.status_code == 503
    assert not answer.cookies


@FILE
def test_a_full_disk_holds_up_no_sign_out(small_browser: Browser, store: MakeSession) -> None:
    key = small_browser.cookie
    fill()
    assert small_browser.get("/sign_out").status_code == 200
    assert store(key).get("n") is None


@FILE
@pytest.mark.parametrize("room", [0, 1])
def test_a_key_that_could_not_be_changed_goes_on(
    small_browser: Browser, small_disk: Path, room: int
) -> None:
    """Check a sign-in that finds room for neither the new file, or not for the former's pointer."""
    cookie, before = small_browser.cookie, files(small_disk)
    fill(but=room)
    assert small_browser.get("/sign_in").status_code == 503
    assert small_browser.cookie == cookie
    assert small_browser.get("/read").content == b"1"
    assert files(small_disk) == before
    make_room()
    assert small_browser.get("/sign_in").status_code == 200
    assert small_browser.cookie != cookie


# --- Folders --------------------------------------------------------------------------------------


@pytest.fixture
def folder(settings: Settings) -> Iterator[Path]:
    """Return the folder of the sessions; whatever a test does to it is undone."""
    assert os.geteuid() != 0, "root may write anywhere"
    path = Path(settings.SESSION_FILE_PATH)
    yield path
    if path.is_dir():
        path.chmod(0o700)


@layers(stock="the save is reported as done, and lost")
@FILE
def test_a_folder_that_can_not_be_written_is_an_error_and_its_sessions_are_read(
    browser: Browser, folder: Path
) -> None:
    cookie = browser.cookie
    folder.chmod(0o500)
    assert browser.get("/write").status_code == 503
    assert browser.get("/sign_out").status_code == 503
    assert browser.cookie == cookie
    assert browser.get("/read").content == b"1"
    folder.chmod(0o700)
    assert browser.get("/write").content == b"2"


@layers(stock="it is taken for a folder without the session, and the cookie deleted")
@FILE
def test_a_folder_that_can_not_be_read_keeps_the_cookie(browser: Browser, folder: Path) -> None:
    cookie = browser.cookie
    folder.chmod(0o000)
    answers = [browser.get(path) for path in ("/read", "/write", "/sign_out")]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert browser.cookie == cookie
    folder.chmod(0o700)
    assert browser.get("/write").content == b"2"


@layers(stock="a server error")
@FILE
def test_a_folder_that_is_not_there_keeps_the_cookie(browser: Browser, folder: Path) -> None:
    cookie = browser.cookie
    elsewhere = folder.rename(folder.with_name(f"{folder.name}-elsewhere"))
    answers = [browser.get(path) for path in ("/read", "/write", "/sign_out")]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert browser.cookie == cookie
    elsewhere.rename(folder)
    assert browser.get("/write").content == b"2"


@FILE
def test_a_file_that_can_not_be_read_is_no_absent_session(browser: Browser, folder: Path) -> None:
    cookie = browser.cookie
    path = next(path for path in folder.iterdir() if path.name.endswith(hashed(cookie)))
    path.chmod(0o000)
    assert browser.get("/read").status_code == 503
    assert browser.cookie == cookie
    path.chmod(0o600)
    assert browser.get("/read").content == b"1"


# --- Redis ----------------------------------------------------------------------------------------


@pytest.fixture
def fill_redis(redis_server: RedisServer) -> Iterator[Callable[[], None]]:
    """Return what fills Redis up to its limit, for real; there is room again afterwards."""
    client: Any = redis_server.client()

    def fill() -> None:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 500_000)
        number = 0
        while True:
            try:
                client.set(f"filler:{number}", "x" * 5000)
            except OutOfMemoryError:
                break
            number += 1
        assert number > 10
        # What a request sets free, such as a connection's buffer, is no room for a session.
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 200_000)
        with pytest.raises(OutOfMemoryError):
            client.set("filler", "x")

    yield fill
    client.config_set("maxmemory", "64mb")
    client.close()


@pytest.fixture(autouse=True)
def _no_breaker_opens() -> Iterator[None]:
    """Check in every test that a store without room is no store that is gone."""
    before = counters()["breaker_opened"]
    yield
    assert redis_client().breaker.opened is None
    assert counters()["breaker_opened"] == before


@layers(stock="a server error")
@engines("cache")
def test_a_full_redis_begins_no_session_and_says_so(
    browser: Browser, fill_redis: Callable[[], None]
) -> None:
    fill_redis()
    answer = Browser().get("/write")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert not answer.cookies


@engines("cache")
def test_a_full_redis_goes_on_with_the_sessions_it_has(
    browser: Browser, fill_redis: Callable[[], None]
) -> None:
    fill_redis()
    assert browser.get("/read").content == b"1"
    assert browser.get("/write").content == b"2"
    assert browser.get("/read").content == b"2"
    assert browser.get("/sign_out").status_code == 200
    assert browser.get("/read").content == b"0"


@layers(stock="the save succeeds, and the cache goes on with the value from before")
@engines("cached_db")
def test_without_room_for_copies_everything_goes_on_and_none_is_stale(
    browser: Browser, fill_redis: Callable[[], None]
) -> None:
    fill_redis()
    for number in (b"2", b"3"):
        assert browser.get("/write").content == number
        assert browser.get("/read").content == number
    newcomer = Browser()
    assert newcomer.get("/write").content == b"1"
    assert newcomer.get("/read").content == b"1"
    former = browser.cookie
    assert browser.get("/sign_in").status_code == 200
    assert browser.cookie != former
    assert browser.get("/sign_out").status_code == 200
    assert browser.get("/who").content == b"nobody"


@engines("cached_db")
def test_once_there_is_room_again_rows_are_copied_again(
    browser: Browser, fill_redis: Callable[[], None], redis_server: RedisServer
) -> None:
    fill_redis()
    assert browser.get("/write").content == b"2"
    with redis_server.client() as client:
        client.config_set("maxmemory", "64mb")
        assert browser.get("/read").content == b"2"
        assert client.get(f"session:{hashed(browser.cookie)}").startswith(b"s1|")
