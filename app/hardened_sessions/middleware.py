"""Django's session middleware, with a third answer: a session that is unavailable."""

import time
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.http import http_date

from hardened_sessions import events, foreign
from hardened_sessions.conf import options
from hardened_sessions.cookie_names import guard
from hardened_sessions.errors import (
    SessionConflictError,
    SessionTooLargeError,
    SessionUnavailableError,
)
from hardened_sessions.format import keys
from hardened_sessions.session import HardenedSession

ENDED = (
    "The request's session was deleted before the request completed. The user may have logged out "
    "in a concurrent request, for example."
)


class HardenedSessionMiddleware(SessionMiddleware):
    """Load and save the session; answer 503 where its store gives no answer.

    Takes the place of Django's own, and serves Django's own engines as that does.
    """

    def process_request(self, request: HttpRequest) -> None:
        """Give the request its session, from the cookie that counts."""
        name, old = settings.SESSION_COOKIE_NAME, options().old_cookie_name
        for reason in guard(request, (name, old or name), settings.CSRF_COOKIE_NAME):
            events.emit("refused_cookie", "middleware", reason=reason)
        if old and old in request.COOKIES and name not in request.COOKIES:
            session = self.take_over(old, request.COOKIES[old])
        else:
            session = self.SessionStore(self.key_in(request.COOKIES.get(name)))
        foreign.give(request, session)

    def take_over(self, name: str, value: str) -> SessionBase:
        """Take a session from the cookie of the old name, under a new key.

        The old cookie may lack what the new name promises, so its key is soon of no further use.
        """
        session = self.SessionStore(self.key_in(value))
        try:
            if isinstance(session, HardenedSession) and keys.is_key(value):
                session.came_by(name)
            if dict(session.items()):
                session.renew_key() if isinstance(session, HardenedSession) else session.cycle_key()
        except SessionUnavailableError:
            pass  # remembered: the response will say so
        return session

    @staticmethod
    def key_in(value: str | None) -> str | None:
        """Return a cookie's value; None for a stored session's name, which only code may use."""
        if not keys.is_name(value):
            return value
        events.emit("refused_cookie", "middleware", reason="a stored session's name")
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer 503, 409 or 413 for what a session raised in a view; it is no server error."""
        if isinstance(error, SessionUnavailableError):
            return unavailable(error)
        if isinstance(error, SessionConflictError):
            return conflict(error)
        if isinstance(error, SessionTooLargeError):
            return too_large(error)
        return None

    def process_response(  # type: ignore[override]
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Save the session where it changed, and set or delete its cookie."""
        session = getattr(request, "session", None)
        if not isinstance(session, HardenedSession):
            return super().process_response(request, response)  # type: ignore[arg-type]
        foreign.refuse(request, response, session)
        if session.unavailable is not None:
            # Even if the view gave an answer: a template may have swallowed the error, and shown
            # the page of a visitor who is not signed in.
            return unavailable(session.unavailable)
        asked_for = session.accessed
        try:
            return self.settle(request, response, session)
        except SessionUnavailableError as error:
            # A view that never used the session must not fail because its expiry can't be moved.
            return unavailable(error) if asked_for else response
        except SessionConflictError as error:
            return conflict(error)
        except SessionTooLargeError as error:
            events.emit("too_large", session.store, reason=str(error))
            return too_large(error)

    def settle(
        self, request: HttpRequest, response: HttpResponseBase, session: HardenedSession
    ) -> HttpResponseBase:
        """Do what Django's middleware does."""
        sent = settings.SESSION_COOKIE_NAME in request.COOKIES
        if settings.SESSION_SAVE_EVERY_REQUEST:
            session._get_session()  # else a session that has expired would be saved as a valid one
        if session.is_empty():
            if sent and not session.keeps_cookie:
                delete_cookie(response, settings.SESSION_COOKIE_NAME)
            self.delete_old_cookie(request, response)
            if sent or session.accessed:
                patch_vary_headers(response, ("Cookie",))
            return response
        if session.accessed:
            patch_vary_headers(response, ("Cookie",))
        wanted = session.modified or settings.SESSION_SAVE_EVERY_REQUEST
        if session.keeps_cookie and session.session_key is None:
            wanted = False  # no cookie would lead to it
        if wanted and response.status_code < 500:
            try:
                session.save()
            except UpdateError as error:
                raise SessionInterrupted(ENDED) from error
            if not session.keeps_cookie:
                set_cookie(response, session)
                foreign.mark(response)
                self.delete_old_cookie(request, response)
            patch_vary_headers(response, ("Cookie",))
        return response

    @staticmethod
    def delete_old_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
        """Delete the cookie of the old name, if the browser sent one."""
        old = options().old_cookie_name
        if old and old in request.COOKIES:
            delete_cookie(response, old, domain=options().old_cookie_domain)


def set_cookie(response: HttpResponseBase, session: HardenedSession) -> None:
    """Give the browser the session's key, for as long as the server keeps the session."""
    max_age = expires = None
    if not session.get_expire_at_browser_close():
        max_age = session.get_expiry_age()
        expires = http_date(time.time() + max_age)
    response.set_cookie(
        settings.SESSION_COOKIE_NAME,
        session.session_key or "",
        max_age=max_age,
        expires=expires,
        **attributes(),
    )


def delete_cookie(response: HttpResponseBase, name: str, **others: Any) -> None:
    """Have the browser forget a cookie: by the attributes it was set with, or it may refuse."""
    expires = "Thu, 01 Jan 1970 00:00:00 GMT"
    response.set_cookie(name, "", max_age=0, expires=expires, **{**attributes(), **others})


def attributes() -> dict[str, Any]:
    """Return the cookie's attributes, as Django's settings say."""
    return {
        "domain": settings.SESSION_COOKIE_DOMAIN,
        "path": settings.SESSION_COOKIE_PATH,
        "secure": settings.SESSION_COOKIE_SECURE or False,
        "httponly": settings.SESSION_COOKIE_HTTPONLY or False,
        "samesite": settings.SESSION_COOKIE_SAMESITE,
    }


def unavailable(error: SessionUnavailableError) -> HttpResponse:
    """Return a plain 503; it touches no cookie."""
    return plain(503, "Sessions are unavailable just now. Please try again.", error.retry_after)


def conflict(error: SessionConflictError) -> HttpResponse:
    """Return a plain 409; nothing of the request was saved."""
    return plain(409, "Another request changed the same thing first. Please try again.", 0)


def too_large(error: SessionTooLargeError) -> HttpResponse:
    """Return a plain 413; nothing of the request was saved."""
    return plain(413, "This is more than the site keeps for one visitor. Nothing was saved.", 0)


def plain(status: int, text: str, retry_after: int) -> HttpResponse:
    """Return an answer that no cache keeps."""
    response = HttpResponse(
        f"{text}\n",
        status=status,
        content_type="text/plain; charset=utf-8",
        headers={"Cache-Control": "no-store", "Vary": "Cookie"},
    )
    if retry_after:
        response["Retry-After"] = str(retry_after)
    return response
