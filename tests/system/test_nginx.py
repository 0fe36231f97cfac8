#!/usr/bin/env python3
"""deploy/nginx/luot.conf before a real luot: TLS and HTTP/2, readers told apart, no address in any file, each hit counted
once also when nginx had to ask a second collector, and no request that fails while one of two is restarted."""

import http.client
import http.server
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import BROWSER, GIF_BYTES, LIGHT, ROOT, SITES, SystemTest, eventually, hour_lasts, main, patience, split_address  # noqa: E402
from nginx import HOST, SITE_FILE, Nginx  # noqa: E402

READERS = [f"127.0.0.{n}" for n in range(2, 8)]


class InFront(SystemTest):
    """One `luot serve`, as most have it."""

    def start(self, start=True, change=lambda text: text, **config):
        self.luot = self.world.luot(sites=[{**SITES[0], "public": ["counts", "summary", "most_read", "related", "badge", "stats"]},
                                           *SITES[1:]], config=config)
        self.nginx = Nginx(self.world, [self.luot.public], change=change)
        if start:
            self.nginx.start()
        return self.nginx

    def test_the_file_is_taken_as_it_is_shipped(self):
        done = self.start(start=False).check()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("[warn]", done.stderr)
        self.assertEqual(self.nginx.start().process.poll(), None)

    def test_pages_are_counted_over_http2_and_their_numbers_read(self):
        nginx = self.start()
        hit = nginx.hit("/a", id="one")
        self.assertEqual((hit.version, hit.status, hit.json()["accepted"]), ("2", 202, True))
        self.luot.wait_for("skhcn", hit.token)
        counts = nginx.curl(f"/api/v1/counts?site=skhcn&path=/a&after={hit.token}")
        self.assertEqual((counts.status, counts.json()["pages"]["/a"]["views"]), (200, 1))
        self.assertEqual((counts.headers["Access-Control-Allow-Origin"], hit.headers["Cache-Control"]), ("*", "no-store"))
        # An answer that has not changed is not sent again.
        figures = nginx.curl("/api/v1/counts?site=skhcn&path=/a")
        again = nginx.curl("/api/v1/counts?site=skhcn&path=/a", "--header", f"If-None-Match: {figures.headers['ETag']}")
        self.assertEqual((again.status, again.body), (304, b""))
        asked = nginx.curl("/api/v1/counts", "--data", json.dumps({"site": "skhcn", "paths": ["/a"]}))
        self.assertEqual(asked.json()["pages"]["/a"]["views"], 1)
        pixel = nginx.curl("/hit.gif?s=skhcn&p=/a", "--http1.1")
        self.assertEqual((pixel.version, pixel.status, len(pixel.body)), ("1.1", 200, GIF_BYTES))
        self.assertEqual(nginx.curl("/count.txt?site=skhcn&path=/none").body, b"0")
        self.assertIn(b"<svg", nginx.curl("/badge.svg?site=skhcn").body)
        self.luot.wait_for("skhcn", pixel.token)
        self.assertEqual(self.luot.views("skhcn", "/a"), 2)

    def test_tls_is_1_2_at_least_and_http_is_sent_there(self):
        nginx = self.start()
        for version in ("1.2", "1.3"):
            self.assertEqual(nginx.curl("/luot.js", f"--tlsv{version}", "--tls-max", version).status, 200)
        with self.assertRaisesRegex(ConnectionError, "curl: 35 "):
            nginx.curl("/luot.js", "--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")
        moved = nginx.curl("/hit?x=1", "--data", "s=skhcn&p=/a", scheme="http")
        self.assertEqual((moved.status, moved.headers["Location"]), (308, f"https://{HOST}:{nginx.https}/hit?x=1"))
        followed = nginx.curl("/hit", "--location", "--data", "s=skhcn&p=/a", scheme="http")
        self.assertIn(b'"accepted":true', followed.body)

    def test_each_reader_is_one_whatever_it_says_of_itself(self):
        hour_lasts()
        nginx = self.start()
        # 127.0.0.1 is a proxy that luot believes: also from there nobody can say who he is.
        for reader in ("127.0.0.1", *READERS[:2]):
            for forged in ("203.0.113.1", "203.0.113.2, 127.0.0.1"):
                hit = nginx.hit("/a", "--header", f"X-Forwarded-For: {forged}", "--header", f"X-Real-IP: {forged}", reader=reader)
        self.luot.wait_for("skhcn", hit.token)
        today = self.luot.counts("skhcn", summary=1)["summary"]["today"]
        self.assertEqual((today["views"], today["visits"], today["visitors"]), (6, 3, 3))

    def test_behind_a_balancer_readers_are_those_that_it_names(self):
        """As the comments in the file say it, for X-Forwarded-For and for the PROXY protocol."""
        balancer, stranger = READERS[:2]

        def forwarded(text):
            return re.sub(r"# set_real_ip_from 192\.0\.2\.10; (?=real_ip_header X-Forwarded-For)", f"set_real_ip_from {balancer}; ", text)

        def proxied(text):
            text = re.sub(r"# set_real_ip_from 192\.0\.2\.10; (?=real_ip_header proxy_protocol)", f"set_real_ip_from {balancer}; ", text)
            return text.replace("ssl http2;", "ssl http2 proxy_protocol;")

        nginx = self.start(change=forwarded)
        for reader, named in ((balancer, "203.0.113.1"), (balancer, "198.51.100.1, 203.0.113.2"), (stranger, "203.0.113.3"), (stranger, "203.0.113.4")):
            hit = nginx.hit("/a", "--header", f"X-Forwarded-For: {named}", reader=reader)
        self.luot.wait_for("skhcn", hit.token)
        self.assertEqual(self.luot.counts("skhcn")["visits"], 3, "two that the balancer names, and the stranger")
        nginx.close()
        self.luot.stop()
        self.world.folder = self.world.folder / "second"
        self.world.folder.mkdir()
        nginx = self.start(change=proxied)
        context = ssl.create_default_context(cafile=nginx.folder / "ca.pem")
        for reader, named in ((balancer, "203.0.113.1"), (balancer, "203.0.113.2"), (stranger, "203.0.113.3"), (stranger, "203.0.113.4")):
            with socket.create_connection(("127.0.0.1", nginx.https), 10, source_address=(reader, 0)) as wire:
                wire.sendall(f"PROXY TCP4 {named} 127.0.0.1 50000 443\r\n".encode())
                with context.wrap_socket(wire, server_hostname=HOST) as secure:
                    secure.sendall(f"GET /hit.gif?s=skhcn&p=/a HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: {BROWSER}\r\nConnection: close\r\n\r\n".encode())
                    answer = b"".join(iter(lambda: secure.recv(65536), b""))
            self.assertIn(b" 200 OK", answer)
        self.luot.wait_for("skhcn", re.search(rb"(?i)luot-token: (\S+)", answer)[1].decode())
        self.assertEqual(self.luot.counts("skhcn")["visits"], 3)

    def test_luot_s_own_limit_holds_for_each_reader_and_says_so(self):
        nginx = self.start(collector={"rate_limit_per_client": 1})
        answers = []
        def refused():
            answers.append(nginx.hit("/a"))
            return answers[-1].status == 429
        eventually(refused, patience(20), "a limit")
        self.assertEqual((answers[-1].reason, answers[-1].headers["Retry-After"], answers[-1].json()),
                         ("rate_limited", "1", {"accepted": False, "reason": "rate_limited"}))
        self.assertEqual(nginx.hit("/a", reader=READERS[1]).status, 202)

    def test_reads_of_one_reader_are_limited_and_others_are_answered(self):
        nginx = self.start()
        done = subprocess.run(nginx.curl_arguments("--include", f"https://{HOST}:{nginx.https}/api/v1/counts?site=skhcn&n=[1-1500]"), capture_output=True)
        statuses = re.findall(rb"HTTP/2 (\d+)", done.stdout)
        self.assertEqual(set(statuses), {b"200", b"429"})
        self.assertGreater(statuses.count(b"200"), 200, "a burst")
        refused = done.stdout[done.stdout.index(b"HTTP/2 429"):].partition(b"HTTP/2 200")[0].lower()
        for part in (b"\r\nretry-after: 1\r\n", b"\r\naccess-control-allow-origin: *\r\n", b'"code":"rate_limited"'):
            self.assertIn(part, refused)
        self.assertEqual(nginx.curl("/api/v1/counts?site=skhcn", reader=READERS[1]).status, 200)
        self.assertEqual(nginx.hit("/a").status, 202, "hits are for luot to limit")

    def test_a_client_of_limits_is_an_address_or_a_64(self):
        """By the expressions of the file, as nginx writes addresses."""
        text = SITE_FILE.read_text()
        patterns = [p.replace("(?<", "(?P<") for p in re.findall(r'"~(\^\(\?<luot_net\S+?)"', text)]
        self.assertEqual(len(patterns), 2)

        def client(address):
            found = next((m for m in (re.match(p, address) for p in patterns) if m), None)
            return found[1] if found else address
        for address, wanted in (("192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2"), ("2001:db8:1:2::9", "2001:db8:1:2"),
                                ("2001:db8:1::9", "2001:db8:1"), ("2001:db8::1:2:3:4", "2001:db8"), ("::1", "::1")):
            self.assertEqual(client(address), wanted)

    def test_scripts_come_from_the_cache_and_also_when_luot_is_away(self):
        nginx = self.start()
        def asked():
            return self.luot.metrics().value("luot_http_requests_total", port="public")
        first = {coding: nginx.curl("/luot.js", "--header", f"Accept-Encoding: {coding}") for coding in ("gzip", "identity")}
        self.assertEqual([a.headers["Content-Encoding"] for a in first.values()], ["gzip", None])
        for answer in first.values():
            self.assertEqual((answer.status, answer.headers["Cache-Control"], answer.headers["Vary"], answer.headers["Access-Control-Allow-Origin"]),
                             (200, "public, max-age=86400", "Accept-Encoding", "*"))
        before = asked()
        for coding, kept in ((c, k) for k in range(3) for c in ("gzip", "identity", "br, gzip", "deflate", "gzip;q=0, br")):
            is_zipped = coding in ("gzip", "br, gzip")
            answer = nginx.curl(f"/luot.js?v={kept}", "--header", f"Accept-Encoding: {coding}", reader=READERS[kept])
            self.assertEqual(answer.body, first["gzip" if is_zipped else "identity"].body)
        etag = first["identity"].headers["ETag"]
        self.assertEqual(nginx.curl("/luot.js", "--header", f"If-None-Match: {etag}").status, 304)
        self.assertEqual(asked(), before, "luot was asked no more")
        self.luot.stop()
        self.assertEqual(nginx.curl("/luot.js").body, first["identity"].body)

    def test_a_script_that_is_old_is_asked_for_by_its_etag(self):
        """Of a stand-in for luot, which says that its script is old after a second (X-Accel-Expires)."""
        asked = []

        class Script(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append((self.headers["If-None-Match"], self.headers["X-Forwarded-For"], self.headers["Accept-Encoding"], self.headers["Host"]))
                is_known = self.headers["If-None-Match"] == '"one"'
                self.send_response(304 if is_known else 200)
                for name, value in (("ETag", '"one"'), ("X-Accel-Expires", "1"), ("Vary", "Accept-Encoding"), ("Content-Length", "0" if is_known else "6")):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"" if is_known else b"script")

            def log_message(self, *_):
                pass

        stand_in = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Script)
        threading.Thread(target=stand_in.serve_forever, daemon=True).start()
        self.addCleanup(stand_in.server_close)
        self.addCleanup(stand_in.shutdown)
        nginx = Nginx(self.world, [f"127.0.0.1:{stand_in.server_port}"]).start()

        def revalidated():
            self.assertEqual(nginx.curl("/luot.js", "--header", "Accept-Encoding: gzip, br").body, b"script")
            return len(asked) > 1
        eventually(revalidated, patience(15), "it is asked for again")
        self.assertEqual(asked[:2], [(None, READERS[0], "gzip", HOST), ('"one"', READERS[0], "gzip", HOST)])

    def test_only_what_is_for_the_world_is_there(self):
        nginx = self.start()
        for target in ("/metrics", "/healthz", "/readyz", "/", "/hits", "/hit/", "/luot.js/x", "/api/v2/counts", "/METRICS", "//metrics",
                       "/stats/../metrics", "/api/v1/%2e%2e/%2e%2e/metrics", "/hit.gif/../metrics", "/.luot/refused", "/.luot/pixel"):
            answer = nginx.curl(target, "--path-as-is")
            self.assertEqual(answer.status, 404, target)
            self.assertIn(b"<center>nginx</center>", answer.body, f"{target} was not asked of luot")
        self.assertNotRegex(nginx.curl("/").headers["Server"], r"\d")

    def test_every_public_route_of_luot_has_its_place(self):
        """A route that comes new to luot and is not in the file fails here."""
        nginx = self.start()
        routes = set()
        for file in (*(ROOT / "collector").glob("*.cpp"), *(ROOT / "aggregator").glob("*.cpp")):
            routes |= set(re.findall(r'routes\.add\(\s*(?:http::)?(?:method::\w+|m), "([^"]+)"', file.read_text()))
        self.assertLessEqual({"/hit", "/hit.gif", "/luot.js", "/luot-events.js", "/api/v1/counts", "/api/v1/live", "/badge.svg"}, routes)
        for route in sorted(routes):
            answer = nginx.curl(route, "--max-time", "10") if route != "/hit" else nginx.hit("/a")
            self.assertNotEqual(answer.status, 404, route)

    def test_live_figures_go_out_as_they_come(self):
        nginx = self.start(collector={"workers": 1})
        listener = subprocess.Popen(nginx.curl_arguments("--no-buffer", "--include", f"https://{HOST}:{nginx.https}/api/v1/live?site=skhcn",
                                                         reader=READERS[1]), stdout=subprocess.PIPE)
        self.addCleanup(listener.stdout.close)
        heard, found = [], threading.Event()
        def listen():
            for line in listener.stdout:
                heard.append(line)
                if b'"views":1,' in line:
                    found.set()
        thread = threading.Thread(target=listen)
        thread.start()
        try:
            eventually(lambda: any(b'"views":0,' in line for line in heard), patience(15), "the first event")
            self.assertEqual(heard[0].split()[:2], [b"HTTP/2", b"200"])
            self.assertEqual(nginx.hit("/a").status, 202)
            self.assertTrue(found.wait(patience(15)), "the view is told while the connection is open")
            self.assertIsNone(listener.poll())
        finally:
            listener.kill()
            listener.wait()
            thread.join()

    def test_what_nginx_refuses_itself_is_said_as_luot_says_it(self):
        nginx = self.start()
        body, page = self.world.folder / "body", "x" * (16 * 1024 - len('{"s":"skhcn","p":"/a","t":""}'))
        body.write_text(json.dumps({"s": "skhcn", "p": "/a", "t": page}, separators=(",", ":")))
        self.assertEqual(body.stat().st_size, 16 * 1024)
        options = ("--data-binary", f"@{body}", "--header", "Content-Type: text/plain")
        for version in ("--http1.1", "--http2"):
            self.assertEqual(nginx.curl("/hit", version, *options).status, 202, "16 KiB are luot's limit")
        body.write_text(body.read_text() + " ")
        for version in ("--http1.1", "--http2"):
            answer = nginx.curl("/hit", version, *options)
            self.assertEqual((answer.status, answer.reason, answer.json()["accepted"], answer.json()["reason"], answer.headers["Access-Control-Allow-Origin"]),
                             (413, "too_large", False, "too_large", "*"))
        direct = self.luot.http.request("POST", "/hit", body=body.read_text())
        self.assertEqual((direct.status, direct.reason, direct.json()["reason"]), (413, "too_large", "too_large"))
        answer = nginx.curl(f"/hit.gif?s=skhcn&p=/{'x' * 16400}", "--http1.1")
        self.assertEqual((answer.status, answer.json()["reason"]), (413, "too_large"))
        self.luot.stop()
        for answer in (nginx.hit("/a"), nginx.curl("/api/v1/counts?site=skhcn")):
            self.assertEqual((answer.status, answer.headers["Retry-After"], answer.reason, answer.json()["reason"], answer.json()["error"]["code"],
                              answer.headers["Access-Control-Allow-Origin"]), (503, "2", "unavailable", "unavailable", "unavailable", "*"))
        pixel = nginx.curl("/hit.gif?s=skhcn&p=/a")
        self.assertEqual((pixel.status, pixel.reason, pixel.headers["Content-Type"], len(pixel.body)), (503, "unavailable", "image/gif", GIF_BYTES))
        wanted = [["POST", "/hit", "503"], ["GET", "/api/v1/counts", "503"], ["GET", "/hit.gif", "503"]]
        eventually(lambda: [line.split()[1:4] for line in (nginx.folder / "luot.log").read_text().splitlines()[-3:]] == wanted,
                   patience(10), "nginx has logged them, which it does after the answer")

    def test_no_address_is_in_any_file(self):
        """Whatever happens: taken, refused, failed, broken off. nginx itself logs at level `info`, more than Debian's."""
        nginx = self.start(collector={"rate_limit_per_client": 1})
        targets = ("/hit.gif?s=skhcn&p=/a", "/hit.gif?s=none", "/luot.js", "/api/v1/counts?site=skhcn", "/api/v1/counts?site=none", "/badge.svg?site=skhcn",
                   "/metrics", "/stats/skhcn", "/none?secret=1", f"/api/v1/top?{'x' * 16400}")
        def all_kinds(reader):
            for target in targets:
                nginx.curl(target, "--http1.1", reader=reader)
            nginx.hit("/a", reader=reader)
            nginx.curl("/hit", "--data-binary", "x" * 20_000, reader=reader)
            nginx.curl("/hit", "--data", "s=skhcn", reader=reader, scheme="http")
            for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"nonsense\r\n\r\n"):  # no TLS
                with socket.create_connection(("127.0.0.1", nginx.https), 10, source_address=(reader, 0)) as wire:
                    wire.sendall(data)
                    wire.recv(1000)
            context = ssl.create_default_context(cafile=nginx.folder / "ca.pem")
            for data in (b"GET /hit HTTP/9\r\n\r\n", b"POST /hit HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nContent-Length: 50\r\n\r\nx"):
                with socket.create_connection(("127.0.0.1", nginx.https), 10, source_address=(reader, 0)) as wire:
                    context.wrap_socket(wire, server_hostname=HOST).sendall(data)  # broken off
        all_kinds(READERS[3])
        self.luot.stop()
        all_kinds(READERS[4])
        nginx.close()
        files = nginx.logs()
        self.assertIn("luot.log", files)
        self.assertGreater(files["luot.log"].count(b"\n"), 3)
        self.assertEqual(files["access.log"], b"")
        for name, data in files.items():
            for reader in READERS[3:5]:
                self.assertNotIn(reader.encode(), data, f"{name}: {[l for l in data.splitlines() if reader.encode() in l][:3]}")
            self.assertNotIn(BROWSER.encode(), data, name)
            self.assertNotIn(b"secret", data, name)
        for line in files["luot.log"].decode().splitlines():
            self.assertRegex(line, r"^\S+T\S+ (other|[A-Z]+ /[/a-z0-9._-]+) \d{3} upstream=(-|[0-9.:, ]+) ([0-9, ]+|-) seconds=[0-9.]+ ([0-9., -]+)$")

    @unittest.skipUnless(shutil.which("h2load"), "h2load is not installed (nghttp2-client)")
    def test_many_streams_of_one_connection_are_all_counted(self):
        nginx, hits = self.start(), 400 if LIGHT else 2000
        body = self.world.folder / "body"
        body.write_text('{"s":"skhcn","p":"/a"}')
        done = subprocess.run(["h2load", "-n", str(hits), "-c", "4", "-m", "16", "-d", str(body), "-H", f"user-agent: {BROWSER}",
                               "--connect-to", f"127.0.0.1:{nginx.https}", f"https://{HOST}:{nginx.https}/hit"], capture_output=True, text=True)
        self.assertRegex(done.stdout, rf"status codes: {hits} 2xx", done.stdout + done.stderr)
        eventually(lambda: self.luot.views("skhcn", "/a") == hits, patience(20), "all are counted")
        self.assertLess(self.luot.metrics().value("luot_http_connections_total", port="public"), hits / 4, "connections to luot are kept")


class Several(SystemTest):
    """Two collectors, or two of everything, behind one name."""

    def setUp(self):
        super().setUp()
        self.server = self.world.redis()

    def start(self, command, name):
        return self.world.luot(command, name, redis=self.server, start=False)

    def collectors(self):
        both = [self.start("collector", f"c{n}") for n in range(2)]
        both[0].start()
        self.world.share_salts(*both)
        both[1].start()
        return both

    def test_a_hit_whose_answer_was_lost_counts_once_at_the_second_collector(self):
        """The first took it and died before it could answer. Also of the image without an id, which nginx gives one."""
        first, second = self.collectors()
        aggregator = self.start("aggregator", "a").start()
        with socket.create_server(("127.0.0.1", 0)) as door:
            taken = []
            def die_before_the_answer():
                while True:
                    try:
                        wire, _ = door.accept()
                    except OSError:
                        return
                    with wire, socket.create_connection(split_address(first.public), 10) as to:
                        request = b""
                        while b"\r\n\r\n" not in request or len(request.partition(b"\r\n\r\n")[2]) < int((re.search(rb"(?i)content-length: (\d+)", request) or [0, 0])[1]):
                            request += wire.recv(65536)
                        to.sendall(request)
                        taken.append(to.recv(65536))
            thread = threading.Thread(target=die_before_the_answer, daemon=True)
            thread.start()
            nginx = Nginx(self.world, [f"127.0.0.1:{door.getsockname()[1]}", second.public], [aggregator.public]).start()
            tokens = []
            def doubled(send):
                before = len(taken)
                answer = send()
                self.assertIn(answer.status, (200, 202))
                tokens.append(answer.token)
                return len(taken) > before
            eventually(lambda: doubled(lambda: nginx.hit("/a", id=f"hit-{len(tokens)}")), patience(15), "a hit taken twice")
            eventually(lambda: doubled(lambda: nginx.curl("/hit.gif?s=skhcn&p=/a")), patience(15), "an image taken twice")
            door.shutdown(socket.SHUT_RDWR)
        thread.join()
        self.assertTrue(all(b"Luot-Token" in answer for answer in taken), taken)
        for text in (*tokens, *(re.search(rb"Luot-Token: (\S+)", answer)[1].decode() for answer in taken)):
            aggregator.wait_for("skhcn", text)
        self.assertEqual(aggregator.views("skhcn", "/a"), len(tokens))
        self.assertRegex((nginx.folder / "luot.log").read_text(), r"POST /hit 202 upstream=\S+, \S+ 502, 202 ")

    def test_a_hit_goes_to_the_second_collector_when_the_first_has_no_room(self):
        first, second = self.collectors()
        first.stop()
        aggregator = self.start("aggregator", "a").start()
        refused = []

        class Full(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                body = b'{"accepted":false,"reason":"spool_full"}'
                refused.append(self.path)
                self.send_response(503)
                for name, value in (("Luot-Refused", "spool_full"), ("Retry-After", "7"), ("Content-Type", "application/json"), ("Content-Length", len(body))):
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        full = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Full)
        threading.Thread(target=full.serve_forever, daemon=True).start()
        self.addCleanup(full.server_close)
        self.addCleanup(full.shutdown)
        nginx = Nginx(self.world, [f"127.0.0.1:{full.server_port}", second.public], [aggregator.public]).start()
        count = 0
        while not refused:
            self.assertEqual(nginx.hit("/a").status, 202)
            count += 1
        eventually(lambda: aggregator.views("skhcn", "/a") == count, patience(10), "each is counted")
        # With no other its answer is luot's own.
        second.stop()
        answer = eventually(lambda: (a := nginx.hit("/a")).reason == "spool_full" and a, patience(10), "the refusal itself")
        self.assertEqual((answer.status, answer.headers["Retry-After"], answer.json()["reason"]), (503, "7", "spool_full"))

    def test_nothing_fails_while_each_of_two_is_restarted(self):
        parts = self.collectors() + [self.start("aggregator", f"a{n}").start() for n in range(2)]
        for part in parts:  # each comes again where it was
            part.config["listen"] = {"public": part.public, "admin": "127.0.0.1:0"}
        nginx = Nginx(self.world, [p.public for p in parts[:2]], [p.public for p in parts[2:]]).start()
        context = ssl.create_default_context(cafile=nginx.folder / "ca.pem")
        failed, sent, is_over = [], [], threading.Event()

        def reader(number):
            connection = http.client.HTTPSConnection(HOST, nginx.https, context=context, timeout=patience(20))
            connection._create_connection = lambda _, *rest: socket.create_connection(
                ("127.0.0.1", nginx.https), rest[0], source_address=(READERS[number], 0))
            count = 0
            while not is_over.wait(0.02):
                for method, target, body in (("POST", "/hit", json.dumps({"s": "skhcn", "p": f"/{number}", "id": f"r{number}-{count}"})),
                                             ("GET", "/hit.gif?s=skhcn&p=/" + str(number), None),
                                             ("GET", "/api/v1/counts?site=skhcn", None)):
                    try:
                        connection.request(method, target, body=body, headers={"User-Agent": BROWSER})
                        answer = connection.getresponse()
                        text = answer.read()
                        if answer.status not in (200, 202):
                            failed.append((method, target, answer.status, text[:200]))
                    except (OSError, http.client.HTTPException) as error:
                        failed.append((method, target, repr(error)))
                        connection.close()
                count += 1
            sent.append((f"/{number}", 2 * count))
            connection.close()

        threads = [threading.Thread(target=reader, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        try:
            for part in parts:
                part.stop()
                part.start()
                # nginx sends it requests again, so that it may be the only one.
                eventually(lambda: part.metrics().value("luot_http_requests_total", port="public") > 50, patience(30), "it is asked again")
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failed, [])
        self.assert_counted(parts[2], {("skhcn", page): count for page, count in sent}, deadline=patience(20))
        self.assert_verified(parts[0])


if __name__ == "__main__":
    main()
