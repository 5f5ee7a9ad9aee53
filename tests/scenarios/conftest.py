"""The running stack, from outside, through TLS, in a project of its own."""

import json
import re
import ssl
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from proof import documents
from stack import ENGINES, ROOT, Stack

VISITS = re.compile(r'data-visits="(\d+)"')
SESSION_COOKIE = "__Host-sessionid"
PASSWORD = re.compile(r"^\S{24}$", re.MULTILINE)

# What the project claims of each layer, shown by the compare page and the README.
RECORDED = ROOT / "app" / "lab" / "recorded"


LAYERS = ("hardened", "stock")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--layer",
        choices=LAYERS,
        default=LAYERS[0],
        help="the session layer that the stack runs with (default: %(default)s)",
    )
    parser.addoption(
        "--record",
        action="store_true",
        help="write what is found into app/lab and the documents, in place of comparing",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    if "engine" in getattr(item, "fixturenames", ()):
        item.add_marker("engines")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--record"):
        documents.write()


class Visitor:
    """A browser with a cookie jar that trusts the stack's authority."""

    def __init__(self, stack: Stack, tls: ssl.SSLContext) -> None:
        self.stack = stack
        self.http = httpx.Client(base_url=stack.url, verify=tls, http2=True, timeout=10)

    def visit(self) -> int:
        """Return the visit counter's number."""
        answer = self.http.get("/").raise_for_status()
        match = VISITS.search(answer.text)
        assert match, answer.text
        return int(match[1])

    def sign_in(self, name: str, password: str) -> httpx.Response:
        """Fill in the form as a browser would."""
        form = self.http.get("/accounts/login/")
        return self.post("/accounts/login/", form.text, username=name, password=password)

    def sign_out(self) -> httpx.Response:
        """Press the button on the account page."""
        return self.post("/accounts/logout/", self.http.get("/accounts/").text)

    def post(self, path: str, page: str, **fields: str) -> httpx.Response:
        """Send a form with the token of the page it stands on."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token, page
        return self.http.post(
            path,
            data={**fields, "csrfmiddlewaretoken": token[1]},
            headers={"Origin": self.stack.url, "Referer": f"{self.stack.url}{path}"},
        )

    def signed_in(self) -> bool:
        """Return whether the account page opens."""
        return self.http.get("/accounts/").status_code == 200

    @property
    def cookie(self) -> str | None:
        """Return the session cookie's value."""
        return self.http.cookies.get(SESSION_COOKIE)

    @cookie.setter
    def cookie(self, value: str) -> None:
        # As the server sets it: for this host alone.
        self.http.cookies.clear()
        self.http.headers["Cookie"] = f"{SESSION_COOKIE}={value}"


@pytest.fixture(scope="session")
def layer(request: pytest.FixtureRequest) -> str:
    """Return the session layer that the stack runs with."""
    name: str = request.config.getoption("--layer")
    return name


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, layer: str) -> Iterator[Stack]:
    """Return the project, from a copy of the clone, with its image built and nothing started.

    Those that run on each engine and the others may run side by side.
    """
    stack = Stack("engines" if request.config.option.markexpr == "engines" else "scenarios")
    stack.settings["SESSION_LAYER"] = layer
    stack.create()
    yield stack
    stack.destroy()


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest, stack: Stack) -> str:
    """Return each engine in turn, started; the scenarios of one engine run together."""
    stack.switch(request.param)
    name: str = request.param
    return name


@pytest.fixture
def claim(request: pytest.FixtureRequest, layer: str, engine: str) -> Callable[[str, bool], None]:
    """Return what compares a finding with what is recorded, or records it."""
    path = RECORDED / f"{layer}.json"

    def compare(fact: str, found: bool) -> None:
        claims = json.loads(path.read_text()) if path.exists() else {}
        if request.config.getoption("--record"):
            answers = {**claims.get(fact, {}), engine: found}
            claims[fact] = {name: answers[name] for name in ENGINES if name in answers}
            lines = [f"  {json.dumps(name)}: {json.dumps(claims[name])}" for name in claims]
            path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        else:
            assert found is claims[fact][engine], fact

    return compare


@pytest.fixture
def site(stack: Stack, engine: str) -> Stack:
    """Return the stack with each engine in turn, healthy, however the last scenario left it."""
    if not stack.runs(engine):
        stack.switch(engine)
    return stack


@pytest.fixture
def cache_site(stack: Stack) -> Stack:
    """Return the stack on the cache engine, for scenarios in which the engine plays no part."""
    if not stack.runs("cache"):
        stack.switch("cache")
    return stack


@pytest.fixture
def new_visitor(stack: Stack) -> Iterator[Callable[[], Visitor]]:
    """Return what makes a browser; all are closed at the end."""
    visitors: list[Visitor] = []

    def make() -> Visitor:
        visitors.append(Visitor(stack, trust(stack)))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.http.close()


@pytest.fixture
def visitor(new_visitor: Callable[[], Visitor]) -> Visitor:
    """Return one browser."""
    return new_visitor()


@pytest.fixture
def users(stack: Stack) -> Iterator[Callable[[], tuple[str, str]]]:
    """Return what makes a user, by name and password, who exists for this scenario only."""
    names: list[str] = []

    def make() -> tuple[str, str]:
        (app,) = [c for c in stack.containers() if "-app-" in c["Name"] and c["State"]["Running"]][
            :1
        ]
        name, password = demo_user(stack, app["Config"]["Labels"]["com.docker.compose.service"])
        names.append(name)
        return name, password

    yield make
    for name in names:
        stack.sql(f"DELETE FROM auth_user WHERE username = '{name}'")


@pytest.fixture
def user(users: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    """Return the name and the password of a user who exists for this scenario only."""
    return users()


def demo_user(stack: Stack, service: str) -> tuple[str, str]:
    """Make a user by that service; return the name and the password."""
    name = f"user-{time.monotonic_ns()}"
    output = stack.execute(service, "python", "manage.py", "demo_user", "add", name)
    password = PASSWORD.search(output)
    assert password, output
    return name, password[0]


def trust(stack: Stack) -> ssl.SSLContext:
    """Return a context that trusts the stack's authority and nobody else."""
    return ssl.create_default_context(cafile=str(stack.ca_file()))
