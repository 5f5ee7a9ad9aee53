"""Sessions as files, one a session."""

from functools import partial

from hardened_sessions.clearing.files import ExpiredFiles
from hardened_sessions.clearing.steps import run
from hardened_sessions.format import keys
from hardened_sessions.format.codec import serializer_of
from hardened_sessions.storage.files import FileStorage, take_over
from hardened_sessions.stored_session import StoredSession


class SessionStore(StoredSession):
    """A session in a file."""

    store = "file"
    stores = ("folder",)
    clears = ExpiredFiles

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.storage = FileStorage(serializer_of(self))

    def came_by(self, cookie_name: str) -> None:
        """Find the file, which is called after the cookie's name."""
        for name in keys.names_for(self.session_key or ""):
            self.asked(partial(take_over, cookie_name, name))

    @classmethod
    def clear_expired(cls) -> None:
        """Remove expired files, and what crashes left behind."""
        run(ExpiredFiles())
