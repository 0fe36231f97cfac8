#!/usr/bin/env python3
"""/metrics: the names that others build on, values beside the hits that were sent, gauges of sites that one
aggregator alone tells, and that vanish rather than being wrong."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import GOOGLEBOT, ROOT, SITES, SystemTest, eventually, hour_lasts, main, patience, steadily  # noqa: E402

NAMES = ROOT / "tests" / "data" / "metrics.txt"
IDS = {site["id"] for site in SITES}
SITE_GAUGES = ("luot_site_views", "luot_site_visits", "luot_site_online", "luot_site_views_today",
               "luot_site_visits_today", "luot_site_visitors_today", "luot_site_bot_views_today")


def families(text):
    """name -> (type, labels) of what is exported; of a histogram under its own name, without `le`."""
    types, found = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            types[name] = kind
        elif not line.startswith("#"):
            series, labels = re.match(r"(\w+)(?:\{(.*)\})? \S+$", line).groups()
            name = re.sub(r"_(bucket|sum|count)$", "", series)
            name = name if types.get(name) == "histogram" else series
            labels = {label for label, _ in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")} - {"le"}
            found[name] = types[name], frozenset(labels)
    return found


def articles(luot, name="luot_article_views_today", site="skhcn"):
    return {labels["path"]: value for labels, value in luot.metrics().matching(name, site=site)}


class Names(SystemTest):
    def export(self):
        """All there can be: some series are there from their first hit on."""
        luot = self.world.luot()
        luot.take_hit("skhcn", "/a")
        luot.wait_for("skhcn", luot.take_hit("skhcn", "/a", agent=GOOGLEBOT))
        wanted = {"luot_applied_views_total", "luot_applied_bots_total", "luot_clock_skew_seconds", "luot_article_views",
                  "luot_redis_memory_bytes", "luot_partitions_without_lease", "luot_queue_oldest_seconds",
                  "luot_hits_lost_total"}

        def text():
            body = luot.admin_http.get("/metrics").body.decode()
            return wanted <= set(families(body)) and body
        return eventually(text, patience(15), "all metrics are there")

    def test_names_types_and_labels_stay_and_are_documented(self):
        """Dashboards and alerts of others are written against them. A new metric goes into both files; one that
        changes its name breaks them."""
        exported = families(self.export())
        shown = [" ".join([name, kind, *sorted(labels)]) for name, (kind, labels) in sorted(exported.items())]
        self.assertEqual(NAMES.read_text().splitlines(), shown)
        documented = {}
        for line in (ROOT / "docs" / "metrics.md").read_text().splitlines():
            cells = line.split("|")
            if re.match(r"\| `(luot|process)_", line):
                for name in re.findall(r"`((?:luot|process)_\w+)`", cells[1]):
                    is_histogram = "*histogram*" in cells[4]
                    documented[name] = is_histogram, frozenset(re.findall(r"`(\w+)`", cells[2]))
        self.assertEqual(documented, {name: (kind == "histogram", labels) for name, (kind, labels) in exported.items()})

    def test_a_collector_and_an_aggregator_apart_have_no_others(self):
        server = self.world.redis()
        known = set(NAMES.read_text().split())
        for command in ("collector", "aggregator"):
            luot = self.world.luot(command, redis=server)
            self.assertLessEqual(set(families(luot.admin_http.get("/metrics").body.decode())), known)

    def test_promtool_finds_nothing_wrong(self):
        promtool = shutil.which("promtool")
        self.assertTrue(promtool, "promtool is missing: run deploy/install-deps.sh")
        done = subprocess.run([promtool, "check", "metrics"], input=self.export(), capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))


class Values(SystemTest):
    def imported(self, luot, site, text):
        file = self.world.folder / "totals.csv"
        file.write_text(text)
        status, output, errors = self.world.run("import", "totals", file, "--site", site, "--config", luot.config_file)
        self.assertEqual(status, 0, output + errors)

    def test_what_is_exported_is_what_was_sent(self):
        hour_lasts()
        luot = self.world.luot()
        self.imported(luot, "skhcn", "/a,100\n*,1000,300\n")
        for i in range(3):
            luot.take_hit("skhcn", "/a", client=f"198.51.100.{i}")
        luot.take_hit("skhcn", "/b", client="198.51.100.1")
        luot.take_hit("skhcn", "/b", client="198.51.100.1", n="tai-ve")
        for _ in range(2):
            luot.wait_for("skhcn", luot.take_hit("skhcn", "/a", agent=GOOGLEBOT))
        luot.wait_for("bao", luot.take_hit("bao", "/x"))
        self.assertEqual(luot.hit("nobody", "/a").status, 403)
        taken, refused = 8, 1

        def shown(site):
            m = luot.metrics()
            return [m.value(name, site=site) for name in SITE_GAUGES]
        wanted = {"skhcn": [1004, 303, 3, 4, 3, 3, 2], "bao": [1, 1, 1, 1, 1, 1, 0], "thu-vien": [0] * 7}
        # A reading may have been made between two of these hits, and stands for five seconds.
        eventually(lambda: {site: shown(site) for site in wanted} == wanted, patience(20))
        counts = luot.counts("skhcn", "/a", "/b")
        self.assertEqual((counts["views"], counts["visits"]), (1004, 303))
        self.assertEqual(articles(luot), {"/a": 3, "/b": 1})
        self.assertEqual(articles(luot, "luot_article_views"), {"/a": 103, "/b": 1})

        # The worker counts what it did once it hears of it, which may be after a reader does.
        eventually(lambda: luot.metrics().value("luot_hit_to_count_seconds_count") == taken, patience(10))
        m = luot.metrics()
        self.assertEqual(m.value("luot_hits_received_total"), taken + refused)
        self.assertEqual(m.value("luot_hits_accepted_total"), taken)
        self.assertEqual(m.value("luot_hits_refused_total", reason="unknown_site"), refused)
        self.assertEqual(m.value("luot_applied_views_total", site="skhcn"), 4)
        self.assertEqual(m.value("luot_applied_bots_total", kind="search"), 2)
        self.assertEqual(m.value("luot_spool_write_seconds_count"), m.value("luot_spool_turns_total"))
        self.assertEqual(m.value("luot_spool_sync_seconds_count"), 0)
        self.assertGreater(m.value("luot_ship_seconds_count"), 0)
        self.assertGreater(m.value("luot_apply_seconds_count"), 0)
        self.assertEqual(m.value("luot_leases_held"), 16)
        self.assertEqual(m.value("luot_partitions_without_lease"), 0)
        for labels, value in m.matching("luot_redis_up"):
            self.assertEqual(value, 1, labels)
        self.assertGreater(m.value("luot_redis_memory_bytes"), 500_000)
        self.assertEqual((m.value("luot_redis_max_memory_bytes"), m.value("luot_redis_evicts")), (0, 0))
        self.assertLess(abs(m.value("luot_clock_skew_seconds")), 0.5)  # the same clock

    def test_every_request_is_in_the_histogram_once(self):
        luot = self.world.luot("collector", redis=self.world.redis())
        for number in range(20):
            luot.hit("skhcn", f"/{number}", how=("json", "pixel", "form")[number % 3])
            luot.hit("nobody", "/a")
            luot.http.get("/luot.js")
            luot.http.get("/nothing")
        name = "luot_http_request_seconds"
        # A request is timed once its answer has been sent.
        eventually(lambda: luot.metrics().value(f"{name}_count", port="public") >= 80, patience(10))
        m = luot.metrics()
        self.assertEqual(m.value(f"{name}_count", port="public"), 80)
        self.assertEqual(m.value("luot_http_requests_total", port="public"), 80)
        buckets = [(float(labels["le"]), value) for labels, value in m.matching(f"{name}_bucket", port="public")]
        self.assertEqual(buckets, sorted(buckets), "bounds and numbers grow")
        self.assertEqual(buckets[-1], (float("inf"), 80))
        self.assertGreater(m.value(f"{name}_sum", port="public"), 0)

    def test_each_turn_is_synced_when_the_disk_has_to_have_it(self):
        luot = self.world.luot("collector", redis=self.world.redis(), config={"spool": {"sync": "disk"}})
        begun = luot.metrics().value("luot_spool_sync_seconds_count")
        self.assertEqual(begun, 2, "one for the segment that each worker has begun")
        for number in range(5):
            luot.take_hit("skhcn", f"/{number}")
        self.assertEqual(luot.metrics().value("luot_spool_sync_seconds_count"), begun + 5)

    def test_hits_of_an_imported_log_say_nothing_of_our_delay(self):
        luot = self.world.luot()
        log = self.world.folder / "access.log"
        log.write_text('198.51.100.7 - - [10/Oct/2020:13:55:36 +0700] "GET /a HTTP/1.1" 200 10 "-" "Mozilla/5.0 Firefox/128.0"\n' * 3)
        status, output, errors = self.world.run("import", "log", log, "--site", "skhcn", "--config", luot.config_file)
        self.assertEqual(status, 0, output + errors)
        # The worker counts what it did once it hears of it, which may be after a reader does.
        eventually(lambda: luot.metrics().value("luot_applied_hits_total") == 3, patience(5))
        luot.wait_for("skhcn", luot.take_hit("skhcn", "/a"))
        eventually(lambda: luot.metrics().value("luot_hit_to_count_seconds_count") == 1, patience(5))

    def test_the_process_is_the_one_that_the_system_knows(self):
        luot = self.world.luot("collector", redis=self.world.redis())
        m, proc = luot.metrics(), Path(f"/proc/{luot.pid}")
        size, resident = (int(n) * resource.getpagesize() for n in (proc / "statm").read_text().split()[:2])
        self.assertAlmostEqual(m.value("process_virtual_memory_bytes"), size, delta=size / 5)
        self.assertAlmostEqual(m.value("process_resident_memory_bytes"), resident, delta=resident / 5)
        self.assertAlmostEqual(m.value("process_open_fds"), len(os.listdir(proc / "fd")), delta=4)
        limit = re.search(r"Max open files\s+(\d+)", (proc / "limits").read_text())[1]
        self.assertEqual(m.value("process_max_fds"), int(limit))
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        used = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
        self.assertAlmostEqual(m.value("process_cpu_seconds_total"), used, delta=2)
        age = float(Path("/proc/uptime").read_text().split()[0]) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
        self.assertAlmostEqual(time.time() - m.value("process_start_time_seconds"), age, delta=2)

    def test_a_refused_configuration_is_seen(self):
        luot = self.world.luot("collector", redis=self.world.redis())

        def state():
            m = luot.metrics()
            return m.value("luot_config_reload_successful"), m.value("luot_config_last_reload_timestamp_seconds")
        good, begun = state()
        self.assertEqual(good, 1)
        self.assertAlmostEqual(begun, time.time(), delta=patience(30))
        text = luot.config_file.read_text()
        luot.config_file.write_text("nonsense")
        luot.hang_up()
        eventually(lambda: state() == (0, begun), patience(5))
        luot.config_file.write_text(text)
        luot.hang_up()
        eventually(lambda: state()[0] == 1 and state()[1] > begun, patience(5))


class Backlog(SystemTest):
    def test_what_redis_has_not_is_told_with_its_size_and_age(self):
        server = self.world.redis()
        server.kill()
        luot = self.world.luot("collector", redis=server)
        names = ["luot_unshipped_hits", "luot_unshipped_bytes", "luot_unshipped_oldest_seconds", "luot_spool_oldest_seconds"]

        def backlog():
            m = luot.metrics()
            self.assertEqual(m.value("luot_redis_up", connection="luot-ship"), 0)
            self.assertFalse(m.matching("luot_clock_skew_seconds") + m.matching("luot_redis_memory_bytes"))
            return [m.value(name) for name in names]
        self.assertEqual(backlog(), [0, 0, 0, 0])
        begun = time.monotonic()
        for number in range(10):
            luot.take_hit("skhcn", f"/{number}")
        spooled = luot.metrics().value("luot_spool_bytes") - 2 * 304  # without the heads of two segments
        eventually(lambda: backlog()[0] == 10 and abs(backlog()[1] - spooled) < 2, patience(5))
        age = backlog()[2]
        eventually(lambda: backlog()[2] > age + 1, patience(5), "it grows older")
        self.assertLessEqual(backlog()[2], time.monotonic() - begun)
        self.assertLessEqual(backlog()[3], time.monotonic() - begun + patience(10))

        def room():
            m = luot.metrics()
            return m.value("luot_spool_free_bytes") - (m.value("luot_spool_max_bytes") - m.value("luot_spool_bytes"))
        eventually(lambda: 0 <= room() < 2000, patience(5), "what Redis has not takes room")
        luot.stop()
        luot.start()
        eventually(lambda: 0 <= room() < 2000, patience(5), "also of a run before, of which Redis has not said what it has")
        server.start()
        gone = ["luot_unshipped_hits", "luot_unshipped_bytes", "luot_unshipped_oldest_seconds"]
        eventually(lambda: [luot.metrics().value(name) for name in gone] == [0, 0, 0], patience(10))
        self.assertGreater(luot.metrics().value("luot_spool_oldest_seconds"), 0, "it is kept for a while")

    def test_a_queue_that_nobody_works_on_grows_old(self):
        """Its head was written by a newer luot: this one leaves it alone."""
        server = self.world.redis()
        aggregator = self.world.luot("aggregator", redis=server)
        eventually(lambda: aggregator.metrics().value("luot_queue_oldest_seconds") == 0, patience(8))
        server.client().execute_command("XADD", "luot:{p03}:hits", "*", "v", "99", "p", "00" * 8, "f", "0", "l", "1", "h", "")
        eventually(lambda: aggregator.metrics().value("luot_queue_oldest_seconds") > 3, patience(20))

    def test_partitions_that_nobody_has_are_seen(self):
        """One of two stood still for so long that it steps back: the other has only its share, for a moment."""
        server = self.world.redis()
        aggregator = self.world.luot("aggregator", redis=server)
        lacking = lambda: aggregator.metrics().value("luot_partitions_without_lease")  # noqa: E731
        eventually(lambda: aggregator.metrics().value("luot_leases_held") == 16 and lacking() == 0, patience(8))
        # Another that is at work, as far as Redis knows, but has taken none.
        client = server.client()
        now = int(time.time() * 1000)
        client.hset("luot:aggregators", "another", f"{now - 60_000} {now + 50_000}")
        eventually(lambda: lacking() == 8, patience(10))


class Sites(SystemTest):
    def shown(self, aggregator):
        return {labels["site"]: value for labels, value in aggregator.metrics().matching("luot_site_views")}

    def test_one_aggregator_alone_tells_of_a_site(self):
        server = self.world.redis()
        # Many, so that both have some.
        sites = [{"id": f"s{i}", "hosts": [f"s{i}.example.vn"]} for i in range(24)]
        ids = {site["id"] for site in sites}
        collector = self.world.luot("collector", redis=server, sites=sites)
        first = self.world.luot("aggregator", "a0", redis=server, sites=sites)
        for number, site in enumerate(sorted(ids)):
            for _ in range(number):
                first.wait_for(site, collector.take_hit(site, "/a"))
        wanted = {site: number for number, site in enumerate(sorted(ids))}
        eventually(lambda: self.shown(first) == wanted, patience(12))

        second = self.world.luot("aggregator", "a1", redis=server, sites=sites)

        def is_shared():
            one, other = self.shown(first), self.shown(second)
            return one and other and not set(one) & set(other) and {**one, **other} == wanted
        eventually(is_shared, patience(40), "each site has one of two series")

        def is_never_told_twice_or_wrong():  # a reading that came late is left out
            one, other = self.shown(first), self.shown(second)
            return not set(one) & set(other) and {**one, **other}.items() <= wanted.items()
        steadily(is_never_told_twice_or_wrong, 2)

        first.stop()
        eventually(lambda: self.shown(second) == wanted, patience(15), "those of the other have gone over")

    def test_a_frozen_aggregator_tells_nothing_of_what_is_anothers_by_then(self):
        server = self.world.redis()
        first = self.world.luot("aggregator", "a0", redis=server)
        eventually(lambda: set(self.shown(first)) == IDS, patience(12))
        second = self.world.luot("aggregator", "a1", redis=server, reads=False)
        eventually(lambda: self.shown(first) and self.shown(second), patience(40))
        os.kill(first.pid, signal.SIGSTOP)
        try:
            eventually(lambda: set(self.shown(second)) == IDS, patience(20))
        finally:
            os.kill(first.pid, signal.SIGCONT)
        steadily(lambda: not set(self.shown(first)) & set(self.shown(second)), 3)

    def test_an_article_that_leaves_the_top_has_no_series_any_more(self):
        hour_lasts()
        luot = self.world.luot(config={"aggregator": {"top_articles": 2}})

        def read(path, times):
            for _ in range(times):
                luot.wait_for("skhcn", luot.take_hit("skhcn", path))
        read("/a", 3)
        read("/b", 2)
        read("/c", 1)
        eventually(lambda: articles(luot) == {"/a": 3, "/b": 2}, patience(12))
        read("/c", 3)
        eventually(lambda: articles(luot) == {"/c": 4, "/a": 3}, patience(12))
        self.assertEqual(articles(luot, "luot_article_views"), {"/c": 4, "/a": 3})
        # As in the reports: pages that are merged are one, hidden ones are in no list.
        for command in (("merge", "/b", "/a"), ("hide", "/c")):
            status, output, errors = self.world.run(command[0], "--config", luot.config_file, "--site", "skhcn", *command[1:])
            self.assertEqual(status, 0, output + errors)
        eventually(lambda: articles(luot) == {"/a": 5}, patience(12))
        self.assertEqual(articles(luot, "luot_article_views"), {"/a": 5})
        luot.config["aggregator"]["top_articles"] = 0
        luot.write_config()
        luot.hang_up()
        eventually(lambda: articles(luot) == {} and luot.metrics().value("luot_site_views", site="skhcn") == 9, patience(12))

    def test_the_address_of_an_article_cannot_forge_a_line(self):
        luot = self.world.luot()
        path = '/a"} 1 \\n'
        luot.wait_for("skhcn", luot.take_hit("skhcn", path))
        eventually(lambda: list(articles(luot).values()) == [1], patience(12))

    def test_without_redis_sites_are_not_shown_at_all(self):
        """Neither standing still nor 0; and then with all that came meanwhile."""
        server = self.world.redis()
        luot = self.world.luot(redis=server)
        luot.wait_for("skhcn", luot.take_hit("skhcn", "/a"))

        def site_series():
            return [name for name, _, _ in luot.metrics().series if name.startswith(("luot_site_", "luot_article_"))]
        eventually(lambda: articles(luot) == {"/a": 1}, patience(12))
        server.freeze()
        eventually(lambda: not site_series(), patience(12), "Redis does not answer")
        server.thaw()
        eventually(lambda: self.shown(luot).get("skhcn") == 1, patience(15))
        server.kill()
        eventually(lambda: not site_series(), patience(5), "Redis is gone")
        eventually(lambda: {value for _, value in luot.metrics().matching("luot_redis_up")} == {0}, patience(10),
                   "each connection knows it")
        luot.take_hit("skhcn", "/a")
        server.start()
        eventually(lambda: self.shown(luot) == {"skhcn": 2, "bao": 0, "thu-vien": 0}, patience(20))


if __name__ == "__main__":
    main()
