"""What went unseen before is seen: each is provoked, and its line is there, with its status."""

import copy
import json
from typing import Any

import pytest
from operated import Site, manual

from operate.problems import problems

# Nothing that the app does takes so much; the kernel ends the process, and the container runs on.
TAKE_MEMORY = "b = bytearray(400 << 20); print(len(b))"
OVERDUE = "echo $(($(date +%s) - 60)) > /tmp/clearsessions-fresh-until"


def lines(site: Site, *expected: tuple[str, str], status: int) -> str:
    """Ask for the status; each of these levels and texts is a line of it."""
    done = site.type("scripts/status")
    assert done.returncode == status, done.stdout
    for level, text in expected:
        assert [x for x in done.stdout.splitlines() if x.startswith(level) and text in x], (
            f"no line {level} ... {text} in\n{done.stdout}"
        )
    assert "Traceback" not in done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def well(site: Site) -> dict[str, Any]:
    """Return what is known of a stack that is well."""
    done = site.type("scripts/status", "--json")
    assert done.returncode == 0, done.stdout
    for secret in ("secret_key", "database_app_password", "redis_app_password"):
        assert site.execute(site.scene.app, "cat", f"/run/secrets/{secret}") not in done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_stack_that_is_well_is_told_whole(site: Site, well: dict[str, Any]) -> None:
    assert (well["status"], well["problems"], well["engine"]) == ("ok", [], "cached_db")
    assert well["app"]["layer"] == "hardened"
    assert well["served"] == well["kept"]["certificate"]["sha256"]
    site.sql(
        "INSERT INTO django_session VALUES ('gone', '', now() - interval '1 day'),"
        " ('here', '', now() + interval '1 day')"
    )
    site.redis("SET", "session:some", "thing")
    text = lines(site, ("ok", "nothing needs a person"), status=0)
    site.sql("DELETE FROM django_session WHERE session_key IN ('gone', 'here')")
    assert "1 expired\n" in text
    assert ", layer hardened\n" in text
    assert " of 90 days left, of this stack's own authority\n" in text
    assert "redis_app_password 0 d" in text
    assert site.redis("DEL", "session:some") == "1"


def test_what_stays_healthy_and_is_not_well_has_a_line(site: Site) -> None:
    used = int(site.redis("INFO", "memory").partition("used_memory:")[2].split()[0])
    most = site.redis("CONFIG", "GET", "maxmemory").split()[1]
    site.redis("CONFIG", "SET", "maxmemory", str(used))
    site.execute("clearsessions", "sh", "-c", OVERDUE)
    site.compose("exec", "--no-TTY", "clearsessions", "python", "-c", TAKE_MEMORY, check=False)
    site.compose("up", "--detach", "--no-deps", "app-db")
    try:
        lines(
            site,
            ("critical", "Redis's maxmemory: "),
            ("critical", "app-db runs, and the engine in force is cached_db"),
            ("warning", "the last clearing was 0.0 hours ago"),
            ("warning", "clearsessions had a process killed for want of memory"),
            status=2,
        )
    finally:
        site.redis("CONFIG", "SET", "maxmemory", most)
        site.compose("rm", "--stop", "--force", "app-db", "clearsessions")
        site.compose("up", "--detach", "--wait", "--no-deps", "clearsessions")


def test_a_store_that_is_away_hides_nothing_else(site: Site) -> None:
    site.compose("stop", "postgres", "clearsessions")
    try:
        site.type("curl", "--silent", "--insecure", "--output", "/dev/null", f"{site.url}/")
        text = lines(
            site,
            ("critical", "postgres is exited"),
            ("critical", "the app takes postgres for gone"),
            ("warning", "clearsessions is exited"),
            status=2,
        )
        assert "engine        cached_db" in text
        assert "certificate   " in text
    finally:
        site.start("postgres", "clearsessions")
        site.wait_ready("postgres", site.scene.app, "clearsessions")
    lines(site, ("ok", ""), status=0)


DAY = 86400.0


@pytest.mark.parametrize(
    ("part", "change", "level", "what"),
    [
        ("kept", {"disk": 0.86}, "warning", "the disk with Docker's volumes: 86% used"),
        ("kept", {"disk": 0.96}, "critical", "the disk with Docker's volumes: 96% used"),
        ("postgres", {"disk": 0.97}, "critical", "Postgres's disk: 97% used"),
        ("postgres", {"connections": 54}, "warning", "Postgres's max_connections: 90% used"),
        ("redis", {"log_is_written": False}, "critical", "Redis can't write"),
        ("upkeep", {"cleared": 0, "fresh_until": 0}, "warning", "no clearing has succeeded yet"),
        ("kept", {"certificate": None}, "critical", "there is no certificate"),
    ],
)
def test_what_a_test_can_not_fill_is_judged_by_its_figures(
    well: dict[str, Any], part: str, change: dict[str, Any], level: str, what: str
) -> None:
    facts = copy.deepcopy(well)
    facts[part].update(change)
    (found,) = problems(facts)
    assert (found.level, found.what[: len(what)]) == (level, what)
    assert found.repair


@pytest.mark.parametrize(
    ("days", "level", "what"),
    [
        (65, "warning", "the certificate has 25.0 days left"),
        (76, "critical", "the certificate has 14.0 days left"),
        (91, "critical", "the certificate expired 1.0 days ago"),
    ],
)
def test_a_certificate_that_nobody_renews_is_seen(
    well: dict[str, Any], days: float, level: str, what: str
) -> None:
    facts = copy.deepcopy(well)
    later = facts["kept"]["certificate"]["begins"] + days * DAY
    facts["upkeep"] = None
    (found,) = problems(facts, later)
    assert (found.level, found.what) == (level, what)


def test_the_manual_is_right(site: Site) -> None:
    commands = manual("Status")
    assert len(commands) == 2
    for command in commands:
        assert site.type("sh", "-c", command).returncode == 0


def test_who_can_not_tell_says_so_in_one_line(site: Site) -> None:
    for command, settings, line in (
        (["--yaml"], {}, "status: '--yaml' is no option; it may be --json\n"),
        ([], {"DOCKER_HOST": "unix:///nowhere"}, "status: no Docker engine answers; start it"),
        ([], {"COMPOSE_FILE": "nowhere.yml"}, "status: "),
    ):
        done = site.type("scripts/status", *command, **settings)
        assert done.returncode == 3, done.stdout
        assert done.stdout.startswith(line)
        assert done.stdout.count("\n") == 1
