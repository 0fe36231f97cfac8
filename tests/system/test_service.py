#!/usr/bin/env python3
"""luot under a service manager: sockets that it is passed, and what it tells (sd_listen_fds(3), sd_notify(3))."""

import os
import socket
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FAULTY  # noqa: E402
from luot import (Http, Load, SystemTest, children_of, eventually, main, patience, random_hits, seeded,  # noqa: E402
                  steadily)
from service_manager import ServiceManager  # noqa: E402


class ServiceTest(SystemTest):
    def manager(self, **how):
        manager = ServiceManager(self.world.folder, **how)
        self.addCleanup(manager.close)
        return manager

    def luot_under(self, manager, command="serve", start=True, **how):
        luot = self.world.luot(command, start=False, **how)
        manager.look_after(luot)
        return luot.start() if start else luot


class Told(ServiceTest):
    def test_ready_is_told_when_hits_are_taken_and_stopping_at_the_end(self):
        for abstract in (False, True):
            with self.subTest(abstract=abstract):
                manager = self.manager(abstract=abstract) if abstract else self.manager()
                luot = self.luot_under(manager, name=f"serve{abstract:d}")
                manager.wait_for("READY")
                self.assertEqual(Http(manager.addresses()[0]).get("/luot.js").status, 200)
                self.assertIn(manager.addresses()[0], manager.last("STATUS"))
                self.assertEqual(manager.times("STOPPING"), 0)
                luot.stop()
                manager.wait_for("STOPPING")
                self.assertEqual([n for n, _ in manager.heard if n != "STATUS"], ["READY", "STOPPING"])

    def test_a_reload_is_told_and_so_is_a_refused_configuration(self):
        manager = self.manager()
        luot = self.luot_under(manager)
        manager.wait_for("READY")
        luot.hang_up()
        manager.wait_for("READY", 2)
        self.assertEqual([n for n, _ in manager.heard if n in ("READY", "RELOADING")], ["READY", "RELOADING", "READY"])
        self.assertNotIn("refused", manager.last("STATUS"))
        luot.config["listen"]["publik"] = "127.0.0.1:0"
        luot.write_config()
        luot.hang_up()
        manager.wait_for("READY", 3)
        self.assertIn("publik", manager.last("STATUS"))
        self.assertEqual(luot.hit("skhcn", "/a").status, 202, "the former one stays")

    def test_the_private_redis_speaks_for_luot_in_nothing(self):
        manager = self.manager(watchdog_seconds=60)
        luot = self.luot_under(manager)
        for child in children_of(luot.pid):
            environment = Path(f"/proc/{child}/environ").read_bytes()
            for name in (b"NOTIFY_SOCKET", b"WATCHDOG_USEC", b"LISTEN_"):
                self.assertNotIn(name, environment)
            held = [os.readlink(f"/proc/{child}/fd/{fd}") for fd in os.listdir(f"/proc/{child}/fd")]
            inodes = [f"socket:[{os.fstat(s.fileno()).st_ino}]" for s in manager.sockets]
            self.assertFalse(set(held) & set(inodes))

    def test_the_watchdog_hears_as_long_as_the_event_loops_turn(self):
        """A worker that hangs: the main thread still answers, and tells the watchdog nothing any more."""
        manager = self.manager(watchdog_seconds=1)
        luot = self.world.luot("serve", start=False, config={"collector": {"workers": 1}})
        luot.binary, luot.environment = FAULTY, {"LUOT_FAIL_POINT": "hit.before_answer:1:hang"}
        manager.look_after(luot)
        luot.start()
        manager.wait_for("WATCHDOG", 8)
        with socket.create_connection(("127.0.0.1", manager.sockets[0].getsockname()[1])) as wire:
            wire.sendall(b"GET /hit.gif?s=skhcn&p=/a HTTP/1.1\r\nHost: a\r\nUser-Agent: a\r\n\r\n")
            eventually(lambda: luot.admin_http.get("/healthz").status == 503, patience(20), "the loop is seen to hang")
            told = manager.times("WATCHDOG")
            steadily(lambda: manager.times("WATCHDOG") <= told + 1, 2, "nothing is told")
        luot.kill()

    def test_without_a_watchdog_nothing_is_told_to_it(self):
        manager = self.manager()
        manager.environment.update(WATCHDOG_USEC="1000000", WATCHDOG_PID="1")  # another process's
        self.luot_under(manager)
        manager.wait_for("READY")
        steadily(lambda: manager.times("WATCHDOG") == 0, 1)


class Passed(ServiceTest):
    def assert_answers(self, public, admin):
        self.assertEqual(Http(public).get("/luot.js").status, 200)
        self.assertEqual(Http(admin).get("/healthz").status, 200)
        self.assertEqual(Http(public).get("/healthz").status, 404)

    def test_sockets_go_by_their_names(self):
        manager = self.manager(names=("admin", "public"))
        luot = self.luot_under(manager)
        admin, public = manager.addresses()
        self.assertEqual((luot.public, luot.admin), (public, admin))
        self.assert_answers(public, admin)

    def test_sockets_without_such_names_go_by_their_order(self):
        for number, names in enumerate((None, ("luot.socket", "luot.socket"), ("unknown", "unknown"))):
            with self.subTest(names):
                manager = ServiceManager(Path(tempfile.mkdtemp(dir=self.world.folder)), names=names)
                self.addCleanup(manager.close)
                self.luot_under(manager, name=f"serve{number}")
                self.assert_answers(*manager.addresses())

    def test_one_socket_is_passed_and_the_other_is_of_the_configuration(self):
        manager = self.manager(names=("public",))
        luot = self.luot_under(manager)
        self.assertEqual(luot.public, manager.addresses()[0])
        self.assert_answers(luot.public, luot.admin)

    def test_ipv6_for_all_addresses_takes_ipv4_too(self):
        listening = socket.socket(socket.AF_INET6)
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(("::", 0))
        listening.listen()
        manager = self.manager(names=("public",), sockets=[listening])
        luot = self.luot_under(manager)
        luot.public = f"127.0.0.1:{listening.getsockname()[1]}"
        for client in ("100.64.0.1", "100.64.0.2"):  # believed: the proxy is 127.0.0.1, however it is written
            luot.wait_for("skhcn", luot.take_hit("skhcn", "/a", client=client))
        self.assertEqual(luot.counts("skhcn")["visits"], 2)

    def test_what_is_meant_for_another_process_is_let_alone(self):
        manager = self.manager()
        luot = self.world.luot("serve", start=False)
        luot.environment = {**manager.environment, "LISTEN_PID": "1"}
        luot.start()
        self.assertNotIn(luot.public, manager.addresses())

    def test_several_workers_share_a_socket_and_count_each_hit_once(self):
        manager = self.manager()
        luot = self.luot_under(manager, config={"collector": {"workers": 3}})
        load = Load(random_hits(seeded("test_service workers"), [("skhcn", "/a"), ("bao", "/b")], 2000),
                    [luot.public], connections=32).run()
        self.assert_counted(luot, load.views, load.tokens)
        self.assertGreaterEqual(luot.metrics().value("luot_http_connections_total", port="public"), 32)

    def test_what_cannot_be_used_is_refused_in_one_line(self):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        bound = socket.socket()
        bound.bind(("127.0.0.1", 0))
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(str(self.world.folder / "unix"))
        unix.listen()
        tcp = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        for names, sockets, wanted in (
                (("public",), [udp], "no listening TCP socket"),
                (("public",), [bound], "no listening TCP socket"),
                (("public",), [unix], "no listening TCP socket"),
                (("public", "metrics"), tcp[:2], "neither public nor admin"),
                (("public", "public"), tcp[:2], "the second of this name"),
                (None, tcp, "without names"),
        ):
            with self.subTest(names=names, wanted=wanted):
                manager = ServiceManager(Path(tempfile.mkdtemp(dir=self.world.folder)), names=names, sockets=sockets)
                luot = self.world.luot("serve", name=f"refused-{len(self.world.parts)}", start=False)
                manager.look_after(luot)
                luot.start(wait=False)
                self.assertEqual(luot.wait_exit(), 2)
                text = luot.log_text()
                self.assertIn(wanted, text)
                self.assertEqual(len(text.strip().splitlines()), 1, text)
                self.assertEqual(manager.times("READY"), 0)

    def test_a_connection_that_waits_is_answered_after_the_start(self):
        """Both ports: nobody is refused while luot is away."""
        manager = self.manager()
        luot = self.luot_under(manager)
        luot.stop()
        waiting = []
        for address, target in zip(manager.addresses(), ("/luot.js", "/healthz")):
            wire = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), patience(20))
            wire.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            waiting.append(wire)
        luot.start()
        for wire in waiting:
            self.assertTrue(wire.recv(100).startswith(b"HTTP/1.1 200"))
            wire.close()

    def test_a_connection_is_answered_that_was_accepted_just_before_the_end(self):
        """Its first request is on the way; a moment later it would have been."""
        luot = self.luot_under(self.manager())
        accepted = lambda: luot.metrics().value("luot_http_connections_total", port="public")  # noqa: E731
        before = accepted()  # those that asked whether reads are answered
        wires = [socket.create_connection(("127.0.0.1", int(luot.public.rpartition(":")[2])), patience(20)) for _ in range(8)]
        eventually(lambda: accepted() >= before + 8, patience(10), "all are accepted")
        luot.terminate()
        eventually(lambda: " stopping " in luot.log_text(), patience(5))
        for wire in wires:
            wire.sendall(b"GET /luot.js HTTP/1.1\r\nHost: a\r\n\r\n")
        for wire in wires:
            self.assertTrue(wire.recv(100).startswith(b"HTTP/1.1 200"))
            wire.close()
        self.assertEqual(luot.wait_exit(), 0)


if __name__ == "__main__":
    main()
