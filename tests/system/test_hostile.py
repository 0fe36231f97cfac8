#!/usr/bin/env python3
"""HTTP on a hostile internet: whatever clients send, or do not send, luot lives, answers honest readers at
once, keeps its memory bounded, and nothing of what they sent gets into the head of an answer or into the log."""

import collections
import json
import os
import re
import resource
import selectors
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path
from urllib.parse import quote, urlencode

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import (BINARY, BROWSER, GIF_BYTES, HEAD, LIGHT, ROOT, Http, OneLuot, SystemTest,  # noqa: E402
                  eventually, hit_request, main, patience, raw_exchange, seeded,
                  split_address, split_answers)

HIT = '{"s":"skhcn","p":"/a"}'
MIB = 2**20


def connect(luot, receive_bytes=None):
    """A connection by hand, closed by the caller."""
    wire = socket.socket()
    if receive_bytes:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    wire.settimeout(patience(5))
    wire.connect(split_address(luot.public))
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return wire


def push(wire, data):
    """Sends as much as the server takes at once; how many bytes that was."""
    wire.setblocking(False)
    sent = 0
    try:
        while sent < len(data):
            sent += wire.send(data[sent:sent + 65536])
    except BlockingIOError:
        pass
    return sent


def is_closed(wire):
    """By the other side, with nothing left to read."""
    try:
        wire.setblocking(False)
        while wire.recv(65536):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


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
        for field in ("chunked, chunked", "identity", "xchunked", "\x0bchunked", '"chunked"', "", "\r\n chunked",
                      "chunked\r\nTransfer-Encoding: chunked"):
            cases.append(f"POST /hit HTTP/1.1\r\n{HEAD}Transfer-Encoding: {field}\r\n\r\n0\r\n\r\n{hidden}")
        for field in ("+22", "", "22 0", "22x", "22, 3"):
            cases.append(f"POST /hit HTTP/1.1\r\n{HEAD}Content-Length: {field}\r\n\r\n{body}{hidden}")
        for field in ("Content-Length : 22", "Transfer-Encoding : chunked"):
            cases.append(f"POST /hit HTTP/1.1\r\n{HEAD}{field}\r\n\r\n{body}{hidden}")
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
        self.luot.http.get("/luot.js")
        before = self.luot.resident_bytes()
        wires = []
        for _ in range(20):
            wire = socket.create_connection(split_address(self.luot.public))
            self.addCleanup(wire.close)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.sendall(b"GET /luot.js HTTP/1.1\r\nHost: x\r\n\r\n" * 1500)
            wires.append(wire)
        self.assertEqual(self.luot.http.get("/luot.js").status, 200, "others are answered meanwhile")
        if not LIGHT:  # a sanitizer keeps what was freed
            self.assertLess(self.luot.resident_bytes() - before, 20 * 2**20)

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


class Conformance(OneLuot):
    """What is not quite HTTP/1.1 is refused with one answer, and what follows is never taken for a request."""

    HIDDEN = f"GET /hit.gif?s=skhcn&p=/smuggled HTTP/1.1\r\n{HEAD}\r\n"

    def assert_one_refusal(self, request, statuses=(400,)):
        raw, closed = self.exchange(request if isinstance(request, bytes) else request.encode("latin-1"),
                                    deadline=patience(2))
        self.assertTrue(closed, raw)
        answers = split_answers(raw)
        self.assertEqual(len(answers), 1, raw)
        self.assertIn(answers[0].status, statuses, answers[0])
        self.assertIn(answers[0].headers["Content-Type"], ("application/json", "image/gif"))

    def test_what_is_not_http_1_1_is_refused(self):
        line = "GET /luot.js HTTP/1.1\r\n"
        cases = {
            "bare LF": "GET /luot.js HTTP/1.1\nHost: x\n\n", "bare LF in a field": line + "Host: x\nX: y\r\n\r\n",
            "bare CR in a field": line + "Host: x\rX: y\r\n\r\n", "CR CR LF": line + "Host: x\r\r\n\r\n",
            "NUL in a field": line + "Host: x\0y\r\n\r\n", "escape in a field": line + f"{HEAD}X: \x1b[31m\r\n\r\n",
            "DEL in a field": line + f"{HEAD}X: a\x7f\r\n\r\n", "tab in the target": f"GET /luot.js?\t HTTP/1.1\r\n{HEAD}\r\n",
            "folded field": line + f"{HEAD}X: a\r\n b\r\n\r\n", "field that begins with a space": line + f" X: y\r\n{HEAD}\r\n",
            "field without a name": line + f"{HEAD}: x\r\n\r\n", "no host": line + "User-Agent: x\r\n\r\n",
            "two hosts": line + "Host: a\r\nHost: b\r\n\r\n", "HTTP/0.9": "GET /luot.js\r\n\r\n",
            "HTTP/1.2": f"GET /luot.js HTTP/1.2\r\n{HEAD}\r\n", "HTTP/2.0": f"GET /luot.js HTTP/2.0\r\n{HEAD}\r\n",
            "preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\0\0\0\4\0\0\0\0\0",
            "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x99" * 500,
            "PROXY protocol": f"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n{line}{HEAD}\r\n",
            "two spaces": f"GET  /luot.js HTTP/1.1\r\n{HEAD}\r\n", "no target": f"GET HTTP/1.1\r\n{HEAD}\r\n",
            "a hundred empty lines": "\r\n" * 100,
        }
        for name, request in cases.items():
            with self.subTest(name):
                self.assert_one_refusal(request + self.HIDDEN)
        with self.subTest("too many fields"):
            self.assert_one_refusal(line + HEAD + "a:b\r\n" * 4000 + "\r\n" + self.HIDDEN, statuses=(413,))
        token = self.luot.take_hit("skhcn", "/x")
        self.assertEqual(self.luot.views("skhcn", "/smuggled", after=token), 0)
        self.assertEqual(self.luot.metrics().value("luot_http_malformed_total", port="public"), len(cases) + 1)

    def test_a_tls_client_is_turned_away_at_once(self):
        context = ssl._create_unverified_context()
        begun = time.monotonic()
        with connect(self.luot) as wire, self.assertRaises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(wire, server_hostname="stats.example.vn")
        self.assertLess(time.monotonic() - begun, patience(2))

    def test_chunks_are_read_by_the_letter(self):
        """A proxy that reads them otherwise would see another request behind them than we do."""
        head = f"POST /hit HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n"
        size, end = f"{len(HIT):x}", "\r\n0\r\n\r\n"
        refused = [f"0x{size}\r\n{HIT}{end}", f"+{size}\r\n{HIT}{end}", f"-{size}\r\n{HIT}{end}", f" {size}\r\n{HIT}{end}",
                   f"{size};a=\1\r\n{HIT}{end}", f"{size};a\n{HIT}{end}", f"{size}\r\n{HIT}0\r\n\r\n",
                   f"{size}\r\n{HIT}XX0\r\n\r\n", f"ffffffffffffffffff\r\n{HIT}{end}", f"\r\n{HIT}{end}", f"g\r\n{HIT}{end}",
                   f"{size}\r\n{HIT}\r\n0\r\n"]
        for chunks in refused:
            with self.subTest(chunks):
                self.assert_one_refusal(head + chunks + self.HIDDEN)
        self.assert_one_refusal(head + f"fffffffffffffff0\r\n{HIT}{end}" + self.HIDDEN, statuses=(413,))
        for chunks in (f"{size}\r\n{HIT}{end}", f'{size};a=b;c="d"\r\n{HIT}{end}', f"{size} ; a = b\r\n{HIT}{end}",
                       f"000{size}\r\n{HIT}{end}", f"{size}\r\n{HIT}\r\n0;last\r\nX-Trailer: y\r\n\r\n"):
            with self.subTest(chunks):
                raw, closed = self.exchange(head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n") + chunks)
                self.assertTrue(closed)
                self.assertEqual([a.status for a in split_answers(raw)], [202])
        token = self.luot.take_hit("skhcn", "/x")
        self.assertEqual(self.luot.views("skhcn", "/smuggled", after=token), 0)

    def test_a_body_is_never_a_request(self):
        """Also where a body has no business."""
        chunked = f"{len(self.HIDDEN):x}\r\n{self.HIDDEN}\r\n0\r\n\r\n"
        requests = [f"GET /hit.gif?s=skhcn&p=/a HTTP/1.1\r\n{HEAD}Content-Length: {len(self.HIDDEN)}\r\n\r\n{self.HIDDEN}",
                    f"GET /luot.js HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunked}",
                    f"DELETE /hit HTTP/1.1\r\n{HEAD}Content-Length: {len(self.HIDDEN)}\r\n\r\n{self.HIDDEN}",
                    f"POST /nope HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunked}"]
        last = f"GET /hit.gif?s=skhcn&p=/b HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n"
        raw, closed = self.exchange("".join(requests) + last)
        self.assertTrue(closed)
        answers = split_answers(raw)
        self.assertEqual([a.status for a in answers], [200, 200, 405, 404, 200])
        self.assertEqual(self.luot.views("skhcn", after=answers[-1].token), 2)

    def test_targets_of_every_form(self):
        cases = {"http://other.example/hit.gif?s=skhcn&p=/abs": 200, "HTTPS://u:p@other:99/hit.gif?s=skhcn&p=/abs": 200,
                 "http://other.example": 404, "http://other.example?x=/hit.gif?s=skhcn&p=/abs": 404,
                 "other.example:80": 404, "*": 404,
                 "ftp://x/hit.gif?s=skhcn&p=/abs": 404, "/../../etc/passwd": 404, "//hit.gif?s=skhcn&p=/a": 404,
                 "/%68it.gif?s=skhcn&p=/a": 404, "/hit.gif/?s=skhcn&p=/a": 404}
        for target, status in cases.items():
            for method in ("GET", "OPTIONS", "CONNECT") if status == 404 else ("GET",):
                with self.subTest(f"{method} {target}"):
                    raw, closed = self.exchange(f"{method} {target} HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n")
                    self.assertTrue(closed)
                    self.assertEqual([a.status for a in split_answers(raw)], [status])

    def test_head_has_the_head_of_get_and_never_an_effect(self):
        for target in ("/luot.js", "/api/v1/counts?site=skhcn", "/count.txt?site=skhcn"):
            with self.subTest(target):
                raw, _ = self.exchange(f"HEAD {target} HTTP/1.1\r\n{HEAD}\r\n"
                                       f"GET {target} HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n")
                head, whole = raw.split(b"\r\n\r\n", 1)
                get = split_answers(whole)[0]
                answer = split_answers(head + b"\r\n\r\n", heads_only=True)[0]
                self.assertEqual((answer.status, answer.headers["Content-Length"], answer.headers["ETag"]),
                                 (200, str(len(get.body)), get.headers["ETag"]))
        for target in ("/hit.gif?s=skhcn&p=/a", "/hit"):
            answer = self.luot.http.request("HEAD", target)
            self.assertEqual(answer.status, 405, answer)
        self.assertEqual(self.luot.metrics().value("luot_hits_received_total"), 0)

    def test_upgrades_and_unknown_methods_are_declined(self):
        raw, _ = self.exchange(f"GET /luot.js HTTP/1.1\r\n{HEAD}Connection: Upgrade, HTTP2-Settings, close\r\n"
                               "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
        self.assertEqual([a.status for a in split_answers(raw)], [200])
        for method in ("TRACE", "PATCH", "PROPFIND", "get", "X" * 60):
            answer = self.luot.http.request(method, "/hit", headers={"X-Echo": "evil"})
            self.assertEqual((answer.status, answer.headers["Allow"]), (405, "OPTIONS, POST"), method)
            self.assertNotIn(b"evil", answer.body)
            self.assertEqual(self.luot.http.request(method, "/nope").status, 404)

    def test_a_continue_is_said_once_and_before_the_body(self):
        with connect(self.luot) as wire:
            wire.sendall(f"POST /hit HTTP/1.1\r\n{HEAD}Expect: 100-continue\r\nConnection: close\r\n"
                         f"Content-Length: {len(HIT)}\r\n\r\n".encode())
            self.assertEqual(wire.recv(4096), b"HTTP/1.1 100 Continue\r\n\r\n")
            for byte in HIT.encode():
                wire.sendall(bytes([byte]))
            answer = b""
            while data := wire.recv(4096):
                answer += data
        self.assertEqual([a.status for a in split_answers(answer)], [202])


class ManyRequests(OneLuot):
    HOW = {"config": {"collector": {"workers": 1}}}

    def test_thousands_of_requests_in_one_write_are_answered_in_order(self):
        """And by a client that begins to read only later: luot keeps a part of them waiting meanwhile."""
        count = 500 if LIGHT else 3000
        target = {0: "hit.gif?s=skhcn&p=/p", 1: "luot.js?", 2: "api/v1/counts?site=skhcn&path=/p"}
        requests = [f"GET /{target[0 if i % 3 == 0 else 1 if i % 50 == 1 else 2 if i % 50 == 2 else 0]}{i} HTTP/1.1\r\n"
                    f"{HEAD}\r\n" for i in range(count)]
        requests.append(f"GET /hit.gif?s=skhcn&p=/last HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n")
        with connect(self.luot, receive_bytes=8192) as wire:
            wire.settimeout(patience(20))
            writer = threading.Thread(target=wire.sendall, args=("".join(requests).encode(),), daemon=True)
            writer.start()
            time.sleep(0.5)
            raw = b""
            while data := wire.recv(65536):
                raw += data
            writer.join(patience(5))
        answers = split_answers(raw)
        self.assertEqual(len(answers), len(requests))
        offsets = []
        for number, (request, answer) in enumerate(zip(requests, answers)):
            self.assertEqual(answer.status, 200, number)
            if request.startswith("GET /hit.gif"):
                offsets.append(int(answer.token.split(".")[2]))
            elif request.startswith("GET /api"):
                self.assertEqual(list(answer.json()["pages"]), [f"/p{number}"])
            else:
                self.assertIn("javascript", answer.headers["Content-Type"])
        self.assertEqual(offsets, list(range(offsets[0], offsets[0] + len(offsets))))
        self.assertEqual(self.luot.views("skhcn", after=answers[-1].token), len(offsets))

    def test_thousands_of_hits_on_one_connection(self):
        count = 1000 if LIGHT else 10_000
        request = f"GET /hit.gif?s=skhcn&p=/a HTTP/1.1\r\n{HEAD}\r\n".encode()
        last = 0
        with connect(self.luot) as wire:
            for number in range(count):
                wire.sendall(request)
                answer = wire.recv(4096)
                offset = int(re.search(rb"Luot-Token: \w+\.\d+\.(\d+)", answer)[1])
                self.assertEqual(offset, last + 1)
                last = offset
                if number == count // 10:
                    before = self.luot.resident_bytes()
        token = self.luot.take_hit("skhcn", "/b")
        self.assertEqual(self.luot.views("skhcn", "/a", after=token), count)
        if not LIGHT:
            self.assertLess(self.luot.resident_bytes() - before, 4 * MIB)

    def test_hits_whose_answers_nobody_reads_do_not_fill_the_memory(self):
        """One such client can make luot keep what it read at once and 64 answers."""
        self.luot.take_hit("skhcn", "/a")
        before = self.luot.resident_bytes()
        request = b"GET /hit.gif?s=skhcn&p=/a HTTP/1.1\r\nHost: x\r\n\r\n"
        wires = [connect(self.luot, receive_bytes=4096) for _ in range(10 if LIGHT else 30)]
        for wire in wires:
            self.addCleanup(wire.close)
            wire.settimeout(patience(5))
        sent = sum(push(wire, request * (MIB // len(request))) for wire in wires)
        taken = lambda: self.luot.metrics().value("luot_hits_received_total")  # noqa: E731
        seen = [-1, taken()]

        def is_stuck():
            time.sleep(0.2)
            seen.append(taken())
            return seen[-1] == seen[-3]

        eventually(is_stuck, patience(20), "luot takes no more from clients that do not read")
        self.assertEqual(self.luot.hit("skhcn", "/a").status, 202, "others are served meanwhile")
        grown = self.luot.resident_bytes() - before
        print(f"{len(wires)} clients sent {sent / len(request):.0f} hits, {seen[-1]:.0f} were taken; "
              f"memory grew by {grown / MIB:.1f} MiB", flush=True)
        self.assertLess(seen[-1], sent / len(request))
        if not LIGHT:
            self.assertLess(grown, 10 * MIB)

    def test_an_idle_connection_keeps_nothing_of_its_request(self):
        self.luot.take_hit("skhcn", "/a")
        body = json.dumps({"s": "skhcn", "p": "/a", "x": "y" * 16_000}).encode()
        head = f"POST /hit HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\n\r\n".encode()
        before = self.luot.resident_bytes()
        count = 100 if LIGHT else 1000
        for _ in range(count):
            wire = connect(self.luot)
            self.addCleanup(wire.close)
            for part in (head, body[:8000], body[8000:]):
                wire.sendall(part)
            self.assertTrue(wire.recv(4096).startswith(b"HTTP/1.1 202"))
        if not LIGHT:
            self.assertLess((self.luot.resident_bytes() - before) / count, 4096)

    def test_requests_in_part_of_all_clients_together_have_a_limit(self):
        """64 MiB a worker thread; who has kept some for longest goes, and honest ones get through."""
        self.luot.take_hit("skhcn", "/a")
        before = self.luot.resident_bytes()
        part = (f"POST /hit HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n1;" + "e" * 46_000).encode()
        wires = []
        for _ in range(3000):
            wire = connect(self.luot)
            self.addCleanup(wire.close)
            wire.sendall(part)
            wires.append(wire)
        eventually(lambda: self.luot.metrics().value("luot_http_memory_refused_total", port="public") > 1000,
                   patience(5), "some were closed")
        self.assertTrue(eventually(lambda: is_closed(wires[0]), patience(5), "the oldest is closed"))
        self.assertFalse(is_closed(wires[-1]), "the newest is not")
        if not LIGHT:  # a sanitizer keeps what was freed
            self.assertLess(self.luot.resident_bytes() - before, 100 * MIB)
        raw, _ = self.exchange(f"POST /hit HTTP/1.1\r\n{HEAD}Connection: close\r\nContent-Length: {len(HIT)}\r\n\r\n{HIT}",
                               pieces=100)
        self.assertEqual([a.status for a in split_answers(raw)], [202])
        self.assertEqual(self.luot.counts("skhcn")["site"], "skhcn")


class FewFiles(OneLuot):
    """With 164 connections at most."""

    HOW = {"files": 300, "config": {"collector": {"workers": 1}}}

    def test_slow_heads_on_every_connection_keep_nobody_out(self):
        wires = []
        for _ in range(400):
            wire = connect(self.luot)
            self.addCleanup(wire.close)
            wire.sendall(f"GET /hit.gif?s=skhcn&p=/slow HTTP/1.1\r\n{HEAD}".encode())
            wires.append(wire)
        for number in range(30):
            client = Http(self.luot.public, timeout=patience(1))
            self.assertEqual(client.get(f"/hit.gif?s=skhcn&p=/honest-{number}").status, 200)
            client.close()
        closed = sum(is_closed(wire) for wire in wires)
        self.assertGreater(closed, 200)
        metrics = self.luot.metrics()
        late = metrics.value("luot_http_timeouts_total", port="public")  # none, unless all of this took ten seconds
        self.assertGreaterEqual(metrics.value("luot_http_connections_refused_total", port="public") + late, closed)


class SlowClients(OneLuot):
    def test_slow_clients_are_closed_in_time_and_hold_nobody_up(self):
        """A head has 10 s, a body 15 s, and a client 20 s to take its answers; luot looks once a second."""
        each = 5 if LIGHT else 25
        head = f"GET /hit.gif?s=skhcn&p=/slow HTTP/1.1\r\n{HEAD}X: "
        body = f"POST /hit HTTP/1.1\r\n{HEAD}Content-Length: 5000\r\n\r\n"
        chunks = f"POST /hit HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n1000\r\n"
        kinds = {"head": (head, b"x", 10), "body": (body, b"x", 15), "chunks": (chunks, b"x", 15),
                 "trailers": (chunks.replace("1000\r\n", "0\r\n"), b"a: b\r\n", 15), "silent head": (head, b"", 10)}
        slow = [(kind, connect(self.luot)) for kind in kinds for _ in range(each)]
        deaf = [connect(self.luot, receive_bytes=4096) for _ in range(each)]
        for wire in [wire for _, wire in slow] + deaf:
            self.addCleanup(wire.close)
        begun = time.monotonic()
        for kind, wire in slow:
            wire.sendall(kinds[kind][0].encode())
        for wire in deaf:
            push(wire, b"GET /luot.js HTTP/1.1\r\nHost: x\r\n\r\n" * 1500)
        closed, slowest = {}, 0.0
        while len(closed) < len(slow) and time.monotonic() - begun < patience(25):
            for number, (kind, wire) in enumerate(slow):
                if number in closed:
                    continue
                try:
                    wire.setblocking(False)
                    if kinds[kind][1]:
                        wire.send(kinds[kind][1])
                    ended = wire.recv(4096) == b""
                except BlockingIOError:
                    continue
                except OSError:
                    ended = True
                if ended:
                    closed[number] = time.monotonic() - begun
            asked = time.monotonic()
            client = Http(self.luot.public)
            self.assertEqual(client.get("/hit.gif?s=skhcn&p=/honest").status, 200)
            client.close()
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(0.2)
        for kind, (_, _, limit) in kinds.items():
            with self.subTest(kind):
                times = sorted(closed.get(number, 999) for number, (k, _) in enumerate(slow) if k == kind)
                self.assertGreater(times[0], limit - 1.5)
                self.assertLess(times[-1], limit + patience(3))
        self.assertLess(slowest, patience(1), "an honest hit beside them")
        timeouts = lambda: self.luot.metrics().value("luot_http_timeouts_total", port="public")  # noqa: E731
        self.assertGreaterEqual(timeouts(), len(slow))
        eventually(lambda: timeouts() == len(slow) + len(deaf), patience(10), "who does not read is closed too")

    def test_a_connection_that_is_given_up_in_any_way_leaves_nothing(self):
        whole = hit_request("skhcn", "/a", "json")
        open_before = self.luot.metrics().value("luot_http_connections")
        for cut in (0, 1, 40, len(whole) - 1, len(whole), 3 * len(whole) + 10):
            for _ in range(10):
                wire = connect(self.luot)
                wire.sendall((whole * 4)[:cut])
                # Closing sends a reset, in the middle of whatever luot is doing.
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                wire.close()
        for cut in (1, 40, len(whole) - 1):
            raw, closed = raw_exchange(self.luot.public, whole[:cut], half_close=True)
            self.assertEqual((raw, closed), (b"", True), "half a request has no answer")
        raw, closed = raw_exchange(self.luot.public, whole * 3, half_close=True)
        self.assertTrue(closed)
        self.assertEqual([a.status for a in split_answers(raw)], [202] * 3, "who has sent all is still answered")
        eventually(lambda: self.luot.metrics().value("luot_http_connections") <= open_before, patience(5))

    def test_idle_connections_and_attackers_beside_honest_traffic(self):
        """The light form of the load that bench/hostile.py puts on."""
        load = ["--idle", "100", "--slow", "10", "--rate", "50"] if LIGHT else ["--idle", "500", "--slow", "50", "--rate", "500"]
        done = subprocess.run([sys.executable, ROOT / "bench/hostile.py", *load, "--seconds", "3"], capture_output=True,
                              text=True, timeout=patience(60), env={**os.environ, "LUOT_BIN": str(BINARY)})
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)


class MadeUpTokens(SystemTest):
    """Anybody may wait for hits that do not exist, on the thread that takes those that do."""

    def test_beside_readers_of_made_up_tokens_honest_ones_see_their_own_view(self):
        rng = seeded("test_hostile")
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
        luot = self.world.luot(config={"collector": {"workers": 1}})
        views = 0
        for count in (100,) if LIGHT else (100, 900):  # below the 1,000 that may wait
            with self.subTest(count):
                stop, answered = threading.Event(), collections.Counter()
                wires = [connect(luot) for _ in range(count)]
                crowd = threading.Thread(target=self.wait_for_nothing, args=(wires, rng, stop, answered))
                sent_before = self.bytes_to_redis(luot)
                crowd.start()
                try:
                    eventually(lambda: answered.total() >= count, patience(20), "each of them has waited once")
                    own = 0
                    for _ in range(50):
                        views += 1
                        token = luot.take_hit("skhcn", "/own")
                        answer = luot.get_counts("skhcn", "/own", after=token).json()
                        if not answer.get("behind"):
                            self.assertEqual(answer["pages"]["/own"]["views"], views)
                            own += 1
                finally:
                    stop.set()
                    crowd.join()
                    for wire in wires:
                        wire.close()
                each = (self.bytes_to_redis(luot) - sent_before) / answered.total()
                print(f"{own} of 50 saw their own view; {each:.0f} bytes to Redis for each of {answered.total()} others", flush=True)
                self.assertGreater(own, 40)
                self.assertEqual(set(answered), {(b"200", True)}, "the others are told the truth: behind")
                self.assertLess(each, 10_000, "a reader makes luot ask for little, whatever its tokens")
        luot.wait_for("skhcn", token)
        self.assertEqual(luot.views("skhcn", "/own"), views)
        self.assert_balanced(luot)

    def bytes_to_redis(self, luot):
        return luot.redis().info("stats")["total_net_input_bytes"]

    def wait_for_nothing(self, wires, rng, stop, answered):
        """Each asks again as soon as it is answered."""
        with selectors.DefaultSelector() as ready:
            for wire in wires:
                tokens = [f"{rng.getrandbits(64):016x}.{rng.randrange(16):02}.{rng.randrange(1, 1000)}" for _ in range(16)]
                body = json.dumps({"site": "skhcn", "paths": ["/a"], "after": tokens})
                request = f"POST /api/v1/counts HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\n\r\n{body}".encode()
                ready.register(wire, selectors.EVENT_READ, request)
                wire.sendall(request)
            while not stop.is_set():
                for key, _ in ready.select(0.1):
                    raw = key.fileobj.recv(65536)
                    answered[raw[9:12], b'"behind":true' in raw] += 1
                    key.fileobj.sendall(key.data)


# Text that would do harm where it is not escaped: a new field, a new answer, a new line of a log, an escape
# sequence of a terminal, markup. Every one holds "evil".
EVIL = ["\r\nX-evil: 1\r\n\r\nHTTP/1.1 200 OK\r\n\r\nevil", "\nevil", "\revil", "\r\n evil", "evil\"}", "evil\\", "\x1b[31mevil",
        "<script>evil()</script>", "\u2028evil", "\u0085evil", "\u009b31mevil", "evil\0x", "'; evil --", "%0d%0aX-evil:%201",
        "2026-01-01T00:00:00.000Z info evil a=b", "{{evil}}", "=evil()", "\u202eevil", "evil\x7f", "嘊嘍evil"]
FIELD_NAMES = {"Date", "Content-Type", "X-Content-Type-Options", "Content-Length", "Cache-Control", "Connection", "ETag",
               "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Allow-Methods",
               "Access-Control-Allow-Headers", "Access-Control-Max-Age", "Cross-Origin-Resource-Policy", "Luot-Token",
               "Luot-Refused", "Retry-After", "Allow", "WWW-Authenticate", "Vary"}


def evil_requests():
    """Every place of a request in which a client can put text, as whole requests."""
    for text in EVIL:
        escaped = quote(text, safe="")
        field = re.sub(r"[\x00-\x1f\x7f]", "?", text).encode()  # the others are refused, see Conformance
        yield "target", f"GET /{escaped}?{escaped} HTTP/1.1\r\n{HEAD}\r\n".encode()
        yield "method", b"GET" + field.replace(b" ", b"") + b" /hit HTTP/1.1\r\n" + HEAD.encode() + b"\r\n"
        for name in ("User-Agent", "Referer", "Origin", "X-Forwarded-For", "Authorization", "If-None-Match", "Accept-Encoding",
                     "Content-Type", "Cookie", "X-Evil"):
            hosted = b"" if name == "Host" else b"Host: x\r\n"
            yield name, (b"GET /api/v1/counts?site=skhcn&path=/a HTTP/1.1\r\n" + hosted + name.encode() + b": " + field + b"\r\n\r\n")
            yield name, b"GET /hit.gif?s=skhcn&p=/a HTTP/1.1\r\n" + hosted + name.encode() + b": " + field + b"\r\n\r\n"
        yield "Host", b"GET /luot.js HTTP/1.1\r\nHost: " + field + b"\r\n\r\n"
        for route, names in (("/api/v1/counts", ("site", "path", "after", "summary")), ("/api/v1/summary", ("site",)),
                             ("/count.txt", ("site", "path")), ("/hit.gif", "s p id r t c n l w b u".split())):
            for name in names:
                given = {"site": "skhcn", "path": "/a", "s": "skhcn", "p": "/a", name: text}
                yield f"{route} {name}", f"GET {route}?{urlencode(given)} HTTP/1.1\r\n{HEAD}\r\n".encode()
        for route, given in (("/hit", {"s": "skhcn", "p": "/" + text, "t": text, "n": text, "id": text}),
                             ("/hit", {"s": "skhcn", "p": "/" + text, "t": text, "r": "https://x/" + text, text: text}),
                             ("/api/v1/counts", {"site": text, "paths": [text]}),
                             ("/api/v1/counts", {"site": "skhcn", "paths": [text, "/" + text], "after": [text]}),
                             ("/api/v1/counts", {"site": "skhcn", "paths": [text, "/" + text]})):
            body = json.dumps(given).encode()
            yield f"{route} body", (f"POST {route} HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\n\r\n").encode() + body


class Echoes(SystemTest):
    """Nothing that a client sends becomes a field of an answer or a part of the log."""

    LINE = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warn|error) [a-z_]+( [a-z_]+=("([^"\\]|\\.)*"|[^\s"=]+))*')

    def ask_everything(self, luot):
        for place, request in evil_requests():
            request = request.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n", 1)
            raw, closed = raw_exchange(luot.public, request, deadline=patience(3))
            with self.subTest(place, request=request):
                self.assertTrue(closed)
                answers = split_answers(raw)
                self.assertEqual(len(answers), 1)
                yield place, request, answers[0], raw.partition(b"\r\n\r\n")[0]

    def test_no_text_of_a_client_gets_into_the_head_of_an_answer(self):
        luot = self.world.luot()
        statuses = set()
        for place, request, answer, head in self.ask_everything(luot):
            statuses.add(answer.status)
            self.assertLessEqual(set(answer.headers.keys()), FIELD_NAMES)
            self.assertNotIn(b"evil", head)
            self.assertTrue(head.replace(b"\r\n", b"").isascii())
            self.assertNotRegex(head.replace(b"\r\n", b""), rb"[\x00-\x1f\x7f]")
            if answer.body:
                self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
            kind = answer.headers.get("Content-Type", "")
            self.assertNotIn("html", kind)
            if kind == "application/json":
                self.assertNotRegex(answer.body, rb"[\x00-\x1f]")
                found = answer.json()
                if place == "/api/v1/counts body" and answer.status == 200:
                    asked = json.loads(request.partition(b"\r\n\r\n")[2])["paths"]
                    self.assertEqual(set(found["pages"]), set(asked), "a path is answered as it was asked for")
        self.assertLessEqual({200, 202, 400, 403, 404}, statuses)
        self.assert_balanced(luot)

    def assert_log(self, is_line, **how):
        server = self.world.redis()
        luot = self.world.luot(redis=server, **how)
        for _ in self.ask_everything(luot):
            pass
        server.kill()
        self.assertEqual(luot.get_counts("skhcn").status, 503)
        luot.take_hit("skhcn", "/a")
        server.start()
        eventually(lambda: luot.get_counts("skhcn").status == 200, patience(10))
        # The operator's own mistakes are shown, in one line.
        good = luot.config_file.read_text()
        luot.config_file.write_text('"a\\n2026-01-01T00:00:00.000Z info forged \\u009b31m x=1" = 1\n' + good)
        luot.hang_up()
        eventually(lambda: "configuration_refused" in luot.log_text(), patience(5))
        luot.stop()
        lines = luot.log.read_bytes().decode().split("\n")
        self.assertEqual(lines.pop(), "")
        self.assertGreater(len(lines), 5)
        for line in lines:
            self.assertTrue(is_line(line), line)
            self.assertNotIn("evil", line)
            self.assertFalse(re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", line), line)

    def test_no_text_of_a_client_gets_into_the_log(self):
        self.assert_log(self.LINE.fullmatch, options=["--log-level", "debug"])

    def test_nor_into_the_log_as_json(self):
        def is_line(line):
            parsed = json.loads(line)
            return list(parsed)[:3] == ["time", "level", "event"] and re.fullmatch("[a-z_]+", parsed["event"])
        self.assert_log(is_line, options=["--log-level", "debug", "--log-format", "json"])

    def test_a_mistake_in_the_configuration_is_one_line_whatever_it_holds(self):
        file = self.world.folder / "wrong.toml"
        for key in ("a\\nforged", "a\\u001b[31mforged", "a\\u009bforged", "a\\u2028forged"):
            file.write_text(f'"{key}" = 1\n')
            status, output, errors = self.world.run("check-config", file)
            self.assertEqual((status, output), (2, ""))
            self.assertRegex(errors, r"\Aluot: [^\x00-\x1f\x7f-\x9f\u2028\u2029]*\n\Z")


class ForgedAddresses(SystemTest):
    """Who a client is decides the peer and the trusted proxies, never the client."""

    def visits(self, luot, forwarded):
        token = None
        for client in forwarded:
            token = luot.take_hit("skhcn", "/a", client=client)
        return luot.counts("skhcn", after=token)["visits"]

    def test_a_forged_address_makes_no_visitor(self):
        forged = [f"198.51.100.{i}" for i in range(1, 21)] + [f"2001:db8:{i:x}::1" for i in range(1, 11)]
        luot = self.world.luot(config={"collector": {"trusted_proxies": []}})
        self.assertEqual(self.visits(luot, forged), 1)

    def test_behind_a_trusted_proxy_only_what_the_proxy_added_counts(self):
        luot = self.world.luot()
        self.assertEqual(self.visits(luot, [f"198.51.100.{i}, 203.0.113.9" for i in range(1, 21)]), 1)
        self.assertEqual(self.visits(luot, [f"unknown, 2001:db8:1:1::{i:x}" for i in range(1, 21)]), 2)

    @unittest.skipUnless(socket.has_ipv6 and Path("/proc/net/if_inet6").exists(), "this machine has no IPv6")
    def test_an_ipv4_peer_of_an_ipv6_port_is_an_ipv4_peer(self):
        luot = self.world.luot(config={"listen": {"public": "[::]:0"}, "collector": {"trusted_proxies": ["127.0.0.1/32"]}})
        port = split_address(luot.public)[1]

        def send(host):
            client = Http(f"{host}:{port}")
            for i in range(1, 11):
                answer = client.get("/hit.gif?s=skhcn&p=/a", X_Forwarded_For=f"198.51.100.{i}")
                self.assertEqual(answer.status, 200)
            client.close()
            return luot.counts("skhcn", after=answer.token)["visits"]

        self.assertEqual(send("127.0.0.1"), 10, "a trusted proxy is believed")
        self.assertEqual(send("[::1]"), 11, "the other peer is not")


if __name__ == "__main__":
    main()
