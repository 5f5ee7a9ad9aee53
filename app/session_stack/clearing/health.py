"""Health by age: healthy while a clearing moves on, or the last was no longer ago than it may be.

`python -m session_stack.clearing.health` is the container's health check.
"""

import sys
import time
from datetime import datetime
from pathlib import Path

# A tmpfs: the mark of a success must not outlive the container.
MARK = Path("/tmp/clearsessions-fresh-until")  # noqa: S108


def mark_fresh(fresh_until: datetime) -> None:
    """Note until when a success, or a step of a clearing that takes long, is good enough."""
    MARK.write_text(str(fresh_until.timestamp()))


def main() -> int:
    """Return 0 while the last success is fresh, else 1 with the reason on stdout."""
    try:
        age = time.time() - float(MARK.read_text())
    except FileNotFoundError:
        sys.stdout.write("no clearing has succeeded yet\n")
        return 1
    if age > 0:
        sys.stdout.write(f"the last success should have been followed by one {age:.0f} s ago\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
