"""What one visitor takes never takes the site from the others, or nginx down."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import SESSION_COOKIE, Visitor

from stack import Stack, eventually, run

CROWD = (Path(__file__).parent / "crowd.py").read_text()
SLOWER = 4  # times; what eight clients who sign in may make of a visitor's p95


@pytest.fixture(scope="module")
def limited(stack: Stack) -> Iterator[Stack]:
    """Return the stack with its limits, believing this machine whose request each is."""
    stack.compose("up", "--no-start", profile="cache")  # there is a network then
    network = json.loads(run("docker", "network", "inspect", f"{stack.project}_edge").stdout)[0]
    stack.switch(
        "cache",
        TRUSTED_PROXIES=network["IPAM"]["Config"][0]["Gateway"],
        SIGN_INS_PER_MINUTE="10",
        PASSWORDS_PER_MINUTE="60",
        NEW_SESSIONS_PER_HOUR="5",
    )
    yield stack
    stack.switch("cache")


@pytest.fixture
def of(limited: Stack, new_visitor: Callable[[], Visitor]) -> Callable[[str], Visitor]:
    """Return what makes a visitor of that address."""

    def make(address: str) -> Visitor:
        visitor = new_visitor()
        visitor.http.headers["X-Forwarded-For"] = address
        visitor.http.timeout = 60
        return visitor

    return make


@contextmanager
def crowd(stack: Stack, kind: str, connections: int, addresses: int) -> Iterator[tuple[int, int]]:
    """Have a crowd at nginx, and say how many connections were taken and refused."""
    vendor = "staticfiles/admin/js/vendor/xregexp"
    names = stack.execute("app-cache", "ls", vendor).split()
    (name,) = [name for name in names if re.fullmatch(r"xregexp\.[0-9a-f]{12}\.js", name)]
    network = f"container:{stack.container('nginx')['Id']}"
    command = ["docker", "run", "--rm", "--interactive", "--network", network]
    command += [stack.settings["APP_IMAGE"], "python", "-c", CROWD, kind, str(connections)]
    command += [str(addresses), f"/static/admin/js/vendor/xregexp/{name}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout
        taken, refused = map(int, process.stdout.readline().split())
        yield taken, refused
        process.communicate()


@pytest.mark.parametrize(
    ("kind", "connections", "addresses", "refused"),
    [
        ("idle", 6000, 1, 5000),  # but for those in place of what ended by itself meanwhile
        ("idle", 2000, 20, 0),  # the oldest make room
        ("half_a_handshake", 900, 9, 0),
        ("half_a_header", 1000, 1, 500),
        ("half_a_body", 300, 3, 0),
        ("crumbs_of_a_body", 100, 1, 0),
        ("slow_reader", 300, 3, 0),
        ("streams_that_nobody_reads", 300, 3, 0),
    ],
)
def test_others_are_served_beside_a_crowd(
    limited: Stack,
    of: Callable[[str], Visitor],
    kind: str,
    connections: int,
    addresses: int,
    refused: int,
) -> None:
    before = limited.container("nginx")["RestartCount"]
    with crowd(limited, kind, connections, addresses) as counted:
        assert sum(counted) == connections
        assert counted[1] >= refused
        assert refused or not counted[1]
        for number in range(5):
            assert of(f"192.0.2.{number}").visit() == 1
    nginx = limited.container("nginx")
    assert (nginx["State"]["OOMKilled"], nginx["RestartCount"]) == (False, before)
    assert "exited on signal" not in limited.logs("nginx")


def test_more_than_the_memory_is_never_taken(limited: Stack, of: Callable[[str], Visitor]) -> None:
    with crowd(limited, "streams_that_nobody_reads", 600, 12):
        assert of("192.0.2.1").http.get("/").status_code in (200, 429)
    assert eventually(lambda: of("192.0.2.1").http.get("/").status_code == 200)
    nginx = limited.container("nginx")
    assert nginx["State"]["OOMKilled"] is False
    assert "exited on signal" not in limited.logs("nginx")


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/password"])
def test_guessing_passwords_is_slowed_down(
    of: Callable[[str], Visitor], path: str, user: tuple[str, str]
) -> None:
    network = f"2001:db8:{len(path)}:1::"  # an IPv6 host has all of one
    page = of(network).http.get("/accounts/login/").text
    guesses = [
        of(f"{network}{number}").post(path, page, username=network, password="guess")
        for number in range(10)
    ]
    refused = [guess.status_code == 429 for guess in guesses]
    assert not any(refused[:6])
    assert sum(refused[6:]) >= 3  # one more is let through every six seconds
    last = guesses[max(number for number in range(10) if refused[number])]
    assert "Too many attempts" in last.text
    assert last.headers["Retry-After"]
    assert of(network).http.get("/accounts/login/").status_code == 200, "the form is no guess"
    assert of(f"2001:db8:{len(path)}:2::").sign_in(*user).status_code == 302


@pytest.mark.alone
def test_a_visitor_hardly_notices_eight_clients_who_sign_in(
    of: Callable[[str], Visitor], user: tuple[str, str]
) -> None:
    visitor = of("192.0.2.1")
    answers: list[int] = []
    done = threading.Event()

    def guess(client: Visitor) -> None:
        page = client.http.get("/accounts/login/").text
        while not done.is_set():
            name = f"nobody-{client.http.headers['X-Forwarded-For']}"
            guess = client.post("/accounts/login/", page, username=name, password="guess")
            answers.append(guess.status_code)

    def times(seconds: float) -> list[float]:
        found, end = [], time.monotonic() + seconds
        while (begun := time.monotonic()) < end:
            assert visitor.http.get("/").status_code == 200
            found.append(time.monotonic() - begun)
            time.sleep(0.02)
        return found

    def p95(found: list[float]) -> float:
        return sorted(found)[len(found) * 95 // 100]

    quiet = times(4)
    clients = [of(f"198.51.100.{number}") for number in range(8)]
    threads = [threading.Thread(target=guess, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    busy = times(9)
    honest = of("203.0.113.1")  # who tries again where the answer is 429
    signed_in = eventually(lambda: honest.sign_in(*user).status_code == 302, pause=1)
    done.set()
    for thread in threads:
        thread.join()
    quiet += times(4)
    assert answers.count(200) >= 6, "passwords were hashed meanwhile"
    assert signed_in
    assert p95(busy) < SLOWER * p95(quiet)


def test_an_address_begins_so_many_sessions_and_then_has_pages_without(
    of: Callable[[str], Visitor], user: tuple[str, str]
) -> None:
    visitors = [of("203.0.113.7") for _ in range(20)]
    assert [visitor.visit() for visitor in visitors] == [1] * len(visitors)
    kept = [visitor.cookie is not None for visitor in visitors]
    assert 5 <= sum(kept) <= 10  # of each of two processes
    assert not any(kept[-5:])
    # A cookie that leads nowhere is none.
    planted = of("203.0.113.7")
    planted.http.headers["Cookie"] = f"{SESSION_COOKIE}={'x' * 32}"
    answer = planted.http.get("/")
    assert answer.status_code == 200
    assert not planted.cookie
    assert visitors[-1].sign_in(*user).status_code == 302
    assert visitors[-1].signed_in()
    assert of("203.0.113.8").visit() == 1
