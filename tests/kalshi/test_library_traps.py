"""The traps of the network libraries, each against the real library on loopback, in our own terms.

Traps that a plainer test of the socket port or of the REST client sets off already stand there: `test_socket` (a slow
consumer and the server's pings, a ping under way when the connection dies, a close without an answer), `test_rest_tcp`
(total deadlines, what a cancellation leaves behind).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count

import attrs
import pytest
import trio
import trio.testing
from trio_websocket import WebSocketConnection, WebSocketRequest

from kalshi.errors import OutcomeUnknown
from kalshi.feed_connection import FeedConnection, FeedParameters
from kalshi.feed_events import FeedEvent
from kalshi.rest import make_http
from kalshi.signing import Signer
from kalshi.socket import CLOSE_S_MAX, Socket, SocketClosed
from kalshi.socket_transports import TRANSPORTS, OpenWebSocket
from ops.modes import Endpoints
from ops.ports import network_ports
from ops.settings import Settings
from tests.kalshi.rest_doubles import (
    PRIVATE_PEM,
    client_on,
    http_answer,
    make_budget,
    read_request,
    serving,
    tcp_server,
)
from tests.kalshi.test_rest import CREATE
from tests.kalshi.websocket_servers import complete_handshake, raw_websocket_server, tcp, tls_contexts, websocket_server

PING_EVERY_S = 0.05
PING_DEADLINE_S = 0.2
SOON_S = 5.0  # a bound against hanging for ever, far beyond the deadlines above
BALANCE = {"balance_dollars": "1.0000", "updated_ts": 1}
MORE_THAN_BUFFERS_HOLD = "x" * 4_000_000

Peer = Callable[[trio.SocketStream], Awaitable[None]]


@pytest.fixture(params=sorted(TRANSPORTS))
def open_websocket(request: pytest.FixtureRequest) -> OpenWebSocket:
    return TRANSPORTS[request.param]


async def takes_everything_and_says_nothing(stream: trio.SocketStream) -> None:
    """A half-open connection, as a firewall leaves it: our bytes go away, nothing comes back."""
    await complete_handshake(stream)
    while await stream.receive_some():
        pass


async def stops_reading(stream: trio.SocketStream) -> None:
    """A peer that hangs: its machine acknowledges until the buffers are full, then our writes wait."""
    await complete_handshake(stream)
    await trio.sleep_forever()


# -- trio-websocket and the other transport --


@attrs.define(eq=False)
class Owner:
    """Keeps what one feed connection tells."""

    reasons: list[str] = attrs.field(factory=list)
    times_connected: int = 0
    twice: trio.Event = attrs.field(factory=trio.Event)
    numbers: count[int] = attrs.field(factory=lambda: count(1))

    def now(self) -> float:
        return trio.current_time()

    def jitter(self) -> float:
        return 1.0

    def next_generation(self) -> int:
        return next(self.numbers)

    def connected(self, connection: FeedConnection) -> None:
        self.times_connected += 1
        if self.times_connected == 2:
            self.twice.set()

    def happened(self, connection: FeedConnection, event: FeedEvent) -> None:
        """What comes is not looked at here."""

    def disconnected(self, connection: FeedConnection, reason: str) -> None:
        self.reasons.append(reason)


async def reconnects(open_websocket: OpenWebSocket, peer: Peer, text: str = "") -> Owner:
    """Runs a feed connection against a peer until it has opened a second one; `text` is sent on the first."""
    owner = Owner()
    async with tcp(peer) as port, trio.open_nursery() as nursery:

        async def connect(inner: trio.Nursery) -> Socket:
            socket = await open_websocket(inner, f"ws://127.0.0.1:{port}/", [])
            if text:
                inner.start_soon(send_and_end, socket, text)
            return socket

        parameters = FeedParameters(
            ping_every_s=PING_EVERY_S, ping_deadline_s=PING_DEADLINE_S, reconnect_first_s=0.01, reconnect_max_s=0.02
        )
        connection = FeedConnection(number=0, parameters=parameters, connect=connect, owner=owner)
        nursery.start_soon(connection.run)
        with trio.fail_after(SOON_S):
            await owner.twice.wait()
        nursery.cancel_scope.cancel()
    return owner


async def send_and_end(socket: Socket, text: str) -> None:
    with pytest.raises(SocketClosed):
        await socket.send(text)


async def test_a_hanging_ping_is_noticed_by_the_feed_and_costs_one_reconnect(open_websocket: OpenWebSocket) -> None:
    owner = await reconnects(open_websocket, takes_everything_and_says_nothing)
    assert "no answer to a ping" in owner.reasons[0]


async def test_a_reader_that_stopped_is_noticed_while_a_send_waits_for_it(open_websocket: OpenWebSocket) -> None:
    """The ping cannot even leave, for the send before it is stuck; its deadline ends both, and either may tell."""
    owner = await reconnects(open_websocket, stops_reading, MORE_THAN_BUFFERS_HOLD)
    assert any(words in owner.reasons[0] for words in ("no answer to a ping", "broken off half way"))


async def test_those_who_wait_to_send_are_all_told_when_one_of_them_is_cancelled(open_websocket: OpenWebSocket) -> None:
    """Its half frame makes the connection useless; nobody else may wait for ever, or send into the middle of it."""
    told: list[str] = []

    async def send(socket: Socket) -> None:
        try:
            await socket.send("more")
        except SocketClosed as closed:
            told.append(str(closed))

    async with tcp(stops_reading) as port, trio.open_nursery() as nursery:
        socket = await open_websocket(nursery, f"ws://127.0.0.1:{port}/", [])
        with trio.fail_after(SOON_S):
            async with trio.open_nursery() as senders, trio.open_nursery() as blocked:
                blocked.start_soon(socket.send, MORE_THAN_BUFFERS_HOLD)
                await trio.sleep(0.1)
                for _ in range(3):
                    senders.start_soon(send, socket)
                await trio.testing.wait_all_tasks_blocked()
                blocked.cancel_scope.cancel()
        with trio.fail_after(SOON_S), pytest.raises(SocketClosed):
            await socket.receive_batch()
        nursery.cancel_scope.cancel()
    assert len(told) == 3


async def test_closing_on_a_peer_that_stopped_reading_takes_no_longer_than_its_bound(
    open_websocket: OpenWebSocket,
) -> None:
    async with tcp(stops_reading) as port, trio.open_nursery() as nursery:
        socket = await open_websocket(nursery, f"ws://127.0.0.1:{port}/", [])
        nursery.start_soon(send_and_end, socket, MORE_THAN_BUFFERS_HOLD)
        await trio.sleep(0.05)
        with trio.fail_after(CLOSE_S_MAX + 3):
            await socket.aclose()
        nursery.cancel_scope.cancel()


async def test_a_message_of_several_megabytes_is_read_and_not_the_end(open_websocket: OpenWebSocket) -> None:
    """The library's own limit is one; a full-depth snapshot may be larger."""

    async def wide(connection: WebSocketConnection) -> None:
        await connection.send_message("x" * 3_000_000)
        await trio.sleep_forever()

    async with websocket_server(wide) as url, trio.open_nursery() as nursery:
        socket = await open_websocket(nursery, url, [])
        with trio.fail_after(SOON_S):
            (message,) = await socket.receive_batch()
        assert len(message) == 3_000_000
        nursery.cancel_scope.cancel()


async def test_no_extension_is_offered_that_could_not_be_read(open_websocket: OpenWebSocket) -> None:
    offered: list[bytes] = []

    async def accept(request: WebSocketRequest) -> None:
        offered.extend(name.lower() for name, _ in request.headers)
        await request.accept()

    async with raw_websocket_server(accept) as url, trio.open_nursery() as nursery:
        await open_websocket(nursery, url, [])
        nursery.cancel_scope.cancel()
    assert b"sec-websocket-key" in offered
    assert b"sec-websocket-extensions" not in offered


# -- httpx and httpcore --


async def test_a_wedged_pool_of_the_data_plane_leaves_the_control_plane_free() -> None:
    """Every connection for orders hangs and more orders wait: the fence goes out all the same, at once."""
    under_way, is_over, unknown = 0, trio.Event(), 0

    async def hang_on_creates(stream: trio.SocketStream) -> None:
        nonlocal under_way
        while request := await read_request(stream):
            if request.startswith(b"POST "):
                under_way += 1
                await is_over.wait()
                return
            await stream.send_all(http_answer(200, {}))

    async def create() -> None:
        nonlocal unknown
        with pytest.raises(OutcomeUnknown):
            await data.create_order(CREATE)
        unknown += 1

    settings = Settings().exchange
    async with tcp_server(hang_on_creates) as base_url, trio.open_nursery() as nursery:
        endpoints = Endpoints(base_url=base_url, websocket_url="ws://127.0.0.1:1/")
        ports = network_ports(endpoints, settings, Signer("key-1", PRIVATE_PEM), lambda: 0)
        budget = make_budget()
        data = client_on(
            ports.data_http, base_url, budget=budget, connections=settings.data_connections, deadline_s=60.0
        )
        control = client_on(
            ports.control_http, base_url, budget=budget, connections=settings.control_connections, deadline_s=3.0
        )
        for _ in range(2 * settings.data_connections):
            nursery.start_soon(create)
        with trio.fail_after(SOON_S):
            while under_way < settings.data_connections:  # noqa: ASYNC110 - the server gives no other sign
                await trio.sleep(0.01)
            await control.trigger_order_group("g-1", 0)
        assert (under_way, unknown) == (settings.data_connections, 0), "every order still hangs or waits"
        is_over.set()
        nursery.cancel_scope.cancel()
    assert unknown == settings.data_connections
    await ports.aclose()


async def test_connections_of_a_burst_are_kept_for_the_next_one() -> None:
    """The pool trims idle connections by the number of all; with a smaller bound each burst would connect anew."""
    connections, opened = 6, 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal opened
        opened += 1
        while await read_request(stream):
            await trio.sleep(0.01)
            await stream.send_all(http_answer(200, BALANCE))

    async with serving(serve, connections=connections) as client:
        for _ in range(4):
            async with trio.open_nursery() as nursery:
                for _ in range(connections):
                    nursery.start_soon(client.balance)
    assert opened == connections


async def test_http_2_is_not_spoken_where_the_server_would_like_to() -> None:
    server_side, client_side = tls_contexts()
    server_side.set_alpn_protocols(["h2", "http/1.1"])
    chosen: list[str | None] = []

    async def serve(stream: trio.SocketStream) -> None:
        secure = trio.SSLStream(stream, server_side, server_side=True, https_compatible=True)
        await secure.do_handshake()
        chosen.append(secure.selected_alpn_protocol())
        await read_request(secure)  # type: ignore[arg-type]
        await secure.send_all(http_answer(200, BALANCE))
        await trio.sleep_forever()

    async with tcp_server(serve) as base_url:
        address = base_url.replace("http://127.0.0.1", "https://localhost")
        async with make_http(address, 1, client_side) as http:
            await client_on(http, address, connections=1, deadline_s=SOON_S).balance()
    assert chosen == ["http/1.1"]


async def test_a_pool_that_was_worn_by_cancelled_requests_serves_its_full_number_at_once() -> None:
    """Slots that the library loses never come back; with all of them a burst is under way at once."""
    connections, under_way, most = 4, 0, 0
    is_slow = False

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal under_way, most
        while await read_request(stream):
            under_way += 1
            most = max(most, under_way)
            await trio.sleep(0.05 if is_slow else 0.002)
            under_way -= 1
            await stream.send_all(http_answer(200, BALANCE))

    async def impatient(read: Callable[[], Awaitable[object]], patience_s: float) -> None:
        with trio.move_on_after(patience_s):
            await read()

    async with serving(serve, connections=connections) as client:
        for _ in range(10):
            async with trio.open_nursery() as nursery:
                for number in range(24):
                    nursery.start_soon(partial(impatient, client.balance, 0.001 * number))
        await trio.sleep(0.05)
        is_slow, under_way, most = True, 0, 0
        with trio.fail_after(SOON_S):
            async with trio.open_nursery() as nursery:
                for _ in range(2 * connections):
                    nursery.start_soon(client.balance)
    assert most == connections
