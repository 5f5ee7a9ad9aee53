"""The verbs: up, down and verify-stack, as an operator types them."""

import os
import socket
import subprocess

import pytest

from stack import ROOT, Stack


def script(
    stack: Stack, name: str, *arguments: str, user: int | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a script of the copied clone in the test's project; stdout and stderr as one."""
    return subprocess.run(
        [f"{stack.folder}/scripts/{name}", *arguments],
        cwd="/",
        env=stack.environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        user=user,
        check=False,
    )


def test_up_starts_and_verifies_every_engine(stack: Stack, engine: str) -> None:
    done = script(stack, "up", "redis" if engine == "cache" else engine)
    assert done.returncode == 0, done.stdout
    assert " 0 fail, " in done.stdout
    assert f"==> ready: {stack.url}/\n" in done.stdout
    assert "deploy/certs/ca.pem" in done.stdout
    assert "./scripts/down" in done.stdout
    # The user who was made for it is gone.
    assert stack.sql("SELECT count(*) FROM auth_user") == "0"


def test_verify_says_what_stock_signed_cookies_cannot_do(stack: Stack) -> None:
    done = script(stack, "up", "signed_cookies", SESSION_LAYER="stock")
    (line,) = [line for line in done.stdout.splitlines() if " logout.ends " in line]
    assert line.startswith("skip ")


def test_up_switches_from_another_engine(cache_site: Stack) -> None:
    done = script(cache_site, "up", "file")
    assert done.returncode == 0, done.stdout
    assert "==> switching from cache\n" in done.stdout
    assert cache_site.runs("file")


def test_up_shows_the_refusing_services_own_line(stack: Stack) -> None:
    stack.down()
    done = script(stack, "up", "cache", LOG_LEVEL="loud")
    assert done.returncode == 1
    line = "migrate: env: LOG_LEVEL is 'loud'; it may be DEBUG, INFO, WARNING, ERROR"
    assert line in done.stdout.splitlines()
    assert done.stdout.endswith(
        "up: cache did not start; repair what is named above, then run this again\n"
    )
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("address", ["::1", "127.0.0.1"])
def test_the_address_may_be_ipv6_and_a_port_in_use_there_is_found(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        port = str(listener.getsockname()[1])
        settings = {**os.environ, "BIND_ADDRESS": address, "HTTPS_PORT": port, "HTTP_PORT": "0"}
        read = ["docker", "compose", "config", "--format", "json"]
        config = subprocess.run(read, cwd=ROOT, env=settings, capture_output=True, check=True)
        script = [ROOT / "scripts/check-ports"]
        done = subprocess.run(script, input=config.stdout, capture_output=True, check=False)
    assert done.returncode == 1
    assert f"HTTPS_PORT is {port}, where something else listens".encode() in done.stderr


def test_up_names_a_port_in_use_before_it_starts_anything(stack: Stack) -> None:
    stack.down()
    port = stack.settings["HTTPS_PORT"]
    with socket.create_server(("127.0.0.1", int(port))):
        done = script(stack, "up", "cache")
    assert done.returncode == 1
    assert done.stdout.endswith(
        f"HTTPS_PORT is {port}, where something else listens; stop that, or set HTTPS_PORT in .env "
        "to a free port\n"
    )
    assert stack.containers() == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["mongodb"], "up: 'mongodb' is no engine; it may be db cached_db cache file "),
        (["--force", "db"], "up: '--force' is no engine; it may be "),
        ([], "up: name an engine: db cached_db cache file signed_cookies (redis is cache)"),
    ],
)
def test_up_refuses_what_it_does_not_know(stack: Stack, arguments: list[str], line: str) -> None:
    done = script(stack, "up", *arguments)
    assert done.returncode == 1
    assert done.stdout.startswith(line)
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("name", ["up", "down", "test"])
def test_without_an_engine_one_line_says_how_to_get_one(stack: Stack, name: str) -> None:
    arguments = ["redis"] if name == "up" else []
    done = script(stack, name, *arguments, DOCKER_HOST="unix:///nowhere.sock")
    assert done.returncode == 1
    assert "no Docker engine answers" in done.stdout
    assert done.stdout.count("\n") == 1
    if name != "down":
        assert "./scripts/install-engine" in done.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_installing_without_root_is_refused(stack: Stack) -> None:
    settings = {"DOCKER_HOST": "unix:///nowhere.sock", "HOME": "/nonexistent"}
    done = script(stack, "up", "--install", "redis", user=65534, **settings)
    assert done.returncode == 1
    assert done.stdout == "install-engine: needs root: run it with sudo\n"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "up",
            "down",
            "status",
            "backup",
            "restore",
            "rotate",
            "test",
            "prepare",
            "prepare-tests",
        ),
        *("install-engine", "complaints", "verify-stack", "verify", "bench", "drill"),
    ],
)
def test_every_script_explains_itself(stack: Stack, name: str) -> None:
    done = script(stack, name, "--help")
    assert done.returncode == 0
    assert "usage:" in done.stdout
    assert "set -euo" not in done.stdout


def test_down_keeps_the_volumes_unless_told(stack: Stack) -> None:
    script(stack, "up", "db")
    volumes = ["docker", "volume", "ls", "--quiet", "--filter", f"label={stack.label}"]

    def kept() -> list[str]:
        return subprocess.run(volumes, check=True, capture_output=True, text=True).stdout.split()

    assert script(stack, "down").returncode == 0
    assert stack.containers() == []
    assert len(kept()) > 5
    authority = stack.folder / "deploy" / "certs" / "ca.pem"
    assert authority.exists()
    assert script(stack, "down", "--volumes").returncode == 0
    assert kept() == []
    assert not authority.exists()  # of the next stack's certificate it is none
    assert script(stack, "down", "--volume").stdout == (
        "down: '--volume' is no option; it may be --volumes\n"
    )
