"""From a frame to an order: microseconds between a market-data frame in our hands and the first byte of the order it
caused.

The whole bot runs, on a real loopback WebSocket and real loopback HTTP, against the simulated exchange in the same
process. A driver moves the best bid up and down, one delta at a time; the bot answers by moving its quotes. The clock
starts when the
socket hands over the batch that holds the deltas, and stops when httpcore begins to write the request's headers:
feed, book,
quote, desk, journal, budget, signature and httpx lie in between.

The exchange shares the process, so absolute figures are a little worse than against a remote one; compare ratios.
"""

from __future__ import annotations

import socket
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs
import httpx
import trio

from actors.runtime.child import silent_log
from actors.runtime.seams import process_clock_s, real_seams
from actors.runtime.server_clock import ServerClock
from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.http_server import serve_http
from kalshi.simulator.orders import NewOrder, Reason
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_server import serve_socket
from kalshi.socket import Socket
from kalshi.types import SelfTradePrevention, Side, TimeInForce
from ops.life import BuildTree, Life
from ops.modes import Endpoints
from ops.ports import Ports, network_ports
from ops.settings import Settings
from ops.venue import venue_of

STEPS = 150
STEP_S = 0.12  # above the cooldown of the bench, so that every move may be answered
WARM_UP_S = 6.0
QUIET_RATE = 1e-4  # books stand open, and their traders sleep
CASH_E6 = 1_000_000_000_000
_ORDER_PATH = "/portfolio/events/orders"


@attrs.define
class Stopwatch:
    """The last batch of deltas, and how long after it each order began to leave."""

    batch_at_s: float = 0.0
    is_armed: bool = False
    spans_us: list[float] = attrs.field(factory=list)

    def batch_arrived(self) -> None:
        self.batch_at_s = process_clock_s()

    def order_leaves(self) -> None:
        # The first order after a batch is the answer to it; later ones waited for something else.
        if self.is_armed:
            self.is_armed = False
            self.spans_us.append((process_clock_s() - self.batch_at_s) * 1e6)


class _TimedSocket:
    """Passes everything on and notes when deltas arrive."""

    def __init__(self, inner: Socket, watch: Stopwatch) -> None:
        self._inner = inner
        self._watch = watch
        self.send = inner.send
        self.ping = inner.ping
        self.aclose = inner.aclose

    async def receive_batch(self) -> list[str | bytes]:
        batch = await self._inner.receive_batch()
        if any("orderbook_delta" in (f if isinstance(f, str) else f.decode()) for f in batch):
            self._watch.batch_arrived()
        return batch


class _TimedTransport(httpx.AsyncBaseTransport):
    """Passes requests on and notes when the first byte of an order leaves."""

    def __init__(self, watch: Stopwatch) -> None:
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=10, max_keepalive_connections=10))
        self._watch = watch

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and _ORDER_PATH in request.url.path:
            request.extensions = {**request.extensions, "trace": self._tracer(request.extensions.get("trace"))}
        return await self._inner.handle_async_request(request)

    def _tracer(self, before: Callable[..., object] | None) -> Callable[..., object]:
        async def trace(event: str, info: dict[str, object]) -> None:
            if before is not None:
                await before(event, info)  # type: ignore[misc]
            if event == "http11.send_request_headers.started":
                self._watch.order_leaves()

        return trace

    async def aclose(self) -> None:
        await self._inner.aclose()


def _listen() -> socket.socket:
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    door.bind(("127.0.0.1", 0))
    door.listen(64)
    return door


def _settings() -> Settings:
    settings = Settings()
    return attrs.evolve(
        settings,
        orders=attrs.evolve(settings.orders, cooldown_s=0.0),
        allocation=attrs.evolve(settings.allocation, max_markets_with_orders=1),
    )


async def measure_order_path(build_tree: BuildTree, steps: int = STEPS) -> list[float]:
    """Returns the spans in microseconds, one per order that answered a move."""
    private_pem, public_pem = generate_key_pair("ed25519")
    keys = [
        AccountSettings(key_id=k, public_key_pem=public_pem, cash_by_shard_e6={0: CASH_E6, 2: CASH_E6}, tier="prime")
        for k in ("bot", "driver")
    ]
    seams = real_seams()
    exchange = SimulatedExchange(
        seed=1, wall_ms=seams.wall_ms, settings=SimulatorSettings(flow_rate=QUIET_RATE), accounts=tuple(keys)
    )
    rest, websocket = _listen(), _listen()
    endpoints = Endpoints(
        base_url=f"http://127.0.0.1:{rest.getsockname()[1]}/trade-api/v2",
        websocket_url=f"ws://127.0.0.1:{websocket.getsockname()[1]}/trade-api/ws/v2",
    )
    watch = Stopwatch()
    settings = _settings()
    signer = Signer("bot", private_pem)

    def open_ports(clock: ServerClock) -> Ports:
        ports = network_ports(endpoints, settings.exchange, signer, clock.now_ms)

        async def connect(nursery: trio.Nursery) -> Socket:
            return _TimedSocket(await ports.connect(nursery), watch)

        timed = httpx.AsyncClient(transport=_TimedTransport(watch), timeout=None, trust_env=False)
        return attrs.evolve(ports, connect=connect, data_http=timed)

    with tempfile.TemporaryDirectory() as folder:
        life = Life(
            settings=settings,
            venue=venue_of("simulated", endpoints.base_url, "bot"),
            signer=signer,
            seams=seams,
            open_ports=open_ports,
            build_tree=build_tree,
            state_folder=Path(folder),
            log_for=silent_log,
            drain_s=4.0,
        )
        async with trio.open_nursery() as servers:
            await servers.start(partial(serve_http, exchange.app, rest))
            await servers.start(partial(serve_socket, exchange, websocket))
            await servers.start(exchange.run)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(life.run)
                await trio.sleep(WARM_UP_S)
                await _drive(exchange, life, watch, steps)
                life.request_stop("measured")
            servers.cancel_scope.cancel(reason="measured")
    return watch.spans_us


async def _drive(exchange: SimulatedExchange, life: Life, watch: Stopwatch, steps: int) -> None:
    """Moves the best bid of the one quoted market up and down: one delta a step, which the bot's quotes must follow."""
    assert life.snapshot is not None
    ticker = next(row.ticker for row in life.snapshot.markets if row.own_bid is not None or row.own_ask is not None)
    market = exchange.core.markets[ticker]
    for book in (market.engine.bids, market.engine.asks):
        for order in [order for order in book.orders() if order.is_house]:
            exchange.core.cancel(order, Reason.NONE, exchange.core.now_ms())
    driver, entry = exchange.core.accounts_by_key["driver"], exchange.services.entry
    for side, price_e4 in ((Side.BID, 4_500), (Side.ASK, 5_500)):
        entry.create(driver, _order(ticker, side, price_e4))
    await trio.sleep(1.0)
    top: str | None = None
    for _ in range(steps):
        watch.is_armed = True
        if top is None:
            top = entry.create(driver, _order(ticker, Side.BID, 4_900)).order_id
        else:
            entry.cancel(driver, top)
            top = None
        await trio.sleep(STEP_S)


def _order(ticker: str, side: Side, price_e4: int) -> NewOrder:
    return NewOrder(
        ticker=ticker,
        side=side,
        price_e4=price_e4,
        count_e2=100_000,
        time_in_force=TimeInForce.GOOD_TILL_CANCELED,
        self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
    )


def report_order_path(spans_us: list[float]) -> list[str]:
    """Returns the lines to print about the order path."""
    if len(spans_us) < 2:
        return ["order path: the bot answered no move; nothing to measure"]
    cuts = statistics.quantiles(spans_us, n=100)
    return [
        f"order path: frame in to first order byte out, {len(spans_us)} moves answered",
        f"  p50 {cuts[49]:,.0f} us   p99 {cuts[98]:,.0f} us   ratio p99/p50 {cuts[98] / cuts[49]:.1f}",
    ]
