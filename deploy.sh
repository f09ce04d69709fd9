#!/bin/sh
# The stack of docker-compose.yml: PORT=8080 DB_PASSWORD=... APP_SECRET_KEY=... ./deploy.sh [--down|--logs|--status|--help]
if ! command -v node >/dev/null; then
  echo "deploy.sh: Node.js 20.19 or newer is needed on this machine. Get one from https://nodejs.org" >&2
  exit 1
fi
exec node "$(dirname "$0")/deploy/docker/deploy.mjs" "$@"
