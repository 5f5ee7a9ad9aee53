"""What is wrong on the visitors' side."""

from proof.drill.faults.model import Fault, Scene

# Longer than a session cookie lives: a server that names only the day on which it ends, and not its
# age, would have it thrown away at once.
AHEAD_SECONDS = 20 * 24 * 3600.0


def wrong_clock(scene: Scene) -> None:
    scene.clock_offset = AHEAD_SECONDS


def right_clock(scene: Scene) -> None:
    scene.clock_offset = 0.0


FAULTS = (
    Fault(
        "client-clock",
        "the visitors' clocks are 20 days ahead when a cookie is set, and are put right later",
        "client",
        right_clock,
        right_clock,
        hold=2,
        prepare=wrong_clock,
        clean=right_clock,
    ),
)
