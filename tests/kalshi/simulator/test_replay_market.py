"""A market driven from outside: orders by REST, its book by frames; what fills, is refused, and is conserved."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.simulator.order_entry import AmendRequest
from kalshi.simulator.orders import NewOrder
from kalshi.simulator.queue_model import SETTLE_MS, QueueModel
from kalshi.simulator.refusals import Refused
from kalshi.simulator.replay_market import ReplayMarkets
from kalshi.types import SelfTradePrevention, Side, TimeInForce
from tests.kalshi.simulator.customer import TICKER, World, command, frames

IOC = {"time_in_force": "immediate_or_cancel"}


class Driven(World):
    """A world whose first market is driven from outside: bids 0.45 x 50 and 0.44 x 80, asks 0.48 x 30 and 0.49 x 60."""

    def __init__(self, model: QueueModel = QueueModel.RISK_AVERSE, **settings: Any) -> None:
        super().__init__(**settings)
        self.markets = ReplayMarkets(self.exchange.core, model)
        self.markets.drive(TICKER)
        self.frame(
            "orderbook_snapshot",
            yes_dollars_fp=[["0.4400", "80.00"], ["0.4500", "50.00"]],
            no_dollars_fp=[["0.5100", "60.00"], ["0.5200", "30.00"]],
        )

    def frame(self, kind: str, **msg: Any) -> None:
        msg = {"market_ticker": TICKER, "ts_ms": self.clock.time_ms, **msg}
        self.markets.take_frame({"type": kind, "sid": 1, "seq": 1, "msg": msg})

    def delta(self, side: str, price: str, change: str) -> None:
        self.frame("orderbook_delta", side=side, price_dollars=price, delta_fp=change)

    def trade(self, taker: str, price: str, count: str, **more: Any) -> None:
        self.frame("trade", taker_side=taker, yes_price_dollars=price, count_fp=count, **more)

    def ticker(self, price: str, size: str, volume: str) -> None:
        self.frame("ticker", price_dollars=price, last_trade_size_fp=size, volume_fp=volume)

    def fills(self) -> list[tuple[int, int, bool]]:
        return [(fill.price_e4, fill.count_e2, fill.is_taker) for fill in self.exchange.truth.fills("alice")]


async def test_a_resting_order_waits_for_those_ahead_and_fills_as_a_maker_at_its_price() -> None:
    world = Driven()
    session = world.alice.connect()
    command(session, 1, "subscribe", channels=["fill", "user_orders"])
    await world.alice.place("bid", "0.4500", "10.00", post_only=True)
    world.trade("no", "0.4500", "50.00")
    assert world.fills() == []
    world.trade("no", "0.4500", "4.00")
    assert world.fills() == [(4_500, 400, False)]
    heard = [frame["type"] for frame in frames(session)]
    assert heard == ["user_order", "fill", "user_order"]
    assert world.exchange.truth.positions("alice") == {TICKER: 400}
    assert world.exchange.truth.imbalance_e6() == 0
    assert (world.markets.counters.fills, world.markets.counters.filled_e2) == (1, 400)


async def test_market_data_of_the_exchange_itself_never_shows_what_was_lent() -> None:
    world = Driven()
    session = world.bob.connect()
    command(session, 1, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER])
    assert (await world.alice.create("bid", "0.4800", "10.00", post_only=True)).status_code == 400
    assert (await world.alice.create("bid", "0.4700", "5.00", **IOC)).status_code == 201
    assert frames(session) == []
    assert world.exchange.core.markets[TICKER].engine.asks.levels() == []


async def test_post_only_that_would_meet_the_real_book_is_refused_and_a_tick_away_rests() -> None:
    world = Driven()
    assert (await world.alice.create("bid", "0.4800", post_only=True)).json()["error"]["details"] == "post only cross"
    await world.alice.place("bid", "0.4700", post_only=True)
    assert len(world.exchange.truth.resting_orders("alice")) == 1


async def test_a_taker_walks_the_visible_levels_and_cannot_eat_them_twice() -> None:
    world = Driven()
    taken = await world.alice.place("bid", "0.4900", "70.00", **IOC)
    assert taken["fill_count"] == "70.00"
    assert world.fills() == [(4_800, 3_000, True), (4_900, 4_000, True)]
    assert (await world.alice.place("bid", "0.4900", "70.00", **IOC))["fill_count"] == "20.00"
    assert (await world.alice.create("bid", "0.4900", "1.00", time_in_force="fill_or_kill")).status_code == 409
    world.delta("no", "0.5200", "5.00")
    assert (await world.alice.place("bid", "0.4900", "70.00", **IOC))["fill_count"] == "5.00"
    assert world.exchange.truth.imbalance_e6() == 0


async def test_an_amend_across_the_spread_takes_and_rests_the_rest_behind_the_level() -> None:
    world = Driven()
    order = await world.alice.place("bid", "0.4500", "40.00", post_only=True)
    body = {"ticker": TICKER, "side": "bid", "price": "0.4800", "count": "40.00", "exchange_index": 0}
    amended = await world.alice.send("POST", f"/portfolio/events/orders/{order['order_id']}/amend", body)
    assert amended.status_code == 200, amended.text
    assert world.fills() == [(4_800, 3_000, True)]
    assert [(one.price_e4, one.remaining_e2) for one in world.exchange.truth.resting_orders("alice")] == [
        (4_800, 1_000)
    ]
    world.trade("no", "0.4800", "3.00")  # nobody else bids there
    assert world.fills()[-1] == (4_800, 300, False)


async def test_a_decrease_keeps_the_place_and_a_price_move_loses_it() -> None:
    world = Driven()
    order = await world.alice.place("bid", "0.4500", "10.00", post_only=True)
    world.delta("yes", "0.4500", "100.00")
    path = f"/portfolio/events/orders/{order['order_id']}"
    await world.alice.send("POST", f"{path}/decrease", {"reduce_to": "6.00", "exchange_index": 0})
    assert (await world.alice.get(f"{path.replace('/events', '')}/queue_position"))["queue_position_fp"] == "50.00"
    body = {"ticker": TICKER, "side": "bid", "price": "0.4400", "count": "6.00", "exchange_index": 0}
    await world.alice.send("POST", f"{path}/amend", body)
    ahead = await world.alice.get(f"{path.replace('/events', '')}/queue_position")
    assert ahead["queue_position_fp"] == "230.00"  # 150 at the better price, 80 at its own


async def test_our_own_order_on_the_other_side_is_met_before_the_book_and_prevented() -> None:
    world = Driven()
    await world.alice.place("ask", "0.4700", "10.00", post_only=True)
    answer = await world.alice.place("bid", "0.4800", "10.00", **IOC)
    assert answer["fill_count"] == "0.00"
    answer = await world.alice.place("bid", "0.4800", "10.00", **IOC, self_trade_prevention_type="maker")
    assert answer["fill_count"] == "10.00"
    assert world.exchange.truth.resting_orders("alice") == []
    world.trade("yes", "0.4700", "99.00")  # nothing of ours is there any more
    assert len(world.fills()) == 1


async def test_a_cancelled_and_an_expired_order_fill_no_more() -> None:
    world = Driven(QueueModel.FRONT)
    order = await world.alice.place("bid", "0.4500", "10.00")
    await world.alice.send("DELETE", f"/portfolio/events/orders/{order['order_id']}?exchange_index=0")
    await world.alice.place("bid", "0.4500", "10.00", expiration_time=world.clock.time_ms // 1000 + 2)
    world.pass_time(3_000)
    world.trade("no", "0.4500", "90.00")
    assert world.fills() == []
    assert not world.markets.queue(TICKER).orders


async def test_a_fill_that_trips_the_group_ends_its_other_orders() -> None:
    world = Driven(QueueModel.FRONT)
    created = await world.alice.send(
        "POST", "/portfolio/order_groups/create", {"contracts_limit": 5, "exchange_index": 0}
    )
    group = created.json()["order_group_id"]
    for price in ("0.4500", "0.4400"):
        await world.alice.place("bid", price, "10.00", order_group_id=group)
    world.trade("no", "0.4500", "6.00")
    assert world.fills() == [(4_500, 600, False)]
    assert world.exchange.truth.resting_orders("alice") == []
    assert not world.markets.queue(TICKER).orders


async def test_who_cannot_pay_when_the_trade_comes_loses_the_order() -> None:
    world = Driven(QueueModel.FRONT, cash=5)
    for price in ("0.4500", "0.4400"):
        await world.alice.place("bid", price, "10.00", post_only=True)
    world.trade("no", "0.4400", "20.00")
    assert [count for _, count, _ in world.fills()] == [1_000]
    assert world.exchange.truth.resting_orders("alice") == []
    assert not world.markets.queue(TICKER).orders
    assert world.exchange.truth.imbalance_e6() == 0


async def test_where_no_trade_channel_is_a_ticker_tells_of_its_last_print() -> None:
    world = Driven(QueueModel.FRONT)
    await world.alice.place("bid", "0.4500", "10.00", post_only=True)
    world.ticker("0.4500", "3.00", "1000.00")  # the first one says how much there was, not what was traded
    world.delta("yes", "0.4500", "-2.50")
    world.pass_time(300)
    world.ticker("0.4500", "2.50", "1009.00")
    world.ticker("0.4500", "2.50", "1009.00")  # nothing new
    assert world.fills() == [(4_500, 250, False)]
    world.ticker("0.4650", "9.00", "1020.00")  # inside the spread and nothing was lost there: nobody knows
    assert (world.markets.counters.prints, world.markets.counters.unplaced) == (1, 1)
    world.trade("no", "0.4500", "1.00")
    world.ticker("0.4500", "1.00", "1021.00")  # trades are told by their own channel here
    assert [count for _, count, _ in world.fills()] == [250, 100]


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"type": "orderbook_delta", "msg": None},
        {"type": "orderbook_delta", "msg": {"market_ticker": TICKER}},
        {
            "type": "orderbook_delta",
            "msg": {"market_ticker": TICKER, "side": "yes", "price_dollars": 1, "delta_fp": "x"},
        },
        {"type": "orderbook_snapshot", "msg": {"market_ticker": TICKER, "yes_dollars_fp": [["a"]]}},
        {"type": "trade", "msg": {"market_ticker": TICKER, "taker_side": "yes", "count_fp": "1.00"}},
        {"type": "ticker", "msg": {"market_ticker": "OTHER"}},
    ],
)
def test_a_frame_that_cannot_be_read_changes_nothing(frame: dict[str, Any]) -> None:
    world = Driven()
    before = {side: dict(levels) for side, levels in world.markets.queue(TICKER).levels.items()}
    world.markets.take_frame(frame)
    assert world.markets.queue(TICKER).levels == before


async def test_time_alone_turns_an_unexplained_decrease_into_a_cancel() -> None:
    world = Driven()
    await world.alice.place("bid", "0.4500", "10.00", post_only=True)
    world.delta("yes", "0.4500", "-45.00")
    world.pass_time(SETTLE_MS)
    world.markets.tick()
    world.trade("no", "0.4500", "7.00")
    assert world.fills() == [(4_500, 200, False)]


# -- any history --

_PRICES = (4_300, 4_500, 4_700, 4_900)
_STEP = st.tuples(
    st.sampled_from(("create", "create", "amend", "cancel", "delta", "delta", "trade", "trade", "wait")),
    st.sampled_from(_PRICES),
    st.sampled_from(list(Side)),
    st.integers(1, 3_000),
    st.sampled_from(list(TimeInForce)),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_STEP, max_size=40), st.sampled_from(list(QueueModel)))
def test_any_history_conserves_cash_and_the_model_knows_what_rests(
    steps: list[tuple[Any, ...]], model: QueueModel
) -> None:
    world = Driven(model, cash=30)
    for step in steps:
        with contextlib.suppress(Refused):
            _act(world, step)
        assert world.exchange.truth.imbalance_e6() == 0
        assert world.exchange.truth.cash_e6("alice") >= 0
        modelled = {
            one.order_id: (one.price_e4, one.remaining_e2) for one in world.markets.queue(TICKER).orders.values()
        }
        rests = {one.order_id: (one.price_e4, one.remaining_e2) for one in world.exchange.truth.resting_orders("alice")}
        assert modelled == rests
    assert world.markets.counters.unreadable == 0


def _act(world: Driven, step: tuple[Any, ...]) -> None:
    kind, price_e4, side, count_e2, tif, flag = step
    entry, account = world.exchange.services.entry, world.exchange.core.accounts_by_key["alice"]
    mine = list(world.exchange.core.open_orders.values())
    price, count = f"{price_e4 / 10_000:.4f}", f"{count_e2 / 100:.2f}"
    own_price = price if side is Side.BID else f"{1 - price_e4 / 10_000:.4f}"
    outcome = "yes" if side is Side.BID else "no"
    match kind:
        case "create":
            entry.create(
                account,
                NewOrder(
                    ticker=TICKER,
                    side=side,
                    price_e4=price_e4,
                    count_e2=count_e2,
                    time_in_force=tif,
                    self_trade_prevention=SelfTradePrevention.MAKER if flag else SelfTradePrevention.TAKER_AT_CROSS,
                    post_only=flag and tif is TimeInForce.GOOD_TILL_CANCELED,
                ),
            )
        case "cancel" if mine:
            entry.cancel(account, mine[count_e2 % len(mine)].order_id, 0)
        case "amend" if mine:
            order = mine[count_e2 % len(mine)]
            change = AmendRequest(
                ticker=TICKER, side=order.side, price_e4=price_e4, total_e2=count_e2, exchange_index=0
            )
            entry.amend(account, order.order_id, change)
        case "delta":
            world.delta(outcome, own_price, count if flag else f"-{count}")
        case "trade":
            world.trade(outcome, price, count)
        case _:
            world.pass_time(400)
            world.markets.tick()
