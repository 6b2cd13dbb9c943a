"""A TCP proxy that breaks connections on request.

    fault_proxy.py LISTEN UPSTREAM CONTROL        all on 127.0.0.1

Control by HTTP on CONTROL; every answer is the state as JSON:

    /set?mode=ok|reset|refuse|hang     reset: cut live connections, and new ones once they are accepted
                                       refuse: cut live ones, stop listening
                                       hang: connections stay open, no byte passes
    /set?strand=1                      live connections stay open and no byte ever passes on them again; new ones work
    /set?latency=MS                    delay of every chunk
    /set?rate=BYTES_PER_SECOND         0: unlimited
    /set?cut_after=BYTES               reset a connection after so many bytes in one direction; 0: never
    /set?garble=TEXT                   the last bit of TEXT is another one wherever it comes from upstream; empty: nowhere
"""

import asyncio
import json
import socket
import struct
import sys
from urllib.parse import parse_qsl, urlsplit

MODES = ("ok", "reset", "refuse", "hang")
WORDS = ("mode", "garble")


class FaultProxy:
    def __init__(self, listen, upstream):
        self.listen_port = listen
        self.upstream_port = upstream
        self.settings = {"mode": "ok", "latency": 0.0, "rate": 0.0, "cut_after": 0.0, "garble": ""}
        self.counts = {"connections": 0, "bytes_up": 0, "bytes_down": 0}
        self.writers = set()
        self.stranded = set()
        self.server = None

    def state(self):
        return {**self.settings, **self.counts, "live": len(self.writers) // 2}

    async def set(self, values):
        for name, value in values:
            if name == "strand":
                self.stranded = set(self.writers)
                continue
            if name == "mode" and value not in MODES or name not in self.settings:
                raise ValueError(f"{name}={value}")
            self.settings[name] = value if name in WORDS else float(value)
        await self.listen(self.settings["mode"] != "refuse")
        if self.settings["mode"] in ("reset", "refuse"):
            for writer in list(self.writers):
                reset(writer)

    async def listen(self, wanted):
        if wanted and self.server is None:
            self.server = await asyncio.start_server(self.connected, "127.0.0.1", self.listen_port)
        elif not wanted and self.server is not None:
            self.server.close()
            self.server = None

    async def connected(self, reader, writer):
        self.counts["connections"] += 1
        if self.settings["mode"] in ("reset", "refuse"):
            reset(writer)
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        except OSError:
            reset(writer)
            return
        pair = {writer, up_writer}
        self.writers |= pair
        await asyncio.gather(
            self.copy(reader, up_writer, "bytes_up", pair), self.copy(up_reader, writer, "bytes_down", pair))
        self.writers -= pair
        for one in pair:
            one.close()

    async def copy(self, reader, writer, count, pair):
        passed = 0
        limit = self.settings
        try:
            while chunk := await reader.read(16384):
                while limit["mode"] == "hang" or writer in self.stranded:
                    await asyncio.sleep(0.05)
                if limit["garble"] and count == "bytes_down":
                    chunk = garbled(chunk, limit["garble"].encode())
                if limit["latency"]:
                    await asyncio.sleep(limit["latency"] / 1000)
                if limit["rate"]:
                    await asyncio.sleep(len(chunk) / limit["rate"])
                cut = limit["cut_after"] and passed + len(chunk) > limit["cut_after"]
                if cut:
                    chunk = chunk[: max(0, int(limit["cut_after"]) - passed)]
                writer.write(chunk)
                await writer.drain()
                passed += len(chunk)
                self.counts[count] += len(chunk)
                if cut:
                    for one in pair:
                        reset(one)
                    return
            writer.write_eof()
        except (OSError, RuntimeError):  # the peer is gone: so is this side
            for one in pair:
                reset(one)

    async def control(self, reader, writer):
        try:
            target = urlsplit((await reader.readline()).split()[1].decode())
            await self.set(parse_qsl(target.query, keep_blank_values=True))
            status, body = "200 OK", json.dumps(self.state())
        except (IndexError, ValueError) as error:
            status, body = "400 Bad Request", json.dumps({"error": str(error)})
        writer.write(f"HTTP/1.0 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()


def garbled(chunk, text):
    return chunk.replace(text, text[:-1] + bytes([text[-1] ^ 1]))


def reset(writer):
    """Closes with RST, as a crashed peer does."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def main():
    listen, upstream, control = map(int, sys.argv[1:4])
    proxy = FaultProxy(listen, upstream)
    await proxy.listen(True)
    server = await asyncio.start_server(proxy.control, "127.0.0.1", control)
    await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    asyncio.run(main())
