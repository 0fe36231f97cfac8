"""Access logs of a made-up site, in Apache's combined format, by a seed alone: readers with visits of some pages, their
pictures, crawlers, what is not found, forms, and lines that a crash has damaged."""

import datetime

BROWSERS = [f"Mozilla/5.0 (X11; Linux x86_64; rv:{n}.0) Gecko/20100101 Firefox/{n}.0" for n in range(100, 120)]
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
DAMAGED = ["", "\x00\x00\x00", "Segmentation fault", '203.0.113.9 - - [31/Feb/2024:10:00:00 +0000] "GET / HTTP/1.1" 200 1',
           '203.0.113.9 - - [']


def clf(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%d/%b/%Y:%H:%M:%S +0000")


def line(at, client, target="/", method="GET", status=200, referrer="-", agent=BROWSERS[0]):
    return f'{client} - - [{clf(at)}] "{method} {target} HTTP/1.1" {status} 512 "{referrer}" "{agent}"'


def random_log(rng, lines, begin=1_718_400_000, seconds=None, readers=None):
    """So many lines from `begin` on (2024-06-14T21:20:00Z), a minute and a half of each reader's at a time, with times that
    go back by up to a minute, as servers write them."""
    readers = readers or max(20, lines // 40)
    step = (seconds or lines) / lines
    out, at = [], float(begin)
    while len(out) < lines:
        at += step
        when = int(at - rng.random() * 60)
        reader = rng.randrange(readers)
        client = f"2001:db8:{reader:x}::{rng.randrange(4):x}" if reader % 7 == 0 else f"10.{reader >> 8 & 255}.{reader & 255}.7"
        agent, target, kind = BROWSERS[reader % len(BROWSERS)], f"/tin/{int(rng.paretovariate(0.6)) % 500}.html", rng.random()
        if kind < 0.35:
            out.append(line(when, client, f"/anh/{reader}.jpg", agent=agent))
        elif kind < 0.40:
            out.append(line(when, client, target + "?utm_source=zalo&id=5", agent=agent, referrer="https://zalo.me/"))
        elif kind < 0.45:
            out.append(line(when, "66.249.66.1", target, agent=CRAWLER))
        elif kind < 0.48:
            out.append(line(when, client, "/wp-login.php", status=404, agent=agent))
        elif kind < 0.50:
            out.append(line(when, client, "/lien-he", method="POST", agent=agent))
        elif kind < 0.503:
            out.append(rng.choice(DAMAGED))
        else:
            out.append(line(when, client, target, agent=agent))
    return out
