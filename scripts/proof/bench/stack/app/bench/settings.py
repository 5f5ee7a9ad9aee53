"""The project's own settings, and the addresses that are measured."""

from config.settings import *  # noqa: F403 - the project as it is

ROOT_URLCONF = "bench.urls"
