"""A network between bot and exchange that can be cut: TCP on loopback, whose bytes pass, or vanish both ways."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.process.stage import Exchange

CHUNK_BYTES = 65_536
_POLL_S = 0.05


class Proxy:
    """Two doors, for REST and for the WebSocket; `cut` lets everything vanish without a word, as a pulled cable."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._is_cut = threading.Event()
        self._is_over = threading.Event()
        self._doors = {port: self._listen(port) for port in (exchange.rest_port, exchange.ws_port)}

    def environment(self) -> dict[str, str]:
        """Returns what a bot needs to trade through here."""
        rest, websocket = (self._doors[port] for port in (self._exchange.rest_port, self._exchange.ws_port))
        return {
            **self._exchange.environment(),
            "KALSHI_BASE_URL": f"http://127.0.0.1:{rest}/trade-api/v2",
            "KALSHI_BOT__EXCHANGE__WEBSOCKET_URL": f"ws://127.0.0.1:{websocket}/trade-api/ws/v2",
        }

    def cut(self) -> None:
        self._is_cut.set()

    def mend(self) -> None:
        """Lets bytes of new connections pass; those of the old ones stay lost."""
        self._is_cut.clear()

    def end(self) -> None:
        self._is_over.set()

    def _listen(self, port: int) -> int:
        door = socket.create_server(("127.0.0.1", 0))
        door.settimeout(_POLL_S)
        threading.Thread(target=self._accept, args=(door, port), daemon=True).start()
        return int(door.getsockname()[1])

    def _accept(self, door: socket.socket, port: int) -> None:
        with door:
            while not self._is_over.is_set():
                with suppress(TimeoutError):
                    client, _ = door.accept()
                    server = socket.create_connection(("127.0.0.1", port))
                    lost = threading.Event()
                    for source, target in ((client, server), (server, client)):
                        threading.Thread(target=self._pass_on, args=(source, target, lost), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, lost: threading.Event) -> None:
        source.settimeout(_POLL_S)
        with suppress(OSError), source:
            while not self._is_over.is_set():
                if self._is_cut.is_set():
                    lost.set()
                try:
                    data = source.recv(CHUNK_BYTES)
                except TimeoutError:
                    continue
                if lost.is_set():
                    continue
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)


@contextmanager
def cut_by(exchange: Exchange) -> Iterator[Proxy]:
    """Runs a proxy before the exchange."""
    proxy = Proxy(exchange)
    try:
        yield proxy
    finally:
        proxy.end()
