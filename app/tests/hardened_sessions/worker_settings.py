"""The same site in a worker process of its own, on the tests' database."""

import os

from tests.hardened_sessions.settings import *  # noqa: F403 - settings of settings
from tests.hardened_sessions.settings import DATABASES

DATABASES["default"]["NAME"] = "test_sessions"
SESSION_ENGINE = os.environ["WORKER_SESSION_ENGINE"]
SESSION_FILE_PATH = os.environ["WORKER_SESSION_FILE_PATH"]
SECRET_KEY = os.environ["WORKER_SECRET_KEY"]
SECRET_KEY_FALLBACKS = [key for key in os.environ["WORKER_FALLBACKS"].split(",") if key]
if not SESSION_ENGINE.startswith("hardened_sessions."):
    MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
