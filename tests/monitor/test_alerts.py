#!/usr/bin/env python3
"""Every alert is made to fire by a real fault on a live luot, and ends when the fault is mended: real Prometheus, the
shipped rules, and several installations of luot side by side, each a job of its own, so that all faults are there at once.

So that it does not take hours, the rules are read with shorter times (shortened()): what they look at stays.
"""

import re
import signal
import sys
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import Clock  # noqa: E402
from luot import GOOGLEBOT, SITES, SystemTest, eventually, free_port, kill_quietly, main, patience  # noqa: E402
from prometheus import ALERTS, RULES, Prometheus, english, load_dashboards, panels_of  # noqa: E402

DAY, HOUR = 86_400, 3_600

# A `for` becomes a second, a window some seconds, a threshold that is a waiting time one that is reached within seconds. Days
# stay as they are: a past is written into Prometheus.
WINDOWS = {"_seconds[30m]": "_seconds[60s]",  # that of starts: luot takes a second for each, on a slow machine some
           "[1h]": "[12s]", "offset 1h": "offset 12s", "[30m]": "[6s]", "[15m]": "[6s]", "[5m]": "[4s]"}
THRESHOLDS = {"luot_unshipped_oldest_seconds > 300": "luot_unshipped_oldest_seconds > 3",
              "(luot_queue_oldest_seconds) > 60": "(luot_queue_oldest_seconds) > 1"}
QUIETEST = 50


def shortened(text):
    for window, shorter in WINDOWS.items():
        text = text.replace(window, shorter)
    for threshold, lower in THRESHOLDS.items():
        if text.startswith("# Alerts"):
            assert text.count(threshold) == 1, threshold
        text = text.replace(threshold, lower)
    return re.sub(r"^( +for: )\S+$", r"\g<1>1s", text, flags=re.M)


class Alerts(SystemTest):
    def setUp(self):
        super().setUp()
        self.rules = []
        for file in (RULES, ALERTS):
            self.rules.append(self.world.folder / file.name)
            self.rules[-1].write_text(shortened(file.read_text()))
        self.names = {rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
        self.fired = {}

    def luot(self, job, command="serve", start=True, redis=None, **config):
        return self.world.luot(command, f"{job}-{command}" if command != "serve" else job, start=start,
                               redis=redis or self.redis[job],
                               config={"collector": {"workers": 1, "rate_limit_per_client": 0}, **config})

    def scrape(self, job, *luots):
        self.prometheus.scrape(job, [luot.admin for luot in luots])

    def test_each_fires_by_a_real_fault_and_ends_with_it(self):
        self.redis = {job: self.world.redis(f"redis-{job}") for job in ("main", "away", "spool", "salts", "stuck", "clock", "verify")}
        self.start_all()
        jobs = {"main": [self.main], "away": [self.away], "spool": [self.spool], "salts": self.salts[:1], "stuck": [self.stuck],
                "clock": [self.clocked], "verify": [self.verified], "private": [self.private]}
        self.prometheus = Prometheus(self.world, {job: [l.admin for l in luots] for job, luots in jobs.items()}, self.rules)
        now = time.time()
        around = [20 * i for i in range(-3, 30)]
        # `main` was read at this time of each of the last days, on both of its sites. Others were not.
        self.prometheus.write_past(
            [("job:luot_applied_views:increase30m", {"job": "main"}, now - day * DAY + at, QUIETEST)
             for day in range(1, 8) for at in around]
            + [("site:luot_site_views:increase1h", {"job": "main", "site": "bao"}, now - day * DAY + at, QUIETEST)
               for day in range(1, 8) for at in around])
        self.prometheus.start()
        ask = self.prometheus
        eventually(lambda: len(ask.query("luot_build_info")) == len(jobs), patience(20), "all are scraped")
        eventually(lambda: len(ask.query("luot_redis_memory_bytes")) >= len(jobs) - 1, patience(20))
        known = {("LuotNoHits", "main"), ("LuotSiteWithoutHits", "main"), ("LuotPartitionWithoutLease", "salts")}
        eventually(lambda: not ask.alerts() - known, patience(10), "all is well before")

        for make in (self.break_away, self.break_main, self.break_spool, self.break_salts, self.break_stuck, self.break_clock,
                     self.break_verify, self.break_private):
            make()
        wanted = {
            "LuotNoHits": "main", "LuotSiteWithoutHits": "main", "LuotRedisMemory": "main", "LuotRedisEvicts": "main",
            "LuotConfigRefused": "main", "LuotRefusedShare": "main",
            "LuotRedisAway": "away", "LuotUnshippedOld": "away", "LuotSpoolFullSoon": "away",
            "LuotHitsLost": "spool", "LuotSpoolDamaged": "spool", "LuotDown": "spool",
            "LuotSaltsDiffer": "salts", "LuotPartitionWithoutLease": "salts", "LuotSpoolCopied": "salts",
            "LuotHitsDamaged": "stuck", "LuotAggregationLag": "stuck",
            "LuotClockSkew": "clock", "LuotVerifyLate": "clock", "LuotVerifyDifferences": "verify",
            "LuotHitsUnconfigured": "verify", "LuotErrors": "private", "LuotRestarts": "private",
        }
        self.assertEqual(set(wanted), self.names, "none is left out")
        wanted = set(wanted.items())

        def all_have_fired():
            self.note()
            missing = wanted - set(self.fired)
            self.assertFalse(missing)
            return True
        eventually(all_have_fired, patience(60), "all alerts fire")
        self.look_at_texts()
        self.assert_panel_shows(ask)

        for mend in (self.mend_away, self.mend_main, self.mend_spool, self.mend_salts, self.mend_stuck, self.mend_clock,
                     self.mend_verify):
            mend()

        def all_have_ended():
            self.read_main()
            self.assertFalse(ask.alerts() | ask.alerts("pending"))
            return True
        eventually(all_have_ended, patience(120), "all alerts end")
        print(f"fired and ended: {sorted(self.fired)}", flush=True)

    def note(self):
        """What fires now, with what it says. Meanwhile the faults that need it go on."""
        for alert in self.prometheus.all_alerts():
            if alert["state"] == "firing":
                self.fired.setdefault((alert["labels"]["alertname"], alert["labels"].get("job", "")), alert)
        self.main.hit("skhcn", "/", agent=GOOGLEBOT)  # bots go on when no reader comes
        if ("LuotNoHits", "main") in self.fired and ("LuotRefusedShare", "main") not in self.fired:
            for _ in range(60):
                self.main.hit("not-there", "/")

    def look_at_texts(self):
        for (name, _), alert in self.fired.items():
            text = " ".join(alert["annotations"].values())
            self.assertNotRegex(text, r"<no value>|error expanding|\{\{|%!", name)
            self.assertIn(alert["labels"]["severity"], ("page", "ticket"))

    def assert_panel_shows(self, ask):
        """The one panel that test_panels.py cannot hold to a system in which all is well."""
        expression, = (target["expr"] for panel in panels_of(load_dashboards()["operations"]) if english(panel) == "Alerts"
                       for target in panel["targets"])

        def shows():  # all at once: one late scrape hides an alert for a moment
            return {"LuotRedisEvicts", "LuotRedisAway", "LuotSaltsDiffer"} <= {
                labels["alertname"] for labels, _ in ask.query(expression)}
        eventually(shows, patience(20), "the panel shows what fires")

    @staticmethod
    def damage(luot):
        """Some bytes in the middle of the largest file of its spool become 0."""
        file = max((luot.data_dir / "spool").glob("*.spool"), key=lambda f: f.stat().st_size)
        with file.open("r+b") as f:
            f.seek(file.stat().st_size // 2)
            f.write(bytes(40))
        return file

    # ---- the faults, each with its mending -------------------------------------------------------------

    def start_all(self):
        self.main = self.luot("main")
        self.away = self.luot("away", spool={"max_bytes": "1MiB"})
        self.spool = self.luot("spool")
        # Two collectors and no aggregator; the second has not been given the salts of the first.
        self.salts = [self.world.luot("collector", f"salts-{i}", redis=self.redis["salts"], start=i == 0) for i in range(2)]
        self.stuck = self.luot("stuck")
        self.clock = Clock(self.world, "time")
        self.clocked = self.luot("clock", start=False)
        self.clocked.environment = self.clock.environment
        self.clocked.start()
        self.verified = self.luot("verify")
        self.private = self.world.luot("serve", "private", config={
            "collector": {"workers": 1}, "listen": {"admin": f"127.0.0.1:{free_port()}"}})  # the same after each start
        for luot in (self.main, self.away, self.spool, self.salts[0], self.stuck, self.clocked, self.verified, self.private):
            luot.take_hit("skhcn", "/first")
        for site in ("bao", "thu-vien"):
            self.main.take_hit(site, "/first")

    def break_main(self):
        """Nobody comes any more; Redis is short of memory, and was told to evict; the configuration has an error."""
        client = self.redis["main"].client()
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.2))
        client.config_set("maxmemory-policy", "allkeys-lru")
        self.good = self.main.config_file.read_text()
        self.main.config_file.write_text(self.good + "\n[nonsense]\nkey = 1\n")
        self.main.hang_up()

    def mend_main(self):
        client = self.redis["main"].client()
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 0)
        self.main.config_file.write_text(self.good)
        self.main.hang_up()

    def read_main(self):
        for site in ("skhcn", "bao"):
            self.main.take_hit(site, "/read")

    def break_away(self):
        """Redis hangs, and hits come until there is hardly any room: it is told before the first is refused. Then until there
        is none."""
        self.redis["away"].freeze()
        sent = (self.away.hit("skhcn", f"/{i}-{'x' * 1400}", t="t" * 400).status for i in range(1000))
        for status in sent:
            self.assertNotEqual(status, 503)
            if self.away.metrics().value("luot_spool_bytes") > 0.9 * 2**20:
                break
        eventually(lambda: ("LuotSpoolFullSoon", "away") in self.prometheus.alerts(), patience(20), "it is told that it will be full")
        self.note()
        self.assertIn(503, sent, "the spool is full")

    def mend_away(self):
        self.redis["away"].thaw()

    def break_spool(self):
        """luot dies with hits that Redis does not have, and some bytes of them turn bad on the disk."""
        self.redis["spool"].freeze()
        for i in range(20):
            self.spool.take_hit("skhcn", f"/{i}")
        self.spool.kill()
        self.redis["spool"].thaw()
        eventually(lambda: ("LuotDown", "spool") in self.prometheus.alerts(), patience(20), "it is known to be down")
        self.note()
        self.damaged = self.damage(self.spool)
        self.spool.start()
        self.scrape("spool", self.spool)

    def mend_spool(self):
        """As after a move to another disk: what was damaged is not there any more. The rest has been shipped."""
        self.spool.stop()
        self.damaged.unlink()
        self.spool.start()
        self.scrape("spool", self.spool)

    def break_salts(self):
        """A clone of the machine, which ran on with what the first had in memory, has shipped other hits under the name of
        its log: no machine is cloned here, so what Redis has from it is written by hand. And another collector has salts of
        its own."""
        first, second = self.salts
        producer, partition, offset = first.take_hit("skhcn", "/a").split(".")
        client, key = self.redis["salts"].client(), f"luot:{{p{partition}}}:producers"
        eventually(lambda: client.hget(key, f"{producer}:shipped") == offset.encode(), patience(10), "it is shipped")
        first.stop()
        client.hset(key, f"{producer}:chain", "0123456789abcdef")
        first.start()
        second.start()
        self.scrape("salts", first, second)

    def mend_salts(self):
        """As docs/exactly-once.md says: the files of the log are moved away. And the second gets the salts of the first."""
        first, second = self.salts
        first.stop()
        for producer in set(re.findall(r"spool_forked producer=(\w+)", first.log_text())):
            for file in (first.data_dir / "spool").glob(f"{producer}.*.spool"):
                file.rename(self.world.folder / file.name)
        first.start()
        second.stop()
        (second.data_dir / "salts").unlink()
        self.world.share_salts(first, second)
        second.start()
        aggregator = self.world.luot("aggregator", "salts-aggregator", redis=self.redis["salts"])
        self.scrape("salts", first, second, aggregator)

    def break_stuck(self):
        """Another program has written where the counts of a site are."""
        client = self.redis["stuck"].client()
        key, = client.scan_iter("luot:{p*}:skhcn:totals", count=10_000)
        self.stuck_key, self.stuck_value = key, client.dump(key)
        client.delete(key)
        client.set(key, "another program's")
        for i in range(6):
            token = self.stuck.take_hit("skhcn", f"/{i}")
            producer, partition, offset = token.split(".")
            eventually(lambda: client.hget(f"luot:{{p{partition}}}:producers", f"{producer}:shipped") == offset.encode(),
                       patience(5), "each is an entry of its own")

    def mend_stuck(self):
        """luot goes on by itself; what its verify has found meanwhile stands until it looks again: after a start, or each hour."""
        self.redis["stuck"].client().restore(self.stuck_key, 0, self.stuck_value, replace=True)
        eventually(lambda: ("LuotAggregationLag", "stuck") not in self.prometheus.alerts(), patience(40), "what waited is counted")
        self.restart(self.stuck)

    def break_clock(self):
        """The clock of luot's machine is set back by three hours, after luot has started."""
        self.clock.set(-3 * HOUR)
        self.clocked.stop()
        self.clocked.start()
        self.scrape("clock", self.clocked)

    def mend_clock(self):
        self.clock.set(0)
        self.clocked.stop()
        self.clocked.start()
        self.scrape("clock", self.clocked)

    def break_verify(self):
        """A hand in Redis; luot looks 10 s after its start, and then each hour. And a collector beside it knows a site that
        the aggregator has not been told of."""
        client = self.redis["verify"].client()
        self.verify_key, = client.scan_iter("luot:{p*}:skhcn:totals", count=10_000)
        client.hincrby(self.verify_key, "views", 3)
        self.restart(self.verified)
        site = {"id": "moi", "hosts": ["moi.example.vn"], "timezone": "Asia/Ho_Chi_Minh", "list_readers": 1}
        knows = self.world.luot("collector", "verify-collector", redis=self.redis["verify"], sites=[*SITES, site], start=False)
        self.world.share_salts(self.verified, knows)
        knows.start()
        knows.take_hit("moi", "/")
        self.new_site = knows, site

    def mend_verify(self):
        self.redis["verify"].client().hincrby(self.verify_key, "views", -3)
        collector, site = self.new_site
        self.verified.config["site"].append(site)
        self.restart(self.verified)
        token = collector.take_hit("moi", "/")
        eventually(lambda: self.verified.views("moi", "/", after=token) == 1, patience(10), "what comes from then on is counted")

    def break_private(self):
        """The kernel ends luot's own Redis, and then luot, as often as it is started again."""
        kill_quietly(self.private.redis_pid(), signal.SIGKILL)
        eventually(lambda: ("LuotErrors", "private") in self.prometheus.alerts(), patience(20), "it is told that Redis was ended")
        self.note()
        for _ in range(4):
            self.private.kill()
            self.private.start(reads=False)
            started = self.private.metrics().value("process_start_time_seconds")
            eventually(lambda: self.prometheus.value('process_start_time_seconds{job="private"}') == started, patience(20))

    def restart(self, luot):
        luot.stop()
        luot.start()
        self.scrape(luot.name, luot)


if __name__ == "__main__":
    main()
