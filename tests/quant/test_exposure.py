"""Exposure is the worst case: over what the markets of an event can settle at together, and over who fills."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import pytest

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Fill, Side, Strike, StrikeKind
from quant.accounting import MarketAccount, apply_fill
from quant.exposure import (
    EventMarket,
    OpenOrder,
    YesRange,
    event_exposure_e6,
    event_reach_e6,
    hedging,
    yes_range,
)
from tests.quant.builders import ask, bid, fill

PORTFOLIOS = 10_000


def held(*fills: Fill, orders: Iterable[OpenOrder] = (), yes: YesRange | None = None, figure: str = "") -> EventMarket:
    account = MarketAccount(ticker=fills[0].ticker if fills else "M")
    for item in fills:
        account = apply_fill(account, item)
    return EventMarket(account=account, orders=tuple(orders), yes=yes, figure=figure)


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


def test_thresholds_of_two_figures_hedge_nothing_though_one_event_lists_them() -> None:
    one = held(bid(6_000, 100, ticker="A"), yes=above(1), figure="hits of one player")
    other = held(ask(4_000, 100, ticker="B"), yes=above(2), figure="hits of another")
    assert event_exposure_e6([one, other], is_exclusive=False) == 1_200_000
    assert hedging([one, other], is_exclusive=False) == frozenset()


def test_a_bound_that_two_ranges_share_is_an_outcome_of_its_own() -> None:
    lower = held(ask(5_000, 100, ticker="A"), yes=YesRange(low=70, high=71))
    upper = held(ask(5_000, 100, ticker="B"), yes=YesRange(low=71, high=72))
    assert event_exposure_e6([lower, upper], is_exclusive=False) == 1_000_000  # both are yes at 71
    beside = held(ask(5_000, 100, ticker="B"), yes=YesRange(low=71, has_low=False, high=72))
    assert event_exposure_e6([lower, beside], is_exclusive=False) == 0


def test_outcomes_that_exclude_each_other_and_yet_can_both_hold_count_at_the_worse() -> None:
    shorts = [held(ask(5_000, 100, ticker=t), yes=above(n)) for n, t in enumerate("AB")]
    assert event_exposure_e6(shorts, is_exclusive=True) == 1_000_000
    apart = [held(ask(5_000, 100, ticker=t), yes=YesRange(low=n, high=n)) for n, t in enumerate("AB")]
    assert event_exposure_e6(apart, is_exclusive=True) == 0
    longs = [held(bid(5_000, 100, ticker=t), yes=yes) for t, yes in (("A", above(1)), ("B", YesRange(high=1)))]
    assert event_exposure_e6(longs, is_exclusive=True) == 1_000_000  # none of them: the flag may be the right one


def test_figures_of_any_size_have_a_place_beyond_them() -> None:
    far = held(ask(5_000, 100, ticker="A"), yes=above(1e18))
    between = held(ask(5_000, 100, ticker="B"), yes=YesRange(low=1e308, high=1.7e308))
    assert event_exposure_e6([far], is_exclusive=False) == 500_000
    assert event_exposure_e6([held(bid(5_000, 100, ticker="A"), yes=above(1e18))], is_exclusive=False) == 500_000
    assert event_exposure_e6([between], is_exclusive=False) == 500_000


def test_an_order_that_would_break_a_hedge_counts_in_the_outcome_that_it_hurts() -> None:
    a = held(ask(6_000, 100, ticker="A"), orders=[order(Side.BID, 5_000, 100)])
    b = held(ask(6_000, 100, ticker="B"))
    assert event_exposure_e6([a, b], is_exclusive=True) == 300_000  # bought back at 50, and B happens


def test_nothing_held_is_no_exposure() -> None:
    assert event_exposure_e6([held()], is_exclusive=True) == 0
    assert event_exposure_e6([], is_exclusive=False) == 0


@pytest.mark.parametrize(
    ("kind", "floor", "cap", "yes_at", "no_at"),
    [
        ("greater", 70.0, None, 70.5, 70.0),
        ("greater_or_equal", 70.0, None, 70.0, 69.5),
        ("less", None, 70.0, 69.5, 70.0),
        ("less_or_equal", None, 70.0, 70.0, 70.5),
        ("between", 70.0, 71.0, 71.0, 71.5),
        ("between", 70.0, 71.0, 70.0, 69.5),
    ],
)
def test_a_strike_says_at_which_figures_a_market_settles_yes(
    kind: str, floor: float | None, cap: float | None, yes_at: float, no_at: float
) -> None:
    yes = yes_range(Strike(figure="F", kind=StrikeKind(kind), floor=floor, cap=cap))
    assert (yes.holds(yes_at), yes.holds(no_at)) == (True, False)


def test_only_what_is_held_together_hedges() -> None:
    a, b = held(bid(5_000, 100, ticker="A"), yes=above(1)), held(ask(5_000, 100, ticker="B"), yes=above(2))
    free, flat = held(bid(5_000, 100, ticker="C")), EventMarket(account=MarketAccount(ticker="D"), yes=above(3))
    assert hedging([a, b, free, flat], is_exclusive=False) == {"A", "B"}
    assert hedging([a, free, flat], is_exclusive=False) == frozenset()
    assert hedging([a, free, flat], is_exclusive=True) == {"A", "C"}
    assert hedging([a, flat], is_exclusive=True) == frozenset()


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
        yes = None if kind in ("exclusive", "independent") else _range(rng)
        figure = rng.choice("FG") if kind == "figures" else ""
        markets.append(EventMarket(account=account, orders=orders, yes=yes, figure=figure))
    return markets


def _range(rng: random.Random) -> YesRange | None:
    low, high = sorted((rng.randint(0, 6), rng.randint(0, 6)))
    kind = rng.choice([*StrikeKind, None])
    return None if kind is None else yes_range(Strike(figure="", kind=kind, floor=float(low), cap=float(high)))


def _settlements(markets: list[EventMarket], *, is_exclusive: bool) -> Iterable[tuple[bool, ...]]:
    """Yields who settles yes, in every way that can be, by trying: half steps hit each bound and between all."""
    by_figure = []
    for figure in sorted({market.figure for market in markets if market.yes is not None}):
        ranges = {n: market.yes for n, market in enumerate(markets) if market.yes is not None}
        mine = {n: yes for n, yes in ranges.items() if markets[n].figure == figure}
        steps = range(-2, 16)
        by_figure.append({tuple((n, yes.holds(step / 2)) for n, yes in mine.items()) for step in steps})
    if is_exclusive:
        yield from (tuple(n == winner for n in range(len(markets))) for winner in range(-1, len(markets)))
        if not any(sum(is_yes for _, is_yes in answers) > 1 for figure in by_figure for answers in figure):
            return
    free = [{((n, False),), ((n, True),)} for n, market in enumerate(markets) if market.yes is None]
    for ways in itertools.product(*by_figure, *free):
        answers = dict(itertools.chain.from_iterable(ways))
        yield tuple(answers[n] for n in range(len(markets)))


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


@pytest.mark.parametrize("kind", ["exclusive", "exclusive ranges", "ladder", "figures", "independent"])
def test_i8_the_worst_case_equals_brute_force_over_outcomes_and_fills(kind: str) -> None:
    rng, is_exclusive = random.Random(f"exposure:{kind}"), kind.startswith("exclusive")
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
