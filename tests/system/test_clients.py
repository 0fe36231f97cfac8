#!/usr/bin/env python3
"""Who sends a hit: tabs behind one address, servers that count for their readers, programs in data centres."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import BROWSER, FIREFOX, GOOGLEBOT, SystemTest, eventually, main, patience  # noqa: E402

TOKEN = "s3cret-token-of-skhcn"
HOSTS = ["skhcn.example.vn"]


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Clients(SystemTest):
    def bots(self, site):
        """kind -> hits, as Redis has them."""
        found, client = {}, self.luot.redis()
        for key in client.scan_iter(f"luot:*:{site}:totals"):
            for field, count in client.hgetall(key).items():
                name, _, kind = field.decode().partition(":")
                if name == "bots" and kind:
                    found[kind] = int(count)
        return found


class Tabs(Clients):
    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(sites=[{"id": "by-tab", "hosts": HOSTS, "visitor": "tab"},
                                           {"id": "by-address", "hosts": HOSTS}])

    def figures(self, site, hits):
        for how in hits:
            token = self.luot.take_hit(site, "/a", client="198.51.100.1", **how)
        answer = self.luot.counts(site, "/a", summary=1, after=token)
        return answer["views"], answer["visits"], answer["summary"]["today"]["visitors"]

    def test_two_tabs_behind_one_address_are_two_visitors_where_the_site_asks_for_it(self):
        hits = [{"tab": "a1"}, {"tab": "b-_2", "how": "form"}, {"tab": "a1", "how": "pixel"}, {"tab": "b-_2"}]
        self.assertEqual(self.figures("by-tab", hits), (4, 2, 2))
        self.assertEqual(self.figures("by-address", hits), (4, 1, 1))

    def test_a_browser_that_keeps_nothing_is_told_apart_by_its_address(self):
        self.assertEqual(self.figures("by-tab", [{"tab": ""}, {}, {"agent": FIREFOX}]), (3, 2, 2))

    def test_a_malformed_tab_is_refused(self):
        for tab in ("a b", "x" * 65, "é"):
            for site in ("by-tab", "by-address"):
                answer = self.luot.hit(site, "/a", tab=tab)
                self.assertEqual((answer.status, answer.reason), (400, "bad_request"), (site, tab))


class Servers(Clients):
    def setUp(self):
        super().setUp()
        token_file = self.world.folder / "token"
        token_file.write_text(TOKEN + "\n")
        token_file.chmod(0o600)
        self.luot = self.world.luot(
            sites=[{"id": "skhcn", "hosts": HOSTS, "token_file": str(token_file)}, {"id": "no-token", "hosts": HOSTS}],
            config={"collector": {"rate_limit_per_client": 2}})

    def take(self, path="/a", agent=None, token=TOKEN, **fields):
        """A hit as a program sends it: without a User-Agent unless one is given."""
        return self.luot.take_hit("skhcn", path, agent=agent, headers=bearer(token), **fields)

    def test_a_program_with_the_token_of_the_site_is_no_bot(self):
        for how in ("json", "form", "pixel"):
            for agent in (None, "PHP/8.2", "python-requests/2.31", "curl/8.5.0"):
                last = self.take(how=how, agent=agent)
        answer = self.luot.counts("skhcn", "/a", after=last)
        self.assertEqual((answer["views"], answer["pages"]["/a"]["views"]), (12, 12))
        self.assertEqual(self.bots("skhcn"), {})
        last = self.luot.take_hit("skhcn", "/a", agent=None)
        last = self.luot.take_hit("skhcn", "/a", agent="curl/8.5.0")
        self.luot.wait_for("skhcn", last)
        self.assertEqual(self.bots("skhcn"), {"library": 2})

    def test_it_counts_its_readers_by_their_addresses(self):
        for ip in ("198.51.100.1", "198.51.100.2", "2001:db8::1", "[2001:db8::2]:443"):
            for agent in (BROWSER, FIREFOX):
                last = self.take(ip=ip, ua=agent)
        answer = self.luot.counts("skhcn", summary=1, after=last)
        # The two addresses of IPv6 are of one household.
        self.assertEqual((answer["views"], answer["visits"], answer["summary"]["today"]["visitors"]), (8, 6, 6))
        # A reader comes by a page's script too: the same visitor.
        last = self.luot.take_hit("skhcn", "/b", client="198.51.100.1", agent=BROWSER)
        self.assertEqual(self.luot.counts("skhcn", after=last)["visits"], 6)

    def test_its_readers_are_bots_by_their_own_user_agent(self):
        self.take(ua=GOOGLEBOT, ip="198.51.100.9")
        self.take(ua=BROWSER, ip="198.51.100.9")
        last = self.take(b=1)
        self.luot.wait_for("skhcn", last)
        self.assertEqual(self.luot.views("skhcn", "/a"), 1)
        self.assertEqual(self.bots("skhcn"), {"search": 1, "headless": 1})

    def test_a_wrong_token_never_counts_as_a_browser_s_hit(self):
        for site, token in (("skhcn", "wrong"), ("skhcn", TOKEN + "x"), ("skhcn", TOKEN[:-1]), ("no-token", TOKEN)):
            for how in ("json", "pixel"):
                answer = self.luot.hit(site, "/a", how=how, headers=bearer(token))
                self.assertEqual((answer.status, answer.reason, answer.token), (403, "bad_token", None), (site, token))
        self.assertEqual(self.luot.metrics().by("reason", "luot_hits_refused_total")["bad_token"], 8)
        self.assert_balanced(self.luot)
        # The password of a web server in front is none of luot's business.
        self.luot.take_hit("skhcn", "/a", headers={"Authorization": "Basic dTpw"})

    def test_nobody_else_can_name_a_reader(self):
        for ip in ("198.51.100.1", "198.51.100.2", "no address"):
            last = self.luot.take_hit("skhcn", "/a", client="198.51.100.77", ip=ip, ua=GOOGLEBOT)
        answer = self.luot.counts("skhcn", after=last)
        self.assertEqual((answer["views"], answer["visits"]), (3, 1))
        answer = self.luot.hit("skhcn", "/a", headers=bearer(TOKEN), ip="no address")
        self.assertEqual((answer.status, answer.reason), (400, "bad_request"))

    def test_limits_are_those_of_the_reader_that_is_named(self):
        for _ in range(40):  # a burst is 10
            self.take()
        answers = [self.luot.hit("skhcn", "/a", headers=bearer(TOKEN), ip="198.51.100.5") for _ in range(40)]
        self.assertIn(429, {answer.status for answer in answers})
        self.take(ip="198.51.100.6")


class DataCentres(Clients):
    def setUp(self):
        super().setUp()
        token_file = self.world.folder / "token"
        token_file.write_text(TOKEN + "\n")
        token_file.chmod(0o600)
        self.list = self.world.folder / "data-centres.txt"
        self.list.write_text("# of the clouds\n203.0.113.0/25\n\n2001:db8:c::/48  # one more\n")
        self.luot = self.world.luot(
            sites=[{"id": "skhcn", "hosts": HOSTS, "token_file": str(token_file)}],
            config={"collector": {"data_center_networks": str(self.list)}})

    def figures(self, *clients, **how):
        for client in clients:
            last = self.luot.take_hit("skhcn", "/a", client=client, **how)
        self.luot.wait_for("skhcn", last)
        return self.luot.views("skhcn", "/a"), self.bots("skhcn")

    def test_browsers_that_read_from_there_are_bots(self):
        self.assertEqual(self.figures("203.0.113.127", "2001:db8:c:1::1"), (0, {"other": 2}))
        self.assertEqual(self.figures("203.0.113.128", "2001:db8:d::1", "127.0.0.1"), (3, {"other": 2}))
        self.assertEqual(self.figures("203.0.113.1", agent=GOOGLEBOT), (3, {"other": 2, "search": 1}))

    def test_a_server_with_the_token_may_stand_there_and_its_readers_may_not(self):
        headers = bearer(TOKEN)
        self.assertEqual(self.figures("203.0.113.1", headers=headers), (1, {}))
        self.assertEqual(self.figures("203.0.113.1", headers=headers, ip="198.51.100.1", ua=BROWSER), (2, {}))
        self.assertEqual(self.figures("203.0.113.1", headers=headers, ip="203.0.113.2", ua=BROWSER), (2, {"other": 1}))

    def test_the_list_is_read_again_on_sighup_and_a_wrong_one_refused(self):
        def reload(text, wanted):
            before = self.luot.log_text().count(wanted)
            self.list.write_text(text)
            self.luot.hang_up()
            eventually(lambda: self.luot.log_text().count(wanted) > before, patience(5), wanted)

        self.assertEqual(self.figures("203.0.113.1"), (0, {"other": 1}))
        reload("198.51.100.0/24\n", "configuration_read")
        self.assertEqual(self.figures("203.0.113.1"), (1, {"other": 1}))
        self.assertEqual(self.figures("198.51.100.1"), (1, {"other": 2}))
        reload("203.0.113.0/24\n\n203.0.113.0/240\n", "configuration_refused")
        self.assertIn(f"{self.list}:3: ", self.luot.log_text())
        self.assertEqual(self.figures("203.0.113.1"), (2, {"other": 2}))
        self.assertEqual(self.figures("198.51.100.1"), (2, {"other": 3}))

        status, _, errors = self.world.run("check-config", self.luot.config_file)
        self.assertEqual(status, 2)
        self.assertIn(f'{self.list}:3: "203.0.113.0/240" is no network', errors)
        self.list.unlink()
        status, _, errors = self.world.run("check-config", self.luot.config_file)
        self.assertEqual(status, 2)
        self.assertIn(f"collector.data_center_networks: {self.list}: No such file", errors)

    def test_a_start_with_a_wrong_list_names_the_line(self):
        self.luot.stop()
        self.list.write_text("a.example.vn\n")
        status, _, errors = self.world.run("serve", "--config", self.luot.config_file)
        self.assertNotEqual(status, 0)
        self.assertIn(f'{self.list}:1: "a.example.vn" is no network', errors)


class Hints(Clients):
    def setUp(self):
        super().setUp()
        self.redis = self.world.redis()
        self.luot = self.world.luot("collector", sites=[{"id": "skhcn", "hosts": HOSTS}], redis=self.redis)

    def test_client_hints_go_with_the_hit_in_short(self):
        self.luot.take_hit("skhcn", "/a", headers={
            "Sec-CH-UA": '"Brave";v="126", "Chromium";v="126", "Not;A=Brand";v="24"',
            "Sec-CH-UA-Mobile": "?1", "Sec-CH-UA-Platform": '"Android"'})
        self.luot.take_hit("skhcn", "/b")

        def records():
            client = self.redis.client()
            return b"".join(value for key in client.scan_iter("luot:*:hits")
                            for _, fields in client.xrange(key) for value in fields.values())

        found = eventually(lambda: b"/b" in records() and records(), patience(10), "both hits are shipped")
        self.assertEqual(found.count(b"1Android;Brave/126"), 1)
        self.assertNotIn(b"Not;A=Brand", found)

    def test_client_hints_tell_what_the_user_agent_leaves_open(self):
        """Brave says that it is Chrome, and nothing else, in its User-Agent."""
        aggregator = self.world.luot("aggregator", sites=[{"id": "skhcn", "hosts": HOSTS, "public": ["stats"]}], redis=self.redis)
        chrome = ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile "
                  "Safari/537.36")
        hints = {"Sec-CH-UA": '"Brave";v="126", "Chromium";v="126", "Not;A=Brand";v="24"',
                 "Sec-CH-UA-Mobile": "?0", "Sec-CH-UA-Platform": '"Windows"'}
        self.luot.take_hit("skhcn", "/a", agent=chrome)
        token = self.luot.take_hit("skhcn", "/b", agent=chrome, headers=hints)
        aggregator.wait_for("skhcn", token)

        def rows(by):
            top = aggregator.http.get(f"/api/v1/top?site=skhcn&by={by}").json()
            return {row["key"]: row["views"] for row in top["rows"]}
        for by, wanted in (("browser", {"Brave": 1, "Chrome Mobile": 1}), ("os", {"Android": 1, "Windows": 1}),
                           ("device", {"desktop": 1, "mobile": 1})):
            eventually(lambda by=by, wanted=wanted: rows(by) == wanted, patience(10), f"{by} is told by hints")


if __name__ == "__main__":
    main()
