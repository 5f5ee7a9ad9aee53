"""Certificates made on the spot, a site to run, and `verify` itself as a module."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from .server import NAME, PASSWORD, Behaviour, Site, running

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "verify"

Serve = Callable[..., Site]


@pytest.fixture(scope="session")
def script() -> Path:
    return SCRIPT


@pytest.fixture(scope="session")
def verify() -> ModuleType:
    """Load the script as a module; it has no suffix, and gets no compiled file beside it."""
    module = ModuleType("verify_script")
    module.__file__ = str(SCRIPT)
    sys.modules[module.__name__] = module  # where its dataclasses look their types up
    exec(compile(SCRIPT.read_text(), SCRIPT, "exec"), module.__dict__)
    return module


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a CA, and leaves that are good, expired, for another name, and of another CA."""
    folder = tmp_path_factory.mktemp("certificates")
    authority(folder, "ca")
    authority(folder, "other-ca")
    own = f"DNS:{NAME},DNS:localhost,IP:127.0.0.1,IP:::1"
    leaf(folder, "good", own)
    leaf(folder, "expired", own, days=-1)
    leaf(folder, "other-name", "DNS:other.test")
    leaf(folder, "other-issuer", own, ca="other-ca")
    return folder


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def new_key(folder: Path, name: str) -> None:
    openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")


def authority(folder: Path, name: str) -> None:
    new_key(folder, name)
    subject = f"/O=Test/CN={name}"
    openssl(folder, "req", "-x509", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.pem")


def leaf(folder: Path, name: str, names: str, days: int = 2, ca: str = "ca") -> None:
    new_key(folder, name)
    (folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
    openssl(
        folder, "req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr"
    )
    signing = ["-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-days", str(days)]
    files = ["-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", f"{name}.ext"]
    openssl(folder, "x509", "-req", *files, *signing)


@pytest.fixture
def serve(certificates: Path) -> Iterator[Serve]:
    """Run sites until the test is over; keywords replace the right behaviour."""
    with contextlib.ExitStack() as stack:

        def start(address: str = "127.0.0.1", **behaviour: object) -> Site:
            chosen = Behaviour(**behaviour)  # type: ignore[arg-type]
            return stack.enter_context(running(chosen, certificates, address))

        yield start


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    file = tmp_path / "password.txt"
    file.write_text(f"{PASSWORD}\n")
    return file
