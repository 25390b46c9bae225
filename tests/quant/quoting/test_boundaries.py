"""Just below, at and just above each limit around the quotes: guards, bands, spreads, room, settlement, pace."""

from __future__ import annotations

import math

import attrs
import pytest

from kalshi.numbers import CountE2, PriceE4
from quant.quoting import hybrid, touch
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters, quote
from quant.quoting.decision import QuoteDecision
from quant.quoting.hybrid import HybridParameters
from quant.quoting.placement import PlacementParameters, place_ask, place_bid
from quant.quoting.price_bands import PriceBand, PriceBandParameters, band_of
from quant.quoting.refill_state import LegState, StakeParameters, StakeState, applied
from quant.quoting.settlement_skew import SettlementSkewParameters, settlement_weight
from quant.quoting.sizing import SizingParameters, sizes
from quant.quoting.touch import Pace, TouchParameters, improvement, paced
from quant.signals.volatility import structural_cap
from tests.quant.builders import CALM, CENT_GRID, TAPERED_GRID, level, prices
from tests.quant.builders import bid as bid_filled
from tests.quant.quoting.test_incentive import FACTS, FREE
from tests.quant.quoting.test_incentive import decide as rewarded

PARAMETERS = AvellanedaStoikovParameters()


def decide(parameters: AvellanedaStoikovParameters = PARAMETERS, **changes: object) -> QuoteDecision:
    return quote(attrs.evolve(CALM, **changes), parameters, TAPERED_GRID)  # type: ignore[arg-type]


def is_quoted(**changes: object) -> bool:
    return prices(decide(PARAMETERS, **changes)) != (None, None)


@pytest.mark.parametrize(("spread_e4", "quotes"), [(1_499, True), (1_500, True), (1_501, False)])
def test_a_spread_beyond_15_cents_is_a_shock(spread_e4: int, quotes: bool) -> None:
    assert is_quoted(best_bid=level(4_000), best_ask=level(4_000 + spread_e4)) is quotes


@pytest.mark.parametrize(("left_s", "quotes"), [(179.9, False), (180.0, False), (180.1, True)])
def test_quoting_ends_three_minutes_before_the_close(left_s: float, quotes: bool) -> None:
    assert is_quoted(seconds_to_close=left_s) is quotes


@pytest.mark.parametrize(("left_s", "horizon_s"), [(3_599.0, 3_599.0), (3_600.0, 3_600.0), (3_601.0, 3_600.0)])
def test_the_horizon_is_capped_at_an_hour(left_s: float, horizon_s: float) -> None:
    assert decide(seconds_to_close=left_s).horizon_s == horizon_s


@pytest.mark.parametrize("share", [0.999, 1.0, 1.001])
def test_volatility_is_capped_at_what_a_contract_has_left(share: float) -> None:
    cap = structural_cap(0.5, 3_600.0)
    decision = decide(sigma_dollars_per_sqrt_s=cap * share)
    assert decision.sigma == pytest.approx(min(cap, cap * share))
    assert ("volatility capped at what the contract has left" in decision.reasons) is (share > 1)


@pytest.mark.parametrize("step", [-0.001, 0.0, 0.001])
@pytest.mark.parametrize(("bound", "is_least"), [(0.01, True), (0.1, False)])
def test_the_total_spread_lies_from_one_to_ten_cents(bound: float, is_least: bool, step: float) -> None:
    """With hardly any aversion and volatility the model's spread is 2 / k."""
    wanted = bound + step
    model = attrs.evolve(PARAMETERS, k_per_dollar=2 / wanted, gamma_per_dollar=1e-6)
    expected = max(wanted, bound) if is_least else min(wanted, bound)
    assert decide(model, sigma_dollars_per_sqrt_s=0.0).total_spread == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("price", "band"),
    [
        (0.0499, PriceBand.HARD_LOW),
        (0.05, PriceBand.SOFT_LOW),
        (0.0501, PriceBand.SOFT_LOW),
        (0.1499, PriceBand.SOFT_LOW),
        (0.15, PriceBand.NORMAL),
        (0.1501, PriceBand.NORMAL),
        (0.8499, PriceBand.NORMAL),
        (0.85, PriceBand.NORMAL),
        (0.8501, PriceBand.SOFT_HIGH),
        (0.9499, PriceBand.SOFT_HIGH),
        (0.95, PriceBand.SOFT_HIGH),
        (0.9501, PriceBand.HARD_HIGH),
    ],
)
def test_the_edges_of_price_bands_belong_to_the_milder_one(price: float, band: PriceBand) -> None:
    assert band_of(price, PriceBandParameters()) is band


@pytest.mark.parametrize(
    ("price", "held_e2", "bid_e2"),
    [
        (0.5, 8_499, 1_000),
        (0.5, 8_500, 1_000),
        (0.5, 8_501, 900),
        (0.5, 9_400, 100),
        (0.5, 9_401, 0),
        (0.1, 2_749, 100),
        (0.1, 2_750, 100),
        (0.1, 2_751, 0),
        (0.04, 849, 100),
        (0.04, 850, 100),
        (0.04, 851, 0),
    ],
)
def test_the_adding_side_has_the_bands_share_of_the_limit_less_a_twentieth(
    price: float, held_e2: int, bid_e2: int
) -> None:
    """The limit is a hundred contracts: 95, 28.5 and 9.5 of them, in whole contracts."""
    found = sizes(attrs.evolve(CALM, position_e2=CountE2(held_e2)), price, SizingParameters())
    assert found.bid_e2 == bid_e2


@pytest.mark.parametrize(("risk_e2", "bid_e2"), [(10_499, 900), (10_527, 1_000), (10_600, 1_000), (None, 1_000)])
def test_the_smaller_of_the_programs_and_risks_limits_holds(risk_e2: int | None, bid_e2: int) -> None:
    inputs = attrs.evolve(
        CALM,
        position_e2=CountE2(9_000),
        max_position_e2=CountE2(20_000),
        max_long_e2=None if risk_e2 is None else CountE2(risk_e2),
    )
    assert sizes(inputs, 0.5, SizingParameters()).bid_e2 == bid_e2


@pytest.mark.parametrize(("held_e2", "ask_e2"), [(99, 0), (100, 100), (101, 100)])
def test_in_a_hard_band_the_dear_side_works_off_no_more_than_is_held(held_e2: int, ask_e2: int) -> None:
    assert sizes(attrs.evolve(CALM, position_e2=CountE2(held_e2)), 0.03, SizingParameters()).ask_e2 == ask_e2


@pytest.mark.parametrize(
    ("bid", "bid_e4", "ask_e4"), [(0.489, 4_800, 5_100), (0.49, 4_900, 5_100), (0.491, 4_900, 5_200)]
)
def test_a_bid_goes_down_to_the_grid_and_an_ask_up(bid: float, bid_e4: int, ask_e4: int) -> None:
    book = (level(4_800), level(5_200))
    assert place_bid(bid, *book, CENT_GRID, PlacementParameters()) == bid_e4
    assert place_ask(bid + 0.02, *book, CENT_GRID, PlacementParameters()) == ask_e4


@pytest.mark.parametrize(("steps", "bid_e4"), [(0, 4_800), (1, 4_900), (2, 5_000), (3, 5_100), (4, 5_100)])
def test_a_quote_improves_by_so_many_ticks_and_never_reaches_the_other_side(steps: int, bid_e4: int) -> None:
    parameters = PlacementParameters(improve_steps_max=steps)
    assert place_bid(0.9, level(4_800), level(5_200), CENT_GRID, parameters) == bid_e4


@pytest.mark.parametrize(
    ("left_s", "trade_out_s", "weight"),
    [
        (600.1, 0.0, 0.0),
        (600.0, 0.0, 0.0),
        (599.9, 0.0, 0.1 / 300),
        (300.1, 0.0, 1 - 0.1 / 300),
        (300.0, 0.0, 1.0),
        (299.9, 0.0, 1.0),
        (7_200.1, math.inf, 0.0),
        (7_200.0, math.inf, 0.0),
        (7_199.0, math.inf, 1 / 3_600),
        (3_600.0, math.inf, 1.0),
    ],
)
def test_the_settlement_skew_takes_over_between_its_bounds(left_s: float, trade_out_s: float, weight: float) -> None:
    assert settlement_weight(left_s, trade_out_s, SettlementSkewParameters()) == pytest.approx(weight)


@pytest.mark.parametrize(
    ("spread_e4", "dollars"),
    [(299, 0.0), (300, 0.0), (301, 0.01), (699, 0.01), (700, 0.01), (701, 0.02)],
)
def test_a_reacting_order_improves_beyond_three_and_seven_cents(spread_e4: int, dollars: float) -> None:
    assert improvement(spread_e4, TouchParameters()) == dollars


@pytest.mark.parametrize(("after_s", "cools"), [(1.999, True), (2.0, True), (2.001, False)])
def test_a_round_filled_within_two_seconds_cools_down_for_thirty(after_s: float, cools: bool) -> None:
    stake = StakeParameters(ticker="M", count_e2=CountE2(100), yes_price_e4=PriceE4(4_500))
    leg = LegState(rounds=1, remaining_e2=CountE2(100), price_e4=PriceE4(4_500), posted_at_ms=0)
    one = attrs.evolve(bid_filled(4_500, 100), ts_ms=int(after_s * 1000))
    state = applied(StakeState(ticker="M", yes=leg), one, 1, stake)
    assert state.yes.cooldown_until_ms == (int(after_s * 1000) + 30_000 if cools else 0)


@pytest.mark.parametrize(
    ("field", "value", "brakes"),
    [
        ("held_contract_min", 499.9, False),
        ("held_contract_min", 500.0, True),
        ("held_contract_min", 500.1, True),
        ("adverse_excursion", 0.0799, False),
        ("adverse_excursion", 0.08, True),
        ("adverse_excursion", 0.0801, True),
    ],
)
def test_the_hybrids_brakes_hold_from_their_limits_on(field: str, value: float, brakes: bool) -> None:
    held = attrs.evolve(CALM, position_e2=CountE2(1_000), **{field: value})  # type: ignore[arg-type]
    decision = hybrid.quote(held, HybridParameters(), CENT_GRID)
    assert (decision.bid is None) is brakes
    assert decision.ask is not None


@pytest.mark.parametrize(("after_s", "waits"), [(0.499, True), (0.5, False), (0.501, False)])
def test_a_replacement_waits_for_half_a_second(after_s: float, waits: bool) -> None:
    pace, _ = paced(Pace(), touch.quote(CALM, TouchParameters(), CENT_GRID), CALM, 0.0, TouchParameters())
    moved = attrs.evolve(CALM, best_ask=level(5_300))
    _, decision = paced(pace, touch.quote(moved, TouchParameters(), CENT_GRID), moved, after_s, TouchParameters())
    assert prices(decision) == (4_800, 5_200 if waits else 5_300)


@pytest.mark.parametrize(("held_e2", "adds"), [(49_999, True), (50_000, False), (50_001, False)])
def test_incentive_quotes_add_up_to_half_of_the_limit(held_e2: int, adds: bool) -> None:
    assert (rewarded(FREE, position_e2=held_e2).bid is not None) is adds


@pytest.mark.parametrize(("cents", "adds"), [(4, False), (5, True), (6, True)])
def test_incentive_quotes_add_to_no_side_under_five_cents(cents: int, adds: bool) -> None:
    bids, asks = (level(cents * 100, 200_000),), (level(cents * 100 + 600, 200_000),)
    facts = attrs.evolve(FACTS, other_bids=bids, other_asks=asks)
    assert (rewarded(FREE, facts, best_bid=bids[0], best_ask=asks[0]).bid is not None) is adds
