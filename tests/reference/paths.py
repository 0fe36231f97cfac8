"""Page addresses, referrers and `only` patterns as docs/paths.md defines them, written from that page alone.

Part of the reference (counter.py): it shares nothing with luot, and prefers a plain reading to speed.
"""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

KEEP_QUERY = ("id", "p", "page_id", "itemid", "articleid", "nv", "op")
CAMPAIGN = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
INDEX_PAGES = ("index.html", "index.htm", "index.php")
MOST_BYTES = 2000
MOST_REFERRER_BYTES = 500
MOST_CAMPAIGN_BYTES = 100
MOST_SECTION_BYTES = 100
MOST_ROUNDS = 8
MOST_PLACES = 200

NO_PLACE_IN_A_PATH = set('/?#% "<>[\\]^{|}`')
# Blanks other than the space, line and paragraph separators, marks that only change how others are shown, controls.
UNSEEN_CATEGORIES = ("Zs", "Zl", "Zp", "Cf", "Cc")
# Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt, which Python's tables do not have.
IGNORABLE = ((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
             (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
             (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF))


class BadPath(ValueError):
    """Names no page."""


class ForeignHost(ValueError):
    """Names a page of somebody else."""


@dataclass(frozen=True)
class Page:
    path: str
    campaign: dict  # utm_source and its like, without their prefix
    section: str = ""  # that the site's rules say


@dataclass(frozen=True)
class Rule:
    """A `[[site.path_rule]]`. `match` is read by Python's re, which takes what RE2 takes, and more."""
    match: str
    replace: str = None
    section: str = None


# ---- hosts -------------------------------------------------------------------------------------------


def normal_host(host):
    """A host, perhaps with a port, as hosts are compared."""
    host = re.sub(r":\d*$", "", host).lower().removesuffix(".")
    try:
        host = host.encode("idna").decode().lower()
    except UnicodeError:
        raise BadPath(host) from None
    rest = host.removeprefix("www.")
    return rest if "." in rest else host


def is_host_of(host, hosts):
    """`host` is a normal one; `hosts` are as a site configures them."""
    for own in hosts:
        if own.startswith("*."):
            if host.endswith("." + normal_host(own[2:])):
                return True
        elif host == normal_host(own):
            return True
    return False


# ---- characters ---------------------------------------------------------------------------------------


def unescaped(text):
    """The characters that a text with escapes stands for."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise BadPath(text)
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise BadPath(text) from None


def is_unseen(c):
    if unicodedata.category(c) in UNSEEN_CATEGORIES:
        return True
    is_assigned = unicodedata.category(c) != "Cn"
    return is_assigned and any(first <= ord(c) <= last for first, last in IGNORABLE)


def spelled(name, escape, keep=""):
    """One name of a path, or a value of the query, in its one spelling."""
    out, may_carry_a_mark = [], False
    for c in unicodedata.normalize("NFC", name):
        is_mark = unicodedata.category(c).startswith("M")
        must_go = (c in escape and c not in keep) or is_unseen(c)
        if must_go or (is_mark and not may_carry_a_mark):
            out.append("".join(f"%{byte:02X}" for byte in c.encode()))
            may_carry_a_mark = False
        else:
            out.append(c)
            may_carry_a_mark = True
    return "".join(out)


def cut(text, most_bytes):
    return text.encode()[:most_bytes].decode(errors="ignore")


# ---- path and query --------------------------------------------------------------------------------------


def normal_path(text):
    names = []
    for escaped in text.split("/"):
        name = unescaped(escaped)
        if name == "..":
            names = names[:-1]
        elif name not in ("", "."):
            names.append(name)
    while names and names[-1] in INDEX_PAGES:
        names.pop()
    return "/" + "/".join(spelled(name, NO_PLACE_IN_A_PATH) for name in names)


def normal_query(text, keep_query):
    """What stays of a query, with its question mark, and the campaign."""
    kept, campaign = {}, {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        try:
            name = unescaped(name.replace("+", " ")).lower()
        except BadPath:
            continue  # no name that is kept
        value = value.replace("+", " ")
        if name in CAMPAIGN:
            campaign[name.removeprefix("utm_")] = cut(unquote_to_bytes(value).decode(errors="replace"),
                                                      MOST_CAMPAIGN_BYTES)
        for wanted in keep_query:
            if name == wanted.lower():
                kept[wanted] = value
    parts = []
    for wanted in keep_query:
        value = spelled(unescaped(kept.get(wanted, "")), NO_PLACE_IN_A_PATH | set("&+"), keep="/")
        if value:
            parts.append(f"{wanted}={value}")
    return ("?" + "&".join(parts) if parts else ""), campaign


def parted(text):
    """(path, query) of the part of an address that follows its host."""
    text = text.partition("#")[0]
    path, _, query = text.partition("?")
    return path, query


def normal_page(address, hosts, keep_query=KEEP_QUERY, path_host=False, own_host="", rules=()):
    """The page that an address names on the site of these hosts. `own_host`: of the page that sent it, if it is known,
    put before the path with `path_host` when the address has none. Raises BadPath, ForeignHost."""
    page = general_page(address, hosts, keep_query, path_host, own_host)
    path, section = by_rules(page.path, rules, lambda text, own_host: general_page(
        text, hosts, keep_query, path_host, own_host).path)
    return Page(path, page.campaign, section)


def general_page(address, hosts, keep_query, path_host, own_host):
    """By the rules that all sites have."""
    if len(address.encode()) > MOST_BYTES:
        raise BadPath("too long")
    if any(unicodedata.category(c) == "Cc" for c in address):
        raise BadPath(address)
    address = address.strip(" ")
    if not address or address[0] in "#?":
        raise BadPath(address)
    host, rest = None, address
    web = re.match("https?://", address, re.IGNORECASE)
    if web:
        host, rest = authority(address[web.end():])
        if not is_host_of(host, hosts):
            raise ForeignHost(host)
    elif address.startswith("//"):
        first_name = re.match("[^/?#]*", address[2:])[0]
        own = own_authority(address[2:], hosts)
        if own:
            host, rest = own
        elif "." in first_name:
            raise ForeignHost(first_name)
    elif not address.startswith("/"):
        own = own_authority(address, hosts)
        if own:
            host, rest = own
        elif re.match("[^/?#:]+:", address):  # another scheme, or what looks like one (RFC 3986, 4.2)
            raise BadPath(address)
    path, query = parted(rest)
    path = normal_path(path)
    query, campaign = normal_query(query, keep_query)
    path += query
    if path_host:
        path = (host or own_host) + path
    if len(path.encode()) > MOST_BYTES:
        raise BadPath("too long")
    return Page(path, campaign)


def authority(text):
    """(normal host, what follows it) of an address behind its two slashes."""
    end = re.search(r"[/?#]|$", text).start()
    if "@" in text[:end]:
        raise BadPath(text)
    return normal_host(text[:end]), text[end:]


def own_authority(text, hosts):
    """The same where a host of the site stands there, else None."""
    try:
        host, rest = authority(text)
    except BadPath:
        return None
    return (host, rest) if is_host_of(host, hosts) else None


# ---- rules of a site -----------------------------------------------------------------------------------------


def filled(text, found):
    """What a replacement stands for beside a match."""
    return re.sub(r"\\([0-9\\])", lambda at: "\\" if at[1] == "\\" else found[int(at[1])] or "", text)


def by_rules(path, rules, normal):
    """(path, section) that a site's rules make of a normalised path. `normal` normalises an address, given the host of
    the path that it was made of."""
    section, current = "", path
    for _ in range(MOST_ROUNDS):
        for rule in rules:
            found = re.search(rule.match, current)
            if found and rule.section is not None and not section:
                groups = [unquote_to_bytes(group or "").decode(errors="replace") for group in (found[0], *found.groups())]
                section = cut(filled(rule.section, groups), MOST_SECTION_BYTES)
        replacing = next((rule for rule in rules if rule.replace is not None and re.search(rule.match, current)), None)
        if replacing is None:
            return current, section
        if len(re.findall(replacing.match, current)) > MOST_PLACES:
            return path, section
        replaced = re.sub(replacing.match, lambda found: filled(replacing.replace, [found[0], *found.groups()]), current)
        try:
            made = normal(replaced, current.partition("/")[0])
        except (BadPath, ForeignHost):
            return path, section
        if made == current:
            return current, section
        current = made
    return path, section


# ---- referrers ---------------------------------------------------------------------------------------------


def normal_referrer(address, hosts):
    """Host and path of where a reader came from; "" when it is an own page, or no address."""
    found = re.match(r"(https?|android-app)://", address.strip(" "), re.IGNORECASE)
    if not found:
        return ""
    try:
        host, rest = authority(address.strip(" ")[found.end():])
    except BadPath:
        return ""
    if not host or is_host_of(host, hosts):
        return ""
    try:
        path = normal_path(parted(rest)[0])
    except BadPath:
        path = ""
    return cut(host + path, MOST_REFERRER_BYTES)


# ---- groups of referrers --------------------------------------------------------------------------------------


def read_groups(page):
    """host pattern -> group, from the table of docs/sources.md: ".zalo.me" and all below it, "t.co" alone,
    "google.*" under com and the domains of countries."""
    groups = {}
    for line in page.partition("## Groups")[2].partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and cells[1] not in ("group", "---"):
            groups.update((host, cells[1]) for host in re.findall(r"`([^`]+)`", cells[3]))
    return groups


def group_of(referrer, groups):
    """The group of a normalised referrer, or its host."""
    host = referrer.partition("/")[0]
    labels = host.split(".")
    for first in range(len(labels)):  # the longest is the first
        name = ".".join(labels[first:])
        if first == 0 and name in groups:
            return groups[name]
        if "." + name in groups:
            return groups["." + name]
        # google.com, google.vn, google.com.vn
        for behind in (1, 2):
            stem, ending = labels[first:-behind], labels[-behind:]
            is_country = len(ending[-1]) == 2 if ending else False
            fits = ending == ["com"] or (is_country and (behind == 1 or ending[0] in ("com", "co", "net", "org", "gov")))
            pattern = ".".join(stem) + ".*"
            if stem and fits and ((first == 0 and pattern in groups) or "." + pattern in groups):
                return groups.get(pattern) or groups["." + pattern]
    return host


# ---- `only` ----------------------------------------------------------------------------------------------------


def matches(pattern, path):
    """Whether a normalised path matches a pattern of `only`."""
    if "?" not in pattern:
        path = path.partition("?")[0]
    host, slash, pattern = pattern.partition("/")
    own_host, _, path = path.partition("/")
    if host and not _matches_name(host, own_host):
        return False
    return _matches_names(pattern.split("/"), path.split("/"))  # "/" has one name, an empty one


def _matches_names(patterns, names):
    if not patterns:
        return not names
    if patterns[0] == "**":
        return any(_matches_names(patterns[1:], names[i:]) for i in range(len(names) + 1))
    return bool(names) and _matches_name(patterns[0], names[0]) and _matches_names(patterns[1:], names[1:])


def _matches_name(pattern, name):
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), name, re.DOTALL) is not None
