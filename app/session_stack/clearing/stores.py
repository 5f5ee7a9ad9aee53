"""Which stores keep expired sessions, and how each is cleared.

All of them are cleared whichever engine runs, so that a former engine's leftovers go too.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from hardened_sessions.clearing.purge import FilePurge, Progress, RowPurge
from session_stack.env import SessionLayer

type Steps = Callable[[], Iterator[Progress]]


def stock_rows() -> Iterator[Progress]:
    """Delete the expired rows in Django's one statement."""
    _, deleted = Session.objects.filter(expire_date__lt=timezone.now()).delete()
    # The hardened layer's triggers write its feed whichever layer runs.
    RowPurge().prune()
    yield Progress("statement", 1, 1, deleted.get(Session._meta.label, 0))


def stock_files() -> Iterator[Progress]:
    """Delete the expired files as Django does, which opens each one."""
    folder = Path(settings.SESSION_FILE_PATH)
    before = set(folder.iterdir())
    FileStore.clear_expired()
    removed = len(before - set(folder.iterdir()))
    yield Progress("file", len(before), len(before), removed)


STORES: dict[SessionLayer, dict[str, Steps]] = {
    "hardened": {
        "table django_session": lambda: RowPurge().steps(),
        "folder of file sessions": lambda: FilePurge().steps(),
    },
    "stock": {
        "table django_session": stock_rows,
        "folder of file sessions": stock_files,
    },
}

NOTHING_TO_CLEAR = {
    "Redis": "each key has a time to live, so Redis removes it",
    "signed cookies": "the session is in the browser's cookie and nowhere else",
}
