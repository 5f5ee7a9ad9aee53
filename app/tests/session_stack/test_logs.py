"""Log lines are JSON, carry the request's id, and hold no secret."""

import json
import logging.config
from unittest.mock import Mock

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client, RequestFactory
from gunicorn.config import Config  # type: ignore[import-untyped] # it has no types

from hardened_sessions import events
from session_stack.logs import GunicornLogger, RequestIdMiddleware, logging_config, request_id

ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str]):
    """Log one warning through the project's configuration and return the line as a dict."""
    config = logging_config("INFO")

    def write(message: str, **extra: object) -> dict[str, object]:
        logging.config.dictConfig(config)
        try:
            logging.getLogger("test").warning(message, extra=extra)
        finally:
            logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
        written: dict[str, object] = json.loads(capsys.readouterr().err)
        return written

    return write


def test_a_line_is_one_json_object(line) -> None:
    written = line("hello", seconds=1.5)
    assert written["message"] == "hello"
    assert written["level"] == "WARNING"
    assert written["logger"] == "test"
    assert written["seconds"] == 1.5
    assert written["request_id"] is None


def test_an_event_of_the_session_layer_carries_the_requests_id_and_what_it_knows(
    capsys: pytest.CaptureFixture[str], rf: RequestFactory
) -> None:
    def view(request: object) -> HttpResponse:
        events.emit("ended", "cached_db", "some-name", reason="signed out")
        return HttpResponse()

    logging.config.dictConfig(logging_config("INFO"))
    try:
        RequestIdMiddleware(view)(rf.get("/", headers={"X-Request-ID": ID}))
    finally:
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    written = json.loads(capsys.readouterr().err)
    assert written.pop("time")
    assert written == {
        "level": "INFO",
        "logger": "hardened_sessions",
        "message": "session ended",
        "request_id": ID,
        "event": "ended",
        "store": "cached_db",
        "reason": "signed out",
        "fingerprint": events.fingerprint("some-name"),
    }


def test_the_request_itself_is_never_written(line, rf: RequestFactory) -> None:
    assert "request" not in line("hello", request=rf.get("/?token=s3cret"))


def test_no_line_holds_a_query_string_or_where_a_visitor_came_from(
    capsys: pytest.CaptureFixture[str], client: Client
) -> None:
    logging.config.dictConfig(logging_config("INFO"))
    try:
        there = "https://elsewhere.example/reset/s3cret-path?token=s3cret"
        client.get('/no-such-page?a=s3cret"s3cret', headers={"Referer": there}, secure=True)
        csrf = Client(enforce_csrf_checks=True)
        csrf.post("/accounts/login/?a=s3cret", headers={"Referer": there}, secure=True)
        logging.getLogger("gunicorn.error").warning(
            "Invalid request from ip=10.0.0.2: Invalid HTTP request line: 'GET /\\xff?a=s3cret'"
        )
        try:
            raise ValueError("/page?a=s3cret&b=s3cret of https://elsewhere.example/s3cret")
        except ValueError:
            logging.getLogger("django.request").exception("Internal Server Error: /page?s3cret")
    finally:
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    written = capsys.readouterr().err
    messages = [json.loads(line)["message"] for line in written.splitlines()]
    assert messages == [
        "Not Found: /no-such-page",
        "Forbidden (Referer checking failed - https://elsewhere.example/... does not match any "
        "trusted origins.): /accounts/login/",
        "Invalid request from ip=10.0.0.2: Invalid HTTP request line: 'GET /\\xff?...",
        "Internal Server Error: /page?...",
    ]
    assert "ValueError: /page?... of https://elsewhere.example/..." in written
    # A traceback shows the line of code too, whatever that holds.
    assert written.count("s3cret") == 0


@pytest.mark.parametrize(
    ("sent", "kept"), [(ID, ID), ('"}\n{"forged', None), (ID.upper(), None), ("", None)]
)
def test_only_an_id_of_nginx_form_is_kept(rf: RequestFactory, sent: str, kept: str | None) -> None:
    seen = []

    def view(request: object) -> object:
        seen.append(request_id.get())
        return object()

    RequestIdMiddleware(view)(rf.get("/", headers={"X-Request-ID": sent}))  # type: ignore[arg-type]
    assert seen == [kept]


def test_statements_are_never_logged_even_at_debug() -> None:
    assert logging_config("DEBUG")["loggers"]["django.db.backends"]["level"] == "INFO"


def test_the_middleware_stands_first(client: Client) -> None:
    assert settings.MIDDLEWARE[0] == "session_stack.logs.RequestIdMiddleware"


def test_gunicorn_puts_no_access_line_together(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config()
    config.set("logconfig_dict", logging_config("INFO"))
    logger = GunicornLogger(config)
    assert logger.access_log_enabled  # or gunicorn would have none anyway
    atoms = Mock(return_value={})
    monkeypatch.setattr(logger, "atoms", atoms)
    logger.access(None, None, {}, None)
    atoms.assert_not_called()
    assert capsys.readouterr().err == ""
