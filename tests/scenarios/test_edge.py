"""nginx, as any client sees it: names, redirects, headers, limits, logs and error pages."""

import http.client
import json
import re
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from urllib.parse import urljoin

import httpx
import pytest
from conftest import Visitor, trust

from stack import Stack, eventually


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


def answer_to(stack: Stack, request: bytes, *, plain: bool = False, tls: bool = True) -> list[str]:
    """Send raw bytes over HTTP/1.1 to a port; return the answer's status, head and body."""
    port = int(stack.settings["HTTP_PORT" if plain else "HTTPS_PORT"])
    with ExitStack() as open_sockets:
        talk = open_sockets.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        if tls and not plain:
            tls_socket = trust(stack).wrap_socket(talk, server_hostname="localhost")
            talk = open_sockets.enter_context(tls_socket)
        talk.sendall(request)
        answer = b"".join(iter(lambda: talk.recv(65536), b"")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    return [head.split(" ")[1], head, body]


def silent(stack: Stack, told: str, *services: str) -> bool:
    """Wait for a log line with that text; return whether no log holds a query or a referrer."""
    assert eventually(lambda: told in stack.logs("nginx")), told
    return not any("s3cret" in stack.logs(name) for name in ("nginx", *services))


TOLD = {"Referer": "https://elsewhere.example/reset/s3cret-path?r=s3cret-referrer"}


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
    for cookies, word in (("", "none"), ("a=b", "other"), ("a=b; __Host-sessionid=c", "site")):
        asked = httpx.get(
            f"{cache_site.http_url}/cookies/over-http/?x=y", headers={"Cookie": cookies}
        )
        assert asked.status_code == 307
        assert asked.headers["Location"] == f"{cache_site.url}/cookies/?over-http={word}"
        assert asked.headers["Cache-Control"] == "no-store"


def test_no_redirect_names_the_port_inside_the_container(
    cache_site: Stack, visitor: Visitor
) -> None:
    rendered = cache_site.execute("nginx", "cat", "/etc/nginx/conf.d/site.conf")
    located = re.findall(r"location (?:= |\^~ )?(/[^ ]+/) {", rendered)
    assert located
    for path in {*located, "/accounts/", "/accounts/login/", "/cart/", "/accounts/password/"}:
        bare = path.rstrip("/")
        answer = visitor.http.get(f"{bare}?next=%2Fx")
        there = urljoin(f"{cache_site.url}/", answer.headers.get("Location", "/"))
        assert there.startswith(f"{cache_site.url}/"), (bare, there)
        if answer.status_code == 301:
            assert there == f"{cache_site.url}{path}?next=%2Fx"
        plain = httpx.get(f"{cache_site.http_url}{bare}")
        assert plain.headers["Location"] == f"{cache_site.url}{bare}"
    assert visitor.http.get("/accounts/login").status_code == 301


LONG = "x" * 9000
GET = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("status", "request_text", "port"),
    [
        ("400", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "tls"),
        ("400", "nothing sound\r\n\r\n", "plain"),
        ("400", f"{GET}\r\n", "http to the port of https"),
        ("404", GET.replace("/", "/health/x", 1) + "\r\n", "tls"),
        ("405", GET.replace("GET", "TRACE") + "\r\n", "tls"),
        ("413", f"{GET}Content-Length: 1100000\r\n\r\n".replace("GET", "POST"), "tls"),
        ("414", GET.replace("/", f"/?{LONG}", 1) + "\r\n", "plain"),
        ("421", GET.replace("localhost", "evil.example") + "\r\n", "tls"),
        ("421", GET.replace("localhost", "evil.example") + "\r\n", "plain"),
        ("431", f"{GET}Cookie: a={LONG}\r\n\r\n", "tls"),
        ("431", GET + "x: 1\r\n" * 101 + "\r\n", "tls"),
        ("501", f"{GET}Transfer-Encoding: gzip\r\n\r\n", "tls"),
        ("505", GET.replace("1.1", "3.0") + "\r\n", "tls"),
    ],
)
def test_each_page_of_nginx_itself_is_in_one_style_and_has_the_headers(
    cache_site: Stack, status: str, request_text: str, port: str
) -> None:
    found, head, body = answer_to(
        cache_site, request_text.encode(), plain=port == "plain", tls=port == "tls"
    )
    assert found == status, head
    assert '<link rel="stylesheet" href="/_errors/style.css">' in body
    assert "nginx" not in f"{head}{body}".replace("Server: nginx", "")
    names = [line.partition(":")[0] for line in head.split("\r\n")[1:]]
    for name in (
        "Content-Security-Policy",
        "X-Content-Type-Options",
        "Referrer-Policy",
        "Cross-Origin-Opener-Policy",
        "Cross-Origin-Resource-Policy",
        "X-Frame-Options",
        "Cache-Control",
    ):
        assert names.count(name) == 1, name
    assert "Retry-After" not in names


def test_the_pages_style_is_served_on_both_ports(cache_site: Stack, visitor: Visitor) -> None:
    wrong = {"Range": "bytes=99999-"}
    for answer in (
        visitor.http.get("/_errors/style.css", headers=wrong),
        httpx.get(f"{cache_site.http_url}/_errors/style.css"),
    ):
        assert answer.headers["Content-Type"] == "text/css"
        assert answer.headers.get_list("Cross-Origin-Resource-Policy") == ["same-origin"]


def test_a_balancer_asks_by_address_and_learns_whether_the_app_answers(cache_site: Stack) -> None:
    for host in ("localhost", "10.0.0.7", "evil.example"):
        request = get("/health/live", host, "Cookie: __Host-sessionid=s3cret")
        assert ask(cache_site, request, plain=True) == b"200 \nlive\n"
    assert ask(cache_site, get("/health/ready", "10.0.0.7"), plain=True).startswith(b"421 ")


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


def test_no_log_holds_a_query_or_a_referrer_of_what_was_refused(
    cache_site: Stack, visitor: Visitor
) -> None:
    head = "POST /?token=s3cret HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1100000\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in TOLD.items())
    assert ask(cache_site, f"{head}\r\n".encode()).startswith(b"413 ")
    assert visitor.http.post("/accounts/login/?token=s3cret", headers=TOLD).status_code == 403
    assert visitor.http.get("/no-such-page?token=s3cret", headers=TOLD).status_code == 404
    # nginx passes this on, and gunicorn can't read it.
    line = b"GET /\xff?token=s3cret HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert ask(cache_site, line).startswith(b"400 ")
    assert silent(cache_site, "too large body", "app-cache")
    for told in ("Referer checking failed", "Not Found: /no-such-page", "Invalid request"):
        assert eventually(lambda told=told: told in cache_site.logs("app-cache")), told  # type: ignore[misc]
    assert silent(cache_site, "too large body", "app-cache")


def test_a_request_id_joins_the_logs_of_nginx_and_the_app(
    cache_site: Stack, visitor: Visitor
) -> None:
    path = "/no-such-page-for-the-log"
    assert visitor.http.get(path).status_code == 404

    def ids(service: str) -> set[str]:
        lines = [line for line in cache_site.logs(service).splitlines() if path in line]
        return {json.loads(line)["request_id"] for line in lines}

    assert eventually(lambda: bool(ids("nginx") and ids("nginx") == ids("app-cache")))


def test_guessing_at_one_name_waits_whatever_nginx_lets_through(
    cache_site: Stack, new_visitor: Callable[[], Visitor]
) -> None:
    statuses = []
    while 429 not in statuses:
        answer = new_visitor().sign_in("somebody", f"guess-{len(statuses)}")
        statuses.append(answer.status_code)
    assert statuses[:10] == [200] * 10
    assert "Too many wrong passwords for this name" in answer.text
    assert int(answer.headers["Retry-After"]) > 0


def test_nginx_is_new_enough_for_the_repairs_that_no_setting_replaces(cache_site: Stack) -> None:
    # 1.30.6 mends overflows in evaluating variables: CVE-2026-93479.
    done = cache_site.compose("exec", "--no-TTY", "nginx", "nginx", "-v")
    version = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", done.stderr)
    assert version
    assert tuple(map(int, version.groups())) >= (1, 30, 6)


def test_what_is_too_large_is_refused_and_breaks_nothing(
    cache_site: Stack, visitor: Visitor
) -> None:
    body = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1100000\r\n\r\n"
    assert ask(cache_site, body).startswith(b"413 ")
    assert visitor.visit() == 1


@pytest.mark.parametrize("kilobytes", [7, 9, 16, 32])
def test_the_cookies_of_a_whole_company_hide_no_session(
    cache_site: Stack, visitor: Visitor, kilobytes: int
) -> None:
    assert visitor.visit() == 1
    crumbs = [f"c{number}={'x' * 500}" for number in range(kilobytes * 2)]
    crumbs.append(f"__Host-sessionid={visitor.cookie}")
    url = f"{cache_site.url}/"
    with httpx.Client(verify=trust(cache_site), http2=True) as browser:
        # As browsers send them: one header a cookie.
        page = browser.get(url, headers=[("Cookie", crumb) for crumb in crumbs])
        assert (page.http_version, page.status_code) == ("HTTP/2", 200)
        assert 'data-visits="2"' in page.text
    with httpx.Client(verify=trust(cache_site)) as old:
        page = old.get(url, headers={"Cookie": "; ".join(crumbs)})
        assert page.http_version == "HTTP/1.1"
        assert page.status_code == (200 if kilobytes < 8 else 431)
        assert ('data-visits="3"' if kilobytes < 8 else "8 KB of cookies") in page.text
        assert "Set-Cookie" not in page.headers or kilobytes < 8
    many = [("X-Header", "1")] * (100 - len(old.headers))  # with Host, as many as nginx takes
    assert visitor.http.get("/", headers=many).status_code == 200
    assert visitor.http.get(f"/?{'x' * 8500}").status_code == 200


def test_static_files_are_compressed_and_kept_for_ever(cache_site: Stack, visitor: Visitor) -> None:
    match = re.search(r'href="(/static/style\.[0-9a-f]{12}\.css)"', visitor.http.get("/").text)
    assert match
    answer = visitor.http.get(match[1], headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers.get_list("Cross-Origin-Resource-Policy") == ["same-origin"]
    assert "Set-Cookie" not in answer.headers


def test_without_an_app_one_page_says_what_to_do(cache_site: Stack, visitor: Visitor) -> None:
    cache_site.compose("stop", "app-cache")
    visitor.http.get("/?token=s3cret", headers=TOLD)
    assert silent(cache_site, "upstream")
    assert ask(cache_site, get("/health/live", "10.0.0.7"), plain=True).startswith(b"503 ")
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
