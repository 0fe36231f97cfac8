#!/usr/bin/env python3
"""Live figures: server-sent events, cheap however many listen, and gone in order when luot goes."""

import json
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import SITES, SystemTest, eventually, hour_lasts, main, patience, raw_exchange, split_address  # noqa: E402

TOKEN = "reader-of-live-figures"
MOST = 200


class Listener:
    """A connection that listens; reads what has come when it is asked."""

    def __init__(self, luot, site="skhcn", head=""):
        self.wire = socket.create_connection(split_address(luot.public), timeout=patience(15))
        self.wire.sendall(f"GET /api/v1/live?site={site} HTTP/1.1\r\nHost: stats.example.vn\r\n{head}\r\n".encode())
        self.bytes, self.is_over = b"", False

    def read(self):
        """All that has come by now, as text."""
        self.wire.settimeout(0.001)
        try:
            while not self.is_over:
                more = self.wire.recv(65536)
                self.is_over = not more
                self.bytes += more
        except TimeoutError:
            pass
        except ConnectionResetError:
            self.is_over = True
        return self.bytes.decode()

    def head(self):
        return eventually(lambda: "\r\n\r\n" in self.read() and self.bytes.decode().split("\r\n\r\n")[0], patience(10), "a head")

    def status(self):
        return int(self.head().split()[1])

    def blocks(self):
        """The events and comments that have come whole."""
        body = self.read().partition("\r\n\r\n")[2]
        return body.split("\n\n")[:-1]

    def events(self):
        return [json.loads(block[6:]) for block in self.blocks() if block.startswith("data: ")]

    def hears(self, condition, what, deadline=None):
        """Waits for an event of which this is true."""
        return eventually(lambda: next((e for e in self.events() if condition(e)), None), deadline or patience(10), what)

    def close(self):
        self.wire.close()


class Live(SystemTest):
    def setUp(self):
        super().setUp()
        # One worker thread: each has a window of its own.
        self.luot = self.start(config={"collector": {"workers": 1}})
        self.listeners = []
        self.addCleanup(lambda: [listener.close() for listener in self.listeners])

    def start(self, **options):
        return self.world.luot(sites=[{**SITES[0], "public": ["counts", "stats"]}, *SITES[1:]], **options)

    def listen(self, **how):
        self.listeners.append(Listener(self.luot, **how))
        return self.listeners[-1]

    def test_views_are_told_as_they_are_counted(self):
        self.luot.wait_for("skhcn", self.luot.take_hit("skhcn", "/a", client="198.51.100.1"))
        listener = self.listen()
        head = listener.head()
        self.assertEqual(listener.status(), 200)
        for line in ("Content-Type: text/event-stream", "Cache-Control: no-store", "X-Accel-Buffering: no",
                     "Connection: close", "Access-Control-Allow-Origin: *"):
            self.assertIn(f"\r\n{line}", head)
        self.assertNotIn("Content-Length", head)
        first = listener.hears(lambda e: True, "the first event")
        self.assertEqual((first["site"], first["views"], first["online"], first["views_last_minute"]), ("skhcn", 1, 1, 0))
        self.assertRegex(first["as_of"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(listener.blocks()[0], "retry: 3000")
        for client in ("198.51.100.2", "198.51.100.3"):
            self.luot.take_hit("skhcn", "/b", client=client)
        seen = listener.hears(lambda e: e["views"] == 3, "the views")
        self.assertEqual((seen["online"], seen["views_last_minute"]), (3, 2))
        self.assertLessEqual(seen["window_seconds"], 66)
        # Who comes later is told what is known already.
        later = self.listen().hears(lambda e: True, "its first event")
        self.assertEqual((later["views"], later["views_last_minute"]), (3, 2))
        self.assertEqual(self.luot.counts("skhcn")["views"], 3)

    def test_pages_that_are_read_for_the_first_time_are_told(self):
        hour_lasts()
        for path, title in (("/a", "Bài a"), ("/b", None), ("/a", "Bài a")):
            self.luot.wait_for("skhcn", self.luot.take_hit("skhcn", path, t=title, c="Tin"))
        listener = self.listen()
        listener.hears(lambda e: e["newest"] == [{"path": "/b", "title": "", "section": "Tin"},
                                                 {"path": "/a", "title": "Bài a", "section": "Tin"}], "both, the newest first", patience(20))
        for i in range(12):
            self.luot.wait_for("skhcn", self.luot.take_hit("skhcn", f"/c/{i}", client=f"198.51.100.{i + 1}"))
        listener.hears(lambda e: [page["path"] for page in e["newest"]] == [f"/c/{i}" for i in range(11, 1, -1)], "the last ten", patience(30))

    def test_totals_that_are_imported_are_no_views_of_the_last_minute(self):
        listener = self.listen()
        listener.hears(lambda e: e["views"] == 0, "the first event")
        file = self.world.folder / "totals.csv"
        file.write_text("*,1000,10\n")
        status, _, errors = self.world.run("import", "totals", file, "--site", "skhcn", "--config", self.luot.config_file)
        self.assertEqual(status, 0, errors)
        self.assertEqual(listener.hears(lambda e: e["views"] == 1000, "the totals")["views_last_minute"], 0)

    def test_a_site_hears_of_itself_alone(self):
        listener = self.listen()
        self.luot.wait_for("bao", self.luot.take_hit("bao", "/a"))
        self.luot.wait_for("skhcn", self.luot.take_hit("skhcn", "/a"))
        listener.hears(lambda e: e["views"] == 1, "its view")
        self.assertEqual({e["views"] for e in listener.events()} - {0}, {1})

    def test_what_cannot_be_listened_to_says_why(self):
        for target, status in (("", 400), ("?site=none", 404), ("?site=bao", 401)):
            self.assertEqual(self.luot.http.get(f"/api/v1/live{target}").status, status)
        head = raw_exchange(self.luot.public, b"HEAD /api/v1/live?site=skhcn HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(head[0].startswith(b"HTTP/1.1 200") and head[0].endswith(b"\r\n\r\n"), head)

    def test_the_site_s_token_opens_it(self):
        token = self.world.folder / "token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        before = self.listen()
        self.assertEqual(before.status(), 200)
        self.luot.config["site"][0].update(public=["counts"], token_file=str(token))
        self.luot.write_config()
        self.luot.hang_up()
        # A new configuration sends all away, who come back as they may.
        eventually(lambda: before.read() and before.is_over, patience(10), "it is sent away")
        eventually(lambda: self.listen().status() == 401, patience(5), "it is closed")
        self.assertEqual(self.listen(head="Authorization: Bearer wrong\r\n").status(), 403)
        listener = self.listen(head=f"Authorization: Bearer {TOKEN}\r\n")
        listener.hears(lambda e: e["views"] == 0, "an event")

    def test_many_cost_no_more_than_one(self):
        """Redis is asked once a second for a site by a worker thread; and there are places for 200."""
        def asked():
            return self.luot.metrics().sum("luot_redis_round_trips_total", connection="luot-read")
        many = [self.listen() for _ in range(MOST)]
        for listener in many:
            listener.hears(lambda e: True, "an event", patience(20))
        began, before = time.monotonic(), asked()
        eventually(lambda: asked() >= before + 6, patience(20), "six questions")
        self.assertLessEqual(asked() - before, time.monotonic() - began + 1)
        self.assertEqual(self.luot.metrics().value("luot_live_listeners"), MOST)

        refused = self.listen()
        self.assertEqual(refused.status(), 503)
        self.assertIn("\r\nRetry-After: 30", refused.head())
        self.assertEqual(self.luot.metrics().sum("luot_live_refused_total"), 1)
        many[0].close()
        many[1].close()
        eventually(lambda: self.luot.metrics().value("luot_live_listeners") == MOST - 2, patience(10), "two left")
        self.assertEqual(self.listen().status(), 200)
        # All others still work, and hits are taken.
        self.luot.wait_for("skhcn", self.luot.take_hit("skhcn", "/a"))
        for listener in many[2:]:
            listener.hears(lambda e: e["views"] == 1, "the view")

    def test_listeners_are_let_go_when_luot_ends(self):
        many = [self.listen() for _ in range(20)]
        for listener in many:
            listener.hears(lambda e: True, "an event")
        self.luot.stop()  # within 10 s, with status 0
        for listener in many:
            listener.read()
            self.assertTrue(listener.is_over)
            self.assertTrue(listener.bytes.endswith(b"\n\n"), "no event is cut")

    def test_with_redis_away_it_says_so_and_goes_on(self):
        self.luot.close()
        redis = self.world.redis()
        self.luot = self.start(name="apart", redis=redis)
        listener = self.listen()
        listener.hears(lambda e: e["views"] == 0, "the first event")
        redis.freeze()
        eventually(lambda: "event: away\ndata: {}" in listener.blocks(), patience(15), "Redis is away")
        new = self.listen()  # an EventSource that got a 503 would never ask again
        self.assertEqual(new.status(), 200)
        eventually(lambda: "event: away\ndata: {}" in new.blocks(), patience(15), "it hears that, too")
        redis.thaw()
        self.luot.take_hit("skhcn", "/a")
        for l in (listener, new):
            l.hears(lambda e: e["views"] == 1, "the view", patience(20))


if __name__ == "__main__":
    main()
