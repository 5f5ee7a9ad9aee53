"""Live answers wherever a worker runs; ready fails exactly where the engine can't serve."""

from dataclasses import replace

import pytest
from django.core.wsgi import get_wsgi_application
from pytest_django import Settings

from session_stack.health.answers import with_health
from session_stack.layers import Store
from session_stack.startup import probes
from session_stack.startup.probes import StoreUnavailableError


class Asked:
    """Asks the application that gunicorn serves, whose other addresses are the project's."""

    def get(self, path: str) -> tuple[str, bytes]:
        """Return the status and the body."""
        answers = []

        def start(status: str, headers: list[tuple[str, str]]) -> None:
            assert dict(headers)["Cache-Control"] == "no-store"
            answers.append(status)

        application = with_health(get_wsgi_application())
        body = b"".join(application({"PATH_INFO": path, "REQUEST_METHOD": "GET"}, start))
        return answers[0], body


@pytest.fixture
def client() -> Asked:
    return Asked()


def test_live_asks_no_store(client: Asked) -> None:
    assert client.get("/health/live") == ("200 OK", b"live\n")


@pytest.mark.django_db(transaction=True)  # the answer closes a connection within a transaction
def test_ready_where_the_store_answers(client: Asked) -> None:
    assert client.get("/health/ready") == ("200 OK", b"ready\n")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("layer", "backend", "asked"),
    [
        ("hardened", "db", {"Postgres"}),
        ("hardened", "cached_db", {"Postgres"}),
        ("hardened", "cache", {"Redis"}),
        ("hardened", "file", {"SESSION_FILE_PATH"}),
        ("hardened", "signed_cookies", {"Postgres"}),
        ("stock", "cached_db", {"Postgres", "Redis"}),
        ("stock", "signed_cookies", set()),
    ],
)
def test_ready_fails_exactly_where_a_store_is_away_that_the_engine_needs(
    client: Asked,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    layer: str,
    backend: str,
    asked: set[str],
) -> None:
    settings.ENV = replace(settings.ENV, session_layer=layer, session_backend=backend)
    names: dict[Store, str] = {
        "postgres": "Postgres",
        "redis": "Redis",
        "folder": "SESSION_FILE_PATH",
    }
    failed = set()
    for store, name in names.items():

        def away(name: str = name) -> None:
            raise StoreUnavailableError(f"{name} is away")

        with monkeypatch.context() as patch:
            for other in names:
                patch.setitem(probes.PROBES, other, away if other == store else lambda: None)
            status, said = client.get("/health/ready")
        if status == "503 Service Unavailable":
            assert said.decode() == f"{name} is away\n"
            failed.add(name)
    assert failed == asked
