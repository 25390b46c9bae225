"""Own fills teach once, at the mid that stood ten seconds after them, and PnL by what it has changed by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Side
from quant.selection.experience import HORIZON_S, MARKETS_MAX, MID_AGE_MAX_S, Learned, OwnFills
from quant.selection.toxicity import ToxicityParameters, block_reason
from quant.signals.markouts import MarkedFill

NOW_MS = 1_800_000_000_000


def fills() -> OwnFills:
    return OwnFills(ToxicityParameters(contracts_min=50.0, markout_loss_max=0.02))


def bought(at_s: float, contracts: int = 60, side: Side = Side.BID) -> MarkedFill:
    return MarkedFill(time_s=at_s, side=side, price_e4=PriceE4(5_000), count_e2=CountE2(contracts * 100))


def settled(own: OwnFills, at_s: float) -> Learned:
    return own.settle(at_s, NOW_MS + round(at_s * 1000))


def test_a_fill_teaches_at_its_horizon_and_once() -> None:
    own = fills()
    own.mid_seen("T", 0.0, 0.50)
    own.filled("T", "S", bought(1.0))
    own.mid_seen("T", 10.9, 0.47)
    assert not settled(own, 11.0)  # the horizon is just reached: a mid of this moment would still count
    own.mid_seen("T", 11.1, 0.20)  # after the horizon: says nothing about it
    learned = settled(own, 11.1)
    ((name, record),) = learned.markets
    assert (name, learned.series[0][0]) == ("T", "S")
    assert record.contracts == pytest.approx(60)
    assert record.markout_dollars == pytest.approx(-0.03 * 60)
    assert block_reason(own.memory, "T", "S", record.at_ms) is not None
    assert not settled(own, 60.0)


@pytest.mark.parametrize(("side", "sign"), [(Side.BID, 1), (Side.ASK, -1)])
def test_a_markout_is_seen_from_the_fill(side: Side, sign: int) -> None:
    own = fills()
    own.filled("T", "S", bought(0.0, side=side))
    own.mid_seen("T", 1.0, 0.51)
    assert settled(own, 10.5).markets[0][1].markout_dollars == pytest.approx(sign * 0.60)


def test_a_price_from_before_the_fill_still_stands_until_it_is_too_old() -> None:
    own = fills()
    own.mid_seen("T", 0.0, 0.48)
    own.filled("T", "S", bought(MID_AGE_MAX_S - HORIZON_S))
    assert settled(own, MID_AGE_MAX_S + 1).markets[0][1].contracts == pytest.approx(60)
    own.filled("T", "S", bought(MID_AGE_MAX_S - HORIZON_S + 0.5))
    assert not settled(own, MID_AGE_MAX_S + 2)


def test_a_fill_without_any_price_teaches_nothing_and_is_forgotten() -> None:
    own = fills()
    own.filled("T", "S", bought(0.0))
    assert not settled(own, 20.0)
    own.mid_seen("T", 21.0, 0.10)
    assert not settled(own, 40.0)


def test_fills_told_out_of_order_are_taken_as_of_the_later_moment() -> None:
    own = fills()
    own.mid_seen("T", 0.0, 0.50)
    own.filled("T", "S", bought(2.0))
    own.filled("T", "S", bought(1.0))
    assert not settled(own, 11.5)
    assert settled(own, 12.5).markets[0][1].contracts == pytest.approx(120)


def test_pnl_teaches_what_it_changed_by_and_what_was_stored_is_no_news() -> None:
    own = fills()
    own.realised("T", "S", MoneyE6(-4_000_000), NOW_MS)
    first = own.settle(0.0, NOW_MS)
    own.realised("T", "S", MoneyE6(-4_000_000), NOW_MS)
    assert not own.settle(0.0, NOW_MS)
    reborn = fills()
    reborn.restore(first)
    reborn.realised("T", "S", MoneyE6(-4_000_000), NOW_MS)
    assert not reborn.settle(0.0, NOW_MS)
    reborn.realised("T", "S", MoneyE6(-5_000_000), NOW_MS)
    learned = reborn.settle(0.0, NOW_MS)
    assert learned.markets[0][1].pnl_dollars == pytest.approx(-5.0)
    assert learned.realised == (("T", -5_000_000),)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 50), st.floats(0.1, 0.9)), max_size=30))
def test_every_fill_is_counted_exactly_once_whenever_it_is_settled(
    events: list[tuple[str, int, float]],
) -> None:
    own = OwnFills(ToxicityParameters(half_life_s=1e12))
    filled = dict.fromkeys("ABC", 0)
    for second, (ticker, contracts, mid) in enumerate(events):
        own.mid_seen(ticker, float(second), mid)
        own.filled(ticker, "S", bought(second + 0.5, contracts))
        filled[ticker] += contracts
        settled(own, float(second))
    settled(own, len(events) + HORIZON_S + 1.0)
    counted = {ticker: record.contracts for ticker, record in own.memory.markets.items()}
    assert counted == pytest.approx({ticker: contracts for ticker, contracts in filled.items() if contracts})


def test_markets_are_bounded() -> None:
    own = fills()
    for number in range(MARKETS_MAX + 10):
        own.mid_seen(f"T{number}", 0.0, 0.5)
        own.realised(f"T{number}", "S", MoneyE6(1), NOW_MS)
    assert len(own._mids) == len(own._realised) == MARKETS_MAX
