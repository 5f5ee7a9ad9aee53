"""A running stack takes other code, on the volumes that it has."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Visitor, demo_user, trust

from stack import Stack, project, run

# Before what serves any project moved out of the apps `config`, `engine`, `health` and
# `clearsessions`.
FORMER = "bfeb7cf"


@pytest.fixture(scope="module")
def former() -> Iterator[Stack]:
    stack = Stack("upgrade")
    stack.create(FORMER)
    yield stack
    stack.destroy()


def test_a_running_stack_is_upgraded_and_visitors_stay_signed_in(former: Stack) -> None:
    former.up("cached_db")
    visitor, gone = Visitor(former, trust(former)), Visitor(former, trust(former))
    with visitor.http, gone.http:
        for one in (visitor, gone):
            one.sign_in(*demo_user(former, "app-cached_db"))
            assert one.visit() == 1
        cookie, ended = visitor.cookie, gone.cookie
        gone.sign_out()
        in_force = former.sql("SELECT backend, since FROM engine_engineinforce")
        former.copy()
        former.up("cached_db", "--build")
        assert visitor.signed_in()
        assert (visitor.visit(), visitor.cookie) == (2, cookie)
        gone.cookie = ended
        assert not gone.signed_in()
        visitor.sign_out()
        assert not visitor.signed_in()
        assert former.sql("SELECT backend, since FROM engine_engineinforce") == in_force
        # It may have run stock, and has its time to find what that left.
        assert former.sql("SELECT grace_until > now() FROM engine_engineinforce") == "t"


LAB = re.compile(r"# --- The lab: .*?# --- End of the lab -+\n", re.DOTALL)


def test_without_the_lab_the_site_starts_signs_in_and_passes_verify(former: Stack) -> None:
    former.copy()
    shutil.rmtree(former.folder / "app" / "lab")
    for name in ("settings", "urls"):
        path = former.folder / "app" / "config" / f"{name}.py"
        rest, blocks = LAB.subn("", path.read_text())
        assert blocks == 1
        assert "lab" not in rest.split()
        path.write_text(rest)
    former.up("cached_db", "--build")
    visitor = Visitor(former, trust(former))
    with visitor.http:
        visitor.sign_in(*demo_user(former, "app-cached_db"))
        assert visitor.signed_in()
    environ = former.environment({})
    verify = ["scripts/verify-stack", "cached_db"]
    done = subprocess.run(verify, cwd=former.folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "login" in done.stdout


STEP = re.compile(
    r"(?:New file|In) `(?P<file>[^`]+)`(?:, before the line `(?P<line>[^`]+)`)?:\n\n"
    r"```\w+\n(?P<text>.*?)```\n",
    re.DOTALL,
)


def add_engine(folder: Path) -> str:
    """Apply the steps of 'To add an engine'; return the engine's name."""
    document = (folder / "app" / "hardened_sessions" / "README.md").read_text()
    section = document.partition("\n## To add an engine\n")[2].partition("\n## ")[0]
    steps = list(STEP.finditer(section))
    assert len(steps) == section.count("```") / 2 > 1
    for step in steps:
        path = folder / step["file"]
        if step["line"] is None:
            assert not path.exists()
            path.parent.mkdir(exist_ok=True)
            path.write_text(step["text"])
            continue
        before, line, after = path.read_text().partition(f"\n{step['line']}\n")
        assert line, f"{step['file']} has no line {step['line']}"
        path.write_text(f"{before}\n{step['text']}{line[1:]}{after}")
    return Path(steps[0]["file"]).stem


def test_a_sixth_engine_is_added_by_the_steps_of_its_document(former: Stack) -> None:
    former.copy()
    name = add_engine(former.folder)
    tests = (
        "cd /src && ruff check app && ruff format --check app && cd app && "
        "pytest -p no:cacheprovider -q tests/test_copies.py tests/test_engines.py "
        "tests/deploy/test_kubernetes.py && "
        "pytest -p no:cacheprovider -q --ds=tests.hardened_sessions.settings "
        f"tests/hardened_sessions/test_contract.py -k {name}"
    )
    environ = {"TEST_IMAGE": project("unit"), **former.environment({})}
    unit = ["docker", "compose", "--project-name", f"{former.project}-unit"]
    unit += ["--file", "app/tests/compose.yml", "run", "--rm", "--quiet-pull", "test"]
    tried = run(*unit, "sh", "-c", tests, cwd=former.folder, env=environ)
    assert re.search(r"\d+ passed, \d+ deselected", tried.stdout), tried.stdout
    elsewhere = ["--file=docker-compose.yml", "--file=deploy/elsewhere.yml", "--profile=*"]
    run("docker", "compose", *elsewhere, "config", "--quiet", cwd=former.folder)
    former.compose("rm", "--stop", "--force", "app-cached_db")
    former.up(name, "--build")
    visitor = Visitor(former, trust(former))
    with visitor.http:
        visitor.sign_in(*demo_user(former, f"app-{name}"))
        assert (visitor.visit(), visitor.visit(), visitor.signed_in()) == (1, 2, True)
        cookie = visitor.cookie
        visitor.sign_out()
        visitor.cookie = cookie
        assert not visitor.signed_in()
    assert former.sql("SELECT backend FROM engine_engineinforce") == name
