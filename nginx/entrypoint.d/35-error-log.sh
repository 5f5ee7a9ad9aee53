#!/bin/sh
# The error log without query strings, referrers and hosts, which carry the tokens of others: nginx
# writes it to a pipe, and each line goes on to stderr up to the path that was asked for.
set -eu

pipe=/run/nginx/errors
[ -p "$pipe" ] || mkfifo "$pipe"
# Opened for both, so that nginx finds a reader whatever becomes of sed.
(
  while :; do
    sed -u -E -e 's/, request: "([^ ?"]* [^ ?"]*).*/, request: "\1"/; t' \
      -e 's/, (request|subrequest|upstream|host|referrer): ".*//' >&2
  done
) <>"$pipe" &
