"""Which stores keep expired sessions, and how each is cleared.

All of them are cleared whichever engine runs, so that a former engine's leftovers go too.
"""

from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.contrib.sessions.models import Session
from django.utils import timezone


def clear_table() -> int:
    """Delete the expired rows of `db` and `cached_db`; return how many."""
    _, deleted = Session.objects.filter(expire_date__lt=timezone.now()).delete()
    return deleted.get(Session._meta.label, 0)


def clear_folder() -> int:
    """Delete the expired files of `file`; return how many went."""
    folder = Path(settings.SESSION_FILE_PATH)
    before = set(folder.iterdir())
    FileStore.clear_expired()
    return len(before - set(folder.iterdir()))


STORES: dict[str, Callable[[], int]] = {
    "table django_session": clear_table,
    "folder of file sessions": clear_folder,
}

NOTHING_TO_CLEAR = {
    "Redis": "each key has a time to live, so Redis removes it",
    "signed cookies": "the session is in the browser's cookie and nowhere else",
}
