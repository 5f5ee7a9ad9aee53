"""`scripts/rotate`: another secret key, known to every process before one of them signs by it."""

import json
import os
import secrets
import time
from pathlib import Path

from operate.own import OwnStack, say, verb
from operate.roll import roll
from stack import ROOT, StackError

FOLDER = ROOT / "deploy" / "secrets"
KEY, FALLBACKS = FOLDER / "secret_key", FOLDER / "secret_key_fallbacks"
NEXT = FOLDER / ".secret_key.next"  # there while a rotation is not at its end
LENGTH = 50  # random bytes; twice what the check asks for as characters


def main(arguments: list[str]) -> int:
    """Rotate, or tell ages; return the exit status."""
    if arguments == ["--check"]:
        kept = json.loads(OwnStack().init("python", "/init/report.py"))
        for name, at in kept["secrets"].items():
            print(f"{name:30}{(time.time() - at) / 86400:5.0f} days")
        return 0
    if arguments not in (["secret_key"], ["secret_key", "--compromised"]):
        raise StackError(
            f"{' '.join(arguments)!r} is nothing to rotate; it may be secret_key, "
            "secret_key --compromised, or --check"
        )
    own = OwnStack()
    with own.alone():
        if not own.apps:
            raise StackError("no app runs; ./scripts/up ENGINE, then run this again")
        if "--compromised" in arguments:
            replace_at_once(own)
        else:
            rotate(own)
    return 0


def rotate(own: OwnStack) -> None:
    """Replace the key in two rolls; each step leaves a stack that serves everybody.

    A process that knows only the former key takes what the new one signed for no session at all. So
    the first roll has each process know both, and only in the second one sign by the new one.
    """
    former = current(own)
    if not NEXT.exists():
        put(NEXT, secrets.token_urlsafe(LENGTH))
    new = NEXT.read_text()
    if former != new:
        say("every process learns the new key")
        put(FALLBACKS, f"{new}\n{former}")
        place(own)
        roll(own)
        put(KEY, new)
        place(own)
    say("every process signs by the new key")
    roll(own)
    (former,) = [key for key in FALLBACKS.read_text().split() if key != new]
    put(FALLBACKS, former)
    place(own)
    NEXT.unlink()
    say("done; sessions that the former key signed live on, as it is a fallback")


def replace_at_once(own: OwnStack) -> None:
    """Put a new key in the place of the former ones, which count no more."""
    for path in (NEXT, FALLBACKS):
        path.unlink(missing_ok=True)
    put(KEY, secrets.token_urlsafe(LENGTH))
    place(own)
    say("restarting at once: everybody is signed out, and links that reset a password end")
    services = own.app_services
    own.compose("restart", *services, "clearsessions")
    own.wait_healthy(*services)


def current(own: OwnStack) -> str:
    """Return the key in use: the operator's, or the one that init made."""
    if KEY.exists():
        return KEY.read_text()
    return own.init("cat", "/volumes/app-secrets/secret_key")


def place(own: OwnStack) -> None:
    """Have init check the files, and give them to those who read them."""
    own.compose("run", "--rm", "--no-deps", "--no-TTY", "init")


def put(path: Path, text: str) -> None:
    """Write a file whole, for its owner's eyes alone."""
    beside = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        os.fsync(descriptor)
    beside.replace(path)


verb("rotate", main)
