"""Where Django looks at a password: there each attempt is counted first.

The methods of the project's own classes are wrapped: a further entry in AUTHENTICATION_BACKENDS
would make Django's login() refuse a user without a `backend` in a project that has one backend,
and could not tell a right password from one that nobody looked at.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from session_stack.sign_in.counters import TooEarlyError
from session_stack.sign_in.visit import Visit, current

type Method = Callable[..., Any]
type Guess = tuple[str, object]  # a name and a password

# Set within a method that is wrapped: what it calls is part of the same attempt.
inside: ContextVar[bool] = ContextVar("inside", default=False)

GUARDED = "_waits_where_guessed"


def install() -> None:
    """Wrap each backend's `authenticate`, the user's `check_password`, and what is asynchronous."""
    for path in settings.AUTHENTICATION_BACKENDS:
        backend = import_string(path)
        wrap(backend, "authenticate", guarded, credentials_of)
        wrap(backend, "aauthenticate", aguarded, credentials_of)
    # Asked by forms that want the old password, or the password once more.
    user = get_user_model()
    wrap(user, "check_password", guarded, own_password, refusal=False)
    wrap(user, "acheck_password", aguarded, own_password, refusal=False)


def wrap(owner: type, name: str, guard: Callable[..., Method], *how: Any, **more: Any) -> None:
    """Replace the class's method by a guarded one, unless it is or inherits one."""
    method = getattr(owner, name, None)
    if method is None or hasattr(method, GUARDED):
        return
    replacement = guard(method, *how, **more)
    setattr(replacement, GUARDED, True)
    setattr(owner, name, replacement)


def credentials_of(backend: object, request: object = None, **credentials: Any) -> Guess | None:
    """Return the name and the password, or None where a backend is asked for something else."""
    if credentials.get("password") is None:
        return None
    for field in (get_user_model().USERNAME_FIELD, "username", "email"):
        if credentials.get(field) is not None:
            return str(credentials[field]), credentials["password"]
    return None


def own_password(user: Any, raw_password: object) -> Guess:
    """Return the name and the password of a user who is known."""
    return user.get_username(), raw_password


def tried_by(read: Method, *arguments: Any, **named: Any) -> tuple[Visit, Guess] | None:
    """Return the request and what it tries; None outside of one, and where nothing is guessed."""
    visit = current.get()
    if visit is None or inside.get():
        return None
    guess = read(*arguments, **named)
    return None if guess is None else (visit, guess)


def guarded(method: Method, read: Method, refusal: object = None) -> Method:
    """Return the method so that it counts first.

    Args:
        method: what looks at a password; what it returns is true where that is right.
        read: what says from the same arguments who is guessed at.
        refusal: what is returned for an attempt that has to wait; None raises PermissionDenied.
    """

    @wraps(method)
    @sensitive_variables()
    def counting(*arguments: Any, **named: Any) -> Any:
        tried = tried_by(read, *arguments, **named)
        if tried is None:
            return method(*arguments, **named)
        visit, guess = tried
        try:
            key = visit.begin(*guess)
        except TooEarlyError:
            if refusal is None:
                raise
            return refusal
        token = inside.set(True)
        try:
            result = method(*arguments, **named)
        finally:
            inside.reset(token)
        if result:
            visit.succeeded(key)
        return result

    return counting


def aguarded(method: Method, read: Method, refusal: object = None) -> Method:
    """Do the same for a coroutine function."""

    @wraps(method)
    @sensitive_variables()
    async def counting(*arguments: Any, **named: Any) -> Any:
        tried = tried_by(read, *arguments, **named)
        if tried is None:
            return await method(*arguments, **named)
        visit, guess = tried
        try:
            key = await sync_to_async(visit.begin)(*guess)
        except TooEarlyError:
            if refusal is None:
                raise
            return refusal
        token = inside.set(True)
        try:
            result = await method(*arguments, **named)
        finally:
            inside.reset(token)
        if result:
            await sync_to_async(visit.succeeded)(key)
        return result

    return counting
