#!/usr/bin/env python3
"""SIGTERM and SIGHUP under load: an orderly end within 10 s, a new configuration at once, and no hit lost.
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FaultTest  # noqa: E402
from luot import (LIGHT, SITES, eventually, hit_request, main, patience, split_address,  # noqa: E402
                  split_answers)

OTHER, *PAGES = ((site["id"], "/a") for site in SITES)  # the first is kept out of the load
TIMES = 3 if LIGHT else 8


class Signals(FaultTest):
    def test_stop_and_start_of_serve(self):
        luot = self.world.luot()
        load = self.load(luot, rate=300 if LIGHT else 2000)
        slowest = 0.0
        for _ in range(TIMES):
            self.more_hits(load, 200)
            began = time.monotonic()
            luot.stop()  # checks the exit status and the time
            slowest = max(slowest, time.monotonic() - began)
            load.addresses = []
            luot.start()
            load.addresses = [luot.public]
        print(f"slowest stop {slowest:.2f} s", flush=True)
        self.check(load, [luot], [luot])

    def test_stop_and_start_of_collectors_and_aggregators(self):
        collectors, aggregators = self.apart(self.world.redis())
        load = self.load(*collectors)
        for _ in range(TIMES):
            self.more_hits(load, 100)
            daemon = self.rng.choice(collectors + aggregators)
            load.addresses = [c.public for c in collectors if c is not daemon]
            daemon.stop()
            daemon.start(reads=False)
            load.addresses = [c.public for c in collectors]
        self.check(load, aggregators, collectors)

    def until_closed(self, wire):
        received = b""
        while data := wire.recv(65536):
            received += data
        return split_answers(received)

    def test_requests_in_hand_are_answered_before_the_end(self):
        """Those of which luot has read a part, and those that had come whole, read or not."""
        luot = self.world.luot()
        load = self.load(luot, pages=PAGES)
        self.more_hits(load, 100)
        requests = [hit_request(*OTHER) for _ in range(40)]
        wires = [socket.create_connection(split_address(luot.public), patience(10)) for _ in requests]
        in_hand, idle = slice(0, 20), slice(20, 40)
        for wire, request in zip(wires[in_hand], requests[in_hand]):
            wire.sendall(request + request[:-20])  # what comes in one piece is read in one: answered is read
        for wire, request in zip(wires[idle], requests[idle]):
            wire.sendall(request)
        for wire in wires:
            wire.recv(1, socket.MSG_PEEK)
        os.kill(luot.pid, signal.SIGSTOP)
        for wire, request in zip(wires[idle], requests[idle]):
            wire.sendall(request)
        luot.terminate()
        os.kill(luot.pid, signal.SIGCONT)
        eventually(lambda: " stopping " in luot.log_text(), patience(5))
        for wire, request in zip(wires[in_hand], requests[in_hand]):
            wire.sendall(request[-20:])
        for wire in wires:
            answers = self.until_closed(wire)
            self.assertEqual([answer.status for answer in answers], [202, 202])
        self.assertEqual(luot.wait_exit(), 0)
        luot._forget_connections()
        luot.start()
        load.addresses = [luot.public]
        self.more_hits(load, 100)
        self.check(load, [luot], [luot])
        self.assertEqual(luot.views(OTHER[0]), 2 * len(requests))

    def test_a_new_configuration_again_and_again(self):
        luot = self.world.luot()
        load = self.load(luot)
        for number in range(3 * TIMES):
            self.more_hits(load, 50)
            luot.config["site"].append({"id": f"new-{number}", "hosts": [f"new-{number}.example.vn"]})
            luot.write_config()
            luot.hang_up()
            eventually(lambda: luot.hit(f"new-{number}", "/a").status == 202, patience(5), "the new site is known")
        self.assertEqual(load.repeats, 0, "no connection was closed")
        self.check(load, [luot], [luot])
        self.assertEqual(luot.metrics().sum("luot_hits_unconfigured_total"), 0)


if __name__ == "__main__":
    main()
