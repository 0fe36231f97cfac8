"""A dashboard of Grafana as an SVG, drawn from the answers of a Prometheus to its panels' own queries: for the docs, and to
see what a dashboard shows where no Grafana is at hand. It is no picture of Grafana, and says so."""

import math
from xml.sax.saxutils import escape

from prometheus import substitute, variables_of

COLUMN, LINE, GAP, HEAD = 50, 24, 4, 44  # pixels: a column of 24, a line of a panel's height, between panels, above all
COLOURS = ["#2f6fb0", "#d9822b", "#3c8f52", "#b23b4a", "#7a5195", "#8a6d3b", "#d36ba6", "#5b6770", "#9aa02b", "#2fa3a3"]
STATE = {"green": "#2e7d46", "orange": "#c77700", "red": "#b3261e", "text": "#1f2933"}


def shown(value, unit):
    """A number as people read it in this unit."""
    if value is None or math.isnan(value):
        return "–"
    if unit == "percentunit":
        return f"{value * 100:.0f} %" if value == 0 or abs(value) >= 0.1 else f"{value * 100:.2g} %"
    if unit == "bytes":
        for name in ("B", "KiB", "MiB", "GiB"):
            if abs(value) < 1024 or name == "GiB":
                return f"{value:.3g} {name}"
            value /= 1024
    if unit == "s":
        if value == 0:
            return "0 s"
        for limit, times, name in ((1e-3, 1e6, "µs"), (1, 1e3, "ms"), (120, 1, "s")):
            if abs(value) < limit:
                return f"{value * times:.3g} {name}"
        return f"{value / 60:.3g} min"
    text = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return text + ("/s" if unit == "reqps" else "")


def name_of(labels, legend):
    for label, value in labels.items():
        legend = legend.replace("{{" + label + "}}", value)
    return legend or ", ".join(v for k, v in labels.items() if k != "__name__")


def text(x, y, content, size=11, colour="#1f2933", anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(content)}</text>')


def shorten(content, width, size=11):
    most = max(3, int(width / (size * (0.56 if size < 12 else 0.64))))
    return content if len(content) <= most else content[:most - 1] + "…"


def draw_stat(panel, rows, x, y, w, h):
    defaults = panel["fieldConfig"]["defaults"]
    value = rows[0][0][1] if rows and rows[0] else None
    colour = STATE["text"]
    for step in defaults["thresholds"]["steps"]:
        if value is not None and (step["value"] is None or value >= step["value"]):
            colour = STATE[step["color"]]
    return [text(x + w / 2, y + h / 2 + 18, shown(value, defaults["unit"]), 26, colour, "middle", "bold")]


def draw_table(panel, rows, x, y, w, h):
    rename = panel["transformations"][1]["options"]["renameByName"]
    columns = list(rename.values())
    merged = {}
    for number, samples in enumerate(rows):
        for labels, value in samples:
            key = tuple(v for k, v in sorted(labels.items(), reverse=True) if k not in ("__name__", "job"))
            merged.setdefault(key, {})[number] = value
    lines = sorted(merged.items(), key=lambda item: -item[1].get(0, -1))
    if not lines:
        return [text(x + w / 2, y + h / 2 + 10, "none · không có", 13, "#7b8794", "middle")]
    out, places = [], [x + w - 10 - i * min(120, w * 0.62 / len(columns)) for i in range(len(columns))][::-1]
    step = min(120, w * 0.62 / len(columns))
    for place, column in zip(places, columns):
        out.append(text(place, y + 42, shorten(column, step - 6, 10), 10, "#52606d", "end", "bold"))
    for i, (key, values) in enumerate(lines[:int((h - 52) / 17)]):
        at = y + 60 + 17 * i
        out.append(text(x + 10, at, shorten("  ".join(key), places[0] - x - step)))
        for number, place in enumerate(places):
            out.append(text(place, at, shown(values.get(number), "short") if number in values else "", anchor="end"))
    return out


def draw_graph(panel, rows, x, y, w, h, start, end):
    defaults = panel["fieldConfig"]["defaults"]
    unit, dashed = defaults["unit"], {o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]}
    lines = []
    for target, found in zip(panel["targets"], rows):
        for labels, points in found:
            points = [(t, v) for t, v in points if not math.isnan(v)]
            if points:
                lines.append((name_of(labels, target["legendFormat"]), points, target["refId"] in dashed))
    legend_lines = 1 + (len(lines) > 3) + (len(lines) > 6)
    left, top, right, bottom = x + 58, y + 34, x + w - 12, y + h - 24 - 14 * legend_lines
    if not lines:
        return [text(x + w / 2, y + h / 2 + 10, "no data", 13, "#7b8794", "middle")]
    if defaults["custom"]["stacking"]["mode"] == "normal":
        sums, stacked = {}, []
        for name, points, dash in lines:
            points = [(t, sums.setdefault(t, 0) + v) for t, v in points]
            sums.update(points)
            stacked.append((name, points, dash))
        lines = stacked
    values = [v for _, points, _ in lines for _, v in points]
    low, high = min(0, *values) if len(values) > 1 else 0, max(values)
    high = high if high > low else low + 1
    out = []
    for i in range(4):
        value = low + (high - low) * i / 3
        at = bottom - (bottom - top) * i / 3
        out.append(f'<line x1="{left:.1f}" y1="{at:.1f}" x2="{right:.1f}" y2="{at:.1f}" stroke="#e4e7eb"/>')
        out.append(text(left - 5, at + 4, shown(value, unit), 10, "#52606d", "end"))
    out.append(text(left, bottom + 13, f"−{shown(end - start, 's')}", 10, "#52606d"))
    out.append(text(right, bottom + 13, "now · nay", 10, "#52606d", "end"))
    for number, (name, points, dash) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{left + (right - left) * (t - start) / (end - start):.1f},{bottom - (bottom - top) * (v - low) / (high - low):.1f}"
                        for t, v in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"'
                   + (' stroke-dasharray="5 4"' if dash else "") + "/>")
        across = math.ceil(len(lines) / legend_lines)
        place = x + 12 + (w - 20) * (number % across) / across
        at = bottom + 28 + 14 * (number // across)
        out.append(f'<rect x="{place:.1f}" y="{at - 8:.1f}" width="9" height="9" fill="{colour}"/>')
        out.append(text(place + 13, at, shorten(name, (w - 20) / across - 18, 10), 10))
    return out


def draw(dashboard, prometheus, start, end, step, rate_interval):
    """The whole dashboard, as it would be asked at `end` for the time since `start`."""
    variables = variables_of(dashboard, prometheus)
    height = HEAD + LINE * max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in dashboard["panels"]) + 8
    width = 24 * COLUMN + GAP
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
           'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">',
           f'<rect width="{width}" height="{height}" fill="#f5f7fa"/>',
           text(8, 20, dashboard["title"], 16, weight="bold"),
           text(8, 37, "Drawn from the answers of Prometheus to the panels' queries, of some minutes of made traffic: not a screenshot of Grafana. "
                "Lines of a day and a week ago are made, too.", 11, "#52606d")]
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        x, y = place["x"] * COLUMN + GAP, HEAD + place["y"] * LINE + GAP
        w, h = place["w"] * COLUMN - GAP, place["h"] * LINE - GAP
        if panel["type"] == "row":
            out.append(text(x + 2, y + 15, panel["title"], 13, "#243b53", weight="bold"))
            continue
        out.append(f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="3" fill="#fff" stroke="#d3dae2"/>')
        out.append(text(x + 8, y + 18, shorten(panel["title"], w - 14, 12), 12, "#102a43", weight="bold"))
        asked = [substitute(target["expr"], variables, rate_interval) for target in panel["targets"]]
        if panel["type"] == "timeseries":
            out += draw_graph(panel, [prometheus.series(a, start, end, step) for a in asked], x, y, w, h, start, end)
        else:
            rows = [prometheus.query(a, end) for a in asked]
            out += (draw_stat if panel["type"] == "stat" else draw_table)(panel, rows, x, y, w, h)
    return "\n".join([*out, "</svg>"]) + "\n"


