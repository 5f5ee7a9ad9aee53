"""Checks of settings: the layer's own, and those of Django's that sessions depend on."""

import pickle
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from hardened_sessions.checks.in_use import engine, readable
from hardened_sessions.conf import options
from hardened_sessions.format import encryption


@register(Tags.security)
def check_options(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """The layer's own settings can be read."""
    try:
        if encryption.enabled():
            encryption.ciphers(options().encryption_keys)
    except ImproperlyConfigured as error:
        yield Error(str(error), id="hardened_sessions.E001")


@register(Tags.security)
def check_encryption(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """Nothing is encrypted while Django's own engines may have to read it."""
    known = readable()
    if engine() and known and known.encryption_keys and known.keys == "read":
        yield Error(
            'Sessions are encrypted while HARDENED_SESSIONS["KEYS"] is "read": workers of '
            "Django's own engine would take each for an empty one.",
            hint='ENCRYPTION_KEYS may follow once KEYS is "hash" in every worker.',
            id="hardened_sessions.E013",
        )


class Reduced:
    """What says that it was asked how to make it again, as only serializers of code ask."""

    asked = False

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Take note; a dict will do."""
        self.asked = True
        return dict, ()


def pickles(name: str) -> bool:
    """Return whether a serializer writes or reads more than values: any object, by code."""
    serializer = import_string(name)()
    probe = Reduced()
    with suppress(Exception):  # JSON can't hold it
        serializer.dumps({"probe": probe})
    if probe.asked:
        return True
    with suppress(Exception):  # it is no JSON
        return bool(serializer.loads(pickle.dumps({"probe": 1})) == {"probe": 1})
    return False


@register(Tags.security)
def check_serializer(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """Nothing is ever pickled, whatever the serializer is called."""
    if not engine():
        return
    name = settings.SESSION_SERIALIZER
    try:
        problem = "who can write to the store could run code in Django." if pickles(name) else ""
    except (ImportError, TypeError) as error:
        problem = f"{error}."
    if problem:
        yield Error(
            f"SESSION_SERIALIZER is {name}: {problem}",
            hint="It may be django.contrib.sessions.serializers.JSONSerializer.",
            id="hardened_sessions.E002",
        )


@register(Tags.security)
def check_middleware(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """The middleware is the one that knows a third answer."""
    if engine() and "django.contrib.sessions.middleware.SessionMiddleware" in settings.MIDDLEWARE:
        yield Error(
            "Django's own session middleware makes a server error of an unavailable session.",
            hint="MIDDLEWARE may hold hardened_sessions.middleware.HardenedSessionMiddleware in "
            "its place.",
            id="hardened_sessions.E003",
        )


@register(Tags.security)
def check_engine(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """The middleware does not stand for an engine that is somebody else's."""
    middleware = "hardened_sessions.middleware.HardenedSessionMiddleware"
    own = "django.contrib.sessions.backends."
    if middleware in settings.MIDDLEWARE and not (
        engine() or settings.SESSION_ENGINE.startswith(own)
    ):
        yield Warning(
            f"SESSION_ENGINE is {settings.SESSION_ENGINE}: none of the layer's promises holds.",
            hint="It may be one of hardened_sessions.backends, or a subclass.",
            id="hardened_sessions.W005",
        )


@register(Tags.security)
def check_cookie_name(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """Nobody but this host can have set the cookie, once the grace is over."""
    known = readable()
    if engine() is None or known is None or settings.SESSION_COOKIE_NAME.startswith("__Host-"):
        return
    kind = Warning if known.grace_until else Error
    yield kind(
        f"SESSION_COOKIE_NAME is {settings.SESSION_COOKIE_NAME!r}: another host of the domain "
        "could plant a cookie of that name.",
        hint='It may begin with __Host-; HARDENED_SESSIONS["OLD_COOKIE_NAME"] takes the old one '
        "over.",
        id="hardened_sessions.W001" if known.grace_until else "hardened_sessions.E004",
    )
