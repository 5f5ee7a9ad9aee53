"""Checks of a project's own code: hooks and signals that this layer never calls are refused."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib.sessions.models import Session
from django.core.checks import CheckMessage, Error, Tags, register
from django.db.models import Model
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from hardened_sessions.checks.in_use import session_class
from hardened_sessions.session import HardenedSession

# What Django's engines call and the layer's don't, with what takes its place.
HOOKS = {
    **dict.fromkeys(("encode", "decode", "key_salt"), "SESSION_SERIALIZER, or ENCRYPTION_KEYS"),
    **dict.fromkeys(
        (
            *("_get_new_session_key", "_aget_new_session_key"),
            *("_get_or_create_session_key", "_aget_or_create_session_key"),
        ),
        "nothing: a key is 32 random characters",
    ),
    **dict.fromkeys(
        (
            *("get_model_class", "model", "create_model_instance", "acreate_model_instance"),
            *("_get_session_from_db", "_aget_session_from_db"),
        ),
        "a model of its own beside Session, written on the signal user_logged_in",
    ),
    **dict.fromkeys(
        ("cache_key_prefix", "cache_key", "acache_key", "_cache"),
        "KEY_PREFIX, VERSION or KEY_FUNCTION of the cache alias",
    ),
    **dict.fromkeys(
        ("_key_to_file", "_get_storage_path", "_storage_path", "_last_modification"),
        "SESSION_FILE_PATH",
    ),
}


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    """Yield every class under one, wherever it was imported from."""
    found: list[type[Any]] = kind.__subclasses__()
    for each in found:
        yield each
        yield from subclasses(each)


def own_hooks(store: type) -> list[str]:
    """Return the hooks that a project's session class overrides."""
    own = (kind for kind in store.__mro__ if not kind.__module__.startswith("hardened_sessions."))
    return [
        name
        for kind in own
        if issubclass(kind, HardenedSession)
        for name in HOOKS
        if name in vars(kind)
    ]


@register(Tags.security)
def check_hooks(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """No session class has a hook that would never be called, whichever engine is in use."""
    for store in dict.fromkeys(subclasses(HardenedSession)):
        for name in own_hooks(store):
            yield Error(
                f"{store.__module__}.{store.__qualname__} overrides {name}, which this layer does "
                "not call.",
                hint=f"In its place: {HOOKS[name]}.",
                id="hardened_sessions.E020",
            )


@register(Tags.security)
def check_signals(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """Nobody waits for signals of Django's model: the layer writes by statements of its own."""
    if "get_model_class" not in dir(session_class()):
        return
    for name, signal in (
        *(("pre_save", pre_save), ("post_save", post_save)),
        *(("pre_delete", pre_delete), ("post_delete", post_delete)),
    ):
        if listens(signal, Session):
            yield Error(
                f"{name} of Session has a receiver, which this layer never calls.",
                hint="It may listen to user_logged_in, user_logged_out or the signals in "
                "hardened_sessions.events.",
                id="hardened_sessions.E024",
            )


def listens(signal: Any, model: type[Model]) -> bool:
    """Return whether a receiver asks for this very model; one that asks for all is no sign."""
    return any(key[0][1] == id(model) for key in signal.receivers)
