#!/usr/bin/env python3
"""`luot doctor` finds what is wrong with a real luot, its Redis and its files, and with a page that a real server
sends, and says what to do."""

import contextlib
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import SITES, SystemTest, eventually, main, patience, wait_for_rows  # noqa: E402

ADVICE = {"warn", "fail"}


class Doctor(SystemTest):
    def doctor(self, luot, *arguments, status=None, admin=True):
        """name -> (state, what, advice) of the checks; the last one of a name that was found wrong."""
        if not luot.is_running():
            luot.write_config()
        if admin and luot.admin:
            arguments = (*arguments, "--admin", luot.admin)
        found, output, errors = self.world.run("doctor", "--json", "--config", luot.config_file, *arguments)
        self.assertEqual(errors, "")
        answer = json.loads(output)
        self.assertEqual(found, 1 if answer["failed"] else 0)
        checks = {}
        for check in answer["checks"]:
            self.assertEqual(bool(check["advice"]), check["state"] in ADVICE or bool(check["advice"]), check)
            if check["name"] not in checks or check["state"] in ADVICE:
                checks[check["name"]] = (check["state"], check["what"], check["advice"])
        if status is not None:
            self.assertEqual(found, status, output)
        self.explained = answer.get("explained", [])
        return checks

    def assert_said(self, checks, name, state, *words):
        self.assertEqual(checks.get(name, ("nothing",))[0], state, checks.get(name))
        for word in words:
            self.assertIn(word, " ".join(checks[name]))


    def wait_for_leases(self, luot):
        eventually(lambda: luot.metrics().value("luot_leases_held") == 16, patience(15), "all leases are held")


class Server(Doctor):
    def test_a_luot_that_is_well_passes_and_every_line_is_one_line(self):
        luot = self.world.luot()
        luot.wait_for("skhcn", luot.take_hit("skhcn", "/a"))
        self.wait_for_leases(luot)
        checks = self.doctor(luot, status=0)
        for name in ("configuration", "admin port", "redis", "redis eviction", "redis file", "redis permissions",
                     "redis clock", "leases", "salts", "secrets", "queue", "titles"):
            self.assert_said(checks, name, "ok")
        status, output, _ = self.world.run("doctor", "--config", luot.config_file, "--admin", luot.admin)
        self.assertEqual(status, 0)
        for line in output.splitlines()[:-1]:
            self.assertRegex(line, r"^(ok|warn|fail|skip) +\S")

    def test_a_daemon_that_is_away_and_a_redis_that_is_away_are_said(self):
        luot = self.world.luot(start=False)
        checks = self.doctor(luot, "--admin", "127.0.0.1:1", status=1)
        self.assert_said(checks, "admin port", "fail", "is luot running")
        self.assert_said(checks, "redis", "fail", "start luot serve")
        self.assert_said(checks, "data_dir", "fail")

    def test_a_configuration_that_cannot_be_used_is_said_with_its_line(self):
        luot = self.world.luot(start=False, config={"spool": {"max_byte": "1GiB"}})
        self.assert_said(self.doctor(luot, status=1), "configuration", "fail", "max_byte")

    def test_settings_of_redis_that_lose_counts_fail(self):
        redis = self.world.redis()
        client = redis.client()
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendonly", "no")
        luot = self.world.luot(start=False, redis=redis)
        checks = self.doctor(luot, status=1)
        self.assert_said(checks, "redis eviction", "fail", "noeviction")
        self.assert_said(checks, "redis file", "fail", "appendonly yes")
        self.assert_said(checks, "leases", "fail", "0 of 16")
        self.assert_said(checks, "redis data", "warn")
        self.assertEqual(client.keys("*"), [], "doctor writes nothing")

    def test_a_permission_that_is_missing_is_named(self):
        redis = self.world.redis()
        redis.client().execute_command("ACL", "SETUSER", "counter", "on", ">word", "~luot:*", "+@all", "-xadd", "-zincrby")
        luot = self.world.luot(start=False, redis=redis)
        luot.config["redis"] = {"url": redis.url.replace("unix://", "unix://counter:word@")}
        self.assert_said(self.doctor(luot, status=1), "redis permissions", "fail", "xadd", "zincrby")
        redis.client().execute_command("ACL", "SETUSER", "counter", "+@all", "-@dangerous", "+info")
        self.assert_said(self.doctor(luot, status=1), "redis permissions", "ok")
        redis.client().execute_command("ACL", "SETUSER", "counter", "resetkeys", "~other:*", "%R~luot:*")
        self.assert_said(self.doctor(luot, status=1), "redis permissions", "fail", "xadd")

    def test_secrets_and_folders_that_others_can_use_fail(self):
        luot = self.world.luot()
        (luot.data_dir / "salts").chmod(0o644)
        self.assert_said(self.doctor(luot, status=1), "salts", "fail", "chmod 600")
        (luot.data_dir / "salts").chmod(0o600)
        luot.data_dir.chmod(0o777)
        self.assert_said(self.doctor(luot, status=1), "data_dir", "fail", "chmod 700")
        luot.data_dir.chmod(0o700)

    def test_files_of_the_configuration_that_are_old_or_broken_are_named(self):
        spam = self.world.folder / "spam.txt"
        spam.write_text("spam.example\n")
        os.utime(spam, (0, 1_500_000_000))
        luot = self.world.luot(start=False, config={"aggregator": {"referrer_spam": str(spam)},
                                                    "collector": {"country_db": str(spam)}})
        checks = self.doctor(luot, status=1)
        self.assert_said(checks, "referrer_spam", "warn", "days old")
        self.assert_said(checks, "country_db", "fail")

    def test_what_was_set_aside_and_what_waits_is_said(self):
        redis = self.world.redis()
        client = redis.client()
        client.xadd("luot:{p03}:rejected", {"reason": "x"}, id="1-1")
        client.xadd("luot:{p04}:hits", {"p": "x"}, id="1700000000000-1")
        client.hset("luot:{p05}:producers", "lost", 7)
        checks = self.doctor(self.world.luot(start=False, redis=redis), status=1)
        self.assert_said(checks, "rejected", "warn", "1 entries")
        self.assert_said(checks, "queue", "fail", "1 entries wait")
        self.assert_said(checks, "lost", "warn", "7")


class Hits(Doctor):
    def run_hits(self, luot, count, **how):
        self.wait_for_leases(luot)
        for i in range(count):
            self.assertEqual(luot.hit("skhcn", "/a", **{k: v(i) for k, v in how.items()}).status, 202)

    def test_one_address_that_sends_most_hits_points_at_trusted_proxies(self):
        luot = self.world.luot(config={"collector": {"workers": 1, "trusted_proxies": []}})
        self.run_hits(luot, 600)
        self.assert_said(self.doctor(luot, status=0), "trusted_proxies", "warn", "one address sends 100 %")

    def test_an_address_that_is_not_believed_points_at_it_sooner(self):
        luot = self.world.luot(config={"collector": {"workers": 1, "trusted_proxies": []}})
        self.run_hits(luot, 600, client=lambda i: f"10.0.{i % 100}.1")
        self.assert_said(self.doctor(luot, status=0), "trusted_proxies", "warn", "X-Forwarded-For", "100 %")

    def test_many_readers_behind_a_trusted_proxy_are_well(self):
        luot = self.world.luot(config={"collector": {"workers": 1}})
        self.run_hits(luot, 600, client=lambda i: f"10.0.{i % 100}.1")
        self.assert_said(self.doctor(luot, status=0), "trusted_proxies", "ok")
        self.assertNotIn(b"10.0.", luot.admin_http.get("/metrics").body)

    def test_a_page_with_many_titles_points_at_keep_query(self):
        luot = self.world.luot()
        self.wait_for_leases(luot)
        for i in range(8):
            token = luot.take_hit("skhcn", f"/index.php?article={i}", t=f"Bài \x1b[31m{i}", client=f"10.1.{i}.1")
        luot.take_hit("skhcn", "/one", t="One", client="10.2.0.1")
        luot.wait_for("skhcn", token)
        wait_for_rows(luot.redis())
        checks = self.doctor(luot, status=0)
        self.assert_said(checks, "titles", "warn", "keep_query", "8 titles")
        self.assertNotIn("\x1b", checks["titles"][1])

    def test_hits_that_are_refused_are_said_with_the_reason(self):
        luot = self.world.luot()
        self.wait_for_leases(luot)
        for _ in range(120):
            luot.hit("skhcn", "/a", headers={"Origin": "https://elsewhere.example"})
        self.assert_said(self.doctor(luot, status=0), "refused hits", "warn", "host_not_allowed", "hosts")


@contextlib.contextmanager
def served(pages, certificate=None):
    """A server of pages, path -> (headers, body); yields its address."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            headers, body = pages.get(self.path, ({":status": 404}, b"none"))
            body = body if isinstance(body, bytes) else body.encode()
            headers = dict({"Content-Type": "text/html; charset=utf-8"}, **headers)
            self.send_response(headers.pop(":status", 200))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                pass  # it has read enough

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Pages(Doctor):
    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(sites=[{"id": "bao", "hosts": ["127.0.0.1"]}, *SITES[:1]])
        self.script = f"http://{self.luot.public}/luot.js"
        self.tag = f'<script defer src="{self.script}" data-site="bao"></script>'

    def look(self, page, headers=None, path="/tin/a.html", status=None, certificate=None, more=None, arguments=()):
        pages = {path: (headers or {}, page), **(more or {})}
        with served(pages, certificate) as address:
            self.address = address
            return self.doctor(self.luot, address + path, *arguments, status=status, admin=False)

    def html(self, tag=None, head="", body=""):
        return f"<!doctype html><html><head><title>Một bài</title>{head}{self.tag if tag is None else tag}</head>" \
               f"<body>{body}</body></html>"

    def test_a_page_with_the_tag_is_counted_and_its_path_is_told(self):
        checks = self.look(self.html(), status=0)
        for name in ("page", "tag", "csp", "script", "hits", "numbers", "counts as", "referrer policy", "noscript"):
            self.assert_said(checks, name, "ok")
        self.assert_said(checks, "counts as", "ok", "/tin/a.html")
        self.assertEqual([(e["path"], e["counts_as"]) for e in self.explained], [("/tin/a.html", "view")])
        self.assertEqual(self.luot.counts("bao")["views"], 0, "looking counts nothing")

    def test_a_page_without_the_tag_is_told_which_one_to_put_in(self):
        self.assert_said(self.look(self.html(""), status=1), "tag", "fail", 'data-site="bao"')
        self.assert_said(self.look(self.html(f"<!-- {self.tag} -->"), status=1), "tag", "fail", "comment")
        self.assert_said(self.look(self.html(f"<noscript>{self.tag}</noscript>"), status=1), "tag", "fail", "noscript")
        self.assert_said(self.look(self.html(self.tag.replace("bao", "boa")), status=1), "tag", "fail", "boa")

    def test_policies_that_stop_luot_are_named_and_those_that_let_it_work_pass(self):
        def csp(value):
            return {"Content-Security-Policy": value}
        base = f"http://{self.luot.public}"
        self.assert_said(self.look(self.html(), csp("script-src 'self'"), status=1), "csp script", "fail", "script-src", base)
        checks = self.look(self.html(), csp(f"default-src 'none'; script-src {base}; img-src *"), status=0)
        self.assert_said(checks, "csp connect", "warn", "default-src")
        checks = self.look(self.html(), csp(f"default-src 'none'; script-src {base}"), status=1)
        self.assert_said(checks, "csp connect", "fail")
        self.assert_said(self.look(self.html(), csp(f"default-src 'self' {base}"), status=0), "csp", "ok")
        meta = '<meta http-equiv="Content-Security-Policy" content="script-src \'nonce-abc\'">'
        self.assert_said(self.look(self.html(head=meta), status=1), "csp script", "fail")
        tag = self.tag.replace("<script", '<script nonce="abc"')
        self.assert_said(self.look(self.html(tag, head=meta), status=0), "csp", "ok")

    def test_the_picture_needs_a_path_or_a_policy(self):
        def noscript(query, more=""):
            return f'<noscript><img src="http://{self.luot.public}/hit.gif?{query}" {more}></noscript>'
        self.assert_said(self.look(self.html(body=noscript("s=bao")), status=0), "noscript", "warn", "referrerpolicy")
        self.assert_said(self.look(self.html(body=noscript("s=bao&amp;p=/a"))), "noscript", "ok")
        good = noscript("s=bao", 'referrerpolicy="no-referrer-when-downgrade"')
        self.assert_said(self.look(self.html(body=good)), "noscript", "ok")
        self.assert_said(self.look(self.html(body=noscript("s=other&p=/a"))), "noscript", "warn", "s=bao")

    def test_canonical_links_count_and_odd_ones_are_said(self):
        link = '<link rel="canonical" href="{}">'
        checks = self.look(self.html(head=link.format("/b?nv=1")), status=0)
        self.assert_said(checks, "counts as", "ok", "/b?nv=1")
        self.assert_said(self.look(self.html(head=link.format("/"))), "canonical", "warn", "home page")
        self.assert_said(self.look(self.html(head=link.format("https://x.example/"))), "canonical", "warn", "another host")

    def test_redirections_are_followed_to_the_page_that_is_shown(self):
        more = {"/alt": ({":status": 301, "Location": "/tin/a.html"}, "")}
        with served({"/tin/a.html": ({}, self.html()), **more}) as address:
            checks = self.doctor(self.luot, address + "/alt", status=0, admin=False)
        self.assert_said(checks, "counts as", "ok", "/tin/a.html")

    def test_a_script_that_is_not_luots_fails(self):
        with served({"/luot.js": ({"Content-Type": "text/javascript"}, "alert(1)")}) as other:
            tag = self.tag.replace(f"http://{self.luot.public}", other)
            checks = self.look(self.html(tag), status=1)
        self.assert_said(checks, "script", "fail", "not luot.js")
        self.assert_said(checks, "hits", "fail", "404")

    def test_a_host_of_no_site_is_said(self):
        self.luot.config["site"][0]["hosts"] = ["elsewhere.example"]
        self.luot.write_config()
        checks = self.look(self.html(), status=1)
        self.assert_said(checks, "host", "fail", "hosts")
        self.assert_said(checks, "counts as", "fail", "host_not_allowed")

    def test_a_hostile_page_prints_nothing_but_text_and_ends(self):
        hostile = ("<title>\x1b]0;owned\x07\x9b</title><link rel=canonical href='/\x1b[31m&#27;[2J'>"
                   "<script data-site='\x1b[1m' src='&#x1b;[5m/luot.js'></script>" + "<a b='" + "x" * 5_000_000)
        with served({"/": ({"Content-Security-Policy": "script-src \x07"}, hostile)}) as address:
            status, output, errors = self.world.run("doctor", address + "/", "--config", self.luot.config_file)
        self.assertEqual((status, errors), (1, ""))
        self.assertFalse([c for c in output if c != "\n" and (ord(c) < 32 or 0x7F <= ord(c) < 0xA0)])

    def test_https_is_fetched_and_a_script_over_http_on_it_is_mixed_content(self):
        pem = self.world.folder / "server.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", pem, "-out",
                        str(pem) + ".crt", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        certificate = Path(str(pem) + ".crt")
        pem.write_bytes(pem.read_bytes() + certificate.read_bytes())
        page = self.html()
        checks = self.look(page, certificate=pem, status=1)
        self.assert_said(checks, "page", "fail", "certificate")
        os.environ["CURL_CA_BUNDLE"] = str(certificate)
        self.addCleanup(os.environ.pop, "CURL_CA_BUNDLE")
        self.assert_said(self.look(page, certificate=pem, status=1), "tag", "fail", "over https")

    def test_without_curl_it_says_so(self):
        empty = self.world.folder / "no-programs"
        empty.mkdir()
        status, output, errors = self.world.run("doctor", "http://127.0.0.1:1/", "--config", self.luot.config_file,
                                                env={**os.environ, "PATH": str(empty)})
        self.assertEqual((status, errors), (1, ""))
        self.assertIn("apt-get install curl", output)
        checks = self.doctor(self.luot, "http://127.0.0.1:1/", status=1, admin=False)
        self.assert_said(checks, "page", "fail", "127.0.0.1:1")


if __name__ == "__main__":
    main()
