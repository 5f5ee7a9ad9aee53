"""What a bench or a drill says while it works."""

import sys
import time


def say(text: str) -> None:
    """Show what is going on."""
    print(f"==> {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
