"""The project's own settings, and the addresses that the drills' clients ask for."""

from config.settings import *  # noqa: F403 - the project as it is

ROOT_URLCONF = "drill.urls"
