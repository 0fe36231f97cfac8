#!/usr/bin/env python3
"""Draws docs/dashboard-*.svg: three minutes of made traffic on a luot of its own, during which Redis is away once, and a real
Prometheus asked by the dashboards' own queries. Not a test; run it when a dashboard has changed.

usage: pictures.py [FOLDER]   (docs/ by default)
"""

import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from draw import draw  # noqa: E402
from luot import ROOT, SITES, Hit, Load, World, client_address, eventually, hit_request, mixed_hits, seeded  # noqa: E402
from prometheus import ALERTS, RULES, Prometheus, load_dashboards  # noqa: E402

SECONDS, DAY = 180, 86_400
TITLES = ["khai-mac-tuan-le-khoa-hoc", "ung-dung-cong-nghe-so", "thong-bao-tuyen-dung", "hoi-nghi-tong-ket", "bao-ton-di-san",
          "lich-cong-tac-tuan", "giai-thuong-sang-tao", "chuyen-doi-so-2026", "khoi-nghiep-sinh-vien", "tin-du-bao-thoi-tiet"]
PAGES = [(SITES[0]["id"] if i % 5 < 3 else SITES[1]["id"] if i % 5 < 4 else SITES[2]["id"], f"/tin-tuc/{title}.html")
         for i, title in enumerate(TITLES)]


def hits(rng):
    readers = [client_address(rng) for _ in range(400)]
    for hit in mixed_hits(rng, PAGES, clients=readers):
        yield hit
        if rng.random() < 0.02:
            yield Hit("cu", "/", hit_request("cu", "/", client=rng.choice(readers)), "refused")


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs"
    world = World()
    server = world.redis(options=["--maxmemory", "64mb"])
    luots = [world.luot(command, redis=server, config={"spool": {"sync": "disk", "max_bytes": "16MiB"}})
             for command in ("collector", "aggregator")]
    prometheus = Prometheus(world, {"luot": [luot.admin for luot in luots]}, [RULES, ALERTS], "1s")
    now, past = time.time(), []
    for days, share in ((1, 0.9), (7, 0.7)):
        for at in range(0, SECONDS + 60, 5):
            for site, part in zip(SITES, (0.6, 0.25, 0.15)):
                past.append(("site:luot_site_views:increase1h", {"job": "luot", "site": site["id"]}, now - days * DAY + at,
                             int(11_000 * part * share * min(1, at / SECONDS))))
    for days in range(1, 8):
        past += [("job:luot_applied_views:increase30m", {"job": "luot"}, now - days * DAY + at, 36_000) for at in range(0, SECONDS + 60, 5)]
    prometheus.write_past(past)
    prometheus.start()
    eventually(lambda: prometheus.query("luot_site_views"), 20)
    load = Load(hits(seeded("pictures")), [luots[0].public], connections=8, rate=30).start()
    begun = time.time()
    while time.time() < begun + SECONDS:
        passed = time.time() - begun
        load.rate = 60 + 35 * math.sin(passed / 18) + 15 * math.sin(passed / 5)
        away = 110 < passed < 122
        if away != server.frozen:
            server.freeze() if away else server.thaw()
        time.sleep(0.2)
    end = time.time()
    for name, dashboard in load_dashboards().items():
        (folder / f"dashboard-{name}.svg").write_text(draw(dashboard, prometheus, end - SECONDS + 5, end, 2, "8s"))
    load.end().wait(30)
    world.close()


if __name__ == "__main__":
    main()
