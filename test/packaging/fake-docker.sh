#!/bin/bash
# The other side of Docker's command line: an engine that is there, and that runs the server it is asked for.
echo "$@" >> "${0%/*}/asked"
[ "$1" = run ] || exit 0
port="$*"
port="${port#*127.0.0.1:}"
exec "${STICKY_TEST_REDIS_SERVER:-/usr/bin/redis-server}" --port "${port%%:*}" --save ""
