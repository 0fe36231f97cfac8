#!/usr/bin/env python3
"""crawlers.py CRAWLERS.json ISBOT.mjs OUT.cpp: the patterns of the npm packages crawler-user-agents, each with luot's kind of
bot, and isbot as C++ tables."""
import json
import re
import sys

# The first of these tags that a pattern has decides; what has none of them is "other".
KINDS = [
    ("ai-crawler", "ai"),
    ("search-engine", "search"),
    ("social-preview", "preview"),
    ("monitoring", "monitor"),
    ("http-library", "library"),
    ("browser-automation", "headless"),
]


# Patterns that name people, made to match no more than what they were listed for.
NARROWED = {
    # The build number of Android 15 and 16 on phones of OPPO, realme, OnePlus and Xiaomi, which Facebook, Zalo and
    # other apps send; listed in 2026 for a crawler called "008".
    r"AP3A\.240617\.008": r"CPH2557 Build/AP3A\.240617\.008.* Instagram 406\.0\.0\.58\.159 ",
}


def literal(pattern):
    return '"' + pattern.replace("\\", "\\\\").replace('"', '\\"') + '"'


def crawlers_of(file_name):
    with open(file_name, encoding="utf-8") as f:
        for entry in json.load(f):
            tags = entry.get("tags", [])
            pattern = NARROWED.get(entry["pattern"], entry["pattern"])
            yield pattern, next((kind for tag, kind in KINDS if tag in tags), "other")


def isbot_of(file_name):
    """isbot carries its list in its program only: an array of strings, which is JSON too."""
    with open(file_name, encoding="utf-8") as f:
        found = re.search(r"^var patterns_default = (\[.*?^\]);$", f.read(), re.DOTALL | re.MULTILINE)
    if not found:
        sys.exit(f"{file_name}: no list of patterns where isbot 5.2 has it: crawlers.py must follow")
    return json.loads(found[1])


def main():
    crawlers, isbot, out_name = sys.argv[1:4]
    with open(out_name, "w", encoding="utf-8") as out:
        out.write('#include "aggregator/fold/crawlers.hpp"\n\nnamespace luot::aggregator {\nnamespace {\n')
        out.write("constexpr crawler table[] = {\n")
        for pattern, kind in crawlers_of(crawlers):
            out.write(f"    {{{literal(pattern)}, bot_kind::{kind}}},\n")
        out.write("};\nconstexpr std::string_view isbot_table[] = {\n")
        for pattern in isbot_of(isbot):
            out.write(f"    {literal(pattern)},\n")
        out.write("};\n}\nconst std::span<const crawler> crawlers{table};\n")
        out.write("const std::span<const std::string_view> isbot_patterns{isbot_table};\n}\n")


main()
