"""A relay in front of the search server that notes when each watched document was acknowledged.

It runs as a process of its own and passes bytes on as they come. When an answer begins, the ids of the request it
belongs to are matched, and each id found is sent to the parent with the time of that moment.
"""
import asyncio
import multiprocessing
import re
import time
import zlib


class Exchange:
    """The request of one connection that has no answer yet (requests are not pipelined)."""

    def __init__(self):
        self.request = bytearray()
        self.answered = False

    def asked(self, data):
        if self.answered:
            self.request.clear()
            self.answered = False
        self.request += data

    def ids(self, pattern):
        """The watched ids of the request, once."""
        if self.answered:
            return []
        self.answered = True
        head, _, body = bytes(self.request).partition(b"\r\n\r\n")
        if b"content-encoding: gzip" in head.lower():
            body = zlib.decompress(body, 31)
        return pattern.findall(body)


async def carry(reader, writer, note):
    try:
        while data := await reader.read(1 << 16):
            note(data)
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def serve(target, pattern, pipe):
    async def accepted(reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        exchange = Exchange()

        def answered(_):
            now = time.monotonic()
            for found in exchange.ids(pattern):
                pipe.send((int(found), now))

        await asyncio.gather(carry(reader, far_writer, exchange.asked), carry(far_reader, writer, answered))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def start(target, pattern):
    """Answers (the relay's port, the pipe from which (id, time) is received)."""
    ours, theirs = multiprocessing.Pipe()
    run = lambda: asyncio.run(serve(target, re.compile(pattern), theirs))
    multiprocessing.get_context("fork").Process(target=run, daemon=True).start()
    return ours.recv(), ours
