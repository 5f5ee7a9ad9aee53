"""Where a session lies in Redis, by its cache alias's KEY_PREFIX, KEY_FUNCTION and VERSION.

An alias that sets none of them has the plain names that the layer's Redis user is limited to.
"""

from functools import cache
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache, default_key_func
from django.core.signals import setting_changed

PREFIX = "session:"


def redis_name(name: str) -> str:
    """Return the Redis key for a stored session's name."""
    return PREFIX + name if plain(settings.SESSION_CACHE_ALIAS) else made(PREFIX + name)


def made(key: str) -> str:
    """Return a key as the session's cache alias makes it: for this tenant, where it tells them."""
    return str(caches[settings.SESSION_CACHE_ALIAS].make_key(key))


def namespace() -> str:
    """Return what tells the current tenant's names from those of others; '' where none differ."""
    alias = settings.SESSION_CACHE_ALIAS
    return "" if alias not in settings.CACHES or plain(alias) else made("")


@cache
def plain(alias: str) -> bool:
    """Return whether an alias uses names as they are: no prefix, version or function of its own."""
    made_by: Any = caches[alias]
    return (
        not made_by.key_prefix
        and made_by.version == 1
        and made_by.key_func is default_key_func
        and type(made_by).make_key is BaseCache.make_key
    )


def forget(*, setting: str, **kwargs: Any) -> None:
    """Look anew after a test changed the settings."""
    if setting == "CACHES":
        plain.cache_clear()


setting_changed.connect(forget)
