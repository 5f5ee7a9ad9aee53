"""A running stack takes other code, on the volumes that it has."""

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from conftest import Visitor, demo_user, trust

from stack import Stack

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
