"""The project with statements that the server prepares anew each time, as by Django's default."""

from typing import Any

from bench.settings import *  # noqa: F403 - everything else is the project's
from bench.settings import DATABASES

options: Any = DATABASES["default"]["OPTIONS"]
del options["prepare_threshold"]
