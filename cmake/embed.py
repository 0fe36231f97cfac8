#!/usr/bin/env python3
"""embed.py SYMBOL FILE OUT [GZIP]: writes a C++ source that holds the bytes of FILE."""
import gzip
import sys


def literal(data):
    return ",".join(str(b) for b in data)


def main():
    symbol, source, out = sys.argv[1:4]
    with open(source, "rb") as f:
        data = f.read()
    parts = [(symbol, data)]
    if "GZIP" in sys.argv[4:]:
        parts.append((symbol + "_gz", gzip.compress(data, 9, mtime=0)))
    with open(out, "w") as f:
        f.write("#include <string_view>\n\nnamespace luot::embedded {\nnamespace {\n")
        for name, content in parts:
            f.write(f"const unsigned char {name}_bytes[] = {{{literal(content)},0}};\n")
        f.write("}\n")
        for name, content in parts:
            f.write(f"extern const std::string_view {name};\n")
            f.write(f"const std::string_view {name}{{reinterpret_cast<const char*>({name}_bytes), {len(content)}}};\n")
        f.write("}\n")


main()
