"""The stack serves without the layer's package, on Django's own engines."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

APP = Path(__file__).resolve().parents[2]
PREPARED = """
from django.test import Client
client = Client(headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"})
assert b'data-visits="1"' in client.get("/").content
assert b'data-visits="2"' in client.get("/").content
from session_stack.health.answers import ready
assert ready()[1] == b"ready\\n"
"""


@pytest.fixture
def without_layer(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("hardened_sessions", "tests", "__pycache__", ".*")
    shutil.copytree(APP, tmp_path / "app", ignore=ignored)
    shutil.copytree("/app/staticfiles", tmp_path / "app/staticfiles", dirs_exist_ok=True)
    return tmp_path / "app"


@pytest.fixture
def database() -> str:
    ours = settings.DATABASES["default"]
    server = f"host={ours['HOST']} port={ours['PORT']} user={ours['USER']} "
    server += f"password={ours['PASSWORD']} dbname=postgres"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS without_layer")
        connection.execute("CREATE DATABASE without_layer")
    return "without_layer"


def manage(app: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=app,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_djangos_engines_need_nothing_of_the_layer(
    without_layer: Path, database: str, tmp_path: Path
) -> None:
    environ = {"SESSION_LAYER": "stock", "DATABASE_NAME": database}
    environ["SESSION_FILE_PATH"] = str(tmp_path)
    for command in (
        ["prepare_database"],
        ["preflight"],
        ["check", "--deploy", "--fail-level", "WARNING"],
        ["shell", "-c", PREPARED],
        ["clear_expired", "once"],
    ):
        done = manage(without_layer, *command, **environ)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    assert "cleared" in done.stderr


def test_the_layer_is_refused_where_it_is_not_there(without_layer: Path) -> None:
    done = manage(without_layer, "check", SESSION_LAYER="hardened")
    assert done.returncode != 0
    assert done.stderr == (
        "env: SESSION_LAYER is 'hardened', whose package hardened_sessions is not there; "
        "it may be stock\n"
    )
