"""A site as the public would find it: a name of its own, the standard ports, HSTS."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stack import ROOT, Stack, run

DOMAIN = "www.example.org"
ADDRESS = "127.0.0.17"  # loopback, and not where a stack of this machine may listen
KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"


def certify(folder: Path) -> None:
    """Put a certificate for the domain where the operator would, from an authority beside it."""
    leaf = (
        f"-subj /CN={DOMAIN} -addext subjectAltName=DNS:{DOMAIN} "
        "-addext extendedKeyUsage=serverAuth -addext keyUsage=critical,digitalSignature "
        "-addext basicConstraints=critical,CA:FALSE"
    )
    for command in (
        f"req -x509 {KEY} -days 60 -keyout ca.key -out ca.pem -subj /CN=test-authority",
        f"req -x509 {KEY} -days 60 -CA ca.pem -CAkey ca.key -keyout privkey.pem -out leaf.pem "
        + leaf,
    ):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True, cwd=folder)
    chain = (folder / "leaf.pem").read_text() + (folder / "ca.pem").read_text()
    (folder / "fullchain.pem").write_text(chain)


@pytest.fixture(scope="session")
def public_site() -> Iterator[Stack]:
    """Return a stack on the standard ports of an address of its own."""
    stack = Stack("full")
    stack.settings |= {"DOMAIN": DOMAIN, "HSTS_SECONDS": "63072000", "BIND_ADDRESS": ADDRESS}
    stack.settings |= {"HTTP_PORT": "80", "HTTPS_PORT": "443", "HSTS_INCLUDE_SUBDOMAINS": "true"}
    stack.create()
    certify(stack.folder / "deploy" / "certs")
    stack.up("cache")
    yield stack
    stack.destroy()


@pytest.fixture(scope="session")
def grader(public_site: Stack) -> Iterator[Callable[..., str]]:
    """Return what runs a command where the graders are, and the domain resolves."""
    tag = f"{public_site.project}-grader"
    bundle = os.environ.get("BUILD_CA_FILE", "/dev/null")
    build = ["docker", "build", "--quiet", f"--secret=id=ca_bundle,src={bundle}", f"--tag={tag}"]
    run(*build, str(ROOT / "tests" / "full"))
    authority = public_site.folder / "deploy" / "certs" / "ca.pem"
    options = [f"--add-host={DOMAIN}:{ADDRESS}", f"--volume={authority}:/ca.pem:ro"]
    options += ["--network=host", "--tmpfs=/tmp", "--env=NODE_EXTRA_CA_CERTS=/ca.pem"]

    def grade(*command: str) -> str:
        return run("docker", "run", "--rm", *options, tag, *command, check=False).stdout

    yield grade
    run("docker", "image", "rm", "--force", tag)
