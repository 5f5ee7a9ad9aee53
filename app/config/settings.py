"""Settings, in the section order of Django's `global_settings.py`.

The site's own; what serves it, and how its sessions are kept, `session_stack.overlay` lays over
them by the values in `ENV`.
"""

from pathlib import Path
from typing import Any

from django.utils.csp import CSP

from session_stack.env import load
from session_stack.layers import engines, named
from session_stack.overlay import apply
from session_stack.overlay.values import policy

ENV = load()
LAYER = named(ENV.session_layer)
ENGINES = engines(ENV.session_layer)
BASE_DIR = Path(__file__).resolve().parent.parent

# --- Core -----------------------------------------------------------------------------------------

TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en-us"
USE_I18N = False

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "accounts",
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

# --- Middleware -----------------------------------------------------------------------------------

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# --- Cache ----------------------------------------------------------------------------------------

CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
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

CSRF_FAILURE_VIEW = "session_stack.errors.csrf_failure"

# --- Security -------------------------------------------------------------------------------------

SECURE_REFERRER_POLICY = "same-origin"
SECURE_CSP: dict[str, list[Any]] = {
    **policy(),
    "style-src": [CSP.SELF, CSP.NONCE],  # a nonce goes out only with a page that has used it
}

# --- The stack ------------------------------------------------------------------------------------

# Some of what `apply` makes, for mypy, which can't see it.
DATABASES: dict[str, dict[str, Any]]
SESSION_FILE_PATH: str
STACK_ORIGINS: dict[str, str]

globals().update(apply({name: value for name, value in globals().items() if name.isupper()}, ENV))

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
