"""Each distribution's wheel holds its package, and works where only what it declares is there."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

APP = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
NEEDED = ("django", "asgiref", "sqlparse")  # Django, and what Django itself needs
PIP = "/opt/pip/bin/pip"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the wheel of each package, built without a network."""
    made = {}
    for name in ("hardened_sessions", "session_stack"):
        folder = tmp_path_factory.mktemp(name)
        shutil.copytree(APP / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        build = ("hatchling", "build", "-t", "wheel", "-d", folder)
        run(sys.executable, "-m", *build, cwd=folder / name)
        (made[name],) = folder.glob("*.whl")
    return made


def run(*command: object, cwd: Path | None = None, **environ: str) -> str:
    """Run a command that must work; return what it said."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, "PIP_REQUIRE_HASHES": "", **environ},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", ["hardened_sessions", "session_stack"])
def test_a_wheel_holds_every_file_of_its_package(wheels: dict[str, Path], name: str) -> None:
    files = {
        str(path.relative_to(APP))
        for path in (APP / name).rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".md", ".toml")
    }
    packed = set(zipfile.ZipFile(wheels[name]).namelist())
    assert files == {path for path in packed if ".dist-info/" not in path}


@pytest.mark.parametrize("environment", ["venv", "django52"])
@pytest.mark.parametrize("engine", ["db", "file", "signed_cookies"])
def test_the_layer_works_with_nothing_but_django(
    wheels: dict[str, Path], tmp_path: Path, environment: str, engine: str
) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "fresh")
    (packages,) = (tmp_path / "fresh/lib").glob("python*/site-packages")
    (source,) = Path("/opt", environment, "lib").glob("python*/site-packages")
    for name in NEEDED:
        for path in source.glob(f"{name}*"):
            (packages / path.name).symlink_to(path)
    python = tmp_path / "fresh/bin/python"
    # Without an index: pip finds what the wheel declares, or fails.
    run(PIP, "--python", python, "install", "--no-index", wheels["hardened_sessions"])
    shutil.copy(HERE / "site.py", tmp_path / "alone.py")
    shutil.copy(HERE / "tests.py", tmp_path / "tests.py")
    said = run(
        *(python, "-W", "error", "alone.py", "test", "tests"),
        cwd=tmp_path,
        ENGINE=engine,
        TMPDIR=str(tmp_path),
        PYTHONPATH="",
    )
    assert "Ran 2 tests" in said
