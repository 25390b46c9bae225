"""Every endpoint of the client against the simulated exchange: each side was written from the reference by itself."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import trio

from kalshi.budget import RateBudget
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.rest import RestClient
from kalshi.simulator.rest_api import ROUTES
from kalshi.types import (
    AmendOrder,
    BucketLimits,
    CancelOrder,
    CreateOrder,
    DecreaseOrder,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.kalshi.simulator.customer import PREFIX, START_MS, SUB_CENT_TICKER, TICKER, World

GENEROUS = BucketLimits(refill_per_s=1e6, capacity=1e6)
NOW_S = START_MS // 1000
EVENT, SERIES = "KXTEST-26NOV20", "KXTEST"


class Stage:
    """A world, our own client of it, one resting order in one group, and a fill."""

    def __init__(self) -> None:
        self.world = World()
        self.client = RestClient(
            http=httpx.AsyncClient(transport=httpx.ASGITransport(app=self.world.exchange.app)),  # type: ignore[arg-type]
            base_url=f"http://exchange{PREFIX}",
            signer=self.world.alice.signer,
            budget=RateBudget(trio.current_time, GENEROUS, GENEROUS),
            wall_ms=self.world.clock,
            connections=2,
            deadline_s=5.0,
        )
        self.order_id = ""
        self.group_id = ""

    async def prepare(self) -> None:
        self.group_id = await self.client.create_order_group(CountE2(10_000), 0)
        ack = await self.client.create_order(create("rests", group_id=self.group_id))
        self.order_id = ack.order_id
        await self.world.bob.place("ask", "0.6000", "2.00")
        await self.client.create_order(create("takes", price_e4=6_000, count_e2=200))


def create(
    client_order_id: str, *, price_e4: int = 4_000, count_e2: int = 500, group_id: str | None = None
) -> CreateOrder:
    return CreateOrder(
        ticker=TICKER,
        client_order_id=client_order_id,
        side=Side.BID,
        price_e4=PriceE4(price_e4),
        count_e2=CountE2(count_e2),
        time_in_force=TimeInForce.GOOD_TILL_CANCELED,
        self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
        exchange_index=0,
        order_group_id=group_id,
        expiration_ts_s=NOW_S + 600,
    )


def amend(stage: Stage) -> AmendOrder:
    return AmendOrder(
        order_id=stage.order_id,
        ticker=TICKER,
        side=Side.BID,
        price_e4=PriceE4(4_100),
        total_count_e2=CountE2(400),
        exchange_index=0,
    )


def cancel(stage: Stage) -> CancelOrder:
    return CancelOrder(order_id=stage.order_id, ticker=TICKER, exchange_index=0)


def decrease(stage: Stage) -> DecreaseOrder:
    return DecreaseOrder(order_id=stage.order_id, ticker=TICKER, reduce_to_e2=CountE2(100), exchange_index=0)


async def transfer(stage: Stage) -> str:
    return await stage.client.transfer_between_shards(
        client_transfer_id="00000000-0000-4000-8000-000000000001",
        source_index=0,
        destination_index=2,
        amount_e6=MoneyE6(1_000_000),
    )


async def transfer_read_back(stage: Stage) -> tuple[int, int, MoneyE6]:
    made = await stage.client.shard_transfer(await transfer(stage))
    return made.source_index, made.destination_index, made.amount_e6


Use = tuple[str, Callable[[Stage], Awaitable[Any]], Callable[[Any], bool]]


def candle_times() -> dict[str, Any]:
    return {"start_ts_s": NOW_S - 86_400, "end_ts_s": NOW_S, "minutes": 60}


# Method of the client, route that it needs, a call, and what must hold of its result.
USES: dict[str, Use] = {
    "exchange_status": (
        "/exchange/status",
        lambda s: s.client.exchange_status(),
        lambda r: r.exchange_active and r.trading_active,
    ),
    "exchange_schedule": ("/exchange/schedule", lambda s: s.client.exchange_schedule(), lambda r: r.weeks),
    "user_data_timestamp": (
        "/exchange/user_data_timestamp",
        lambda s: s.client.user_data_timestamp(),
        lambda r: r == START_MS,
    ),
    "historical_cutoff": (
        "/historical/cutoff",
        lambda s: s.client.historical_cutoff(),
        lambda r: r.trades_created_ms < START_MS,
    ),
    "series": ("/series/{}", lambda s: s.client.series(SERIES), lambda r: r.fee_type == "quadratic"),
    "series_list": ("/series", lambda s: s.client.series_list(), lambda r: len(r) == 2),
    "series_fee_changes": ("/series/fee_changes", lambda s: s.client.series_fee_changes(), lambda r: r == ()),
    "event_fee_changes_page": (
        "/events/fee_changes",
        lambda s: s.client.event_fee_changes_page(),
        lambda r: r == ((), ""),
    ),
    "incentive_programs_page": (
        "/incentive_programs",
        lambda s: s.client.incentive_programs_page(),
        lambda r: isinstance(r[0], tuple),
    ),
    "event": ("/events/{}", lambda s: s.client.event(EVENT), lambda r: len(r.markets) == 2),
    "events_page": ("/events", lambda s: s.client.events_page(), lambda r: len(r[0]) == 2),
    "market": ("/markets/{}", lambda s: s.client.market(TICKER), lambda r: r.yes_bid_e4 == 4_000),
    "markets_page": ("/markets", lambda s: s.client.markets_page(), lambda r: len(r[0]) == 3),
    "order_book": ("/markets/{}/orderbook", lambda s: s.client.order_book(TICKER), lambda r: r.bids[0].count_e2 == 500),
    "order_books": (
        "/markets/orderbooks",
        lambda s: s.client.order_books((TICKER, SUB_CENT_TICKER)),
        lambda r: {book.ticker for book in r} == {TICKER, SUB_CENT_TICKER},
    ),
    "trades_page": (
        "/markets/trades",
        lambda s: s.client.trades_page(ticker=TICKER),
        lambda r: r[0][0].price_e4 == 6_000 and r[0][0].taker_side is Side.BID,
    ),
    "candlesticks": (
        "/series/{}/markets/{}/candlesticks",
        lambda s: s.client.candlesticks(SERIES, TICKER, **candle_times()),
        lambda r: isinstance(r, tuple),
    ),
    "batch_candlesticks": (
        "/markets/candlesticks",
        lambda s: s.client.batch_candlesticks((TICKER,), **candle_times()),
        lambda r: [ticker for ticker, _ in r] == [TICKER],
    ),
    "historical_markets_page": (
        "/historical/markets",
        lambda s: s.client.historical_markets_page(),
        lambda r: isinstance(r[0], tuple),
    ),
    "historical_trades_page": (
        "/historical/trades",
        lambda s: s.client.historical_trades_page(),
        lambda r: isinstance(r[0], tuple),
    ),
    "balance": ("/portfolio/balance", lambda s: s.client.balance(), lambda r: dict(r.by_shard_e6)[2] == 10_000_000_000),
    "positions_page": (
        "/portfolio/positions",
        lambda s: s.client.positions_page(),
        lambda r: [position.position_e2 for position in r[0]] == [200],
    ),
    "fills_page": (
        "/portfolio/fills",
        lambda s: s.client.fills_page(),
        lambda r: [(fill.count_e2, fill.is_taker, fill.fee_e6) for fill in r[0]] == [(200, True, 33_600)],
    ),
    "settlements_page": ("/portfolio/settlements", lambda s: s.client.settlements_page(), lambda r: r == ((), "")),
    "orders_page": (
        "/portfolio/orders",
        lambda s: s.client.orders_page(status="resting"),
        lambda r: [order.client_order_id for order in r[0]] == ["rests"],
    ),
    "order": (
        "/portfolio/orders/{}",
        lambda s: s.client.order(s.order_id),
        lambda r: r.expiration_ts_s == NOW_S + 600 and r.order_group_id,
    ),
    "queue_position": (
        "/portfolio/orders/{}/queue_position",
        lambda s: s.client.queue_position(s.order_id),
        lambda r: r == 0,
    ),
    "queue_positions": (
        "/portfolio/orders/queue_positions",
        lambda s: s.client.queue_positions(market_tickers=(TICKER,)),
        lambda r: [row.ahead_e2 for row in r] == [0],
    ),
    "historical_orders_page": (
        "/historical/orders",
        lambda s: s.client.historical_orders_page(),
        lambda r: isinstance(r[0], tuple),
    ),
    "historical_fills_page": (
        "/historical/fills",
        lambda s: s.client.historical_fills_page(),
        lambda r: isinstance(r[0], tuple),
    ),
    "account_limits": ("/account/limits", lambda s: s.client.account_limits(), lambda r: r.write.refill_per_s == 4_800),
    "endpoint_costs": ("/account/endpoint_costs", lambda s: s.client.endpoint_costs(), lambda r: r.default == 10),
    "create_order": (
        "/portfolio/events/orders",
        lambda s: s.client.create_order(create("new")),
        lambda r: (r.filled_e2, r.remaining_e2) == (0, 500),
    ),
    "batch_create": (
        "/portfolio/events/orders/batched",
        lambda s: s.client.batch_create((create("b-1"), create("rests"))),
        lambda r: (r[0].remaining_e2, r[1].code) == (500, "order_already_exists"),
    ),
    "amend_order": (
        "/portfolio/events/orders/{}/amend",
        lambda s: s.client.amend_order(amend(s)),
        lambda r: r.remaining_e2 == 400,
    ),
    "decrease_order": (
        "/portfolio/events/orders/{}/decrease",
        lambda s: s.client.decrease_order(decrease(s)),
        lambda r: r.remaining_e2 == 100,
    ),
    "cancel_order": (
        "/portfolio/events/orders/{}",
        lambda s: s.client.cancel_order(cancel(s)),
        lambda r: r.reduced_by_e2 == 500,
    ),
    "batch_cancel": (
        "/portfolio/events/orders/batched",
        lambda s: s.client.batch_cancel((cancel(s), cancel(s))),
        lambda r: (r[0].reduced_by_e2, r[1].code) == (500, "not_found"),
    ),
    "cancel_all_orders": ("/portfolio/events/orders", lambda s: s.client.cancel_all_orders(), lambda r: r is None),
    "order_groups": (
        "/portfolio/order_groups",
        lambda s: s.client.order_groups(),
        lambda r: [group.contracts_limit_e2 for group in r] == [10_000],
    ),
    "order_group": (
        "/portfolio/order_groups/{}",
        lambda s: s.client.order_group(s.group_id, 0),
        lambda r: len(r.order_ids) == 1,
    ),
    "create_order_group": (
        "/portfolio/order_groups/create",
        lambda s: s.client.create_order_group(CountE2(150), 2),
        lambda r: isinstance(r, str),
    ),
    "trigger_order_group": (
        "/portfolio/order_groups/{}/trigger",
        lambda s: s.client.trigger_order_group(s.group_id, 0),
        lambda r: r == START_MS + 1_000,
    ),
    "reset_order_group": (
        "/portfolio/order_groups/{}/reset",
        lambda s: s.client.reset_order_group(s.group_id, 0),
        lambda r: r is None,
    ),
    "limit_order_group": (
        "/portfolio/order_groups/{}/limit",
        lambda s: s.client.limit_order_group(s.group_id, 0, CountE2(700)),
        lambda r: r is None,
    ),
    "delete_order_group": (
        "/portfolio/order_groups/{}",
        lambda s: s.client.delete_order_group(s.group_id, 0),
        lambda r: r is None,
    ),
    "transfer_between_shards": ("/portfolio/intra_exchange_instance_transfer", transfer, bool),
    "shard_transfer": (
        "/portfolio/intra_exchange_instance_transfers/{}",
        transfer_read_back,
        lambda r: r == (0, 2, 1_000_000),
    ),
    "shard_transfers_page": (
        "/portfolio/intra_exchange_instance_transfers",
        lambda s: s.client.shard_transfers_page(),
        lambda r: r == ((), ""),
    ),
}


def endpoints() -> set[str]:
    """Every public coroutine method of the client."""
    found = inspect.getmembers(RestClient, inspect.iscoroutinefunction)
    return {name for name, _ in found if not name.startswith("_")}


def served() -> set[str]:
    """The simulator's routes with their parameters made anonymous."""
    return {"/".join("{}" if part.startswith("{") else part for part in route.path.split("/")) for route in ROUTES}


def test_every_endpoint_of_the_client_is_used_here() -> None:
    assert endpoints() == set(USES)


@pytest.mark.parametrize("name", sorted(USES))
async def test_the_simulator_answers_what_the_client_asks(name: str) -> None:
    route, use, holds = USES[name]
    assert route in served(), f"the simulator does not serve {route}"
    stage = Stage()
    await stage.prepare()
    assert holds(await use(stage))
