"""nginx, as any client sees it: names, redirects, headers, limits, logs and error pages."""

import http.client
import json
import re
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest
from conftest import Visitor, eventually, trust

from stack import Stack


def ask(stack: Stack, request: bytes, *, sni: str = "localhost", plain: bool = False) -> bytes:
    """Send raw bytes to a port and return the whole answer."""
    port = int(stack.settings["HTTP_PORT" if plain else "HTTPS_PORT"])
    context = trust(stack)
    context.check_hostname = False
    with ExitStack() as open_sockets:
        talk = open_sockets.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        if not plain:
            talk = open_sockets.enter_context(context.wrap_socket(talk, server_hostname=sni))
        talk.sendall(request)
        response = open_sockets.enter_context(http.client.HTTPResponse(talk))
        response.begin()
        head = f"{response.status} {response.getheader('Location', '')}\n".encode()
        return head + response.read()


def get(path: str = "/", host: str = "localhost", *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def test_an_unknown_name_in_tls_is_rejected(cache_site: Stack) -> None:
    for name in ("evil.example", "www.localhost"):
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            ask(cache_site, get(), sni=name)
    with pytest.raises(ssl.SSLError):
        ask(cache_site, get(), sni=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("plain", [False, True])
def test_an_unknown_host_is_misdirected_on_both_ports(cache_site: Stack, plain: bool) -> None:
    answer = ask(cache_site, get(host="evil.example"), plain=plain)
    assert answer.startswith(b"421 \n")
    assert b"evil.example" not in answer


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: local host\r\nConnection: close\r\n\r\n",
    ],
)
def test_a_request_with_no_sound_host_is_bad(
    cache_site: Stack, request_bytes: bytes, plain: bool
) -> None:
    assert ask(cache_site, request_bytes, plain=plain).startswith(b"400 ")


def test_the_plain_port_redirects_with_path_and_query(cache_site: Stack) -> None:
    answer = httpx.get(f"{cache_site.http_url}/a%20b/c?next=%2Fx&empty=")
    assert answer.status_code == 308
    assert answer.headers["Location"] == f"{cache_site.url}/a%20b/c?next=%2Fx&empty="
    assert "Set-Cookie" not in answer.headers


FORGED = {
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "4444",
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-SSL": "off",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=192.0.2.1;proto=http;host=evil.example",
    "X-Real-IP": "192.0.2.1",
    "X-Original-URL": "/accounts/",
    "X-HTTP-Method-Override": "DELETE",
    "X-Script-Name": "/evil",
    "Script-Name": "/evil",
    "Remote-User": "root",
    "Proxy": "http://evil.example",
}


@pytest.mark.parametrize("header", FORGED)
def test_no_header_of_a_client_speaks_for_the_proxy(
    cache_site: Stack, visitor: Visitor, header: str
) -> None:
    answer = visitor.http.get("/accounts/", headers={header: FORGED[header]})
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/accounts/login/?next=/accounts/"
    page = visitor.http.get("/", headers={header: FORGED[header]})
    assert page.status_code == 200
    assert "evil" not in page.text


def test_another_port_is_right_in_redirects_and_csrf_checks(
    cache_site: Stack, visitor: Visitor, user: tuple[str, str]
) -> None:
    assert cache_site.settings["HTTPS_PORT"] != "443"
    location = httpx.get(cache_site.http_url).headers["Location"]
    assert location == f"{cache_site.url}/"
    assert visitor.sign_in(*user).status_code == 302
    assert visitor.signed_in()


def test_a_form_from_another_origin_is_refused(cache_site: Stack, visitor: Visitor) -> None:
    page = visitor.http.get("/accounts/login/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    form = {"username": "a", "password": "b", "csrfmiddlewaretoken": token[1]}
    for origin in ("https://evil.example", "https://localhost", "null"):
        answer = visitor.http.post("/accounts/login/", data=form, headers={"Origin": origin})
        assert answer.status_code == 403


def test_http2_is_spoken_and_tls_is_modern(cache_site: Stack, visitor: Visitor) -> None:
    assert visitor.http.get("/").http_version == "HTTP/2"
    port = int(cache_site.settings["HTTPS_PORT"])
    for name, version in (("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3)):
        context = trust(cache_site)
        context.minimum_version = context.maximum_version = version
        with (
            socket.create_connection(("127.0.0.1", port), 5) as connection,
            context.wrap_socket(connection, server_hostname="localhost") as tls,
        ):
            assert tls.version() == f"TLSv{name}"


def test_health_is_not_reachable_from_outside(cache_site: Stack, visitor: Visitor) -> None:
    for path in (
        "/health/live",
        "/health/ready",
        "/health/",
        "//health/ready",
        "/x/../health/live",
    ):
        assert visitor.http.get(cache_site.url + path).status_code == 404


def test_the_access_log_is_json_and_holds_no_secret(cache_site: Stack, visitor: Visitor) -> None:
    visitor.visit()
    headers = {"Authorization": "Bearer s3cret-token", "Referer": f"{cache_site.url}/?r=s3cret-ref"}
    visitor.http.get("/?token=s3cret-query", headers=headers)

    def lines() -> list[str]:
        return [line for line in cache_site.logs("nginx").splitlines() if line.startswith("{")]

    # Log lines pass through the engine's log driver.
    assert eventually(lambda: len(lines()) >= 2)
    entries = [json.loads(line) for line in lines()]
    assert entries[-1]["path"] == "/"
    assert entries[-1]["status"] == 200
    assert re.fullmatch(r"[0-9a-f]{32}", entries[-1]["request_id"])
    assert visitor.cookie
    for secret in ("s3cret", visitor.cookie):
        assert secret not in "".join(lines())


def test_a_request_id_joins_the_logs_of_nginx_and_the_app(
    cache_site: Stack, visitor: Visitor
) -> None:
    path = "/no-such-page-for-the-log"
    assert visitor.http.get(path).status_code == 404

    def ids(service: str) -> set[str]:
        lines = [line for line in cache_site.logs(service).splitlines() if path in line]
        return {json.loads(line)["request_id"] for line in lines}

    assert eventually(lambda: bool(ids("nginx") and ids("nginx") == ids("app-cache")))


def test_guessing_passwords_is_slowed_down(
    stack: Stack, new_visitor: Callable[[], Visitor]
) -> None:
    stack.switch("cache", SIGN_INS_PER_MINUTE="10")
    try:
        visitor = new_visitor()
        page = visitor.http.get("/accounts/login/").text
        guesses = [
            visitor.post("/accounts/login/", page, username="root", password=f"guess-{number}")
            for number in range(10)
        ]
        assert [guess.status_code for guess in guesses] == [200] * 6 + [429] * 4
        assert "Too many attempts" in guesses[-1].text
        assert guesses[-1].headers["Retry-After"]
        # Looking at the form is no guess.
        assert visitor.http.get("/accounts/login/").status_code == 200
    finally:
        stack.switch("cache")


def test_nginx_is_new_enough_for_the_repairs_that_no_setting_replaces(cache_site: Stack) -> None:
    # 1.30.6 mends overflows in evaluating variables: CVE-2026-93479.
    done = cache_site.compose("exec", "--no-TTY", "nginx", "nginx", "-v")
    version = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", done.stderr)
    assert version
    assert tuple(map(int, version.groups())) >= (1, 30, 6)


@pytest.mark.parametrize("size", [3900, 4060])
def test_a_large_cookie_passes_both_ways(cache_site: Stack, visitor: Visitor, size: int) -> None:
    answer = visitor.http.get("/", headers={"Cookie": f"__Host-sessionid={'x' * size}"})
    assert answer.status_code == 200


def test_what_is_too_large_is_refused_and_breaks_nothing(
    cache_site: Stack, visitor: Visitor
) -> None:
    cookie = {"Cookie": f"__Host-sessionid={'x' * 9000}"}
    assert visitor.http.get("/", headers=cookie).status_code in (400, 431)
    body = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1100000\r\n\r\n"
    assert ask(cache_site, body).startswith(b"413 ")
    assert visitor.visit() == 1


def test_static_files_are_compressed_and_kept_for_ever(cache_site: Stack, visitor: Visitor) -> None:
    match = re.search(r'href="(/static/style\.[0-9a-f]{12}\.css)"', visitor.http.get("/").text)
    assert match
    answer = visitor.http.get(match[1], headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.headers


def test_without_an_app_one_page_says_what_to_do(cache_site: Stack, visitor: Visitor) -> None:
    cache_site.compose("stop", "app-cache")
    answer = visitor.http.get("/")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Set-Cookie" not in answer.headers
    for engine in ("redis", "cached_db", "db", "file", "signed_cookies"):
        assert f"docker compose --profile {engine} up" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    style = re.search(r'href="(/_errors/[a-z.]+)"', answer.text)
    assert style
    assert visitor.http.get(style[1]).headers["Content-Type"] == "text/css"
