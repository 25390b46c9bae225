"""Losses of the day and from the peak trip once, on what is certainly lost, and hold until a person releases them."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import MoneyE6
from kalshi.types import Fill
from quant.accounting import Mark
from quant.loss_latch import LossLatch, LossLimits, watch_loss
from quant.positions import Portfolio, value
from tests.quant.builders import ask, bid, holding, mark

LIMITS = LossLimits(daily_e6=20_000_000, drawdown_e6=50_000_000)
LONG = holding(bid(5_000, 40_000))  # 400 contracts at 50 cents: a cent is four dollars


def after(
    latch: LossLatch, portfolio: Portfolio, price: Mark | None, *, day: int = 1, limits: LossLimits = LIMITS
) -> tuple[LossLatch, int]:
    marks = {} if price is None else {"M": price}
    return watch_loss(latch, portfolio, value(portfolio, marks), day, limits)


def walked(*bids: int, portfolio: Portfolio = LONG, limits: LossLimits = LIMITS) -> LossLatch:
    latch = LossLatch()
    alone = attrs.evolve(limits, daily_e6=10**12)  # of the drawdown
    for day, price in enumerate(bids):
        latch, _ = after(latch, portfolio, mark(price, price + 200), day=day, limits=alone)
    return latch


@pytest.mark.parametrize(("price", "is_tripped"), [(4_501, False), (4_500, True), (4_000, True)])
def test_the_daily_loss_trips_at_its_limit(price: int, is_tripped: bool) -> None:
    latch, _ = after(LossLatch(), LONG, mark(5_000, 5_200))
    latch, loss_e6 = after(latch, LONG, mark(price, price + 200))
    assert loss_e6 == (5_000 - price) * 40_000
    assert (latch.tripped_reason is not None) is is_tripped


@pytest.mark.parametrize(("last", "is_tripped"), [(4_751, False), (4_750, True)])
def test_the_drawdown_counts_from_the_highest_equity_over_the_days(last: int, is_tripped: bool) -> None:
    latch = walked(5_600, 6_000, 5_800, 5_300, last)
    assert latch.peak_equity_e6 == 40_000_000
    expected = "drawdown of $50.00 reached the limit of $50.00" if is_tripped else None
    assert latch.tripped_reason == expected


def test_a_drawdown_without_a_limit_is_not_watched() -> None:
    assert walked(6_000, 2_000, limits=attrs.evolve(LIMITS, drawdown_e6=None)).tripped_reason is None


def test_what_has_tripped_holds_whatever_comes_until_it_is_released() -> None:
    latch = walked(6_000, 4_000)
    assert latch.tripped_reason is not None
    for day in range(2, 5):
        latch, _ = after(latch, LONG, mark(6_500, 6_700), day=day)
    assert latch.tripped_reason is not None
    released, _ = after(latch.released(), LONG, mark(4_000, 4_200), day=5)
    anew = MoneyE6(-40_000_000)
    assert released == LossLatch(day=5, start_equity_e6=anew, peak_equity_e6=anew, last_equity_e6=anew)


@pytest.mark.parametrize("fill", [bid(5_000, 40_000), ask(5_000, 40_000)], ids=["long", "short"])
def test_a_restart_without_prices_never_trips_though_the_day_began_with_a_profit(fill: Fill) -> None:
    portfolio = holding(fill)
    latch = LossLatch(day=1, start_equity_e6=MoneyE6(150_000_000), peak_equity_e6=MoneyE6(190_000_000))
    unmarked, _ = after(latch, portfolio, None)
    assert unmarked.tripped_reason is None
    assert unmarked.peak_equity_e6 == 190_000_000


def test_a_loss_that_no_unread_price_could_make_good_trips_at_once() -> None:
    latch = LossLatch(day=1, start_equity_e6=MoneyE6(220_000_000), peak_equity_e6=MoneyE6(220_000_000))
    assert after(latch, LONG, None)[0].tripped_reason is not None, "at a dollar each it would be $200"


def test_no_peak_is_taken_while_a_price_is_unread() -> None:
    latch, _ = after(LossLatch(), LONG, None)
    assert latch.peak_equity_e6 is None
    latch, _ = after(latch, LONG, mark(4_800, 5_000))
    assert latch.peak_equity_e6 == -8_000_000


@given(st.lists(st.tuples(st.integers(1, 97), st.integers(0, 3)), min_size=1, max_size=30))
def test_it_trips_exactly_when_the_plain_rule_does(walk: list[tuple[int, int]]) -> None:
    latch, days, peak, tripped = LossLatch(), 0, None, False
    start: int | None = None
    last: int | None = None
    for cents, days_on in walk:
        equity = (cents * 100 - 5_000) * 40_000
        if start is None or days_on:
            days, start = days + days_on, equity if last is None else last
        last = equity
        peak = equity if peak is None else max(peak, equity)
        tripped = tripped or start - equity >= LIMITS.daily_e6 or peak - equity >= 50_000_000
        latch, _ = after(latch, LONG, mark(cents * 100, cents * 100 + 200), day=days)
        assert (latch.tripped_reason is not None) is tripped


def test_a_day_begins_with_what_was_there_at_the_end_of_the_day_before() -> None:
    latch, _ = after(LossLatch(), LONG, mark(5_000, 5_200), day=1)
    latch, _ = after(latch, LONG, mark(4_900, 5_100), day=1)
    overnight, loss_e6 = after(latch, LONG, mark(4_600, 4_800), day=2)
    assert (overnight.start_equity_e6, loss_e6) == (-4_000_000, 12_000_000)


@pytest.mark.parametrize(
    "latch", [LossLatch(), LossLatch(day=1, start_equity_e6=MoneyE6(5), tripped_reason="x").released()]
)
def test_a_start_waits_until_everything_held_has_a_price(latch: LossLatch) -> None:
    unread, loss_e6 = after(latch, LONG, None, day=2)
    assert (unread.start_equity_e6, loss_e6) == (None, 0)
    first, _ = after(unread, LONG, mark(4_400, 4_600), day=2)
    assert (first.start_equity_e6, first.tripped_reason) == (-24_000_000, None), "an older loss is not this day's"


def test_a_clock_that_jumps_over_midnight_and_back_forgives_nothing() -> None:
    latch, _ = after(LossLatch(), LONG, mark(5_000, 5_200), day=5)
    latch, _ = after(latch, LONG, mark(4_700, 4_900), day=6)
    latch, _ = after(latch, LONG, mark(4_600, 4_800), day=5)
    assert (latch.day, latch.start_equity_e6) == (6, 0)
    latch, _ = after(latch, LONG, mark(4_500, 4_700), day=6)
    assert latch.tripped_reason is not None
