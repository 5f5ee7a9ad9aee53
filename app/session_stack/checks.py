"""System checks that refuse settings under which a session is not safe."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from session_stack.layers import layer, session_class

ONE_YEAR_SECONDS = 365 * 24 * 3600  # the least that the preload list takes (hstspreload.org)


@register(Tags.security, deploy=True)
def check_cookies(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """Both cookies keep what their `__Host-` names promise (RFC 6265bis, 4.1.3.2)."""
    for cookie in ("SESSION_COOKIE", "CSRF_COOKIE"):
        promised = {"SECURE": True, "HTTPONLY": True, "PATH": "/", "DOMAIN": None}
        broken = [
            f"{cookie}_{name} = {getattr(settings, f'{cookie}_{name}')!r}"
            for name, value in promised.items()
            if getattr(settings, f"{cookie}_{name}") != value
        ]
        name = getattr(settings, f"{cookie}_NAME")
        # The hardened layer has a check of its own for the name of its cookie.
        stock = settings.ENV.session_layer == "stock"
        if (stock or cookie == "CSRF_COOKIE") and not name.startswith("__Host-"):
            broken.append(f"{cookie}_NAME = {name!r}")
        if getattr(settings, f"{cookie}_SAMESITE") not in ("Lax", "Strict"):
            broken.append(f"{cookie}_SAMESITE = {getattr(settings, f'{cookie}_SAMESITE')!r}")
        if broken:
            yield Error(
                f"A cookie would travel further than it may: {', '.join(broken)}.",
                hint="It may be named __Host-..., Secure, HttpOnly, SameSite Lax or Strict, "
                "Path=/ and without a Domain.",
                id="stack.E001",
            )


@register(Tags.security, deploy=True)
def check_hsts(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """HSTS binds every browser that saw it, and can't be taken back."""
    if settings.SECURE_HSTS_SECONDS and settings.ENV.domain == "localhost":
        yield Error(
            "HSTS_SECONDS is set for localhost: browsers would bind every port of this machine.",
            hint="It may be 0 there, or DOMAIN may be the public name.",
            id="stack.E002",
        )
    if settings.SECURE_HSTS_PRELOAD and not (
        settings.SECURE_HSTS_INCLUDE_SUBDOMAINS and settings.SECURE_HSTS_SECONDS >= ONE_YEAR_SECONDS
    ):
        yield Error(
            "HSTS_PRELOAD is true without what the preload list asks for.",
            hint=f"It takes HSTS_INCLUDE_SUBDOMAINS=true and HSTS_SECONDS={ONE_YEAR_SECONDS} "
            "or more.",
            id="stack.E003",
        )


@register(Tags.security)
def check_redis(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """An engine that keeps sessions in Redis was given one."""
    engine = settings.ENV.session_backend
    if "redis" in layer().stores(session_class(engine)) and settings.ENV.redis is None:
        yield Error(
            f"REDIS_PASSWORD is not set, and {engine} keeps sessions in Redis.",
            hint=f"REDIS_PASSWORD_FILE may stand at the service app-{engine}.",
            id="stack.E008",
        )


@register(Tags.security, deploy=True)
def check_session_cache(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """Sessions in Redis are never pickled, never shared with a cache, and never waited for long.

    For Django's own engines: the hardened layer checks for itself, and never pickles.
    """
    alias = settings.SESSION_CACHE_ALIAS
    cache: dict[str, Any] | None = settings.CACHES.get(alias)
    if cache is None or settings.ENV.session_layer != "stock":
        return
    options = cache.get("OPTIONS", {})
    if "json" not in options.get("SERIALIZER", "").lower():
        yield Error(
            f"The cache {alias!r} pickles: who writes to Redis could run code in Django.",
            hint='Its OPTIONS["SERIALIZER"] may be django_redis.serializers.json.JSONSerializer.',
            id="stack.E004",
        )
    if not all(0 < options.get(f"SOCKET{part}_TIMEOUT", 0) <= 1 for part in ("", "_CONNECT")):
        yield Error(
            f"The cache {alias!r} may wait long for a hung Redis.",
            hint="Its OPTIONS may hold SOCKET_TIMEOUT and SOCKET_CONNECT_TIMEOUT of 1 second "
            "or less.",
            id="stack.E005",
        )
    sharing = [
        name
        for name, other in settings.CACHES.items()
        if name != alias and other.get("LOCATION") == cache.get("LOCATION")
    ]
    if alias == "default" or sharing:
        yield Error(
            f"Sessions share the cache {alias!r} with {', '.join(sharing) or 'everything else'}: "
            "clearing it would log everybody out.",
            hint="SESSION_CACHE_ALIAS may name an alias whose LOCATION no other one has.",
            id="stack.E006",
        )


@register(Tags.security, deploy=True)
def check_csp(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """The policy is enforced and allows nothing inline."""
    sources = [source for sources in settings.SECURE_CSP.values() for source in sources]
    unsafe = sorted({source for source in sources if "unsafe-" in source or source == "*"})
    if unsafe or "default-src" not in settings.SECURE_CSP:
        yield Error(
            f"SECURE_CSP lets injected code run: {', '.join(unsafe) or 'no default-src'}.",
            hint="It may name 'self' and nonces, and needs a default-src.",
            id="stack.E007",
        )
