"""The reference counter: what a run of hits has to come to, by the words of the design and docs/paths.md alone.

It shares no code with luot, keeps everything in memory and decides one hit at a time, in the order in which hits
are applied. test_reference.py gives it the hits that a real luot gets, and compares.

Read as follows where the words leave a choice:
  - A visitor is an address (of IPv6 its first 64 bits) with a User-Agent, for one local day of one site. A hit in
    the first half hour of a local day may go on with the visit of the same visitor's yesterday.
  - An hour of "20 new paths an hour and client" is one of Unix time, and a client is one for a local day
    (docs/redis-keys.md). A view without a count of its own is in "(other)", which is no path.
  - A reload is a view of a page that its visit has read less than reload_window before, or after where it comes late; it
    goes on with the visit and counts as nothing else. A visit remembers the 32 pages that it has read last.
  - A bounce is a visit with one view. Its exit is the latest view by time; of two at one time, the one applied last.
"""

import collections
import datetime
import ipaddress
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import paths

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
VISIT_GAP_MS = 30 * MINUTE_MS
FIRST_HALF_HOUR_MS = 30 * MINUTE_MS
NEW_PATHS_PER_CLIENT = 20
MOST_PAGES_OF_A_VISIT = 32
OTHER, NONE = "(other)", "(none)"
GROUPS = paths.read_groups((Path(__file__).resolve().parents[2] / "docs" / "sources.md").read_text())


@dataclass(frozen=True)
class Site:
    id: str
    hosts: tuple
    timezone: str = "UTC"
    path_host: bool = False
    keep_query: tuple = paths.KEEP_QUERY
    only: tuple = ()
    max_new_paths_per_day: int = 2000
    is_imported: bool = False  # from an access log: new paths have no limit by day and client
    rules: tuple = ()  # paths.Rule
    reload_window_ms: int = 0


@dataclass(frozen=True)
class Hit:
    """One hit as a client sends it: who and when, and the fields of the message."""
    site: str
    time_ms: int
    client: str
    agent: str
    p: str
    r: str = ""
    n: str = ""  # name of an event; "": a view
    id: str = ""
    c: str = ""
    origin: str = ""  # of the page that sent it, as the browser says it: "https://example.vn"


@dataclass
class Visit:
    day: str
    entry: str
    exit: str
    exit_ms: int
    begin_ms: int
    end_ms: int  # of its latest hit
    views: int = 1
    pages: dict = field(default_factory=dict)  # page -> time of its latest counted view; the one read last is the last

    def reads(self, page, time_ms):
        """Whether it is the first view of the page in this visit."""
        before = self.pages.pop(page, None)
        if len(self.pages) == MOST_PAGES_OF_A_VISIT:
            del self.pages[next(iter(self.pages))]
        self.pages[page] = time_ms if before is None else max(time_ms, before)
        return before is None


@dataclass
class Period:
    views: int = 0
    visits: int = 0
    visitors: int = 0  # the sum of the days, where it is longer than a day
    events: int = 0
    bots: int = 0
    reloads: int = 0
    new_paths: int = 0


@dataclass
class Counts:
    """Of one site."""
    total: Period = field(default_factory=Period)
    days: dict = field(default_factory=lambda: collections.defaultdict(Period))  # "2026-03-29"
    months: dict = field(default_factory=lambda: collections.defaultdict(Period))  # "2026-03"
    views_by_hour: collections.Counter = field(default_factory=collections.Counter)  # (day, Unix time of its begin)
    visits_by_hour: collections.Counter = field(default_factory=collections.Counter)
    paths: collections.Counter = field(default_factory=collections.Counter)
    referrers: collections.Counter = field(default_factory=collections.Counter)
    sections: collections.Counter = field(default_factory=collections.Counter)
    visits: list = field(default_factory=list)
    rows: collections.Counter = field(default_factory=collections.Counter)  # (day, breakdown, row) -> views
    repeats: int = 0

    @property
    def entries(self):
        """By the day that the visit counts in, as exits and bounces."""
        return collections.Counter((visit.day, "entries", visit.entry) for visit in self.visits)

    @property
    def exits(self):
        return collections.Counter((visit.day, "exits", visit.exit) for visit in self.visits)

    @property
    def bounces(self):
        return collections.Counter(visit.day for visit in self.visits if visit.views == 1)

    @property
    def visit_ms(self):
        """How long the visits have lasted that began on a day."""
        lasted = collections.Counter()
        for visit in self.visits:
            lasted[visit.day] += visit.end_ms - visit.begin_ms
        return +lasted


# ---- time and people -----------------------------------------------------------------------------------


def local_time(time_ms, zone):
    return datetime.datetime.fromtimestamp(time_ms // 1000, ZoneInfo(zone))


def local_day(time_ms, zone):
    return local_time(time_ms, zone).date()


def hour_start(time_ms, zone):
    """Unix time at which the local hour began: on the day that has one of them twice, either its own."""
    local = local_time(time_ms, zone)
    return time_ms // 1000 - local.minute * 60 - local.second


def since_day_began_ms(time_ms, zone):
    """How long the local day has lasted, also where it did not begin at 00:00 or has begun twice."""
    day, first, last = local_day(time_ms, zone), time_ms - 26 * HOUR_MS, time_ms
    while last - first > 1:  # first is of a day before, last of this one
        middle = (first + last) // 2
        if local_day(middle, zone) == day:
            last = middle
        else:
            first = middle
    return time_ms - last


def address_key(text):
    address = ipaddress.ip_address(text)
    return ipaddress.ip_network((address, 64), strict=False) if address.version == 6 else address


# ---- counting --------------------------------------------------------------------------------------------------


class _SiteCounter:
    def __init__(self, site, max_paths):
        self.site, self.max_paths = site, max_paths
        self.counts = Counts()
        self.ids = set()
        self.last = {}  # (client, agent, day) -> (time of the last hit, visit)
        self.visitors = set()
        self.new_by_client = collections.Counter()  # (client, day, hour)

    def apply(self, hit, page, is_bot):
        if hit.id:
            if hit.id in self.ids:
                self.counts.repeats += 1
                return
            self.ids.add(hit.id)
        day = local_day(hit.time_ms, self.site.timezone)
        periods = self.counts.total, self.counts.days[str(day)], self.counts.months[str(day)[:7]]
        if is_bot:
            for period in periods:
                period.bots += 1
        elif hit.n:
            for period in periods:
                period.events += 1
            self.visit_of(hit, day)
        else:
            self.view(hit, page, day, periods)

    def visit_of(self, hit, day):
        """The visit that the hit goes on with, or None; the visitor was here."""
        who = address_key(hit.client), hit.agent
        known = [self.last.get((*who, day))]
        if since_day_began_ms(hit.time_ms, self.site.timezone) < FIRST_HALF_HOUR_MS:
            known.append(self.last.get((*who, day - datetime.timedelta(1))))
        last_ms, visit = max((seen for seen in known if seen), key=lambda seen: seen[0], default=(None, None))
        if visit is None or hit.time_ms - last_ms >= VISIT_GAP_MS:
            return None
        self.saw(who, day, hit.time_ms, visit)
        visit.end_ms = max(visit.end_ms, hit.time_ms)
        return visit

    def saw(self, who, day, time_ms, visit):
        before = self.last.get((*who, day))
        self.last[*who, day] = (max(time_ms, before[0]) if before else time_ms), visit

    def view(self, hit, page, day, periods):
        counts = self.counts
        who = address_key(hit.client), hit.agent
        visit = self.visit_of(hit, day)
        read_ms = visit.pages.get(page.path) if visit else None
        if read_ms is not None and abs(hit.time_ms - read_ms) < self.site.reload_window_ms:
            for period in periods:
                period.reloads += 1
            return
        hour = str(day), hour_start(hit.time_ms, self.site.timezone)
        is_new_visitor = (*who, day) not in self.visitors
        self.visitors.add((*who, day))
        path = self.counted_path(page, who[0], day, hit.time_ms)
        for period in periods:
            period.views += 1
            period.visits += visit is None
            period.visitors += is_new_visitor
        counts.views_by_hour[hour] += 1
        counts.paths[path] += 1
        group = paths.group_of(paths.normal_referrer(hit.r, self.site.hosts), GROUPS)
        section = paths.cut(hit.c, paths.MOST_SECTION_BYTES) or page.section
        for by, row in (("pages", path), ("sections", section), ("referrers", group)):
            counts.rows[str(day), by, row or NONE] += 1
        counts.referrers[paths.normal_referrer(hit.r, self.site.hosts)] += 1
        counts.sections[section] += 1
        if visit is None:
            counts.visits_by_hour[hour] += 1
            visit = Visit(str(day), path, path, hit.time_ms, hit.time_ms, hit.time_ms)
            counts.visits.append(visit)
            self.saw(who, day, hit.time_ms, visit)
        else:
            visit.views += 1
            if hit.time_ms >= visit.exit_ms:
                visit.exit, visit.exit_ms = path, hit.time_ms
        if visit.reads(page.path, hit.time_ms):
            counts.rows[str(day), "page_visits", path] += 1

    def counted_path(self, page, client, day, time_ms):
        """The path, if the site lets it have a count, else OTHER."""
        path, counts = page.path, self.counts
        only = self.site.only
        if only and not any(paths.matches(pattern, path) for pattern in only):
            return OTHER
        if path in counts.paths:
            return path
        of_client = client, day, time_ms // HOUR_MS
        if (sum(1 for known in counts.paths if known != OTHER) >= self.max_paths
                or (not self.site.is_imported
                    and (counts.days[str(day)].new_paths >= self.site.max_new_paths_per_day
                         or self.new_by_client[of_client] >= NEW_PATHS_PER_CLIENT))):
            return OTHER
        for period in counts.total, counts.days[str(day)], counts.months[str(day)[:7]]:
            period.new_paths += 1
        self.new_by_client[of_client] += 1
        return path


class Counter:
    """`is_bot` says of a hit whether a program sent it. Hits of names that are no site's, and on pages that are
    none, are refused: apply() says which are taken."""

    def __init__(self, sites, is_bot=lambda hit: False, max_paths=100_000):
        self.is_bot = is_bot
        self._sites = {site.id: _SiteCounter(site, max_paths) for site in sites}

    def apply(self, hit):
        of_site = self._sites.get(hit.site)
        if of_site is None:
            return False
        site = of_site.site
        own_host = paths.normal_host(hit.origin.partition("//")[2])
        if hit.origin and not paths.is_host_of(own_host, site.hosts):
            return False
        try:
            page = paths.normal_page(hit.p, site.hosts, site.keep_query, site.path_host, own_host, site.rules)
        except (paths.BadPath, paths.ForeignHost):
            if hit.p or not hit.n:
                return False
            page = None  # an event may happen on no page
        of_site.apply(hit, page, self.is_bot(hit))
        return True

    def move(self, site, timezone):
        """The site is in another time zone for the hits that follow."""
        of_site = self._sites[site]
        of_site.site = replace(of_site.site, timezone=timezone)

    def __getitem__(self, site):
        """Counts of a site."""
        return self._sites[site].counts
