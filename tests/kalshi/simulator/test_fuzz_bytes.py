"""Bytes that are no HTTP, and frames that are no WebSocket, over real TCP to a real process, which must live on."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import trio

from kalshi.simulator.exchange import SOCKET_PATH
from tests.kalshi.simulator.customer import PREFIX
from tests.kalshi.simulator.test_process import Program, ends_within, running

pytestmark = [pytest.mark.long, pytest.mark.process]

CONNECTIONS: Final = 400
_AT_ONCE: Final = 8
_HTTP2: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# A server that waits for more is as good as one that has closed; only a second of silence is not worth a test's time.
_ANSWER_S: Final = 0.3
# What is sound up to its end must be answered, however busy the machine is.
_SOUND_S: Final = 30.0


class Bytes:
    """Draws what a connection sends: a sound conversation, cut, doubled, flipped or replaced."""

    def __init__(self, rng: random.Random, program: Program) -> None:
        self._rng = rng
        self._program = program

    def for_http(self) -> bytes:
        path = PREFIX + self._rng.choice(("/portfolio/balance", "/markets?limit=1", "/portfolio/events/orders"))
        method = self._rng.choice(("GET", "POST", "DELETE"))
        return self._broken(self._request(method, path, self._program.headers(method, path)))

    def for_handshake(self) -> bytes:
        return self._broken(self.handshake())

    def for_socket(self) -> bytes:
        """Returns a sound handshake with frames behind it that are not."""
        return self.handshake() + b"".join(self._frame() for _ in range(self._rng.randrange(1, 4)))

    def handshake(self) -> bytes:
        upgrade = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        return self._request("GET", SOCKET_PATH, {**upgrade, **self._program.headers("GET", SOCKET_PATH)})

    def _request(self, method: str, target: str, headers: dict[str, str]) -> bytes:
        body = b'{"ticker":"X"}' if method == "POST" else b""
        lines = [f"{method} {target} HTTP/1.1", "Host: exchange", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    def _broken(self, sound: bytes) -> bytes:
        rng = self._rng
        at = rng.randrange(len(sound))
        match rng.randrange(9):
            case 0:
                return sound[:at]
            case 1:
                return rng.randbytes(rng.choice((1, 100, 70_000)))
            case 2:
                return sound[:at] + rng.randbytes(3) + sound[at + 3 :]
            case 3:
                return sound.replace(b"\r\n", rng.choice((b"\n", b"\r", b"\r\n\r\n", b"\x00")))
            case 4:
                length = rng.choice((b"-1", b"1e9", b"99999999999999999999", b"5, 6", b"\xb2"))
                return sound.replace(b"Content-Length: ", b"Content-Length: " + length)
            case 5:
                return sound.replace(b"Host:", b"Transfer-Encoding: chunked\r\nHost:") + b"zz\r\n\r\n"
            case 6:
                return sound.replace(b"Host:", b"X: " + b"y" * 200_000 + b"\r\nHost:")
            case 7:
                return sound.replace(b"HTTP/1.1", rng.choice((b"HTTP/9.9", b"HTTP/1.0", b"", b"HTTP/2", b"JUNK")))
            case _:
                return _HTTP2 + rng.randbytes(40)

    def _frame(self) -> bytes:
        rng = self._rng
        mask = rng.randbytes(4)
        payload = rng.choice((b"\xff\xfe\xed\xa0\x80", b"{" * 100, b"", rng.randbytes(100), b"[" * 60_000))
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        match rng.randrange(8):
            case 0:
                return b"\x81" + length + mask + masked  # text that is no command, or no UTF-8
            case 1:
                return b"\x81" + bytes([len(payload) & 0x7D]) + payload  # not masked
            case 2:
                return bytes([rng.randrange(256)]) + length + mask + masked  # any opcode and reserved bits
            case 3:
                return b"\x82\xff" + (2**63).to_bytes(8, "big") + mask  # a length of no computer
            case 4:
                return b"\x89\xfe\xff\xff" + mask + bytes(65_535)  # a ping beyond its bound
            case 5:
                return b"\x80" + length + mask + masked  # a continuation of nothing
            case 6:
                return (
                    b"\x88\x82" + mask + bytes(a ^ b for a, b in zip(b"\x00\x01", mask, strict=False))
                )  # close code 1
            case _:
                return rng.randbytes(rng.randrange(1, 200))


async def converse(port: int, sent: bytes, *, first_s: float = _ANSWER_S) -> bytes:
    """Sends and returns what came back until the server closed or fell silent; `first_s` is for the first bytes."""
    received = b""
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError as refused:
        raise AssertionError(f"nobody listens on port {port} any more: {refused.__cause__!r}") from refused
    async with stream:
        with trio.move_on_after(first_s) as scope:
            try:
                await stream.send_all(sent)
                while part := await stream.receive_some():
                    received += part
                    scope.deadline = min(scope.deadline, trio.current_time() + _ANSWER_S)
            except trio.BrokenResourceError:
                pass  # The server has had enough and closed while we were still sending: its right.
    return received


def checked_status(received: bytes, sent: bytes) -> int:
    """Returns the HTTP status of what was answered, 0 for silence or frames of HTTP/2; it must be below 500."""
    if not received or sent.startswith(_HTTP2):
        return 0
    assert received.startswith(b"HTTP/1.1 "), (received[:200], sent[:200])
    status = int(received.split(b" ", 2)[1])
    assert status < 500, (received[:200], sent[:200])
    return status


async def test_a_server_of_bytes_lives_through_nonsense(tmp_path: Path) -> None:
    with running(tmp_path, "--no-flow") as program:
        source = Bytes(random.Random(77), program)
        kinds: tuple[tuple[str, Callable[[], bytes]], ...] = (
            ("rest_port", source.for_http),
            ("ws_port", source.for_handshake),
            ("ws_port", source.for_socket),
            ("truth_port", source.for_http),
        )
        limiter = trio.CapacityLimiter(_AT_ONCE)
        statuses: Counter[int] = Counter()

        async def one(port: int, draw: Callable[[], bytes]) -> None:
            async with limiter:
                sent = draw()  # not before its turn: a signature is good for seconds
                first_s = _SOUND_S if draw == source.for_socket else _ANSWER_S
                statuses[checked_status(await converse(port, sent, first_s=first_s), sent)] += 1

        async with trio.open_nursery() as nursery:
            for number in range(CONNECTIONS):
                name, draw = kinds[number % len(kinds)]
                nursery.start_soon(one, program.ready[name], draw)

        # Many got past the handshake. Not all: what comes behind it may make the server close so hard that it is lost.
        assert statuses[101] > CONNECTIONS // 20
        assert any(400 <= status < 500 for status in statuses)
        assert program.process.poll() is None
        assert program.truth("cash")["cash_e6"] == 10_000_000_000
        assert program.truth("orders") == {"orders": []}
        assert program.send("GET", "/portfolio/balance").status_code == 200
        answer = await converse(program.ready["ws_port"], source.handshake(), first_s=_SOUND_S)
        assert answer.startswith(b"HTTP/1.1 101")
        program.process.send_signal(signal.SIGTERM)
        assert ends_within(program.process, 5) == 0
