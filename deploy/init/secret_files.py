"""Secrets: the operator's from deploy/secrets, others made once; a copy for each reader."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import volumes
from refusal import RefusedError
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
    Secret("database_owner_password", PASSWORD_MIN_LENGTH, ("postgres-secrets", "migrate-secrets")),
    Secret("database_app_password", PASSWORD_MIN_LENGTH, ("postgres-secrets", "app-secrets")),
    Secret("redis_admin_password", PASSWORD_MIN_LENGTH, ("redis-secrets",)),
    Secret("redis_app_password", PASSWORD_MIN_LENGTH, ("redis-secrets", "app-secrets")),
)

# One key a line: never made, and gone with the operator's file. With what each line must pass.
KEY_LISTS: dict[str, Callable[[str], str]] = {
    "secret_key_fallbacks": secret_of(SECRET_KEY_MIN_LENGTH),
    "session_encryption_key": encryption_key,
}


def checks() -> Iterator[Callable[[], object]]:
    """Yield what raises RefusedError where a given secret can't be used."""
    yield check_names
    for secret in SECRETS:
        yield partial(given, secret)
    for name in KEY_LISTS:
        yield partial(given_keys, name)


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
    for name in KEY_LISTS:
        if volumes.write("app-secrets", name, given_keys(name)):
            yield f"placed {name}"


def check_names() -> None:
    """Refuse a file that no service would read: most likely a misspelt name."""
    known = [*(secret.name for secret in SECRETS), *KEY_LISTS]
    for path in sorted(GIVEN.iterdir()):
        if path.name not in (*known, "README.md") and not path.name.startswith("."):
            raise RefusedError(
                f"deploy/secrets/{path.name} is no secret of this stack; "
                f"its name may be {', '.join(known)}"
            )


def given(secret: Secret) -> str | None:
    """Return the operator's secret, or None where there is none."""
    return check(secret.name, secret_of(secret.min_length))


def given_keys(name: str) -> str:
    """Return the operator's keys, one a line."""

    def parse(text: str) -> str:
        if not text:
            raise VariableError("holds no key; it may hold one a line, or not be there")
        for line in text.splitlines():
            KEY_LISTS[name](line)
        return text

    return check(name, parse) or ""


def check(name: str, parse: Callable[[str], str]) -> str | None:
    """Read and check one given file; None where there is none."""
    path = GIVEN / name
    if not (path.exists() or path.is_symlink()):
        return None
    try:
        return parse(file_text(str(path)))
    except VariableError as problem:
        raise RefusedError(f"deploy/secrets/{name} {problem}") from problem
