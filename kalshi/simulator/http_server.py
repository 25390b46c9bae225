"""HTTP for the simulator: an ASGI application on Hypercorn's trio worker, on a socket that is bound already.

Hypercorn gets the socket by descriptor, so that a taken port is our error to explain and port 0 our number to
announce. It handles no signals and writes no logs; the surrounding nursery decides when it ends.
"""

from __future__ import annotations

import socket
from typing import Any, Final

import trio
from hypercorn.config import Config
from hypercorn.trio import serve

# The simulator ends at once; answers under way are the client's unknown outcomes, which it must be able to
# bear.
_GRACE_S: Final = 0.2
_KEEP_ALIVE_S: Final = 120.0


async def serve_http(  # noqa: ASYNC128 - hypercorn reports started
    app: Any, bound: socket.socket, *, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serves the application until cancelled; takes the bound socket over."""
    config = Config()
    config.bind = [f"fd://{bound.detach()}"]
    config.accesslog = None
    config.errorlog = None
    config.include_date_header = False
    config.include_server_header = False
    config.graceful_timeout = _GRACE_S
    config.shutdown_timeout = _GRACE_S
    config.keep_alive_timeout = _KEEP_ALIVE_S
    await serve(app, config, shutdown_trigger=trio.sleep_forever, task_status=task_status, mode="asgi")
