"""gunicorn as its own documentation suggests: sync workers, twice the processors and one."""

from math import ceil

from session_stack.env import load
from session_stack.logs import logging_config

_env = load()

wsgi_app = "config.wsgi"
bind = "0.0.0.0:8000"  # nothing publishes the port
workers = 2 * ceil(_env.app_cpus) + 1
forwarded_allow_ips = "*"
worker_tmp_dir = "/dev/shm"  # noqa: S108 - the root filesystem is read-only
control_socket_disable = True
logconfig_dict = logging_config(_env.log_level)
logger_class = "session_stack.logs.GunicornLogger"
