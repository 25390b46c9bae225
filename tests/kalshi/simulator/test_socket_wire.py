"""The wire itself, read by two clients of different makes: many frames in one write, large ones, endings, nonsense."""

from __future__ import annotations

import json
import random

import pytest
import trio
import trio.testing
from wsproto.events import Ping, Request, TextMessage
from wsproto.frame_protocol import FrameProtocol, Opcode

from kalshi.simulator.events import BookDelta
from kalshi.simulator.exchange import SOCKET_PATH
from kalshi.simulator.socket_server import serve_stream
from kalshi.simulator.socket_wire import text_frames
from kalshi.types import Side
from tests.kalshi.simulator.customer import TICKER, World
from tests.kalshi.simulator.socket_clients import MAKES, Connect, ConnectionLost, Refused, hear, say, serving, signed
from tests.kalshi.simulator.test_socket_server import RawClient, connected, signed_by_alice

ELSEWHERE = (
    b"GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

every_make = pytest.mark.parametrize("connect", MAKES)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 1_023, 1_024, 65_535, 65_536, 200_000])
def test_frames_of_every_length_read_as_they_were_written(size: int) -> None:
    texts = ["x" * size, "ü" * (size // 2), "{}\n"]
    reader = FrameProtocol(client=True, extensions=[])
    reader.receive_bytes(text_frames(texts))
    read = [""]
    for frame in reader.received_frames():
        assert frame.opcode is Opcode.TEXT
        read[-1] += str(frame.payload)
        if frame.message_finished:
            read.append("")
    assert read == [*texts, ""]


def publish_deltas(world: World, count: int, ticker: str = TICKER) -> None:
    for number in range(count):
        world.exchange.core.clock += 1
        world.exchange.core.publish(
            BookDelta(
                ticker=ticker,
                side=Side.BID,
                price_e4=100 * (1 + number % 98),
                delta_e2=100,
                ts_ms=world.clock(),
                account_id=None,
                client_order_id=None,
            )
        )


@every_make
async def test_a_burst_arrives_whole_and_in_order(connect: Connect) -> None:
    world = World()
    with trio.fail_after(20):
        async with serving(world) as port, connect(port, signed(world.alice)) as client:
            await say(client, 1, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER])
            assert [frame["type"] for frame in await hear(client, 2)] == ["subscribed", "orderbook_snapshot"]
            publish_deltas(world, 2_000)
            numbers = [json.loads(await client.receive())["seq"] for _ in range(1_800)]
            numbers += [frame["seq"] for frame in await hear(client, 200)]
            assert numbers == list(range(2, 2_002))
            await say(client, 2, "list_subscriptions")
            assert (await hear(client, 1))[0]["msg"] == [{"channel": "orderbook_delta", "sid": 1}]


@every_make
async def test_an_answer_beyond_64_kib_arrives_whole(connect: Connect) -> None:
    world = World()
    names = [f"KXNOBODY-26NOV25-T{number:05d}" for number in range(4_000)]
    with trio.fail_after(20):
        async with serving(world) as port, connect(port, signed(world.alice)) as client:
            await say(client, 1, "subscribe", channels=["trade"], market_tickers=names[:1])
            await say(client, 2, "subscribe", channels=["trade"], market_tickers=names)
            merged = (await hear(client, 2))[1]
            assert merged["msg"]["market_tickers"] == names


@every_make
async def test_a_refused_handshake_has_a_status_and_a_json_body(connect: Connect) -> None:
    world = World()
    with trio.fail_after(20):
        async with serving(world) as port:
            with pytest.RaisesGroup(
                pytest.RaisesExc(Refused, check=is_unknown_key), allow_unwrapped=True, flatten_subgroups=True
            ):
                async with connect(port, {**signed(world.alice), "KALSHI-ACCESS-KEY": "nobody"}):
                    raise AssertionError("the handshake must not succeed")


def is_unknown_key(refused: Refused) -> bool:
    return refused.status == 401 and json.loads(refused.body)["error"]["details"] == "NOT_FOUND"


@every_make
async def test_too_many_connections_of_one_account_are_refused(connect: Connect) -> None:
    world = World(socket_connections_max=1)
    with trio.fail_after(20):
        async with serving(world) as port, connect(port, signed(world.alice)):
            async with connect(port, signed(world.bob)):
                pass
            with pytest.RaisesGroup(Refused, allow_unwrapped=True, flatten_subgroups=True):
                async with connect(port, signed(world.alice)):
                    raise AssertionError("the handshake must not succeed")


@every_make
async def test_a_connection_can_break_off_in_the_middle_of_everything(connect: Connect) -> None:
    world = World()
    with trio.fail_after(20):
        async with serving(world) as port, connect(port, signed(world.alice)) as client:
            await say(client, 1, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER])
            await hear(client, 2)
            publish_deltas(world, 50)
            assert world.exchange.hub.fault_drop_all() == 1
            with pytest.raises(ConnectionLost) as lost:
                await hear(client, 51)
            assert lost.value.code == 1006


@every_make
async def test_a_reader_that_is_too_slow_gets_error_25_and_keeps_the_socket(connect: Connect) -> None:
    world = World(socket_buffer_frames=200)
    with trio.fail_after(20):
        async with serving(world) as port, connect(port, signed(world.alice)) as client:
            await say(client, 1, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER])
            await hear(client, 2)
            (session,) = world.exchange.hub.sessions()
            # Without a turn for the writer in between, as if the kernel's buffers were full.
            publish_deltas(world, 300)
            assert session.subscription("orderbook_delta") is None
            (error,) = await hear(client, 1)
            assert (error["type"], error["sid"], error["msg"]["code"]) == ("error", 1, 25)
            await say(client, 2, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER])
            again = await hear(client, 2)
            assert again[0]["msg"]["sid"] == 2
            assert again[1]["seq"] == 1


async def test_a_client_that_reads_nothing_at_all_stops_nobody_and_loses_its_subscription() -> None:
    world = World(socket_buffer_frames=2_000)
    with trio.fail_after(20):
        async with connected(world, signed_by_alice(world)) as client:
            await client.events()
            command = {"channels": ["orderbook_delta"], "market_tickers": [TICKER]}
            await client.send(TextMessage(data=json.dumps({"id": 1, "cmd": "subscribe", "params": command})))
            await client.events()
            (session,) = world.exchange.hub.sessions()
            rounds = 0
            while session.subscription("orderbook_delta") is not None:
                publish_deltas(world, 1_000)
                await trio.lowlevel.checkpoint()
                rounds += 1
                assert rounds < 500
            assert rounds > 2, "what the writer holds and what waits behind it are two buffers"


async def test_while_the_exchange_plays_dead_not_even_pings_come_or_are_answered() -> None:
    world = World(heartbeat_s=0.05)
    with trio.fail_after(20):
        async with connected(world, signed_by_alice(world)) as client:
            await client.events()
            world.exchange.hub.fault_silence(60.0)
            await client.send(Ping(payload=b"are you there"))
            with trio.move_on_after(0.3) as waiting:
                received = await client.events()
                raise AssertionError(f"the dead said {received}")
            assert waiting.cancelled_caught


@pytest.mark.parametrize("begins", ["before the handshake", "after it"])
async def test_nonsense_on_the_wire_ends_at_most_its_own_connection(begins: str) -> None:
    world = World()
    rng = random.Random(11)
    with trio.fail_after(30):
        async with serving(world) as port:
            for _ in range(60):
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    await _talk_nonsense(world, stream, rng, shakes_hands=begins == "after it")
            async with MAKES[1](port, signed(world.alice)) as client:
                await say(client, 1, "list_subscriptions")
                assert await hear(client, 1) == [{"type": "ok", "id": 1, "msg": []}]
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert world.exchange.hub.sessions() == ()


@pytest.mark.parametrize(
    "first_bytes",
    [
        b"NONSENSE\r\n\r\n",
        ELSEWHERE,
        b"",
    ],
)
async def test_a_client_that_is_gone_before_its_answer_harms_nobody(first_bytes: bytes) -> None:
    """The library raises from its reader task where the answer to a broken request cannot be sent."""
    world = World()
    client, server = trio.testing.memory_stream_pair()
    await client.send_all(first_bytes)
    await client.receive_stream.aclose()
    if not first_bytes:
        await client.aclose()
    with trio.fail_after(20):
        await serve_stream(world.exchange, server)
    assert world.exchange.hub.sessions() == ()


async def _talk_nonsense(world: World, stream: trio.SocketStream, rng: random.Random, *, shakes_hands: bool) -> None:
    try:
        if shakes_hands:
            client = RawClient(stream)
            extra = [(name.encode(), value.encode()) for name, value in signed_by_alice(world).items()]
            await client.send(Request(host="127.0.0.1", target=SOCKET_PATH, extra_headers=extra))
            await client.events()
            data = bytearray(rng.choice((b"\x81", b"\x01", b"\x80", b"\x89", b"\x88", b"\x82", b"\xf1")))
        else:
            data = bytearray(rng.choice((b"GET ", b"", b"POST / HTTP/1.1\r\n", b"\x16\x03\x01")))
        data += rng.randbytes(rng.randint(1, 200))
        await stream.send_all(data)
        if rng.random() < 0.3:
            await stream.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # The server may hang up at any byte.
