"""Settings, in the section order of Django's `global_settings.py`.

One module: production is the only shape, and it differs by the values in `env`.
"""

from pathlib import Path
from typing import Any

from django.utils.csp import CSP
from redis.backoff import NoBackoff
from redis.retry import Retry

from session_stack import grace
from session_stack.env import load
from session_stack.layers import engines, named
from session_stack.logs import logging_config

ENV = load()
LAYER = named(ENV.session_layer)
ENGINES = engines(ENV.session_layer)
BASE_DIR = Path(__file__).resolve().parent.parent

# --- Core -----------------------------------------------------------------------------------------

DEBUG = False
ALLOWED_HOSTS = [ENV.domain]
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en-us"
USE_I18N = False

# A process keeps one connection for each gunicorn thread; without that, opening connections costs
# more than all the rest of a request together.
DATABASES = {
    "default": {
        "ENGINE": LAYER.DATABASE,
        "HOST": ENV.database.host,
        "PORT": ENV.database.port,
        "NAME": ENV.database.name,
        "USER": ENV.database.user,
        "PASSWORD": ENV.database.password,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 2,  # seconds; the least that libpq takes
            # The session layer's own statements are prepared at once: a save costs Postgres less.
            "prepare_threshold": 0,
            "application_name": ENV.session_backend,
            "options": "-c statement_timeout=10s -c idle_in_transaction_session_timeout=30s",
            **ENV.database_tls,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "session_stack",
    "accounts",
    *LAYER.APPS,  # before Django's own sessions: both have a command clearsessions
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

SECRET_KEY = ENV.secret_key
SECRET_KEY_FALLBACKS = list(ENV.secret_key_fallbacks)

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},  # nothing is uploaded
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True

WSGI_APPLICATION = "config.wsgi.application"
ROOT_URLCONF = "config.urls"
X_FRAME_OPTIONS = "DENY"

# nginx overwrites the header with its own scheme, whatever a client sent.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Middleware -----------------------------------------------------------------------------------

MIDDLEWARE = [
    "session_stack.logs.RequestIdMiddleware",
    "session_stack.cookies.CookieNamesMiddleware",
    "session_stack.headers.HeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    *LAYER.MIDDLEWARE,
    "session_stack.new_sessions.NewSessionsMiddleware",
    "session_stack.cross_site.CrossSiteMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    *(["session_stack.sign_in.middleware.SignInMiddleware"] if ENV.sign_in_delays else []),
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# --- Sessions -------------------------------------------------------------------------------------

SESSION_ENGINE = f"{LAYER.ENGINES}.{ENV.session_backend}"
SESSION_CACHE_ALIAS = "sessions"
SESSION_COOKIE_NAME = ENV.session_cookie_name
SESSION_COOKIE_AGE = ENV.session_cookie_age_seconds
SESSION_EXPIRE_AT_BROWSER_CLOSE = ENV.session_expire_at_browser_close
SESSION_SAVE_EVERY_REQUEST = ENV.session_save_every_request
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_FILE_PATH = str(ENV.session_file_path)
HARDENED_SESSIONS = {
    "KEYS": ENV.session_keys,
    "GRACE_UNTIL": grace.until,
    "MAX_BYTES": ENV.session_max_bytes,
    "CONFLICTS": ENV.session_conflicts,
    "OLD_COOKIE_NAME": ENV.session_old_cookie_name,
    "OLD_COOKIE_DOMAIN": ENV.session_old_cookie_domain,
    "THREADS": ENV.app_threads,
    "PREVIOUS_ENGINES": ENGINES,  # any of them may have run before
    "ENCRYPTION_KEYS": ENV.session_encryption_keys,
}

# --- Cache ----------------------------------------------------------------------------------------

CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
if ENV.redis:
    # An alias and a Redis of its own: clearing the general cache must log nobody out.
    CACHES["sessions"] = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": ENV.redis.location,
        "OPTIONS": {
            "PASSWORD": ENV.redis.password,
            # The default is pickle: whoever writes to Redis could then run code here.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 0.3,  # seconds
            "SOCKET_TIMEOUT": 0.3,  # seconds
            # redis-py's own default tries ten times: seconds of waiting on a hung server.
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0), **ENV.redis_tls},
        },
    }

# --- Authentication -------------------------------------------------------------------------------

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "account"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# --- CSRF -----------------------------------------------------------------------------------------

# Of the prefix that the session's name has.
HTTP_PREFIX = "Http-" if ENV.session_cookie_name.startswith("__Host-Http-") else ""
CSRF_COOKIE_NAME = f"__Host-{HTTP_PREFIX}csrftoken"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [ENV.origin]
CSRF_FAILURE_VIEW = "session_stack.errors.csrf_failure"

# --- Messages -------------------------------------------------------------------------------------

# The default begins with a cookie of its own, whose name has no __Host-.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Logging --------------------------------------------------------------------------------------

LOGGING = logging_config(ENV.log_level)

# --- Security -------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = ["^health/"]  # asked from inside the container, without TLS
SECURE_HSTS_SECONDS = ENV.hsts_seconds
SECURE_HSTS_INCLUDE_SUBDOMAINS = ENV.hsts_include_subdomains
SECURE_HSTS_PRELOAD = ENV.hsts_preload
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF, CSP.NONCE],  # a nonce goes out only with a page that has used it
    "img-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.NONE],
}

SILENCED_SYSTEM_CHECKS = [
    # Subdomains and preload bind other sites of the domain: the operator says so, or not.
    "security.W005",
    "security.W021",
]
if not ENV.hsts_seconds:
    # HSTS is switched on, and ramped up, once the certificate is one that every browser trusts.
    SILENCED_SYSTEM_CHECKS.append("security.W004")

# --- The lab: goes with app/lab and its block in urls.py ------------------------------------------

from lab.store_calls import CountedConnection, CountedTLSConnection  # noqa: E402 - all of the lab is in this block

INSTALLED_APPS.insert(0, "lab")
TEMPLATES[0]["OPTIONS"]["context_processors"].append("lab.pages.navigation")
MIDDLEWARE.insert(
    MIDDLEWARE.index("django.middleware.common.CommonMiddleware"),
    "lab.session_trace.SessionTraceMiddleware",
)
MIDDLEWARE.insert(
    MIDDLEWARE.index(LAYER.MIDDLEWARE[-1]), "lab.browser_close.BrowserCloseMiddleware"
)
MIDDLEWARE.insert(2, "lab.afterwards.AfterwardsMiddleware")
for _cache in CACHES.values():
    if "CONNECTION_POOL_KWARGS" in _cache.get("OPTIONS", {}):
        _cache["OPTIONS"]["CONNECTION_POOL_KWARGS"]["connection_class"] = (
            CountedTLSConnection if ENV.redis_tls else CountedConnection
        )

# --- End of the lab -------------------------------------------------------------------------------
