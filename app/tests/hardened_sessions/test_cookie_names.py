"""No cookie but this host's own is read as its own, whatever its name is made of."""

from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.http.cookie import parse_cookie
from django.test import Client, RequestFactory
from hypothesis import example, given
from hypothesis import strategies as st

from hardened_sessions.cookie_names import guard
from tests.hardened_sessions.conftest import COOKIE, MakeSession, engines, saved

OLD, CSRF = "sessionid", "__Host-csrftoken"
GUARDED = (COOKIE, OLD, CSRF, "__Host-device", "__Secure-a", "__Http-b", "__Host-Http-c")
ONCE = (COOKIE, OLD)

BLANKS = [chr(code) for code in range(0x3001) if chr(code).isspace() and chr(code) not in " \t"]
OTHER_BYTES = [b"\x85", b"\xa0", b"\xff", b"\xe2\x80", b"\xef\xbb\xbf", b"\0", b'"', b",", b"\x7f"]
LIKE = (*ONCE, "__Host-", "__Secure-", "__Http-")
CODECS = {"wsgi": "utf-8", "asgi": "latin-1"}
AROUND = [blank.encode() for blank in BLANKS] + OTHER_BYTES

BYTES = st.sampled_from([b"", b" ", b"\t", b"=", b";", b"; ", b"$", b"x", b'"', *AROUND])
NAMES = st.sampled_from([name.encode() for name in (*GUARDED, "__host-sessionid", "plain")])
PAIR = st.tuples(BYTES, NAMES, BYTES, st.just(b"="), BYTES, st.binary(max_size=3)).map(b"".join)
HEADER = st.lists(PAIR | BYTES | NAMES | st.binary(max_size=6), max_size=6).map(b"; ".join)


def own(header: bytes, name: str) -> list[bytes]:
    """Return the parts that are the cookie: the definition that all of this is held against."""
    pairs = [part for part in header.split(b";") if b"=" in part]
    return [pair for pair in pairs if pair.split(b"=", 1)[0].strip(b" \t") == name.encode()]


def requests(header: bytes) -> dict[str, HttpRequest]:
    """Return the request as each kind of server hands it to Django."""
    environ = {"REQUEST_METHOD": "GET", "wsgi.input": BytesIO(), "HTTP_COOKIE": latin(header)}
    scope = {"method": "GET", "path": "/", "headers": [(b"cookie", header)]}
    return {"wsgi": WSGIRequest(environ), "asgi": ASGIRequest(scope, BytesIO())}


def latin(header: bytes) -> str:
    return header.decode("latin-1")


@given(HEADER | st.binary())
@example(b"__Host-sessionid; __Host-sessionid=V; =__Host-sessionid=W")
@example(b'__Host-sessionid=V; a="; __Host-sessionid=W; "')
@example(b"a=1,__Host-sessionid=W; __Host-sessionid=V")
@example(b"$Version=1; __Host-sessionid=V; $Path=/")
@example(8000 * b"\xa0" + b"__Host-sessionid" + 8000 * b"\xc2\xa0" + b"=V")
def test_what_django_reads_is_what_has_the_name_byte_for_byte(header: bytes) -> None:
    for server, request in requests(header).items():
        before = dict(request.COOKIES)
        refused = guard(request, ONCE, CSRF)
        for name in GUARDED:
            parts = own(header, name)
            text = parts[0].decode(CODECS[server], errors="replace") if len(parts) == 1 else ""
            assert request.COOKIES.get(name) == parse_cookie(text).get(name)
        others = {name: value for name, value in before.items() if name not in GUARDED}
        seen = {name: value for name, value in request.COOKIES.items() if name not in GUARDED}
        assert seen.items() <= others.items()
        assert all(any(name in lost for name in LIKE) for lost in others.keys() - seen.keys())
        assert refused or before == request.COOKIES


def test_an_honest_header_is_left_alone() -> None:
    for request in requests(b"a=1; __Host-sessionid=V; b=2; __Host-csrftoken=W;").values():
        header = request.META["HTTP_COOKIE"]
        assert guard(request, ONCE, CSRF) == set()
        assert request.META["HTTP_COOKIE"] == header


def test_what_was_read_before_is_read_anew() -> None:
    for request in requests(b"\xa0__Host-sessionid=W; \xc2\xa0__Host-sessionid=W").values():
        assert COOKIE in request.COOKIES
        assert "W" in request.headers["Cookie"]
        assert guard(request, ONCE, CSRF) == {"planted"}
        assert COOKIE not in request.COOKIES
        assert "W" not in request.headers["Cookie"]


def test_a_cookie_that_was_put_into_a_request_by_hand_counts() -> None:
    request = RequestFactory().get("/")
    request.COOKIES[COOKIE] = "V"
    assert guard(request, ONCE, CSRF) == set()
    assert request.COOKIES[COOKIE] == "V"
    bare = HttpRequest()
    bare.META["HTTP_COOKIE"] = "\xa0__Host-sessionid=W"
    bare.COOKIES[COOKIE] = "V"
    guard(bare, ONCE, CSRF)
    assert bare.COOKIES[COOKIE] == "V"


def test_a_csrf_cookie_without_a_prefix_may_come_twice() -> None:
    for request in requests(b"csrftoken=V; csrftoken=W; \xa0csrftoken=X; sessionid=1").values():
        assert guard(request, ONCE, "csrftoken") == {"planted"}
        assert request.COOKIES == {"csrftoken": "W", "sessionid": "1"}


# --- Through the whole of Django ------------------------------------------------------------------


@engines("db", "signed_cookies")
def test_planted_cookies_open_nothing_and_displace_nothing(store: MakeSession) -> None:
    mine, theirs = saved(store, n=1).session_key, saved(store, n=666).session_key

    def seen(*names: bytes) -> Any:
        cookies = [name + b"=" + theirs.encode() for name in names]
        for place in range(len(names) + 1):
            header = b"; ".join([*cookies[:place], f"{COOKIE}={mine}".encode(), *cookies[place:]])
            yield Client().get("/read", headers={"Cookie": latin(header)}, secure=True).content
        yield (
            Client()
            .get("/read", headers={"Cookie": latin(b"; ".join(cookies))}, secure=True)
            .content
        )

    for blank in map(str.encode, BLANKS):
        assert list(seen(blank + COOKIE.encode())) == [b"1", b"1", b"0"]
    assert list(seen(COOKIE.encode() + b"\xc2\xa0")) == [b"1", b"1", b"0"]
    assert list(seen(COOKIE.encode())) == [b"0", b"0", b"666"]


@engines("db")
def test_an_old_name_is_guarded_alike(store: MakeSession, options: Any) -> None:
    options(OLD_COOKIE_NAME=OLD)
    mine, theirs = saved(store, n=1).session_key, saved(store, n=666).session_key
    for header, seen in (
        (f"{OLD}={mine}; \xe2\x80\x80{OLD}={theirs}", b"1"),
        (f"\xe2\x80\x80{OLD}={theirs}", b"0"),
        (f"{OLD}={theirs}; {OLD}={theirs}", b"0"),
    ):
        assert Client().get("/read", headers={"Cookie": header}, secure=True).content == seen
