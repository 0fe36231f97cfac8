#!/usr/bin/env python3
"""Bad input gets a clear refusal and the process lives; a start that cannot succeed ends with status 2 and
one line that says why."""

import json
import os
import re
import resource
import socket
import sys
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import (BROWSER, GIF_BYTES, LIGHT, SITES, SystemTest, eventually, hit_request,  # noqa: E402
                  main, patience, raw_exchange, seeded, split_address, split_answers, to_toml)

HEAD = f"Host: stats.example.vn\r\nUser-Agent: {BROWSER}\r\n"


class OneLuot(SystemTest):
    """A luot that has to live, and to take and count hits, at the end of each test."""

    def setUp(self):
        super().setUp()
        self.luot = self.world.luot()
        self.pid = self.luot.pid
        self.addCleanup(self.assert_alive)

    def assert_alive(self):
        self.assertTrue(self.luot.is_running(), "luot lives")
        self.assertEqual(self.luot.pid, self.pid)
        token = self.luot.take_hit("skhcn", "/still-alive")
        self.luot.wait_for("skhcn", token)
        self.assert_balanced(self.luot)

    def assert_refused(self, answer, status, reason, gif=False):
        self.assertEqual((answer.status, answer.reason), (status, reason), answer)
        self.assertIsNone(answer.token)
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        if gif:
            self.assertEqual(len(answer.body), GIF_BYTES)
        else:
            self.assertEqual(answer.json(), {"accepted": False, "reason": reason})

    def get(self, target, **headers):
        return self.luot.http.get(target, **headers)

    def post(self, body, **headers):
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.luot.http.request("POST", "/hit", body=body, headers={"Content-Type": "text/plain", **headers})

    def exchange(self, text, **how):
        data = text if isinstance(text, bytes) else text.encode()
        return raw_exchange(self.luot.public, data, **how)


class BadHits(OneLuot):
    def test_a_hit_for_an_unknown_site_is_refused(self):
        self.assert_refused(self.get("/hit.gif?s=none&p=/"), 403, "unknown_site", gif=True)
        self.assert_refused(self.post('{"s":"none","p":"/"}'), 403, "unknown_site")

    def test_a_hit_from_a_foreign_host_is_refused(self):
        good, foreign = "https://skhcn.example.vn", "https://evil.example.com"
        body = '{"s":"skhcn","p":"/a"}'
        self.assert_refused(self.post(body, Origin=foreign), 403, "host_not_allowed")
        self.assert_refused(self.post(body, Origin=foreign, Referer=good + "/a"), 403, "host_not_allowed")
        self.assert_refused(self.post(body, Referer=foreign + "/a"), 403, "host_not_allowed")
        self.assert_refused(self.post(body, Origin="null", Referer=foreign + "/"), 403, "host_not_allowed")
        pixel = self.get("/hit.gif?s=skhcn&p=/a", Referer=foreign + "/a")
        self.assert_refused(pixel, 403, "host_not_allowed", gif=True)
        self.assert_refused(self.post(body, Origin="https://skhcn.example.vn.evil.com"), 403, "host_not_allowed")
        for headers in ({}, {"Origin": "null"}, {"Origin": good}, {"Origin": "https://SKHCN.example.vn:8443"},
                        {"Origin": "https://skhcn.example.vn."}, {"Referer": good + "/any?x=y"},
                        {"Origin": good, "Referer": foreign}):
            with self.subTest(headers):
                self.assertEqual(self.post(body, **headers).status, 202)

    def test_a_hit_without_a_page_is_refused_and_never_counts_as_the_home_page(self):
        self.assert_refused(self.get("/hit.gif?s=skhcn"), 400, "bad_request", gif=True)
        for referer in ("https://skhcn.example.vn", "https://skhcn.example.vn/"):
            self.assert_refused(self.get("/hit.gif?s=skhcn", Referer=referer), 400, "bad_request", gif=True)
        self.assert_refused(self.post('{"s":"skhcn"}'), 400, "bad_request")
        self.assert_refused(self.post('{"s":"skhcn","p":""}'), 400, "bad_request")
        self.assert_refused(self.post('{"p":"/a"}'), 400, "bad_request")
        self.assertEqual(self.luot.views("skhcn", "/"), 0)

    def test_fields_over_their_limits_are_refused_or_cut(self):
        long = {"p": "/" + "a" * 2000, "id": "x" * 65, "s": "a" * 33}
        for field, value in long.items():
            with self.subTest(field):
                fields = {"s": "skhcn", "p": "/a", field: value}
                self.assert_refused(self.post(json.dumps(fields)), 400, "bad_request")
                query = "&".join(f"{k}={quote(v)}" for k, v in fields.items())
                self.assert_refused(self.get("/hit.gif?" + query), 400, "bad_request", gif=True)
        for bad_id in ("a b", "ä", "a.b", "a/b", "<>"):
            self.assert_refused(self.post(json.dumps({"s": "skhcn", "p": "/a", "id": bad_id})), 400, "bad_request")
        fits = {"s": "skhcn", "p": "/" + "a" * 1999, "id": "x" * 64, "t": "ừ" * 1000, "c": "ừ" * 300, "n": None,
                "r": "https://x.example/" + "b" * 4000, "l": "v" * 99, "w": "123456789", "unknown": {"a": [1]}}
        self.assertEqual(self.post(json.dumps(fits)).status, 202)
        self.assertEqual(self.post(json.dumps(fits, ensure_ascii=False).encode()).status, 202)

    def test_an_address_of_10_kB_is_refused_and_a_head_over_16_KiB_closes_the_connection(self):
        self.assert_refused(self.get("/hit.gif?s=skhcn&p=/" + "a" * 10_000), 400, "bad_request", gif=True)
        self.assert_refused(self.get("/hit.gif?s=skhcn&p=/" + "%C3%A1" * 1001), 400, "bad_request", gif=True)
        raw, closed = self.exchange(f"GET /hit.gif?s=skhcn&p=/{'a' * 17_000} HTTP/1.1\r\n{HEAD}\r\n")
        self.assertTrue(closed)
        answer = split_answers(raw)[0]
        self.assertEqual((answer.status, answer.reason), (413, "too_large"))

    def test_broken_utf8_and_percent_signs_are_refused_in_addresses(self):
        for path in ("/%FF", "/%C3", "/%E1%BB", "/%zz", "/%", "/%4", "/a%", "/%C0%AF", "/%ED%A0%80", "/a\nb", "/a\0b",
                     "/a\x1fb"):
            with self.subTest(path):
                inner = quote(path, safe="")  # what luot.js sends: the address itself holds the escapes
                self.assert_refused(self.get(f"/hit.gif?s=skhcn&p={inner}"), 400, "bad_request", gif=True)
                self.assert_refused(self.post(json.dumps({"s": "skhcn", "p": path})), 400, "bad_request")
        for query in ("p=/%FF", "p=%zz", "p=/a%", "p=/a&s=skhcn%", "p=/a%00", "p=/a&id=%zz"):
            with self.subTest(query):
                site = "" if "s=" in query else "s=skhcn&"
                self.assertEqual(self.get(f"/hit.gif?{site}{query}").status, 400)
        self.assert_refused(self.post(b'{"s":"skhcn","p":"/\xff"}'), 400, "bad_request")
        self.assert_refused(self.post(b'{"s":"skhcn","p":"/\xed\xa0\x80"}'), 400, "bad_request")

    def test_broken_utf8_in_a_title_is_taken_as_it_can_be(self):
        self.assertEqual(self.post(b'{"s":"skhcn","p":"/a","t":"\xff\xfetin \xe1\xbb"}').status, 202)
        self.assertEqual(self.get("/hit.gif?s=skhcn&p=/a&t=%FF%FEtin").status, 200)

    def test_broken_json_is_refused(self):
        whole = '{"s":"skhcn","p":"/a","t":"tin \\u1ee9c","n":null}'
        for cut in range(1, len(whole)):
            answer = self.post(whole[:cut])
            self.assert_refused(answer, 400, "bad_request")
        deep = ['{"s":"skhcn","p":"/a","x":' + "[" * 10_000, '{"x":' * 2500, "[" * 10_000,
                '{"s":"skhcn","p":"/a","x":' + "[" * 5000 + "]" * 5000 + "}"]
        wrong = ['{"s":1,"p":"/a"}', '{"s":"skhcn","p":["/a"]}', '{"s":"skhcn","p":{"a":1}}', '{"s":"skhcn","p":true}',
                 '{"s":"skhcn","p":"/a","id":{}}', '{"s":"skhcn","p":"/a","t":[]}', '{"s":"skhcn","p":"/a"} x',
                 '{"s":"skhcn","p":"/a",}', '{"s":"skhcn" "p":"/a"}', "{'s':'skhcn','p':'/a'}", "", " ", "null", "[]",
                 '["skhcn","/a"]', '"skhcn"', "{}", '{"s":null,"p":"/a"}', '{"s":"skhcn","p":"/a\n"}',
                 '{"s":"skhcn","p":"/\\u0000"}', '{"s":"skhcn","p":"/\\ud800"}']
        for body in deep + wrong:
            with self.subTest(body[:60]):
                answer = self.post(body)
                self.assertIn(answer.status, (400, 403) if body.startswith('{"s":1') else (400,), answer)
                self.assertIn(answer.reason, ("bad_request", "unknown_site"))
        self.assertEqual(self.post(whole).status, 202)

    def test_any_content_type_is_taken(self):
        body = '{"s":"skhcn","p":"/a"}'
        for kind in ("text/plain", "text/plain;charset=UTF-8", "application/json", "application/octet-stream", ""):
            answer = self.luot.http.request("POST", "/hit", body=body, headers={"Content-Type": kind})
            self.assertEqual(answer.status, 202, kind)

    def test_random_bytes_do_no_harm(self):
        rng = seeded("test_bad_input")
        whole = hit_request("skhcn", "/a", "json")
        for number in range(60 if LIGHT else 300):
            data = bytearray(whole)
            for _ in range(rng.randint(1, 12)):
                at = rng.randrange(len(data))
                kind = rng.randrange(3)
                if kind == 0:
                    data[at] = rng.randrange(256)
                elif kind == 1:
                    del data[at:at + rng.randint(1, 30)]
                else:
                    data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 20)))
                if not data:
                    data = bytearray(b"\r\n")
            raw_exchange(self.luot.public, bytes(data), deadline=2, half_close=True)
            if number % 50 == 0:
                self.assertTrue(self.luot.is_running(), f"after {bytes(data)!r}")


class OddHttp(OneLuot):
    """Slow, cut, pipelined and ambiguous requests."""

    def test_a_known_route_names_its_methods_and_an_unknown_one_is_not_found(self):
        for method, target, allowed in (("DELETE", "/hit", "POST"), ("GET", "/hit", "POST"), ("PUT", "/hit.gif", "GET"),
                                        ("POST", "/hit.gif", "GET"), ("POST", "/luot.js", "GET"),
                                        ("DELETE", "/api/v1/counts", "GET"), ("POST", "/count.txt", "GET"),
                                        ("BREW", "/hit", "POST")):
            with self.subTest(f"{method} {target}"):
                answer = self.luot.http.request(method, target)
                self.assertEqual(answer.status, 405, answer)
                self.assertIn(allowed, [name.strip() for name in answer.headers["Allow"].split(",")])
        for target in ("/", "/nope", "/hitx", "/hit/", "/hit.gif/x", "/metrics", "/healthz", "/readyz", "/api/v1/nope",
                       "/../etc/passwd", "/api/v1/counts/"):
            with self.subTest(target):
                self.assertEqual(self.luot.http.get(target).status, 404)

    def test_the_admin_port_takes_no_hits(self):
        self.assertEqual(self.luot.admin_http.get("/hit.gif?s=skhcn&p=/a").status, 404)
        self.assertEqual(self.luot.admin_http.get("/metrics").status, 200)

    def test_options_answers_a_preflight_from_any_origin(self):
        for target in ("/hit", "/api/v1/counts"):
            answer = self.luot.http.request("OPTIONS", target, headers={
                "Origin": "https://skhcn.example.vn", "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type"})
            self.assertIn(answer.status, (200, 204), answer)
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
            self.assertIn("POST", answer.headers["Access-Control-Allow-Methods"])
            self.assertIn("content-type", answer.headers["Access-Control-Allow-Headers"].lower())

    def test_http_1_0_is_answered_and_closed(self):
        raw, closed = self.exchange(f"GET /hit.gif?s=skhcn&p=/a HTTP/1.0\r\nUser-Agent: {BROWSER}\r\n\r\n")
        self.assertTrue(closed)
        self.assertEqual(split_answers(raw)[0].status, 200)

    def test_connection_close_is_obeyed(self):
        raw, closed = self.exchange(f"GET /hit.gif?s=skhcn&p=/a HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n")
        self.assertTrue(closed)
        self.assertEqual(split_answers(raw)[0].status, 200)

    def test_a_thousand_pipelined_hits_are_answered_in_order_and_counted_each(self):
        forms = ("pixel", "json", "form")
        requests = [hit_request("skhcn", f"/p{i % 10}", forms[i % 3]) for i in range(999)]
        last = f"GET /hit.gif?s=skhcn&p=/last HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n".encode()
        raw, closed = self.exchange(b"".join(requests) + last, deadline=patience(15))
        self.assertTrue(closed)
        answers = split_answers(raw)
        self.assertEqual([a.status for a in answers], [200 if i % 3 == 0 else 202 for i in range(999)] + [200])
        offsets = [int(a.token.split(".")[2]) for a in answers]
        self.assertEqual(offsets, list(range(offsets[0], offsets[0] + 1000)))
        self.luot.wait_for("skhcn", answers[-1].token)
        self.assertEqual(self.luot.views("skhcn"), 1000)

    def test_requests_in_pieces_of_any_size_are_understood(self):
        whole = b"".join(hit_request("skhcn", f"/tin-{i}", how) for i, how in enumerate(("json", "pixel", "form")))
        whole += f"GET /hit.gif?s=skhcn&p=/end HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n".encode()
        for size in (1, 2, 3, 7, 64, 200):
            with self.subTest(size):
                raw, closed = self.exchange(whole, pieces=size, deadline=patience(5))
                self.assertTrue(closed)
                self.assertEqual([a.status for a in split_answers(raw)], [202, 200, 202, 200])

    def test_two_lengths_of_a_body_are_one_too_many(self):
        """Content-Length beside Transfer-Encoding, or twice: what follows must not be taken for a request."""
        hidden = f"GET /hit.gif?s=skhcn&p=/smuggled HTTP/1.1\r\n{HEAD}\r\n"
        body = '{"s":"skhcn","p":"/a"}'
        cases = [
            f"POST /hit HTTP/1.1\r\n{HEAD}Content-Length: {len(hidden) + 5}\r\nTransfer-Encoding: chunked\r\n\r\n"
            f"0\r\n\r\n{hidden}",
            f"POST /hit HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{hidden}",
            f"POST /hit HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\nContent-Length: 3\r\n\r\n{body}{hidden}",
            f"POST /hit HTTP/1.1\r\n{HEAD}Content-Length: -1\r\n\r\n{body}{hidden}",
            f"POST /hit HTTP/1.1\r\n{HEAD}Content-Length: 0x10\r\n\r\n{body}{hidden}",
            f"POST /hit HTTP/1.1\r\n{HEAD}Content-Length: 99999999999999999999\r\n\r\n{body}{hidden}",
            f"POST /hit HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n{hidden}",
            f"POST /hit HTTP/1.1\r\n{HEAD}Transfer-Encoding: gzip\r\n\r\n{hidden}",
        ]
        for text in cases:
            with self.subTest(text.split("\r\n")[3:5]):
                raw, closed = self.exchange(text)
                self.assertTrue(closed, raw)
                answers = split_answers(raw)
                self.assertEqual(len(answers), 1, raw)
                self.assertGreaterEqual(answers[0].status, 400)
                self.assertLess(answers[0].status, 600)
        token = self.luot.take_hit("skhcn", "/x")
        self.assertEqual(self.luot.views("skhcn", "/smuggled", after=token), 0)

    def test_a_body_over_16_KiB_is_refused_and_the_connection_closed(self):
        body = json.dumps({"s": "skhcn", "p": "/a", "t": "x" * 17_000})
        raw, closed = self.exchange(f"POST /hit HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\n\r\n{body}")
        self.assertTrue(closed)
        self.assert_refused(split_answers(raw)[0], 413, "too_large")
        chunk = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
        raw, closed = self.exchange(f"POST /hit HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunk}")
        self.assertTrue(closed)
        self.assert_refused(split_answers(raw)[0], 413, "too_large")

    def test_a_body_of_just_under_16_KiB_is_taken(self):
        body = json.dumps({"s": "skhcn", "p": "/a", "x": "y" * 16_000})
        self.assertEqual(self.post(body).status, 202)

    def test_a_chunked_body_is_taken(self):
        body = '{"s":"skhcn","p":"/chunked"}'
        chunks = "".join(f"{len(c):x}\r\n{c}\r\n" for c in (body[:5], body[5:6], body[6:])) + "0\r\n\r\n"
        raw, closed = self.exchange(
            f"POST /hit HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunks}")
        self.assertTrue(closed)
        answer = split_answers(raw)[0]
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(self.luot.views("skhcn", "/chunked", after=answer.token), 1)

    def test_heads_with_control_bytes_are_refused(self):
        for head in ("GET /hit.gif?s=skhcn&p=/\x00a HTTP/1.1\r\n" + HEAD,
                     "GET /hit.gif?s=skhcn&p=/a b HTTP/1.1\r\n" + HEAD,
                     "GET /hit.gif?s=skhcn&p=/a HTTP/1.1\r\nHost: x\r\nBad\x01Name: 1\r\n",
                     "GET /hit.gif?s=skhcn&p=/a HTTP/1.1\r\nHost: x\r\nName : 1\r\n",
                     "GET /hit.gif?s=skhcn&p=/a HTTP/9.9\r\nHost: x\r\n", "GET\r\n",
                     "\x16\x03\x01\x02\x00\x01\x00\r\n"):
            with self.subTest(head[:60]):
                raw, closed = self.exchange(head.encode("latin-1") + b"\r\n")
                self.assertTrue(closed, raw)
                if raw:
                    answer = split_answers(raw)[0]
                    self.assertGreaterEqual(answer.status, 400)
                    self.assertLess(answer.status, 600)

    def test_a_hit_announced_with_expect_is_taken(self):
        body = '{"s":"skhcn","p":"/a"}'
        raw, _ = self.exchange(f"POST /hit HTTP/1.1\r\n{HEAD}Expect: 100-continue\r\nConnection: close\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n{body}")
        self.assertIn(b"HTTP/1.1 202", raw)

    def test_a_request_without_end_is_refused_before_it_fills_the_memory(self):
        """What has no limit in HTTP has one here."""
        head = b"POST /hit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for begin, again in ((b"0\r\nA: ", b"x" * 1000), (b"0\r\n", b"A: b\r\n" * 100), (b"1;a=", b"x" * 1000)):
            with self.subTest(begin):
                raw, closed = raw_exchange(self.luot.public, head + begin + again * 200, deadline=patience(8))
                self.assertTrue(closed)
                self.assertIn(split_answers(raw)[0].status, (400, 413))

    def test_a_client_that_does_not_read_its_answers_does_not_fill_the_memory(self):
        def resident():
            return int(Path(f"/proc/{self.luot.pid}/statm").read_text().split()[1]) * 4096

        self.luot.http.get("/luot.js")
        before = resident()
        wires = []
        for _ in range(20):
            wire = socket.create_connection(split_address(self.luot.public))
            self.addCleanup(wire.close)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.sendall(b"GET /luot.js HTTP/1.1\r\nHost: x\r\n\r\n" * 1500)
            wires.append(wire)
        self.assertEqual(self.luot.http.get("/luot.js").status, 200, "others are answered meanwhile")
        if not LIGHT:  # a sanitizer keeps what was freed
            self.assertLess(resident() - before, 20 * 2**20)

    def test_of_pipelined_hits_only_the_last_is_told_that_the_connection_closes(self):
        first = hit_request("skhcn", "/p1", how="pixel")
        last = hit_request("skhcn", "/p2", how="pixel")[:-2] + b"Connection: close\r\n\r\n"
        raw, closed = raw_exchange(self.luot.public, first + last)
        answers = split_answers(raw)
        self.assertTrue(closed)
        self.assertEqual([a.status for a in answers], [200, 200])
        self.assertEqual([a.headers["Connection"] for a in answers], [None, "close"])

    def test_what_is_too_large_is_refused_in_the_form_of_its_route(self):
        long = "a" * 17_000
        cases = ((f"GET /hit.gif?s=skhcn&p=/{long} HTTP/1.1\r\nHost: x\r\n\r\n", "image/gif"),
                 (f"POST /hit HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n", "application/json"),
                 (f"GET /api/v1/counts?site=skhcn&path=/{long} HTTP/1.1\r\nHost: x\r\n\r\n", "application/json"))
        for request, kind in cases:
            with self.subTest(request[:20]):
                answer = split_answers(raw_exchange(self.luot.public, request.encode())[0])[0]
                self.assertEqual((answer.status, answer.headers["Content-Type"]), (413, kind))
                self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
                if kind == "image/gif":
                    self.assertEqual((len(answer.body), answer.reason), (GIF_BYTES, "too_large"))
                elif "counts" in request:
                    self.assertEqual(answer.json()["error"]["code"], "too_large")
        self.assert_balanced(self.luot)
        self.assertEqual(self.luot.metrics().by("reason", "luot_hits_refused_total")["too_large"], 2)

    def test_a_client_that_leaves_in_the_middle_does_no_harm(self):
        whole = hit_request("skhcn", "/half", "json")
        for cut in range(1, len(whole), 9):
            with socket.create_connection(split_address(self.luot.public)) as wire:
                wire.sendall(whole[:cut])
        token = self.luot.take_hit("skhcn", "/whole")
        self.assertEqual(self.luot.views("skhcn", "/half", after=token), 0)


class RateLimit(SystemTest):
    """Hits a second and client, with bursts of 5 s."""

    def limited(self, **collector):
        return self.world.luot(config={"collector": {"rate_limit_per_client": 2, "workers": 1, **collector}})

    def answers(self, luot, count, client):
        return [luot.hit("skhcn", "/a", client=client) for _ in range(count)]

    def test_a_client_over_its_rate_is_refused_and_others_are_not(self):
        luot = self.limited()
        answers = self.answers(luot, 40, "198.51.100.1")
        refused = [a for a in answers if a.status == 429]
        self.assertTrue(all(a.status == 202 for a in answers[:10]), "a burst of 5 s is taken")
        self.assertGreaterEqual(len(refused), 20)
        self.assertEqual({a.reason for a in refused}, {"rate_limited"})
        self.assertEqual(luot.hit("skhcn", "/a", client="198.51.100.2").status, 202)
        metrics = luot.metrics()
        self.assertEqual(metrics.value("luot_hits_refused_total", reason="rate_limited"), len(refused))
        self.assert_balanced(luot)
        self.assertTrue(eventually(lambda: luot.hit("skhcn", "/a", client="198.51.100.1").status == 202, patience(3),
                                   "the client is taken again"))

    def test_a_household_is_one_client(self):
        luot = self.limited()
        answers = [luot.hit("skhcn", "/a", client=f"2001:db8:1:1::{i:x}").status for i in range(1, 41)]
        self.assertGreaterEqual(answers.count(429), 20)
        self.assertEqual(luot.hit("skhcn", "/a", client="2001:db8:1:2::1").status, 202)

    def test_an_address_forged_by_a_client_changes_nothing(self):
        """The peer is no trusted proxy: what it says of where the hit comes from is not believed."""
        luot = self.limited(trusted_proxies=[])
        answers = [luot.hit("skhcn", "/a", client=f"198.51.100.{i}").status for i in range(1, 41)]
        self.assertGreaterEqual(answers.count(429), 20)

    def test_behind_a_proxy_the_last_address_that_is_not_trusted_is_the_client(self):
        luot = self.limited(trusted_proxies=["127.0.0.1/32", "10.0.0.0/8"])
        forged = [luot.hit("skhcn", "/a", client=f"198.51.100.{i}, 203.0.113.5, 10.0.0.7").status for i in range(1, 41)]
        self.assertGreaterEqual(forged.count(429), 20)

    def test_exempt_networks_are_not_limited(self):
        luot = self.limited(rate_limit_exempt=["198.51.100.0/24"])
        self.assertEqual({a.status for a in self.answers(luot, 40, "198.51.100.1")}, {202})


class Start(SystemTest):
    """Starts that cannot succeed."""

    def assert_start_refused(self, config, *words, statuses=(2,), command="serve", **how):
        file = self.world.folder / "wrong.toml"
        file.write_text(config if isinstance(config, str) else to_toml(config))
        status, output, errors = self.world.run(command, "--config", file, **how)
        lines = [line for line in errors.splitlines() if " info " not in line and " debug " not in line]
        self.assertIn(status, statuses, errors)
        self.assertEqual(len(lines), 1, errors)
        for word in words:
            self.assertIn(word, lines[0])
        self.assertEqual(output, "")
        return lines[0]

    def config(self, **changes):
        base = {
            "data_dir": str(self.world.folder / "data"),
            "listen": {"public": "127.0.0.1:0", "admin": "127.0.0.1:0"},
            "site": [dict(SITES[0])],
        }
        base.update(changes)
        return base

    def test_a_configuration_with_a_mistake_names_file_line_and_key(self):
        good = to_toml(self.config())
        mistakes = {
            'data_dirr = "/x"\n' + good: ("wrong.toml:1", "data_dirr"),
            good.replace("[listen]", "[listen]\nprivate = 1"): ("private",),
            good.replace("hosts", "host"): ("host",),
            good + "colour = 1\n": ("colour",),
            good + "honor_gpc = 1\n": ("honor_gpc",),
            good + 'keep_query = "id"\n': ("keep_query",),
            good.replace("Asia/Ho_Chi_Minh", "Asia/Nowhere"): ("timezone",),
            good.replace('id = "skhcn"', 'id = "Sở"'): ("id",),
            good.replace('id = "skhcn"', f'id = "{"a" * 33}"'): ("id",),
            good + "\n[[site]]\nid = \"skhcn\"\nhosts = [\"b.example.vn\"]\n": ("skhcn",),
            good.replace('public = "127.0.0.1:0"', 'public = "127.0.0.1:99999"'): ("public",),
            good.replace('public = "127.0.0.1:0"', 'public = "nowhere"'): ("public",),
            good + '\n[spool]\nmax_bytes = "many"\n': ("max_bytes",),
            good + '\n[spool]\nmax_bytes = 5\n': ("max_bytes",),
            good + '\n[spool]\nretain = "1 fortnight"\n': ("retain",),
            good + '\n[spool]\nsync = "never"\n': ("sync",),
            good + '\n[collector]\ntrusted_proxies = ["localhost"]\n': ("trusted_proxies",),
            good + '\n[collector]\nrate_limit_per_client = -1\n': ("rate_limit_per_client",),
            good + '\n[collector]\nworkers = "two"\n': ("workers",),
            good + '\n[redis]\nurl = "http://127.0.0.1"\n': ("url",),
            good + f'\n[redis]\nurl = "unix:///{"x" * 150}"\n': ("redis.url", "107"),
            good + '\n[redis]\nurl = "redis://user@127.0.0.1"\n': ("redis.url", "password"),
            good + '\n[spool]\nmax_bytes = "1MiB"\n[collector]\nworkers = 24\n': ("spool.max_bytes", "6MiB"),
            re.sub('data_dir = .*', 'data_dir = "data"', good): ("wrong.toml:1", "data_dir"),
            good + 'public = ["everything"]\n': ("public",),
            good + 'token_file = "/does/not/exist"\n': ("token_file",),
            "data_dir = \n": ("wrong.toml:1",),
            "\x00": ("wrong.toml",),
        }
        for text, words in mistakes.items():
            with self.subTest(words):
                self.assert_start_refused(text, "wrong.toml:", *words)
                file = self.world.folder / "wrong.toml"
                status, _, errors = self.world.run("check-config", file)
                self.assertEqual(status, 2)
                self.assertEqual(len(errors.splitlines()), 1, errors)
                for word in words:
                    self.assertIn(word, errors)

    def test_the_line_of_a_mistake_is_that_of_the_key(self):
        text = to_toml(self.config())
        lines = text.splitlines() + ["", "[spool]", 'retain = "1h"', "", "colour = 3"]
        self.assert_start_refused("\n".join(lines) + "\n", f"wrong.toml:{len(lines)}:", "colour")

    def test_a_missing_configuration_file_is_named(self):
        status, _, errors = self.world.run("serve", "--config", self.world.folder / "none.toml")
        self.assertEqual(status, 2)
        self.assertEqual(len(errors.splitlines()), 1, errors)
        self.assertIn("none.toml", errors)

    def test_a_data_dir_that_cannot_be_written_is_named(self):
        file = self.world.folder / "a-file"
        file.write_text("")
        for folder in (file / "data", "/proc/luot-data"):
            self.assert_start_refused(self.config(data_dir=str(folder)), str(folder))

    def test_a_port_in_use_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            for which in ("public", "admin"):
                listen = {"public": "127.0.0.1:0", "admin": "127.0.0.1:0", which: f"127.0.0.1:{port}"}
                with self.subTest(which):
                    self.assert_start_refused(self.config(listen=listen), f"listen.{which} 127.0.0.1:{port}: ",
                                              "Address already in use: ")

    def test_an_address_that_is_not_of_this_machine_is_named(self):
        listen = {"public": "192.0.2.1:0", "admin": "127.0.0.1:0"}
        self.assert_start_refused(self.config(listen=listen), "listen.public 192.0.2.1:0: ", "address of this machine")

    def as_owner(self, *folders):
        """How to run luot as the owner of these, and not as root, who can write everything."""
        if os.getuid() != 0:
            return {}
        self.world.folder.chmod(0o755)
        for folder in folders:
            os.chown(folder, 65534, 65534)
        return {"user": 65534}

    def test_a_spool_that_cannot_be_written_is_named(self):
        """And not the ports."""
        config = self.config()
        spool = Path(config["data_dir"]) / "spool"
        spool.mkdir(parents=True)
        spool.chmod(0o500)
        line = self.assert_start_refused(config, str(spool), "Permission denied: ",
                                         **self.as_owner(spool.parent, spool))
        self.assertNotIn("listen", line)
        self.assertNotIn("boost", line)

    def test_a_private_redis_of_another_user_is_named(self):
        config = self.config()
        log = Path(config["data_dir"]) / "redis" / "redis.log"
        log.parent.mkdir(parents=True)
        log.write_text("")
        log.chmod(0o400)
        self.assert_start_refused(config, str(log), "chown", **self.as_owner(log.parent.parent, log.parent))

    def test_a_redis_server_that_is_not_installed_is_named(self):
        self.assert_start_refused(self.config(), "redis-server is not installed", "apt-get install",
                                  env={**os.environ, "PATH": str(self.world.folder)})

    def test_too_few_files_for_any_client_are_named(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        self.assert_start_refused(self.config(collector={"workers": 1}), "100 files", "at least 200", "ulimit -n",
                                  preexec_fn=limit)

    def test_a_second_luot_on_the_same_data_dir_is_refused(self):
        first = self.world.luot()
        token = first.take_hit("skhcn", "/a")
        config = {**first.config}
        self.assert_start_refused(config, str(first.data_dir), statuses=(1, 2))
        self.assertTrue(first.is_running())
        self.assertEqual(first.views("skhcn", "/a", after=token), 1)

    def test_wrong_usage_ends_with_status_2(self):
        for arguments in (("bogus",), ("serve", "--bogus"), ("serve", "extra"), ("import",), ("import", "totals"),
                          ("check-config",), ("serve", "--config"), ("serve", "--log-level", "loud"),
                          ("collector", "--log-format", "xml"), ()):
            with self.subTest(arguments):
                status, output, errors = self.world.run(*arguments)
                self.assertEqual(status, 2, errors)
                self.assertTrue(errors.strip())

    def test_an_unknown_command_is_named(self):
        for arguments in (("bogus",), ("import", "bogus"), ("--bogus",)):
            with self.subTest(arguments):
                status, output, errors = self.world.run(*arguments)
                self.assertEqual(len(errors.strip().splitlines()), 1, errors)
                self.assertIn("bogus", errors)

    def test_help_and_version_are_answered(self):
        status, output, errors = self.world.run("--version")
        self.assertEqual((status, errors), (0, ""))
        self.assertRegex(output, r"^luot \d+\.\d+\.\d+")
        status, output, errors = self.world.run("--help")
        self.assertEqual((status, errors), (0, ""))
        for command in ("serve", "collector", "aggregator", "import", "check-config"):
            self.assertIn(command, output)

    def test_redis_with_a_wrong_password_is_told_and_hits_are_kept(self):
        server = self.world.redis(tcp=True, password="right-password")
        wrong = f"redis://:wrong-password@127.0.0.1:{server.port}/0"
        luot = self.world.luot(config={"redis": {"url": wrong}}, start=False)
        luot.start(wait=False)
        eventually(lambda: luot.process.poll() is not None or luot.LISTENING.search(luot.log_text()), patience(15))
        if luot.process.poll() is None:
            luot.wait_listening()
            tokens = [luot.take_hit("skhcn", "/a") for _ in range(3)]
            eventually(lambda: "WRONGPASS" in luot.log_text() or "password" in luot.log_text(), patience(10),
                       "the log tells of the password")
            self.assertEqual(luot.http.get("/api/v1/counts?site=skhcn").status, 503)
            luot.stop()
            self.assertTrue(tokens)
        else:
            tokens = []
            self.assertEqual(luot.process.returncode, 2)
            self.assertIn("password", luot.log_text())
        self.assertNotIn("wrong-password", luot.log_text(), "secrets are not logged")
        luot.config["redis"]["url"] = f"redis://:right-password@127.0.0.1:{server.port}/0"
        luot.start()
        tokens.append(luot.take_hit("skhcn", "/a"))
        eventually(lambda: luot.views("skhcn", "/a") == len(tokens), patience(10), "what was acknowledged is counted")

    def test_redis_by_tcp_with_user_and_password_works(self):
        server = self.world.redis(tcp=True, password="right-password")
        luot = self.world.luot(config={"redis": {"url": f"redis://default:right-password@127.0.0.1:{server.port}/0"}})
        token = luot.take_hit("skhcn", "/a")
        self.assertEqual(luot.views("skhcn", "/a", after=token), 1)

    def test_redis_with_a_password_file_works(self):
        server = self.world.redis(tcp=True, password="right-password")
        password = self.world.folder / "password"
        password.write_text("right-password\n")
        password.chmod(0o600)
        luot = self.world.luot(config={"redis": {
            "url": f"redis://127.0.0.1:{server.port}/0", "password_file": str(password)}})
        token = luot.take_hit("skhcn", "/a")
        self.assertEqual(luot.views("skhcn", "/a", after=token), 1)


if __name__ == "__main__":
    main()
