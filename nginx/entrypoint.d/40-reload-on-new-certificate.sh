#!/bin/sh
# Reload nginx when its certificate changes, so that a renewal needs no restart and no docker socket.
set -eu

files="/etc/nginx/certificates/fullchain.pem /etc/nginx/certificates/privkey.pem"
# shellcheck disable=SC2086 # two paths, on purpose
fingerprint() { sha256sum $files; }

(
  known=$(fingerprint)
  while sleep 5; do
    current=$(fingerprint) || continue
    [ "$current" != "$known" ] || continue
    # A chain that came before its key is tried again.
    nginx -t -q && nginx -s reload && known=$current && echo "reloaded: a new certificate"
  done
) &
