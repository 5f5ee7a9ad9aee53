"""What a session can't do, told apart: no answer from the store, a former key, a conflict."""

from hardened_sessions import bounds


class SessionUnavailableError(Exception):
    """The store gave no answer: the session may well exist, so nothing is decided about it.

    The middleware answers 503 with `Retry-After`, and neither cookie nor session is touched.

    Args:
        store: the store that gave no answer.
        reason: one line, without a key or a value.
        retry_after: whole seconds.
    """

    def __init__(self, store: str, reason: str, retry_after: int = bounds.RETRY_AFTER) -> None:
        super().__init__(f"{store}: {reason}")
        self.store = store
        self.reason = reason
        self.retry_after = retry_after


class ForeignSessionError(Exception):
    """A response was about to go to one visitor with the session of another; nothing was sent."""


class SessionConflictError(Exception):
    """Another request changed the same thing first; the middleware answers 409."""


class SessionTooLargeError(ValueError):
    """A session that is larger than one may be; nothing was saved, and the middleware answers 413.

    The message says how large it is, and which keys are the largest.
    """


class CookieTooLargeError(SessionTooLargeError):
    """A session that no browser would keep in a cookie; nothing was sent."""
