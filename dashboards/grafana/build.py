#!/usr/bin/env python3
"""The Grafana dashboards of luot, in one readable source: writes traffic.json, articles.json and operations.json beside
itself. Change it here, run it, and commit the three files with it; tests/monitor/test_dashboards.py holds them to it, to
Grafana's own types, and to the metrics of a running luot.

usage: build.py [--check]   --check: only say whether the files are as this source has them (exit 1: they are not)
"""

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

# Variables: `instance` from luot_build_info, which every process has, so that process_* of other programs stays out.
OF = '{instance=~"$instance"}'
SITE = '{site=~"$site",instance=~"$instance"}'


def of(*labels):
    """The selector of the chosen processes, with other labels."""
    return "{" + ",".join([*labels, 'instance=~"$instance"']) + "}"


def rate(metric, *labels, by=""):
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{of(*labels)}[$__rate_interval]))"


def quantile(q, histogram, *labels, by=""):
    buckets = f"sum by (le{', ' + by if by else ''}) (rate({histogram}_bucket{of(*labels)}[$__rate_interval]))"
    return f"histogram_quantile({q}, {buckets})"


# A site's and an article's figures come from the one aggregator that holds its lease: while a lease moves it may be two.
def per_site(metric, offset=""):
    return f"max by (site) ({metric}{SITE}{offset})"


# ---- panels ----------------------------------------------------------------------------------------


def steps(*pairs):
    """Thresholds: a colour, then (from, colour) ..."""
    first, *others = pairs
    return [{"color": first, "value": None}] + [{"color": colour, "value": start} for start, colour in others]


PLAIN = steps("text")
ANY_IS_BAD = steps("green", (1e-9, "red"))


def queries(expressions, instant=False, table=False):
    out = []
    for letter, (expression, legend) in zip("ABCDEFGHIJKLMNOP", expressions):
        query = {"refId": letter, "datasource": SOURCE, "expr": expression, "legendFormat": legend, "instant": instant,
                 "range": not instant}
        if table:
            query["format"] = "table"
        out.append(query)
    return out


def panel(kind, title, description, width, height, targets, defaults, options, overrides=()):
    english, vietnamese = title
    return {"type": kind, "title": f"{english} · {vietnamese}", "description": description, "datasource": SOURCE,
            "gridPos": {"h": height, "w": width, "x": 0, "y": 0}, "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": list(overrides)}, "options": options}


def stat(title, description, expression, unit="short", thresholds=PLAIN, width=4, height=4, decimals=None, links=None):
    defaults = {"unit": unit, "thresholds": {"mode": "absolute", "steps": thresholds}, "color": {"mode": "thresholds"}}
    if decimals is not None:
        defaults["decimals"] = decimals
    if links:
        defaults["links"] = links
    options = {"colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
               "wideLayout": True, "showPercentChange": False, "percentChangeColorMode": "standard",
               "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    return panel("stat", title, description, width, height, queries([(expression, "")], instant=True), defaults, options)


def graph(title, description, expressions, unit="short", thresholds=PLAIN, width=8, height=8, stack=False, least=0,
          dashed=()):
    custom = {"drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 30 if stack else 8,
              "showPoints": "never", "spanNulls": False,
              "stacking": {"mode": "normal" if stack else "none", "group": "A"},
              "thresholdsStyle": {"mode": "off" if thresholds is PLAIN else "line"}}
    defaults = {"unit": unit, "custom": custom, "color": {"mode": "palette-classic"},
                "thresholds": {"mode": "absolute", "steps": thresholds}}
    if least is not None:
        defaults["min"] = least
    options = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    overrides = [{"matcher": {"id": "byFrameRefID", "options": ref},
                  "properties": [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [6, 6]}}]} for ref in dashed]
    return panel("timeseries", title, description, width, height, queries(expressions), defaults, options, overrides)


def table(title, description, columns, width=12, height=12, unit="short", hidden=(), thresholds=PLAIN, sort=None):
    """columns: (expression, name); rows that have the same labels are put together."""
    targets = queries([(expression, "") for expression, _ in columns], instant=True, table=True)
    # One query calls its column "Value", several "Value #A" and so on.
    value = {ref["refId"]: "Value" if len(columns) == 1 else f"Value #{ref['refId']}" for ref in targets}
    rename = {value[ref["refId"]]: name for ref, (_, name) in zip(targets, columns)}
    transformations = [{"id": "merge", "options": {}},
                       {"id": "organize", "options": {"excludeByName": {"Time": True, **{name: True for name in hidden}},
                                                      "indexByName": {}, "renameByName": rename}}]
    defaults = {"unit": unit, "thresholds": {"mode": "absolute", "steps": thresholds},
                "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}}
    options = {"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": sort or columns[0][1], "desc": True}]}
    out = panel("table", title, description, width, height, targets, defaults, options)
    out["transformations"] = transformations
    return out


def link_to(title, uid):
    """From a panel to another dashboard, with the same variables and time."""
    return {"title": title, "url": f"/d/{uid}?${{__url_time_range}}&${{datasource:queryparam}}&${{site:queryparam}}"
                                   "&${instance:queryparam}", "targetBlank": False}


# ---- dashboards ------------------------------------------------------------------------------------


def variable(name, label, query, description):
    return {"type": "query", "name": name, "label": label, "description": description, "datasource": SOURCE,
            "query": {"query": query, "refId": f"variable-{name}"}, "refresh": 2, "sort": 1, "multi": True,
            "includeAll": True, "current": {"text": "All", "value": "$__all"}, "options": [], "hide": 0}


VARIABLES = [
    {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus", "hide": 0, "refresh": 1,
     "multi": False, "includeAll": False, "options": [], "description": "The Prometheus that scrapes luot"},
    variable("site", "Site · Trang", "label_values(luot_site_views, site)", "A site of luot's configuration"),
    variable("instance", "Instance · Máy", "label_values(luot_build_info, instance)", "A luot process that is scraped"),
]


def dashboard(uid, title, description, rows, span, refresh):
    """rows: (title, panels). Panels flow from left to right, 24 columns wide."""
    out, number, top = [], 1, 0
    for (english, vietnamese), panels in rows:
        out.append({"type": "row", "id": number, "title": f"{english} · {vietnamese}", "collapsed": False, "panels": [],
                    "gridPos": {"h": 1, "w": 24, "x": 0, "y": top}})
        number, top, left, lowest = number + 1, top + 1, 0, 0
        for each in panels:
            place = each["gridPos"]
            if left + place["w"] > 24:
                top, left, lowest = top + lowest, 0, 0
            place["x"], place["y"] = left, top
            left, lowest = left + place["w"], max(lowest, place["h"])
            out.append({"id": number, **each})
            number += 1
        top += lowest
    links = [{"type": "dashboards", "title": "luot", "tags": ["luot"], "icon": "external link", "tooltip": "The other dashboards",
              "asDropdown": False, "includeVars": True, "keepTime": True, "targetBlank": False, "url": ""}]
    return {"uid": uid, "title": title, "description": description, "tags": ["luot"], "schemaVersion": 39, "version": 1,
            "editable": True, "graphTooltip": 1, "timezone": "browser", "weekStart": "monday", "fiscalYearStartMonth": 0,
            "refresh": refresh, "time": {"from": span, "to": "now"}, "timepicker": {}, "links": links,
            "annotations": {"list": []}, "templating": {"list": VARIABLES}, "panels": out}


HOUR_VIEWS = "site:luot_site_views:increase1h"  # recorded: dashboards/prometheus/rules.yml


def hour_views(offset=""):
    return f'sum({HOUR_VIEWS}{{site=~"$site"}}{offset})'


TRAFFIC = dashboard("luot-traffic", "luot: Traffic · Lưu lượng", "How much the sites are read, beside a day and a week ago.", [
    (("Now", "Hiện nay"), [
        stat(("Online", "Đang truy cập"), "Distinct visitors seen in the last five minutes.",
             f"sum({per_site('luot_site_online')})", width=3),
        stat(("Views today", "Lượt xem hôm nay"), "Pages shown to people since midnight of each site's time zone; bots are not among them.",
             f"sum({per_site('luot_site_views_today')})"),
        stat(("Visits today", "Lượt truy cập hôm nay"), "Runs of a visitor's views without a gap of 30 minutes, in the day in which they began.",
             f"sum({per_site('luot_site_visits_today')})", width=3),
        stat(("Visitors today", "Khách hôm nay"), "Distinct visitors of today, an estimate (0.8 %). Of several sites: their sum; who read two is in it twice.",
             f"sum({per_site('luot_site_visitors_today')})", width=3),
        stat(("Bots today", "Máy hôm nay"), "Hits of programs since midnight of each site's time zone: counted apart, in no other figure.",
             f"sum({per_site('luot_site_bot_views_today')})", width=3),
        stat(("All views", "Tổng số lượt xem"), "As the pages show it: counted views and imported starting totals.",
             f"sum({per_site('luot_site_views')})"),
        stat(("All visits", "Tổng số lượt truy cập"), "As the pages show it: counted visits and imported starting totals.",
             f"sum({per_site('luot_site_visits')})"),
    ]),
    (("Beside a day and a week ago", "So với hôm qua và tuần trước"), [
        graph(("Views of the last hour", "Lượt xem trong một giờ qua"),
              "Views of the hour before each moment, of the chosen sites together, and of the same hour a day and a week before. Needs the "
              "recording rules, and as much history as it looks back.",
              [(hour_views(), "now · nay"), (hour_views(" offset 1d"), "a day ago · hôm qua"),
               (hour_views(" offset 1w"), "a week ago · tuần trước")], width=16, dashed=("B", "C")),
        stat(("Hour beside a day ago", "So với hôm qua"), "Views of the last hour, as a share of those of the same hour a day ago.",
             f"{hour_views()} / ({hour_views(' offset 1d')} > 0)", unit="percentunit", thresholds=steps("red", (0.5, "orange"), (0.8, "green")),
             height=8, decimals=0),
        stat(("Hour beside a week ago", "So với tuần trước"), "Views of the last hour, as a share of those of the same hour a week ago.",
             f"{hour_views()} / ({hour_views(' offset 1w')} > 0)", unit="percentunit", thresholds=steps("red", (0.5, "orange"), (0.8, "green")),
             height=8, decimals=0),
    ]),
    (("By site", "Theo trang"), [
        graph(("Views a minute", "Lượt xem mỗi phút"), "Views counted, by site. Imported logs are among them while they are read in.",
              [(f"60 * sum by (site) (rate(luot_applied_views_total{SITE}[$__rate_interval]))", "{{site}}")], width=12, stack=True),
        graph(("Online", "Đang truy cập"), "Distinct visitors seen in the last five minutes, by site.",
              [(per_site("luot_site_online"), "{{site}}")], width=12, stack=True),
        table(("Sites today", "Các trang hôm nay"), "Each site's figures of today, and its total.",
              [(per_site("luot_site_views_today"), "views · lượt xem"), (per_site("luot_site_visits_today"), "visits · lượt truy cập"),
               (per_site("luot_site_visitors_today"), "visitors · khách"), (per_site("luot_site_online"), "online · đang truy cập"),
               (f'{HOUR_VIEWS}{{site=~"$site"}}', "last hour · giờ qua"), (per_site("luot_site_bot_views_today"), "bots · máy"),
               (per_site("luot_site_views"), "all views · tổng")], width=24, height=8),
    ]),
    (("Bots and other views", "Máy và lượt xem khác"), [
        graph(("Bots a minute", "Máy mỗi phút"), "Hits of programs, by kind (search, ai, preview, monitor, library, headless, other): counted apart, "
              "never in views. Views that fall while these rise were bots before: the lists have learned them.",
              [(f"60 * {rate('luot_applied_bots_total', by='kind')}", "{{kind}}")], stack=True),
        graph(("New paths an hour", "Địa chỉ mới mỗi giờ"), "Paths counted for the first time. Far above the articles written: made-up addresses.",
              [(f"3600 * sum by (site) (rate(luot_new_paths_total{SITE}[$__rate_interval]))", "{{site}}")]),
        graph(("Views in (other) a minute", "Lượt xem trong (other) mỗi phút"), "Views whose page has no count of its own, by what kept it from that: a "
              "pattern, the limits of paths, or of one client.",
              [(f"60 * sum by (reason) (rate(luot_other_views_total{SITE}[$__rate_interval]))", "{{reason}}")]),
    ]),
], "now-24h", "1m")


def per_article(metric):
    return f"max by (site, path) ({metric}{SITE})"


RISE = 'site_path:luot_article_views:increase1h{site=~"$site"}'

ARTICLES = dashboard("luot-articles", "luot: Articles · Bài viết", "What is read most, and what rises. Of each site's top articles of today "
                     "(aggregator.top_articles, 20 by default); all articles are on luot's own stats.", [
    (("Most read", "Đọc nhiều"), [
        table(("Today", "Hôm nay"), "The most read articles of today, with their views of the last hour and of all time. All views include imported starting totals.",
              [(f"topk(20, {per_article('luot_article_views_today')})", "today · hôm nay"),
               (RISE, "last hour · giờ qua"), (per_article("luot_article_views"), "all · tổng")]),
        table(("Rising", "Đang lên"), "Views of the last hour, and of the hour before it. An article is looked at from when it came among "
              "today's top ones.",
              [(f"topk(20, {RISE})", "last hour · giờ qua"),
               (RISE + " offset 1h", "the hour before · giờ trước")]),
    ]),
    (("In the course of time", "Theo thời gian"), [
        graph(("Views of the last hour", "Lượt xem trong một giờ qua"), "Of the articles that rise most at each moment.",
              [(f"topk(10, {RISE})", "{{site}} {{path}}")], width=12, height=10),
        graph(("Views today", "Lượt xem hôm nay"), "Of the ten most read at each moment; they begin at 0 at midnight of the site's time zone.",
              [(f"topk(10, {per_article('luot_article_views_today')})", "{{site}} {{path}}")], width=12, height=10),
    ]),
    (("Beside all that is read", "So với toàn trang"), [
        graph(("Share of the top articles", "Tỷ lệ của các bài đứng đầu"), "Views of today that went to the top articles, as a share of the site's.",
              [(f"sum by (site) ({per_article('luot_article_views_today')}) / ({per_site('luot_site_views_today')} > 0)", "{{site}}")],
              unit="percentunit", width=24),
    ]),
], "now-6h", "1m")


AS_SECONDS = "s"
POLICY = 'reason!~"prefetch|opted_out"'  # refused because the site or the reader wants it so

OPERATIONS = dashboard("luot-operations", "luot: Operations · Vận hành", "The way of a hit from left to right: taken, on disk, in Redis, counted; then what "
                       "goes wrong, what is used up, and what a hit costs.", [
    (("Is all well?", "Có ổn không?"), [
        # Not of the chosen ones: what is down for longer than the time shown is none of the variable's values.
        stat(("Processes up", "Tiến trình hoạt động"), "luot processes that Prometheus reaches, of all that it has within the last week. Below 100 %: LuotDown.",
             "avg(up and on (job, instance) max_over_time(luot_build_info[7d]))", unit="percentunit",
             thresholds=steps("red", (1, "green")), decimals=0, width=3),
        stat(("Hits lost", "Lượt bị mất"), "Acknowledged hits that are gone, of all time, as Redis keeps it. Any: the promise was broken.",
             f"max(luot_hits_lost_total{OF})", thresholds=ANY_IS_BAD, width=3),
        stat(("Hits damaged", "Lượt bị hỏng"), "Hits that could not be decoded or applied, of all time.",
             f"max(luot_hits_damaged_total{OF})", thresholds=ANY_IS_BAD, width=3),
        stat(("Unknown sites", "Trang chưa cấu hình"), "Acknowledged hits of the last hour that are in no count: their site is missing in an aggregator's configuration.",
             f"max(luot_hits_unconfigured_total{OF}) - min(min_over_time(luot_hits_unconfigured_total{OF}[1h]))",
             thresholds=ANY_IS_BAD, width=3),
        stat(("Verify differences", "Sai khác khi kiểm tra"), "What the hourly check of all counts found. Any is a fault.",
             f"sum(luot_verify_differences{OF})", thresholds=ANY_IS_BAD, width=4),
        stat(("Redis connections up", "Kết nối Redis"), "Connections to Redis that answer, of those that processes keep.",
             f"avg(luot_redis_up{OF})", unit="percentunit", thresholds=steps("red", (1, "green")), decimals=0, width=4),
        stat(("From hit to count, 99 %", "Từ lượt đến số đếm, 99 %"), "99 of 100 hits are counted within this time.",
             quantile(0.99, "luot_hit_to_count_seconds"), unit=AS_SECONDS, thresholds=steps("green", (1, "orange"), (60, "red")), width=4,
             links=[link_to("Traffic", "luot-traffic")]),
    ]),
    (("1. In", "1. Tiếp nhận"), [
        graph(("Hits a second", "Lượt mỗi giây"), "Hits that came, and those acknowledged: on disk, to be counted exactly once.",
              [(rate("luot_hits_received_total"), "received · đến"), (rate("luot_hits_accepted_total"), "acknowledged · nhận")],
              unit="reqps", width=6),
        graph(("Refused a second", "Từ chối mỗi giây"), "Hits not taken, by reason. spool_full: no room on disk, or it cannot be written.",
              [(rate("luot_hits_refused_total", by="reason"), "{{reason}}")], unit="reqps", width=6, stack=True),
        graph(("Refused share", "Tỷ lệ từ chối"), "Refused hits as a share of all, without prefetch and opted_out, which are as the readers want it.",
              [(f"{rate('luot_hits_refused_total', POLICY)} / {rate('luot_hits_received_total')}", "refused · từ chối")],
              unit="percentunit", thresholds=steps("green", (0.05, "red")), width=6),
        graph(("Answer times", "Thời gian trả lời"), "From a request parsed whole to its answer handed to the kernel, by port.",
              [(quantile(0.5, "luot_http_request_seconds", by="port"), "50 % {{port}}"),
               (quantile(0.99, "luot_http_request_seconds", by="port"), "99 % {{port}}")], unit=AS_SECONDS, width=6),
    ]),
    (("2. Spool", "2. Bộ đệm trên đĩa"), [
        graph(("Spool", "Dung lượng bộ đệm"), "Disk space used, of it what Redis has not confirmed, and how much that may be until hits are refused: spool.max_bytes, or what the disk has "
              "room for. What is confirmed makes room by itself.",
              [(f"luot_spool_bytes{OF}", "used · đã dùng {{instance}}"), (f"luot_unshipped_bytes{OF}", "unconfirmed · chưa gửi {{instance}}"),
               (f"luot_unshipped_bytes{OF} + luot_spool_free_bytes{OF}", "limit · giới hạn {{instance}}")], unit="bytes", width=6, dashed=("C",)),
        graph(("Unconfirmed hits", "Lượt chưa gửi"), "Hits on disk that Redis has not confirmed. They grow while Redis is away.",
              [(f"luot_unshipped_hits{OF}", "{{instance}}")], width=6),
        graph(("Oldest unconfirmed hit", "Lượt chưa gửi cũ nhất"), "Age of the oldest hit that Redis has not confirmed; 0: none waits.",
              [(f"luot_unshipped_oldest_seconds{OF}", "{{instance}}")], unit=AS_SECONDS, thresholds=steps("green", (300, "red")), width=6),
        graph(("Disk times, 99 %", "Thời gian ghi đĩa, 99 %"), "Of the writes of a turn's hits, and of fdatasync (with sync = \"disk\", else at the change of segments alone).",
              [(quantile(0.99, "luot_spool_write_seconds"), "write · ghi"), (quantile(0.99, "luot_spool_sync_seconds"), "sync · đồng bộ")],
              unit=AS_SECONDS, width=6),
    ]),
    (("3. Redis and its queue", "3. Redis và hàng đợi"), [
        graph(("Shipped a second", "Chuyển đi mỗi giây"), "Hits added to the streams in Redis, those shipped again included.",
              [(rate("luot_shipped_hits_total"), "shipped · chuyển")], unit="reqps", width=6),
        graph(("Waiting in the queue", "Đang chờ trong hàng"), "Entries of at most 128 hits that are in the streams and not counted yet.",
              [(f"sum by (instance) (luot_queue_entries{OF})", "entries · mục {{instance}}")], width=6),
        graph(("Redis memory", "Bộ nhớ Redis"), "Used, and the limit if there is one (0: none).",
              [(f"max(luot_redis_memory_bytes{OF})", "used · đã dùng"), (f"max(luot_redis_max_memory_bytes{OF})", "limit · giới hạn")],
              unit="bytes", width=6, dashed=("B",)),
        graph(("Redis round trips", "Thời gian hỏi Redis"), "Time of one pipeline, 99 %, by connection.",
              [(quantile(0.99, "luot_redis_round_trip_seconds", by="connection"), "{{connection}}")], unit=AS_SECONDS, width=6),
    ]),
    (("4. Counted", "4. Đếm"), [
        graph(("Counted a second", "Đếm mỗi giây"), "Hits counted, and of them views of the chosen sites. Dashed: the fewest views that this half hour has had "
              "in the last seven days, of all sites.",
              [(rate("luot_applied_hits_total"), "hits · lượt"),
               (f"sum(rate(luot_applied_views_total{SITE}[$__rate_interval]))", "views · lượt xem"),
               ("sum(job:luot_applied_views:quietest30m) / 1800", "quietest · ít nhất")], unit="reqps", width=6, dashed=("C",)),
        graph(("From hit to count", "Từ lượt đến số đếm"), "From taking a hit to its being counted.",
              [(quantile(0.5, "luot_hit_to_count_seconds"), "50 %"), (quantile(0.99, "luot_hit_to_count_seconds"), "99 %")],
              unit=AS_SECONDS, width=6),
        graph(("Lag", "Độ trễ"), "Age of the oldest hit that waits in a stream, and of the oldest applied in the last round.",
              [(f"max(luot_queue_oldest_seconds{OF})", "waiting · đang chờ"), (f"max(luot_queue_lag_seconds{OF})", "applied · vừa đếm")],
              unit=AS_SECONDS, thresholds=steps("green", (60, "red")), width=6),
        graph(("Partitions", "Phân vùng"), "The 16 partitions, by the aggregator that works on them, and those that nobody does.",
              [(f"luot_leases_held{OF}", "{{instance}}"), (f"max(luot_partitions_without_lease{OF})", "nobody · không ai")], width=6, stack=True),
    ]),
    (("Errors", "Lỗi"), [
        graph(("Errors a second", "Lỗi mỗi giây"), "All are 0 in good days but for malformed requests, which strangers send.",
              [(rate("luot_spool_failed_turns_total"), "spool writes · ghi bộ đệm"), (rate("luot_ship_failures_total"), "shipping · chuyển"),
               (rate("luot_apply_failures_total"), "applying · đếm"), (rate("luot_redis_errors_total"), "Redis · Redis"),
               (rate("luot_redis_connect_failures_total"), "connecting · kết nối"), (rate("luot_http_failures_total"), "HTTP 500"),
               (rate("luot_http_malformed_total"), "malformed · sai HTTP"), (rate("luot_http_timeouts_total"), "timeouts · quá giờ"),
               (rate("luot_reads_unavailable_total"), "reads 503 · đọc 503")], unit="reqps", width=12),
        graph(("Clocks", "Đồng hồ"), "Each process's clock minus Redis's.", [(f"luot_clock_skew_seconds{OF}", "{{instance}}")],
              unit=AS_SECONDS, thresholds=steps("green", (2, "red")), width=6, least=None),
        table(("Alerts", "Cảnh báo"), "Alerts of luot that fire now. What to do: docs/runbook.md.",
              [('sum by (alertname, severity, job, instance) (ALERTS{alertname=~"Luot.+",alertstate="firing"})', "firing · đang báo")], width=6, height=8),
    ]),
    (("Saturation and cost", "Mức sử dụng và chi phí"), [
        graph(("CPU", "CPU"), "Cores in use by each luot process; its private Redis is not among them.",
              [(f"sum by (instance) (rate(process_cpu_seconds_total{OF}[$__rate_interval]))", "{{instance}}")], unit="short", width=6),
        graph(("CPU per hit", "CPU cho mỗi lượt"), "CPU time of the chosen processes for each hit received, all they do together; high while there are few hits.",
              [(f"{rate('process_cpu_seconds_total')} / ({rate('luot_hits_received_total')} > 0)", "luot")],
              unit=AS_SECONDS, width=6),
        graph(("Memory", "Bộ nhớ"), "Resident memory of each luot process.", [(f"process_resident_memory_bytes{OF}", "{{instance}}")],
              unit="bytes", width=4),
        graph(("Connections", "Kết nối"), "Open on the public port.", [(f"luot_http_connections{OF}", "{{instance}}")], width=4),
        graph(("Open files", "Tệp đang mở"), "Files and connections open, as a share of how many the process may have.",
              [(f"process_open_fds{OF} / process_max_fds{OF}", "{{instance}}")], unit="percentunit",
              thresholds=steps("green", (0.8, "red")), width=4),
    ]),
], "now-3h", "30s")


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit("usage: build.py [--check]")
    stale = []
    for name, content in (("traffic", TRAFFIC), ("articles", ARTICLES), ("operations", OPERATIONS)):
        file, text = FOLDER / f"{name}.json", json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        if sys.argv[1:]:
            if not file.exists() or file.read_text() != text:
                stale.append(file.name)
        else:
            file.write_text(text)
    if stale:
        sys.exit(f"not as build.py has them: {', '.join(stale)}. Run dashboards/grafana/build.py")


if __name__ == "__main__":
    main()
