"""The project's own variables: app.env, and deploy/secrets/app with a secret in each file.

They reach the app's processes as a file that `session_stack.env` reads, so that each value arrives
as it was written, and none stands in a container's configuration.
"""

import json
import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path

import volumes
from refusal import RefusedError
from session_stack.env import PROJECT, names

GIVEN = Path("/given/project")
SECRETS = Path("/given/secrets/app")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OF_DOCKER = ("COMPOSE_", "DOCKER_", "BUILDKIT_", "BUILDX_")  # what Docker itself reads


def checks() -> Iterator[Callable[[], object]]:
    """Yield what raises RefusedError where a variable can't be one."""
    yield variables
    yield lambda: [*unread()]


def place() -> Iterator[str]:
    """Give the app its variables; yield a line where they changed, and for each name misspelt."""
    own = variables()
    written = [
        volumes.write(volume, PROJECT.name, json.dumps(own))
        for volume in ("app-secrets", "migrate-secrets")
        if own or volumes.read(volume, PROJECT.name)
    ]
    if any(written):
        yield "placed the project's own variables; a running app reads them when it restarts"
    yield from unread()


def variables() -> dict[str, str]:
    """Return each variable's value.

    Raises:
        RefusedError: with the file, what is wrong there, and the repair.
    """
    own = of_app_env()
    for path in sorted(SECRETS.iterdir()) if SECRETS.is_dir() else ():
        if path.name.startswith("."):
            continue
        text = contents(path, f"deploy/secrets/app/{path.name}")
        check(f"deploy/secrets/app/{path.name}", path.name, text)
        if path.name in own:
            raise RefusedError(f"{path.name} is in app.env and in deploy/secrets/app; keep one")
        own[path.name] = text.rstrip("\n")
    return own


def of_app_env() -> dict[str, str]:
    """Return what app.env says; a value may stand in quotes, and nothing in it is replaced."""
    own = dict[str, str]()
    for number, line in enumerate(contents(GIVEN / "app.env", "app.env").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise RefusedError(f"app.env line {number} has no '='; it may be NAME=VALUE")
        check(f"app.env line {number}", name, value)
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        own[name] = value[1:-1] if quoted else value
    return own


def contents(path: Path, name: str) -> str:
    """Return the file's text, which is none where there is no file."""
    try:
        return path.read_text() if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"{name} can't be read as UTF-8 text: {error}") from error


def check(where: str, name: str, value: str) -> None:
    """Refuse a name that no variable has or that the stack reads, and a value that none holds."""
    if not NAME.fullmatch(name):
        raise RefusedError(f"{where}: {name!r} is no name; it may hold letters, digits and _")
    if "\0" in value:
        raise RefusedError(f"{where}: holds a NUL, which no variable can")
    if name.removesuffix("_FILE") in names() | known():
        raise RefusedError(f"{where}: {name} is the stack's own; set it in .env, or as its secret")


def known() -> set[str]:
    """Return the names that a line of .env may have: the manual's, and those in compose files."""
    files = [GIVEN / ".env.example", *GIVEN.glob("*.yml"), *GIVEN.glob("*.yaml")]
    text = "\n".join(contents(path, path.name) for path in files)
    passed = r"^(?:#([A-Z0-9_]+)=| +(?:- )?([A-Z0-9_]+):?$)"  # by the manual, or without a value
    return {*re.findall(r"\$\{?(\w+)", text), *map("".join, re.findall(passed, text, re.M))}


def unread() -> Iterator[str]:
    """Yield a line for each name in .env that nothing reads, and in app.env that looks misspelt."""
    read = known()
    for file, least in ((".env", 0.6), ("app.env", 0.85)):
        lines = contents(GIVEN / file, file).splitlines()
        for name in (line.removeprefix("export ").partition("=")[0].strip() for line in lines):
            if not NAME.fullmatch(name) or name in read or name.startswith(OF_DOCKER):
                continue
            nearest = get_close_matches(name, read, 1, least)
            if nearest or file == ".env":
                like = f"; the nearest that is read: {nearest[0]}" if nearest else ""
                yield f"nothing of the stack reads {name} in {file}{like}"
