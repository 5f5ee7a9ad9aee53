"""A typical peer: a connection to Postgres for each request, and pickle in Redis.

Only here: the project's environment takes neither.
"""

from bench.settings import *  # noqa: F403 - everything else is the project's
from bench.settings import CACHES, DATABASES

# The defaults of Django and of django-redis.
DATABASES["default"]["CONN_MAX_AGE"] = 0
DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
if "sessions" in CACHES:
    CACHES["sessions"]["OPTIONS"] = {"PASSWORD": CACHES["sessions"]["OPTIONS"]["PASSWORD"]}
