"""I27 in mode `shadow`: below every client of the real exchange lies a way that carries reads and nothing else."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import attrs
import httpx
import pytest

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import CancelOrder, CreateOrder, DecreaseOrder, SelfTradePrevention, Side, TimeInForce
from ops.shadow_upstream import PUBLIC_CHANNELS, ReadOnlySocket, ReadOnlyTransport, Upstream, WouldWrite
from quant.invariants import InvariantViolation
from tests.kalshi.simulator.customer import TICKER, World
from tests.ops.shadow_stage import upstream_of


@attrs.define
class Line:
    """The far end of a socket: keeps what was sent."""

    sent: list[str] = attrs.field(factory=list)

    async def receive_batch(self) -> list[str | bytes]:
        return ["{}"]

    async def send(self, text: str) -> None:
        self.sent.append(text)

    async def ping(self, deadline_s: float) -> None:
        self.sent.append(f"ping within {deadline_s:g} s")

    async def aclose(self) -> None:
        self.sent.append("closed")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "get", "QUERY"])
async def test_the_transport_refuses_every_method_but_get_before_anything_is_sent(method: str) -> None:
    arrived: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        arrived.append(request.method)
        return httpx.Response(200)

    transport = ReadOnlyTransport(httpx.MockTransport(answer))
    request = httpx.Request("GET", "https://external-api.kalshi.com/trade-api/v2/portfolio/events/orders")
    request.method = method
    with pytest.raises(WouldWrite, match=r"I27.*sends nothing that writes"):
        await transport.handle_async_request(request)
    assert arrived == []
    request.method = "GET"
    assert (await transport.handle_async_request(request)).status_code == 200
    assert arrived == ["GET"]


def test_an_attempt_is_a_defect_after_which_nobody_restarts() -> None:
    assert issubclass(WouldWrite, InvariantViolation)


ORDER = CreateOrder(
    ticker=TICKER,
    side=Side.BID,
    price_e4=PriceE4(4_500),
    count_e2=CountE2(100),
    client_order_id="a",
    time_in_force=TimeInForce.GOOD_TILL_CANCELED,
    self_trade_prevention=SelfTradePrevention.MAKER,
    exchange_index=0,
)
CANCEL = CancelOrder(order_id="a", ticker=TICKER, exchange_index=0)
DECREASE = DecreaseOrder(order_id="a", ticker=TICKER, reduce_to_e2=CountE2(50), exchange_index=0)
WRITES: dict[str, Callable[[Upstream], Awaitable[object]]] = {
    "create": lambda upstream: upstream.client.create_order(ORDER),
    "batch create": lambda upstream: upstream.client.batch_create((ORDER,)),
    "cancel": lambda upstream: upstream.client.cancel_order(CANCEL),
    "decrease": lambda upstream: upstream.client.decrease_order(DECREASE),
    "group": lambda upstream: upstream.client.create_order_group(CountE2(100), exchange_index=0),
    "trigger": lambda upstream: upstream.client.trigger_order_group("a", exchange_index=0),
    "delete group": lambda upstream: upstream.client.delete_order_group("a", exchange_index=0),
}


@pytest.mark.parametrize("name", list(WRITES))
async def test_every_write_of_the_real_client_is_refused_on_the_real_way(name: str) -> None:
    """The client is the bot's own class, and the exchange behind counts what arrives."""
    world = World()
    upstream = upstream_of(world)
    with pytest.raises(WouldWrite):
        await WRITES[name](upstream)
    assert (await upstream.client.market(TICKER)).ticker == TICKER
    assert (await upstream.read("/exchange/status")).status_code == 200
    assert world.exchange.truth.write_requests_total == 0
    await upstream.aclose()


async def test_the_truth_counts_what_would_write_whatever_becomes_of_it() -> None:
    world = World()
    await world.alice.place("bid", "0.4500")
    await world.alice.send("POST", "/no/such/path")
    await world.alice.send("DELETE", "/portfolio/events/orders/x", headers={"KALSHI-ACCESS-KEY": "alice"})
    await world.bob.send("POST", "/portfolio/events/orders", {}, headers={})
    await world.bob.get("/markets")
    truth = world.exchange.truth
    assert (truth.write_requests("alice"), truth.write_requests("bob"), truth.write_requests_total) == (3, 0, 4)


async def test_the_socket_lets_public_subscriptions_pass_and_nothing_else() -> None:
    line = Line()
    socket = ReadOnlySocket(line)
    for channel in sorted(PUBLIC_CHANNELS):
        await socket.send(json.dumps({"id": 1, "cmd": "subscribe", "params": {"channels": [channel]}}))
    await socket.send(json.dumps({"id": 2, "cmd": "update_subscription", "params": {"sids": [1]}}))
    await socket.send(json.dumps({"id": 3, "cmd": "unsubscribe", "params": {"sids": [1]}}))
    await socket.ping(2.0)
    assert await socket.receive_batch() == ["{}"]
    sent = list(line.sent)
    for command, channels in (("create_order", []), ("subscribe", ["fill"]), ("subscribe", ["ticker", "user_orders"])):
        with pytest.raises(WouldWrite, match="I27"):
            await socket.send(json.dumps({"id": 4, "cmd": command, "params": {"channels": channels}}))
    assert line.sent == sent
    await socket.aclose()
    assert line.sent[-1] == "closed"
