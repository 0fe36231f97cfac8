#!/usr/bin/env python3
"""The Debian package, in a clean Debian 12 (mmdebstrap): docs/install.md's commands lead from the package to a hit
counted through nginx with TLS; an upgrade under load refuses and loses nothing; removal and purge leave what they
say.

Needs root and Debian's mirror; without them it is skipped, and says so (exit status 77). The chroot has a network of
its own, so that the ports of the documents are free, but for apt. systemd is stood in for: support/systemd_stand_in.py.
"""

import itertools
import re
import shutil
import socket
import ssl
import sys
import tempfile
import unittest
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from clean_debian import OwnNetwork, exit_status, root_archive, run, why_not  # noqa: E402
from fresh_clients import FreshClients  # noqa: E402
from luot import BINARY, BROWSER, ROOT, Http, Metrics, eventually, hit_request, patience, processes_of  # noqa: E402
from systemd_stand_in import StandIn  # noqa: E402

BUILD = BINARY.parent
INSTALL = ROOT / "docs" / "install.md"
CERTIFICATE = "/etc/letsencrypt/live/stats.example.vn"


def documented(step):
    """The commands of the boxes of docs/install.md that begin with `# as root: STEP`."""
    text = INSTALL.read_text()
    found = re.findall(rf"^```\n# as root: {step}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise AssertionError(f"docs/install.md has no commands for {step}")
    return "".join(found)


def make_package(folder):
    run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder)
    package, = folder.glob("luot_*.deb")
    return package


def with_version(package, version, folder):
    """The same package as another version, whose conffile has one line more."""
    tree = folder / version
    run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    with (tree / "etc/luot/luot.toml").open("a") as conffile:
        conffile.write("# new in this version\n")
    sums = tree / "DEBIAN/md5sums"
    sums.write_text("".join(line for line in sums.read_text().splitlines(True) if not line.endswith("etc/luot/luot.toml\n")))
    return folder / run("dpkg-deb", "--root-owner-group", "-b", tree, folder).split("'")[-2].rpartition("/")[2]


class OutsideDebian(unittest.TestCase):
    def test_lintian_finds_no_error(self):
        if not shutil.which("lintian"):
            self.skipTest("lintian is missing: deploy/install-deps.sh")
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            package = make_package(Path(folder))
            self.assertRegex(package.name, r"^luot_[0-9.]+-1_\w+\.deb$")
            said = run("lintian", "--allow-root", "--fail-on", "error", package)
            print(said, end="")  # warnings, if any


class InACleanDebian(unittest.TestCase):
    """Steps on one chroot, in this order."""

    @classmethod
    def setUpClass(cls):
        reason = why_not("cpack", "openssl")
        if reason:
            raise unittest.SkipTest(reason)
        cls.folder = Path(tempfile.mkdtemp(prefix="package-", dir=BUILD))
        cls.addClassCleanup(run, "rm", "-rf", "--one-file-system", cls.folder)  # never into what is mounted
        cls.root = cls.folder / "root"
        cls.package = make_package(cls.folder)
        cls.network = OwnNetwork()
        cls.root.mkdir()
        run("tar", "--numeric-owner", "-xpf", root_archive(cls.network), "-C", cls.root)
        run("mount", "-t", "proc", "proc", cls.root / "proc")
        shutil.copy("/etc/resolv.conf", cls.root / "etc/resolv.conf")
        with (cls.root / "etc/hosts").open("a") as hosts:
            hosts.write("127.0.0.1 localhost stats.example.vn\n::1 localhost\n")
        cls.systemd = StandIn(cls.root)
        cls.addClassCleanup(cls.end_all)
        cls.make_certificate()
        shutil.copy(cls.package, cls.root / "root" / cls.package.name)

    @classmethod
    def end_all(cls):
        cls.systemd.close()
        left = processes_of(cls.root)
        run("umount", cls.root / "proc")
        if left:
            raise AssertionError(f"left behind: {left}")

    @classmethod
    def make_certificate(cls):
        """The operator's, of a CA of its own that curl believes here."""
        folder = cls.root / CERTIFICATE.lstrip("/")
        folder.mkdir(parents=True)
        ca, key = cls.folder / "ca.pem", cls.folder / "ca.key"
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        run(*new, "-subj", "/CN=test CA", "-keyout", key, "-out", ca)
        run(*new, "-subj", "/CN=stats.example.vn", "-addext", "subjectAltName=DNS:stats.example.vn", "-addext",
            "basicConstraints=critical,CA:FALSE", "-CA", ca, "-CAkey", key, "-keyout", folder / "privkey.pem", "-out",
            folder / "fullchain.pem")
        cls.ca = ca
        shutil.copy(ca, cls.root / "root/ca.pem")

    def in_root(self, script):
        """A shell script in the chroot, which ends at the first error; apt alone has the network outside."""
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
                       "DEBIAN_FRONTEND": "noninteractive", "CURL_CA_BUNDLE": "/root/ca.pem", "LC_ALL": "C.UTF-8"}
        output = ""
        for is_apt, lines in itertools.groupby(script.splitlines(True), lambda line: line.startswith("apt-get ")):
            how = self.network.outside if is_apt else run
            output += how("chroot", self.root, "bash", "-euc", "cd /root\n" + "".join(lines), env=environment)
        return output

    def on_port(self, port, target):
        connection = Http(f"127.0.0.1:{port}")
        try:
            return connection.get(target)
        finally:
            connection.close()

    def count(self, port=8080, path="/tin-tuc/bai-1.html"):
        answer = self.on_port(port, f"/count.txt?site=skhcn&path={path}")
        self.assertEqual(answer.status, 200, answer)  # else it is not known yet
        return int(answer.body)

    def test_1_the_documents_commands_lead_from_the_package_to_a_counted_hit(self):
        self.in_root(documented("install"))
        self.assertEqual(self.on_port(9180, "/readyz").status, 200, "it runs, out of the box")
        self.in_root(documented("configure"))
        self.in_root(documented("nginx"))
        said = self.in_root(documented("try").replace("sleep 1\n", "sleep 5\n"))  # a slow machine may take longer
        self.assertEqual(said.strip(), "1", self.systemd.log_text()[-3000:])
        status = Path(f"/proc/{self.main_process().pid}/status").read_text()
        luot_user = next(line.split(":")[2] for line in (self.root / "etc/passwd").read_text().splitlines() if line.startswith("luot:"))
        self.assertIn(f"\nUid:\t{luot_user}\t{luot_user}\t", status, "as a user of its own")
        self.assertEqual(self.root.joinpath("var/lib/luot").stat().st_mode & 0o777, 0o750)
        self.in_root("runuser -u luot -- luot verify")

    def test_2_tls_is_that_of_the_operators_certificate(self):
        context = ssl.create_default_context(cafile=str(self.ca))
        with socket.create_connection(("127.0.0.1", 443)) as wire, \
                context.wrap_socket(wire, server_hostname="stats.example.vn") as tls:
            tls.sendall(b"GET /luot.js HTTP/1.1\r\nHost: stats.example.vn\r\nConnection: close\r\n\r\n")
            self.assertTrue(tls.recv(100).startswith(b"HTTP/1.1 200"))

    def test_3_man_pages_and_documents_are_there(self):
        pages = {p.name for p in (self.root / "usr/share/man/man1").glob("luot*")}
        self.assertTrue({"luot.1.gz", "luot-serve.1.gz", "luot-import-log.1.gz"} <= pages, pages)
        self.assertTrue((self.root / "usr/share/doc/luot/install.md").exists())
        self.in_root("test -x /usr/share/luot/redis-cut-torn-end.sh && luot --version")

    def test_4_an_upgrade_under_load_refuses_no_connection_and_loses_no_hit(self):
        newer = with_version(self.package, "0.1.1-1", self.folder)
        shutil.copy(newer, self.root / "root" / newer.name)
        mine = self.root.joinpath("etc/luot/luot.toml").read_bytes()
        before, restarts = self.main_process().pid, self.systemd.restarts
        clients = FreshClients([("127.0.0.1:8080", hit_request("skhcn", "/nang-cap")),
                                ("127.0.0.1:9180", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")], rate=10)  # fewer than the limit of a client
        self.in_root(f"apt-get install -y -o Dpkg::Options::=--force-confold ./{newer.name}\n")
        eventually(lambda: self.on_port(9180, "/readyz").status == 200)
        taken = dict(clients.answered)
        eventually(lambda: all(clients.answered[a] > n + 10 for a, n in taken.items()))
        clients.end()
        print(f"upgrade: {clients.answered} answered, slowest {clients.slowest:.2f} s, failed {len(clients.failed)}")
        self.assertEqual(clients.failed, [])
        self.assertEqual(self.systemd.restarts, restarts + 1)
        self.assertNotEqual(self.main_process().pid, before, "the new one runs")
        self.assertIn("Version: 0.1.1-1", self.in_root("dpkg -s luot"))
        self.assertEqual(self.root.joinpath("etc/luot/luot.toml").read_bytes(), mine, "the operator's conffile stays")
        sent = clients.answered["127.0.0.1:8080"]
        eventually(lambda: self.count(path="/nang-cap") == sent, patience(30), f"{sent} hits are counted")
        self.assertEqual(self.count(), 1)
        self.in_root("runuser -u luot -- luot verify")

    def test_5_a_removed_package_stops_and_an_installation_goes_on_with_its_data(self):
        counted = self.count(path="/nang-cap")
        self.in_root("apt-get remove -y luot\n")
        for port in (8080, 9180):
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
        self.assertFalse((self.root / "usr/bin/luot").exists())
        self.assertTrue((self.root / "etc/luot/luot.toml").exists())
        self.in_root(f"apt-get install -y ./{self.package.name.replace('0.1.0-1', '0.1.1-1')}\n")
        eventually(lambda: self.count(path="/nang-cap") == counted)

    def test_6_collectors_and_aggregators_run_apart(self):
        self.in_root(documented("apart"))
        self.assertIn("\nappendonly yes\n", self.root.joinpath("etc/redis/redis.conf").read_text(), "also after a start of Redis")
        self.assertRaises(ConnectionRefusedError, socket.create_connection, ("127.0.0.1", 8080))
        request = urllib.request.Request("http://127.0.0.1:8081/hit.gif?s=skhcn&p=/a", headers={"User-Agent": BROWSER})
        self.assertEqual(urllib.request.urlopen(request, timeout=10).status, 200)
        eventually(lambda: self.count(8082, "/a") == 1)
        metrics = Metrics(self.on_port(18081, "/metrics").body.decode())
        self.assertEqual(metrics.value("luot_hits_accepted_total"), 1)
        self.in_root("systemctl stop 'luot*.socket' 'luot*.service'")

    def test_7_purge_leaves_nothing_of_it(self):
        self.in_root("rm /etc/luot/skhcn.token /etc/luot/collector-8081.toml /etc/luot/aggregator-8082.toml\n"
                     "dpkg --purge luot")
        for gone in ("etc/luot", "var/lib/luot", "usr/share/luot", "usr/share/doc/luot", "lib/systemd/system/luot.service"):
            self.assertFalse((self.root / gone).exists(), gone)
        left = [str(p) for folder in ("etc", "var/lib/systemd/deb-systemd-helper-enabled") if (self.root / folder).exists()
                for p in (self.root / folder).rglob("*luot*") if "nginx" not in str(p)]
        self.assertEqual(left, [])

    def main_process(self):
        return self.systemd.running["luot.service"][0]


if __name__ == "__main__":
    sys.exit(exit_status(unittest.main(verbosity=2, exit=False, warnings="ignore")))
