"""The client's fees against the simulated exchange's own: written apart, equal to the last millionth."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.fees import FeeRounding, FeeSchedule, OrderFees
from kalshi.numbers import CountE2, PriceE4
from kalshi.simulator.fees import FeeTerms, charge, trade_fee_e6
from kalshi.types import Side
from tests.kalshi.simulator.customer import SUB_CENT_TICKER, World

ROUNDINGS: Final[tuple[FeeRounding, ...]] = ("2026-10", "2026-08")
FEE_TYPES = ("quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees")
ORDERS = 60

# Side, price in 1/10,000 dollar, count in 1/100 contract, taker, and whether it closes a position of the other outcome.
fills = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(1, 9_999), st.integers(1, 100_000), st.booleans(), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(fills, st.sampled_from(FEE_TYPES), st.integers(0, 20_000), st.sampled_from(ROUNDINGS))
def test_both_sides_bill_every_fill_of_an_order_alike(
    history: list[tuple[Side, int, int, bool, bool]], fee_type: str, multiplier_e4: int, rounding: FeeRounding
) -> None:
    ours = OrderFees(FeeSchedule(fee_type, multiplier_e4, rounding))
    terms = FeeTerms(fee_type=fee_type, multiplier_e4=multiplier_e4, rounding=rounding)
    accumulator_e6 = 0
    for side, price_e4, count_e2, is_taker, closes in history:
        own_price_e4 = price_e4 if side is Side.BID else 10_000 - price_e4
        revenue_e6 = (10_000 - own_price_e4 if closes else -own_price_e4) * count_e2
        net_e6, accumulator_e6 = charge(
            trade_fee_e6(terms, price_e4, count_e2, is_taker=is_taker), revenue_e6, accumulator_e6, rounding
        )
        assert ours.charge(side, PriceE4(price_e4), CountE2(count_e2), is_taker).net_fee_e6 == net_e6
        assert ours.collected_e6 == accumulator_e6


@pytest.mark.parametrize("rounding", ROUNDINGS)
async def test_fees_on_the_wire_are_the_ones_we_compute(rounding: FeeRounding) -> None:
    """Fractional counts at sub-cent prices, several fills per order, both roles."""
    rng = random.Random(f"fees {rounding}")
    world = World(fee_rounding=rounding)
    for _ in range(ORDERS):
        customer = rng.choice((world.alice, world.bob))
        price_e4 = rng.choice(
            (rng.randrange(1, 100) * 10, rng.randrange(10, 91) * 100, 10_000 - rng.randrange(1, 100) * 10)
        )
        count = f"{rng.randrange(1, 900) / 100:.2f}"
        side = rng.choice(("bid", "ask"))
        order = {"ticker": SUB_CENT_TICKER, "exchange_index": 2, "self_trade_prevention_type": "maker"}
        await customer.place(side, f"{price_e4 / 10_000:.4f}", count, **order)
    compared = 0
    for key_id in ("alice", "bob"):
        fees_of: dict[str, OrderFees] = defaultdict(lambda: OrderFees(FeeSchedule("quadratic", 10_000, rounding)))
        for fill in world.exchange.truth.fills(key_id):
            ours = fees_of[fill.order_id].charge(
                fill.side, PriceE4(fill.price_e4), CountE2(fill.count_e2), fill.is_taker
            )
            assert ours.net_fee_e6 == fill.fee_e6
            compared += 1
        assert len(fees_of) < compared
    assert compared > ORDERS // 2
