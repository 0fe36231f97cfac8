#!/bin/bash
# Builds luot and shows it at work: a demo news site whose pages count themselves, until Ctrl-C.
#
# usage: deploy/quickstart.sh [--keep] [--port N] [--demo-port N] [--no-install]
#   --keep         keep counts and logs in build/demo-data and go on from there the next time
#   --port N       luot's public port (default: any free one)
#   --demo-port N  the demo site's port (default: any free one)
#   --no-install   take it that deploy/install-deps.sh has been run
#
# Environment: LUOT_BIN, a luot to run instead of building one.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
article=/tin-tuc/hoi-nghi-so-ket-6-thang-dau-nam-2021.html

say() { echo "quickstart: $*"; }
usage() { echo "quickstart: $* (try --help)" >&2; exit 2; }
is_port() { [[ $1 =~ ^[0-9]{1,5}$ ]] && [ "$1" -le 65535 ]; }

keep= install=1 port=0 demo_port=0
while [ $# -gt 0 ]; do
  case $1 in
    --keep) keep=1 ;;
    --no-install) install= ;;
    --port | --demo-port)
      is_port "${2-}" || usage "$1 needs a port number"
      if [ "$1" = --port ]; then port=$2; else demo_port=$2; fi
      shift ;;
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) usage "unknown option $1" ;;
  esac
  shift
done

# ---- what is started here is stopped here ---------------------------------------------------------

folder= luot_pid= nginx_pid= log=

# Asks a process to end, waits for it, and after 15 s insists.
stop() {
  [ -n "$1" ] || return 0
  kill -TERM "$1" 2>/dev/null || true
  for _ in $(seq 150); do
    kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

clean_up() {
  trap - EXIT
  trap '' INT TERM HUP
  stop "$nginx_pid"
  stop "$luot_pid"
  if [ -n "$folder" ] && [ -z "$keep" ]; then rm -rf "$folder"; fi
}

die() {
  echo "quickstart: $*" >&2
  if [ -n "$log" ] && [ -s "$log" ]; then
    echo "quickstart: the last lines of the log:" >&2
    tail -n 15 "$log" >&2
  fi
  clean_up
  exit 1
}

interrupted() {
  echo
  say "stopping"
  clean_up
  exit 0
}
trap clean_up EXIT
trap interrupted INT TERM HUP

# Starts a process that Ctrl-C does not reach, so that it is stopped in order, and that ends when this
# script does, however that comes about.
start() { setsid setpriv --pdeathsig TERM -- "$@" >>"$log" 2>&1 & }

# ---- luot -----------------------------------------------------------------------------------------

if [ -n "$install" ]; then "$root/deploy/install-deps.sh" --runtime; fi
for tool in node nginx setpriv curl; do
  PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || die "$tool is missing: run deploy/install-deps.sh"
done
nginx=$(PATH=$PATH:/usr/sbin command -v nginx)

if [ -n "${LUOT_BIN-}" ]; then
  luot=$(cd "$root" && realpath -e "$LUOT_BIN" 2>/dev/null) || die "LUOT_BIN: there is no $LUOT_BIN"
else
  say "building luot (the first time takes some minutes)"
  (cd "$root" && { [ -e build/release/build.ninja ] || cmake --preset release >/dev/null; } && cmake --build --preset release --target luot) ||
    die "the build failed, see above"
  luot=$root/build/release/luot
fi

if [ -n "$keep" ]; then
  folder=$root/build/demo-data
  mkdir -p "$folder"
else
  folder=$(mktemp -d "$(realpath "${TMPDIR:-/tmp}")/luot-demo.XXXXXX")
fi
log=$folder/quickstart.log
: >"$log"
say "the log is $log"

cat >"$folder/luot.toml" <<TOML
data_dir = "$folder/data"

[listen]
public = "127.0.0.1:$port"
admin  = "127.0.0.1:0"

[[site]]
id = "demo"
name = "Sở Thông tin Mẫu"
hosts = ["127.0.0.1", "localhost"]
timezone = "Asia/Ho_Chi_Minh"
public = ["counts", "summary", "most_read", "related", "badge", "stats"]
TOML
mkdir -p "$folder/data"

start "$luot" serve --config "$folder/luot.toml"
luot_pid=$!
listening=
for _ in $(seq 300); do
  listening=$(sed -n 's/.* listening .*public=127\.0\.0\.1:\([0-9]*\).*/\1/p' "$log" | head -n 1)
  [ -z "$listening" ] || break
  kill -0 "$luot_pid" 2>/dev/null || die "luot did not start"
  sleep 0.1
done
[ -n "$listening" ] || die "luot did not say within 30 s where it listens"
stats=http://127.0.0.1:$listening

"$luot" import totals "$root/demo/totals.csv" --site demo --config "$folder/luot.toml" >>"$log" 2>&1 ||
  die "the starting totals could not be imported"

# ---- the demo site --------------------------------------------------------------------------------

node "$root/demo/render.mjs" --stats "$stats" --site demo --out "$folder/site" >>"$log" 2>&1 ||
  die "the demo site could not be rendered"

free_port() {
  node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

start_nginx() {
  cat >"$folder/nginx.conf" <<NGINX
$([ "$(id -u)" -ne 0 ] || echo "user root;")
daemon off;
worker_processes 1;
pid $folder/nginx/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
    types {
        text/html html;
        text/css css;
        image/svg+xml svg;
    }
    charset utf-8;
    charset_types text/css;
    access_log off;
    server_tokens off;
    client_body_temp_path $folder/nginx/body;
    proxy_temp_path $folder/nginx/proxy;
    fastcgi_temp_path $folder/nginx/fastcgi;
    uwsgi_temp_path $folder/nginx/uwsgi;
    scgi_temp_path $folder/nginx/scgi;
    server {
        listen 127.0.0.1:$demo_port;
        root $folder/site;
        error_page 404 /404.html;
        add_header Content-Security-Policy "default-src 'self'; script-src 'self' $stats; connect-src 'self' $stats; img-src 'self' $stats; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" always;
        add_header Referrer-Policy strict-origin-when-cross-origin always;
        add_header X-Content-Type-Options nosniff always;
        add_header Cache-Control no-cache always;
    }
}
NGINX
  start "$nginx" -p "$folder/nginx" -e stderr -c "$folder/nginx.conf"
  nginx_pid=$!
  for _ in $(seq 100); do
    kill -0 "$nginx_pid" 2>/dev/null || return 1
    # its own pid file, so that another server on this port is not taken for it
    if [ -s "$folder/nginx/nginx.pid" ] && curl --noproxy "*" -fso /dev/null "http://127.0.0.1:$demo_port/"; then return 0; fi
    sleep 0.1
  done
  return 1
}

mkdir -p "$folder/nginx"
if [ "$demo_port" -ne 0 ]; then
  start_nginx || die "nginx could not serve the demo on port $demo_port"
else
  for attempt in 1 2 3; do
    demo_port=$(free_port)
    if start_nginx; then break; fi
    [ "$attempt" -lt 3 ] || die "nginx could not serve the demo"
  done
fi

say "open http://127.0.0.1:$demo_port$article (Ctrl-C ends it)"

# ---- until somebody ends it -----------------------------------------------------------------------

wait -n "$luot_pid" "$nginx_pid" || true
kill -0 "$luot_pid" 2>/dev/null || { luot_pid=; die "luot has ended by itself"; }
nginx_pid=
die "nginx has ended by itself"
