#!/bin/sh
# Render the templates: ${NAME} becomes its value where the environment has NAME and
# NGINX_ENVSUBST_FILTER matches it; nginx's own $variables stay.
set -e

templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}

log() { [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$0: $*"; }

[ -d "$templates" ] || exit 0
# nginx starts all the same, as with the official image.
[ -w "$output" ] || { log "ERROR: there is $templates, but $output is not writable" && exit 0; }

names=$(awk 'BEGIN { for (name in ENVIRON) if (name ~ ENVIRON["NGINX_ENVSUBST_FILTER"]) printf "${%s} ", name }')
find -L "$templates" -type f -name "*$suffix" | while IFS= read -r template; do
  target=$output/${template#"$templates/"}
  target=${target%"$suffix"}
  log "$template to $target"
  mkdir -p "$(dirname "$target")"
  envsubst "$names" <"$template" >"$target"
done
