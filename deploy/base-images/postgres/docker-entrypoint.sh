#!/usr/bin/env bash
# Start Postgres; on an empty data directory, make the cluster, its superuser and its database first.
# The variables are the official image's.
set -euo pipefail
shopt -s nullglob

die() { echo "Error: $*" >&2 && exit 1; }

# file_env NAME [DEFAULT]: NAME from itself, from the file that NAME_FILE names, or the default.
file_env() {
  local name=$1 file=$1_FILE value
  [[ -z ${!name:-} || -z ${!file:-} ]] || die "both $name and $file are set; keep one of them"
  if [[ ${!file:-} ]]; then value=$(<"${!file}"); else value=${!name:-${2:-}}; fi
  export "$name=$value"
  unset "$file"
}

# Scripts in /docker-entrypoint-initdb.d call this by its name.
docker_process_sql() {
  PGHOST='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password \
    --username "$POSTGRES_USER" --dbname "${POSTGRES_DB:-postgres}" "$@"
}

make_cluster() {
  local -a options
  eval "options=($POSTGRES_INITDB_ARGS)"
  [[ -z ${POSTGRES_INITDB_WALDIR:-} ]] || options+=(--waldir "$POSTGRES_INITDB_WALDIR")
  [[ -z $POSTGRES_PASSWORD ]] || options+=(--pwfile /dev/fd/3)
  initdb --username "$POSTGRES_USER" "${options[@]}" 3<<<"$POSTGRES_PASSWORD"
  : "${POSTGRES_HOST_AUTH_METHOD:=$(postgres -C password_encryption "$@")}"
  printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >>"$PGDATA/pg_hba.conf"
}

run_script() {
  case $1 in
  *.sh)
    # shellcheck source=/dev/null
    if [[ -x $1 ]]; then "$1"; else . "$1"; fi
    ;;
  *.sql) docker_process_sql --file "$1" ;;
  *.sql.gz) gunzip -c "$1" | docker_process_sql ;;
  *) echo "$0: not run: its name ends in none of .sh .sql .sql.gz" ;;
  esac
}

first_start() {
  local script
  file_env POSTGRES_PASSWORD
  file_env POSTGRES_USER postgres
  file_env POSTGRES_DB "$POSTGRES_USER"
  file_env POSTGRES_INITDB_ARGS
  [[ $POSTGRES_PASSWORD || ${POSTGRES_HOST_AUTH_METHOD:-} == trust ]] ||
    die 'no superuser password: set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE to one'

  make_cluster "$@"
  # On its socket only: nobody reaches a database that is not ready yet.
  pg_ctl -w start -o "$(printf '%q ' "$@" -c listen_addresses= -p "${PGPORT:-5432}")"
  if [[ $POSTGRES_DB != postgres ]]; then
    docker_process_sql --dbname postgres -v name="$POSTGRES_DB" <<<'CREATE DATABASE :"name"'
  fi
  for script in /docker-entrypoint-initdb.d/*; do
    echo "$0: $script"
    run_script "$script"
  done
  pg_ctl -w -m fast stop
  unset POSTGRES_PASSWORD
}

[[ ${1:-} != -* ]] || set -- postgres "$@"
serves=''
[[ ${1:-} != postgres ]] || serves=1
for word in "$@"; do
  case $word in '-?' | --help | --describe-config | -V | --version) serves='' ;; esac
done

if [[ $serves ]]; then
  mkdir -p "$PGDATA" "${POSTGRES_INITDB_WALDIR:-$PGDATA}"
  if ((EUID == 0)); then
    find "$PGDATA" "${POSTGRES_INITDB_WALDIR:-$PGDATA}" /var/run/postgresql ! -user postgres -exec chown postgres {} +
    exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
  fi
  chmod 0700 "$PGDATA" || true # a mount that refuses this may still have the right mode
  [[ -s $PGDATA/PG_VERSION ]] || first_start "${@:2}"
fi
exec "$@"
