"""Who a response is for, compared with who asked: nobody is answered with another's session.

Two mistakes of a site do that. A session that outlives its request, in a global or a thread's
variable, becomes the `request.session` of the next visitor; and a response that outlives it, in a
cache above the session middleware, brings the `Set-Cookie` of whoever asked first.
"""

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hardened_sessions import events
from hardened_sessions.errors import ForeignSessionError
from hardened_sessions.session import HardenedSession

ASKED = "_hardened_session_asked_for"  # of a request: the session that its cookie named
ANSWERED = "_hardened_session_cookie"  # of a response: its session cookie is the layer's


def give(request: HttpRequest, session: SessionBase) -> None:
    """Give a request the session that its cookie names, and remember which that was."""
    if isinstance(session, HardenedSession):
        session.given = True
        session.meta = request.META
        vars(request)[ASKED] = session, session.presented
    request.session = session


def mark(response: HttpResponseBase) -> None:
    """Remember that the session cookie of this response was set for who asked."""
    vars(response)[ANSWERED] = True


def refuse(request: HttpRequest, response: HttpResponseBase, session: HardenedSession) -> None:
    """See to it that a response is for who asked.

    A new session is anybody's, so a view may put one in the place of what it was given.

    Raises:
        ForeignSessionError: where it is another's; what the request changed is not saved.
    """
    if ASKED not in vars(request):
        return  # a subclass takes the key from somewhere else
    asked, key = vars(request)[ASKED]
    if session is not asked and (session.given or session.presented not in (None, key)):
        fail(session, "request.session is another visitor's")
    if ANSWERED in vars(response):
        cookie = response.cookies.get(settings.SESSION_COOKIE_NAME)
        if cookie and cookie.value and cookie.value not in (key, session.session_key):
            fail(session, "the response sets another visitor's session cookie")


def fail(session: HardenedSession, reason: str) -> None:
    """Tell whoever listens, then Django, which answers 500."""
    events.emit("foreign", session.store, reason=reason)
    raise ForeignSessionError(f"{reason}; nothing was saved, and no cookie sent")
