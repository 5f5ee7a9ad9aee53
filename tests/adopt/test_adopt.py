"""Projects that nobody here wrote, made fresh, served by the documented commands alone."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from stack import ROOT, free_port

ADOPT = ROOT / "scripts" / "adopt"


def run(*command: object, cwd: Path | None = None, check: bool = True, **environ: str) -> str:
    """Run a command, which has to work unless `check` is false; return what it said."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert not check or done.returncode == 0, done.stdout
    return done.stdout


class Made:
    """A project as its own generator makes it, and a folder name that no other run has."""

    def __init__(self, folder: Path, needs: str, generator: Sequence[str]) -> None:
        self.root = folder / f"adopt-{os.getpid()}"
        self.root.mkdir()
        run(sys.executable, "-m", "venv", folder / "venv")
        run(folder / "venv/bin/pip", "install", "--quiet", needs)
        run(folder / "venv/bin" / generator[0], *generator[1:], cwd=self.root)
        if not (self.root / "requirements.txt").exists():
            (self.root / "requirements.txt").write_text(f"{needs}\n")
        self.files = self.contents()

    def contents(self) -> dict[Path, bytes]:
        """Return the project's own files."""
        files = (path for path in self.root.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files if self.stack not in path.parents}

    @property
    def stack(self) -> Path:
        return self.root / "stack"

    def verb(self, *words: str) -> str:
        """Call one of the scripts of the adopted stack, on ports that are free here."""
        return run(self.stack / "scripts" / words[0], *words[1:], **self.ports)

    def compose(self, *words: str, check: bool = True) -> str:
        return run("docker", "compose", *words, cwd=self.stack, check=check, **self.ports)

    @property
    def ports(self) -> dict[str, str]:
        if not hasattr(self, "_ports"):
            self._ports = {"HTTP_PORT": str(free_port()), "HTTPS_PORT": str(free_port())}
        return self._ports


def served(made: Made) -> Iterator[Made]:
    """Have a project, and leave nothing of it behind."""
    yield made
    if made.stack.exists():
        made.verb("down", "--volumes")
        run("docker", "image", "rm", "--force", made.root.name)


@pytest.fixture
def startproject(tmp_path: Path) -> Iterator[Made]:
    """Return what Django 5.2 generates."""
    yield from served(
        Made(tmp_path, "django>=5.2,<5.3", ("django-admin", "startproject", "mysite", "."))
    )


@pytest.fixture
def wagtail(tmp_path: Path) -> Iterator[Made]:
    """Return what Wagtail generates: settings for development and production, a Dockerfile."""
    yield from served(Made(tmp_path, "wagtail", ("wagtail", "start", "mysite", ".")))


def test_a_new_project_is_served_as_it_is(startproject: Made) -> None:
    planned = run(ADOPT, startproject.root, "--dry-run")
    assert "mysite.settings" in planned
    assert not startproject.stack.exists()
    said = run(ADOPT, startproject.root)
    assert "SECRET_KEY stands in mysite.settings" in said
    assert startproject.contents() == startproject.files
    said = startproject.verb("up", "db")
    assert " 0 fail" in said
    assert "signing in changes the session's id" in said
    shown = startproject.compose("exec", "app-db", "python", "manage.py", "stack_settings")
    assert "DEBUG = False  # stack" in shown
    assert "SESSION_COOKIE_AGE = 1209600  # default" in shown
    startproject.compose("run", "--rm", "clearsessions", "once")
    said = startproject.verb("rotate", "secret_key")
    assert "done; sessions that the former key signed live on" in said
    startproject.verb("down")
    assert startproject.compose("ps", "--all", "--quiet") == ""


def test_a_wagtail_site_signs_in_while_redis_is_away_and_after(wagtail: Made) -> None:
    said = run(ADOPT, wagtail.root, "--engine", "cached_db")
    assert "mysite.settings.production" in said
    assert wagtail.contents() == wagtail.files
    assert " 0 fail" in wagtail.verb("up", "cached_db")
    wagtail.compose("stop", "redis")
    assert " 0 fail" in wagtail.verb("verify-stack", "cached_db")
    wagtail.compose("start", "redis")
    assert " 0 fail" in wagtail.verb("verify-stack", "cached_db")
    wagtail.compose("run", "--rm", "clearsessions", "once")
    wagtail.verb("down")


@pytest.mark.parametrize(
    ("files", "options", "line"),
    [
        ({}, (), "has no manage.py"),
        ({"manage.py": ""}, (), "names no settings; give --settings"),
        ({"manage.py": "S"}, (), "there is no module site.settings"),
        ({"manage.py": "S", "site/settings.py": "("}, (), "can't be read as Python"),
        ({"manage.py": "S", "site/settings.py": ""}, (), "has no requirements.txt"),
        ({"manage.py": "S", "site/settings.py": "", "site/asgi.py": ""}, (), "only an asgi.py"),
        ({}, ("--engine", "redys"), "'redys'; it may be"),
        ({}, ("--sign-in", "accounts"), "it may be a path such as"),
        ({"manage.py": "P", "site/settings/__init__.py": "", "site/settings/local.py": ""}, (),
         "--settings may be site.settings.local"),
        ({"manage.py": "S", "site/settings.py": "", "site/wsgi.py": "",
          "requirements.txt": "", "stack/x": ""}, (), "is there already"),
        ({"manage.py": "S", "site/settings.py": "", "site/wsgi.py": "",
          "requirements.txt": "django<4"}, (), "can't be locked: "),
    ],
)  # fmt: skip
def test_what_cant_be_adopted_is_one_line_and_nothing_is_made(
    tmp_path: Path, files: dict[str, str], options: tuple[str, ...], line: str
) -> None:
    names = {"S": "site.settings", "P": "site.settings.local"}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        module = names.get(text)
        path.write_text(f'setdefault("DJANGO_SETTINGS_MODULE", "{module}")' if module else text)
    before = sorted(tmp_path.rglob("*"))
    said = run(ADOPT, tmp_path, *options, cwd=tmp_path, check=False)
    assert line in said
    assert said.startswith("adopt: ")
    assert said.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
