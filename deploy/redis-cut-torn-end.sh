#!/bin/sh
# For a Redis of your own, before each start: cuts a torn end off its append-only file.
#
# When Redis dies in the middle of a write, the end of the file is a torn transaction. Redis cuts the torn command but
# leaves those before it (7.0 and 7.2; valkey-io/valkey pull request 4342), and carries out half of the transaction
# two starts later: counts would be wrong. This cuts at the transaction's beginning, and does nothing to a file that
# is whole or damaged in any other way. luot does the same for the private Redis of `luot serve`.
#
# usage: redis-cut-torn-end.sh FOLDER     the `appenddirname` in the `dir` of redis.conf
# systemd, in /etc/systemd/system/redis-server.service.d/luot.conf:
#   [Service]
#   ExecStartPre=/usr/share/luot/redis-cut-torn-end.sh /var/lib/redis/appendonlydir
set -eu
case "${1-}" in '' | -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

most=1048576  # more is no torn end
[ -e "$1/appendonly.aof.manifest" ] || exit 0
line=$(redis-check-aof "$1/appendonly.aof.manifest" 2>&1 |
  sed -n 's/^AOF analyzed: filename=\([^,]*\), size=\([0-9]*\), ok_up_to=\([0-9]*\),.*/\1 \2 \3/p' | tail -n 1)
[ -n "$line" ] || exit 0
name=${line%% *} size=${line#* } ok=${line##* }
size=${size% *}
torn=$((size - ok))
if [ "$torn" -gt 0 ] && [ "$torn" -le "$most" ] && ! tail -c "$torn" "$1/$name" | grep -aq '^EXEC'; then
  truncate -s "$ok" "$1/$name"
  echo "redis-cut-torn-end: $torn bytes cut off the end of $1/$name"
fi
