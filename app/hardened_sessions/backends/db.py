"""Sessions in the database: one SELECT to load, one UPDATE to save."""

from django.contrib.sessions.models import Session

from hardened_sessions.clearing.rows import ExpiredRows
from hardened_sessions.clearing.steps import run
from hardened_sessions.format.codec import serializer_of
from hardened_sessions.format.record import Stored
from hardened_sessions.storage.rows import Rows
from hardened_sessions.stored_session import StoredSession


class RowStorage(Rows):
    """The table alone."""

    def fetch(self, names: tuple[str, ...], *, fresh: bool = False) -> Stored | None:
        """Return the row; it is always fresh."""
        return super().fetch(names)


class SessionStore(StoredSession):
    """A session in Django's table."""

    store = "db"
    stores: tuple[str, ...] = ("postgres",)
    clears = ExpiredRows

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.storage = RowStorage(serializer_of(self))

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Return the model whose table this is."""
        return Session

    @classmethod
    def clear_expired(cls) -> None:
        """Remove expired rows, a few pages at a time."""
        run(ExpiredRows())
