"""The project with a connection to Postgres for each request, as Django has it by default."""

from bench.settings import *  # noqa: F403 - everything else is the project's
from bench.settings import DATABASES

DATABASES["default"]["CONN_MAX_AGE"] = 0
