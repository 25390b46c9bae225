"""Fees to the last millionth, against the published and recorded vectors and against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.fees import FeeRounding, FeeSchedule, FeeTypeError, OrderFees, fee_schedule
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Event, Market, MarketStatus, Series, Side

PLAIN = FeeSchedule("quadratic", 10_000)
MAKER = FeeSchedule("quadratic_with_maker_fees", 10_000)
COMBO = FeeSchedule("quadratic_with_combo_maker_fees", 10_000)

VECTORS = [  # count, price, schedule, taker, net fee in dollars / 1,000,000, cash change of a buyer
    (100, 5_200, PLAIN, True, 17_500, -537_500),
    (100, 9_900, PLAIN, True, 700, -990_700),
    (10_000, 5_000, PLAIN, True, 1_750_000, -51_750_000),
    (100, 5_000, MAKER, False, 4_400, -504_400),
    (10_000, 3_500, MAKER, False, 398_200, -35_398_200),
    (30, 5_000, PLAIN, True, 5_300, -155_300),
    (552, 1_700, PLAIN, True, 54_600, None),  # recorded fills of 2026-07-01
    (116, 1_600, PLAIN, True, 11_000, None),
]


@pytest.mark.parametrize(("count", "price", "schedule", "is_taker", "net", "change"), VECTORS)
@pytest.mark.parametrize("rounding", ["2026-10", "2026-08"])
def test_published_and_recorded_fees(
    count: int,
    price: int,
    schedule: FeeSchedule,
    is_taker: bool,
    net: int,
    change: int | None,
    rounding: FeeRounding,
) -> None:
    dated = FeeSchedule(schedule.fee_type, schedule.multiplier_e4, rounding)
    assert dated.net_fee_e6(Side.BID, PriceE4(price), CountE2(count), is_taker) == net
    if change is not None:
        assert -price * count - net == change


@pytest.mark.parametrize(("rounding", "net"), [("2026-10", 497), ("2026-08", 597)])
def test_the_two_texts_differ_for_fractions_at_sub_cent_prices(rounding: FeeRounding, net: int) -> None:
    schedule = FeeSchedule("quadratic", 10_000, rounding)
    assert schedule.net_fee_e6(Side.BID, PriceE4(3_301), CountE2(3), is_taker=True) == net


def test_makers_pay_by_the_fee_type() -> None:
    arguments = (PriceE4(5_000), CountE2(10_000))
    assert PLAIN.trade_fee_e6(*arguments, is_taker=False) == 0
    assert MAKER.trade_fee_e6(*arguments, is_taker=False) == 437_500
    assert COMBO.trade_fee_e6(*arguments, is_taker=False) == 875_000


def test_the_multiplier_scales_and_zero_is_free() -> None:
    half = FeeSchedule("quadratic", 5_000)
    free = FeeSchedule("quadratic", 0)
    assert half.trade_fee_e6(PriceE4(5_000), CountE2(10_000), is_taker=True) == 875_000
    assert free.trade_fee_e6(PriceE4(5_000), CountE2(10_000), is_taker=True) == 0


@pytest.mark.parametrize("fee_type", ["flat", "", "cubic"])
def test_a_fee_type_that_cannot_be_computed_is_refused(fee_type: str) -> None:
    with pytest.raises(FeeTypeError):
        FeeSchedule(fee_type, 10_000)


def test_a_negative_multiplier_is_refused() -> None:
    with pytest.raises(ValueError, match="multiplier"):
        FeeSchedule("quadratic", -1)


SERIES = Series(ticker="S", title="", category="", fee_type="quadratic", fee_multiplier_e4=5_000)
EVENT = Event(ticker="E", series_ticker="S", title="", category="", mutually_exclusive=False)


def market(waiver_until_ms: int | None) -> Market:
    return Market(
        ticker="M",
        event_ticker="E",
        status=MarketStatus.ACTIVE,
        market_type="binary",
        title="",
        open_time_ms=0,
        close_time_ms=1,
        created_time_ms=0,
        yes_bid_e4=PriceE4(0),
        yes_ask_e4=PriceE4(10_000),
        yes_bid_size_e2=CountE2(0),
        yes_ask_size_e2=CountE2(0),
        last_price_e4=PriceE4(0),
        volume_e2=CountE2(0),
        volume_24h_e2=CountE2(0),
        open_interest_e2=CountE2(0),
        price_ranges=(),
        fee_waiver_until_ms=waiver_until_ms,
    )


@pytest.mark.parametrize(
    ("fee_type", "multiplier_e4", "expected"),
    [
        (None, None, ("quadratic", 5_000)),
        ("quadratic_with_maker_fees", None, ("quadratic_with_maker_fees", 5_000)),
        (None, 20_000, ("quadratic", 20_000)),
        ("quadratic_with_combo_maker_fees", 0, ("quadratic_with_combo_maker_fees", 0)),
    ],
)
def test_the_event_overrides_the_series_where_it_says_something(
    fee_type: str | None, multiplier_e4: int | None, expected: tuple[str, int]
) -> None:
    event = attrs.evolve(EVENT, fee_type_override=fee_type, fee_multiplier_override_e4=multiplier_e4)
    found = fee_schedule(SERIES, event, None, at_ms=0, rounding="2026-08")
    assert (found.fee_type, found.multiplier_e4, found.rounding) == (*expected, "2026-08")
    assert fee_schedule(SERIES, None, None, at_ms=0, rounding="2026-10") == FeeSchedule("quadratic", 5_000)


@pytest.mark.parametrize(("at_ms", "multiplier_e4"), [(999, 0), (1_000, 5_000), (1_001, 5_000)])
def test_a_waiver_holds_until_it_expires(at_ms: int, multiplier_e4: int) -> None:
    found = fee_schedule(SERIES, EVENT, market(1_000), at_ms=at_ms, rounding="2026-10")
    assert found.multiplier_e4 == multiplier_e4
    assert fee_schedule(SERIES, EVENT, market(None), at_ms=at_ms, rounding="2026-10").multiplier_e4 == 5_000


def test_collected_rounding_comes_back_in_whole_units() -> None:
    fees = OrderFees(PLAIN)
    charges = [fees.charge(Side.BID, PriceE4(3_301), CountE2(3), is_taker=True) for _ in range(4)]
    assert [charge.rounding_fee_e6 for charge in charges] == [32, 32, 32, 32]
    assert [charge.rebate_e6 for charge in charges] == [0, 0, 0, 100]
    assert fees.collected_e6 == 28


fills = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(1, 9_999), st.integers(1, 5_000), st.booleans()),
    min_size=1,
    max_size=30,
)


@given(
    fills,
    st.sampled_from(["quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"]),
    st.integers(0, 20_000),
    st.sampled_from(["2026-10", "2026-08"]),
)
def test_fees_equal_the_definition_in_exact_fractions(
    orders: list[tuple[Side, int, int, bool]], fee_type: str, multiplier: int, rounding: FeeRounding
) -> None:
    maker = {"quadratic": 0, "quadratic_with_maker_fees": 4, "quadratic_with_combo_maker_fees": 2}[fee_type]
    step, unit = (1, 100) if rounding == "2026-10" else (100, 10_000)
    fees = OrderFees(FeeSchedule(fee_type, multiplier, rounding))
    collected = 0
    for side, price, count, is_taker in orders:
        p, c = Fraction(price, 10_000), Fraction(count, 100)
        share = Fraction(1) if is_taker else (Fraction(1, maker) if maker else Fraction(0))
        raw_e6 = Fraction(multiplier, 10_000) * Fraction(7, 100) * share * c * p * (1 - p) * 10**6
        trade_fee = ceil(raw_e6 / step) * step
        cash = -p if side is Side.BID else -(1 - p)
        change = cash * c * 10**6 - trade_fee
        rounding_fee = int(change - floor(change / 100) * 100)
        collected += rounding_fee

        charge = fees.charge(side, PriceE4(price), CountE2(count), is_taker)

        assert charge.trade_fee_e6 == trade_fee
        assert charge.rounding_fee_e6 == rounding_fee
        assert charge.rebate_e6 % unit == 0
        assert charge.net_fee_e6 >= 0
        assert (cash * c * 10**6 - charge.net_fee_e6) % 100 == 0
        collected -= charge.rebate_e6
        assert fees.collected_e6 == collected >= 0
