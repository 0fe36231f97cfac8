#!/usr/bin/env python3
"""embed.py SYMBOL OUT [GZIP] FILE...: writes a C++ source that holds the bytes of the files."""
import gzip
import sys


def literal(data):
    return ",".join(str(b) for b in data)


def main():
    symbol, out, *files = sys.argv[1:]
    is_gzipped = files[0] == "GZIP"
    data = b""
    for file in files[is_gzipped:]:
        with open(file, "rb") as f:
            data += f.read()
    parts = [(symbol, data)]
    if is_gzipped:
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
