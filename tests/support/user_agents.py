"""What a User-Agent stands for by the rules of uap-core and luot's own, rule after rule, by another library of regular
expressions: the specification taken at its word."""

import re
import sys
from pathlib import Path

try:
    import yaml
except ImportError:  # another python3 stands before Debian's in PATH: python3-yaml is there all the same
    sys.path.append("/usr/lib/python3/dist-packages")
    import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = [ROOT / "aggregator/fold/more_agents.yaml", ROOT / "node_modules/uap-core/regexes.yaml"]
# What a rule says: part of the answer, then its fields with the names of their replacements and their groups.
MEANING = {
    "user_agent_parsers": ("browser", [("family", "family_replacement", 1), ("major", "v1_replacement", 2),
                                       ("minor", "v2_replacement", 3), ("patch", "v3_replacement", 4),
                                       ("patch_minor", "v4_replacement", 5)]),
    "os_parsers": ("system", [("family", "os_replacement", 1), ("major", "os_v1_replacement", 2),
                              ("minor", "os_v2_replacement", 3), ("patch", "os_v3_replacement", 4),
                              ("patch_minor", "os_v4_replacement", 5)]),
    "device_parsers": ("device", [("family", "device_replacement", 1), ("brand", "brand_replacement", None),
                                  ("model", "model_replacement", 1)]),
}


def read_yaml(file):
    with open(file, encoding="utf-8") as f:
        return yaml.load(f, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


class InOrder:
    def __init__(self):
        files = [read_yaml(file) for file in RULES]
        self.lists = {name: [(re.compile(rule["regex"], re.I if "regex_flag" in rule else 0), rule)
                             for file in files for rule in file[name]] for name in MEANING}

    def parse(self, user_agent):
        out = {}
        for name, (part, fields) in MEANING.items():
            out[part] = {field: "" for field, _, _ in fields} | {"family": "Other"}
            found = ((regex.search(user_agent), rule) for regex, rule in self.lists[name])
            match, rule = next(((m, rule) for m, rule in found if m), (None, None))
            if match:
                groups = [g or "" for g in (match[0], *match.groups(), *[""] * 9)]
                for field, replacement, group in fields:
                    text = re.sub(r"\$([1-9])", lambda at: groups[int(at[1])], rule[replacement]) \
                        if replacement in rule else groups[group] if group else ""
                    out[part][field] = text.strip()
        return out
