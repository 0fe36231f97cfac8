#!/bin/sh
# Puts a backup (redis-backup.sh) in the place of the data of a Redis that is stopped. What was there is kept beside it.
#
# usage: redis-restore.sh BACKUP.rdb FOLDER    the `dir` of redis.conf, or data_dir/redis of `luot serve`
#
# By hand it goes wrong easily: with `appendonly yes` Redis does not look at dump.rdb, and would start empty. So the backup becomes
# the base of an append-only file. Collectors may go on meanwhile: their spools ship what the backup has not got.
set -eu
case "${2-}" in '') sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

backup=$1 folder=$2
[ -d "$folder" ] || { echo "redis-restore: there is no folder $folder" >&2; exit 1; }
redis-check-rdb "$backup" >/dev/null || { echo "redis-restore: $backup is damaged, or no backup" >&2; exit 1; }
files=$folder/appendonlydir
# As root, or as the user of Redis: others do not see what it has open.
if [ -d "$files" ] && ls -l /proc/[0-9]*/fd 2>/dev/null | grep -qF -- "-> $(realpath "$files")/"; then
  echo "redis-restore: a Redis is still at work in $folder: stop it first" >&2
  exit 1
fi

new=$files.new.$$
trap 'rm -rf "$new"' EXIT
umask 077
mkdir "$new"
cp "$backup" "$new/appendonly.aof.1.base.rdb"
echo 'file appendonly.aof.1.base.rdb seq 1 type b' >"$new/appendonly.aof.manifest"
chown -R --reference="$folder" "$new"
sync "$new"/*
if [ -e "$files" ]; then
  kept=$files.before-$(date -u +%Y%m%dT%H%M%SZ)
  mv "$files" "$kept"
  echo "redis-restore: the data that was there is kept in $kept"
fi
mv "$new" "$files"
echo "redis-restore: done; start Redis again"
