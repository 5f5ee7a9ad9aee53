"""Bad input: one line that says what may be, a status that is not 0, nothing half done."""

import socket
from collections.abc import Iterator

import pytest

from stack import ENGINES, CommandError, Stack, eventually

SECRET_LENGTH = 16


def up_fails(stack: Stack, engine: str, **settings: str) -> str:
    with pytest.raises(CommandError) as caught:
        stack.up(engine, **settings)
    assert "Traceback" not in caught.value.output
    return caught.value.output


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("SESSION_LAYER", "soft", "it may be hardened, stock"),
        ("SESSION_KEYS", "hashed", "it may be hash, read"),
        ("SESSION_GRACE", "no", "it may be auto, true, false"),
        ("SESSION_CONFLICTS", "last", "it may be merge, strict"),
        ("SESSION_OLD_COOKIE_NAME", "session id", "it may be a cookie's name"),
        ("SESSION_COOKIE_NAME", "__Host-csrftoken", "it may be a name that no other cookie"),
        ("HSTS_PRELOAD", "perhaps", "it may be true, false"),
        ("SESSION_COOKIE_AGE_SECONDS", "long", "it may be a whole number from 60 to 34560000"),
        ("SIGN_INS_PER_MINUTE", "many", "it may be a whole number from 1 to 6000"),
        ("CLEARSESSIONS_SCHEDULE", "daily", "it may be a cron expression of five fields"),
        ("LOG_LEVEL", "loud", "it may be DEBUG, INFO, WARNING, ERROR"),
    ],
)
def test_a_bad_setting_is_refused_before_the_start(
    cache_site: Stack, name: str, value: str, allowed: str
) -> None:
    # What all else waits for, as the next test shows.
    command = ["run", "--rm", "--no-deps", "--no-TTY", "migrate"]
    with pytest.raises(CommandError) as caught:
        cache_site.compose(*command, settings={name: value})
    assert "Traceback" not in caught.value.output
    last = caught.value.output.splitlines()[-1]
    assert last.startswith(f"env: {name} is {value!r}; {allowed}")


def test_a_bad_setting_stops_the_start(cache_site: Stack) -> None:
    output = up_fails(cache_site, "cache", LOG_LEVEL="loud")
    assert 'service "migrate" didn\'t complete successfully' in output
    last = cache_site.logs("migrate").splitlines()[-1]
    assert last.startswith("env: LOG_LEVEL is 'loud'; it may be DEBUG, INFO, WARNING, ERROR")


def test_an_unknown_backend_is_refused(cache_site: Stack) -> None:
    command = ["run", "--rm", "--no-deps", "--no-TTY", "-e", "SESSION_BACKEND=mongodb"]
    with pytest.raises(CommandError) as caught:
        cache_site.compose(*command, "app-cache")
    (line,) = [line for line in caught.value.output.splitlines() if line.startswith("env: ")]
    assert line == (f"env: SESSION_BACKEND is 'mongodb'; it may be {', '.join(sorted(ENGINES))}")
    assert "Traceback" not in caught.value.output


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("SECRET_KEY_FILE", "env: SECRET_KEY is not set"),
        ("DATABASE_PASSWORD_FILE", "env: DATABASE_PASSWORD is not set"),
        ("REDIS_PASSWORD_FILE", "stack.E008: REDIS_PASSWORD is not set, and cache keeps sessions"),
    ],
)
def test_a_missing_secret_is_named(cache_site: Stack, variable: str, line: str) -> None:
    script = f"unset {variable}; exec session_stack/serve"
    with pytest.raises(CommandError) as caught:
        cache_site.compose("run", "--rm", "--no-deps", "--no-TTY", "app-cache", "sh", "-c", script)
    assert line in caught.value.output
    assert "Traceback" not in caught.value.output


def test_settings_that_are_unsafe_together_are_refused(cache_site: Stack) -> None:
    # init would refuse HSTS under its own certificate first: ask the app itself.
    command = ["run", "--rm", "--no-deps", "--no-TTY", "-e", "HSTS_SECONDS=60", "app-cache"]
    with pytest.raises(CommandError) as caught:
        cache_site.compose(*command)
    assert "CommandError: stack.E002: HSTS_SECONDS is set for localhost" in caught.value.output
    assert "Traceback" not in caught.value.output


@pytest.fixture
def secrets_restored(cache_site: Stack) -> Iterator[None]:
    """Give every store the passwords of the secrets again."""
    yield
    cache_site.compose("start", "postgres", check=False)
    cache_site.wait_healthy("postgres")
    cache_site.execute("postgres", "/etc/postgresql/roles.sh")
    cache_site.switch("cache")


def test_a_changed_database_password_is_noticed_and_the_named_repair_works(
    cache_site: Stack, secrets_restored: None
) -> None:
    cache_site.sql(f"ALTER ROLE app PASSWORD '{'x' * SECRET_LENGTH}'")
    cache_site.compose("rm", "--stop", "--force", "app-cache")
    output = up_fails(cache_site, "cache")
    assert "app-cache-1 is unhealthy" in output
    log = cache_site.logs("app-cache")
    assert "refuses the password of role 'app'" in log
    repair = "docker compose exec postgres /etc/postgresql/roles.sh"
    assert log.count(repair) == 1
    assert "Traceback" not in log
    cache_site.execute("postgres", *repair.split()[4:])
    cache_site.wait_healthy("app-cache")


def test_a_changed_owner_password_stops_the_migration_with_the_repair(
    cache_site: Stack, secrets_restored: None
) -> None:
    cache_site.sql(f"ALTER ROLE app_owner PASSWORD '{'x' * SECRET_LENGTH}'")
    assert 'service "migrate" didn\'t complete successfully' in up_fails(cache_site, "cache")
    last = cache_site.logs("migrate").splitlines()[-1]
    assert last.startswith("CommandError: Postgres at postgres:5432 refuses the password of role")


def test_a_changed_redis_password_is_noticed_and_the_named_repair_works(
    cache_site: Stack, secrets_restored: None
) -> None:
    cache_site.redis("ACL", "SETUSER", "app", "resetpass", f">{'x' * SECRET_LENGTH}")
    cache_site.compose("restart", "app-cache")
    said = "refuses the password of user 'app'"
    assert eventually(lambda: said in cache_site.logs("app-cache"))
    assert "docker compose restart redis" in cache_site.logs("app-cache")
    cache_site.compose("restart", "redis")
    cache_site.wait_healthy("app-cache")


@pytest.mark.parametrize("service", ["redis", "postgres"])
def test_a_store_that_is_away_at_start_is_named_and_waited_for(
    cache_site: Stack, secrets_restored: None, service: str
) -> None:
    cache_site.compose("stop", service)
    cache_site.compose("restart", "app-cache")
    said = f"{service.capitalize()} at {service}:"
    assert eventually(lambda: said in cache_site.logs("app-cache").splitlines()[-1])
    assert f"docker compose logs {service}" in cache_site.logs("app-cache")
    assert "Traceback" not in cache_site.logs("app-cache")
    cache_site.compose("start", service)
    cache_site.wait_healthy("app-cache")


def test_an_unwritable_folder_of_file_sessions_is_named(stack: Stack) -> None:
    stack.switch("file")
    # Docker gives an empty volume the image's mode again, each time it is mounted.
    close = "touch /var/lib/sessions/kept && chmod 500 /var/lib/sessions"
    stack.execute("app-file", "sh", "-c", close)
    try:
        stack.compose("rm", "--stop", "--force", "app-file")
        assert "app-file-1 is unhealthy" in up_fails(stack, "file")
        log = stack.logs("app-file")
        assert "SESSION_FILE_PATH is /var/lib/sessions, where this process can't write" in log
        assert "Traceback" not in log
    finally:
        stack.execute(
            "app-file", "sh", "-c", "chmod 700 /var/lib/sessions && rm /var/lib/sessions/kept"
        )
    stack.wait_healthy("app-file")


def test_a_port_in_use_fails_the_start(stack: Stack) -> None:
    stack.down()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(stack.settings["HTTPS_PORT"])))
        taken.listen()
        output = up_fails(stack, "cache")
    assert stack.settings["HTTPS_PORT"] in output
    stack.up("cache")
