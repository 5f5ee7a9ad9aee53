"""A secret key is replaced under load; interrupted, it goes on; one that leaked counts no more."""

from collections.abc import Iterator
from pathlib import Path
from secrets import token_urlsafe

import pytest
from operated import Site, manual

CHECK, ROTATE, COMPROMISED = manual("Rotate")


@pytest.fixture
def secrets(site: Site) -> Iterator[Path]:
    """Return the folder of the operator's secrets; they are gone afterwards."""
    folder = site.folder / "deploy" / "secrets"
    yield folder
    for path in folder.glob("*secret_key*"):
        path.unlink()
    site.compose("run", "--rm", "--no-deps", "init")
    site.compose("restart", site.scene.app)
    site.wait_ready(site.scene.app)


def in_use(site: Site, name: str = "secret_key") -> str:
    return site.execute(site.scene.app, "cat", f"/run/secrets/{name}")


def test_a_key_is_replaced_and_nobody_is_signed_out(site: Site, secrets: Path) -> None:
    former = in_use(site)
    # As if somebody had pressed ^C once the new key was chosen, and known to no process.
    chosen = token_urlsafe(50)
    (secrets / ".secret_key.next").write_text(chosen)

    def rotate() -> None:
        done = site.type("sh", "-c", ROTATE)
        assert done.returncode == 0, done.stdout

    verdict = site.visited(rotate)
    assert verdict.misses == []
    assert (verdict.failed, verdict.signed_out, verdict.revived) == ({}, 0, 0)
    assert in_use(site) == chosen
    assert in_use(site, "secret_key_fallbacks") == former
    assert not (secrets / ".secret_key.next").exists()
    assert (secrets / "secret_key").stat().st_mode & 0o777 == 0o600
    # Every process was replaced, and there are as many as before.
    assert len(site.containers(site.scene.app)) == 1
    ages = site.type("sh", "-c", CHECK).stdout
    assert "secret_key_fallbacks              0 days\n" in ages


def test_a_compromised_key_signs_everybody_out(site: Site, secrets: Path) -> None:
    crowd = site.crowd(2)
    crowd.start()
    former = in_use(site)
    done = site.type("sh", "-c", COMPROMISED)
    assert done.returncode == 0, done.stdout
    assert "everybody is signed out" in done.stdout
    ledger = crowd.stop()
    out = {one.client for one in ledger.answers if one.outcome == "signed out"}
    assert out == {one.client for one in crowd.stayers}
    assert in_use(site) != former
    assert in_use(site, "secret_key_fallbacks") == ""


def test_what_can_not_be_rotated_is_refused_in_one_line(site: Site) -> None:
    for words in (["postgres"], [], ["secret_key", "--now"]):
        done = site.type("scripts/rotate", *words)
        assert done.returncode == 1
        assert " is nothing to rotate; it may be secret_key, " in done.stdout
        assert done.stdout.count("\n") == 1
    key = site.folder / "deploy" / "secrets" / "secret_key"
    key.mkdir()
    done = site.type("scripts/rotate", "secret_key")
    key.rmdir()
    assert (done.returncode, done.stdout) == (1, f"rotate: {key}: Is a directory\n")
    site.compose("stop", site.scene.app)
    try:
        done = site.type("scripts/rotate", "secret_key")
        assert done.stdout == "rotate: no app runs; ./scripts/up ENGINE, then run this again\n"
        assert not (site.folder / "deploy" / "secrets" / ".secret_key.next").exists()
    finally:
        site.start(site.scene.app)
        site.wait_ready(site.scene.app)
