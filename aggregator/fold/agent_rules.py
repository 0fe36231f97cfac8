#!/usr/bin/env python3
"""agent_rules.py REGEXES.yaml OUT.cpp: the rules of uap-core, behind those of more_agents.yaml, as the C++ tables of
aggregator/fold/agent_rules.hpp."""
import sys
from pathlib import Path

try:
    import yaml
except ImportError:  # another python3 stands before Debian's in PATH: python3-yaml is there all the same
    sys.path.append("/usr/lib/python3/dist-packages")
    import yaml

MORE = Path(__file__).with_name("more_agents.yaml")

# table -> its list in the file, and the replacements in the order of agent_rule::replacements
TABLES = {
    "browser_rules": ("user_agent_parsers", ["family_replacement", "v1_replacement", "v2_replacement", "v3_replacement",
                                             "v4_replacement"]),
    "system_rules": ("os_parsers", ["os_replacement", "os_v1_replacement", "os_v2_replacement", "os_v3_replacement",
                                    "os_v4_replacement"]),
    "device_rules": ("device_parsers", ["device_replacement", "brand_replacement", "model_replacement"]),
}


def literal(text):
    """A C++ string literal of the text's UTF-8."""
    plain = range(0x20, 0x7F)
    return '"' + "".join(chr(b) if b in plain and chr(b) not in '"\\' else f"\\{b:03o}" for b in text.encode()) + '"'


def row(rule, replacements):
    rule = dict(rule)
    flag = rule.pop("regex_flag", "")
    regex = rule.pop("regex")
    texts = [rule.pop(name, None) for name in replacements]
    # A new kind of field, or a replacement by nothing, has a meaning that the parser does not know.
    if rule or flag not in ("", "i") or not regex or "" in texts:
        sys.exit(f"agent_rules.py: not understood in the rule {regex!r}: {rule or flag or texts}")
    return f"    {{{literal(regex)}, {'true' if flag else 'false'}, {{{', '.join(literal(t or '') for t in texts)}}}}},\n"


def main():
    files = [yaml.safe_load(Path(name).read_text(encoding="utf-8")) for name in (MORE, sys.argv[1])]
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write('#include "aggregator/fold/agent_rules.hpp"\n\nnamespace luot::aggregator {\n')
        for table, (name, replacements) in TABLES.items():
            out.write(f"namespace {{\nconstexpr agent_rule {table}_table[] = {{\n")
            out.writelines(row(rule, replacements) for file in files for rule in file[name])
            out.write(f"}};\n}}\nconst std::span<const agent_rule> {table}{{{table}_table}};\n\n")
        out.write("}\n")


main()
