"""Fill the folder of file sessions, or clear it: `python -m bench.files fill N EVERY | clear`.

Prints, after clearing, one JSON object: how many files went, and the processor seconds it took.
"""

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path

import django
from django.conf import settings
from django.utils.crypto import get_random_string

VALID_KEY_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789"


def fill(number: int, every: int) -> None:
    """Have that many files, of the engine in force and of one kind, one of `every` expired."""
    engine = import_module(settings.SESSION_ENGINE)
    hardened = settings.ENV.session_layer == "hardened"
    folder = Path(settings.SESSION_FILE_PATH)
    for path in folder.glob(f"{settings.SESSION_COOKIE_NAME}*"):
        path.unlink()
    data = {"theme": "dark", "count": 0, "language": "en", "basket": [3, 14, 15]}
    for index in range(number):
        expires = time.time() + (1 if index % every else -1) * 1000
        if hardened:
            write_hardened(engine, data, expires)
        else:
            # The age of Django's files runs from their modification.
            path = folder / (settings.SESSION_COOKIE_NAME + get_random_string(32, VALID_KEY_CHARS))
            path.write_text(engine.SessionStore().encode(data))
            modified = expires - settings.SESSION_COOKIE_AGE
            os.utime(path, (modified, modified))


def write_hardened(engine: object, data: dict[str, object], expires: float) -> None:
    """Write one file as the hardened layer does."""
    from hardened_sessions.format import keys
    from hardened_sessions.format.record import Draft

    storage = engine.SessionStore().storage  # type: ignore[attr-defined]
    storage.write(keys.name_for(get_random_string(32, VALID_KEY_CHARS)), Draft(data, 1, expires))


def sessions(folder: Path) -> int:
    """Return how many files are sessions."""
    return sum(path.name.startswith(settings.SESSION_COOKIE_NAME) for path in folder.iterdir())


def clear() -> None:
    """Clear as the engine in force does."""
    engine = import_module(settings.SESSION_ENGINE)
    folder = Path(settings.SESSION_FILE_PATH)
    before = sessions(folder)
    cpu, wall = time.process_time(), time.monotonic()
    engine.SessionStore.clear_expired()
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    left = sessions(folder)
    found = {"removed": before - left, "left": left, "cpu": cpu, "wall": wall}
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    django.setup()
    if sys.argv[1] == "fill":
        fill(int(sys.argv[2]), int(sys.argv[3]))
    else:
        clear()
