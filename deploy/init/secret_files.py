"""Secrets: the operator's from deploy/secrets, others made once; a copy for each reader."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import volumes
from refusal import RefusedError
from session_stack import store_urls
from session_stack.env import (
    PASSWORD_MIN_LENGTH,
    SECRET_KEY_MIN_LENGTH,
    VariableError,
    encryption_key,
    file_text,
    secret_of,
)

GIVEN = Path("/given/secrets")


@dataclass(frozen=True, slots=True)
class Secret:
    """A file's name, how long it must be, and the volumes of the services that read it."""

    name: str
    min_length: int
    readers: tuple[str, ...]


SECRETS = (
    Secret("secret_key", SECRET_KEY_MIN_LENGTH, ("app-secrets",)),
    Secret("postgres_superuser_password", PASSWORD_MIN_LENGTH, ("postgres-secrets",)),
    Secret(
        "database_owner_password",
        PASSWORD_MIN_LENGTH,
        ("postgres-secrets", "migrate-secrets", "backup-secrets"),
    ),
    Secret("database_app_password", PASSWORD_MIN_LENGTH, ("postgres-secrets", "app-secrets")),
    Secret("redis_admin_password", PASSWORD_MIN_LENGTH, ("redis-secrets",)),
    Secret("redis_app_password", PASSWORD_MIN_LENGTH, ("redis-secrets", "app-secrets")),
)


def lines_of(parse: Callable[[str], str]) -> Callable[[str], object]:
    """Return a check of a file that holds one key a line."""

    def check_lines(text: str) -> None:
        if not text:
            raise VariableError("holds no key; it may hold one a line, or not be there")
        for line in text.splitlines():
            parse(line)

    return check_lines


def url_of(parse: Callable[[str], object]) -> Callable[[str], object]:
    """Return a check of a file that holds the URL of a store."""
    return lambda text: parse(secret_of(1)(text))


# Never made, and gone with the operator's file. With what each must pass, and its readers' volume.
OPTIONAL: dict[str, tuple[Callable[[str], object], str]] = {
    "secret_key_fallbacks": (lines_of(secret_of(SECRET_KEY_MIN_LENGTH)), "app-secrets"),
    "session_encryption_key": (lines_of(encryption_key), "app-secrets"),
    "database_url": (url_of(store_urls.database), "app-secrets"),
    "database_owner_url": (url_of(store_urls.database), "migrate-secrets"),
    "redis_url": (url_of(store_urls.redis), "app-secrets"),
    "stores_ca": (store_urls.authorities, "app-secrets"),
    "backup_repository_password": (secret_of(PASSWORD_MIN_LENGTH), "backup-secrets"),
    "backup_s3_credentials": (str, "backup-secrets"),
}


def checks() -> Iterator[Callable[[], object]]:
    """Yield what raises RefusedError where a given secret can't be used."""
    yield check_names
    for secret in SECRETS:
        yield partial(given, secret)
    for name in OPTIONAL:
        yield partial(optional, name)
    yield check_both


def place() -> Iterator[str]:
    """Give every service its secrets; yield a line for each that changed."""
    for secret in SECRETS:
        held = (volumes.read(reader, secret.name) for reader in secret.readers)
        value = given(secret) or next(filter(None, held), None)
        made = value is None
        value = value or secrets.token_urlsafe(secret.min_length)
        changed = [volumes.write(reader, secret.name, value) for reader in secret.readers]
        if any(changed):
            yield f"{'made' if made else 'placed'} {secret.name}"
    for name, (_, reader) in OPTIONAL.items():
        before, text = volumes.read(reader, name), optional(name)
        if volumes.write(reader, name, text) and (before or text):
            yield f"placed {name}" if text else f"removed {name}"


def check_names() -> None:
    """Refuse a file that no service would read: most likely a misspelt name."""
    known = [*(secret.name for secret in SECRETS), *OPTIONAL]
    for path in sorted(GIVEN.iterdir()):
        if path.name not in (*known, "README.md", "app") and not path.name.startswith("."):
            raise RefusedError(
                f"deploy/secrets/{path.name} is no secret of this stack; "
                f"its name may be {', '.join(known)}"
            )


def given(secret: Secret) -> str | None:
    """Return the operator's secret, or None where there is none."""
    return check(secret.name, secret_of(secret.min_length))


def optional(name: str) -> str:
    """Return what the operator gave, or nothing."""
    parse, _ = OPTIONAL[name]

    def whole(text: str) -> str:
        parse(text)
        return text

    return check(name, whole) or ""


def check_both() -> None:
    """Refuse the URL of one role of Postgres alone: migrate has the other one."""
    missing = [
        name for name in ("database_url", "database_owner_url") if not (GIVEN / name).exists()
    ]
    if len(missing) == 1:
        raise RefusedError(
            f"deploy/secrets/{missing[0]} is missing; the URLs of a Postgres that runs elsewhere "
            "may be both there, or neither"
        )


def check(name: str, parse: Callable[[str], str]) -> str | None:
    """Read and check one given file; None where there is none."""
    path = GIVEN / name
    if not (path.exists() or path.is_symlink()):
        return None
    try:
        return parse(file_text(str(path)))
    except ValueError as problem:
        raise RefusedError(f"deploy/secrets/{name} {problem}") from problem
