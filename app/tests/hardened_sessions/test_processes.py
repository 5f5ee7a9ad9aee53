"""What one worker process does holds in the others, whatever became of Redis or of itself.

Bounds are waited out, then judged: a process may know by `bounds.TRUST`, and must know after it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from hardened_sessions import bounds
from hardened_sessions.format.keys import hashed
from hardened_sessions.revocation import users
from tests.hardened_sessions.conftest import ON_SERVER, PACKAGES
from tests.hardened_sessions.settings import SECRET_KEY
from tests.hardened_sessions.workers import Answer, Worker
from tests.servers import Postgres, RedisServer

NEXT_SECRET_KEY = "only-for-tests-too-0123456789-abcdefghijklmnopqrstuvwxyz-01234567"
MARGIN = 0.3  # seconds beyond a bound, for a busy machine

type Start = Callable[..., list[Worker]]

pytestmark = pytest.mark.alone


@pytest.fixture
def start(engine: str, layer: str, tmp_path: Path, tables: None) -> Iterator[Start]:
    """Return what starts worker processes."""
    get_user_model().objects.create_user("ada", password="p" * 20)
    started: list[Worker] = []

    def start(count: int, secret_key: str = SECRET_KEY, *fallbacks: str) -> list[Worker]:
        made = [
            Worker(f"{PACKAGES[layer]}.{engine}", tmp_path, secret_key, *fallbacks)
            for _ in range(count)
        ]
        started.extend(made)
        for worker in made:
            worker.wait()
        return made

    yield start
    for worker in started:
        worker.stop()


def signed_in(worker: Worker) -> str:
    """Sign in and return the cookie."""
    answer = worker.get("sign_in")
    assert answer.status == 200
    assert answer.cookie
    return answer.cookie


def wait_out_the_bound(since: float) -> None:
    time.sleep(max(0.0, since + bounds.TRUST + MARGIN - time.monotonic()))


def engines(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("engine", names)


# --- Signing out ----------------------------------------------------------------------------------


@engines(*ON_SERVER)
def test_a_sign_out_holds_in_every_process_once_it_is_answered(start: Start) -> None:
    one, other = start(2)
    cookie = signed_in(one)
    assert other.get("who", cookie).text == "ada"
    assert one.get("sign_out", cookie).status == 200
    answer = other.get("who", cookie)
    assert (answer.text, answer.cookie) == ("nobody", "")


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param("stock", marks=pytest.mark.xfail(strict=True, reason="replay works")),
        "hardened",
    ],
)
@engines("signed_cookies")
def test_a_signed_cookie_that_was_signed_out_dies_within_the_bound(start: Start) -> None:
    one, other = start(2)
    cookie = signed_in(one)
    assert other.get("who", cookie).text == "ada"
    assert one.get("sign_out", cookie).status == 200
    wait_out_the_bound(time.monotonic())
    for worker in (one, other):
        assert worker.get("who", cookie).text == "nobody"


@engines("cached_db")
def test_a_sign_out_while_redis_is_gone_holds_in_a_process_that_never_noticed(
    start: Start, redis_server: RedisServer
) -> None:
    one, other = start(2)
    cookie = signed_in(one)
    assert other.get("who", cookie).text == "ada"  # the copy lies in Redis
    redis_server.kill()
    try:
        assert one.get("sign_out", cookie).status == 200
    finally:
        redis_server.start()  # with its data
    with redis_server.client() as client:
        assert client.exists(f"session:{hashed(cookie)}")
    assert other.get("who", cookie).text == "nobody"


@engines("cached_db")
def test_a_sign_out_holds_when_its_process_dies_halfway(
    start: Start, redis_server: RedisServer
) -> None:
    one, other = start(2)
    cookie = signed_in(one)
    assert other.get("who", cookie).text == "ada"
    redis_server.hang()
    try:
        signing_out = threading.Thread(target=ignore_reset, args=(one, cookie), daemon=True)
        signing_out.start()
        while row_exists(cookie):
            time.sleep(0.005)
        ended_at = time.monotonic()
        one.kill()
        signing_out.join()
    finally:
        redis_server.go_on()
    with redis_server.client() as client:
        # The deletion that it may have sent before it died is taken back.
        if not client.exists(f"session:{hashed(cookie)}"):
            pytest.skip("the deletion reached Redis before the process died")
    wait_out_the_bound(ended_at)
    assert other.get("who", cookie).text == "nobody"


def ignore_reset(worker: Worker, cookie: str) -> None:
    with suppress(OSError):
        worker.get("sign_out", cookie)


def row_exists(cookie: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM django_session WHERE session_key = %s", [hashed(cookie)])
        return cursor.fetchone() is not None


# --- Deleting rows --------------------------------------------------------------------------------

DELETIONS = {
    "DELETE": "DELETE FROM django_session WHERE session_key = %s",
    "TRUNCATE": "TRUNCATE django_session",
}


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param("stock", marks=pytest.mark.xfail(strict=True, reason="the copy lives on")),
        "hardened",
    ],
)
@engines("cached_db")
@pytest.mark.parametrize("how", DELETIONS)
def test_deleting_the_row_ends_the_session_in_every_process(
    start: Start, how: str, layer: str
) -> None:
    workers = start(2)
    cookie = signed_in(workers[0])
    for worker in workers:
        assert worker.get("who", cookie).text == "ada"
    with connection.cursor() as cursor:
        name = hashed(cookie) if layer == "hardened" else cookie
        cursor.execute(DELETIONS[how], [name] if how == "DELETE" else [])
    wait_out_the_bound(time.monotonic())
    for worker in workers:
        assert worker.get("who", cookie).text == "nobody"


@engines("cached_db")
def test_a_deletion_that_commits_late_counts_from_its_commit(start: Start) -> None:
    (worker,) = start(1)
    cookie, later = signed_in(worker), signed_in(worker)
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(DELETIONS["DELETE"], [hashed(cookie)])
        # Meanwhile the feed moves on, by what others end.
        assert worker.get("sign_out", later).status == 200
        wait_out_the_bound(time.monotonic())
        assert worker.get("who", cookie).text == "ada"
        cursor.execute("COMMIT")
    wait_out_the_bound(time.monotonic())
    assert worker.get("who", cookie).text == "nobody"


@engines("cached_db")
def test_without_a_word_from_the_feed_nothing_cached_is_believed(
    start: Start, postgres: Postgres
) -> None:
    (worker,) = start(1)
    cookie = signed_in(worker)
    assert worker.get("read", cookie).status == 200
    connection.close()
    postgres.hang()
    try:
        wait_out_the_bound(time.monotonic())
        answer = worker.get("read", cookie)
        assert (answer.status, answer.retry_after, answer.cookie) == (503, "2", None)
    finally:
        postgres.go_on()
    deadline = time.monotonic() + 10
    while (answer := worker.get("read", cookie)).status == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (answer.status, answer.cookie) == (200, None)


# --- Values ---------------------------------------------------------------------------------------


@engines("cached_db")
def test_a_save_that_redis_never_heard_of_is_read_everywhere(
    start: Start, redis_server: RedisServer
) -> None:
    one, other = start(2)
    cookie = signed_in(one)
    assert one.get("write", cookie).text == "1"
    assert other.get("read", cookie).text == "1"
    redis_server.hang()
    try:
        assert one.get("write", cookie).text == "2"
    finally:
        redis_server.go_on()
    wait_out_the_bound(time.monotonic())
    assert other.get("read", cookie).text == "2"


@engines(*ON_SERVER)
def test_no_change_is_lost_between_processes(start: Start) -> None:
    workers = start(2)
    cookie = signed_in(workers[0])
    keys = [f"k{number}" for number in range(16)]

    def put(number: int) -> None:
        for _ in range(20):  # a busy session is told so; nothing was saved then
            answer = workers[number % 2].get(f"put?key={keys[number]}", cookie)
            if answer.status == 200:
                return
            assert answer.status == 503
        raise AssertionError("always busy")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(len(keys))))
    assert set(workers[0].get("names", cookie).text.split()) >= set(keys)


# --- Everywhere -----------------------------------------------------------------------------------


@engines("signed_cookies")
def test_signing_out_everywhere_ends_every_cookie_of_that_user_alone(start: Start) -> None:
    workers = start(2)
    cookies = [signed_in(worker) for worker in workers]
    get_user_model().objects.create_user("bob", password="p" * 20)
    bob = workers[0].get("sign_in?name=bob").cookie or ""
    for worker in workers:
        for cookie in cookies:
            assert worker.get("who", cookie).text == "ada"
    users.end(get_user_model().objects.get(username="ada").pk)
    wait_out_the_bound(time.monotonic())
    for worker in workers:
        for cookie in cookies:
            assert worker.get("who", cookie).text == "nobody"
        assert worker.get("who", bob).text == "bob"
    # Who signs in again has a cookie of the new epoch.
    assert workers[1].get("who", signed_in(workers[0])).text == "ada"


# --- A new secret key -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(
            "stock", marks=pytest.mark.xfail(strict=True, reason="the second request is signed out")
        ),
        "hardened",
    ],
)
@engines(*ON_SERVER)
def test_parallel_requests_over_a_new_secret_key_sign_nobody_out(start: Start) -> None:
    (before,) = start(1)
    cookies = [signed_in(before) for _ in range(5)]
    before.stop()
    workers = start(2, NEXT_SECRET_KEY, SECRET_KEY)
    for cookie in cookies:
        answers = in_parallel(workers, cookie, 20)
        assert {answer.status for answer in answers} == {200}
        assert {answer.text for answer in answers} == {"ada"}
        assert "" not in {answer.cookie for answer in answers}
        # Every cookie that the browser may now hold is good.
        for given in {answer.cookie for answer in answers} - {None}:
            assert workers[0].get("who", given or "").text == "ada"


@engines("signed_cookies")
def test_signed_cookies_outlive_a_new_secret_key(start: Start) -> None:
    (before,) = start(1)
    cookie = signed_in(before)
    before.stop()
    workers = start(2, NEXT_SECRET_KEY, SECRET_KEY)
    answers = in_parallel(workers, cookie, 20)
    assert {(answer.status, answer.text) for answer in answers} == {(200, "ada")}
    assert "" not in {answer.cookie for answer in answers}


@engines(*ON_SERVER)
def test_a_sign_out_by_the_former_key_ends_the_session_it_leads_to(start: Start) -> None:
    (before,) = start(1)
    former = signed_in(before)
    before.stop()
    one, other = start(2, NEXT_SECRET_KEY, SECRET_KEY)
    latter = one.get("who", former).cookie
    assert latter
    assert other.get("who", former).text == "ada"
    assert other.get("sign_out", former).status == 200
    assert one.get("who", latter).text == "nobody"
    assert one.get("who", former).text == "nobody"


def in_parallel(workers: list[Worker], cookie: str, count: int) -> list[Answer]:
    """Send that many requests at once, with one cookie, to the workers in turn."""
    with ThreadPoolExecutor(count) as pool:
        return list(
            pool.map(lambda number: workers[number % len(workers)].get("who", cookie), range(count))
        )
