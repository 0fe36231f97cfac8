#!/usr/bin/env python3
"""deploy/container: the Dockerfile is built by buildah on a root made by mmdebstrap, which stands in for the image debian:12-slim,
and its program counts hits beside a Redis as compose.yaml starts it. compose.yaml itself is read, not run:
there is no registry here to get Redis', Prometheus' and Grafana's images from.

Needs root and Debian's mirror; without them it is skipped, and says so (exit status 77).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from clean_debian import OwnNetwork, exit_status, root_archive, run, why_not  # noqa: E402
from luot import BINARY, ROOT, Http, eventually, hit_request, is_alive, raw_exchange, redis  # noqa: E402

try:
    import yaml
except ImportError:  # another python3 stands before Debian's in PATH: python3-yaml is there all the same
    sys.path.append("/usr/lib/python3/dist-packages")
    import yaml

CONTAINER = ROOT / "deploy" / "container"


class Compose(unittest.TestCase):
    def setUp(self):
        self.compose = yaml.safe_load((CONTAINER / "compose.yaml").read_text())
        self.services = self.compose["services"]

    def test_what_is_mounted_is_there(self):
        mounted = 0
        for name, service in self.services.items():
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((CONTAINER / source).exists(), f"{name}: {source}")
                    mounted += 1
                else:
                    self.assertIn(source, self.compose["volumes"], name)
        self.assertGreater(mounted, 6)

    def test_only_luot_and_grafana_can_be_reached_and_from_this_machine_alone(self):
        published = {name: s["ports"] for name, s in self.services.items() if "ports" in s}
        self.assertEqual(published, {"luot": ["127.0.0.1:8080:8080"], "grafana": ["127.0.0.1:3000:3000"]})

    def test_images_are_of_a_version(self):
        for name, service in self.services.items():
            if name != "luot":
                self.assertRegex(service["image"], r":v?\d+\.\d+[\w.-]*$", name)

    def test_prometheus_takes_its_configuration_with_the_rules(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is missing")
        with tempfile.TemporaryDirectory() as folder:
            for volume in self.services["prometheus"]["volumes"]:
                source, target = volume.split(":")[:2]
                if target.startswith("/etc/prometheus/"):
                    shutil.copy(CONTAINER / source, Path(folder) / Path(target).name)
            run("promtool", "check", "config", Path(folder) / "prometheus.yml")

    def test_grafana_finds_the_dashboards_where_they_are_mounted(self):
        provider, = yaml.safe_load((CONTAINER / "grafana/dashboards.yml").read_text())["providers"]
        mounted = {v.split(":")[1] for v in self.services["grafana"]["volumes"]}
        self.assertIn(provider["options"]["path"], mounted)
        source, = yaml.safe_load((CONTAINER / "grafana/datasources.yml").read_text())["datasources"]
        self.assertEqual((source["type"], source["url"]), ("prometheus", "http://prometheus:9090"))

    def test_the_configuration_is_right(self):
        run(BINARY, "check-config", CONTAINER / "luot.toml")


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = why_not("buildah", "cpack")
        if reason:
            raise unittest.SkipTest(reason)
        cls.folder = Path(tempfile.mkdtemp(prefix="container-", dir=BINARY.parent))
        cls.addClassCleanup(run, "rm", "-rf", "--one-file-system", cls.folder)  # never into what is mounted
        cls.parts = []
        cls.addClassCleanup(cls.end_all)
        run("cpack", "--config", BINARY.parent / "CPackConfig.cmake", "-B", cls.folder / "context")
        shutil.rmtree(cls.folder / "context/_CPack_Packages")
        cls.network = OwnNetwork()
        base = cls.folder / "base"
        base.mkdir()
        os.link(root_archive(cls.network), base / "root.tar")
        (base / "Dockerfile").write_text("FROM scratch\nADD root.tar /\n")
        cls.buildah("bud", "--isolation", "chroot", "-t", "localhost/base", base)
        cls.buildah("bud", "--isolation", "chroot", "--build-arg", "BASE=localhost/base", "-t", "localhost/luot", "-f",
                    CONTAINER / "Dockerfile", cls.folder / "context")
        cls.container = cls.buildah("from", "--name", "luot", "localhost/luot").strip().splitlines()[-1]
        cls.root = Path(cls.buildah("mount", cls.container).strip().splitlines()[-1])

    STORE = ("--storage-driver", "vfs")

    @classmethod
    def command(cls, *arguments):
        return ["buildah", *cls.STORE, "--root", cls.folder / "store", "--runroot", cls.folder / "run", *arguments]

    @classmethod
    def buildah(cls, *arguments):
        return cls.network.outside(*cls.command(*arguments))

    @classmethod
    def end_all(cls):
        for process in reversed(cls.parts):
            process.terminate()
            process.wait(30)

    def start(self, name, *command):
        log = open(self.folder / f"{name}.log", "ab")
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, command)], stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log)
        self.parts.append(process)
        return process

    def test_the_program_of_the_image_counts_hits_beside_redis(self):
        compose = yaml.safe_load((CONTAINER / "compose.yaml").read_text())["services"]
        data = self.folder / "redis"
        data.mkdir()
        said = compose["redis"]["command"][2].replace("/redis-cut-torn-end.sh", str(ROOT / "deploy/redis-cut-torn-end.sh"))
        self.start("redis", "sh", "-c", f"cd {data} && " + said.replace("/data/", f"{data}/"))
        client = redis.Redis(port=6379)
        eventually(client.ping, 20)
        self.assertEqual(client.config_get("maxmemory-policy"), {"maxmemory-policy": "noeviction"})

        shutil.copy(CONTAINER / "luot.toml", self.root / "etc/luot/luot.toml")
        with (self.root / "etc/hosts").open("a") as hosts:
            hosts.write("127.0.0.1 localhost redis\n")
        settings = self.buildah("inspect", "--type", "image", "--format",
                                "{{.OCIv1.Config.User}}|{{.OCIv1.Config.Entrypoint}}|{{.OCIv1.Config.Cmd}}", "localhost/luot").strip()
        self.assertEqual(settings, "luot|[luot]|[serve --config /etc/luot/luot.toml]")
        running = self.start("luot", *self.command("run", "--isolation", "chroot", self.container, "--", "luot", "serve",
                                                   "--config", "/etc/luot/luot.toml"))

        def is_ready():
            self.assertIsNone(running.poll(), (self.folder / "luot.log").read_text()[-2000:])
            return Http("127.0.0.1:9180").get("/readyz").status == 200
        eventually(is_ready, 30, "the container is ready")
        for _ in range(3):
            answer, _ = raw_exchange("127.0.0.1:8080", hit_request("skhcn", "/a").replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            self.assertTrue(answer.startswith(b"HTTP/1.1 202"), answer)
        eventually(lambda: int(Http("127.0.0.1:8080").get("/count.txt?site=skhcn&path=/a").body) == 3)
        luot, = (pid for pid in self.processes() if pid != running.pid)
        owner = re.search(r"^Uid:\t(\d+)", Path(f"/proc/{luot}/status").read_text(), re.MULTILINE)[1]
        self.assertIn(f"luot:x:{owner}:", (self.root / "etc/passwd").read_text(), "it is not root")

        health = re.search(r"^HEALTHCHECK .*? CMD (\[.*\])$", (CONTAINER / "Dockerfile").read_text(), re.MULTILINE)[1]
        run(*self.command("run", "--isolation", "chroot", self.container, "--", *yaml.safe_load(health)))
        subprocess.run(["kill", "-TERM", str(luot)], check=True)
        eventually(lambda: not is_alive(luot), 15, "it ends")
        self.assertIn(" stopped", (self.folder / "luot.log").read_text())

    def processes(self):
        """Those of luot in the container."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and (entry / "exe").resolve() == self.root / "usr/bin/luot":
                    found.append(int(entry.name))
            except OSError:
                pass
        return found


if __name__ == "__main__":
    sys.exit(exit_status(unittest.main(verbosity=2, exit=False)))
