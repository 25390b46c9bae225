"""The client process of the stream bench: reads every frame, checks its number, and notes when how many had come."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from kalshi.signing import Signer
from kalshi.simulator.exchange import SOCKET_PATH
from ops.bench_stream_server import KEY_ID, Marks, bench_tickers

_RECEIVE_BYTES: Final = 1 << 18
_WAIT_S: Final = 30.0
_DELTA: Final = b'{"type":"orderbook_delta"'


def _drain(markets: int, total: int) -> None:
    where = json.loads(sys.stdin.readline())
    reader = Reader(where["port"], Signer(KEY_ID, where["private_key_pem"].encode()))
    command = {"channels": ["orderbook_delta"], "market_tickers": bench_tickers(markets)}
    reader.send(json.dumps({"id": 1, "cmd": "subscribe", "params": command}))
    reader.read(lambda: reader.snapshots >= markets)
    print("{}", flush=True)
    reader.read(lambda: reader.deltas >= total)
    print(json.dumps({"marks": reader.marks, "problem": reader.problem}), flush=True)


class Reader:
    """A client that reads frames and does nothing with them but count."""

    def __init__(self, port: int, signer: Signer) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.settimeout(_WAIT_S)
        self._protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}{SOCKET_PATH}"), max_size=None)
        request = self._protocol.connect()
        request.headers.update(signer.headers("GET", SOCKET_PATH, time.time_ns() // 1_000_000))
        self._protocol.send_request(request)
        self._flush()
        self._seq = 0
        self.snapshots = self.deltas = 0
        self.marks: Marks = []
        self.problem = ""

    def send(self, text: str) -> None:
        """Sends one command, once the handshake is through."""
        self.read(lambda: self._protocol.state is State.OPEN)
        self._protocol.send_text(text.encode())
        self._flush()

    def read(self, is_enough: Callable[[], bool]) -> None:
        """Reads until it is enough, or until something is wrong."""
        while not self.problem and not is_enough():
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except TimeoutError:
                self.problem = "(nothing came any more)"
                return
            if not data:
                self.problem = "(the server hung up)"
                return
            before = self.deltas
            self._protocol.receive_data(data)
            for event in self._protocol.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    self._take(bytes(event.data))
            if self.deltas > before:
                self.marks.append((self.deltas, time.monotonic_ns()))
            self._flush()

    def _take(self, text: bytes) -> None:
        is_delta = text.startswith(_DELTA)
        if is_delta or text.startswith(b'{"type":"orderbook_snapshot"'):
            start = text.index(b'"seq":') + 6
            seq = int(text[start : text.index(b",", start)])
            if seq != self._seq + 1:
                self.problem = f"(number {seq} came after {self._seq})"
            self._seq = seq
            self.deltas += is_delta
            self.snapshots += not is_delta
        elif text.startswith(b'{"type":"error"'):
            self.problem = f"({text.decode().strip()})"

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            self._socket.sendall(data)


def main(arguments: Sequence[str]) -> None:
    _drain(int(arguments[0]), int(arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
