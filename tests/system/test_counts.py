#!/usr/bin/env python3
"""What is counted, and how it is read: exact counts under load, the own view, repeats, tokens, caching,
access, and the relations between views, visits and visitors."""

import collections
import json
import resource
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import (BROWSER, FIREFOX, GOOGLEBOT, LIGHT, SITES, GIF_BYTES, Hit, Load, SystemTest,  # noqa: E402
                  client_address, eventually, hit_request, main, mixed_hits, patience, raw_exchange, seeded)


class UnderLoad(SystemTest):
    def test_each_acknowledged_hit_is_counted_exactly_once_on_its_page_and_site(self):
        """64 connections, 1,000 pages, 3 sites; among them repeats with the same id, bots, events, and hits
        that have to be refused."""
        rng = seeded("test_counts")
        number = 10_000 if LIGHT else 100_000
        pages = [(SITES[i % 3]["id"], f"/tin-tuc/bài-{i}.html") for i in range(1000)]
        luot = self.world.luot()

        def hits():
            for hit in mixed_hits(rng, pages, number):
                yield hit
                draw = rng.random()
                if draw < 0.01:
                    yield Hit("none", "/", hit_request("no-such-site", "/", client=client_address(rng)))
                elif draw < 0.02:
                    yield Hit(hit.site, "", hit_request(hit.site, "", client=client_address(rng)))

        began = time.monotonic()
        load = Load(hits(), [luot.public], connections=64).run(300)
        spent = time.monotonic() - began
        print(f"{load} in {spent:.1f} s", flush=True)

        self.assertEqual(sum(load.views.values()), number)
        self.assertEqual(set(load.refused), {"unknown_site", "bad_request"})
        self.assert_counted(luot, load.views, load.tokens)
        self.assert_balanced(luot)
        self.assert_positions(luot, acknowledged=load.acknowledgements, lost=0)
        metrics = luot.metrics()
        self.assertEqual(metrics.value("luot_hits_accepted_total"), load.acknowledgements)
        refused = {k: v for k, v in metrics.by("reason", "luot_hits_refused_total").items() if v}
        self.assertEqual(refused, dict(load.refused))
        if load.repeats == 0:
            self.assertEqual(metrics.value("luot_hits_received_total"), load.sent)


class One(SystemTest):
    """Each test of this class talks to a luot that nobody else uses."""

    sites = None

    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(sites=self.sites)


class Views(One):
    def test_the_own_view_is_in_the_answer_of_a_read_with_after(self):
        for how in ("json", "form", "pixel"):
            for number in range(1, 31):
                token = self.luot.take_hit("skhcn", f"/{how}", how=how)
                answer = self.luot.get_counts("skhcn", f"/{how}", after=token).json()
                self.assertFalse(answer.get("behind"), answer)
                self.assertEqual(answer["pages"][f"/{how}"]["views"], number)
        self.assertEqual(self.luot.views("skhcn"), 90)

    def test_a_view_is_shown_within_a_second_without_after(self):
        slowest = 0.0
        for number in range(1, 21):
            self.luot.take_hit("bao", "/a")
            began = time.monotonic()
            eventually(lambda: self.luot.views("bao", "/a") == number, patience(3), f"view {number} is shown")
            slowest = max(slowest, time.monotonic() - began)
        print(f"slowest view was shown after {slowest * 1000:.0f} ms", flush=True)
        self.assertLess(slowest, patience(1))

    def test_the_same_hit_sent_again_counts_once(self):
        """The same id over each form, on the same connection and on others."""
        tokens = [self.luot.take_hit("skhcn", "/a", id="one-Hit_1", how=how)
                  for how in ("json", "pixel", "form", "json", "pixel")]
        for token in tokens:
            self.luot.wait_for("skhcn", token)
        self.assertEqual(self.luot.views("skhcn", "/a"), 1)

    def test_the_same_id_on_another_site_is_another_hit(self):
        for site in ("skhcn", "bao", "thu-vien"):
            token = self.luot.take_hit(site, "/a", id="shared")
            self.assertEqual(self.luot.views(site, "/a", after=token), 1)

    def test_hits_without_an_id_are_views_each(self):
        for _ in range(4):
            token = self.luot.take_hit("skhcn", "/a")
        self.luot.wait_for("skhcn", token)
        eventually(lambda: self.luot.views("skhcn", "/a") == 4, patience(2))

    def test_the_answer_to_a_post_carries_its_token_twice(self):
        answer = self.luot.hit("skhcn", "/a")
        self.assertEqual(answer.status, 202)
        body = answer.json()
        self.assertEqual((body["accepted"], body["token"]), (True, answer.token))
        self.assertRegex(answer.token, r"^[^.]+\.\d+\.\d+$")

    def test_the_pixel_is_a_transparent_gif_that_nobody_keeps(self):
        answer = self.luot.hit("skhcn", "/a", how="pixel")
        self.assertEqual((answer.status, len(answer.body)), (200, GIF_BYTES))
        self.assertTrue(answer.body.startswith(b"GIF89a"))
        self.assertEqual(answer.headers["Content-Type"], "image/gif")
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertIsNone(answer.headers["Set-Cookie"])
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        exposed = {name.strip() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
        self.assertEqual(exposed, {"Luot-Token", "Luot-Refused", "Retry-After"})

    def test_bots_are_accepted_and_counted_apart(self):
        token = self.luot.take_hit("skhcn", "/a")
        for _ in range(3):
            token = self.luot.take_hit("skhcn", "/a", agent=GOOGLEBOT)
        token = self.luot.take_hit("skhcn", "/a", b=1)
        self.luot.wait_for("skhcn", token)
        eventually(lambda: self.bots() == 4, patience(2), "four bots are counted")
        self.assertEqual(self.luot.counts("skhcn", "/a")["views"], 1)
        self.assertEqual(self.luot.views("skhcn", "/a"), 1)

    def bots(self):
        client = self.luot.redis()
        found = 0
        for key in client.scan_iter("luot:*:skhcn:totals"):
            found += int(client.hget(key, "bots") or 0)
        return found

    def test_hits_that_are_not_to_be_counted_are_answered_and_not_spooled(self):
        cases = [({"Sec-Purpose": "prefetch"}, "prefetch"), ({"Purpose": "prefetch"}, "prefetch"),
                 ({"Sec-Purpose": "prefetch;prerender"}, "prefetch"), ({"X-Moz": "prefetch"}, "prefetch"),
                 ({"X-Purpose": "preview"}, "prefetch"), ({"Sec-GPC": "1"}, "opted_out")]
        for headers, reason in cases:
            for how in ("json", "pixel"):
                with self.subTest(headers=headers, how=how):
                    answer = self.luot.hit("skhcn", "/a", how=how, headers=headers)
                    self.assertEqual((answer.status, answer.reason, answer.token), (202, reason, None))
        token = self.luot.take_hit("skhcn", "/a", headers={"DNT": "1"})  # honor_dnt is off
        self.assertEqual(self.luot.views("skhcn", "/a", after=token), 1)
        self.assert_balanced(self.luot)
        self.assertEqual(self.luot.metrics().by("reason", "luot_hits_refused_total")["opted_out"], 2)

    def test_the_page_is_that_of_the_referer_when_none_is_named(self):
        answer = self.luot.http.get("/hit.gif?s=skhcn", Referer="https://skhcn.example.vn/tin/bai-1")
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.luot.views("skhcn", "/tin/bai-1", after=answer.token), 1)


class Tokens(One):
    def test_a_token_not_reached_is_answered_after_a_second_with_what_there_is(self):
        token = self.luot.take_hit("skhcn", "/a")
        producer, partition, offset = token.split(".")
        self.luot.wait_for("skhcn", token)
        began = time.monotonic()
        answer = self.luot.get_counts("skhcn", "/a", after=f"{producer}.{partition}.{int(offset) + 1000}").json()
        waited = time.monotonic() - began
        self.assertIs(answer["behind"], True)
        self.assertEqual(answer["pages"]["/a"]["views"], 1)
        self.assertGreater(waited, 0.8)
        self.assertLess(waited, patience(2))

    def test_a_malformed_token_is_refused(self):
        for token in ("x", "a.b.c", "1.2", "0123456789abcdef.99.1", "0123456789abcdef.00.-1",
                      "0123456789abcdef.00.1.2", "0123456789ABCDEF.00.x", "é.00.1", "a" * 5000):
            with self.subTest(token[:40]):
                answer = self.luot.get_counts("skhcn", after=token)
                self.assertEqual(answer.status, 400, answer)
                self.assertEqual(answer.json()["error"]["code"], "bad_token")

    def test_a_read_with_after_is_not_kept_by_caches(self):
        token = self.luot.take_hit("skhcn", "/a")
        answer = self.luot.get_counts("skhcn", "/a", after=token)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")

    def test_many_readers_may_wait_at_once(self):
        """More than the 1,000 that may wait are answered, the surplus at once."""
        token = self.luot.take_hit("skhcn", "/a")
        producer, partition, offset = token.split(".")
        far = f"{producer}.{partition}.{int(offset) + 10**6}"
        request = (f"GET /api/v1/counts?site=skhcn&path=/a&after={far} HTTP/1.1\r\nHost: x\r\n\r\n").encode()
        count = 200 if LIGHT else 1100
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
        reader = Load(iter(()), [self.luot.public])
        answered = collections.Counter()

        def hits():
            for _ in range(count):
                yield Hit("skhcn", "/a", request)

        reader = Load(hits(), [self.luot.public], connections=count)
        reader._answered = lambda hit, head: (answered.update([head[9:12]]),
                                              setattr(reader, "_in_hand", reader._in_hand - 1))
        began = time.monotonic()
        reader.run(60)
        self.assertEqual(answered, {b"200": count})
        self.assertLess(time.monotonic() - began, patience(20))

    def test_a_read_waits_for_all_of_its_tokens(self):
        first, second = self.luot.take_hit("skhcn", "/a"), self.luot.take_hit("bao", "/a")
        producer, partition, offset = second.split(".")
        far = f"{producer}.{partition}.{int(offset) + 1000}"
        self.luot.wait_for("skhcn", first)
        self.luot.wait_for("bao", second)
        for after, behind in (([first, second], None), ([far, first], True), ([first, far], True)):
            answer = self.luot.http.get("/api/v1/counts?site=skhcn&" + urlencode([("after", t) for t in after]))
            self.assertEqual(answer.json().get("behind"), behind, after)
            body = json.dumps({"site": "skhcn", "paths": ["/a"], "after": after})
            self.assertEqual(self.luot.http.request("POST", "/api/v1/counts", body=body).json().get("behind"), behind)
        answer = self.luot.http.get("/api/v1/counts?site=skhcn&" + urlencode([("after", "bad"), ("after", first)]))
        self.assertEqual((answer.status, answer.json()["error"]["code"]), (400, "bad_token"))


class Caching(One):
    def test_an_etag_names_the_figures_and_nothing_else(self):
        token = self.luot.take_hit("skhcn", "/a")
        self.luot.wait_for("skhcn", token)
        first = self.luot.get_counts("skhcn", "/a")
        self.assertEqual(first.status, 200)
        self.assertIn("max-age=1", first.headers["Cache-Control"])
        tag, as_of = first.headers["ETag"], first.json()["as_of"]

        def a_later_one():
            answer = self.luot.get_counts("skhcn", "/a")
            return answer.json()["as_of"] != as_of and answer
        later = eventually(a_later_one, patience(5), "as_of moves on")
        self.assertEqual(later.headers["ETag"], tag)

        target = "/api/v1/counts?site=skhcn&path=/a"
        unchanged = self.luot.http.request("GET", target, headers={"If-None-Match": tag})
        self.assertEqual((unchanged.status, unchanged.body), (304, b""))
        self.assertEqual(unchanged.headers["ETag"], tag)

        token = self.luot.take_hit("skhcn", "/a")
        self.luot.wait_for("skhcn", token)
        changed = self.luot.http.request("GET", target, headers={"If-None-Match": tag})
        self.assertEqual(changed.status, 200)
        self.assertNotEqual(changed.headers["ETag"], tag)

    def test_as_of_is_now_in_utc(self):
        stamp = time.strftime("%Y-%m-%dT%H:%M", time.gmtime())
        as_of = self.luot.counts("skhcn")["as_of"]
        self.assertRegex(as_of, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertIn(as_of[:16], (stamp, time.strftime("%Y-%m-%dT%H:%M", time.gmtime())))

    def test_head_answers_as_get_without_the_body(self):
        token = self.luot.take_hit("skhcn", "/a")
        self.luot.wait_for("skhcn", token)
        for target in ("/api/v1/counts?site=skhcn&path=/a", "/api/v1/summary?site=skhcn", "/luot.js", "/luot-events.js",
                       "/count.txt?site=skhcn&path=/a"):
            with self.subTest(target):
                got = self.luot.http.request("GET", target)
                request = f"HEAD {target} HTTP/1.1\r\nHost: x\r\nUser-Agent: {BROWSER}\r\nConnection: close\r\n\r\n"
                raw, closed = raw_exchange(self.luot.public, request.encode())
                head, _, body = raw.partition(b"\r\n\r\n")
                self.assertTrue(closed)
                self.assertTrue(head.startswith(b"HTTP/1.1 200"), head)
                self.assertEqual(body, b"")
                self.assertIn(f"content-length: {len(got.body)}", head.decode().lower())

    def test_the_scripts_are_small_cached_and_compressed(self):
        for target, most_bytes, promise in (("/luot.js", 2048, b"data-luot-widget"), ("/luot-events.js", 1024, b"data-luot-event-")):
            answer = self.luot.http.request("GET", target, headers={"Accept-Encoding": "gzip"})
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.headers["Content-Encoding"], "gzip")
            self.assertLessEqual(len(answer.body), most_bytes)
            self.assertIn("max-age=86400", answer.headers["Cache-Control"])
            self.assertIn("javascript", answer.headers["Content-Type"])
            tag = answer.headers["ETag"]
            again = self.luot.http.request("GET", target, headers={"Accept-Encoding": "gzip", "If-None-Match": tag})
            self.assertEqual((again.status, again.body), (304, b""))
            plain = self.luot.http.request("GET", target)
            self.assertIsNone(plain.headers["Content-Encoding"])
            self.assertGreater(len(plain.body), len(answer.body))
            self.assertIn(promise, plain.body)


class Reading(One):
    def test_count_txt_is_the_bare_number(self):
        for number in range(1, 4):
            token = self.luot.take_hit("skhcn", "/a")
        token = self.luot.take_hit("skhcn", "/b")
        self.luot.wait_for("skhcn", token)
        for target, shown in (("&path=/a", b"3"), ("&path=/none", b"0"), ("", b"4")):
            answer = self.luot.http.get("/count.txt?site=skhcn" + target)
            self.assertEqual((answer.status, answer.body.strip()), (200, shown), target)
            self.assertIn("text/plain", answer.headers["Content-Type"])

    def test_one_bad_address_of_a_list_does_not_take_the_numbers_of_the_others_away(self):
        token = self.luot.take_hit("skhcn", "/a")
        bad = ["/50%-off", "javascript:void(0)", "", "https://evil.example/x", "/" + "a" * 2100]
        body = json.dumps({"site": "skhcn", "paths": ["/a", *bad], "after": token})
        answer = self.luot.http.request("POST", "/api/v1/counts", body=body)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json()["pages"], {"/a": {"views": 1}, **{path: None for path in bad}})

    def test_a_page_nobody_has_read_has_no_views(self):
        answer = self.luot.counts("skhcn", "/never", "/also-never")
        self.assertEqual(answer["pages"], {"/never": {"views": 0}, "/also-never": {"views": 0}})
        self.assertEqual((answer["site"], answer["views"]), ("skhcn", 0))

    def test_counts_by_post_are_those_by_get(self):
        for path in ("/a", "/b", "/b"):
            token = self.luot.take_hit("skhcn", path)
        got = self.luot.counts("skhcn", "/a", "/b", "/c", after=token, summary=1)
        body = json.dumps({"site": "skhcn", "paths": ["/a", "/b", "/c"], "after": token, "summary": 1})
        posted = self.luot.http.request("POST", "/api/v1/counts", body=body,
                                        headers={"Content-Type": "text/plain;charset=UTF-8"})
        self.assertEqual(posted.status, 200)
        got.pop("as_of"), (answer := posted.json()).pop("as_of")
        self.assertEqual(answer, got)
        self.assertEqual({p: v["views"] for p, v in got["pages"].items()}, {"/a": 1, "/b": 2, "/c": 0})

    def test_up_to_a_hundred_paths_are_answered_at_once(self):
        paths = [f"/p{i}" for i in range(100)]
        self.assertEqual(set(self.luot.counts("skhcn", *paths)["pages"]), set(paths))
        self.assertEqual(self.luot.get_counts("skhcn", *paths, "/one-more").status, 400)

    def test_the_summary_has_every_period_and_no_period_more_visits_than_views(self):
        for path in ("/a", "/b", "/a"):
            token = self.luot.take_hit("skhcn", path, client="198.51.100.1")
        token = self.luot.take_hit("skhcn", "/a", client="198.51.100.2")
        self.luot.wait_for("skhcn", token)
        summary = self.luot.http.get("/api/v1/summary?site=skhcn").json()
        inside = self.luot.counts("skhcn", summary=1)["summary"]
        for answer in (summary, inside):
            for period in ("today", "yesterday", "this_week", "this_month", "last_month", "this_year", "total"):
                figures = answer[period]
                visitors = figures["visitors" if period in ("today", "yesterday") else "visitor_days"]
                wanted = 0 if period in ("yesterday", "last_month") else 1
                self.assertEqual((figures["views"], figures["visits"], visitors),
                                 (4 * wanted, 2 * wanted, 2 * wanted), (period, figures))
        self.assertEqual(summary["online"], 2)

    def test_visits_and_visitors_are_told_apart_by_address_agent_and_site(self):
        readers = [
            ("198.51.100.1", BROWSER), ("198.51.100.1", FIREFOX), ("198.51.100.2", BROWSER),
            ("2001:db8:1:1::1", BROWSER), ("2001:db8:1:1:ffff::2", BROWSER),  # one household: its /64
            ("2001:db8:1:2::1", BROWSER),
        ]
        for client, agent in readers * 3:
            token = self.luot.take_hit("skhcn", "/a", client=client, agent=agent)
        self.luot.wait_for("skhcn", token)
        answer = self.luot.counts("skhcn", summary=1)
        self.assertEqual((answer["views"], answer["visits"], answer["online"]), (18, 5, 5))
        self.assertEqual(answer["summary"]["today"]["visitors"], 5)
        token = self.luot.take_hit("bao", "/a", client="198.51.100.1")
        self.assertEqual(self.luot.counts("bao", after=token)["visits"], 1)

    def test_an_event_is_no_view_and_begins_no_visit(self):
        token = self.luot.take_hit("skhcn", "/a", n="download", client="198.51.100.7")
        answer = self.luot.counts("skhcn", "/a", after=token)
        self.assertEqual((answer["views"], answer["visits"], answer["pages"]["/a"]["views"]), (0, 0, 0))
        token = self.luot.take_hit("skhcn", "/a", client="198.51.100.7")
        answer = self.luot.counts("skhcn", after=token)
        self.assertEqual((answer["views"], answer["visits"]), (1, 1))

    def test_wrong_parameters_are_named(self):
        for target in ("/api/v1/counts", "/api/v1/counts?site=", "/api/v1/summary", "/api/v1/counts?path=/a"):
            with self.subTest(target):
                answer = self.luot.http.get(target)
                self.assertEqual(answer.status, 400, answer)
                error = answer.json()["error"]
                self.assertTrue(error["code"] and error["message"])
                self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        for body in ("", "{", "[]", "1", '{"site":1}', '{"site":"skhcn","paths":"/a"}', '{"site":"skhcn","paths":[1]}'):
            with self.subTest(body):
                answer = self.luot.http.request("POST", "/api/v1/counts", body=body)
                self.assertEqual(answer.status, 400, answer)

    def test_counts_bring_the_list_of_most_read_pages(self):
        for path, client in (("/a", 1), ("/a", 2), ("/b", 1)):
            token = self.luot.take_hit("skhcn", path, t=f"Title of {path}", c="News", client=f"198.51.100.{client}")
        self.luot.wait_for("skhcn", token)
        listed = self.luot.http.get("/api/v1/most_read?site=skhcn").json()["rows"]
        self.assertEqual([(row["path"], row["title"], row["views"]) for row in listed], [("/a", "Title of /a", 2), ("/b", "Title of /b", 1)])
        for number, rows in ((100, listed), (1, listed[:1])):
            answer = self.luot.http.get(f"/api/v1/counts?site=skhcn&path=/b&most_read={number}").json()
            self.assertEqual((answer["most_read"], answer["pages"]), (rows, {"/b": {"views": 1}}))
            posted = self.luot.http.request("POST", "/api/v1/counts", json.dumps({"site": "skhcn", "most_read": number}).encode()).json()
            self.assertEqual(posted["most_read"], rows)
        self.assertNotIn("most_read", self.luot.http.get("/api/v1/counts?site=skhcn").json())
        for number in ("0", "101", "-1", "x", ""):
            self.assertEqual(self.luot.http.get(f"/api/v1/counts?site=skhcn&most_read={number}").status, 400, number)
        # A site that keeps its list to itself does so here, too.
        self.luot.config["site"][0]["public"] = ["counts"]
        self.luot.write_config()
        self.luot.hang_up()
        eventually(lambda: self.luot.http.get("/api/v1/most_read?site=skhcn").status == 401, patience(5), "it is closed")
        self.assertEqual(self.luot.http.get("/api/v1/counts?site=skhcn&most_read=1").status, 401)
        self.assertEqual(self.luot.http.get("/api/v1/counts?site=skhcn").status, 200)

    def test_counts_are_not_narrowed_and_say_so(self):
        """Else the whole site's numbers were taken for those of a country. What caches and scripts add to an address is nothing."""
        for name in ("country", "device", "section", "source", "event", "bot", "from", "to"):
            answer = self.luot.http.get(f"/api/v1/counts?site=skhcn&path=/a&{name}=x")
            self.assertEqual(answer.status, 400, name)
            self.assertIn(f"`{name}`", answer.json()["error"]["message"])
            body = json.dumps({"site": "skhcn", name: "x"}).encode()
            self.assertEqual(self.luot.http.request("POST", "/api/v1/counts", body).status, 400, name)
        posted = self.luot.http.request("POST", "/api/v1/counts", json.dumps({"site": "skhcn", "path": "/a"}).encode())
        self.assertIn("`paths`", posted.json()["error"]["message"])
        self.assertEqual(self.luot.http.get("/api/v1/counts?site=skhcn&path=/a&_=1627&utm_source=x&v=2").status, 200)
        body = json.dumps({"site": "skhcn", "paths": ["/a"], "summary": 0, "v": 2}).encode()
        self.assertEqual(self.luot.http.request("POST", "/api/v1/counts", body).status, 200)

    def test_an_unknown_site_is_not_found(self):
        for target in ("/api/v1/counts?site=none", "/api/v1/summary?site=none", "/count.txt?site=none"):
            with self.subTest(target):
                answer = self.luot.http.get(target)
                self.assertEqual(answer.status, 404, answer)
        self.assertEqual(self.luot.get_counts("none").json()["error"]["code"], "unknown_site")


class PathLimits(SystemTest):
    """Strangers cannot fill the memory with pages that do not exist, nor move the count of one that does."""

    def count_pages(self, luot, site, paths):
        for path in paths:
            token = luot.take_hit(site, path)
        luot.wait_for(site, token)
        answer = luot.counts(site, *paths)
        self.assertEqual(answer["views"], len(paths), "every view counts on the site")
        return [page and page["views"] for page in answer["pages"].values()]

    def assert_limited(self, luot, site, most):
        paths = [f"/new-{i}" for i in range(most + 3)]
        self.assertEqual(self.count_pages(luot, site, paths), [1] * most + [None] * 3)
        token = luot.take_hit(site, "/new-0")
        answer = luot.counts(site, "/new-0", "/new-7", "/never", after=token)
        self.assertEqual(answer["pages"]["/new-0"], {"views": 2}, "a page that is known goes on counting")
        self.assertEqual(answer["pages"]["/new-7"], None)
        self.assertEqual(answer["views"], most + 4)

    def test_new_pages_beyond_the_limit_of_a_day_are_counted_together(self):
        luot = self.world.luot(sites=[{"id": "small", "hosts": ["a.example.vn"], "max_new_paths_per_day": 5}])
        self.assert_limited(luot, "small", 5)

    def test_pages_beyond_max_paths_are_counted_together(self):
        luot = self.world.luot(config={"aggregator": {"max_paths": 5}})
        self.assert_limited(luot, "skhcn", 5)
        self.assertEqual(self.count_pages(luot, "bao", ["/x"]), [1], "each site has its own limit")


class Access(SystemTest):
    def setUp(self):
        super().setUp()
        token_file = self.world.folder / "token"
        token_file.write_text("s3cret-token-of-skhcn\n")
        token_file.chmod(0o600)
        common = {"hosts": ["a.example.vn"]}
        self.luot = self.world.luot(sites=[
            {"id": "open", **common},
            {"id": "closed", **common, "public": [], "token_file": str(token_file)},
            {"id": "counts-only", **common, "public": ["counts"], "token_file": str(token_file)},
            {"id": "no-token", **common, "public": []},
        ])

    def read(self, route, site, **headers):
        answer = self.luot.http.get(f"{route}?site={site}", **headers)
        if answer.status in (401, 403):
            self.assertTrue(answer.json()["error"]["code"])
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        return answer.status

    def test_what_is_not_public_needs_the_token_of_the_site(self):
        for site, routes in {"closed": ("/api/v1/counts", "/api/v1/summary", "/count.txt"),
                             "counts-only": ("/api/v1/summary", "/count.txt")}.items():
            for route in routes:
                with self.subTest(site=site, route=route):
                    self.assertEqual(self.read(route, site), 401)
                    self.assertEqual(self.read(route, site, Authorization="Bearer wrong"), 403)
                    self.assertEqual(self.read(route, site, Authorization="Bearer s3cret-token-of-skhc"), 403)
                    self.assertEqual(self.read(route, site, Authorization="Bearer s3cret-token-of-skhcn"), 200)

    def test_what_is_public_needs_none(self):
        self.assertEqual(self.read("/api/v1/counts", "counts-only"), 200)
        for route in ("/api/v1/counts", "/api/v1/summary", "/count.txt"):
            self.assertEqual(self.read(route, "open"), 200)

    def test_a_site_without_a_token_shows_what_is_not_public_to_nobody(self):
        self.assertEqual(self.read("/api/v1/counts", "no-token"), 401)
        for guess in ("Bearer ", "Bearer x", "Bearer s3cret-token-of-skhcn"):
            self.assertIn(self.read("/api/v1/counts", "no-token", Authorization=guess), (401, 403))

    def test_hits_are_taken_whatever_is_public(self):
        self.luot.take_hit("closed", "/a")


if __name__ == "__main__":
    main()
