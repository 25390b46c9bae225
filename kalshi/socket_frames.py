"""Bytes of a WebSocket server to messages: the protocol object of `websockets`, with a short way around it.

Nearly every frame of a market-data connection is a small, unfragmented, unmasked text frame. Such a frame is cut
straight out of what was read: 0.2 microseconds instead of 2 for the protocol object's generator, its frame object
and its copies. Every other byte goes through the protocol object, which alone knows the rules.

Rules:
1. Only whole frames are cut, only at a frame boundary, only while the connection is open and no fragmented
   message is under way. `_owed` counts what the protocol object still has to see of a frame it was begun on; at
   zero it stands at a boundary.
2. The first byte must be exactly 0x81 (final, no reserved bit, text) and the length below 64 KiB and unmasked.
   So compression must not be negotiated: it would set a reserved bit on every frame.
3. A small frame that is not whole yet waits for the next read (64 KiB at most); a large one is handed over in pieces.
4. What the protocol object does not check is checked here: a text that is no UTF-8 fails the connection with 1007.

Reading the whole buffer as Latin-1 once and cutting texts out of it was measured against cutting bytes and
decoding each: a third faster, for a slice of ASCII text is ASCII text already and needs no second look.

The agreement of the two ways is a property test: any bytes, split anywhere.

Source: RFC 6455 §5; websockets 17.4.
"""

from __future__ import annotations

from typing import Final

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN

_TEXT_FINAL: Final = 0x81
_LENGTH_16_BITS: Final = 126
_LENGTH_64_BITS: Final = 127
_MASKED: Final = 0x80


class FrameReader:
    """Turns what was read into messages; `protocol` answers pings and closes, its writes are the owner's to send."""

    def __init__(self, protocol: ClientProtocol) -> None:
        self._protocol = protocol
        self._rest = b""
        self._owed = 0
        self._fragments: list[bytes] = []
        self._is_text = True
        self.pongs: list[bytes] = []  # the payloads of pongs that came, for the owner to take
        self.failure: Exception | None = None

    def receive(self, data: bytes) -> list[str | bytes]:
        """Returns the messages that `data` completes, in order; never raises for what the peer may send."""
        messages: list[str | bytes] = []
        position = 0
        if self._owed:
            position = min(self._owed, len(data))
            self._owed -= position
            self._hand_over(data[:position], messages)
        elif self._rest:
            data, self._rest = self._rest + data, b""
        size = len(data)
        text = data.decode("latin-1")
        may_cut = self._may_cut
        while size - position > 1:
            if may_cut and data[position] == _TEXT_FINAL and data[position + 1] <= _LENGTH_16_BITS:
                start = position + 2
                length = data[position + 1]
                if length == _LENGTH_16_BITS:
                    start += 2
                    if start > size:
                        break
                    length = data[start - 2] << 8 | data[start - 1]
                stop = start + length
                if stop > size:
                    break
                message = text[start:stop]
                position = stop
                if message.isascii():
                    messages.append(message)
                else:
                    self._decode(data[start:stop], messages)
                    may_cut = self._may_cut
                continue
            length = self._frame_bytes(data, position)
            if not length:
                break
            piece = data[position : position + length]
            self._owed = length - len(piece)
            position += len(piece)
            self._hand_over(piece, messages)
            may_cut = self._may_cut
        self._rest = data[position:]
        return messages

    def receive_eof(self) -> None:
        """Tells the protocol object that the stream has ended, with the unfinished frame before it."""
        if self._rest:
            self._hand_over(self._rest, [])
            self._rest = b""
        self._protocol.receive_eof()

    @property
    def _may_cut(self) -> bool:
        return self._protocol.state is OPEN and self._protocol.current_size is None

    def _frame_bytes(self, data: bytes, position: int) -> int:
        # How many bytes belong to the frame that begins here; 0 while its header is not whole.
        length = data[position + 1]
        if length & _MASKED or not self._is_reading:
            return len(data) - position  # the protocol object refuses it, or has stopped listening
        if length < _LENGTH_16_BITS:
            return 2 + length
        start = position + (4 if length == _LENGTH_16_BITS else 10)
        if start > len(data):
            return 0
        return start - position + int.from_bytes(data[position + 2 : start], "big")

    @property
    def _is_reading(self) -> bool:
        return self.failure is None and self._protocol.parser_exc is None and self._protocol.close_rcvd is None

    def _hand_over(self, data: bytes, messages: list[str | bytes]) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and self.failure is None:
                self._take(event, messages)
        if self._protocol.parser_exc is not None and self.failure is None:
            self.failure = self._protocol.parser_exc

    def _take(self, frame: Frame, messages: list[str | bytes]) -> None:
        if frame.opcode is Opcode.PONG:
            self.pongs.append(bytes(frame.data))
            return
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return  # pings and closes are the protocol object's own business
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        if frame.data:
            self._fragments.append(bytes(frame.data))
        if frame.fin:
            content, self._fragments = b"".join(self._fragments), []
            if self._is_text:
                self._decode(content, messages)
            else:
                messages.append(content)

    def _decode(self, content: bytes, messages: list[str | bytes]) -> None:
        try:
            messages.append(content.decode())
        except UnicodeDecodeError as error:
            self.failure = error
            self._protocol.fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")
