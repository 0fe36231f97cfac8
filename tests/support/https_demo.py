#!/usr/bin/env python3
"""The demo as it stands on the internet: its pages and luot, each by its name over https, from one nginx with
deploy/nginx/luot.conf. For tests/browser/https.test.mjs: prints where all is as a line of JSON, and ends, leaving
nothing, when its standard input does."""

import base64
import hashlib
import json
import subprocess
import sys

from luot import ROOT, World
from nginx import HOST, Nginx

PAGES = "tin.example.vn"
SERVER = """
    server {
        listen 127.0.0.1:HTTPS ssl http2;
        server_name %s;
        ssl_certificate FOLDER/cert.pem;
        ssl_certificate_key FOLDER/key.pem;
        types { text/html html; text/css css; image/svg+xml svg; }
        charset utf-8;
        root FOLDER/site;
        add_header Content-Security-Policy "default-src 'self'; script-src 'self' https://%s:HTTPS; connect-src 'self' https://%s:HTTPS; img-src 'self' https://%s:HTTPS; object-src 'none'" always;
        add_header Strict-Transport-Security "max-age=60" always;
        add_header Referrer-Policy strict-origin-when-cross-origin always;
    }
""" % (PAGES, HOST, HOST, HOST)


def main():
    world = World()
    try:
        luot = world.luot(sites=[{"id": "demo", "name": "Sở Thông tin Mẫu", "hosts": [PAGES], "timezone": "Asia/Ho_Chi_Minh"}])
        nginx = Nginx(world, [luot.public], more=SERVER, names=[PAGES])
        subprocess.run(["node", ROOT / "demo" / "render.mjs", "--stats", f"https://{HOST}:{nginx.https}", "--out", nginx.folder / "site"], check=True)
        world.run("import", "totals", ROOT / "demo" / "totals.csv", "--site", "demo", "--config", luot.config_file)
        nginx.start()
        key = subprocess.run(["openssl", "x509", "-in", nginx.folder / "cert.pem", "-pubkey", "-noout"], check=True, capture_output=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, check=True, capture_output=True).stdout
        print(json.dumps({"pages": f"https://{PAGES}:{nginx.https}", "stats": f"https://{HOST}:{nginx.https}", "port": nginx.https,
                          "ca": str(nginx.folder / "ca.pem"), "key": base64.b64encode(hashlib.sha256(der).digest()).decode()}), flush=True)
        sys.stdin.read()
    finally:
        world.close()


if __name__ == "__main__":
    main()
