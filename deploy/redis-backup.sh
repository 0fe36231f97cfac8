#!/bin/sh
# A backup of the counts, beside a running Redis: one file, checked, with the date in its name. docs/redis.md says how often,
# and how it is restored (redis-restore.sh).
#
# usage: redis-backup.sh FOLDER [OPTIONS OF redis-cli]
#   redis-backup.sh /var/backups/luot -s /var/lib/luot/redis/redis.sock         the private Redis of `luot serve`
#   REDISCLI_AUTH=... redis-backup.sh /var/backups/luot --user admin -p 6379    a Redis of your own (deploy/redis.conf)
#
# Needs room for the whole of Redis once more on its disk, and up to as much memory again while it runs. Prints the file's name.
set -eu
case "${1-}" in '' | -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

folder=$1
shift
name=$folder/luot-$(date -u +%Y%m%dT%H%M%SZ).rdb
umask 077
mkdir -p "$folder"
trap 'rm -f "$name.part"' EXIT
redis-cli "$@" --rdb "$name.part" >"$name.log" 2>&1 && [ -s "$name.part" ] ||
  { cat "$name.log" >&2; rm -f "$name.log"; echo "redis-backup: Redis gave no copy, see above" >&2; exit 1; }
rm -f "$name.log"
redis-check-rdb "$name.part" >/dev/null || { echo "redis-backup: the copy is damaged" >&2; exit 1; }
sync "$name.part"
mv "$name.part" "$name"
echo "$name"
