#!/bin/sh
# Before nginx starts, run what /docker-entrypoint.d holds, in the order of its names.
set -e

log() { [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$0: $*"; }

# A pipe, as in the official image: what *.envsh exports reaches later scripts, not nginx.
run_scripts() {
  find -L /docker-entrypoint.d -type f | sort -V | while IFS= read -r script; do
    case $script in
    *.envsh)
      if [ -x "$script" ]; then
        log "sourcing $script"
        # shellcheck source=/dev/null
        . "$script"
      else
        log "ignoring $script, not executable"
      fi
      ;;
    *.sh)
      if [ -x "$script" ]; then
        log "running $script"
        "$script"
      else
        log "ignoring $script, not executable"
      fi
      ;;
    *) log "ignoring $script" ;;
    esac
  done
}

case ${1:-} in nginx | nginx-debug) run_scripts ;; esac
exec "$@"
