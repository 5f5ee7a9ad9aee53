# The image of every service that runs this project's own code.
ARG PYTHON_IMAGE=python:3.13-slim-trixie

# Build: the dependencies in an environment of their own, then the code, its bytecode and its static
# files. pip lives in a second environment, so the first one never holds it.
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_REQUIRE_HASHES=1 PIP_ONLY_BINARY=:all:
RUN python -m venv /opt/pip && python -m venv --without-pip /opt/venv
COPY app/requirements.txt /app/
# The secret holds a site's own certificate authorities, where a proxy inspects TLS; else it is empty.
RUN --mount=type=secret,id=ca_bundle \
    if [ -s /run/secrets/ca_bundle ]; then export PIP_CERT=/run/secrets/ca_bundle; fi; \
    /opt/pip/bin/pip --python /opt/venv/bin/python install -r /app/requirements.txt \
    && find /opt/venv -type d -name tests -prune -exec rm -rf {} + \
    && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib
ENV PATH=/opt/venv/bin:$PATH
COPY app /app
WORKDIR /app
# A clone that was made under a strict umask is readable by its owner alone.
RUN chmod -R u=rwX,go=rX /app
# The settings ask for secrets that no file here needs: made up, and gone with this step.
RUN DOMAIN=localhost SESSION_BACKEND=db \
    SECRET_KEY="$(openssl rand -hex 50)" DATABASE_PASSWORD="$(openssl rand -hex 16)" \
    python manage.py collectstatic --no-input \
    && python -m compileall -q -j 0 /app

# Test: the same environment with the linters, pytest, and servers that tests start, stop, fill and
# kill as they need; nothing ships from here.
FROM build AS test
# hadolint ignore=DL3008 # whatever Debian has is what its users have
RUN apt-get update \
    && apt-get install -y --no-install-recommends kustomize postgresql-17 redis-server \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home test
ENV PATH=/usr/lib/postgresql/17/bin:$PATH
# The session layer also runs on the Django before this one: in an environment of its own.
RUN python3 -m venv --without-pip /opt/django52
COPY app/requirements-test.txt app/requirements-django52.txt /tmp/
RUN --mount=type=secret,id=ca_bundle \
    if [ -s /run/secrets/ca_bundle ]; then export PIP_CERT=/run/secrets/ca_bundle; fi; \
    /opt/pip/bin/pip --python /opt/venv/bin/python install -r /tmp/requirements-test.txt \
    && /opt/pip/bin/pip --python /opt/django52/bin/python install -r /tmp/requirements-django52.txt
USER 10001:10001

# Runtime: the environment and the code, owned by root, run by a user who can change neither.
FROM ${PYTHON_IMAGE} AS runtime
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app DJANGO_SETTINGS_MODULE=config.settings
# A new volume takes its owner from here. No program of the base gives its caller another user.
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/sessions \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8000
CMD ["session_stack/serve"]

# Backup: the runtime with what takes a backup, and with a Postgres to prove it on; built by the
# profile of that name alone. initdb wants its user to have a name.
FROM runtime AS backup
USER 0:0
# hadolint ignore=DL3008 # Debian's fixes of these very versions
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates postgresql-17 restic \
    && rm -rf /var/lib/apt/lists/* /var/lib/postgresql /etc/postgresql \
    && useradd --uid 10001 --no-create-home stack \
    && install -d -o 10001 -g 10001 -m 0700 /scratch /repository \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
ENV PATH=/usr/lib/postgresql/17/bin:$PATH
USER 10001:10001
