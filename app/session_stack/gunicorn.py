"""gunicorn's settings; each line differs from the default for the reason beside it."""

from typing import Any

from session_stack.env import Env, load
from session_stack.logs import logging_config

_env = load()

wsgi_app = "session_stack.wsgi"
bind = "0.0.0.0:8000"  # nothing publishes the port
worker_class = "session_stack.worker.Worker"
workers = _env.workers
threads = _env.app_threads

# Longer than nginx keeps an idle upstream connection (60 s): the side that reuses must close first.
keepalive = 75  # seconds
timeout = 30  # seconds without a heartbeat; nginx's proxy_read_timeout bounds a request
graceful_timeout = 25  # seconds; below the service's stop_grace_period

# A worker that leaks is replaced; the jitter keeps workers from being replaced together.
max_requests = 20_000
max_requests_jitter = 5_000

worker_tmp_dir = "/dev/shm"  # noqa: S108 - heartbeats on memory, never on a slow disk
control_socket_disable = True  # its commands stop and reload workers; nothing here needs them

# Only nginx reaches this port, and it clears or overwrites every header that speaks of a proxy.
forwarded_allow_ips = "*"
forwarder_headers = ""  # the default would let a client's SCRIPT_NAME through

# nginx limits what a request may be, and has a page that says so; what it lets through is taken.
limit_request_line = 0  # no limit
limit_request_field_size = 40_960  # bytes: all of nginx's large_client_header_buffers
limit_request_fields = 120  # nginx's max_headers, and those that it adds

accesslog = None  # nginx writes the access log
logconfig_dict = logging_config(_env.log_level)
logger_class = "session_stack.logs.GunicornLogger"


def post_worker_init(worker: Any) -> None:
    """Tell whoever watches `docker compose up` what to do next, once the first worker serves."""
    if worker.age == 1:
        print(*greeting(_env), sep="\n", flush=True)  # noqa: T201 - for people, not for a collector


def greeting(env: Env) -> tuple[str, str, str]:
    """Return three lines: the address, the authority to trust, the command that proves it."""
    return (
        f"Ready: {env.origin}/ (sessions: {env.session_backend}, {env.session_layer} layer)",
        "Trust its certificate: docker compose cp nginx:/etc/nginx/certificates/ca.pem . "
        "(not needed with one of your own in deploy/certs)",
        f"Prove that its cookies go over HTTPS only: ./scripts/verify-stack {env.session_backend}",
    )
