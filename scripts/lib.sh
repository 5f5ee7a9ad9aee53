# shellcheck shell=bash disable=SC2034 # sourced by others, who use what stands here
# What the scripts share.

say() { printf '==> %s\n' "$*"; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

((BASH_VERSINFO[0] >= 4)) || die "bash $BASH_VERSION is too old; install bash 4 or newer (macOS: brew install bash)"

# The engines: compose has a service for each. `redis` is a second name of `cache`.
mapfile -t ENGINES < <(sed -n '/^services:/,/^networks:/s/^  app-\([a-z_]*\):$/\1/p' "${BASH_SOURCE[0]%/*}/../docker-compose.yml")

# The name of this clone's compose project for a purpose, as scripts/lib/stack.py makes it.
project() { PYTHONPATH=scripts/lib python3 -c 'import stack, sys; print(stack.project(sys.argv[1]))' "$1"; }

# Print the head comment of the calling script.
help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//;/^set -/d;p;}' "$0"; }

# Where a proxy inspects TLS, its authority is among the host's own; pip in the build needs it.
host_ca_bundle() {
  local file
  for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
    [[ -n $file && -r $file ]] && echo "$file" && return
  done
  echo /dev/null
}

# Run commands at once; print what each said, one after another, and fail if one of them did.
side_by_side() {
  local said failed=0 number
  local -a running=()
  said=$(mktemp -d)
  for number in $(seq $#); do
    (trap - INT && eval "${!number}") </dev/null &>"$said/$number" &
    running+=($!)
  done
  for number in $(seq $#); do
    wait "${running[number - 1]}" || failed=1
    say "${!number}"
    cat "$said/$number"
  done
  rm -r "$said"
  return "$failed"
}
