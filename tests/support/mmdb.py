"""Writes a small database of countries in MMDB format (https://maxmind.github.io/MaxMind-DB/), for tests."""

import ipaddress
import struct

RECORD_BYTES = 3


def encoded(value):
    """One value of the data section; texts and lists stay below 29 elements."""
    def head(kind, size):
        return bytes([kind << 5 | size]) if kind <= 7 else bytes([size, kind - 7])
    if isinstance(value, str):
        return head(2, len(value.encode())) + value.encode()
    if isinstance(value, int):
        data = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return head(9, len(data)) + data
    if isinstance(value, (list, tuple)):
        return head(11, len(value)) + b"".join(encoded(v) for v in value)
    return head(7, len(value)) + b"".join(encoded(k) + encoded(v) for k, v in value.items())


def short(value, kind):
    """A number of the type that the metadata must have: 5 (16 bits) or 6 (32 bits)."""
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([kind << 5 | len(data)]) + data


def write(file, countries, is_flat=False):
    """countries: network -> code of two letters. is_flat: `country_code` in place of `country.iso_code`."""
    nodes, data, places = [[None, None]], b"", {}
    for network, code in countries.items():
        network = ipaddress.ip_network(network)
        if code not in places:
            places[code] = len(data)
            data += encoded({"country_code": code} if is_flat else {"country": {"iso_code": code}})
        # IPv4 lies in ::/96.
        bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[:network.prefixlen]
        bits = ("0" * 96 if network.version == 4 else "") + bits
        at = 0
        for bit in bits[:-1]:
            if not isinstance(nodes[at][int(bit)], int):
                nodes.append([None, None])
                nodes[at][int(bit)] = len(nodes) - 1
            at = nodes[at][int(bit)]
        nodes[at][int(bits[-1])] = ("data", places[code])

    def record(value):
        number = len(nodes) if value is None else value if isinstance(value, int) else len(nodes) + 16 + value[1]
        return struct.pack(">I", number)[-RECORD_BYTES:]
    fields = {"node_count": short(len(nodes), 6), "record_size": short(8 * RECORD_BYTES, 5), "ip_version": short(6, 5),
              "database_type": encoded("test"), "languages": encoded([]),
              "binary_format_major_version": short(2, 5), "binary_format_minor_version": short(0, 5),
              "build_epoch": encoded(1), "description": encoded({"en": "test"})}
    metadata = bytes([7 << 5 | len(fields)]) + b"".join(encoded(name) + value for name, value in fields.items())
    tree = b"".join(record(side) for node in nodes for side in node)
    file.write_bytes(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + metadata)
