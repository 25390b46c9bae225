"""The bench's exchange: a process that sends prepared frames in a burst to whoever connects.

`python -m ops.bench_server SEED DELTAS` prints its port and serves until its standard input closes. In a process of its
own it takes nothing from what is measured, and the same bytes reach every client, whatever it is written with.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio

from ops.bench_frames import make_frames, websocket_bytes

_HANDSHAKE_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SEND_BYTES: Final = 65_536
_END_WITHIN_S: Final = 5.0
_ROOT: Final = Path(__file__).resolve().parent.parent


@contextmanager
def frame_server(seed: int, deltas: int) -> Iterator[str]:
    """Runs the server in a child process; yields its address."""
    command = [sys.executable, "-m", "ops.bench_server", str(seed), str(deltas)]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"ws://127.0.0.1:{int(process.stdout.readline())}/"
        finally:
            process.stdin.close()
            try:
                process.wait(_END_WITHIN_S)
            finally:
                process.kill()


async def serve(frames: list[str]) -> None:
    """Serves on a free loopback port, prints it, and ends with standard input."""
    content = websocket_bytes(frames)
    async with trio.open_nursery() as nursery:
        server = partial(trio.serve_tcp, partial(_serve, content), 0, host="127.0.0.1")
        (listener,) = await nursery.start(server)
        print(listener.socket.getsockname()[1], flush=True)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()


async def _serve(content: bytes, stream: trio.SocketStream) -> None:
    try:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive_some()
            await stream.send_all(_handshake_answer(request))
            for start in range(0, len(content), _SEND_BYTES):
                await stream.send_all(content[start : start + _SEND_BYTES])
            # The client closes first; its half of the handshake is answered so that it need not wait.
            while data := await stream.receive_some():
                if data[0] == 0x88:
                    await stream.send_all(b"\x88\x02\x03\xe8")
                    break
    except trio.BrokenResourceError:
        pass  # The client has seen all it wanted.


def _handshake_answer(request: bytes) -> bytes:
    name = b"sec-websocket-key:"
    key = next(line[len(name) :] for line in request.split(b"\r\n") if line.lower().startswith(name))
    accept = base64.b64encode(hashlib.sha1(key.strip() + _HANDSHAKE_SUFFIX).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


if __name__ == "__main__":
    trio.run(serve, make_frames(int(sys.argv[1]), int(sys.argv[2])))
