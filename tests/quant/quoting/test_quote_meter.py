"""The quote meter: time quoted, on both sides and at the touch, minute by minute."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, Side
from quant.quoting.own_orders import OwnOrder, others_levels
from quant.quoting.quote_meter import MarketLook, MarketWatch, QuotedMinute, QuoteMeter

WALL_MS = 1_790_000_040_000  # a whole minute
QUOTED = MarketLook(
    is_live=True, bid_e4=PriceE4(4_000), ask_e4=PriceE4(4_200), own_bid_e4=PriceE4(4_000), own_ask_e4=PriceE4(4_300)
)


def own(side: Side, price_e4: int, count_e2: int) -> OwnOrder:
    return OwnOrder(side=side, price_e4=PriceE4(price_e4), remaining_e2=CountE2(count_e2))


def level(price_e4: int, count_e2: int) -> Level:
    return Level(price_e4=PriceE4(price_e4), count_e2=CountE2(count_e2))


def test_a_state_counts_from_when_it_was_seen_until_the_next() -> None:
    meter = QuoteMeter()
    assert meter.observe(5.0, WALL_MS, MarketLook(is_live=False)) is None
    assert meter.observe(15.0, WALL_MS + 10_000, QUOTED) is None
    bid_alone = attrs.evolve(QUOTED, own_ask_e4=None, own_bid_e4=PriceE4(3_900), bid_e4=PriceE4(4_100))
    assert meter.observe(35.0, WALL_MS + 30_000, bid_alone) is None
    over = meter.observe(66.0, WALL_MS + 61_000, QUOTED)
    assert over == QuotedMinute(
        minute_ms=WALL_MS,
        live_ms=51_000,
        bid_ms=51_000,
        ask_ms=20_000,
        both_ms=20_000,
        bid_touch_ms=20_000,
        ask_touch_ms=0,
        bid_e4=PriceE4(4_100),
        ask_e4=PriceE4(4_200),
    )
    rest = meter.rest(66.5)
    assert rest is not None
    assert (rest.minute_ms, rest.live_ms, rest.both_ms) == (WALL_MS + 60_000, 500, 500)
    assert meter.rest(70.0) is None


def test_a_step_of_the_wall_clock_changes_no_duration() -> None:
    meter = QuoteMeter()
    meter.observe(1.0, WALL_MS, QUOTED)
    first = meter.observe(2.0, WALL_MS + 3_600_000, QUOTED)
    second = meter.observe(4.0, WALL_MS, QUOTED)
    assert first is not None
    assert second is not None
    assert (first.live_ms, second.live_ms) == (1_000, 2_000)


def test_a_book_that_is_gone_leaves_the_last_prices() -> None:
    meter = QuoteMeter()
    meter.observe(1.0, WALL_MS, QUOTED)
    meter.observe(2.0, WALL_MS + 1_000, MarketLook(is_live=False))
    over = meter.observe(62.0, WALL_MS + 61_000, MarketLook(is_live=False))
    assert over is not None
    assert (over.live_ms, over.bid_e4, over.ask_e4) == (1_000, 4_000, 4_200)


def test_our_own_orders_are_not_the_market() -> None:
    bids, asks = (level(4_100, 500), level(4_000, 900)), (level(4_200, 700), level(4_300, 100))
    orders = (own(Side.BID, 4_100, 500), own(Side.ASK, 4_200, 600))
    watch = MarketWatch()
    watch.orders_seen(orders)
    look = watch.look(bids, asks)
    assert (look.bid_e4, look.ask_e4, look.mid2_e4) == (4_000, 4_200, 8_200)
    assert (look.bid_at_touch, look.ask_at_touch) == (True, True)
    alone = watch.look(bids[:1], asks)
    assert (alone.bid_e4, alone.mid2_e4, alone.bid_at_touch) == (None, None, True)


_SIDE = st.lists(st.integers(1, 3), max_size=3)
_ORDERS = st.lists(st.tuples(st.sampled_from(Side), st.integers(0, 3), st.integers(1, 3)), max_size=3)
_STEP = st.tuples(st.one_of(st.none(), _SIDE), st.one_of(st.none(), _SIDE), st.one_of(st.none(), _ORDERS))


@given(st.lists(_STEP, max_size=8))
def test_a_market_that_is_watched_looks_as_it_would_anew(
    steps: list[tuple[list[int] | None, list[int] | None, list[tuple[Side, int, int]] | None]],
) -> None:
    """None: a side, or our orders, have not changed."""
    watch = MarketWatch()
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    orders: tuple[OwnOrder, ...] = ()
    for new_bids, new_asks, new_orders in steps:
        if new_bids is not None:
            bids = tuple(level(4_000 - 100 * n, count) for n, count in enumerate(new_bids))
        if new_asks is not None:
            asks = tuple(level(4_200 + 100 * n, count) for n, count in enumerate(new_asks))
        if new_orders is not None:
            orders = tuple(
                own(side, 4_000 - 100 * n if side is Side.BID else 4_200 + 100 * n, count)
                for side, n, count in new_orders
            )
            watch.orders_seen(orders)
        seen = watch.look(bids, asks)
        own_bids = [order.price_e4 for order in orders if order.side is Side.BID]
        own_asks = [order.price_e4 for order in orders if order.side is Side.ASK]
        others_bids, others_asks = others_levels(bids, orders, Side.BID), others_levels(asks, orders, Side.ASK)
        assert seen == MarketLook(
            is_live=True,
            bid_e4=others_bids[0].price_e4 if others_bids else None,
            ask_e4=others_asks[0].price_e4 if others_asks else None,
            own_bid_e4=max(own_bids, default=None),
            own_ask_e4=min(own_asks, default=None),
        )
        assert watch.look(bids, asks) is seen
