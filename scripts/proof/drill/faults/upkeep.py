"""What an operator does to a running stack, as its documents say."""

import secrets

from proof.drill.faults import app
from proof.drill.faults.model import WITH_ROWS, Fault, Scene

EXPIRED = 1_000_000

FILL = """
INSERT INTO django_session (session_key, session_data, expire_date)
SELECT left(encode(sha256(convert_to('expired ' || i, 'UTF8')), 'hex'), 40), repeat('x', 220),
       now() - interval '1 day' * (1 + 12 * random())
FROM generate_series(1, {rows}) AS i
ON CONFLICT DO NOTHING
"""


# --- A new secret key: deploy/secrets/README.md ---------------------------------------------------


def rotate(scene: Scene) -> None:
    folder = scene.stack.folder / "deploy" / "secrets"
    former = scene.stack.execute(scene.app, "cat", "/run/secrets/secret_key")
    # First of all: with neither in place, everybody would be signed out.
    (folder / "secret_key_fallbacks").write_text(former)
    (folder / "secret_key").write_text(secrets.token_urlsafe(50))
    scene.stack.compose("up", "--detach", profile=scene.engine)
    scene.stack.compose("restart", scene.app)


# --- Expired sessions -----------------------------------------------------------------------------


def clearing(rows: int) -> Fault:
    """Return the clearing of that many expired rows."""

    def fill(scene: Scene) -> None:
        # The one that runs by the clock would take them first, or be in the way.
        scene.stack.compose("stop", "clearsessions")
        scene.stack.sql(FILL.format(rows=rows))
        scene.stack.sql("VACUUM ANALYZE django_session")
        scene.stack.sql("CHECKPOINT")

    return Fault(
        "clearsessions",
        f"{rows:,} expired rows are cleared",
        "clearsessions",  # no store is away: visitors should notice nothing
        clear,
        end_clearing,
        hold=0,
        engines=WITH_ROWS,
        prepare=fill,
        clean=by_the_clock,
    )


def clear(scene: Scene) -> None:
    command = ["run", "--rm", "--no-deps", "--no-TTY", "clearsessions", "once", "--now"]
    # Django's one statement for all of them may take longer than the stack's statements may.
    scene.stack.compose(*command, check=scene.layer == "hardened")


def end_clearing(scene: Scene) -> None:
    """End a clearing that has not ended by itself: it holds the one advisory lock."""
    holder = "FROM pg_locks WHERE locktype = 'advisory'"
    scene.stack.sql(f"SELECT pg_terminate_backend(pid) {holder}")


def by_the_clock(scene: Scene) -> None:
    """Start what clears by the clock again, with nothing left for it."""
    scene.stack.sql("DELETE FROM django_session WHERE expire_date < now()")
    scene.stack.start("clearsessions")
    scene.stack.wait_ready("clearsessions")


FAULTS = (
    Fault(
        "secret-key",
        "a new SECRET_KEY, the former one a fallback; the app is restarted",
        "app",
        rotate,
        app.back,
        hold=0,
        answers=app.BROKEN,
    ),
    clearing(EXPIRED),
)
