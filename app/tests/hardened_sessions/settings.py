"""Settings of a project that uses nothing but the layer; any supported Django takes them."""

import django

from tests.servers import PASSWORD, POSTGRES_PORT, REDIS_PORT

SECRET_KEY = "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789"
USE_TZ = True
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "tests.hardened_sessions.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "PORT": POSTGRES_PORT,
        "NAME": "postgres",
        "USER": "postgres",
        "PASSWORD": PASSWORD,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # Statements are prepared, as the layer asks for, or not: each on one of the two Djangos.
        "OPTIONS": {
            "connect_timeout": 2,
            "prepare_threshold": 0 if django.VERSION >= (6,) else None,
        },
        "TEST": {"NAME": "test_sessions"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "sessions": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": f"redis://127.0.0.1:{REDIS_PORT}/0",
        "OPTIONS": {
            "password": PASSWORD,
            "socket_timeout": 0.3,
            "socket_connect_timeout": 0.3,
        },
    },
}
INSTALLED_APPS = [
    "hardened_sessions",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
MIDDLEWARE = [
    "hardened_sessions.middleware.HardenedSessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ]
        },
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SESSION_ENGINE = "hardened_sessions.backends.cached_db"
SESSION_CACHE_ALIAS = "sessions"
SESSION_COOKIE_NAME = "__Host-sessionid"
SESSION_COOKIE_SECURE = True
