"""A slow link to Redis: in its network namespace, pass on what comes and goes, each way later.

usage: python slow_link.py MILLISECONDS

Listens on the container's own address once Redis has left it, and speaks to Redis on the loopback.
The delay is a round trip's: half of it each way. What follows close behind is not delayed further.
"""

import asyncio
import contextlib
import socket
import sys

PORT = 6379
AGAIN_SECONDS = 0.02


def address() -> str:
    """Return this container's address: no packet is sent to find it."""
    return socket.gethostbyname(socket.gethostname())


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Send on what comes, that much later, and the end of it too."""
    loop = asyncio.get_running_loop()
    late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def send() -> None:
        data = b"-"
        while data:
            due, data = await late.get()
            await asyncio.sleep(due - loop.time())
            writer.write(data)
            await writer.drain()
        writer.close()

    sending = asyncio.create_task(send())
    data = b"-"
    while data:
        try:
            data = await reader.read(65536)
        except ConnectionError:
            data = b""
        late.put_nowait((loop.time() + delay, data))
    with contextlib.suppress(ConnectionError):
        await sending


async def serve(delay: float) -> None:
    """Serve for ever; `delay` is in seconds, one way."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward = await asyncio.open_connection("127.0.0.1", PORT)
        except ConnectionError:
            writer.close()
            return
        await asyncio.gather(pass_on(reader, onward[1], delay), pass_on(onward[0], writer, delay))

    while True:
        try:
            server = await asyncio.start_server(connect, address(), PORT)
        except OSError:
            await asyncio.sleep(AGAIN_SECONDS)
            continue
        async with server:
            await server.serve_forever()


asyncio.run(serve(float(sys.argv[1]) / 2000))
