"""What the environment may say, and what each refusal says back."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from django.conf import settings

from lab import witness
from session_stack.env import TAKEN_NAMES, Env, names, read
from session_stack.layers import engines
from session_stack.sign_in import device

ENGINES = engines("hardened")

KEY = "k" * 50
PASSWORD = "p" * 16
GOOD = {
    "DOMAIN": "www.example.org",
    "SESSION_BACKEND": "cached_db",
    "SECRET_KEY": KEY,
    "DATABASE_PASSWORD": PASSWORD,
    "REDIS_PASSWORD": PASSWORD,
}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SystemExit) as caught:
        read(environ)
    return str(caught.value)


def test_a_good_environment_is_read() -> None:
    env = read(GOOD)
    assert env.domain == "www.example.org"
    assert env.session_backend == "cached_db"
    assert env.session_cookie_age_seconds == 1_209_600


@pytest.mark.parametrize(
    ("port", "origin"),
    [("443", "https://www.example.org"), ("8443", "https://www.example.org:8443")],
)
def test_the_origin_names_the_port_only_where_it_is_not_the_default(port: str, origin: str) -> None:
    assert read({**GOOD, "HTTPS_PORT": port}).origin == origin


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("SESSION_BACKEND", "mongodb", ", ".join(ENGINES)),
        ("SESSION_BACKEND", "redis", ", ".join(ENGINES)),
        ("SESSION_LAYER", "soft", "hardened, stock"),
        ("SESSION_KEYS", "hashed", "hash, read"),
        ("SESSION_COOKIE_SAMESITE", "lax", "Lax, Strict"),
        ("DOMAIN_ALIASES", "https://example.net", "one host name in lower case"),
        ("BODY_MAX_KB", "1M", "a whole number from 16 to 13312"),
        ("REQUEST_SECONDS", "4", "a whole number from 5 to 3600"),
        ("STATEMENT_SECONDS", "0", "a whole number from 1 to 3600"),
        ("SESSION_GRACE", "no", "auto, true, false"),
        ("SESSION_GRACE_UNTIL", "2026-12-24T00:00", "a moment such as"),
        ("SESSION_GRACE_UNTIL", "soon", "a moment such as"),
        ("SESSION_MAX_BYTES", "4095", "a whole number from 4096 to 1048576"),
        ("SESSION_CONFLICTS", "last", "merge, strict"),
        ("SESSION_OLD_COOKIE_NAME", "session id", "a cookie's name"),
        ("SESSION_OLD_COOKIE_NAME", "sessionid=", "a cookie's name"),
        ("SESSION_OLD_COOKIE_DOMAIN", ".example.org", "one host name"),
        ("SESSION_COOKIE_NAME", "sessionid", "begins with __Host-"),
        ("SESSION_COOKIE_NAME", "__Host-", "begins with __Host-"),
        ("SESSION_COOKIE_NAME", "__Host-csrftoken", "no other cookie of this site"),
        ("SESSION_COOKIE_NAME", "__Host-Http-CSRFToken", "no other cookie of this site"),
        ("SESSION_COOKIE_NAME", "__Host-device", "no other cookie of this site"),
        ("SESSION_COOKIE_NAME", "__Host-a b", "begins with __Host-"),
        ("SESSION_COOKIE_NAME", "\u2000__Host-a", "begins with __Host-"),
        ("SESSION_EXPIRE_AT_BROWSER_CLOSE", "yes", "true, false"),
        ("SESSION_SAVE_EVERY_REQUEST", "1", "true, false"),
        ("HSTS_PRELOAD", "yes", "true, false"),
        ("HSTS_INCLUDE_SUBDOMAINS", "1", "true, false"),
        ("HSTS_SECONDS", "-1", "a whole number from 0"),
        ("HSTS_SECONDS", "²", "a whole number from 0"),
        ("HTTPS_PORT", "65536", "a whole number from 1 to 65535"),
        ("HTTPS_PORT", "https", "a whole number from 1 to 65535"),
        ("CONNECTIONS_PER_ADDRESS", "1001", "a whole number from 10 to 1000"),
        ("SIGN_INS_PER_MINUTE", "0", "a whole number from 1"),
        ("SIGN_IN_DELAYS", "off", "true, false"),
        ("NEW_SESSIONS_PER_HOUR", "off", "a whole number from 0 to 100000"),
        ("PASSWORDS_PER_MINUTE", "29", "a whole number from 30 to 6000"),
        ("SESSION_COOKIE_AGE_SECONDS", "59", "a whole number from 60 to 34560000"),
        ("SESSION_FILE_PATH", "sessions", "an absolute path"),
        ("CLEARSESSIONS_SCHEDULE", "hourly", "a cron expression of five fields"),
        ("CLEARSESSIONS_SCHEDULE", "61 * * * *", "a cron expression of five fields"),
        ("CLEARSESSIONS_SCHEDULE", "0 * * * * *", "a cron expression of five fields"),
        ("CLEARSESSIONS_JITTER_SECONDS", "1.5", "a whole number from 0 to 3600"),
        ("APP_CPUS", "0", "processors from 0.1 to 256"),
        ("APP_CPUS", "NaN", "processors from 0.1 to 256"),
        ("APP_CPUS", "two", "processors from 0.1 to 256"),
        ("APP_WORKERS", "0", "a whole number from 1 to 256"),
        ("APP_THREADS", "x", "a whole number from 1 to 64"),
        ("LOG_LEVEL", "info", "DEBUG, INFO, WARNING, ERROR"),
        ("DOMAIN", "https://example.org", "one host name"),
        ("DOMAIN", "*", "one host name"),
        ("DOMAIN", "192.0.2.7", "one host name"),
        ("DOMAIN", "Example.org", "one host name"),
        ("DOMAIN", "a_b.example.org", "one host name"),
        ("DOMAIN", "example.org.", "one host name"),
        ("DOMAIN", "example.org evil.example", "one host name"),
    ],
)
def test_a_value_that_may_not_be_is_refused_with_what_it_may_be(
    name: str, value: str, allowed: str
) -> None:
    line = refusal({**GOOD, name: value})
    assert line.startswith(f"env: {name} is {value!r}; it may be ")
    assert allowed in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("name", "words", "wrong"),
    [
        ("TRUSTED_PROXIES", "10.1.0.0/16 proxy", "proxy"),
        ("TRUSTED_PROXIES", "10.1.0.1/16 2001:db8::/32", "10.1.0.1/16"),
        ("TRUSTED_PROXIES", "0.0.0.0/0", "0.0.0.0/0"),
        ("TRUSTED_PROXIES", "10.1.0.1; ", "10.1.0.1;"),
        ("SIGN_IN_PATHS", "/sign-in/ accounts", "accounts"),
        ("HEALTH_PATH", "up", "up"),
        ("SIGN_IN_PATHS", '/a"b', '/a"b'),
        ("SIGN_IN_PATHS", "/a$uri", "/a$uri"),
    ],
)
def test_a_word_that_may_not_be_is_named(name: str, words: str, wrong: str) -> None:
    line = refusal({**GOOD, name: words})
    assert line.startswith(f"env: {name} holds {wrong!r}; it may hold ")


@pytest.mark.parametrize("name", ["DOMAIN", "SESSION_BACKEND", "SECRET_KEY", "DATABASE_PASSWORD"])
@pytest.mark.parametrize("absent", ["unset", "empty"])
def test_what_has_no_default_is_asked_for(name: str, absent: str) -> None:
    environ = {**GOOD, name: ""}
    if absent == "unset":
        del environ[name]
    assert refusal(environ) == f"env: {name} is not set"


def test_each_variable_that_is_read_is_named() -> None:
    """Even such as only another one's value asks for; app.env may hold none of them."""
    parts = ("HOST", "PORT", "USER", "PASSWORD", "URL")
    of_stores = {f"{store}_{part}" for store in ("DATABASE", "REDIS") for part in parts}
    of_fields = {field.name.upper() for field in fields(Env)}
    of_fields -= {"DATABASE", "REDIS", "SESSION_ENCRYPTION_KEYS", "GIVEN"}
    assert names() == of_fields | of_stores | {"DATABASE_NAME", "SESSION_ENCRYPTION_KEY"}


def test_a_container_uses_the_redis_that_it_was_given_a_password_for() -> None:
    assert read(GOOD).redis
    assert read({**GOOD, "REDIS_PASSWORD": ""}).redis is None
    assert "has 5 characters" in refusal({**GOOD, "REDIS_PASSWORD": "short"})


def test_every_problem_has_its_own_line() -> None:
    lines = refusal({**GOOD, "HTTPS_PORT": "x", "LOG_LEVEL": "x"}).splitlines()
    assert [line.split()[1] for line in lines] == ["HTTPS_PORT", "LOG_LEVEL"]


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("f" * 50)
    environ = {**GOOD, "SECRET_KEY_FILE": str(file)}
    del environ["SECRET_KEY"]
    assert read(environ).secret_key == "f" * 50


def test_a_secret_may_not_come_both_ways(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("f" * 50)
    line = refusal({**GOOD, "SECRET_KEY_FILE": str(file)})
    assert line == "env: SECRET_KEY and SECRET_KEY_FILE are both set; keep SECRET_KEY_FILE"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"s3cret-but-short", "has 16 characters; it may have 50 or more"),
        (b"s3cret" * 9 + b"\n", "ends in a newline; write it with printf %s"),
        (b"s3cret " * 9, "holds a blank"),
        (b"s3cret\x00" * 9, "holds a blank or a character that is not printable"),
        ("s3crét".encode() * 9, "is not ASCII text"),
        (b"", "has 0 characters"),
    ],
)
def test_a_bad_secret_file_is_named_and_never_shown(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    environ = {**GOOD, "SECRET_KEY_FILE": str(file)}
    del environ["SECRET_KEY"]
    line = refusal(environ)
    assert str(file) in line
    assert reason in line
    assert "s3cr" not in line


@pytest.mark.parametrize(
    ("make", "reason"),
    [(lambda path: None, "No such file"), (lambda path: path.mkdir(), "Is a directory")],
)
def test_an_unreadable_secret_file_is_named(tmp_path: Path, make, reason: str) -> None:
    path = tmp_path / "key"
    make(path)
    assert re.search(
        rf"env: SECRET_KEY_FILE names {path}, which can't be read: {reason}",
        refusal(
            {**{k: v for k, v in GOOD.items() if k != "SECRET_KEY"}, "SECRET_KEY_FILE": str(path)}
        ),
    )


def test_former_keys_are_read_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "fallbacks"
    file.write_text(f"{'a' * 50}\n{'b' * 50}\n")
    env = read({**GOOD, "SECRET_KEY_FALLBACKS_FILE": str(file)})
    assert env.secret_key_fallbacks == ("a" * 50, "b" * 50)


def test_a_short_former_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "fallbacks"
    file.write_text(f"{'a' * 50}\nshort\n")
    assert "in which a line has 5 characters" in refusal(
        {**GOOD, "SECRET_KEY_FALLBACKS_FILE": str(file)}
    )


def test_the_layer_is_hardened_and_logs_nobody_out_who_came_with_stock() -> None:
    env = read(GOOD)
    assert (env.session_layer, env.session_keys, env.session_grace) == ("hardened", "hash", "auto")
    assert (env.session_conflicts, env.session_old_cookie_name) == ("merge", None)
    assert env.session_encryption_keys == ()


def test_what_the_layer_may_be_told_is_read() -> None:
    env = read(
        {
            **GOOD,
            "SESSION_LAYER": "stock",
            "SESSION_KEYS": "read",
            "SESSION_GRACE": "false",
            "SESSION_CONFLICTS": "strict",
            "SESSION_OLD_COOKIE_NAME": "sessionid",
            "SESSION_OLD_COOKIE_DOMAIN": "example.org",
        }
    )
    assert (env.session_layer, env.session_keys, env.session_grace) == ("stock", "read", "false")
    assert (env.session_conflicts, env.session_old_cookie_name) == ("strict", "sessionid")
    assert env.session_old_cookie_domain == "example.org"


def test_encryption_keys_are_read_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{'a1' * 32}\n{'B2' * 32}\n")
    env = read({**GOOD, "SESSION_ENCRYPTION_KEY_FILE": str(file)})
    assert env.session_encryption_keys == ("a1" * 32, "B2" * 32)


def test_a_file_without_an_encryption_key_encrypts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("")
    assert read({**GOOD, "SESSION_ENCRYPTION_KEY_FILE": str(file)}).session_encryption_keys == ()


@pytest.mark.parametrize(
    "line", ["5ec4e7", "5ec4e7" * 11, "5ec4e7-" * 9 + "5", f" {'5ec4e7' * 10}abcd", "5ec4e7é"]
)
def test_a_bad_encryption_key_is_named_and_never_shown(tmp_path: Path, line: str) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{'a1' * 32}\n{line}\n")
    said = refusal({**GOOD, "SESSION_ENCRYPTION_KEY_FILE": str(file)})
    assert said.startswith(f"env: SESSION_ENCRYPTION_KEY_FILE names {file}, ")
    assert "is not" in said
    assert "\n" not in said
    assert "5ec4e7" not in said
    assert "a1a1" not in said


def test_an_encryption_key_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    said = refusal({**GOOD, "SESSION_ENCRYPTION_KEY_FILE": str(tmp_path / "keys")})
    assert "can't be read: No such file" in said


def test_the_session_takes_no_name_that_another_cookie_has() -> None:
    names = {settings.CSRF_COOKIE_NAME, device.COOKIE, witness.COOKIE}
    assert {name.casefold() for name in names} < TAKEN_NAMES
