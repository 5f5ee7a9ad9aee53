"""What the pages must know of the session layer that runs: one module for each layer.

A module here is named as `SESSION_LAYER` and is the only place of the lab that knows where that
layer keeps a session and under which name.
"""

from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, Literal, Protocol, cast

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session

# Times: a moment in words, seconds from now, or seconds since 1970 of the last change.
type Shows = Literal["raw", "decoded", "expires", "seconds left", "changed"]


@dataclass(frozen=True, slots=True)
class Command:
    """A line for a shell in the folder of `docker-compose.yml`."""

    shows: Shows
    line: str


@dataclass(frozen=True, slots=True)
class Place:
    """One place in which a session is kept."""

    kind: str
    name: str
    raw: str
    size: int  # bytes
    expires: datetime | None
    commands: tuple[Command, ...]


class Layer(Protocol):
    """What a module of this package offers."""

    def describe(self) -> str:
        """Return what this layer is, in a few words."""
        ...

    def places(self, backend: str, key: str) -> list[Place]:
        """Return every place where the backend keeps the session with this key, as it is now."""
        ...

    def in_cookie(self, backend: str) -> bool:
        """Return whether the backend keeps the session's data in the cookie itself."""
        ...

    def cookie_contents(self, value: str) -> dict[str, Any] | None:
        """Return what anyone can read in a cookie that holds the data, or None."""
        ...

    def cookie_size(self, session: SessionBase, data: dict[str, Any]) -> int:
        """Return the bytes of name and value of a cookie that holds this data."""
        ...

    def read_row(self, row: Session) -> tuple[dict[str, Any], datetime]:
        """Return what a row of the session table says, decoded, and when the session ends."""
        ...

    def row_fingerprint(self, row: Session) -> str:
        """Return the fingerprint of the key that a row is for."""
        ...

    def end(self, row: Session) -> None:
        """End the session of a row, wherever else it is kept too."""
        ...


def layer() -> Layer:
    """Return the module of the layer that runs."""
    return cast(Layer, import_module(f"lab.layers.{settings.ENV.session_layer}"))


def backend() -> str:
    """Return the session backend that runs."""
    running: str = settings.ENV.session_backend
    return running
