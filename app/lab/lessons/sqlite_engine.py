"""A session engine of one's own: the least that Django asks of one, over a file of SQLite."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError


class SessionStore(SessionBase):
    """A session that is a row in SQLite, under its key."""

    path = Path("/tmp/lesson.sqlite3")  # noqa: S108 - the container’s own, gone with it

    @classmethod
    def execute(cls, statement: str, *values: Any) -> list[Any]:
        """Run one statement in a transaction of its own and return its rows."""
        with closing(sqlite3.connect(cls.path, timeout=1)) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS session (key PRIMARY KEY, data, ends)")
            return connection.execute(statement, values).fetchall()

    def load(self) -> dict[str, Any]:
        """Return the data; where there is none, forget the key, or a visitor could choose it."""
        select = "SELECT data FROM session WHERE key = ? AND ends > ?"
        for (data,) in self.execute(select, self.session_key, time.time()):
            return self.decode(data)  # checks the signature that encode() made
        self._session_key = None
        return {}

    def exists(self, session_key: str) -> bool:
        """Return whether a session has the key."""
        return bool(self.execute("SELECT 1 FROM session WHERE key = ?", session_key))

    def create(self) -> None:
        """Write the session under a new key."""
        self._session_key = self._get_new_session_key()  # asks exists() until a key is free
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Write the session; never one that was deleted meanwhile."""
        if self.session_key is None:
            return self.create()
        data = self.encode(self._get_session(no_load=must_create))
        row = (data, self.get_expiry_date().timestamp(), self.session_key)
        if must_create:
            write = "INSERT INTO session (data, ends, key) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        else:
            write = "UPDATE session SET data = ?, ends = ? WHERE key = ?"
        if not self.execute(write + " RETURNING key", *row):
            raise CreateError if must_create else UpdateError
        return None

    def delete(self, session_key: str | None = None) -> None:
        """End a session, by default this one."""
        key = self.session_key if session_key is None else session_key
        self.execute("DELETE FROM session WHERE key = ?", key)

    @classmethod
    def clear_expired(cls) -> None:
        """Remove what expired; `manage.py clearsessions` calls this."""
        cls.execute("DELETE FROM session WHERE ends <= ?", time.time())
