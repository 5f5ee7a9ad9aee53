"""The peer whose operator has read about persistent connections."""

from bench.peer import *  # noqa: F403 - the peer, but for its connections
from bench.peer import DATABASES

DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
