#!/usr/bin/env python3
"""crawlers.py LIST.json OUT.cpp: the patterns of crawler-user-agents as a C++ table, each with luot's kind of bot."""
import json
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


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        entries = json.load(f)
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write('#include "aggregator/fold/crawlers.hpp"\n\nnamespace luot::aggregator {\nnamespace {\n')
        out.write("constexpr crawler table[] = {\n")
        for entry in entries:
            tags = entry.get("tags", [])
            kind = next((k for tag, k in KINDS if tag in tags), "other")
            text = entry["pattern"].replace("\\", "\\\\").replace('"', '\\"')
            out.write(f'    {{"{text}", bot_kind::{kind}}},\n')
        out.write("};\n}\nconst std::span<const crawler> crawlers{table};\n}\n")


main()
