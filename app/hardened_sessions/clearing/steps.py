"""Clear in small steps with pauses between them, so that no statement and no lock lasts long."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

GENTLEST = 100  # a pause is at most this many times as long as its step: 1 % of the time is work


@dataclass(slots=True)
class Progress:
    """How far a clearing is, in its own unit, and how many sessions went."""

    unit: str
    done: int
    total: int
    removed: int = 0


class Clearing(Protocol):
    """Something that expired sessions are removed from."""

    place: str

    def steps(self) -> Iterator[Progress]:
        """Do one step for each value drawn."""


def paced(clearing: Clearing, within: float | None = None) -> Iterator[Progress]:
    """Do every step, with a pause after each.

    Args:
        clearing: what to clear.
        within: seconds to spread the steps over, by what is left to do and the time that is left; a
            pause is at least as long as its step, and `GENTLEST` times as long at most. None:
            as long as its step. 0: no pauses.
    """
    begun = time.monotonic()
    end, done = begun + (within or 0), 0
    for progress in clearing.steps():
        yield progress
        now = time.monotonic()
        took, left = now - begun, progress.total - progress.done
        if left > 0 and within != 0:
            spread = (end - now) * (progress.done - done) / left - took
            time.sleep(max(took, min(spread, GENTLEST * took)))
        begun, done = time.monotonic(), progress.done


def run(clearing: Clearing) -> None:
    """Do every step; `SessionStore.clear_expired()` calls this."""
    for _ in paced(clearing):
        pass
