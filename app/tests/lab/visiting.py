"""What a test asks of a visitor, and of the stores behind the site."""

from html import unescape
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django_redis import get_redis_connection

from session_stack.layers import session_class

PASSWORD = "correct horse battery staple"
STOCK = settings.ENV.session_layer == "stock"


def key_of(visitor: Client) -> str:
    """Return the session cookie's value; empty where there is none."""
    cookie = visitor.cookies.get(settings.SESSION_COOKIE_NAME)
    return cookie.value if cookie else ""


def contents(visitor: Client) -> dict[str, Any]:
    """Return what is stored for the visitor's cookie, read past the site."""
    if not key_of(visitor):
        return {}
    store = session_class(settings.ENV.session_backend)(key_of(visitor))
    return dict(store.items())


def stored() -> tuple[int, int, int]:
    """Return how many rows, Redis keys and files there are."""
    redis = get_redis_connection(settings.SESSION_CACHE_ALIAS)
    folder = Path(settings.SESSION_FILE_PATH)
    # Not the folder of locks, which a layer may keep beside them.
    files = sum(path.is_file() for path in folder.iterdir()) if folder.is_dir() else 0
    return Session.objects.count(), redis.dbsize(), files


def text_of(answer: Any) -> str:
    """Return the page as a person reads it."""
    return unescape(answer.content.decode())
