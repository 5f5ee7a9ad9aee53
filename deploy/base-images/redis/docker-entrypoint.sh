#!/bin/sh
# Start Redis; as root, hand /data to the user redis and become it.
set -eu

# Whether the command line or the configuration file it names says anything of protected mode.
names_protected_mode() {
  case " $* " in *' --protected-mode '*) return 0 ;; esac
  [ -f "${2:-}" ] && grep -qi '^[[:space:]]*protected-mode' "$2"
}

case ${1:-} in -* | *.conf) set -- redis-server "$@" ;; esac

if [ "${1:-}" = redis-server ]; then
  become='setpriv --reuid redis --regid redis --clear-groups --no-new-privs'
  # Without the capabilities to change user it stays root, as the official image does.
  if [ "$(id -u)" = 0 ] && $become true 2>/dev/null; then
    find /data ! -user redis -exec chown redis:redis {} +
    exec $become "$0" "$@"
  fi
  umask 0077
  # Off where nobody says: the official build's default, the opposite of Debian's.
  names_protected_mode "$@" || set -- "$@" --protected-mode no
fi
exec "$@"
