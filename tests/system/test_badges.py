#!/usr/bin/env python3
"""Badges: the number as a picture, the same number as everywhere, well-formed whatever the label holds, never a wrong one."""

import sys
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import SystemTest, eventually, main, patience, urlencode  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
PICTURES = ("/badge.svg", "/count.svg")
TOKEN = "reader-of-badges"


def shown(answer):
    """What a picture says, by its title; a real parser has to take it."""
    return ElementTree.fromstring(answer.body.decode()).find(f"{SVG}title").text


class Badges(SystemTest):
    def setUp(self):
        super().setUp()
        self.luot = self.world.luot()

    def picture(self, route, headers=None, **parameters):
        return self.luot.http.request("GET", f"{route}?" + urlencode({"site": "skhcn", **parameters}), headers=headers)

    def import_totals(self, text):
        file = self.world.folder / "totals.csv"
        file.write_text(text)
        status, _, errors = self.world.run("import", "totals", file, "--site", "skhcn", "--config", self.luot.config_file)
        self.assertEqual(status, 0, errors)

    def test_the_number_is_that_of_the_site_or_of_a_page(self):
        self.import_totals("/a,405\n*,3680026,730\n")
        self.luot.wait_for("skhcn", self.luot.take_hit("skhcn", "/a"))
        for route in PICTURES:
            for parameters, says in (({}, "lượt xem: 3.680.027"), ({"lang": "en"}, "views: 3,680,027"),
                                     ({"format": "plain"}, "lượt xem: 3680027"), ({"path": "/a"}, "lượt xem: 406"),
                                     ({"path": "https://skhcn.example.vn/a/?utm_source=x"}, "lượt xem: 406"),
                                     ({"path": "/new"}, "lượt xem: 0"), ({"label": ""}, "3.680.027"),
                                     ({"label": "Đã xem <1> & \"2\"", "lang": "en"}, "Đã xem <1> & \"2\": 3,680,027")):
                answer = self.picture(route, **parameters)
                self.assertEqual((answer.status, shown(answer)), (200, says))
                self.assertEqual(answer.headers["Content-Type"], "image/svg+xml")
                self.assertEqual(answer.headers["Content-Security-Policy"],
                                 "default-src 'none'; style-src 'unsafe-inline'")
                self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")

    def test_a_picture_that_has_not_changed_is_not_sent_again(self):
        for route in PICTURES:
            first = self.picture(route)
            self.assertEqual(first.headers["Cache-Control"], "max-age=1")
            again = self.picture(route, headers={"If-None-Match": first.headers["ETag"]})
            self.assertEqual((again.status, again.body), (304, b""))
            self.luot.wait_for("skhcn", self.luot.take_hit("skhcn", "/a"))
            changed = self.picture(route, headers={"If-None-Match": first.headers["ETag"]})
            self.assertEqual(changed.status, 200)
            self.assertNotEqual(changed.headers["ETag"], first.headers["ETag"])

    def test_any_label_makes_a_picture(self):
        for label in (b"%00%01%1F", b"%FF%C3%28", b"%E2%80%AEabc", b"]]%3E%3C!--", b"%EF%BF%BE", b"%CC%81" * 500,
                      b"x" * 9000, b"%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9", "Bình luận".encode(), b"%22%20onload=%22alert(1)"):
            for route in PICTURES:
                target = f"{route}?site=skhcn&label=".encode() + label.replace("ì".encode(), b"%C3%AC").replace(
                    "ậ".encode(), b"%E1%BA%AD").replace(b" ", b"+")
                answer = self.luot.http.get(target.decode("ascii"))
                self.assertEqual(answer.status, 200, label[:50])
                self.assertIn("0", shown(answer))
                self.assertLess(len(answer.body), 3000)
                for element in ElementTree.fromstring(answer.body.decode()).iter():
                    self.assertFalse(any(name.startswith("on") for name in element.attrib))

    def test_what_cannot_be_drawn_says_why(self):
        for route in PICTURES:
            for parameters, status in (({"site": ""}, 400), ({"site": "none"}, 404), ({"lang": "fr"}, 400),
                                       ({"format": "roman"}, 400), ({"path": "https://other.example/a"}, 400)):
                answer = self.picture(route, **parameters)
                self.assertEqual(answer.status, status)
                self.assertTrue(answer.json()["error"]["message"])

    def test_badges_are_open_as_the_site_says(self):
        token = self.world.folder / "token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        self.luot.config["site"][0].update(public=["counts"], token_file=str(token))
        self.luot.write_config()
        self.luot.hang_up()
        eventually(lambda: all(self.picture(route).status == 401 for route in PICTURES), patience(5), "they are closed")
        for route in PICTURES:
            for given, status in (("Bearer wrong", 403), (f"Bearer {TOKEN}", 200)):
                self.assertEqual(self.picture(route, headers={"Authorization": given}).status, status)

    def test_a_number_that_is_not_known_is_a_dash(self):
        """Never 0, and never a wrong one: beyond the limits of paths, and with Redis away."""
        self.luot.config["site"][0]["only"] = ["/tin-tuc/**"]
        self.luot.write_config()
        self.luot.hang_up()
        for route in PICTURES:
            eventually(lambda: shown(self.picture(route, path="/elsewhere")) == "lượt xem: –", patience(5),
                       "it is not counted apart")

    def test_with_redis_away_a_dash_is_shown(self):
        self.luot.close()
        redis = self.world.redis()
        self.luot = self.world.luot(name="apart", redis=redis)
        before = self.picture("/badge.svg")
        self.assertEqual(shown(before), "lượt xem: 0")
        redis.freeze()
        for route in PICTURES:
            answer = self.picture(route)
            self.assertEqual((answer.status, shown(answer)), (503, "lượt xem: –"))
            self.assertEqual((answer.headers["Retry-After"], answer.headers["Cache-Control"]), ("1", "no-store"))
            self.assertEqual(answer.headers["Content-Type"], "image/svg+xml")
            self.assertIsNone(answer.headers["ETag"])
        redis.thaw()
        eventually(lambda: self.picture("/badge.svg").status == 200, patience(10), "it is shown again")


if __name__ == "__main__":
    main()
