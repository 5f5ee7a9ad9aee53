"""What a project is, found in its files; none of its code is run."""

import argparse
import os
import re
from dataclasses import dataclass
from pathlib import Path

from adoption import RefusedError, update
from adoption.source import Source
from stack import ROOT

# By each word that compose takes for one; the first is the default.
ENGINES = {
    word: engine
    for engine, words in re.findall(
        r"^  app-(\w+):\n.*\n    profiles: \[(.*)\]$",
        (ROOT / "docker-compose.yml").read_text(),
        re.MULTILINE,
    )
    for word in words.split(", ")
}
DEFAULT_ENGINE = next(iter(ENGINES))


@dataclass(frozen=True)
class Project:
    """What is known of a project, and what was asked for."""

    root: Path
    manage: Path  # the folder of manage.py
    settings: str
    wsgi: str | None  # None: the settings say
    requirements: list[str]
    engine: str
    domain: str
    sign_in: list[str]
    source: Source  # of the settings module

    @property
    def stack(self) -> Path:
        """Return the folder that is made."""
        return self.root / "stack"

    @property
    def options(self) -> dict[str, object]:
        """Return what an update has to know."""
        return {
            "settings": self.settings,
            "wsgi": self.wsgi,
            "engine": self.engine,
            "domain": self.domain,
            "sign_in": self.sign_in,
        }

    @property
    def name(self) -> str:
        """Return the name of its compose project and image."""
        return re.sub(r"[^a-z0-9]+", "-", self.root.name.lower()).strip("-") or "project"


def find(options: argparse.Namespace) -> Project:
    """Return what the project is; an update takes the options that it was adopted with.

    Raises:
        RefusedError: where that is not clear, or is nothing that this stack serves.
    """
    root = options.project.resolve()
    if options.update:
        vars(options).update(update.noted(root / "stack")["options"])
    if options.engine not in ENGINES:
        raise RefusedError(f"--engine is {options.engine!r}; it may be {', '.join(ENGINES)}")
    if not root.is_dir():
        raise RefusedError(f"{options.project} is no folder")
    for path in options.sign_in:
        if not re.fullmatch(r"/[A-Za-z0-9/._~-]{1,199}", path):
            raise RefusedError(f"--sign-in is {path!r}; it may be a path such as /accounts/login/")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", options.domain):
        raise RefusedError(
            f"--domain is {options.domain!r}; it may be a name such as www.example.org"
        )
    manage = find_manage(root)
    settings = options.settings or find_settings(manage)
    source = Source.of(manage, settings)
    stack = root / "stack"
    if stack.exists() and not options.update:
        raise RefusedError(f"{stack} is there already; --update brings a newer stack, or remove it")
    if not os.access(root, os.W_OK):
        raise RefusedError(f"{root} can't be written to by this user")
    return Project(
        root,
        manage,
        settings,
        find_wsgi(manage, settings, source, options.wsgi),
        find_requirements(root),
        ENGINES[options.engine],
        options.domain,
        options.sign_in or ["/admin/login/"],
        source,
    )


def find_manage(root: Path) -> Path:
    """Return the folder of manage.py: the project's own, or the one below it that has one."""
    if (root / "manage.py").is_file():
        return root
    found = sorted(path.parent for path in root.glob("*/manage.py"))
    if len(found) == 1:
        return found[0]
    named = f"; it may be one of {', '.join(map(str, found))}" if found else ""
    raise RefusedError(f"{root} has no manage.py{named}")


def find_settings(manage: Path) -> str:
    """Return the module for production, or the only one there is."""
    found = re.search(
        r"""DJANGO_SETTINGS_MODULE["'], *["']([\w.]+)["']""", (manage / "manage.py").read_text()
    )
    if not found:
        raise RefusedError(f"{manage}/manage.py names no settings; give --settings")
    package = manage.joinpath(*found[1].split(".")[:-1])
    if not (package / "__init__.py").exists() or package.name != "settings":
        return found[1]
    modules = sorted(path.stem for path in package.glob("[a-z]*.py"))
    likely = [name for name in modules if name in ("production", "prod")]
    if len(likely) == 1:
        return ".".join([*package.relative_to(manage).parts, likely[0]])
    others = [".".join([*package.relative_to(manage).parts, name]) for name in modules]
    raise RefusedError(
        f"several settings, and none is production; --settings may be {', '.join(others)}"
    )


def find_wsgi(manage: Path, settings: str, source: Source, given: str | None) -> str | None:
    """Return the application's dotted name where the settings do not say it."""
    if given:
        return given if given.endswith(".application") else f"{given}.application"
    if "WSGI_APPLICATION" in source.names:
        return None
    package = settings.split(".")[0]
    for module in (f"{package}.wsgi", f"{settings.rpartition('.')[0]}.wsgi"):
        if manage.joinpath(*module.split(".")).with_suffix(".py").exists():
            return f"{module}.application"
    if list(manage.glob("*/asgi.py")):
        raise RefusedError(
            f"{settings} has no WSGI application, only an asgi.py: this stack serves WSGI; "
            "--wsgi may name a module with one"
        )
    return None


def find_requirements(root: Path) -> list[str]:
    """Return the files that say what the project needs, as the resolver takes them."""
    for name in (
        "requirements/production.txt",
        "requirements/prod.txt",
        "requirements.txt",
        "pyproject.toml",
    ):
        if (root / name).is_file():
            return [name]
    raise RefusedError(
        f"{root} has no requirements.txt, requirements/production.txt or pyproject.toml "
        "that says what it needs"
    )
