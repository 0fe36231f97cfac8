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
from luot import (HEAD, LIGHT, SITES, OneLuot, SystemTest, eventually, hit_request,  # noqa: E402
                  main, patience, raw_exchange, seeded, split_answers, to_toml)


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
