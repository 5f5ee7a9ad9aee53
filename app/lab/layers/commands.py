"""Lines for a shell in the folder of `docker-compose.yml`, with places to fill in."""

IN_REDIS = (
    "docker compose exec redis sh -c "
    '\'export REDISCLI_AUTH="$(cat /run/secrets/redis_admin_password)"; '
    "redis-cli --user admin {command}'"
)
PSQL = 'docker compose exec postgres psql -U postgres app -qtAc "{sql}"'
ROW = PSQL.format(sql="SELECT {column} FROM django_session WHERE {where}")
SHELL = 'docker compose exec app-{backend} python manage.py shell -v 0 -c "{code}"'
# `without`: what the layer itself keeps among the data.
READ_COOKIE = (
    "COOKIE='paste its value here'; "
    'COOKIE="$COOKIE" python3 -c "'
    "import base64, json, os, zlib; part = os.environ['COOKIE'].split(':')[0]; "
    "data = base64.urlsafe_b64decode(part.lstrip('.') + '==='); "
    "data = json.loads(zlib.decompress(data) if part[0] == '.' else data); "
    "data.pop('{without}', None); print(json.dumps(data))\""
)
