#!/usr/bin/env python3
"""Tokens and passwords are read from files that nobody else can read, and stand nowhere else: not in a log, not in
what ps shows, not in the output of check-config, not in data_dir, Redis or its append-only file."""

import os
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import (SITES, SystemTest, children_of, eventually, main, patience, redis_blobs,  # noqa: E402
                  file_blobs, to_toml)

TOKEN, NEXT_TOKEN, WRONG_TOKEN = "s3cretTokenOfSkhcn", "s3cretTokenOfTomorrow", "s3cretTokenThatIsWrong"
PASSWORD, WRONG_PASSWORD = "s3cretPasswordOfRedis", "s3cretPasswordThatIsWrong"
SECRETS = [secret.encode() for secret in (TOKEN, NEXT_TOKEN, WRONG_TOKEN, PASSWORD, WRONG_PASSWORD)]


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Secrets(SystemTest):
    def secret_file(self, name, secret, mode=0o600):
        file = self.world.folder / name
        file.touch(0o600)
        file.write_text(secret + "\n")
        file.chmod(mode)
        return file

    def closed_site(self, token_file):
        return {**SITES[0], "public": [], "token_file": str(token_file)}

    def status(self, luot, token):
        return luot.http.request("GET", "/api/v1/counts?site=skhcn", headers=bearer(token)).status

    def test_a_secret_that_others_can_read_is_refused_at_the_start(self):
        token = self.secret_file("token", TOKEN)
        password = self.secret_file("password", PASSWORD)
        config = {"data_dir": str(self.world.folder / "data"), "listen": {"public": "127.0.0.1:0", "admin": "127.0.0.1:0"},
                  "redis": {"url": "redis://127.0.0.1:1/0", "password_file": str(password)}, "site": [self.closed_site(token)]}
        file = self.world.folder / "closed.toml"
        file.write_text(to_toml(config))
        self.assertEqual(self.world.run("check-config", file)[0], 0)
        for secret, key in ((token, "site.token_file"), (password, "redis.password_file")):
            for mode in (0o660, 0o620, 0o604, 0o644, 0o666):
                secret.chmod(mode)
                for command in (("check-config", file), ("serve", "--config", file), ("collector", "--config", file),
                                ("aggregator", "--config", file)):
                    with self.subTest(key, mode=oct(mode), command=command[0]):
                        status, output, errors = self.world.run(*command)
                        self.assertEqual((status, output, errors.count("\n")), (2, "", 1), errors)
                        for word in (key, f"chmod 600 {secret}"):
                            self.assertIn(word, errors)
            secret.chmod(0o600)
        open_config = {**config, "redis": {"url": f"redis://:{PASSWORD}@127.0.0.1:1/0"}}
        file.write_text(to_toml(open_config))
        file.chmod(0o644)
        status, output, errors = self.world.run("check-config", file)
        self.assertEqual((status, output, errors.count("\n")), (2, "", 1), errors)
        self.assertIn("redis.url", errors)
        self.assertIn("chmod 600", errors)
        self.assertNotIn(PASSWORD, errors)

    @unittest.skipIf(os.geteuid() != 0, "only root may read what luot's user cannot")
    def test_root_is_told_of_a_secret_that_the_user_of_the_service_cannot_read(self):
        token = self.secret_file("token", TOKEN)
        data = self.world.folder / "data"
        data.mkdir(0o700)
        os.chown(data, 12345, 12346)
        file = self.world.folder / "closed.toml"
        file.write_text(to_toml({"data_dir": str(data), "site": [self.closed_site(token)]}))
        for owner, group, mode, is_right in ((0, 0, 0o600, False), (0, 12346, 0o600, False), (0, 12346, 0o640, True),
                                             (0, 12345, 0o640, False), (12345, 0, 0o600, True), (12345, 0, 0o000, False)):
            os.chown(token, owner, group)
            token.chmod(mode)
            status, _, errors = self.world.run("check-config", file)
            self.assertEqual(status, 0 if is_right else 2, (owner, group, oct(mode), errors))
            if not is_right:
                self.assertIn(f"{token} cannot be read by the user to whom data_dir belongs", errors)

    def test_a_reload_with_an_open_secret_is_refused_and_the_running_one_stays(self):
        token = self.secret_file("token", TOKEN)
        luot = self.world.luot(sites=[self.closed_site(token)], reads=False)
        eventually(lambda: self.status(luot, TOKEN) == 200, patience(10))
        token.write_text(NEXT_TOKEN + "\n")
        token.chmod(0o644)
        luot.hang_up()
        eventually(lambda: "configuration_refused" in luot.log_text(), patience(5))
        self.assertIn(f"chmod 600 {token}", luot.log_text())
        self.assertEqual((self.status(luot, TOKEN), self.status(luot, NEXT_TOKEN)), (200, 403))
        token.chmod(0o600)
        luot.hang_up()
        eventually(lambda: self.status(luot, NEXT_TOKEN) == 200, patience(5), "the new token is taken")
        self.assertEqual(self.status(luot, TOKEN), 403)

    def process_blobs(self, *pids):
        """What others may see of processes: ps shows command line and, to the same user, environment."""
        for pid in pids:
            for name in ("cmdline", "environ", "comm", "status"):
                yield f"{name} of {pid}", Path(f"/proc/{pid}/{name}").read_bytes()

    def assert_nowhere(self, blobs):
        leaks = {(secret, where) for where, blob in blobs for secret in SECRETS if secret in blob}
        self.assertFalse(leaks)

    def ask_with_tokens(self, luot):
        for token in (TOKEN, WRONG_TOKEN, TOKEN + "x", ""):
            for target in ("/api/v1/counts?site=skhcn", "/api/v1/summary?site=skhcn", "/nope", "/hit.gif?s=skhcn&p=/a"):
                luot.http.request("GET", target, headers=bearer(token))
        luot.http.request("POST", "/api/v1/counts", body="{" + WRONG_TOKEN, headers=bearer(TOKEN))

    def test_no_secret_is_shown_or_kept_anywhere(self):
        server = self.world.redis(tcp=True, password=PASSWORD, options=[
            "--slowlog-log-slower-than", "0", "--slowlog-max-len", "100000"])
        token = self.secret_file("token", TOKEN)
        password = self.secret_file("password", PASSWORD)
        places = {"file": {"url": f"redis://127.0.0.1:{server.port}/0", "password_file": str(password)},
                  "url": {"url": f"redis://default:{PASSWORD}@127.0.0.1:{server.port}/0"},
                  "wrong": {"url": f"redis://:{WRONG_PASSWORD}@127.0.0.1:{server.port}/0"}}
        own = {token, password}
        for name, address in places.items():
            luot = self.world.luot(name=name, redis=server, sites=[self.closed_site(token)], config={"redis": address},
                                   options=["--log-level", "debug", "--log-format", "text" if name == "url" else "json"],
                                   reads=False)
            own.add(luot.config_file)
            luot.take_hit("skhcn", "/a")
            if name == "wrong":
                eventually(lambda: "WRONGPASS" in luot.log_text(), patience(10))
            else:
                eventually(lambda: self.status(luot, TOKEN) == 200, patience(10))
            self.ask_with_tokens(luot)
            server.kill()
            eventually(lambda: "redis_away" in luot.log_text() or name == "wrong", patience(5))
            server.start()
            # A reload, one that needs a restart, and one that is refused.
            luot.hang_up()
            eventually(lambda: "configuration_read" in luot.log_text(), patience(5))
            luot.config["redis"]["url"] = f"redis://other:{PASSWORD}@127.0.0.1:{server.port}/1"
            luot.config["redis"].pop("password_file", None)
            luot.write_config()
            luot.hang_up()
            eventually(lambda: "configuration_needs_restart" in luot.log_text(), patience(5))
            self.assertNotIn("configuration_refused", luot.log_text())
            luot.config_file.write_text(luot.config_file.read_text() + f'x = "{PASSWORD}"\n')
            luot.hang_up()
            eventually(lambda: "configuration_refused" in luot.log_text(), patience(5))
            luot.write_config()
            status, output, errors = self.world.run("check-config", luot.config_file)
            self.assertEqual(status, 0, errors)
            self.assertIn("(set)", output)
            blobs = [("check-config", (output + errors).encode()), ("/metrics", luot.admin_http.get("/metrics").body)]
            blobs += self.process_blobs(luot.pid)
            self.assert_nowhere(blobs)
            luot.stop()
        blobs = [(where, blob) for where, blob in file_blobs(self.world.folder) if Path(where) not in own]
        blobs += redis_blobs(server.client())
        self.assertTrue(any(TOKEN.encode() in file.read_bytes() for file in own), "the search would find it")
        for place in (".log", "spool", ".aof", "SLOWLOG"):
            self.assertTrue(any(blob for where, blob in blobs if place in where), f"{place} was searched")
        self.assert_nowhere(blobs)

    def test_a_private_redis_knows_no_secret(self):
        token = self.secret_file("token", TOKEN)
        luot = self.world.luot(sites=[self.closed_site(token)], options=["--log-level", "debug"], reads=False)
        eventually(lambda: self.status(luot, TOKEN) == 200, patience(10))
        self.ask_with_tokens(luot)
        children = children_of(luot.pid)
        self.assertTrue(children)
        self.assert_nowhere(list(self.process_blobs(luot.pid, *children)) + list(redis_blobs(luot.redis()))
                            + [blob for blob in file_blobs(self.world.folder) if blob[0] != str(token)])
        # And nobody else can speak to it.
        self.assertEqual((luot.data_dir / "redis" / "redis.sock").stat().st_mode & 0o077, 0)


class Owner(SystemTest):
    def test_a_secret_of_another_user_is_refused(self):
        if os.getuid() != 0:
            self.skipTest("only root can give files away")
        token = self.world.folder / "token"
        token.write_text(TOKEN + "\n")
        token.chmod(0o600)
        os.chown(token, 65534, 65534)
        data = self.world.folder / "data"
        file = self.world.folder / "luot.toml"
        file.write_text(to_toml({"data_dir": str(data), "site": [{**SITES[0], "token_file": str(token)}]}))
        status, _, errors = self.world.run("check-config", file)
        self.assertEqual((status, errors.count("\n")), (2, 1))
        self.assertIn("chown", errors)
        # Of the service's user, to whom data_dir belongs, root may read it.
        data.mkdir()
        os.chown(data, 65534, 65534)
        self.assertEqual(self.world.run("check-config", file)[0], 0)


if __name__ == "__main__":
    main()
