"""Random streams of hits for test_reference.py, each made by its seed alone: readers of several sites around the
moments at which counts go wrong (midnights, ends of months, the days on which clocks are set), over three collectors.

A stream is a list of (collector, Hit) in the order in which the hits are to be applied. Of each collector the times
never fall, as they do not on a machine; one may lag behind the others by up to two hours, which is how hits look that
waited in a spool.
"""

import datetime
import random
import unicodedata
from dataclasses import dataclass, replace
from urllib.parse import quote
from zoneinfo import ZoneInfo

from counter import HOUR_MS, MINUTE_MS, VISIT_GAP_MS, Hit, Site
from paths import Rule

COLLECTORS = 3
MAX_PATHS = 60
MOST_LAG_MS = 2 * HOUR_MS
DAY_MS = 24 * HOUR_MS

BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Mobile/15E148 Safari/604.1",
)
BOTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
)

# Pages of PAGES and of readers who seek new ones, and what such rules are written for.
RULES = (
    Rule(r"^/bai-([0-9]*)[13]\.html", r"/bai-\1.html", "Bài"),
    Rule(r"^/(?i:xem)\?id=([0-9]+)$", r"/Pages/chitiet.aspx?itemid=51\1"),
    Rule(r"/([^/]*)%2F", r"/\1-"),
    Rule(r"^/tin-tức/2026/(.*)$", r"/tin-tức/\1"),
    Rule("hội", r"\0"),
    Rule("^/q%3F$", "/q?id=1&utm_source=x"),
    Rule("^/lien-he$", "https://example.com/lien-he"),  # no page of the site
    Rule("^/~(.*)$", r"/~\1+"),  # never settles
    Rule("^/giá", None, "Giá cả"),
    Rule("^/([^/?]+)/", None, r"mục \1"),
    Rule("[0-9]", None, r"\\\0"),
)

SITES = (
    Site("berlin", ("berlin.example.vn", "www.berlin.example.vn"), "Europe/Berlin"),
    Site("new-york", ("ny.example.vn", "*.ny.example.vn"), "America/New_York", max_new_paths_per_day=12),
    Site("hue", ("hue.example.vn", "huế.example.vn"), "Asia/Ho_Chi_Minh", rules=RULES, reload_window_ms=10 * MINUTE_MS),
    Site("kolkata", ("kolkata.example.vn",), "Asia/Kolkata", only=("/tin-tức/**", "/bai-*.html", "/")),
    Site("auckland", ("auckland.example.vn", "*.akl.example.vn"), "Pacific/Auckland", path_host=True,
         rules=RULES),
    # Clocks are set at midnight: a day begins at 01:00, and one ends at 24:00 the second time.
    Site("cairo", ("cairo.example.vn",), "Africa/Cairo", reload_window_ms=30 * MINUTE_MS),
    Site("santiago", ("santiago.example.vn",), "America/Santiago", max_new_paths_per_day=40),
)

# Days of 2026 on which the clocks of a zone are set.
CLOCKS_SET = {
    "Europe/Berlin": ((3, 29), (10, 25)),
    "America/New_York": ((3, 8), (11, 1)),
    "Pacific/Auckland": ((4, 5), (9, 27)),
    "Africa/Cairo": ((4, 24), (10, 29)),  # the days in spring have no midnight
    "America/Santiago": ((4, 4), (9, 6)),
}

PAGES = (
    "/", "/tin-tức", "/tin-tức/đại-hội-đảng-bộ", "/tin-tức/hội-nghị-2026", "/tin-tức/2026/7/bài-1", "/bai-1.html",
    "/bai-2.html", "/Bai-2.html", "/lien-he", "/a/b%2Fc", "/a/b/c", "/giá%20vàng", "/q%3F", "/100%25", "/index.php/a",
    "/?nv=news&op=Tin-tuc/hoi-nghi-42", "/?nv=news&op=Tin-tuc/hoi-nghi-43", "/xem?id=1", "/xem?id=2", "/xem",
    "/Pages/chitiet.aspx?itemid=512", "/ngày%20hội?p=7", "/~user/x;y=1,2", "/tin-tức/hội-nghị-2026?page_id=ấ",
)
NO_PAGES = ("", "#top", "?id=1", "mailto:a@example.vn", "javascript:void(0)", "about:blank", "https://example.com/a",
            "//example.com/a", "/50%-off", "/b%C3i", "/xem?id=%E1", "/a\tb", "https://u:p@berlin.example.vn/",
            "/" + "a" * 2000)
REFERRERS = ("", "", "https://www.Google.com/search?q=luot", "https://zalo.me/", "android-app://com.zing.zalo/x",
             "https://facebook.com/l.php?u=1", "not an address", "https://berlin.example.vn/a", "https://x.example/%zz")
SECTIONS = ("", "", "Thời sự", "Kinh tế", "Văn hóa")


@dataclass(frozen=True)
class Stream:
    seed: object
    hits: tuple  # (collector, Hit), in the order in which they are applied
    moves: tuple = ()  # (before which hit, site, into which time zone)


# ---- spellings -------------------------------------------------------------------------------------------


def _escaped(rng, text):
    """Some or all characters as escapes, which may be in small letters; what is escaped already stays."""
    how = rng.randrange(4)
    out = []
    for part in text.replace("%", "\0%").split("\0"):
        fixed, rest = (part[:3], part[3:]) if part.startswith("%") else ("", part)
        out.append(fixed.lower() if how == 3 else fixed)
        for c in rest:
            if how == 0 or c == "/":
                out.append(c)
            elif how == 1:
                out.append(quote(c, safe=""))
            elif how == 2:
                out.append("".join(f"%{b:02x}" for b in c.encode()) if rng.random() < 0.3 else c)
            else:
                out.append(quote(c, safe="!$&'()*+,;=:@~-._").lower() if ord(c) > 127 else c)
    return "".join(out)


def spell(rng, page, site):
    """Another spelling of a page of PAGES, for a client of the site."""
    path, _, query = page.partition("?")
    if rng.random() < 0.5:
        path, query = (unicodedata.normalize("NFD", part) for part in (path, query))
    path = _escaped(rng, path)
    names = path.split("/")[1:]
    if rng.random() < 0.2 and names != [""]:
        at = rng.randrange(len(names) + 1)
        names[at:at] = rng.choice((["."], ["x", ".."], ["%2e"], ["x", "%2E."], [""] if at else ["."]))
    path = "/" + "/".join(names)
    if rng.random() < 0.3:
        path = path.rstrip("/") + rng.choice(("/", "/index.html", "/index.php", "/index.htm", "//"))
    parameters = [part.split("=") for part in query.split("&") if part]
    parameters = [[rng.choice((name, name.upper(), name.title())), _escaped(rng, value)] for name, value in parameters]
    if rng.random() < 0.4:
        parameters += rng.sample([["utm_source", "zalo"], ["fbclid", "IwAR0x"], ["utm_term", "%E1"], ["zarsrc", "30"],
                                  ["UTM_Medium", "oa"], ["page", "2"]], 2)
    if rng.random() < 0.1:
        parameters.insert(0, ["id", "9"] if query.startswith("id=") else ["ID", ""])
    if rng.random() < 0.5:
        head, names = parameters[:1], parameters[1:]  # what stands first may be overruled by one that follows
        rng.shuffle(names)
        parameters = head + names
    text = path + ("?" + "&".join("=".join(p) for p in parameters) if parameters or rng.random() < 0.1 else "")
    if rng.random() < 0.15:
        text += "#" + rng.choice(("", "binh-luan", "?id=3", "/x"))
    if rng.random() < 0.4:
        text = rng.choice(("https://", "http://", "HTTPS://", "//", "")) + _host(rng, site.hosts) + text
    elif rng.random() < 0.1:
        text = "/" + text  # a link with a slash too many
        if text[2:3] in ("", "?", "#") or "." in text[2:].partition("/")[0]:
            text = text[1:]  # would name a host
    if rng.random() < 0.05:
        text = f"  {text} "
    return text


def _host(rng, hosts):
    host = rng.choice(hosts).replace("*", rng.choice(("www.a", "b")))
    if rng.random() < 0.3 and not host.startswith("www."):
        host = "www." + host
    if rng.random() < 0.3:
        host = "".join(rng.choice((c, c.upper())) for c in host)
    return host + rng.choice(("", "", ".")) + rng.choice(("", "", ":443", ":8080"))


def _origin(rng, site):
    """As browsers write it, without letters beyond ASCII."""
    return rng.choice(("https://", "http://")) + _host(rng, [host for host in site.hosts if host.isascii()])


# ---- moments -------------------------------------------------------------------------------------------------


def _begin_of(zone, month, day):
    """Unix milliseconds at which a local day of 2026 begins."""
    midnight = datetime.datetime(2026, month, day, tzinfo=ZoneInfo(zone))
    return int(midnight.timestamp()) * 1000


def _moments(rng):
    """Times around which something can go wrong."""
    found, count = [], rng.choice((2, 3))
    while len(found) < count:
        zone = rng.choice(SITES).timezone
        kind = rng.randrange(4)
        if kind == 0 and zone in CLOCKS_SET:
            month, day = rng.choice(CLOCKS_SET[zone])
            found.append(_begin_of(zone, month, day) + rng.choice((0, 1, 2, 3, 23, 24, 25)) * HOUR_MS)
        elif kind <= 1:
            found.append(_begin_of(zone, rng.randrange(1, 13), 1))
        else:
            found.append(_begin_of(zone, rng.randrange(1, 13), rng.randrange(1, 29)))
    return sorted(found)


# ---- readers -------------------------------------------------------------------------------------------------


def _address(rng):
    if rng.random() < 0.3:
        return f"2001:db8:{rng.randrange(4)}:{rng.randrange(3):x}::{rng.randrange(1, 9):x}"
    return f"100.{rng.randrange(64, 128)}.{rng.randrange(3)}.{rng.randrange(1, 9)}"


def _gap_ms(rng):
    return rng.choice((
        0, 1, rng.randrange(MINUTE_MS), rng.randrange(10 * MINUTE_MS), rng.randrange(10 * MINUTE_MS),
        rng.randrange(40 * MINUTE_MS), VISIT_GAP_MS - 1, VISIT_GAP_MS, VISIT_GAP_MS + 1, rng.randrange(3 * HOUR_MS)))


def _reader(rng, moment, number):
    """The hits of one reader around a moment, by time."""
    site = rng.choice(SITES)
    client, agent = _address(rng), rng.choice(BROWSERS if rng.random() < 0.92 else BOTS)
    seeks_new_paths = rng.random() < 0.1
    time_ms = moment + rng.choice((
        -1, 0, -rng.randrange(VISIT_GAP_MS), VISIT_GAP_MS - 1, VISIT_GAP_MS, rng.randrange(-2 * HOUR_MS, HOUR_MS)))
    page = None
    for n in range(rng.choice((1, 2, 3, 5, 8)) if not seeks_new_paths else 30):
        if rng.random() < 0.07:
            client = _address(rng)
        if page is None or rng.random() > 0.2:  # else it is loaded again
            page = f"/bai-{number}{n}.html" if seeks_new_paths else PAGES[int(len(PAGES) * rng.random() ** 2)]
        p = spell(rng, page, site) if rng.random() > 0.03 else rng.choice(NO_PAGES)
        yield Hit(
            site.id, time_ms, client, agent, p, r=rng.choice(REFERRERS), n="download" if rng.random() < 0.1 else "",
            id=f"{number}-{n}" if rng.random() < 0.7 else "", c=rng.choice(SECTIONS),
            origin=_origin(rng, rng.choice(SITES) if rng.random() < 0.02 else site) if rng.random() < 0.5 else "")
        time_ms += rng.randrange(MINUTE_MS) if seeks_new_paths else _gap_ms(rng)


def _with_repeats(rng, hits):
    """Some of those that have an id come a second time: from a client that had no answer. The same id on another
    site is another hit."""
    for hit in hits:
        yield hit
        if hit.id and rng.random() < 0.08:
            yield replace(hit, time_ms=hit.time_ms + rng.choice((0, 1, rng.randrange(30 * MINUTE_MS))),
                          site=rng.choice((hit.site, hit.site, rng.choice(SITES).id)), n=rng.choice((hit.n, "retry")))


def random_stream(seed, readers=35):
    rng = random.Random(f"reference {seed}")
    hits = []
    for moment in _moments(rng):
        around = [hit for number in range(readers) for hit in _reader(rng, moment, f"{moment // HOUR_MS}-{number}-")]
        hits += _with_repeats(rng, around)
    hits.sort(key=lambda hit: hit.time_ms)
    hits = tuple(split(rng, hits))
    zones = [site.timezone for site in SITES]
    moves = tuple((rng.randrange(len(hits)), rng.choice(SITES).id, rng.choice(zones)) for _ in range(rng.choice((0, 1, 2))))
    return Stream(seed, hits, moves)


def split(rng, hits):
    """Divides hits, which are in the order of time, among the collectors, in runs, and lets now this one come first
    and now that one."""
    queues = [[] for _ in range(COLLECTORS)]
    whose = 0
    for hit in hits:
        if rng.random() < 0.05:
            whose = rng.randrange(COLLECTORS)
        queues[whose].append(hit)
    at = [0] * COLLECTORS
    while any(at[i] < len(queues[i]) for i in range(COLLECTORS)):
        waiting = [i for i in range(COLLECTORS) if at[i] < len(queues[i])]
        oldest = min(queues[i][at[i]].time_ms for i in waiting)
        i = rng.choice(waiting)
        for _ in range(rng.choice((1, 3, 10, 60))):
            if at[i] >= len(queues[i]) or queues[i][at[i]].time_ms - oldest > MOST_LAG_MS:
                break
            yield i, queues[i][at[i]]
            at[i] += 1
