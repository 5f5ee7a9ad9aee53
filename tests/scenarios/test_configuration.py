"""What another project needs is a line of `.env`: each by its effect, on one stack."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from conftest import Visitor, trust

from stack import Stack, run

ALIASES = "example.localhost www.localhost"
SETTINGS = {
    "DOMAIN_ALIASES": ALIASES,
    "PUBLIC_PORT": "4443",
    "HEALTH_PATH": "/up",
    "BODY_MAX_KB": "2048",
    "REQUEST_SECONDS": "5",
    "APP_START_SECONDS": "77",
    "SIGN_IN_PATHS": "/enter/",
    "SIGN_INS_PER_MINUTE": "1",
    "SESSION_COOKIE_SAMESITE": "Strict",
}


APP_ENV = """\
# The project's own.
PRICE=5$ ${DOMAIN} 'or' #6
QUOTED="two words"
SESION_CONFLICTS=strict
"""
DOT_ENV = "DATABASE_HOST=db.example.org\nSIGN_IN_PER_MINUTE=5\n"


@pytest.fixture(scope="module")
def configured(stack: Stack) -> Iterator[Stack]:
    """Return the stack with all of these settings, and variables of a project's own."""
    secret = stack.folder / "deploy/secrets/app/API_KEY"
    secret.parent.mkdir()
    files = {stack.folder / "app.env": APP_ENV, secret: "s3cret\n", stack.folder / ".env": DOT_ENV}
    for path, text in files.items():
        path.write_text(text)
    stack.switch("cache", **SETTINGS)
    yield stack
    for path in files:
        path.unlink()
    secret.parent.rmdir()
    stack.switch("cache")


@pytest.fixture
def http(configured: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(verify=trust(configured), timeout=20) as client:
        yield client


@pytest.mark.parametrize("name", ALIASES.split())
def test_an_alias_leads_to_the_domain_under_its_own_certificate(
    configured: Stack, http: httpx.Client, name: str
) -> None:
    for url in (configured.url, configured.http_url):
        address, told = url.replace("localhost", "127.0.0.1"), {"Host": name}
        answer = http.get(f"{address}/a?b=c", headers=told, extensions={"sni_hostname": name})
        assert answer.status_code == 308
        assert answer.headers["Location"] == "https://localhost:4443/a?b=c"
    with pytest.raises(httpx.ConnectError):
        http.get(configured.url, extensions={"sni_hostname": "other.localhost"})


def test_the_public_port_is_the_origin(configured: Stack, http: httpx.Client) -> None:
    page = http.get(f"{configured.url}/accounts/login/")
    token = page.text.partition('csrfmiddlewaretoken" value="')[2].partition('"')[0]
    for port, status in (("4443", 200), (configured.settings["HTTPS_PORT"], 403)):
        answer = http.post(
            f"{configured.url}/accounts/login/",
            data={"csrfmiddlewaretoken": token, "username": "nobody", "password": "none"},
            headers={"Origin": f"https://localhost:{port}"},
        )
        assert answer.status_code == status


def test_a_balancer_asks_at_the_path_that_it_knows(configured: Stack, http: httpx.Client) -> None:
    address = configured.http_url.replace("localhost", "127.0.0.1")
    assert http.get(f"{address}/up").status_code == 200
    assert http.get(f"{address}/health/live").status_code == 421


def test_a_body_may_be_as_large_as_is_said(configured: Stack, http: httpx.Client) -> None:
    # 403: it has no token, and is refused unread; many times, as nginx may still be sending then.
    for kilobytes, status in (*20 * ((2047, 403),), (2049, 413)):
        body = b"x" * 1024 * kilobytes
        assert http.post(f"{configured.url}/accounts/login/", content=body).status_code == status


def test_the_paths_that_are_said_have_the_sign_in_limit(
    configured: Stack, http: httpx.Client
) -> None:
    answers = [http.post(f"{configured.url}/enter/").status_code for _ in range(8)]
    assert 429 in answers
    assert http.post(f"{configured.url}/accounts/login/").status_code == 403


def test_the_cookies_are_strict(configured: Stack, visitor: Visitor) -> None:
    cookies = visitor.http.get("/accounts/login/").headers.get_list("set-cookie")
    assert cookies
    assert all("; SameSite=Strict" in cookie for cookie in cookies)


def test_an_app_has_the_time_that_is_said_to_start(configured: Stack) -> None:
    app = configured.container("app-cache")
    assert app["Config"]["Healthcheck"]["StartPeriod"] == 77 * 10**9


def test_a_request_takes_no_longer_than_is_said(configured: Stack, http: httpx.Client) -> None:
    app = configured.container("app-cache")["Id"]
    http.get(configured.url)
    run("docker", "pause", app)
    try:
        started = time.monotonic()
        assert http.get(configured.url).status_code == 503
        assert 4 < time.monotonic() - started < 15
    finally:
        run("docker", "unpause", app)


def test_the_projects_own_variables_reach_its_processes_alone(configured: Stack) -> None:
    script = "import config.settings, os; print([os.environ[n] for n in %r])"
    names = ["PRICE", "QUOTED", "API_KEY"]
    migrate = ("run", "--rm", "--no-TTY", "--no-deps", "migrate")
    for printed in (
        configured.execute("app-cache", "python", "-c", script % names),
        configured.compose(*migrate, "python", "-c", script % names).stdout,
    ):
        assert printed.strip() == repr(["5$ ${DOMAIN} 'or' #6", "two words", "s3cret"])
    assert all("s3cret" not in json.dumps(one) for one in configured.containers())


def test_a_name_that_nothing_reads_is_named_with_the_nearest(configured: Stack) -> None:
    said = configured.logs("init")
    for line in (
        "nothing of the stack reads SIGN_IN_PER_MINUTE in .env; the nearest that is read: "
        "SIGN_INS_PER_MINUTE",
        "nothing of the stack reads DATABASE_HOST in .env",
        "nothing of the stack reads SESION_CONFLICTS in app.env; the nearest that is read: "
        "SESSION_CONFLICTS",
    ):
        assert f"init: {line}" in said
    assert "PRICE" not in said


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("DOMAIN=x", "app.env line 1: DOMAIN is the stack's own; set it in .env, or as its secret"),
        *(
            (
                f"{name}=x",
                f"app.env line 1: {name} is the stack's own; set it in .env, or as its secret",
            )
            for name in ("DATABASE_HOST", "REDIS_PASSWORD_FILE", "SESSION_ENCRYPTION_KEY_FILE")
        ),
        ("\nPRICE", "app.env line 2 has no '='; it may be NAME=VALUE"),
        ("A-B=1", "app.env line 1: 'A-B' is no name; it may hold letters, digits and _"),
        ("API_KEY=1", "API_KEY is in app.env and in deploy/secrets/app; keep one"),
    ],
)
def test_a_variable_that_can_be_none_is_refused(configured: Stack, text: str, line: str) -> None:
    (configured.folder / "app.env").write_text(text)
    try:
        done = configured.compose("run", "--rm", "--no-TTY", "init", check=False)
    finally:
        (configured.folder / "app.env").write_text(APP_ENV)
    assert f"init: {line}\n" in done.stderr
    assert done.returncode == 1
