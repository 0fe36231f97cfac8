"""Clients that open a connection for each request, as browsers do that were never here: none may be refused."""

import asyncio
import socket
import struct
import threading
import time

from luot import patience, split_address

ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: no port is left in TIME_WAIT


class FreshClients:
    """Each request on a connection of its own, sent once: what fails stays failed. `rate` a second of each of
    [(address, request)]."""

    def __init__(self, targets, rate):
        self.targets, self.rate = targets, rate
        self.answered = {address: 0 for address, _ in targets}
        self.failed, self.slowest, self._ended = [], 0.0, False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()

    def end(self):
        self._ended = True
        self._thread.join(patience(30))

    async def _main(self):
        asking, due = set(), time.monotonic()
        while not self._ended:
            for address, request in self.targets:
                task = asyncio.create_task(self._ask(address, request))
                asking.add(task)
                task.add_done_callback(asking.discard)
            due = max(due + 1 / self.rate, time.monotonic() - 0.1)
            await asyncio.sleep(max(0, due - time.monotonic()))
        await asyncio.gather(*asking)

    async def _ask(self, address, request):
        begun, writer = time.monotonic(), None
        try:
            reader, writer = await asyncio.open_connection(*split_address(address))
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            writer.write(request)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), patience(20))
            if head[9:12] not in (b"200", b"202"):
                raise ValueError(head.splitlines()[0])
            self.answered[address] += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.TimeoutError) as failure:
            self.failed.append(f"{address}: {failure!r}")
        finally:
            if writer:
                writer.close()
