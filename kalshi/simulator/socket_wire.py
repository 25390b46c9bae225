"""The bytes under the socket server: many text frames in one write, beside trio-websocket on one stream.

trio-websocket sends a message at 13 us each (an event object, wsproto, a lock, a log call, a system call). A server's
text frame is a header and the payload, so the frames that wait are put together here and written at once: a tenth
of that for frames that come in bursts. Handshake, pings, pongs and the closing handshake stay with trio-websocket.

Rules:
1. Both write through one `WireStream`, whose lock keeps frames whole and in order.
2. After the close frame no data follows: whether it has gone out is looked at under the lock.
3. While the exchange plays dead (`SocketHub.fault_silence`) every write waits, answers to pings included.

Rejected: writing on trio-websocket's private stream and lock, which a new version may rename.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import trio

from kalshi.simulator.socket_hub import SocketHub

_FINAL_TEXT: Final = 0x81
_SHORT_MAX: Final = 125
_MEDIUM_MAX: Final = 0xFFFF
_MEDIUM: Final = 126
_LONG: Final = 127
# Headers by payload length, for the lengths that deltas have.
_HEADERS: Final = tuple(
    bytes((_FINAL_TEXT, size)) if size <= _SHORT_MAX else bytes((_FINAL_TEXT, _MEDIUM)) + size.to_bytes(2, "big")
    for size in range(1_024)
)


def text_frames(texts: Sequence[str]) -> bytes:
    """Returns the texts as a server's WebSocket frames: unmasked, whole, one after the other (RFC 6455 §5.2)."""
    parts: list[bytes] = []
    for text in texts:
        payload = text.encode()
        size = len(payload)
        if size < len(_HEADERS):
            parts.append(_HEADERS[size])
        elif size <= _MEDIUM_MAX:
            parts.append(bytes((_FINAL_TEXT, _MEDIUM)) + size.to_bytes(2, "big"))
        else:
            parts.append(bytes((_FINAL_TEXT, _LONG)) + size.to_bytes(8, "big"))
        parts.append(payload)
    return b"".join(parts)


class WireStream(trio.abc.Stream):
    """A stream that two writers share (rule 1), and that falls silent with the exchange (rule 3)."""

    def __init__(self, stream: trio.abc.Stream, hub: SocketHub) -> None:
        self._stream = stream
        self._hub = hub
        self._lock = trio.StrictFIFOLock()
        # Set while a write is under way, and for ever once one was cut short: then no frame may follow.
        self.is_torn = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Writes for trio-websocket."""
        async with self._lock:
            await self._hub.faults.audible.wait()
            await self._write(data)

    async def send_texts(self, texts: Sequence[str], is_closing: Callable[[], bool]) -> None:
        """Writes text frames in one go; nothing once the connection is closing (rule 2)."""
        async with self._lock:
            if not is_closing():
                await self._write(text_frames(texts))

    async def _write(self, data: bytes | bytearray | memoryview) -> None:
        self.is_torn = True
        await self._stream.send_all(data)
        self.is_torn = False

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def break_off(self) -> None:
        """Closes the stream at once, without a farewell."""
        await trio.aclose_forcefully(self._stream)
