#!/usr/bin/env python3
"""luot on a Redis with deploy/redis.conf, as the user of deploy/redis-users.acl: all that luot does it may do, and it
may do nothing else."""

import importlib
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import own_redis  # noqa: E402
from luot import ROOT, SystemTest, eventually, main, patience, redis  # noqa: E402
from own_redis import PASSWORDS, OwnRedis  # noqa: E402

own_redis.use_it()

# The heart of the system, by the tests that it has: each runs on such a Redis, as that user.
CHOSEN = {
    "test_counts": ["PathLimits.test_pages_beyond_max_paths_are_counted_together", "Reading.test_an_event_is_no_view_and_begins_no_visit",
                    "Reading.test_counts_bring_the_list_of_most_read_pages", "Views.test_the_same_hit_sent_again_counts_once"],
    "test_reports": ["Reports.test_each_view_is_in_one_row_of_each_breakdown", "Reports.test_a_series_has_no_gaps",
                     "Reports.test_lists_of_pages_have_the_titles_that_most_readers_see"],
    "test_filters": ["VisitorsOfPages.test_a_site_may_have_them_told_apart_by_page"],
    "test_article_report": ["ArticleReport.test_it_has_all_that_was_read"],
    "test_live": ["Live.test_pages_that_are_read_for_the_first_time_are_told"],
    "test_moving": ["Import.test_totals_are_shown_and_taken_back", "Export.test_read_back_it_shows_the_same_numbers"],
    "test_import_log": ["Lines.test_lines_of_other_hosts_are_counted_apart"],
    "test_corrections": ["Merging.test_both_addresses_show_the_sum_and_later_hits_follow", "Hiding.test_a_hidden_page_is_counted_and_in_no_list",
                         "Deleting.test_undo_restores_each_number", "Deleting.test_a_day_is_taken_out_of_all_sums",
                         "Deleting.test_a_site_that_is_deleted_for_good_leaves_nothing", "Pruning.test_a_pruning_is_in_the_log_and_cannot_be_undone"],
    "test_reclassify": ["Reclassify.test_pages_that_were_pruned_and_came_again_keep_what_they_have"],
    "test_daemons": ["Apart.test_a_hit_repeated_at_another_collector_counts_once"],
}


def add_chosen():
    for module_name, names in CHOSEN.items():
        module = importlib.import_module(module_name)
        if hasattr(module, "RedisServer"):
            module.RedisServer = OwnRedis
        for name in names:
            class_name, test = name.split(".")
            whole = getattr(module, class_name)
            hidden = {n: None for n in dir(whole) if n.startswith("test_") and n != test}
            made = type(f"{class_name}_{test.removeprefix('test_')}", (whole,), {**hidden, "__module__": __name__, "__doc__": None})
            globals()[made.__name__] = made


add_chosen()


class Users(SystemTest):
    def test_the_settings_are_those_of_a_redis_that_keeps_counts(self):
        client = self.world.redis().client()
        wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": "", "databases": "1",
                  "protected-mode": "yes", "no-appendfsync-on-rewrite": "no", "aof-load-truncated": "yes", "aof-use-rdb-preamble": "yes"}
        self.assertEqual({name: client.config_get(name)[name] for name in wanted}, wanted)
        self.assertGreater(int(client.config_get("maxmemory")["maxmemory"]), 0)
        self.assertEqual(client.acl_users(), ["admin", "default", "luot"])

    def test_as_it_is_shipped_nobody_comes_in(self):
        """With the places of the passwords' hashes still empty Redis does not start."""
        server = self.world.redis()
        server.stop()
        server.acl.write_text(own_redis.ACL.read_text())
        server.start(answers=False)
        self.assertEqual(server.process.wait(patience(60)), 1)
        self.assertIn("ACL", server.log.read_text())

    def test_redis_has_all_after_a_restart(self):
        """Redis reads its append-only file as the user `default`: what that one may not do is skipped, and nobody told."""
        server = self.world.redis()
        part = self.world.luot(redis=server)
        for number in range(20):
            token = part.take_hit("skhcn", f"/{number % 5}", id=f"h{number}", client=f"198.51.100.{number}")
        part.wait_for("skhcn", token)
        part.stop()
        client = server.client()

        def state():
            held = {}
            for key in client.scan_iter("luot:{p*}:skhcn:*", count=10_000):
                kind = client.type(key)
                if client.pttl(key) == -1 or b":day:" in key:
                    held[key] = (client.hgetall(key) if kind == b"hash" else client.zrange(key, 0, -1, withscores=True) if kind == b"zset"
                                 else client.pfcount(key) if key.endswith(b":visitors") else client.get(key))
            return held
        before = state()
        self.assertGreater(len(before), 10)
        for how in (server.stop, server.kill):
            how()
            server.start()
            client = server.client()
            self.assertEqual(state().keys(), before.keys())
            self.assertEqual(state(), before)
        self.assertNotIn("CRITICAL", server.log.read_text())

    def test_luot_may_do_nothing_else(self):
        server = OwnRedis(self.world, may_refuse=True)
        server.start()
        admin, mine = server.client(), server.client("luot")
        admin.set("other", "secret")
        mine.set("luot:x", "1")
        for command in ("FLUSHALL", "FLUSHDB", "KEYS *", "CONFIG SET maxmemory 1", "CONFIG REWRITE", "CONFIG RESETSTAT", "EVAL return(1) 0",
                        "SHUTDOWN", "SAVE", "BGSAVE", "BGREWRITEAOF", "ACL LIST", "ACL SETUSER luot +@all", "MONITOR", "REPLICAOF 127.0.0.1 1", "SYNC",
                        "CLIENT KILL TYPE normal", "CLIENT LIST", "SCRIPT FLUSH", "FUNCTION FLUSH", "SLOWLOG GET", "PUBLISH a b", "SUBSCRIBE a",
                        "MIGRATE 127.0.0.1 1 other 0 1", "SORT luot:x", "OBJECT FREQ luot:x", "GET other", "SET other 1", "UNLINK other",
                        "EXISTS luot:x other", "RENAME luot:x other", "PFMERGE luot:x other", "HGET luo x"):
            with self.assertRaises(redis.ResponseError, msg=command) as refused:
                mine.execute_command(*command.split())
            self.assertRegex(str(refused.exception), "(?i)permission", command)
        for script in ("return redis.call('GET', 'other')", "return redis.call('FLUSHALL')"):
            with self.assertRaises(redis.ResponseError) as refused:
                mine.evalsha(mine.script_load(script), 0)
            self.assertRegex(str(refused.exception), "(?i)can't|permission")
        self.assertEqual((admin.get("other"), admin.dbsize()), (b"secret", 2))
        for stranger in (redis.Redis(unix_socket_path=str(server.socket)), redis.Redis(port=server.port), redis.Redis(port=server.port, password="x")):
            with self.assertRaises(redis.RedisError):
                stranger.ping()

    def test_its_password_may_be_in_a_file_and_the_way_a_socket(self):
        for tcp in (True, False):
            server = OwnRedis(self.world, f"r{tcp:d}", tcp=tcp)
            server.start()
            password = self.world.folder / "password"
            password.write_text(PASSWORDS["luot"] + "\n")
            password.chmod(0o600)
            url = server.url.replace(f":{PASSWORDS['luot']}@", "@")
            part = self.world.luot(name=f"s{tcp:d}", config={"redis": {"url": url, "password_file": str(password)}})
            part.wait_for("skhcn", part.take_hit("skhcn", "/a"))
            self.assertEqual(part.views("skhcn", "/a"), 1)
            self.assert_verified(part, "--positions")

    def test_what_redis_refuses_is_in_the_log_and_in_the_metrics(self):
        server = OwnRedis(self.world, may_refuse=True, change_acl=lambda text: text.replace(" +zcount", ""))
        server.start()
        part = self.world.luot(redis=server, reads=False)
        eventually(lambda: part.get_counts("skhcn").status == 503 and re.search(r"warn redis_forbids .*ACL LOG", part.log_text()), patience(10),
                   "the log says where to look")
        self.assertEqual({name for _, _, name in server.refusals()}, {"zcount"})
        self.assertGreater(part.metrics().sum("luot_redis_forbidden_total"), 0)
        # As the log says what to do: no restart is needed.
        server.acl.write_text(own_redis.acl_text())
        server.client().acl_load()
        eventually(lambda: part.get_counts("skhcn").status == 200, patience(10), "reads are answered")
        before = part.metrics().sum("luot_redis_forbidden_total")
        part.wait_for("skhcn", part.take_hit("skhcn", "/a"))
        self.assertEqual(part.metrics().sum("luot_redis_forbidden_total"), before)

    def test_the_list_of_commands_is_that_of_the_code(self):
        """A command that comes new to luot, or is no longer needed, fails here: all that stands in the code as a text and is the
        name of one of Redis' commands."""
        client = self.world.redis().client()
        del client.response_callbacks["COMMAND"]  # which knows of no LIST
        commands = {name.decode().upper() for name in client.execute_command("COMMAND", "LIST")}
        used = set()
        for folder in ("core", "luot", "aggregator", "collector", "import", "archive"):
            for file in (ROOT / folder).rglob("*"):
                if file.suffix in (".cpp", ".hpp", ".lua"):
                    used |= commands & {word.upper() for word in re.findall(r"""["']([A-Z]{3,}|[a-z]+(?=['"]\s*,\s*KEYS))["']""", file.read_text())}
        others = {"READONLY"}  # the name of an error
        containers = {"CLIENT": "CLIENT|SETNAME", "SCRIPT": "SCRIPT|LOAD", "CONFIG": "CONFIG|GET"}
        used = {containers.get(word, word) for word in used - others} - {"AUTH"}  # which everybody may
        line = next(line for line in own_redis.ACL.read_text().splitlines() if line.startswith("user luot "))
        allowed = {word[1:].upper() for word in line.split() if word.startswith("+")}
        self.assertEqual(used - allowed, set(), "used, but not in deploy/redis-users.acl")
        self.assertEqual(allowed - used - {"CONFIG|GET"}, set(), "in deploy/redis-users.acl, but not used")
        self.assertNotIn("+@", line)


if __name__ == "__main__":
    main()
