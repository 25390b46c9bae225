"""An exit is wanted exactly when the position's touch passed a threshold on a price that can be believed."""

from __future__ import annotations

import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Side
from quant.stop_loss import Excursion, ExitReason, ExitWanted, StopLossParameters, decide, is_stale, seen
from tests.quant.builders import CENT_GRID, TAPERED_GRID, mark

PARAMETERS = StopLossParameters()


def wanted(
    position: int,
    entry: int,
    bid: int | None,
    ask: int | None,
    age: float = 1.0,
    parameters: StopLossParameters = PARAMETERS,
) -> ExitWanted | None:
    return decide(position, entry, mark(bid, ask), age, parameters, CENT_GRID)


def test_a_long_stops_at_the_threshold_and_sells_down_to_the_slippage_limit() -> None:
    assert wanted(700, 5_000, 3_600, 3_700) is None
    assert wanted(700, 5_000, 3_500, 3_600) == ExitWanted(
        side=Side.ASK,
        count_e2=CountE2(700),
        limit_price_e4=PriceE4(3_200),
        reason=ExitReason.STOP_LOSS,
        loss_e6=MoneyE6(1_050_000),
    )


def test_a_short_stops_at_the_ask_and_buys_up_to_the_slippage_limit() -> None:
    assert wanted(-700, 5_000, 6_300, 6_400) is None
    assert wanted(-700, 5_000, 6_400, 6_500) == ExitWanted(
        side=Side.BID,
        count_e2=CountE2(700),
        limit_price_e4=PriceE4(6_800),
        reason=ExitReason.STOP_LOSS,
        loss_e6=MoneyE6(1_050_000),
    )


def test_profit_is_taken_on_both_sides() -> None:
    for exit_wanted in (wanted(100, 5_000, 7_000, 7_100), wanted(-100, 5_000, 2_900, 3_000)):
        assert exit_wanted is not None
        assert exit_wanted.reason is ExitReason.TAKE_PROFIT


def test_either_half_can_be_switched_off() -> None:
    off = StopLossParameters(stop_loss_e4_per_contract=None, take_profit_e4_per_contract=None)
    assert wanted(100, 5_000, 100, 200, parameters=off) is None
    assert wanted(100, 5_000, 9_000, 9_100, parameters=off) is None


def test_a_flat_position_wants_nothing() -> None:
    assert wanted(0, 5_000, 100, 200) is None


@pytest.mark.parametrize(("position", "bid", "ask"), [(100, None, 300), (-100, 9_700, None)])
def test_with_nobody_to_exit_into_no_exit_is_wanted_yet(position: int, bid: int | None, ask: int | None) -> None:
    assert wanted(position, 5_000, bid, ask) is None


@pytest.mark.parametrize(("age", "stale"), [(60.0, False), (60.1, True), (math.nan, True), (math.inf, True)])
def test_a_stale_price_decides_nothing(age: float, stale: bool) -> None:
    assert is_stale(age, PARAMETERS) is stale
    assert (wanted(100, 5_000, 3_000, 3_100, age) is None) is stale


def test_the_touch_of_a_very_wide_book_proves_nothing_unless_the_mid_agrees() -> None:
    assert wanted(100, 5_000, 100, 9_900) is None
    assert wanted(-100, 5_000, 100, 9_900) is None
    assert wanted(100, 5_000, 3_000, None) is None
    assert wanted(-100, 5_000, None, 7_000) is None
    fallen = wanted(100, 5_000, 100, 2_000)
    assert fallen is not None
    assert fallen.reason is ExitReason.STOP_LOSS


@given(
    position=st.sampled_from([-500, 500]),
    entry=st.integers(1, 9_999),
    bid_index=st.integers(0, 260),
    slippage=st.integers(0, 2_000),
)
def test_the_limit_is_on_the_grid_at_or_beyond_the_touch_and_within_the_allowance(
    position: int, entry: int, bid_index: int, slippage: int
) -> None:
    prices = [PriceE4(price) for price in range(10, 10_000, 10) if TAPERED_GRID.is_valid(price)]
    bid = prices[min(bid_index, len(prices) - 2)]
    ask = TAPERED_GRID.step_above(bid)
    parameters = attrs.evolve(PARAMETERS, slippage_e4=slippage, stop_loss_e4_per_contract=1)
    exit_wanted = decide(position, entry, mark(bid, ask), 0.0, parameters, TAPERED_GRID)
    if exit_wanted is None:
        return
    assert TAPERED_GRID.is_valid(exit_wanted.limit_price_e4)
    assert exit_wanted.count_e2 == abs(position)
    assert ask is not None
    if exit_wanted.side is Side.ASK:
        assert bid - slippage <= exit_wanted.limit_price_e4 <= bid
    else:
        assert ask <= exit_wanted.limit_price_e4 <= ask + slippage


# -- what a position has been through --

Touch = tuple[int, int | None, int | None]


def walked(entry: int, touches: list[Touch], parameters: StopLossParameters) -> ExitWanted | None:
    """What is wanted at the last of (position, bid, ask), each two cents wide or as wide as it is written."""
    excursion, found = Excursion(), None
    for position, bid, ask in touches:
        excursion = seen(excursion, position, entry, mark(bid, ask), 1.0, parameters)
        found = decide(position, entry, mark(bid, ask), 1.0, parameters, CENT_GRID, excursion)
    return found


TRAILING = attrs.evolve(
    PARAMETERS, trailing_e4_per_contract=400, trailing_from_e4_per_contract=500, take_profit_e4_per_contract=None
)


@pytest.mark.parametrize(
    ("bids", "is_wanted"),
    [
        ((5_000, 5_499, 5_099), False),  # it was never armed
        ((5_000, 5_500, 5_101), False),  # less than 4 cents given back
        ((5_000, 5_500, 5_100), True),
        ((5_000, 5_900, 5_700, 5_500), True),
        ((5_000, 5_900, 5_200, 5_800), False),  # the word is about now; the desk has its claim of before
    ],
)
def test_a_trailing_stop_gives_back_so_much_of_the_best_profit(bids: tuple[int, ...], is_wanted: bool) -> None:
    long = walked(5_000, [(700, bid, bid + 200) for bid in bids], TRAILING)
    short = walked(5_000, [(-700, 10_000 - bid - 200, 10_000 - bid) for bid in bids], TRAILING)
    for found in (long, short):
        assert (None if found is None else found.reason) == (ExitReason.TRAILING if is_wanted else None)


def test_without_a_trailing_stop_nothing_is_given_back() -> None:
    assert walked(5_000, [(700, 6_900, 7_000), (700, 5_000, 5_100)], PARAMETERS) is None


FAILSAFE = attrs.evolve(PARAMETERS, stop_loss_e4_per_contract=None, failsafe_loss_e6=MoneyE6(10_000_000))


@pytest.mark.parametrize(
    ("bid", "is_wanted"),
    [(4_001, False), (4_000, True), (3_900, True)],
)
def test_the_failsafe_counts_the_money_of_the_whole_position(bid: int, is_wanted: bool) -> None:
    long = walked(5_000, [(10_000, bid, bid + 200)], FAILSAFE)
    short = walked(5_000, [(-10_000, 10_000 - bid - 200, 10_000 - bid)], FAILSAFE)
    for found in (long, short):
        assert (None if found is None else found.reason) == (ExitReason.FAILSAFE if is_wanted else None)


def test_a_failsafe_that_was_passed_holds_until_the_position_is_flat() -> None:
    through: list[Touch] = [(10_000, 3_900, 4_000), (10_000, 4_900, 5_000)]
    found = walked(5_000, through, FAILSAFE)
    assert found is not None
    assert found.reason is ExitReason.FAILSAFE
    assert found.loss_e6 == 1_000_000, "what it has lost by now"
    assert walked(5_000, [*through, (0, 4_900, 5_000), (10_000, 4_900, 5_000)], FAILSAFE) is None
    assert walked(5_000, [*through, (-10_000, 4_900, 5_000)], FAILSAFE) is None, "it turned round: another position"


def test_a_very_wide_book_is_no_excursion() -> None:
    assert walked(5_000, [(10_000, 100, 9_900), (10_000, 4_900, 5_000)], FAILSAFE) is None


def test_a_stale_price_is_no_excursion() -> None:
    stale_s = PARAMETERS.price_max_age_s + 1
    assert seen(Excursion(), 10_000, 5_000, mark(100, 200), stale_s, FAILSAFE) == Excursion(sign=1)


@given(st.lists(st.tuples(st.integers(-300, 300), st.integers(1, 98)), min_size=1, max_size=20))
def test_an_excursion_is_the_best_and_the_worst_since_the_position_was_opened(walk: list[tuple[int, int]]) -> None:
    excursion = Excursion()
    for position, cents in walk:
        excursion = seen(excursion, position, 5_000, mark(cents * 100, cents * 100 + 100), 1.0, PARAMETERS)
    sign = (walk[-1][0] > 0) - (walk[-1][0] < 0)
    begun = next((n for n in range(len(walk), 0, -1) if walk[n - 1][0] * sign <= 0), 0) if sign else len(walk)
    since = walk[begun:]
    touches_e4 = [(cents if sign > 0 else cents + 1) * 100 for _, cents in since]
    held = [position for position, _ in since]
    losses_e6 = [-sign * (touch - 5_000) * abs(size) for touch, size in zip(touches_e4, held, strict=True)]
    best = None if not touches_e4 else max(touches_e4) if sign > 0 else min(touches_e4)
    assert excursion == Excursion(sign=sign, best_touch_e4=best, worst_e6=MoneyE6(max([0, *losses_e6])))


@pytest.mark.parametrize(("position", "side", "limit"), [(700, Side.ASK, 4_600), (-700, Side.BID, 5_400)])
def test_who_is_to_be_flat_is_let_out_at_the_touch_whatever_it_costs(position: int, side: Side, limit: int) -> None:
    found = decide(position, 5_000, mark(4_900, 5_100), 1.0, PARAMETERS, CENT_GRID, is_flattening=True)
    assert found is not None
    assert (found.side, found.count_e2, found.limit_price_e4) == (side, 700, limit)
    assert found.reason is ExitReason.FLATTEN


def test_flattening_needs_a_position_somebody_there_and_a_price_that_can_be_believed() -> None:
    stale_s = PARAMETERS.price_max_age_s + 1
    for position, bid, age_s in ((0, 4_900, 1.0), (700, None, 1.0), (700, 4_900, stale_s)):
        assert decide(position, 5_000, mark(bid, 9_900), age_s, PARAMETERS, CENT_GRID, is_flattening=True) is None
    assert decide(700, 5_000, mark(100, 9_900), 1.0, PARAMETERS, CENT_GRID, is_flattening=True) is not None


def test_a_failsafe_that_was_passed_holds_in_a_very_wide_book_too() -> None:
    through: list[Touch] = [(10_000, 3_900, 4_000), (10_000, 3_000, 7_000)]
    found = walked(5_000, through, attrs.evolve(FAILSAFE, stop_loss_e4_per_contract=1_500))
    assert found is not None
    assert found.reason is ExitReason.FAILSAFE


def test_in_a_very_wide_book_any_loss_at_the_mid_bears_out_a_loss_at_the_touch() -> None:
    parameters = attrs.evolve(TRAILING, stop_loss_e4_per_contract=1_500)
    found = walked(5_000, [(700, 6_000, 6_200), (700, 3_400, 7_000)], parameters)  # the mid has given back 8 cents
    assert found is not None
    assert found.reason is ExitReason.STOP_LOSS
    assert walked(5_000, [(700, 3_400, 7_000)], PARAMETERS) is None, "the mid says profit: the touch proves nothing"


def test_more_contracts_at_an_unchanged_price_give_nothing_back() -> None:
    bought_at_30, then_at_40 = 3_000, 3_909  # ten contracts, then a hundred more
    excursion = seen(Excursion(), 1_000, bought_at_30, mark(4_000, 4_100), 1.0, TRAILING)
    excursion = seen(excursion, 11_000, then_at_40, mark(4_000, 4_100), 1.0, TRAILING)
    assert decide(11_000, then_at_40, mark(4_000, 4_100), 1.0, TRAILING, CENT_GRID, excursion) is None
