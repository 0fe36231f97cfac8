"""A real nginx with deploy/nginx/luot.conf in front of luot: certificates of a CA of its own, ports that were free,
and curl as the reader. Of the shipped file only the lines marked EDIT are changed, and the folders of Debian's nginx."""

import json
import os
import re
import shutil
import socket
import subprocess

from luot import BROWSER, ROOT, eventually, free_port, patience, spawn, split_answers

HOST = "stats.example.vn"
NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
SITE_FILE = ROOT / "deploy" / "nginx" / "luot.conf"


def make_certificate(folder, *names):
    """A CA (ca.pem), and a certificate of it for these names (cert.pem, key.pem)."""
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", 2, "-subj", "/CN=CA of a test")
    openssl("req", *key, "-keyout", "key.pem", "-out", "cert.csr", "-subj", f"/CN={names[0]}")
    (folder / "san").write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names) + "\n")
    openssl("x509", "-req", "-in", "cert.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", 2,
            "-extfile", "san", "-out", "cert.pem")


def site(folder, http, https, collectors, readers, host=HOST):
    """The shipped file with its marked lines edited."""
    upstream, lines = "", []
    for line in SITE_FILE.read_text().splitlines():
        if line.startswith("upstream "):
            upstream = line.split()[1]
        if "# EDIT" in line:
            if line.lstrip().startswith("server "):
                options = re.search(r"127\.0\.0\.1:8080(.*?;)", line)[1]
                servers = collectors if upstream == "luot_collectors" else readers
                lines += [f"    server {server}{options}" for server in servers]
                continue
            if "listen [::]" in line:
                continue
            line = re.sub(r"listen (80|443)\b", lambda m: f"listen 127.0.0.1:{http if m[1] == '80' else https}", line)
            line = line.replace("stats.example.vn;", f"{host};").replace("$server_name$", f"$server_name:{https}$")
            line = re.sub(r"/etc/letsencrypt/\S+fullchain.pem", f"{folder}/cert.pem", line)
            line = re.sub(r"/etc/letsencrypt/\S+privkey.pem", f"{folder}/key.pem", line)
        lines.append(line.replace("/var/log/nginx/", f"{folder}/").replace("/var/lib/nginx/", f"{folder}/"))
    return "\n".join(lines) + "\n"


class Nginx:
    """Its files and logs are in `folder`; like Debian's, it has logs of its own beside those of the site. `more`: further
    servers, for which the certificate has `names`; HTTPS, FOLDER stand for its port and its folder.
    `change`: what an operator edits beside that."""

    def __init__(self, world, collectors, readers=None, level="info", more="", names=(), change=lambda text: text):
        self.world, self.folder = world, world.folder / "nginx"
        self.folder.mkdir()
        self.http, self.https = free_port(), free_port()
        make_certificate(self.folder, HOST, *names)
        (self.folder / "luot.conf").write_text(change(site(self.folder, self.http, self.https, collectors, readers or collectors)))
        temp = "".join(f"    {name}_temp_path {self.folder}/temp-{name};\n"
                       for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.folder / "nginx.conf").write_text(
            ("user root;\n" if os.getuid() == 0 else "") +
            f"daemon off;\nworker_processes 2;\npid {self.folder}/pid;\nerror_log {self.folder}/error.log {level};\n"
            "events { worker_connections 768; }\n"
            f"http {{\n    access_log {self.folder}/access.log;\n    gzip on;\n{temp}    include {self.folder}/luot.conf;\n" +
            more.replace("HTTPS", str(self.https)).replace("FOLDER", str(self.folder)) + "}\n")
        self.process = None
        world.parts.append(self)

    @property
    def arguments(self):
        return [NGINX, "-p", self.folder, "-e", self.folder / "early.log", "-c", self.folder / "nginx.conf"]

    def check(self):
        """What `nginx -t` says."""
        return subprocess.run([*map(str, self.arguments), "-t"], capture_output=True, text=True)

    def start(self):
        self.process = spawn(self.arguments, self.world.folder / "nginx.log")

        def answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"nginx ended with {self.process.returncode}: {self.check().stderr}")
            with socket.create_connection(("127.0.0.1", self.https), 5):
                return True

        eventually(answers, patience(15), "nginx answers")
        return self

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            if self.process.wait(patience(60)) != 0:
                raise AssertionError(f"nginx ended with {self.process.returncode}")

    def curl_arguments(self, *options, reader="127.0.0.2"):
        return ["curl", "--silent", "--show-error", "--noproxy", "*", "--interface", reader, "--user-agent", BROWSER,
                "--cacert", str(self.folder / "ca.pem"), "--max-time", "30",
                "--resolve", f"{HOST}:{self.http}:127.0.0.1", "--resolve", f"{HOST}:{self.https}:127.0.0.1", *options]

    def curl(self, target, *options, reader="127.0.0.2", scheme="https"):
        """One request over HTTP/2, unless options say otherwise, from an address of this machine. `version` of
        the answer is that of HTTP."""
        port = self.https if scheme == "https" else self.http
        done = subprocess.run(self.curl_arguments("--include", "--write-out", "\n%{http_version}", *map(str, options),
                                                  f"{scheme}://{HOST}:{port}{target}", reader=reader),
                              capture_output=True)
        if done.returncode != 0:
            raise ConnectionError(f"curl: {done.returncode} {done.stderr.decode().strip()}")
        data, _, version = done.stdout.rpartition(b"\n")
        while True:
            head, _, body = data.partition(b"\r\n\r\n")
            if not re.match(rb"HTTP/\S+ 1\d\d", head):
                break
            data = body
        answer = split_answers(head + b"\r\n\r\n", heads_only=True)[0]
        answer.body, answer.version = body, version.decode()
        return answer

    def hit(self, path, *options, reader="127.0.0.2", site="skhcn", **fields):
        return self.curl("/hit", "--data", json.dumps({"s": site, "p": path, **fields}), "--header",
                         "Content-Type: text/plain", *options, reader=reader)

    def logs(self):
        """name -> bytes of every file that nginx has written, and not those that it was given."""
        given = {"ca.key", "ca.pem", "ca.srl", "key.pem", "cert.pem", "cert.csr", "san", "luot.conf", "nginx.conf"}
        return {str(file.relative_to(self.folder)): file.read_bytes() for file in self.folder.rglob("*")
                if file.is_file() and file.name not in given}
