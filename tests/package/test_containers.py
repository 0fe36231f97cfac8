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
from luot import (BINARY, ROOT, Http, command_line, eventually, has_failed, hit_request, is_alive, patience,  # noqa: E402
                  raw_exchange, redis, spawn)

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

    def needs_dashboards(self):
        if not (ROOT / "dashboards").exists():
            self.skipTest("dashboards/ is not in this tree")

    def test_what_is_mounted_is_there(self):
        self.needs_dashboards()
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
        self.needs_dashboards()
        if not shutil.which("promtool"):
            self.skipTest("promtool is missing")
        with tempfile.TemporaryDirectory() as folder:
            for volume in self.services["prometheus"]["volumes"]:
                source, target = volume.split(":")[:2]
                if target.startswith("/etc/prometheus/"):
                    shutil.copy(CONTAINER / source, Path(folder) / Path(target).name)
            run("promtool", "check", "config", Path(folder) / "prometheus.yml")

    def test_grafana_finds_the_dashboards_where_they_are_mounted(self):
        self.needs_dashboards()
        mounted = {v.split(":")[1]: CONTAINER / v.split(":")[0] for v in self.services["grafana"]["volumes"]}
        provider, = yaml.safe_load(mounted["/etc/grafana/provisioning/dashboards/luot.yml"].read_text())["providers"]
        self.assertTrue(list(mounted[provider["options"]["path"]].glob("*.json")))
        source, = yaml.safe_load(mounted["/etc/grafana/provisioning/datasources/luot.yml"].read_text())["datasources"]
        self.assertEqual((source["type"], source["url"]), ("prometheus", "http://prometheus:9090"))
        beside, = yaml.safe_load((ROOT / "dashboards/grafana/provisioning/datasources/luot.yml").read_text())["datasources"]
        self.assertEqual({**source, "url": None}, {**beside, "url": None}, "but for the address they are one")

    def test_the_configuration_is_right(self):
        """In a folder that is mounted: a mount of the file alone would not show what an editor writes in its place."""
        source, = (v.split(":")[0] for v in self.services["luot"]["volumes"] if v.split(":")[1] == "/etc/luot")
        self.assertTrue((CONTAINER / source).is_dir())
        run(BINARY, "check-config", CONTAINER / source / "luot.toml")

    def test_an_image_is_made_of_one_package_and_not_of_any_of_several(self):
        check = re.search(r"^RUN (test .*)$", (CONTAINER / "Dockerfile").read_text(), re.MULTILINE)[1]
        with tempfile.TemporaryDirectory() as folder:
            for version, status in (("0.2.0", 0), ("0.10.0", 1)):
                Path(folder, f"luot_{version}-1_amd64.deb").touch()
                done = subprocess.run(["sh", "-c", check.replace("/tmp/", f"{folder}/")], capture_output=True, text=True)
                self.assertEqual(done.returncode, status, done.stderr)


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
        process = spawn(command, self.folder / f"{name}.log")
        self.parts.append(process)
        return process

    def test_the_program_of_the_image_counts_hits_beside_redis(self):
        compose = yaml.safe_load((CONTAINER / "compose.yaml").read_text())["services"]
        data = self.folder / "redis"
        data.mkdir()
        said = compose["redis"]["command"][2].replace("/redis-cut-torn-end.sh", str(ROOT / "deploy/redis-cut-torn-end.sh"))
        self.start("redis", "sh", "-c", f"cd {data} && " + said.replace("/data/", f"{data}/"))
        client = redis.Redis(port=6379)
        eventually(client.ping, patience(60))
        self.assertEqual(client.config_get("maxmemory-policy"), {"maxmemory-policy": "noeviction"})

        # Its own network and names are the containers' business: here Redis is on this machine.
        (self.root / "etc/luot/luot.toml").write_text(
            (CONTAINER / "config" / "luot.toml").read_text().replace("redis://redis:", "redis://127.0.0.1:"))
        settings = self.buildah("inspect", "--type", "image", "--format",
                                "{{.OCIv1.Config.User}}|{{.OCIv1.Config.Entrypoint}}|{{.OCIv1.Config.Cmd}}", "localhost/luot").strip()
        self.assertEqual(settings, "luot|[luot]|[serve --config /etc/luot/luot.toml]")
        self.addCleanup(lambda: has_failed(self) and print((self.folder / "luot.log").read_text()[-3000:]))
        running = self.start("luot", *self.command("run", "--isolation", "chroot", self.container, "--", "luot", "serve",
                                                   "--config", "/etc/luot/luot.toml"))

        def is_ready():
            self.assertIsNone(running.poll(), (self.folder / "luot.log").read_text()[-2000:])
            return Http("127.0.0.1:9180").get("/readyz").status == 200
        eventually(is_ready, patience(60), "the container is ready")
        for _ in range(3):
            answer, _ = raw_exchange("127.0.0.1:8080", hit_request("skhcn", "/a").replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            self.assertTrue(answer.startswith(b"HTTP/1.1 202"), answer)
        def counted():
            answer = Http("127.0.0.1:8080").get("/count.txt?site=skhcn&path=/a")
            return answer.status == 200 and int(answer.body) == 3
        eventually(counted)
        luot = self.program()
        owner = re.search(r"^Uid:\t(\d+)", Path(f"/proc/{luot}/status").read_text(), re.MULTILINE)[1]
        self.assertIn(f"luot:x:{owner}:", (self.root / "etc/passwd").read_text(), "it is not root")

        health = re.search(r"^HEALTHCHECK .*? CMD (\[.*\])$", (CONTAINER / "Dockerfile").read_text(), re.MULTILINE)[1]
        run(*self.command("run", "--isolation", "chroot", self.container, "--", *yaml.safe_load(health)))
        subprocess.run(["kill", "-TERM", str(luot)], check=True)
        eventually(lambda: not is_alive(luot), patience(60), "it ends")
        self.assertIn(" stopped", (self.folder / "luot.log").read_text())

    def program(self):
        """luot's process, in our network, which nobody else is in."""
        ours, found = os.readlink("/proc/self/ns/net"), []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.readlink(entry / "ns/net") == ours and \
                        os.readlink(entry / "exe").endswith("/usr/bin/luot"):
                    found.append(int(entry.name))
            except OSError:
                pass  # it ended meanwhile, or is the kernel's
        self.assertEqual(len(found), 1, [command_line(pid) for pid in found])
        return found[0]


if __name__ == "__main__":
    sys.exit(exit_status(unittest.main(verbosity=2, exit=False, warnings="ignore")))
