"""The settings that are one value each: what is not open to choice, what is, and the defaults."""

from collections.abc import Mapping
from typing import Any, get_args

from session_stack import grace
from session_stack.env import Env, SameSite
from session_stack.layers import engines, named
from session_stack.logs import logging_config

SAME_SITE = ("SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SAMESITE")
SELF, NONE = "'self'", "'none'"
STATIC_FILES = "whitenoise.storage.CompressedStaticFilesStorage"


def floor(project: Mapping[str, Any], env: Env) -> dict[str, Any]:
    """Return what no project and no operator sets otherwise, and what the container is told."""
    prefix = "Http-" if env.session_cookie_name.startswith("__Host-Http-") else ""
    silenced = [
        # Subdomains and preload bind other sites of the domain: the operator says so, or not.
        "security.W005",
        "security.W021",
    ]
    if not env.hsts_seconds:
        # HSTS is switched on, and ramped up, once every browser trusts the certificate.
        silenced.append("security.W004")
    return {
        "ENV": env,
        "DEBUG": False,
        "ALLOWED_HOSTS": [env.domain],
        "SECRET_KEY": env.secret_key,
        "SECRET_KEY_FALLBACKS": [
            *env.secret_key_fallbacks,
            *project.get("SECRET_KEY_FALLBACKS", ()),
        ],
        # nginx overwrites the header with its own scheme, whatever a client sent.
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": env.hsts_seconds,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": env.hsts_include_subdomains,
        "SECURE_HSTS_PRELOAD": env.hsts_preload,
        "SESSION_ENGINE": f"{named(env.session_layer).ENGINES}.{env.session_backend}",
        "SESSION_CACHE_ALIAS": "sessions",
        "SESSION_FILE_PATH": str(env.session_file_path),
        "SESSION_COOKIE_NAME": env.session_cookie_name,
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_PATH": "/",
        "SESSION_COOKIE_DOMAIN": None,
        "CSRF_COOKIE_NAME": f"__Host-{prefix}csrftoken",  # of the prefix that the session's has
        "CSRF_COOKIE_SECURE": True,
        "CSRF_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_PATH": "/",
        "CSRF_COOKIE_DOMAIN": None,
        "CSRF_TRUSTED_ORIGINS": [env.origin, *project.get("CSRF_TRUSTED_ORIGINS", ())],
        "SILENCED_SYSTEM_CHECKS": [*project.get("SILENCED_SYSTEM_CHECKS", ()), *silenced],
        # In place of a project's word that lets other sites send the cookie.
        **{
            name: env.session_cookie_samesite
            for name in SAME_SITE
            if project.get(name, "Lax") not in get_args(SameSite)
        },
    }


def choices(env: Env) -> dict[str, tuple[str, Any]]:
    """Return what `.env` may say, by the setting: the variable, and its value or default."""
    return {
        "SESSION_COOKIE_AGE": ("SESSION_COOKIE_AGE_SECONDS", env.session_cookie_age_seconds),
        "SESSION_EXPIRE_AT_BROWSER_CLOSE": (
            "SESSION_EXPIRE_AT_BROWSER_CLOSE",
            env.session_expire_at_browser_close,
        ),
        "SESSION_SAVE_EVERY_REQUEST": (
            "SESSION_SAVE_EVERY_REQUEST",
            env.session_save_every_request,
        ),
        **dict.fromkeys(SAME_SITE, ("SESSION_COOKIE_SAMESITE", env.session_cookie_samesite)),
    }


def weaker(name: str, value: Any, project: Mapping[str, Any]) -> str:
    """Return a remark where `.env` guards a session less than the project would."""
    given = project.get(name)
    less = {
        "SESSION_COOKIE_AGE": given is not None and value > given,
        "SESSION_EXPIRE_AT_BROWSER_CLOSE": bool(given) and not value,
        **dict.fromkeys(SAME_SITE, (given, value) == ("Strict", "Lax")),
    }
    return f", weaker than the project's {given}" if less.get(name) else ""


def defaults(env: Env) -> dict[str, Any]:
    """Return what holds where the project says nothing."""
    return {
        # Django's default begins with a cookie of its own, whose name has no __Host-.
        "MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage",
        "LOGGING": logging_config(env.log_level),
        "STATIC_ROOT": "/app/staticfiles",
        "STORAGES": {
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
            "staticfiles": {"BACKEND": STATIC_FILES},
        },
        "SECURE_CSP": policy(),
    }


def policy() -> dict[str, list[str]]:
    """Return a content security policy that lets pages load from this site alone."""
    return {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }


def hardened(project: Mapping[str, Any], env: Env) -> dict[str, Any]:
    """Return the layer's settings."""
    return {
        **project.get("HARDENED_SESSIONS", {}),
        "KEYS": env.session_keys,
        "GRACE_UNTIL": grace.until,
        "MAX_BYTES": env.session_max_bytes,
        "CONFLICTS": env.session_conflicts,
        "OLD_COOKIE_NAME": env.session_old_cookie_name,
        "OLD_COOKIE_DOMAIN": env.session_old_cookie_domain,
        "THREADS": env.app_threads,
        "STATEMENT_SECONDS": env.statement_seconds,
        "PREVIOUS_ENGINES": engines(env.session_layer),  # any of them may have run before
        "ENCRYPTION_KEYS": env.session_encryption_keys,
        "CLIENT_ADDRESS": "HTTP_X_FORWARDED_FOR",  # nginx writes it
    }
