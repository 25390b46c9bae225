"""HTTP for the simulator: an ASGI application on Hypercorn's trio server, on a socket that is bound already.

The listening is our own, one `TCPServer` of Hypercorn per connection: so a taken port is our error to explain,
port 0 our number to announce, and a faulty stream can lie under the server. Hypercorn's `serve` has no place
for one. It handles no signals, writes no logs and runs no lifespan; the surrounding nursery decides when it ends.
"""

from __future__ import annotations

import socket
from typing import Any, Final

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from kalshi.simulator.fault_stream import FaultyListener, StreamFaults

_KEEP_ALIVE_S: Final = 120.0


async def serve_http(  # noqa: ASYNC128 - trio.serve_listeners reports started
    app: Any,
    bound: socket.socket,
    faults: StreamFaults | None = None,
    *,
    task_status: trio.TaskStatus[list[Any]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves the application on a bound and listening socket until cancelled; answers under way are lost then."""
    listener: Any = trio.SocketListener(trio.socket.from_stdlib_socket(bound))
    if faults is not None:
        listener = FaultyListener(listener, faults, "rest")
    config, context, wrapped = server_config(), WorkerContext(None), ASGIWrapper(app)

    async def talk(stream: Any) -> None:
        await TCPServer(wrapped, config, context, ConnectionState({}), stream)

    async with trio.open_nursery() as nursery:
        if faults is not None:
            nursery.start_soon(_release_at_the_end, faults)
        await trio.serve_listeners(talk, [listener], task_status=task_status)


def server_config() -> Config:
    """Returns how Hypercorn serves the exchange: silent, and with dates and names left to the application."""
    config = Config()
    config.include_date_header = False
    config.include_server_header = False
    config.keep_alive_timeout = _KEEP_ALIVE_S
    config.accesslog = None
    config.errorlog = None
    return config


async def _release_at_the_end(faults: StreamFaults) -> None:
    try:
        await trio.sleep_forever()
    finally:
        faults.release()
