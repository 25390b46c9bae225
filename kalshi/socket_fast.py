"""The `Socket` port on the sans-I/O protocol of `websockets`, over a trio stream.

What it owns: the stream, one reader task, and the order in which bytes leave.

Rules:
1. The reader never waits for the consumer, and never for a peer that does not read: it hands what it has cut to the
   buffer, and answers to pings are flushed by a task of their own. So pings are answered however slow either is.
2. Whatever is to be sent is first put in line at the protocol object, then flushed under one lock: frames leave in
   the order in which they were made. A flush that is broken off half way ends the connection.
3. A peer that pings faster than it reads is cut off once WRITES_WAITING_MAX answers wait.
4. Our own end is a close frame, then the peer's, in CLOSE_S_MAX together; the peer's end is answered in the same time.
5. No extension is offered: see `kalshi.socket_frames`, rule 2.
6. After a read the next one waits for READ_EVERY_S: what comes after a silence is read at once, what comes thick is
   read together. A reader that is woken by every frame of a lively exchange spends more on waking than on reading.

Rejected: the trio connection of `websockets` itself (three times the cost a frame: one task switch and one frame object
each), and reading in the consumer's own task (a slow consumer would leave pings unanswered).
"""

from __future__ import annotations

import logging
import ssl
from contextlib import suppress
from typing import Final

import attrs
import trio
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.protocol import CONNECTING, OPEN
from websockets.uri import parse_uri

from kalshi.errors import Unavailable, excerpt
from kalshi.socket import (
    CLOSE_S_MAX,
    CONNECT_S_MAX,
    MESSAGE_BYTES_MAX,
    SOCKET_BUFFER_FRAMES,
    SocketClosed,
)
from kalshi.socket_buffer import SocketBuffer
from kalshi.socket_frames import FrameReader
from kalshi.socket_network import (
    READ_BYTES,
    OpenStream,
    describe_close,
    first_error,
    open_network_stream,
    opening_error,
    refused_handshake,
)

WRITES_WAITING_MAX: Final = 1_024
# Rule 6. A tenth of what a market maker waits between two decisions.
READ_EVERY_S: Final = 0.005
_HEAD_BYTES_MAX: Final = 65_536  # the head of the exchange's answer to the upgrade
_NORMAL_CLOSURE: Final = 1000
_NAMES: Final = {
    1000: "NORMAL_CLOSURE",
    1001: "GOING_AWAY",
    1002: "PROTOCOL_ERROR",
    1003: "UNSUPPORTED_DATA",
    1005: "NO_STATUS_RCVD",
    1006: "ABNORMAL_CLOSURE",
    1007: "INVALID_FRAME_PAYLOAD_DATA",
    1008: "POLICY_VIOLATION",
    1009: "MESSAGE_TOO_BIG",
    1011: "INTERNAL_ERROR",
    1012: "SERVICE_RESTART",
    1013: "TRY_AGAIN_LATER",
}
# The library's own words about each frame go nowhere; what matters is in SocketClosed.
_SILENT: Final = logging.Logger("kalshi.socket_fast", level=logging.CRITICAL + 1)


async def open_fast_websocket(
    nursery: trio.Nursery,
    url: str,
    headers: list[tuple[str, str]],
    *,
    ssl_context: ssl.SSLContext | None = None,
    connect_s_max: float = CONNECT_S_MAX,
    buffer_frames: int = SOCKET_BUFFER_FRAMES,
    open_stream: OpenStream | None = None,
) -> FastWebSocket:
    """Opens a connection whose tasks live in `nursery`; `open_stream` replaces TCP and TLS, for simulations.

    Raises AuthenticationFailed or Rejected where the exchange refuses the handshake, Unavailable where it
    cannot be reached or does not answer within `connect_s_max` seconds, ValueError for an address that is none.
    The nursery never sees an error of the connection.
    """
    socket = FastWebSocket(buffer_frames)
    opener = open_stream if open_stream is not None else lambda: open_network_stream(url, ssl_context)
    await nursery.start(socket._host, url, headers, opener, connect_s_max)
    return socket


@attrs.frozen
class _Link:
    """An open connection's parts."""

    stream: trio.abc.Stream
    protocol: ClientProtocol
    frames: FrameReader


class FastWebSocket:
    """One connection; see `kalshi.socket.Socket`. Make it with open_fast_websocket()."""

    def __init__(self, buffer_frames: int = SOCKET_BUFFER_FRAMES) -> None:
        self._buffer = SocketBuffer(buffer_frames)
        self._scope = trio.CancelScope()
        self._link: _Link | None = None
        self._writes: list[bytes] = []
        self._write_lock = trio.Lock()
        self._flush_is_due = False
        self._pings_sent = 0
        self._pongs: dict[bytes, trio.Event] = {}
        self._is_closing = False
        self._peer_has_ended = trio.Event()

    async def receive_batch(self) -> list[str | bytes]:
        return await self._buffer.receive_batch()

    async def send(self, text: str) -> None:
        link = self._open_link()
        link.protocol.send_text(text.encode())
        await self._flush_or_fail(link)

    async def ping(self, deadline_s: float) -> None:
        link = self._open_link()
        self._pings_sent += 1
        payload = b"client %d" % self._pings_sent
        self._pongs[payload] = answered = trio.Event()
        link.protocol.send_ping(payload)
        try:
            with trio.move_on_after(deadline_s) as scope:
                await self._flush_or_fail(link)
                await answered.wait()
        finally:
            self._pongs.pop(payload, None)
        if scope.cancelled_caught:
            self._fail(SocketClosed(f"no answer to a ping within {deadline_s:g} s"))
        self._buffer.raise_if_ended()

    async def aclose(self) -> None:
        self._is_closing = True
        try:
            link = self._link
            if self._buffer.end is None and link is not None and link.protocol.state is OPEN:
                with trio.move_on_after(CLOSE_S_MAX):
                    link.protocol.send_close(_NORMAL_CLOSURE)
                    await self._flush_or_fail(link)
                    await self._peer_has_ended.wait()
        finally:
            self._fail(SocketClosed("closed by us"))

    def _open_link(self) -> _Link:
        self._buffer.raise_if_ended()
        if self._link is None:
            raise SocketClosed("not open")
        if self._link.protocol.state is not OPEN:
            self._fail(SocketClosed("the connection is closing"))
            self._buffer.raise_if_ended()
        return self._link

    def _fail(self, end: SocketClosed) -> None:
        self._buffer.fail(end)
        for answered in self._pongs.values():
            answered.set()
        self._scope.cancel()

    # -- sending --

    async def _flush_or_fail(self, link: _Link) -> None:
        is_complete = False
        try:
            await self._flush(link)
            is_complete = True
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The reader may be about to learn more: a close frame may still lie in what has not been read.
            with trio.move_on_after(CLOSE_S_MAX):
                await self._peer_has_ended.wait()
            self._fail(SocketClosed(describe_close(1006, _NAMES[1006], None)))
            self._buffer.raise_if_ended()
        finally:
            if not is_complete:
                # Cancelled between two bytes: what follows would be garbage to the peer.
                self._fail(SocketClosed("a send was broken off half way"))
        self._buffer.raise_if_ended()

    async def _flush(self, link: _Link) -> None:
        self._writes += link.protocol.data_to_send()
        async with self._write_lock:
            while self._writes:
                self._writes, data = [], b"".join(self._writes)
                if data:  # the end mark is empty: the stream is closed as a whole, by the hosting task
                    await link.stream.send_all(data)
                self._writes += link.protocol.data_to_send()

    async def _flush_answers(self, link: _Link) -> None:
        try:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # the reader sees the end as well
                await self._flush(link)
        finally:
            self._flush_is_due = False

    # -- the hosting task --

    async def _host(
        self,
        url: str,
        headers: list[tuple[str, str]],
        open_stream: OpenStream,
        connect_s_max: float,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        failure: Exception | None = None
        stream: trio.abc.Stream | None = None
        try:
            with self._scope:
                with trio.fail_after(connect_s_max):
                    stream = await open_stream()
                    self._link, rest = await self._open(stream, url, headers)
                task_status.started()
                async with trio.open_nursery() as nursery:
                    self._take(self._link, rest, nursery)
                    await self._read(self._link, nursery)
        except* Exception as group:
            failure = first_error(group)
        finally:
            self._peer_has_ended.set()
            self._fail(SocketClosed("closed" if failure is None else f"{type(failure).__name__}: {failure}"))
            if stream is not None:
                await trio.aclose_forcefully(stream)
        if self._link is None and failure is not None:
            raise opening_error(failure, connect_s_max)

    async def _open(self, stream: trio.abc.Stream, url: str, headers: list[tuple[str, str]]) -> tuple[_Link, bytes]:
        protocol = ClientProtocol(parse_uri(url), max_size=MESSAGE_BYTES_MAX, logger=_SILENT)
        request = protocol.connect()
        for name, value in headers:
            request.headers[name] = value
        protocol.send_request(request)
        await stream.send_all(b"".join(protocol.data_to_send()))
        rest = await self._read_answer(protocol, stream)
        return _Link(stream, protocol, FrameReader(protocol)), rest

    async def _read_answer(self, protocol: ClientProtocol, stream: trio.abc.Stream) -> bytes:
        """Returns the bytes that came behind the answer's head. Raises what a refusal means."""
        received = b""
        while b"\r\n\r\n" not in received:
            if len(received) > _HEAD_BYTES_MAX:
                raise Unavailable("the answer to the WebSocket handshake has no end")
            received += await _more(stream)
        head, mark, rest = received.partition(b"\r\n\r\n")
        protocol.receive_data(head + mark)
        while protocol.state is CONNECTING and protocol.handshake_exc is None:
            protocol.receive_data(rest or await _more(stream))
            rest = b""
        match protocol.handshake_exc:
            case None:
                return rest
            case InvalidStatus(response=response):
                names = {name.lower(): value for name, value in response.headers.raw_items()}
                raise refused_handshake(response.status_code, names, bytes(response.body or b""))
            case InvalidHandshake() as error:
                raise Unavailable(f"no WebSocket handshake: {excerpt(str(error))}")
            case error:
                raise error

    async def _read(self, link: _Link, nursery: trio.Nursery) -> None:
        while link.protocol.close_rcvd is None and link.frames.failure is None:
            try:
                data = await link.stream.receive_some(READ_BYTES)
            except trio.BrokenResourceError:
                data = b""
            if not data:
                link.frames.receive_eof()
                break
            self._take(link, bytes(data), nursery)
            await trio.sleep(READ_EVERY_S)
        self._peer_has_ended.set()
        with trio.move_on_after(CLOSE_S_MAX):
            await self._flush_answers(link)  # the peer's close is answered
        if not self._is_closing:
            self._fail(SocketClosed(_describe_end(link)))
        await trio.sleep_forever()  # until _fail(): aclose() says itself how it ended

    def _take(self, link: _Link, data: bytes, nursery: trio.Nursery) -> None:
        messages = link.frames.receive(data)
        if messages:
            overflow = self._buffer.put(messages, len(data))
            if overflow is not None:
                self._fail(overflow)
        if link.frames.pongs:
            pongs, link.frames.pongs = link.frames.pongs, []
            for payload in pongs:
                answered = self._pongs.get(payload)
                if answered is not None:
                    answered.set()
        self._writes += link.protocol.data_to_send()
        if len(self._writes) > WRITES_WAITING_MAX:
            self._fail(SocketClosed(f"the peer left {WRITES_WAITING_MAX} answers to its pings unread"))
        elif self._writes and not self._flush_is_due:
            self._flush_is_due = True
            nursery.start_soon(self._flush_answers, link)


def _describe_end(link: _Link) -> str:
    close = link.protocol.close_rcvd
    failure = link.frames.failure
    if failure is not None and not isinstance(failure, EOFError):
        return f"the peer broke the protocol: {excerpt(str(failure))}"
    if close is None:
        return describe_close(1006, _NAMES[1006], None)
    return describe_close(int(close.code), _NAMES.get(int(close.code), "UNKNOWN"), close.reason)


async def _more(stream: trio.abc.Stream) -> bytes:
    try:
        data = await stream.receive_some(READ_BYTES)
    except trio.BrokenResourceError:
        data = b""
    if not data:
        raise Unavailable("the exchange hung up during the WebSocket handshake")
    return bytes(data)
