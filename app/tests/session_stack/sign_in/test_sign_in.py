"""Guessing at one account is slowed, for names that exist and those that don't, on both layers."""

import re
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth import aauthenticate, authenticate, get_user_model, login
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.db import connection, connections
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.test.client import ClientHandler
from django.urls import include, path
from pytest_django import Settings

from session_stack.layers import hardened, stock
from session_stack.models import FailedSignIns
from session_stack.sign_in import counters, device
from session_stack.sign_in.counters import TooEarlyError
from session_stack.sign_in.limits import EVERYBODY, NEWCOMER, OWN
from session_stack.sign_in.visit import Visit
from tests.servers import Postgres

pytestmark = pytest.mark.django_db
COMMITTED = pytest.mark.django_db(transaction=True)
BOTH = pytest.mark.parametrize("site", ["hardened", "stock"], indirect=True)

RIGHT = "the right password"
HOST = {"Host": "www.example.org", "X-Forwarded-Proto": "https"}
HASHED: list[str] = []  # what a hasher was asked for


class CountedHasher(MD5PasswordHasher):
    algorithm = "counted"

    def encode(self, password: str, salt: str) -> str:
        HASHED.append(password)
        return super().encode(password, salt)


def api(request: HttpRequest) -> HttpResponse:
    """Authenticate as an API does: each request brings the password, and none signs in."""
    user = authenticate(username=request.POST["username"], password=request.POST["password"])
    return HttpResponse(user.get_username() if user else "nobody")


async def aapi(request: HttpRequest) -> HttpResponse:
    user = await aauthenticate(
        request, username=request.POST["username"], password=request.POST["password"]
    )
    return HttpResponse(user.get_username() if user else "nobody")


async def again(request: HttpRequest) -> HttpResponse:
    user = await User.objects.aget(username="ada")
    right = await user.acheck_password(request.POST["password"])
    return HttpResponse("ada" if right else "nobody")


def sign_up(request: HttpRequest) -> HttpResponse:
    """Sign in somebody without a password, as after a registration."""
    login(request, User.objects.get(username="ada"))
    return HttpResponse("welcome")


urlpatterns = [
    *(path(view.__name__, view) for view in (api, aapi, again, sign_up)),
    path("", include("config.urls")),
]


@pytest.fixture(autouse=True)
def site(request: pytest.FixtureRequest, db: None, settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    settings.PASSWORD_HASHERS = [f"{__name__}.CountedHasher"]
    if getattr(request, "param", "hardened") == "stock":
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
        above = settings.MIDDLEWARE.index(hardened.MIDDLEWARE[0])
        below = settings.MIDDLEWARE[above + len(hardened.MIDDLEWARE) :]
        settings.MIDDLEWARE = [*settings.MIDDLEWARE[:above], *stock.MIDDLEWARE, *below]
    get_user_model().objects.create_user("ada", "ada@example.org", RIGHT)
    HASHED.clear()
    Browser.server = ClientHandler(enforce_csrf_checks=False)


class Browser(Client):
    server: ClientHandler  # one for all of a test

    def __init__(self, address: str = "192.0.2.7") -> None:
        super().__init__(headers=HOST, raise_request_exception=False)
        self.handler = self.server
        self.address = address

    def request(self, **request: Any) -> Any:
        return super().request(**{"HTTP_X_FORWARDED_FOR": self.address, **request})

    def sign_in(self, password: str, name: str = "ada") -> Any:
        return self.post("/accounts/login/", {"username": name, "password": password})

    def guess(self, times: int, name: str = "ada") -> list[int]:
        """Try wrong passwords by a view that renders nothing."""
        forms = [{"username": name, "password": f"wrong {number}"} for number in range(times)]
        return [self.post("/api", form).status_code for form in forms]


def pass_time(seconds: float) -> None:
    """Let that much time go by for every counter."""
    FailedSignIns.objects.update(counted_at=F("counted_at") - timedelta(seconds=seconds))


FREE = [200] * OWN.free


@BOTH
@pytest.mark.parametrize("name", ["ada", "nobody-of-that-name"])
def test_after_some_wrong_passwords_each_further_one_waits_twice_as_long(name: str) -> None:
    browser, waits = Browser(), []
    assert browser.guess(OWN.free, name) == FREE
    for _ in range(10):
        hashed = len(HASHED)
        answer = browser.sign_in(RIGHT, name)
        assert (answer.status_code, len(HASHED)) == (429, hashed)
        page = answer.content.decode()
        waits.append(int(answer["Retry-After"]))
        assert f"Please try again in {waits[-1]} seconds." in page
        assert "Please enter a correct" not in page
        assert "no-store" in answer["Cache-Control"]
        pass_time(waits[-1] - 2)
        assert browser.sign_in("wrong", name).status_code == 429
        pass_time(2)
        assert browser.sign_in("wrong", name).status_code == 200
        assert len(HASHED) == hashed + 1
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, OWN.longest, OWN.longest]
    pass_time(OWN.forget * 24)
    assert browser.guess(OWN.free + 1, name) == [*FREE, 429]


def test_the_page_is_the_same_for_a_name_that_is_and_one_that_is_not() -> None:
    pages = []
    for name in ("ada", "eva"):
        browser = Browser()
        browser.guess(OWN.free, name)
        answer = browser.sign_in("wrong", name)
        (form,) = re.findall(r"<form class=.panel.*?</form>", answer.content.decode(), re.DOTALL)
        form = re.sub(r'(csrfmiddlewaretoken" value=")\w+', r"\1", form)
        pages.append((form.replace(name, "NAME"), answer.headers.keys()))
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("here", "there", "same"),
    [
        ("192.0.2.7", "192.0.2.250", True),
        ("192.0.2.7", "192.0.3.7", False),
        ("::ffff:192.0.2.7", "192.0.2.8", True),
        ("2001:db8:1:2::1", "2001:db8:1:ffff::9", True),
        ("2001:db8:1::1", "2001:db8:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("192.0.2.7, 198.51.100.1", "198.51.100.2", True),  # what a client says comes first
        ("192.0.2.7", "unix:", False),
        ("", "", True),
    ],
)
def test_a_network_is_slowed_and_others_are_not(here: str, there: str, same: bool) -> None:
    Browser(here).guess(OWN.free)
    assert Browser(there).sign_in(RIGHT).status_code == (429 if same else 302)


@pytest.mark.parametrize("form", ["ADA", " ada ", "\uff21\uff24\uff21", "ada" + "\u2003"])
def test_the_forms_of_one_name_share_a_counter(form: str) -> None:
    browser = Browser()
    browser.guess(OWN.free)
    assert browser.guess(1, form) == [429]


@pytest.mark.parametrize("name", ["\ud800", "a\0b", "n" * 100_000, "\ufdfa" * 300, ""])
def test_a_name_that_no_database_takes_is_counted(name: str) -> None:
    visit = Visit(RequestFactory().get("/"))
    for number in range(OWN.free):
        visit.begin(name, f"wrong {number}")
    with pytest.raises(TooEarlyError):
        visit.begin(name, RIGHT)


@BOTH
def test_right_passwords_never_wait_and_forget_the_wrong_ones() -> None:
    browser = Browser()
    for _ in range(3):
        browser.guess(OWN.free - 1)
        assert browser.sign_in(RIGHT).status_code == 302
        browser.cookies.clear()
    answers = [browser.post("/api", {"username": "ada", "password": RIGHT}) for _ in range(30)]
    assert {answer.content for answer in answers} == {b"ada"}
    assert sum(FailedSignIns.objects.values_list("failures", flat=True)) == pytest.approx(
        3 * (OWN.free - 1), abs=0.5
    )  # of everybody's, which a right password doesn't forget


@pytest.mark.alone  # fifty statements at once, each with its bound of half a second
@COMMITTED
@BOTH
def test_of_parallel_guesses_only_the_free_ones_are_looked_at() -> None:
    answers: list[int] = []
    barrier = threading.Barrier(50)

    def guess(number: int) -> None:
        browser = Browser()
        barrier.wait()
        try:
            answers.append(browser.sign_in(f"wrong {number}").status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=guess, args=[number]) for number in range(50)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waited = int((time.monotonic() - started) // OWN.first)  # waits that a slow machine sat out
    assert OWN.free <= answers.count(200) == len(HASHED) <= OWN.free + waited
    assert answers.count(429) == 50 - len(HASHED)


def networks(count: int, start: int = 0) -> list[Browser]:
    return [Browser(f"10.{n // 256}.{n % 256}.1") for n in range(start, start + count)]


def test_guesses_from_many_networks_wait_too_but_not_who_is_new() -> None:
    # Each guesses more than a newcomer may.
    for browser in networks(10):
        assert set(browser.guess(NEWCOMER + 5)) == {200}
    bots = networks(10)
    assert {browser.sign_in("wrong").status_code for browser in bots} == {429}
    assert Browser().sign_in(RIGHT).status_code == 302
    wait = int(bots[0].sign_in("wrong")["Retry-After"])
    assert 1 <= wait <= EVERYBODY.first
    # One after each wait, whoever it is; who waited for others gets no wait of its own for that.
    pass_time(wait)
    assert sorted(browser.sign_in("wrong").status_code for browser in bots) == [200, *[429] * 9]
    for _ in range(20):
        assert bots[1].sign_in("wrong").status_code == 429
    pass_time(EVERYBODY.longest)
    assert bots[1].sign_in(RIGHT).status_code == 302


def test_a_botnet_of_newcomers_waits_too_but_not_the_owners_browser() -> None:
    home = Browser("203.0.113.1")
    assert home.sign_in(RIGHT).status_code == 302
    home.post("/accounts/logout/")
    bots = networks(EVERYBODY.free)
    assert [browser.sign_in("wrong").status_code for browser in bots] == [200] * EVERYBODY.free
    for step in range(8):
        assert {browser.sign_in("wrong").status_code for browser in networks(3, 1000)} == {429}
        pass_time(min(EVERYBODY.longest, EVERYBODY.first * 2**step))
        assert networks(1, 2000 + step)[0].sign_in("wrong").status_code == 200
    (elsewhere,) = networks(1, 3000)
    answer = elsewhere.sign_in(RIGHT)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) <= EVERYBODY.longest
    assert home.sign_in(RIGHT).status_code == 302


def known(address: str = "192.0.2.7", name: str = "ada") -> Browser:
    """Return a browser in which that account signed in before."""
    browser = Browser(address)
    assert browser.sign_in(RIGHT, name).status_code == 302
    browser.post("/accounts/logout/")
    return browser


@BOTH
def test_a_browser_that_signed_in_before_has_a_counter_of_its_own() -> None:
    home, neighbour = known(), Browser()
    neighbour.guess(OWN.free)
    assert neighbour.sign_in(RIGHT).status_code == 429
    assert home.guess(OWN.free + 1) == [*FREE, 429]  # limited too
    pass_time(OWN.first)
    assert home.sign_in(RIGHT).status_code == 302
    assert neighbour.guess(1) == [200]


def test_the_cookie_of_a_browser_is_of_no_use_for_another_account() -> None:
    get_user_model().objects.create_user("eve", password=RIGHT)
    eve = known(name="eve")
    assert eve.guess(OWN.free) == FREE
    assert Browser().sign_in(RIGHT).status_code == 429  # they were counted with the network's
    assert eve.sign_in(RIGHT).status_code == 429
    assert eve.sign_in(RIGHT, "eve").status_code == 302


def test_a_browser_of_several_accounts_knows_the_latest() -> None:
    names = [f"user{number}" for number in range(device.ACCOUNTS + 1)]
    browser = Browser()
    for name in names:
        get_user_model().objects.create_user(name, password=RIGHT)
        assert browser.sign_in(RIGHT, name).status_code == 302
        browser.post("/accounts/logout/")
    for name in names:
        Browser().guess(OWN.free, name)
    answers = [browser.sign_in(RIGHT, name).status_code for name in names[1:]]
    assert answers == [302] * device.ACCOUNTS
    browser = known()
    assert len(browser.cookies[device.COOKIE].value) < 300


def test_the_cookie_keeps_what_its_name_promises_and_holds_no_name() -> None:
    cookie = known().cookies[device.COOKIE]
    assert cookie.key.startswith("__Host-")
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax")
    assert (cookie["path"], cookie["domain"]) == ("/", "")
    assert device.account("ada") != device.account("eve")
    assert not Browser().get("/accounts/login/").cookies.get(device.COOKIE)
    wrong = Browser()
    wrong.guess(1)
    assert device.COOKIE not in wrong.cookies


@pytest.mark.parametrize("how", ["tampered", "expired", "garbage", "empty", "other key"])
def test_a_cookie_that_is_not_ours_is_none(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    browser = known()
    value = browser.cookies[device.COOKIE].value
    if how == "expired":
        monkeypatch.setattr(device, "AGE_SECONDS", -1)
    elif how == "other key":
        settings.SECRET_KEY = "another" * 10
    else:
        changed = {"tampered": f"{value[:5]}x{value[6:]}", "garbage": "[]", "empty": ""}
        browser.cookies[device.COOKIE] = changed[how]
    Browser().guess(OWN.free)
    assert browser.sign_in(RIGHT).status_code == 429


def change(browser: Browser, old: str) -> Any:
    new = "a long and new password"
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    return browser.post("/accounts/password/", form)


@BOTH
def test_the_password_form_is_limited_with_the_sign_in_form() -> None:
    browser = Browser()
    browser.sign_in(RIGHT)
    thief = Browser()
    thief.cookies[django_settings.SESSION_COOKIE_NAME] = browser.cookies[
        django_settings.SESSION_COOKIE_NAME
    ].value
    answers = [change(thief, f"wrong {number}") for number in range(OWN.free)]
    assert [answer.status_code for answer in answers] == FREE
    hashed = len(HASHED)
    answer = change(thief, RIGHT)
    assert (answer.status_code, len(HASHED)) == (429, hashed)
    assert b"Too many wrong passwords for this name." in answer.content
    assert b"old password was entered incorrectly" not in answer.content
    assert thief.guess(1) == [429]
    assert change(browser, RIGHT).status_code == 302  # known: the thief doesn't delay the owner


@COMMITTED
@pytest.mark.parametrize("view", ["/api", "/aapi", "/again"])
def test_whoever_asks_for_a_password_is_limited(view: str) -> None:
    def ask(password: str) -> tuple[int, bytes]:
        answer = Browser().post(view, {"username": "ada", "password": password})
        return answer.status_code, answer.content

    assert ask(RIGHT) == (200, b"ada")
    for number in range(OWN.free):
        assert ask(f"wrong {number}") == (200, b"nobody")
    assert ask(RIGHT) == (
        429,
        b"Too many wrong passwords for this name. Please try again in 5 seconds.\n",
    )
    pass_time(OWN.first)
    assert ask(RIGHT) == (200, b"ada")


@COMMITTED
@pytest.mark.parametrize("view", ["/api", "/aapi", "/again"])
def test_asynchronous_servers_are_limited_too(view: str) -> None:
    client = AsyncClient(headers={**HOST, "X-Forwarded-For": "192.0.2.7"})

    def ask(password: str) -> int:
        form = {"username": "ada", "password": password}
        return async_to_sync(client.post)(view, form, secure=True).status_code

    statuses = [ask(f"wrong {number}") for number in range(OWN.free + 1)]
    assert statuses == [*FREE, 429]


class SecondBackend:
    def authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        return None

    def get_user(self, user_id: object) -> None:
        return None


def test_several_backends_are_one_guess(settings: Settings) -> None:
    settings.AUTHENTICATION_BACKENDS = [
        f"{__name__}.SecondBackend",
        *settings.AUTHENTICATION_BACKENDS,
    ]
    browser = Browser()
    assert browser.guess(OWN.free + 1) == [*FREE, 429]
    pass_time(OWN.first)
    assert browser.sign_in(RIGHT).status_code == 302


@BOTH
def test_a_project_with_one_backend_still_signs_in_who_registers() -> None:
    browser = Browser()
    assert browser.post("/sign_up").content == b"welcome"
    Browser().guess(OWN.free)
    browser.post("/accounts/logout/")
    assert browser.sign_in(RIGHT).status_code == 302  # and knows the browser


def test_outside_of_requests_nothing_is_counted() -> None:
    Browser().guess(1)
    for number in range(OWN.free + 1):
        assert authenticate(username="ada", password=f"wrong {number}") is None
    assert authenticate(username="ada", password=RIGHT)
    assert Browser().guess(OWN.free) == [*FREE[1:], 429]


@COMMITTED
def test_a_views_transaction_undoes_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    def failing(request: HttpRequest) -> HttpResponse:
        api(request)
        raise ValueError("the view fails")

    monkeypatch.setattr(f"{__name__}.urlpatterns", [path("failing", failing), *urlpatterns])
    form = {"username": "ada", "password": "wrong"}
    statuses = [Browser().post("/failing", form).status_code for _ in range(OWN.free)]
    assert statuses == [500] * OWN.free
    assert Browser().guess(1) == [429]


@COMMITTED
@BOTH
def test_without_postgres_nobody_signs_in_and_nothing_is_a_server_error(
    postgres: Postgres,
) -> None:
    postgres.kill()
    try:
        form = {"username": "ada", "password": RIGHT}
        answers = [Browser().sign_in(RIGHT), Browser().post("/api", form)]
        assert [answer.status_code for answer in answers] == [503, 503]
        assert all(answer["Retry-After"] for answer in answers)
    finally:
        connection.close()
        postgres.start()


def test_a_clock_that_was_set_back_keeps_nobody_waiting() -> None:
    Browser().guess(OWN.free + 3)
    pass_time(-24 * 3600)
    assert Browser().guess(2) == [200, 429]
    pass_time(OWN.first * 2**4)
    assert Browser().sign_in(RIGHT).status_code == 302


def test_the_table_has_an_end_and_whose_row_is_taken_waits_for_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counters, "ROWS", 4)
    for number in range(50):
        assert Browser().guess(1, f"name{number}") == [200]
    assert FailedSignIns.objects.count() <= 4


def test_which_row_counts_a_name_depends_on_the_secret_key(settings: Settings) -> None:
    before = counters.counter(OWN, "network", "ada", "4/12582914")
    settings.SECRET_KEY = "another" * 10
    assert counters.counter(OWN, "network", "ada", "4/12582914") != before


def test_it_can_be_switched_off(settings: Settings) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "sign_in" not in name]
    browser = Browser()
    assert browser.guess(OWN.free + 5) == [200] * (OWN.free + 5)
    assert browser.sign_in(RIGHT).status_code == 302
    assert device.COOKIE not in browser.cookies
    assert not FailedSignIns.objects.exists()
