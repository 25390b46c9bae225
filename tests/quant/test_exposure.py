"""Exposure is the worst case: over what the markets of an event can settle at together, and over who fills."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import pytest

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Fill, Side
from quant.accounting import MarketAccount, apply_fill
from quant.exposure import (
    EventMarket,
    OpenOrder,
    YesRange,
    event_exposure_e6,
    event_reach_e6,
    is_structured,
    yes_range,
)
from tests.quant.builders import ask, bid, fill

PORTFOLIOS = 10_000


def held(*fills: Fill, orders: Iterable[OpenOrder] = (), yes: YesRange | None = None) -> EventMarket:
    account = MarketAccount(ticker=fills[0].ticker if fills else "M")
    for item in fills:
        account = apply_fill(account, item)
    return EventMarket(account=account, orders=tuple(orders), yes=yes)


def order(side: Side, price_e4: int, count_e2: int) -> OpenOrder:
    return OpenOrder(side=side, price_e4=PriceE4(price_e4), count_e2=CountE2(count_e2))


def above(strike: float) -> YesRange:
    return YesRange(low=strike)


def test_a_market_can_lose_what_its_position_cost() -> None:
    assert event_exposure_e6([held(bid(3_000, 100))], is_exclusive=False) == 300_000
    assert event_exposure_e6([held(ask(3_000, 100))], is_exclusive=False) == 700_000


def test_shorts_in_exclusive_outcomes_cover_each_other_until_one_is_closed() -> None:
    shorts = [held(ask(6_000, 100, ticker=name)) for name in "AB"]
    assert event_exposure_e6(shorts, is_exclusive=True) == 0  # brought in 1.20, at most one dollar is owed
    assert event_reach_e6(shorts, is_exclusive=True) == 400_000
    assert event_exposure_e6(shorts, is_exclusive=False) == 800_000


def test_longs_in_exclusive_outcomes_are_all_lost_if_none_of_them_happens() -> None:
    longs = [held(bid(4_000, 100, ticker=name)) for name in "AB"]
    assert event_exposure_e6(longs, is_exclusive=True) == 800_000


def test_a_spread_on_a_ladder_of_thresholds_is_a_hedge() -> None:
    low, high = bid(6_000, 100, ticker="A"), ask(4_000, 100, ticker="B")
    spread = [held(low, yes=above(70)), held(high, yes=above(80))]
    assert event_exposure_e6(spread, is_exclusive=False) == 200_000  # above 80 needs above 70: 20 cents at most
    assert event_exposure_e6([held(low), held(high)], is_exclusive=False) == 1_200_000


def test_an_order_that_would_break_a_hedge_counts_in_the_outcome_that_it_hurts() -> None:
    a = held(ask(6_000, 100, ticker="A"), orders=[order(Side.BID, 5_000, 100)])
    b = held(ask(6_000, 100, ticker="B"))
    assert event_exposure_e6([a, b], is_exclusive=True) == 300_000  # bought back at 50, and B happens


def test_nothing_held_is_no_exposure() -> None:
    assert event_exposure_e6([held()], is_exclusive=True) == 0
    assert event_exposure_e6([], is_exclusive=False) == 0


@pytest.mark.parametrize(
    ("strike_type", "floor", "cap", "yes_at", "no_at"),
    [
        ("greater", 70.0, None, 70.5, 70.0),
        ("greater_or_equal", 70.0, None, 70.0, 69.5),
        ("less", None, 70.0, 69.5, 70.0),
        ("less_or_equal", None, 70.0, 70.0, 70.5),
        ("between", 70.0, 71.0, 71.0, 71.5),
    ],
)
def test_the_exchanges_strikes_say_at_which_figures_a_market_settles_yes(
    strike_type: str, floor: float | None, cap: float | None, yes_at: float, no_at: float
) -> None:
    yes = yes_range(strike_type, floor, cap)
    assert yes is not None
    assert (yes.holds(yes_at), yes.holds(no_at)) == (True, False)
    assert yes_range(strike_type, None, None) is None


def test_strikes_of_another_kind_are_no_range_and_one_market_alone_hedges_nothing() -> None:
    assert yes_range("custom", 1.0, 2.0) is None
    assert is_structured({"A": above(1), "B": None}, is_exclusive=False)
    assert not is_structured({"A": None, "B": None}, is_exclusive=False)
    assert not is_structured({"A": above(1)}, is_exclusive=True)


# Brute force: every figure or winner, every combination of what is free, every subset of the orders, every closing.


def _markets(rng: random.Random, kind: str) -> list[EventMarket]:
    markets = []
    for number in range(rng.randint(1, 4)):
        account = MarketAccount(ticker=f"M{number}")
        for _ in range(rng.randint(0, 3)):
            item = fill(rng.choice([*Side]), rng.randint(1, 9_999), rng.randint(1, 500), ticker=account.ticker)
            account = apply_fill(account, item)
        orders = [
            order(rng.choice([*Side]), rng.randint(1, 9_999), rng.randint(1, 500)) for _ in range(rng.randint(0, 2))
        ]
        markets.append(EventMarket(account=account, orders=orders, yes=_range(rng) if kind == "ladder" else None))
    return markets


def _range(rng: random.Random) -> YesRange | None:
    low, high = sorted((rng.randint(0, 6), rng.randint(0, 6)))
    kind = rng.choice(["greater", "greater_or_equal", "less", "less_or_equal", "between", "custom"])
    return yes_range(kind, float(low), float(high))


def _settlements(markets: list[EventMarket], *, is_exclusive: bool) -> Iterable[tuple[bool, ...]]:
    """Yields who settles yes, in every way that can be, by trying: half steps hit each bound and between all."""
    if is_exclusive:
        yield from (tuple(n == winner for n in range(len(markets))) for winner in range(-1, len(markets)))
        return
    free = [n for n, market in enumerate(markets) if market.yes is None]
    for half_steps in range(-2, 16) if len(free) < len(markets) else (0,):
        for ways in itertools.product((False, True), repeat=len(free)):
            chosen = dict(zip(free, ways, strict=True))
            yield tuple(
                chosen[n] if market.yes is None else market.yes.holds(half_steps / 2)
                for n, market in enumerate(markets)
            )


def _brute_force(markets: list[EventMarket], *, is_exclusive: bool, may_close: bool) -> int:
    worst = 0
    for settled in set(_settlements(markets, is_exclusive=is_exclusive)):
        total = 0
        for market, is_yes in zip(markets, settled, strict=True):
            value = 10_000 if is_yes else 0
            lots, sign = market.account.lots, 1 if market.account.position_e2 > 0 else -1
            kept = sum(sign * lot.count_e2 * (value - lot.price_e4) for lot in lots)
            fills = [o.side.sign * o.count_e2 * (value - o.price_e4) for o in market.orders]
            subsets = (sum(s) for size in range(len(fills) + 1) for s in itertools.combinations(fills, size))
            total += (min(kept, 0) if may_close else kept) + min(subsets)
        worst = min(worst, total)
    return -worst


@pytest.mark.parametrize("kind", ["exclusive", "ladder", "independent"])
def test_i8_the_worst_case_equals_brute_force_over_outcomes_and_fills(kind: str) -> None:
    rng, is_exclusive = random.Random(f"exposure:{kind}"), kind == "exclusive"
    hedged = 0
    for _ in range(PORTFOLIOS // 3 + 1):
        markets = _markets(rng, kind)
        exposure = event_exposure_e6(markets, is_exclusive=is_exclusive)
        reach = event_reach_e6(markets, is_exclusive=is_exclusive)
        assert exposure == _brute_force(markets, is_exclusive=is_exclusive, may_close=False)
        assert reach == _brute_force(markets, is_exclusive=is_exclusive, may_close=True)
        assert exposure <= reach
        hedged += exposure < reach
    assert hedged > PORTFOLIOS // 20  # that there was something to hedge
