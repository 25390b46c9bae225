"""A hundred and fifty positions whose prices fall within a second, and a list of every write that leaves meanwhile.

Nobody trades here by himself: a house of the test rests both sides of each market, the account buys from it past the
bot, and the crash takes the bids away and puts lower ones in their place. So each market falls at a known moment.
"""

from __future__ import annotations

import json

import attrs
import trio

from actors.messages.market import TickerView
from actors.messages.orders import PrivateOrderSeen
from kalshi.numbers import CountE2, PriceE4
from kalshi.simulator.faults import Duration, ServerError, Share
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import Order, Reason
from kalshi.simulator.settings import SimulatorSettings
from kalshi.types import Order as OurOrder
from kalshi.types import OrderStatus, SelfTradePrevention, Side, TimeInForce
from ops.life import Life
from ops.settings import Settings
from ops.simulation import KEY_ID, AnyRequest, Line, World, run_world
from supervisor import build_tree

POSITIONS = 150
SETTLED_S = 25.0  # two runs of discovery: the fees of the series are known, and nothing changes for them any more
CRASH_LASTS_S = 1.0
ENTRY_E4, FALLEN_BID_E4, FALLEN_STEP_E4 = 5_200, 3_300, 100
HELD_E2 = 200
DEPTH_E2 = 100_000
FAILING = 0.1
NOISE_KEYS, NOISE_ORDERS, NOISE_EVERY_S = 1_700, 1_100, 0.1
SHARDS = (0, 2)  # where the account has cash


@attrs.frozen(kw_only=True)
class Write:
    """One write that left: when, which path, of which market, and the order's client id and size for an exit."""

    at_s: float
    method: str
    path: str
    ticker: str
    exit_id: str
    count_e2: int

    @property
    def is_cancel(self) -> bool:
        return self.method == "DELETE" or self.path.endswith("/decrease")

    @property
    def is_fence(self) -> bool:
        return "/order_groups" in self.path


@attrs.define(eq=False)
class Crash:
    """What happened: when each market fell and by how much, the writes, and the positions as they changed."""

    fallen_s: dict[str, float] = attrs.field(factory=dict)
    loss_e4: dict[str, int] = attrs.field(factory=dict)
    writes: list[Write] = attrs.field(factory=list)
    price_reads: int = 0
    positions: dict[str, list[int]] = attrs.field(factory=dict)
    quotes_before: int = 0
    refused_429: int = 0
    ended_s: float = 0.0

    def exits(self, ticker: str) -> list[Write]:
        return [write for write in self.writes if write.exit_id and write.ticker == ticker]

    def first_exits(self) -> list[Write]:
        """Returns the first exit of each market, in the order in which they left."""
        seen: dict[str, Write] = {}
        for write in self.writes:
            if write.exit_id:
                seen.setdefault(write.ticker, write)
        return list(seen.values())

    def hear(self, line: Line, request: AnyRequest) -> None:
        path = request.url.path
        if request.method == "GET":
            is_price = path.endswith("/markets") or "/markets/KX" in path  # trades and events are discovery's
            self.price_reads += bool(self.fallen_s) and is_price
            return
        body = json.loads(request.content) if request.content else {}
        is_exit = bool(body.get("reduce_only"))
        self.writes.append(
            Write(
                at_s=trio.current_time(),
                method=request.method,
                path=path,
                ticker=str(body.get("ticker", "")),
                exit_id=str(body["client_order_id"]) if is_exit else "",
                count_e2=round(float(body["count"]) * 100) if is_exit else 0,
            )
        )


class House:
    """Rests both sides of every market, and lets them fall."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._account = world.exchange.core.add_house_account("test")
        self._bids: dict[str, Order] = {}
        self._asks: dict[str, Order] = {}

    def open(self, market: MarketState) -> None:
        self._bids[market.ticker] = self._rest(market.ticker, Side.BID, ENTRY_E4 - 200)
        self._asks[market.ticker] = self._rest(market.ticker, Side.ASK, ENTRY_E4)

    def fall(self, ticker: str, bid_e4: int) -> None:
        """Takes the bid away and puts the lower price in its place; sellers follow."""
        core = self._world.exchange.core
        bid = self._bids[ticker]
        if bid.is_open:
            core.cancel(bid, Reason.NONE, core.now_ms())
        self._bids[ticker] = self._rest(ticker, Side.BID, bid_e4)
        self._rest(ticker, Side.ASK, bid_e4 + 200)

    def _rest(self, ticker: str, side: Side, price_e4: int) -> Order:
        core = self._world.exchange.core
        market, now_ms = core.markets[ticker], core.now_ms()
        order = Order(
            order_id=core.new_id(),
            account_id=self._account.account_id,
            client_order_id="",
            ticker=ticker,
            side=side,
            price_e4=price_e4,
            initial_e2=DEPTH_E2,
            remaining_e2=DEPTH_E2,
            time_in_force=TimeInForce.GOOD_TILL_CANCELED,
            self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
            exchange_index=market.exchange_index,
            created_ms=now_ms,
            updated_ms=now_ms,
            is_house=True,
        )
        market.engine.submit(order, now_ms)
        core.drain(market, now_ms)
        return order


def run_crash(tier: str, *, seed: int, until_s: float) -> Crash:
    """Lets 150 positions fall on an account of this tier; `until_s` is how long it is looked at from the crash on."""
    settings = Settings()
    # What halts quoting would withdraw it and leave nobody to compete with the exits for tokens.
    risk = attrs.evolve(settings.risk, daily_loss_limit_e6=10**12, balance_floor_e6=0)
    settings = attrs.evolve(settings, risk=risk)

    async def scenario(world: World) -> Crash:
        return await _crash(world, tier, until_s)

    result = run_world(
        scenario,
        seed=seed,
        build_tree=build_tree,
        settings=settings,
        exchange_settings=SimulatorSettings(flow=False, listing_scale=2),
    )
    assert isinstance(result, Crash)
    return result


async def _crash(world: World, tier: str, until_s: float) -> Crash:
    core = world.exchange.core
    account = core.accounts_by_key[KEY_ID]
    account.tier = tier
    world.exchange.services.limiter.forget(account)
    tickers, house = _take_positions(world)
    crash, life = Crash(), world.life()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.run)
        await trio.sleep(SETTLED_S)
        assert life.snapshot is not None
        crash.quotes_before = len(world.resting())
        for when in ("before", "after"):
            world.exchange.faults.order(ServerError(share=Share(FAILING / 2), when=when, start_s=Duration(0.0)))
        world.cable.on_request.append(crash.hear)
        noise = await nursery.start(_beside, life, world, crash, tickers)
        for number, ticker in enumerate(tickers):
            # The deeper the fall the later it comes, so that order of loss is not order of time.
            bid_e4 = FALLEN_BID_E4 - FALLEN_STEP_E4 * (number * 20 // len(tickers))
            house.fall(ticker, bid_e4)
            crash.fallen_s[ticker] = trio.current_time()
            crash.loss_e4[ticker] = ENTRY_E4 - bid_e4
            await trio.sleep(CRASH_LASTS_S / len(tickers))
        await trio.sleep(until_s)
        crash.ended_s = trio.current_time()
        crash.refused_429 = world.exchange.truth.requests_rejected_429
        noise.cancel(reason="seen enough")
        world.cable.on_request.remove(crash.hear)
        world.exchange.faults.clear()
        life.request_stop("the test is over")
    return crash


def _take_positions(world: World) -> tuple[list[str], House]:
    core, house = world.exchange.core, House(world)
    markets = [m for m in core.markets.values() if m.is_tradable(core.now_ms()) and m.exchange_index in SHARDS]
    for market in markets:
        house.open(market)
    tickers = [market.ticker for market in markets[:POSITIONS]]
    assert len(tickers) == POSITIONS
    for ticker in tickers:
        world.rest_by_hand(ticker, price_e4=ENTRY_E4, count_e2=HELD_E2)
    assert set(world.exchange.truth.positions(KEY_ID).values()) == {HELD_E2}
    return tickers, house


async def _beside(
    life: Life,
    world: World,
    crash: Crash,
    tickers: list[str],
    *,
    task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED,
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_flood, life)
        nursery.start_soon(_look_on, world, crash, tickers)
        task_status.started(nursery.cancel_scope)


async def _flood(life: Life) -> None:
    """Fills the mailboxes of those who must act with what is about nothing, again and again."""
    feed = life.switchboard.outbox("feed")
    order = OurOrder(
        order_id="nobody's",
        client_order_id="nobody's",
        ticker="NOISE",
        side=Side.BID,
        price_e4=PriceE4(100),
        status=OrderStatus.CANCELED,
        initial_e2=CountE2(100),
        remaining_e2=CountE2(0),
        filled_e2=CountE2(0),
    )
    while True:
        for number in range(NOISE_KEYS):
            feed.publish(
                TickerView(
                    ticker=f"NOISE{number}",
                    yes_bid_e4=PriceE4(4_000),
                    yes_ask_e4=PriceE4(6_000),
                    last_price_e4=None,
                    volume_e2=None,
                    ts_ms=0,
                    heard_at_s=trio.current_time(),
                )
            )
        for _ in range(NOISE_ORDERS):
            feed.publish(PrivateOrderSeen(order=order))
        await trio.sleep(NOISE_EVERY_S)


async def _look_on(world: World, crash: Crash, tickers: list[str]) -> None:
    while True:
        held = world.exchange.truth.positions(KEY_ID)
        for ticker in tickers:
            seen = crash.positions.setdefault(ticker, [])
            if not seen or seen[-1] != held.get(ticker, 0):
                seen.append(held.get(ticker, 0))
        await trio.sleep(0.02)
