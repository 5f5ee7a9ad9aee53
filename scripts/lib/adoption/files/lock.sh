#!/bin/sh
# In a container of the image's Python: print a lock with hashes of what the project and the stack need.
#
# usage: lock.sh FILE ...   (in /project, each a requirements file or a pyproject.toml)
set -eu
python -m venv /tmp/uv >&2
/tmp/uv/bin/pip install --quiet --disable-pip-version-check uv >&2
cd /project
export SSL_CERT_FILE="${PIP_CERT:-}"
[ -n "$SSL_CERT_FILE" ] || unset SSL_CERT_FILE
exec /tmp/uv/bin/uv pip compile --quiet --no-header --no-annotate --generate-hashes --python "$(command -v python)" \
  --cache-dir /tmp/uv-cache --extra redis --extra encryption \
  "$@" /app/session_stack/pyproject.toml /app/hardened_sessions/pyproject.toml
