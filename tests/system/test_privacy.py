#!/usr/bin/env python3
"""After a run no client address is anywhere: not in data_dir, not in Redis (keys, values, SLOWLOG, append-only
file), not in the logs; as text, as bytes in both orders, as hex, as base64. Nor is any query parameter that
the site does not keep."""

import base64
import ipaddress
import sys
import time
import unittest
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import Clock  # noqa: E402
from luot import (FIREFOX, BROWSER, GOOGLEBOT, SITES, SystemTest, eventually, hour_lasts, main, patience, file_blobs,  # noqa: E402
                  raw_exchange, redis_blobs)

ADDRESSES = [ipaddress.ip_address(a) for a in (
    "203.0.113.217", "198.51.100.143", "192.0.2.171", "100.99.233.57",
    "2001:db8:5ca1:ab1e:7e57:ab1e:f00d:cafe", "2001:db8:dead:10cc:1234:5678:9abc:def1",
)]
SECRETS = [b"s3cretParameter", b"s3cretFragment", b"s3cretOfReferer", b"s3cretOfReferrer", b"s3cretSession",
           b"s3cretTab"]
TOKEN = "token-of-skhcn"


def base64_cores(raw):
    """What base64 makes of these bytes whatever stands before and behind them, for each alignment."""
    cores = []
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw + b"\0\0\0").rstrip(b"=")
        first = -(-before * 8 // 6)
        last = (before + len(raw)) * 8 // 6
        cores.append(text[first:last])
    return cores


def traces(address):
    """name -> byte strings that would give the address away. An IPv6 address also by its half: the /64."""
    found, packed = {}, address.packed
    found["text"] = [str(address).encode(), address.exploded.encode()]
    found["base64 of the text"] = [core for core in base64_cores(str(address).encode())]
    parts = {"": packed}
    if address.version == 6:
        parts[" of the /64"] = packed[:8]
        found["text"].append(str(ipaddress.ip_address(packed[:8] + bytes(8))).rstrip(":").encode())
        found["text"].append(b":".join(packed[i:i + 2].hex().encode() for i in range(0, 8, 2)))
    else:
        found["text"] += [b"::ffff:" + str(address).encode(), str(int(address)).encode()]
        found["text"].append(str(int.from_bytes(packed, "little")).encode())
    for name, raw in parts.items():
        for order, ordered in (("", raw), (" reversed", raw[::-1])):
            found[f"bytes{name}{order}"] = [ordered]
            found[f"hex{name}{order}"] = [ordered.hex().encode(), ordered.hex().upper().encode()]
            found[f"base64{name}{order}"] = [core for core in base64_cores(ordered) if len(core) >= 4]
    return found


def search(blobs):
    """{(address, kind): [where]} over (where, bytes). Four bytes alone may meet by chance: the raw bytes
    and short base64 of an IPv4 address count only when those of another one are found as well."""
    strong, weak = {}, {}
    for where, blob in blobs:
        for address in ADDRESSES:
            for kind, needles in traces(address).items():
                if any(needle in blob for needle in needles):
                    by_chance = address.version == 4 and (kind.startswith("bytes") or kind.startswith("base64")
                                                          and "text" not in kind)
                    (weak if by_chance else strong).setdefault((str(address), kind), []).append(where)
    if len({address for address, _ in weak}) > 1:
        strong.update(weak)
    return strong


class Privacy(SystemTest):
    def send_hits(self, luot):
        token = None
        for number in range(30):
            for address in ADDRESSES:
                how = ("json", "form", "pixel")[number % 3]
                agent = (BROWSER, FIREFOX, GOOGLEBOT)[number % 5 % 3]
                page = f"https://skhcn.example.vn/marked-page-{number}?id=7&pw=s3cretParameter&utm_source=zalo"
                token = luot.take_hit(
                    "skhcn", page + "#s3cretFragment", how=how, agent=agent, client=f"{address}, 127.0.0.1",
                    id=f"{number}-{ADDRESSES.index(address)}", t="Tiêu đề", c="tin", tab="s3cretTab",
                    r="https://other.example/from?sid=s3cretOfReferrer",
                    headers={"Referer": "https://skhcn.example.vn/marked?x=s3cretOfReferer",
                             "Cookie": "session=s3cretSession", "X-Real-IP": str(address),
                             "Forwarded": f"for={address}"})
        for address in ADDRESSES:  # a server speaks for its reader; another has not the token
            luot.take_hit("skhcn", "/from-a-stranger", ip=str(address), ua=FIREFOX)
            luot.hit("skhcn", "/refused", ip=str(address), ua=FIREFOX, headers={"Authorization": "Bearer wrong"})
            token = luot.take_hit("skhcn", "/from-a-server", ip=str(address), ua=FIREFOX,
                                  headers={"Authorization": f"Bearer {TOKEN}"})
        return token

    def send_refused(self, luot):
        """What is refused, cut or odd may be logged, but not with the address."""
        for address in ADDRESSES:
            forwarded = f"X-Forwarded-For: {address}\r\n"
            for target, extra in (("/hit.gif?s=none&p=/", ""), ("/hit.gif?s=skhcn&p=%zz", ""),
                                  ("/nope?pw=s3cretParameter", ""),
                                  ("/hit.gif?s=skhcn&p=/a", "Origin: https://evil.example\r\n"),
                                  ("/hit.gif?s=skhcn&p=/a", "Sec-GPC: 1\r\n"), ("/hit.gif?" + "a" * 20_000, "")):
                raw_exchange(luot.public, (f"GET {target} HTTP/1.1\r\nHost: x\r\nUser-Agent: {BROWSER}\r\n"
                                           f"{forwarded}{extra}Connection: close\r\n\r\n").encode())
            raw_exchange(luot.public, f"GARBAGE {address}\r\n{forwarded}\r\n".encode())
            luot.hit("skhcn", "/a", client=f"{address}, garbage, {quote(str(address))}")

    def assert_clean(self, luot, client, *folders):
        blobs = list(file_blobs(*folders)) + list(redis_blobs(client))
        blobs += [("/metrics", luot.admin_http.get("/metrics").body)]
        found = search(blobs)
        self.assertFalse(found, "client addresses are kept")
        leaks = {(secret, where) for where, blob in blobs for secret in SECRETS if secret in blob}
        self.assertFalse(leaks, "parameters that are not kept are kept")
        size = sum(len(blob) for _, blob in blobs)
        print(f"searched {len(blobs)} files, keys and values, {size} bytes", flush=True)
        return blobs

    def all_that_meets_addresses(self):
        """Sites and configuration of a luot that does with addresses all that it can."""
        token_file, data_centers = self.world.folder / "token", self.world.folder / "data-centers"
        token_file.write_text(TOKEN + "\n")
        token_file.chmod(0o600)
        data_centers.write_text("192.0.2.0/25\n2001:db8:dead::/48\n")
        return {"sites": [{**SITES[0], "visitor": "tab", "token_file": str(token_file)}, *SITES[1:]],
                "config": {"collector": {"data_center_networks": str(data_centers)}}}

    def run_and_search(self, options):
        hour_lasts()
        luot = self.world.luot(options=options, **self.all_that_meets_addresses())
        client = luot.redis()
        client.config_set("slowlog-log-slower-than", 0)
        client.config_set("slowlog-max-len", 100_000)
        token = self.send_hits(luot)
        self.send_refused(luot)
        luot.wait_for("skhcn", token)
        # One of the addresses is a data centre's: its hits are a bot's.
        self.assertEqual(luot.views("skhcn", "/marked-page-0?id=7"), len(ADDRESSES) - 1)
        # Another has brought its 20 new pages before: a server's readers are clients as all others are.
        self.assertEqual(luot.views("skhcn", "/from-a-server"), len(ADDRESSES) - 2)
        return luot, client

    def test_no_address_and_no_dropped_parameter_is_kept_anywhere(self):
        luot, client = self.run_and_search(["--log-level", "debug"])
        blobs = self.assert_clean(luot, client, self.world.folder)
        # The search looks in the right places: what is kept on purpose is found in each of them.
        for place in ("spool", ".aof", "value of"):
            self.assertTrue(any(b"marked-page-0" in blob for where, blob in blobs if place in where),
                            f"the page is found in {place}")
        for place in ("DUMP", "SLOWLOG", ".log"):
            self.assertTrue(any(blob for where, blob in blobs if place in where), f"{place} was searched")
        luot.stop()
        self.assertFalse(search(file_blobs(self.world.folder)), "after the end")

    def test_the_log_as_json_holds_none_either(self):
        luot, client = self.run_and_search(["--log-level", "debug", "--log-format", "json"])
        self.assert_clean(luot, client, self.world.folder)

    def test_an_address_is_not_kept_when_hits_wait_in_the_stream(self):
        """Between collector and aggregator, where nothing has been folded yet."""
        server = self.world.redis()
        collector = self.world.luot("collector", redis=server, options=["--log-level", "debug"],
                                    **self.all_that_meets_addresses())
        client = server.client()
        self.send_hits(collector)
        eventually(lambda: sum(client.xlen(key) for key in client.keys("luot:*:hits")) > 0, patience(5))
        self.assert_clean(collector, client, self.world.folder)

    def keys_of(self, file):
        """The chain's secrets as its file has them: the key of ids, the day of the link, the link."""
        words = file.read_text().split()
        self.assertEqual(words[:3:2] + words[4:5], ["luot-salts", "ids", "day"])
        return words[3], int(words[5]), words[6]

    def assert_salts_nowhere(self, secrets, blobs):
        forms = {}
        for secret in secrets:
            raw = bytes.fromhex(secret)
            self.assertEqual(len(raw) % 16, 0)
            for part in (raw, raw[::-1], raw[:16], raw[-16:]):
                forms.update({part: "bytes", part.hex().encode(): "hex", part.hex().upper().encode(): "HEX"})
                forms.update({core: "base64" for core in base64_cores(part)})
        found = {(where, kind) for where, blob in blobs for form, kind in forms.items() if form in blob}
        self.assertFalse(found, "a salt is kept")

    def test_salts_stand_in_their_file_and_nowhere_else(self):
        luot, client = self.run_and_search(["--log-level", "debug"])
        eventually(lambda: client.exists("luot:salts"), patience(5), "the chain's fingerprint is shown")
        salts = [f for f in luot.data_dir.rglob("*salt*") if f.is_file()]
        self.assertEqual(salts, [luot.data_dir / "salts"])
        self.assertEqual(salts[0].stat().st_mode & 0o077, 0)
        ids, _, link = self.keys_of(salts[0])
        everywhere = list(file_blobs(self.world.folder)) + list(redis_blobs(client))
        everywhere += [("/metrics", luot.admin_http.get("/metrics").body)]
        with self.assertRaises(AssertionError, msg="the search finds them in their file"):
            self.assert_salts_nowhere([link], everywhere)
        blobs = [(where, blob) for where, blob in everywhere if where != str(salts[0])]
        self.assertTrue(any(".aof" in where and blob for where, blob in blobs))
        self.assert_salts_nowhere([ids, link], blobs)

    def test_a_salt_that_no_zone_needs_is_gone_at_the_next_start(self):
        """From the disk, with its name and its copies; Redis and its append-only file never had it."""
        hour_lasts()
        luot = self.world.luot()
        luot.take_hit("skhcn", "/a")
        luot.stop()
        file = luot.data_dir / "salts"
        ids, day, _ = self.keys_of(file)
        old = "5a" * 16 + "c3" * 16
        file.write_text(f"luot-salts 1\nids {ids}\nday {day - 2} {old}\n")
        luot.start()
        token = luot.take_hit("skhcn", "/b")
        luot.wait_for("skhcn", token)
        eventually(lambda: luot.redis().exists("luot:salts"), patience(5), "the chain's fingerprint is shown")
        self.assertEqual(self.keys_of(file)[1], day)
        blobs = list(file_blobs(luot.data_dir, self.world.folder)) + list(redis_blobs(luot.redis()))
        self.assert_salts_nowhere([old], blobs)


    def test_a_salt_that_no_zone_needs_is_gone_while_luot_runs(self):
        """At noon UTC, two days after its date, from the disk; Redis and its append-only file never had it."""
        server = self.world.redis()
        for command in ("serve", "collector"):
            with self.subTest(command):
                clock = Clock(self.world)
                now = time.time()
                noon = (now // 86_400 + 1.5) * 86_400
                clock.set(noon - 3600 - now)
                luot = self.world.luot(command, redis=server if command == "collector" else None, start=False)
                luot.environment = clock.environment  # its private Redis inherits it
                luot.start()
                client = server.client() if command == "collector" else luot.redis()
                luot.take_hit("skhcn", "/a")
                eventually(lambda: client.exists("luot:salts"), patience(5), "the chain's fingerprint is shown")
                file = luot.data_dir / "salts"
                ids, day, link = self.keys_of(file)
                self.assertEqual(day, now // 86_400 - 1, "its date and the day after it have passed, but for an hour")
                clock.set(noon + 1 - now)
                eventually(lambda: self.keys_of(file)[1] == day + 1, patience(15), "the salt is taken off the disk")
                self.assertEqual(self.keys_of(file)[0], ids)
                luot.take_hit("skhcn", "/b")
                self.assert_salts_nowhere([link], list(file_blobs(self.world.folder)) + list(redis_blobs(client)))
                luot.stop()

    def test_a_salt_that_no_zone_needs_is_gone_from_memory(self):
        """Under a clock that is set back its day has other ids: nobody can make the former ones any more."""
        hour_lasts()
        clock = Clock(self.world)
        luot = self.world.luot(start=False, config={"collector": {"workers": 1}})
        luot.environment = clock.environment
        luot.start()

        def visitors():
            luot.wait_for("skhcn", luot.take_hit("skhcn", "/a"))
            days = [key for key in luot.redis().scan_iter("luot:*:skhcn:day:*", _type="hash")]
            return [int(luot.redis().hget(day, "visitors")) for day in days]
        self.assertEqual(visitors(), [1])
        self.assertEqual(visitors(), [1])
        _, day, _ = self.keys_of(luot.data_dir / "salts")
        clock.set(3 * 86_400)
        eventually(lambda: self.keys_of(luot.data_dir / "salts")[1] == day + 3, patience(15))
        clock.set(0)
        eventually(lambda: visitors() == [2], patience(5), "the same reader is another one")

    def test_visitors_of_a_site_that_was_taken_out_of_the_configuration_are_forgotten_as_others_are(self):
        clock = Clock(self.world)
        luot = self.world.luot(start=False)
        luot.environment = clock.environment  # its private Redis inherits it
        luot.start()
        for site in ("skhcn", "bao", "thu-vien"):
            luot.wait_for(site, luot.take_hit(site, "/a"))
        client = luot.redis()
        self.assertEqual(len(client.keys("luot:*:seen")), 3)
        luot.config["site"] = [site for site in luot.config["site"] if site["id"] != "thu-vien"]
        luot.write_config()
        luot.hang_up()
        eventually(lambda: luot.log_text().count("configuration_read"), patience(5), "it has the new configuration")
        clock.set(3 * 3600)
        eventually(lambda: not client.keys("luot:*:seen"), patience(60), "who was seen is forgotten")
        self.assertTrue(client.keys("luot:*:thu-vien:totals"), "its numbers stay")


class Search(unittest.TestCase):
    """The search itself finds what it is to find."""

    def test_an_address_is_found_in_every_form(self):
        for address in ADDRESSES:
            other = next(a for a in ADDRESSES if a != address and a.version == 4)
            for kind, needles in traces(address).items():
                for needle in needles:
                    with self.subTest(f"{address} {kind}"):
                        blob = b"\x01\x02" + needle + b"\x03" + other.packed
                        found = search([("here", blob), ("there", needle)])
                        self.assertTrue(any(a == str(address) for a, _ in found), needle)

    def test_base64_is_found_at_any_alignment(self):
        for before in range(6):
            text = base64.b64encode(b"x" * before + ADDRESSES[4].packed + b"tail of any length")
            self.assertTrue(search([("here", text)]), before)
            text = base64.b64encode(b"x" * before + str(ADDRESSES[0]).encode() + b"tail")
            self.assertTrue(search([("here", text)]), before)


if __name__ == "__main__":
    main()
