"""The short way around the protocol object agrees with it, on any bytes, split anywhere."""

from __future__ import annotations

import logging
import random
import struct

import attrs
import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol
from websockets.uri import parse_uri

from kalshi.socket_frames import FrameReader

STREAMS = 2_000
STREAMS_LONG = 60_000
MESSAGE_MAX = 80_000  # so that some streams pass it
SILENT = logging.Logger("silent", level=logging.CRITICAL + 1)


def client() -> ClientProtocol:
    return ClientProtocol(parse_uri("ws://x/"), state=OPEN, max_size=MESSAGE_MAX, logger=SILENT)


class Obvious(ClientProtocol):
    """The obvious way: every frame through the protocol object, which assembles and decodes as it goes."""

    def __init__(self) -> None:
        super().__init__(parse_uri("ws://x/"), state=OPEN, max_size=MESSAGE_MAX, logger=SILENT)
        self.messages: list[str | bytes] = []
        self.pongs: list[bytes] = []
        self.fragments: list[bytes] = []
        self.kind = Opcode.TEXT

    def recv_frame(self, frame: Frame) -> None:
        super().recv_frame(frame)
        if frame.opcode is Opcode.PONG:
            self.pongs.append(bytes(frame.data))
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self.kind = self.kind if frame.opcode is Opcode.CONT else frame.opcode
            self.fragments.append(bytes(frame.data))
            if frame.fin:
                content, self.fragments = b"".join(self.fragments), []
                # What this raises the library's parser answers with a close, code 1007.
                self.messages.append(content.decode() if self.kind is Opcode.TEXT else content)


@attrs.frozen
class Outcome:
    """What a connection has seen and sent by its end."""

    messages: list[str | bytes]
    pongs: list[bytes]
    sent: list[tuple[int, bytes]]  # frames, unmasked
    state: str
    close_received: str
    has_failed: bool


def outcome(protocol: ClientProtocol, messages: list[str | bytes], pongs: list[bytes], *, has_failed: bool) -> Outcome:
    server = Protocol(SERVER, state=OPEN, max_size=None, logger=SILENT)
    for data in protocol.data_to_send():
        if data:
            server.receive_data(data)
    sent = [(int(event.opcode), bytes(event.data)) for event in server.events_received() if isinstance(event, Frame)]
    return Outcome(messages, pongs, sent, protocol.state.name, str(protocol.close_rcvd), has_failed)


def by_protocol_alone(pieces: list[bytes]) -> Outcome:
    protocol = Obvious()
    for piece in pieces:
        protocol.receive_data(piece)
    protocol.receive_eof()
    return outcome(protocol, protocol.messages, protocol.pongs, has_failed=protocol.parser_exc is not None)


def by_frame_reader(pieces: list[bytes]) -> Outcome:
    protocol = client()
    reader = FrameReader(protocol)
    messages: list[str | bytes] = []
    for piece in pieces:
        messages += reader.receive(piece)
    reader.receive_eof()
    has_failed = reader.failure is not None or protocol.parser_exc is not None
    return outcome(protocol, messages, reader.pongs, has_failed=has_failed)


def frame(rng: random.Random, first: int, payload: bytes, *, is_masked: bool = False) -> bytes:
    """One frame; now and then with a length that is written longer than it need be."""
    mask = 0x80 if is_masked else 0
    size = len(payload)
    form = 0 if size < 126 else 1 if size < 65_536 else 2
    if rng.random() < 0.02:
        form = rng.randint(form, 2)
    if form == 0:
        head = struct.pack("!BB", first, mask | size)
    elif form == 1:
        head = struct.pack("!BBH", first, mask | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask | 127, size)
    return head + (b"\0\0\0\0" if is_masked else b"") + payload


TEXTS = (
    b'{"type":"orderbook_delta","sid":1}\n' * 8,
    b"",
    b"x",
    "\u00e9\u4e2d\U0001f600".encode() * 9,
    b"a" * 125,
    b"a" * 126,
)


def payload(rng: random.Random) -> bytes:
    dice = rng.random()
    if dice < 0.94:
        return rng.choice(TEXTS)
    if dice < 0.95:
        return b"b" * rng.choice((65_535, 65_536, 17_000))
    if dice < 0.96:
        return b"\xff\xfe broken"
    return rng.randbytes(rng.randrange(40))


def stream(rng: random.Random) -> bytes:
    """A connection's bytes: mostly what an exchange sends, with every kind of exception sown in."""
    parts = []
    for _ in range(rng.randrange(1, 25)):
        dice = rng.random()
        if dice < 0.70:
            parts.append(frame(rng, 0x81, payload(rng)))
        elif dice < 0.78:
            parts.append(frame(rng, 0x89, rng.choice((b"heartbeat", b"", b"p" * 125))))
        elif dice < 0.83:
            parts.append(frame(rng, 0x8A, rng.randbytes(rng.randrange(9))))
        elif dice < 0.87:
            parts.append(frame(rng, 0x82, payload(rng)))
        elif dice < 0.94:
            parts += fragmented(rng)
        elif dice < 0.96:
            parts.append(frame(rng, 0x88, rng.choice((b"", b"\x03\xe8", b"\x03\xe9bye", b"\x00", b"\x03\xe8\xff"))))
        elif dice < 0.97:
            parts.append(frame(rng, 0x81, payload(rng), is_masked=True))
        elif dice < 0.973:
            parts.append(frame(rng, 0x81, b"c" * (MESSAGE_MAX + 1)))
        elif dice < 0.99:
            parts.append(frame(rng, rng.randrange(256), payload(rng)))
        else:
            parts.append(rng.randbytes(rng.randrange(1, 12)))
    content = b"".join(parts)
    return content[: rng.randrange(len(content) + 1)] if rng.random() < 0.2 else content


def fragmented(rng: random.Random) -> list[bytes]:
    content = payload(rng)
    cuts = sorted(rng.randrange(len(content) + 1) for _ in range(rng.randrange(1, 4)))
    pieces = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    parts = []
    for number, piece in enumerate(pieces):
        opcode = 0 if number else rng.choice((1, 2))
        parts.append(frame(rng, opcode | (0x80 if number == len(pieces) - 1 else 0), piece))
        if rng.random() < 0.2:  # control frames may come in between; a text may not
            parts.append(frame(rng, rng.choice((0x89, 0x8A, 0x89, 0x81)), b"between"))
    return parts


def split(rng: random.Random, content: bytes) -> list[bytes]:
    size = rng.choice((1, 2, 3, 7, 100, 1_000, 16_384, 16_384, 10**9))
    if size < 100 and len(content) > 600:
        size = 300
    pieces, position = [], 0
    while position < len(content):
        length = size if rng.random() < 0.5 else rng.randrange(1, size + 1)
        pieces.append(content[position : position + length])
        position += length
    return pieces


def agree(seeds: range) -> tuple[int, int]:
    """Returns how many messages were compared, and how many streams ended in a failure."""
    messages = failures = 0
    for seed in seeds:
        rng = random.Random(seed)
        content = stream(rng)
        pieces = split(rng, content)
        expected, found = by_protocol_alone(pieces), by_frame_reader(pieces)
        assert found == expected, f"seed {seed}"
        messages += len(expected.messages)
        failures += expected.has_failed
    return messages, failures


def test_the_short_way_agrees_with_the_protocol_object_on_thousands_of_streams() -> None:
    messages, failures = agree(range(STREAMS))
    assert messages > 4 * STREAMS
    assert STREAMS / 10 < failures < STREAMS


@pytest.mark.long
def test_the_short_way_agrees_with_the_protocol_object_on_sixty_thousand_streams() -> None:
    agree(range(STREAMS, STREAMS + STREAMS_LONG))


def test_whole_small_frames_never_reach_the_protocol_object() -> None:
    class Unused(ClientProtocol):
        def receive_data(self, data: bytes | bytearray) -> None:
            raise AssertionError(f"the protocol object was given {bytes(data)!r}")

    reader = FrameReader(Unused(parse_uri("ws://x/"), state=OPEN))
    rng = random.Random(0)
    content = b"".join(frame(rng, 0x81, text) for text in TEXTS for _ in range(3))
    messages = [message for start in range(0, len(content), 50) for message in reader.receive(content[start:][:50])]
    assert messages == [text.decode() for text in TEXTS for _ in range(3)]


def test_empty_fragments_without_end_take_no_memory() -> None:
    reader = FrameReader(client())
    reader.receive(b"\x01\x01a" + b"\x00\x00" * 10_000)
    assert reader._fragments == [b"a"]
