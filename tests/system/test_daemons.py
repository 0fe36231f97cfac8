#!/usr/bin/env python3
"""luot collector and luot aggregator apart, any number of each; signals; readiness; the commands beside
the daemons."""

import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import (BINARY, LIGHT, ROOT, SITES, Load, SystemTest, eventually, main, patience,  # noqa: E402
                  random_hits, seeded, spawn, steadily, stream_lengths, to_toml)

PAGES = [(SITES[i % 3]["id"], f"/bai-{i}") for i in range(100)]


class Apart(SystemTest):
    def setUp(self):
        super().setUp()
        self.server = self.world.redis()

    def start(self, command, name):
        return self.world.luot(command, name, redis=self.server)

    def test_two_collectors_and_two_aggregators_count_each_hit_once(self):
        rng = seeded("test_daemons")
        collectors = [self.start("collector", f"c{i}") for i in range(2)]
        aggregators = [self.start("aggregator", f"a{i}") for i in range(2)]
        load = Load(random_hits(rng, PAGES, 4000 if LIGHT else 20_000), [c.public for c in collectors], connections=32)
        load.run()
        for aggregator in aggregators:
            self.assert_counted(aggregator, load.views, load.tokens)
        self.assert_balanced(*collectors)
        accepted = sum(c.metrics().value("luot_hits_accepted_total") for c in collectors)
        self.assertEqual(accepted, load.acknowledgements)
        self.assert_positions(*collectors, acknowledged=accepted, lost=0)

    def test_a_hit_repeated_at_another_collector_counts_once(self):
        """The second has been given the first one's salts, with which ids and readers are hashed."""
        collectors = [self.start("collector", "c0")]
        collectors.append(self.world.luot("collector", "c1", redis=self.server, start=False))
        self.world.share_salts(*collectors)
        collectors[1].start()
        aggregator = self.start("aggregator", "a0")
        tokens = [c.take_hit("skhcn", "/a", id="the-same", client="100.64.0.1") for c in collectors for _ in range(2)]
        tokens += [c.take_hit("skhcn", "/b", client="100.64.0.1") for c in collectors]
        for token in tokens:
            aggregator.wait_for("skhcn", token)
        counts = aggregator.counts("skhcn", "/a")
        self.assertEqual((counts["pages"]["/a"]["views"], counts["views"], counts["visits"]), (1, 3, 1))
        self.assertEqual([c.metrics().value("luot_salts_differ") for c in collectors], [0, 0])

    def test_collectors_with_salts_of_their_own_are_told_of(self):
        collectors = [self.start("collector", f"c{i}") for i in range(2)]
        eventually(lambda: sum(c.metrics().value("luot_salts_differ") for c in collectors) == 1, patience(10))

    def test_salts_are_imported_into_a_collector_at_rest_only(self):
        first, second = self.start("collector", "c0"), self.start("collector", "c1")
        salts = self.world.folder / "salts.txt"
        salts.write_text(self.world.run("salt", "export", "--config", first.config_file)[1])
        command = ("salt", "import", salts, "--config", second.config_file)
        kept = (second.data_dir / "salts").read_bytes()
        salts.chmod(0o644)
        status, _, errors = self.world.run(*command)
        self.assertEqual(status, 1)
        self.assertIn("can be read by others", errors)
        salts.chmod(0o600)
        status, _, errors = self.world.run(*command)
        self.assertEqual(status, 1)
        self.assertIn("stop it", errors)
        self.assertEqual((second.data_dir / "salts").read_bytes(), kept)
        second.stop()
        self.assertEqual(self.world.run(*command)[0], 0)
        self.assertEqual((second.data_dir / "salts").read_bytes(), (first.data_dir / "salts").read_bytes())
        self.assertEqual((second.data_dir / "salts").stat().st_mode & 0o777, 0o600)
        self.assertIn("nothing changed", self.world.run(*command)[1])
        salts.write_text("luot-salts 1\nids 00\n")
        status, _, errors = self.world.run(*command)
        self.assertEqual(status, 1)
        self.assertIn("is damaged", errors)
        self.assertEqual((second.data_dir / "salts").read_bytes(), (first.data_dir / "salts").read_bytes())
        (second.data_dir / "salts").unlink()
        status, _, errors = self.world.run("salt", "export", "--config", second.config_file)
        self.assertEqual((status, "No such file" in errors), (1, True))

    def test_an_aggregator_killed_is_replaced_by_the_other(self):
        collector = self.start("collector", "c0")
        aggregators = [self.start("aggregator", f"a{i}") for i in range(2)]
        load = Load(random_hits(seeded("test_daemons killed"), PAGES), [collector.public], connections=8,
                    rate=200 if LIGHT else 1000).start()
        eventually(lambda: load.acknowledgements > 500, patience(10))
        aggregators[0].kill()
        at_kill = load.snapshot()

        def taken_over():
            for site in {s for s, _ in PAGES}:
                shown = aggregators[1].all_views(site, [p for s, p in PAGES if s == site])
                self.assertFalse([p for p, n in shown.items() if n < at_kill[site, p]])
            return True
        eventually(taken_over, patience(12), "the other takes over within 10 s")
        load.end().wait(patience(30))
        self.assert_counted(aggregators[1], load.views)
        self.assert_positions(collector, acknowledged=load.acknowledgements, lost=0)

    def test_each_daemon_answers_for_its_own_routes_alone(self):
        collector, aggregator = self.start("collector", "c0"), self.start("aggregator", "a0")
        self.assertEqual(collector.http.get("/luot.js").status, 200)
        self.assertEqual(collector.http.get("/api/v1/counts?site=skhcn").status, 404)
        self.assertEqual(aggregator.http.get("/api/v1/counts?site=skhcn").status, 200)
        self.assertEqual(aggregator.http.get("/hit.gif?s=skhcn&p=/a").status, 404)

    def test_readiness_is_that_of_the_daemons_own_work(self):
        """A collector is ready whatever Redis does: taking it out would lose hits."""
        collector, aggregator = self.start("collector", "c0"), self.start("aggregator", "a0")

        def status(daemon, route):
            return daemon.admin_http.get(route).status

        eventually(lambda: status(aggregator, "/readyz") == 200, patience(5))
        self.assertEqual(status(collector, "/readyz"), 200)
        self.server.freeze()
        eventually(lambda: status(aggregator, "/readyz") == 503, patience(10), "not ready without Redis")
        self.assertEqual(status(collector, "/readyz"), 200)
        for daemon in (collector, aggregator):
            self.assertEqual(status(daemon, "/healthz"), 200)
        self.server.thaw()
        eventually(lambda: status(aggregator, "/readyz") == 200, patience(10), "ready again")

    def test_hits_wait_for_an_aggregator_that_comes_later(self):
        collector = self.start("collector", "c0")
        load = Load(random_hits(seeded("test_daemons later"), PAGES, 1000), [collector.public], connections=8).run()
        eventually(lambda: sum(stream_lengths(self.server.client())) > 0, patience(5), "hits are shipped")
        aggregator = self.start("aggregator", "a0")
        self.assert_counted(aggregator, load.views, load.tokens)


class Signals(SystemTest):
    def test_a_stop_without_redis_keeps_what_was_acknowledged(self):
        server = self.world.redis()
        luot = self.world.luot(redis=server)
        server.freeze()
        for _ in range(20):
            luot.take_hit("skhcn", "/a")
        luot.stop()
        server.thaw()
        luot.start()
        eventually(lambda: luot.views("skhcn", "/a") == 20, patience(10))

    def test_ctrl_c_stops_as_sigterm_does(self):
        luot = self.world.luot()
        luot.take_hit("skhcn", "/a")
        os.kill(luot.pid, signal.SIGINT)
        self.assertEqual(luot.wait_exit(), 0)

    def test_a_hang_up_takes_the_new_configuration(self):
        luot = self.world.luot()
        self.assertEqual(luot.hit("new-site", "/a").reason, "unknown_site")
        luot.config["site"].append({"id": "new-site", "hosts": ["new.example.vn"]})
        luot.write_config()
        luot.hang_up()
        eventually(lambda: luot.hit("new-site", "/a").status == 202, patience(5), "the new site is known")
        taken = 1 + sum(luot.hit("new-site", "/a").status == 202 for _ in range(50))
        eventually(lambda: luot.views("new-site", "/a") == taken, patience(5), "and counted, and shown")
        self.assertEqual(luot.metrics().sum("luot_hits_unconfigured_total"), 0)
        token = luot.take_hit("skhcn", "/a")
        self.assertEqual(luot.views("skhcn", "/a", after=token), 1)

    def test_what_needs_a_restart_is_named_until_it_is_done_or_taken_back(self):
        luot = self.world.luot()

        def said_after(workers, rate, last="configuration_read"):
            luot.config["collector"] = {"workers": workers, "rate_limit_per_client": rate}
            luot.write_config()
            before = len(luot.log_text())
            luot.hang_up()
            log = eventually(lambda: f" {last} " in luot.log_text()[before:] and luot.log_text()[before:],
                             patience(10))
            return [line for line in log.splitlines() if " warn " in line]

        for rate in (0, 1):  # asked again, it is still not in effect; all the rest is
            warning, = said_after(3, rate, last="configuration_needs_restart")
            self.assertIn('keys=collector.workers', warning)
        answers = [luot.hit("skhcn", "/a", client="192.0.2.7").status for _ in range(20)]
        self.assertIn(429, answers, "other keys take effect")
        self.assertEqual(said_after(2, 0), [], "what runs is configured again")

    def test_a_redis_that_cannot_be_started_again_is_tried_until_it_can(self):
        """No process can be made for a while: nothing of luot may end by it."""
        luot = self.world.luot(start=False)
        nobody = 65534
        self.world.folder.chmod(0o755)
        luot.data_dir.mkdir()
        as_nobody = []
        if os.getuid() == 0:  # whom no such limit stops
            os.chown(luot.data_dir, nobody, nobody)
            as_nobody = ["setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups"]
        luot.write_config()
        luot.log = self.world.folder / "limited.log"
        luot.process = spawn([*as_nobody, "setpriv", "--pdeathsig", "KILL", BINARY, "serve", "--config",
                              luot.config_file], luot.log)
        luot.wait_listening()
        eventually(lambda: luot.get_counts("skhcn").status == 200, patience(10), "reads are answered")

        def allow(processes):
            subprocess.run([*as_nobody, "prlimit", "--pid", str(luot.pid), f"--nproc={processes}:"], check=True)
        most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        allow(1)
        os.kill(luot.redis_pid(), signal.SIGKILL)
        eventually(lambda: luot.log_text().count(" redis_not_started ") >= 2, patience(5), "it says so and tries again")
        self.assertIsNone(luot.redis_pid())
        luot.take_hit("skhcn", "/a")
        allow("unlimited" if most == resource.RLIM_INFINITY else most)
        eventually(lambda: luot.redis_pid(), patience(15), "Redis is started once it can be")
        eventually(lambda: luot.views("skhcn", "/a") == 1, patience(10))
        luot.stop()

    def test_a_stop_while_waiting_for_data_dir_comes_at_once(self):
        luot = self.world.luot(start=False)
        luot.data_dir.mkdir()
        with (luot.data_dir / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            luot.start(wait=False)
            eventually(lambda: " waiting_for_data_dir " in luot.log_text(), patience(5))
            began = time.monotonic()
            luot.terminate()
            self.assertEqual(luot.process.wait(patience(5)), 0)
            self.assertLess(time.monotonic() - began, patience(2))

    def test_a_hang_up_with_a_wrong_configuration_changes_nothing(self):
        luot = self.world.luot()
        token = luot.take_hit("skhcn", "/a")
        luot.wait_for("skhcn", token)
        good = luot.config_file.read_text()
        for mistake in (good + "colour = 1\n", good.replace("skhcn", "SKHCN"), "", "\x00", None):
            before = len(luot.log_text())
            if mistake is None:
                luot.config_file.unlink()
            elif mistake:
                luot.config_file.write_text(mistake)
            else:
                luot.config_file.write_text("data_dir = ")
            luot.hang_up()
            said = eventually(lambda: [line for line in luot.log_text()[before:].splitlines()
                                       if " error " in line or " warn " in line], patience(5), "the log tells")
            self.assertIn(luot.config_file.name, " ".join(said))
            self.assertTrue(luot.is_running())
            token = luot.take_hit("skhcn", "/a")
            luot.wait_for("skhcn", token)
        self.assertEqual(luot.views("skhcn", "/a"), 6)

    def test_a_hang_up_with_what_never_ends_or_is_never_written_is_refused(self):
        luot = self.world.luot()
        large = self.world.folder / "large.toml"
        large.write_text("#" * (5 << 20))
        pipe = self.world.folder / "pipe"
        os.mkfifo(pipe)
        luot.config_file.unlink()
        for target, why in (("/dev/zero", "it is no regular file"), (pipe, "it is no regular file"), (large, "larger than 4 MiB")):
            luot.config_file.symlink_to(target)
            before = len(luot.log_text())
            luot.hang_up()
            eventually(lambda: why in luot.log_text()[before:], patience(5), f"{target} is refused")
            luot.config_file.unlink()
            token = luot.take_hit("skhcn", "/a")
            luot.wait_for("skhcn", token)

    def test_hits_of_a_site_that_only_collectors_know_are_told_of(self):
        redis = self.world.redis()
        more = {"id": "new-site", "hosts": ["new.example.vn"]}
        collector = self.world.luot("collector", redis=redis, sites=[*SITES, more])
        aggregator = self.world.luot("aggregator", redis=redis)
        collector.take_hit("new-site", "/a")
        eventually(lambda: "hits_unconfigured site=new-site hits=1" in aggregator.log_text(), patience(10), "the log names it")
        eventually(lambda: aggregator.metrics().sum("luot_hits_unconfigured_total") == 1, patience(10))
        status, output, errors = self.world.run("doctor", "--config", aggregator.config_file)
        self.assertIn("1 hits were of sites that the aggregators did not know", output + errors)


class ImportTotals(SystemTest):
    def setUp(self):
        super().setUp()
        self.luot = self.world.luot()
        self.files = 0

    def run_import(self, content, site="skhcn", encoding="utf-8"):
        self.files += 1
        file = self.world.folder / f"totals-{self.files}.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return self.world.run("import", "totals", file, "--site", site, "--config", self.luot.config_file)

    def take(self, content, **how):
        status, output, errors = self.run_import(content, **how)
        self.assertEqual(status, 0, errors)

    def shown(self, *paths):
        """(views of the site, visits of the site, views of each path), once no cached answer is left."""
        answer = self.luot.counts("skhcn", *paths)
        return (answer["views"], answer["visits"], *(answer["pages"][p]["views"] for p in paths))

    def assert_shown(self, wanted, *paths):
        eventually(lambda: self.shown(*paths) == wanted or self.assertEqual(self.shown(*paths), wanted),
                   patience(3), f"{wanted} is shown")

    def test_shown_is_counted_and_baseline(self):
        for _ in range(2):
            token = self.luot.take_hit("skhcn", "/tin-tuc/bai-1.html", client="198.51.100.1")
        self.luot.wait_for("skhcn", token)
        self.take("/tin-tuc/bai-1.html,405\n/tin-tuc/bai-2.html,12\n*,3680026,729\n")
        self.assert_shown((3680028, 730, 407, 12), "/tin-tuc/bai-1.html", "/tin-tuc/bai-2.html")
        token = self.luot.take_hit("skhcn", "/tin-tuc/bai-2.html", client="198.51.100.1")
        answer = self.luot.counts("skhcn", "/tin-tuc/bai-2.html", after=token, summary=1)
        self.assertEqual((answer["views"], answer["visits"]), (3680029, 730))
        self.assertEqual(answer["pages"]["/tin-tuc/bai-2.html"]["views"], 13)
        self.assertEqual(answer["summary"]["total"]["views"], 3680029)
        self.assertEqual(answer["summary"]["today"]["views"], 3, "a baseline belongs to no day")
        self.assertEqual(self.luot.http.get("/count.txt?site=skhcn").body.strip(), b"3680029")

    def test_a_second_import_replaces_the_first(self):
        token = self.luot.take_hit("skhcn", "/a")
        self.luot.wait_for("skhcn", token)
        self.take("/a,405\n/b,7\n*,1000,500\n")
        self.assert_shown((1001, 501, 406, 7), "/a", "/b")
        self.take("/b,9\n*,20,10\n")
        self.assert_shown((21, 11, 1, 9), "/a", "/b")
        self.take("/b,9\n*,20,10\n")
        self.assert_shown((21, 11, 1, 9), "/a", "/b")

    def test_addresses_are_normalised_as_those_of_hits(self):
        token = self.luot.take_hit("skhcn", "/tin-tức/bài")
        self.luot.wait_for("skhcn", token)
        self.take("https://www.skhcn.example.vn/tin-t%E1%BB%A9c/b%C3%A0i/?utm_source=zalo,10\n*,10,5\n")
        self.assert_shown((11, 6, 11), "/tin-tức/bài")

    def test_a_byte_order_mark_and_semicolons_are_read(self):
        self.take("\ufeff/a;10\r\n/b;20\r\n*;40;30\r\n")
        self.assert_shown((40, 30, 10, 20), "/a", "/b")

    def test_quoted_fields_are_read(self):
        self.take('"/a,b",10\n"/c",5\n"*",20,10\n')
        self.assert_shown((20, 10, 10, 5), "/a,b", "/c")

    def test_a_wrong_file_is_refused_and_changes_nothing(self):
        self.take("/a,10\n*,100,50\n")
        self.assert_shown((100, 50, 10, 0), "/a", "/b")
        wrong = {
            "the site below the sum of its rows": "/a,60\n/b,50\n*,100,50\n",
            "visits above views": "/a,6\n*,100,101\n",
            "one path twice": "/b,6\n/b,7\n*,100,50\n",
            "one path twice after normalising": "/b,6\nhttps://skhcn.example.vn/b/?fbclid=1,7\n*,100,50\n",
            "the site twice": "/b,6\n*,100,50\n*,100,50\n",
            "a negative number": "/b,-6\n*,100,50\n",
            "a fraction": "/b,6.5\n*,100,50\n",
            "no number": "/b,many\n*,100,50\n",
            "too large a number": "/b,99999999999999999999\n*,99999999999999999999,50\n",
            "a missing field": "/b\n*,100,50\n",
            "commas between thousands": "/b,1,000\n*,2000,50\n",
            "the site without visits": "/b,6\n*,100\n",
            "a foreign host": "https://evil.example.com/b,6\n*,100,50\n",
            "no address": "mailto:a@b,6\n*,100,50\n",
            "broken UTF-8": b"/b\xff,6\n*,100,50\n",
            "broken percent signs": "/b%zz,6\n*,100,50\n",
        }
        for name, content in wrong.items():
            with self.subTest(name):
                status, output, errors = self.run_import(content)
                self.assertEqual(status, 1, (output, errors))
                self.assertEqual(len(errors.strip().splitlines()), 1, errors)
                self.assertEqual(self.shown("/a", "/b"), (100, 50, 10, 0))

    def test_the_line_of_a_mistake_is_named(self):
        status, output, errors = self.run_import("/a,1\n/b,2\n/c,x\n*,10,5\n")
        self.assertEqual(status, 1)
        self.assertIn(":3", errors)

    def test_a_missing_file_and_an_unknown_site_are_refused(self):
        config = self.luot.config_file
        for file, site in ((self.world.folder / "none.csv", "skhcn"), (config, "none")):
            status, output, errors = self.world.run("import", "totals", file, "--site", site, "--config", config)
            self.assertIn(status, (1, 2), errors)
            self.assertEqual(len(errors.strip().splitlines()), 1, errors)

    def test_many_rows_are_imported_beside_live_hits(self):
        """In steps of 250 rows; what was counted meanwhile stays."""
        rows = 1000
        pages = [("skhcn", f"/bai-{i}") for i in range(100)]
        load = Load(random_hits(seeded("test_daemons import"), pages), [self.luot.public], connections=8,
                    rate=200 if LIGHT else 1000).start()
        for base in (3, 5):
            content = "".join(f"/bai-{i},{base}\n" for i in range(rows)) + f"*,{base * rows + 100},{base}\n"
            self.take(content)
        load.end().wait(patience(30))
        wanted = {("skhcn", f"/bai-{i}"): 5 + load.views["skhcn", f"/bai-{i}"] for i in range(rows)}

        def differences():
            shown = self.luot.all_views("skhcn", [p for _, p in wanted])
            return {p: (n, wanted["skhcn", p]) for p, n in shown.items() if n != wanted["skhcn", p]}
        eventually(lambda: not differences() or self.assertFalse(differences()), patience(10))
        self.assertEqual(self.luot.views("skhcn"), 5 * rows + 100 + load.sent)
        self.assert_verified(self.luot)

    def test_a_baseline_outlives_a_restart(self):
        self.take("/a,10\n*,100,50\n")
        self.assert_shown((100, 50, 10), "/a")
        self.luot.stop()
        self.luot.start()
        self.assert_shown((100, 50, 10), "/a")


class CheckConfig(SystemTest):
    def check(self, config):
        file = self.world.folder / "checked.toml"
        file.write_text(to_toml(config))
        file.chmod(0o600)  # it holds a password
        return self.world.run("check-config", file)

    def config(self):
        token = self.world.folder / "token"
        token.write_text("very-secret-token\n")
        token.chmod(0o600)
        return {
            "data_dir": str(self.world.folder / "data"),
            "listen": {"public": "127.0.0.1:8080", "admin": "[::1]:9180"},
            "redis": {"url": "redis://user:very-secret-password@127.0.0.1:6379/3"},
            "spool": {"max_bytes": "2GiB", "retain": "90m", "sync": "disk"},
            "archive": {"dir": str(self.world.folder / "archive"), "keep_days": 30},
            "collector": {"trusted_proxies": ["10.0.0.0/8", "::1/128"], "rate_limit_per_client": 5,
                          "rate_limit_exempt": ["192.0.2.0/24"], "workers": 1},
            "aggregator": {"dedupe_window": "2h", "keep_days": 30, "max_paths": 500, "max_ids": 1000},
            "site": [{"id": "skhcn", "name": "Sở", "hosts": ["a.example.vn", "*.b.example.vn", "báo.example.vn"],
                      "timezone": "Asia/Saigon", "path_host": True, "keep_query": ["id"], "only": ["/tin-tuc/**"],
                      "max_new_paths_per_day": 10, "reload_window": "30s", "public": ["counts", "stats"],
                      "token_file": str(token), "honor_gpc": False, "honor_dnt": True}],
        }

    def test_every_key_of_the_contract_is_known(self):
        status, output, errors = self.check(self.config())
        self.assertEqual((status, errors), (0, ""))

    def test_secrets_are_not_printed(self):
        status, output, errors = self.check(self.config())
        self.assertNotIn("very-secret", output + errors)

    def test_the_shipped_configuration_is_right(self):
        shipped = ROOT / "deploy" / "luot.toml"
        status, output, errors = self.world.run("check-config", shipped)
        self.assertEqual(status, 0, errors)

    def test_nothing_but_the_file_is_touched(self):
        self.check(self.config())
        self.assertFalse((self.world.folder / "data").exists())


class Refused(SystemTest):
    def test_a_redis_user_that_may_not_write_counts_nothing_half(self):
        """Redis does not roll a script back: what the user may not do has to be found before the first write."""
        server = self.world.redis(tcp=True)
        client = server.client()
        client.execute_command("ACL", "SETUSER", "luot", "on", ">pw", "~*", "&*", "+@all", "-zadd")
        luot = self.world.luot(config={"redis": {"url": f"redis://luot:pw@127.0.0.1:{server.port}/0"}})
        for _ in range(5):
            luot.take_hit("skhcn", "/a")
        eventually(lambda: "NOPERM" in luot.log_text(), patience(10), "the log tells what the user may not")
        steadily(lambda: luot.views("skhcn") == 0 and luot.metrics().sum("luot_hits_damaged_total") == 0, 4)
        client.execute_command("ACL", "SETUSER", "luot", "+zadd")
        eventually(lambda: luot.views("skhcn", "/a") == 5 and luot.views("skhcn") == 5, patience(10))


if __name__ == "__main__":
    main()
