"""A backup is one once it was restored; a restore revives nobody, and undo signs nobody out."""

import fcntl
import re
from collections.abc import Iterator

import pytest
from operated import Site, manual

from proof.drill.judge import Terms
from stack import StackError

TAKE, BY_THE_CLOCK, LIST = manual("Backups")
UNDO, BACK, DISASTER, FINISH = manual("Restore")

# While the databases are swapped visitors get 503 with Retry-After, and nothing worse.
SWAPPED = Terms(unavailable=True, answers=frozenset())

# What a project may hang on a session.
INVENTORY = """
SET ROLE app_owner;
CREATE TABLE inventory (
  session varchar(40) REFERENCES django_session ON DELETE CASCADE,
  owner int REFERENCES auth_user ON DELETE CASCADE);
"""
LATER = """
INSERT INTO auth_user SELECT 999, password, NULL, false, 'later', '', '', '', false, true, now()
  FROM auth_user WHERE username = 'drill';
INSERT INTO django_session VALUES ('of drill', '', now() + interval '1 day'),
  ('of later', '', now() + interval '1 day');
INSERT INTO inventory SELECT 'of ' || username, id FROM auth_user
  WHERE username IN ('drill', 'later');
UPDATE lab_product SET price = price + 1;
"""


def refused(site: Site, *command: str, **settings: str) -> str:
    """Return the last line of a command that fails, and shows no traceback."""
    done = site.type(*command, **settings)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout.splitlines()[-1]


def password(site: Site, text: str) -> None:
    """Give the repository's password, as an operator."""
    (site.folder / "deploy" / "secrets" / "backup_repository_password").write_text(text)


@pytest.fixture(scope="module")
def backed_up(site: Site) -> Iterator[str]:
    """Return the id of a proven backup."""
    line = refused(site, "scripts/backup")
    assert line.startswith("backup: deploy/secrets/backup_repository_password is not there; write")
    password(site, "p" * 20)
    site.sql(INVENTORY)
    found = re.search(r"backup: (\w{8}) is proven, in", type_as_told(site, TAKE))
    assert found
    yield found[1]
    site.sql("DROP TABLE inventory")


def prices(site: Site) -> str:
    return site.sql("SELECT sum(price) FROM lab_product")


def type_as_told(site: Site, command: str) -> str:
    """Type a line of the manual; return what it says."""
    done = site.type("sh", "-c", command.replace("PROJECT", site.project))
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_undo_and_back_sign_nobody_out_and_believe_no_copy(site: Site, backed_up: str) -> None:
    before = prices(site)
    site.sql(LATER)
    after = prices(site)
    line = refused(site, "scripts/restore", "undo", backed_up)
    assert line == f"restore: this replaces a database in use; to do it: --replace {site.project}"
    site.redis("SET", "session:a copy", "of what was")

    def undo() -> None:
        said = type_as_told(site, UNDO)
        assert re.search(r"auth_user has (\d) rows, in the backup (?!\1)\d\n", said), said

    verdict = site.visited(undo, SWAPPED)
    assert verdict.misses == []
    assert (verdict.signed_out, verdict.revived, verdict.lost) == (0, 0, 0)
    assert site.redis("EXISTS", "session:a copy") == "0"
    assert prices(site) == before
    assert site.sql("SELECT session FROM inventory") == "of drill"
    line = refused(site, "scripts/restore", "undo", "latest", "--replace", site.project)
    assert "first ./scripts/restore finish, or back" in line
    verdict = site.visited(lambda: type_as_told(site, BACK), SWAPPED)
    assert verdict.misses == []
    assert (verdict.signed_out, verdict.revived, verdict.lost) == (0, 0, 0)
    assert prices(site) == after
    assert "there is no former database" in refused(site, "scripts/restore", "finish")
    site.sql("DELETE FROM auth_user WHERE id = 999; DELETE FROM django_session")


def test_disaster_signs_everybody_out_of_signed_cookies_too(site: Site, backed_up: str) -> None:
    site.begin("signed_cookies", "hardened")
    try:
        crowd = site.crowd(2)
        crowd.start()
        crowd.sign_out(1)
        type_as_told(site, DISASTER)
        crowd.ledger.lifted = crowd.ledger.injected = 0.0
        ledger = crowd.stop()
        held = [one for one in ledger.answers if one.outcome == "signed out"]
        assert {one.client for one in held} == {one.client for one in crowd.stayers}
        (gone,) = [one for one in ledger.sign_outs if one.acknowledged]
        assert [at for at in gone.openings if at > (gone.acknowledged or 0) + 2] == []
        # Only a session of now is signed in.
        fresh = site.crowd(1)
        fresh.start()
        fresh.stop()
        type_as_told(site, FINISH)
    finally:
        site.begin("cached_db", "hardened")


def test_it_is_taken_by_the_clock_and_status_knows(site: Site, backed_up: str) -> None:
    type_as_told(site, BY_THE_CLOCK)
    site.wait_healthy("backup")
    assert f"{backed_up} " in type_as_told(site, LIST)
    said = site.type("scripts/status").stdout
    assert "\nbackup        healthy\n" in said
    assert f"\nbackup        {backed_up}, 0 h ago, " in said
    site.compose("rm", "--stop", "--force", "backup")


def test_each_thing_that_can_not_be_has_one_line(site: Site, backed_up: str) -> None:
    undo = ["scripts/restore", "undo", backed_up, "--replace", site.project]
    assert "'yesterday' is nothing to do" in refused(site, "scripts/restore", "yesterday")
    assert "'now' is no option; it may be list" in refused(site, "scripts/backup", "now")
    said = site.type("scripts/backup", BACKUP_SCHEDULE="often", DOMAIN="a b").stdout
    assert "init: DOMAIN is 'a b'; it may be " in said
    assert said.splitlines()[-1].startswith("backup: BACKUP_SCHEDULE is 'often'; it may be a cron")
    line = refused(site, "scripts/restore", "undo", "00000000", "--replace", site.project)
    assert line.startswith("restore: backup: ")
    assert "no matching ID" in line
    with (site.folder / "docker-compose.yml").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in undo, ["scripts/restore", "finish"]:
            line = refused(site, *command)
            assert line == "restore: another verb is at work here; wait for its end"
    password(site, "q" * 20)
    assert "is not the password of this repository" in refused(site, "scripts/backup")
    password(site, "p" * 20)
    # A newer release's, and one that was damaged where it lies.
    site.sql("INSERT INTO django_migrations (app, name, applied) VALUES ('lab', '9999_x', now())")
    newer = re.findall(r"backup: (\w{8}) is proven", site.type("scripts/backup").stdout)[0]
    line = refused(site, "scripts/restore", "undo", newer, "--replace", site.project)
    assert "a newer release made this backup (migration lab.9999_x)" in line
    site.sql("DELETE FROM django_migrations WHERE name = '9999_x'")
    spoil = "for f in /repository/data/*/*; do chmod u+w $f; truncate -s 50 $f; done"
    run = ["run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", "sh", "backup", "-c", spoil]
    site.compose(*run)
    before = prices(site)
    assert refused(site, *undo).startswith("restore: backup: restic dump: ")
    assert prices(site) == before
    assert site.visited(lambda: None).misses == []
    with pytest.raises(StackError, match="does not exist"):
        site.sql("SELECT 1", "app_restored")
