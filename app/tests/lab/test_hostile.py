"""Sessions that nobody here wrote, as somebody could who writes to Redis: no page fails."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from hardened_sessions import bounds
from hardened_sessions.clients.redis import redis_client
from hardened_sessions.format import django_cache
from lab.values import RESERVED
from tests.lab.test_pages import PATHS, first_product
from tests.lab.visiting import STOCK, text_of
from tests.servers import RedisServer

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(STOCK, reason="Django's own engine takes anything"),
]

KEY = "a1b2c3d4" * 4
WRONG: list[Any] = [
    *(None, True, -1, 2**900, 1e300, float("nan"), "", "text", "\0<b>"),
    *([], [1], [["a"]], [["a", "b", "c"]], [[1, 2]], {}, {"1": 1}, {"1": {"quantity": 1}}),
    *({"1": {"quantity": "1", "price": "1.00"}}, {"1": {"quantity": 1, "price": "1e9"}}),
    {"1": {"quantity": 10**300, "price": "1.00"}},
]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wait longer for Redis than the layer promises: how fast it is, is not the matter."""
    for bound in ("REDIS_READ", "REDIS_CONNECT"):
        monkeypatch.setattr(bounds, bound, 10.0)
    redis_client.cache_clear()
    yield
    redis_client.cache_clear()


@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_no_page_takes_what_another_wrote_for_its_own(
    use: Callable[[str], None],
    visitor: Client,
    admin_user: Any,
    redis_server: RedisServer,
    settings: Settings,
    value: object,
) -> None:
    use("cache")
    until = timezone.now() + timedelta(days=1)
    settings.HARDENED_SESSIONS = {**settings.HARDENED_SESSIONS, "GRACE_UNTIL": until}
    forged = {
        SESSION_KEY: str(admin_user.pk),
        BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
        HASH_SESSION_KEY: admin_user.get_session_auth_hash(),
        "_messages": value,
        "basket": value,
        **dict.fromkeys(RESERVED, value),
    }
    product = first_product(visitor)

    def plant() -> None:
        with redis_server.client() as redis:
            redis.set(django_cache.redis_key(KEY), json.dumps(forged))
        visitor.cookies[settings.SESSION_COOKIE_NAME] = KEY

    for path in [*PATHS.values(), "/accounts/password/", "/admin/", "/admin/auth/user/"]:
        plant()
        assert visitor.get(path).status_code == 200, path
    for path, form in {
        "/cart/": {"action": "add", "product": product, "quantity": "1"},
        "/values/": {"action": "set", "key": "mine", "value": "1"},
        "/expiry/": {"choice": "browser"},
    }.items():
        plant()
        assert visitor.post(path, form).status_code in (200, 302), path
    plant()
    assert "admin" in text_of(visitor.get("/accounts/"))
