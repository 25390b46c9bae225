"""What holds for every quoting strategy, over random books, grids, positions and parameters."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from quant.quoting.avellaneda_stoikov import InventoryAversion
from quant.quoting.decision import QuoteDecision, QuoteInputs, QuoteTarget
from quant.quoting.frame import GuardParameters
from quant.quoting.price_bands import PriceBand, band_of, factor_of
from quant.signals.fair_value import fair_value
from tests.quant.quoting.strategies import GRIDS, HELD_MAX_E2, STRATEGIES, Strategy, inputs_on, mirrored

every_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
EXAMPLES, EXAMPLES_LONG = 60, 300


@st.composite
def cases(draw: st.DrawFn) -> tuple[PriceGrid, QuoteInputs]:
    grid = draw(GRIDS)
    return grid, draw(inputs_on(grid))


def size(target: QuoteTarget | None) -> int:
    return 0 if target is None else target.count_e2


def is_nowhere_higher(left: QuoteTarget | None, right: QuoteTarget | None) -> bool:
    return left is None or right is None or left.price_e4 <= right.price_e4


def mirror_of(target: QuoteTarget | None) -> QuoteTarget | None:
    return None if target is None else attrs.evolve(target, price_e4=PriceE4(10_000 - target.price_e4))


def require_valid_prices(decision: QuoteDecision, inputs: QuoteInputs, grid: PriceGrid) -> None:
    """On the grid, never through the touch, never through each other, and never silent about a missing side."""
    assert inputs.best_bid is not None
    assert inputs.best_ask is not None
    if inputs.best_bid.price_e4 >= inputs.best_ask.price_e4:
        assert decision == QuoteDecision.nothing("the book is crossed or locked")
    for target in (decision.bid, decision.ask):
        assert target is None or grid.is_valid(target.price_e4)
    assert decision.bid is None or decision.bid.price_e4 < inputs.best_ask.price_e4
    assert decision.ask is None or decision.ask.price_e4 > inputs.best_bid.price_e4
    if decision.bid is not None and decision.ask is not None:
        assert decision.bid.price_e4 < decision.ask.price_e4
    else:
        assert decision.reasons


def require_sizes_within_limits(decision: QuoteDecision, inputs: QuoteInputs, parameters: GuardParameters) -> None:
    """The order size, the strategy's limit cut by the price band, that of risk, and one side only in a hard band."""
    assert inputs.best_bid is not None
    assert inputs.best_ask is not None
    assert size(decision.bid) <= inputs.order_size_e2
    assert size(decision.ask) <= inputs.order_size_e2
    bands = parameters.sizing.price_bands
    band = band_of(fair_value(inputs.best_bid, inputs.best_ask, parameters.fair_value), bands)
    own = int(inputs.max_position_e2 * factor_of(band, bands))
    if decision.bid is not None:
        of_risk = own if inputs.max_long_e2 is None else min(own, inputs.max_long_e2)
        assert inputs.bid_allowed
        assert inputs.position_e2 + decision.bid.count_e2 <= (0 if band is PriceBand.HARD_HIGH else of_risk)
    if decision.ask is not None:
        of_risk = own if inputs.max_short_e2 is None else min(own, inputs.max_short_e2)
        assert inputs.ask_allowed
        assert decision.ask.count_e2 - inputs.position_e2 <= (0 if band is PriceBand.HARD_LOW else of_risk)


def require_push_towards_flat(strategy: Strategy, parameters: object, inputs: QuoteInputs, grid: PriceGrid) -> None:
    """Against the same market held less: no price is higher, less is bought and more is sold.

    The hybrid's brakes are no skew: they end one side altogether, and have their own tests. Where the risk aversion
    depends on the position, so does the spread, and only the price between the quotes is compared.
    """
    unbraked = attrs.evolve(inputs, held_contract_min=0.0, adverse_excursion=0.0)
    more = strategy.quote(unbraked, parameters, grid)
    for difference in (1, 500, HELD_MAX_E2):
        held_less = attrs.evolve(unbraked, position_e2=CountE2(inputs.position_e2 - difference))
        less = strategy.quote(held_less, parameters, grid)
        if more.reservation is not None and less.reservation is not None:
            assert more.reservation <= less.reservation + 1e-12
        if getattr(parameters, "inventory_aversion", InventoryAversion.CONSTANT) is InventoryAversion.CONSTANT:
            assert is_nowhere_higher(more.bid, less.bid)
            assert is_nowhere_higher(more.ask, less.ask)
            assert size(more.bid) <= size(less.bid)
            assert size(more.ask) >= size(less.ask)
    if more.reservation is not None and more.fair_value is not None:
        assert (more.reservation - more.fair_value) * inputs.position_e2 <= 1e-9


def require_mirror(
    strategy: Strategy, parameters: object, decision: QuoteDecision, inputs: QuoteInputs, grid: PriceGrid
) -> None:
    """The same market seen from its NO leg gets the mirrored quotes; all three grids are their own mirrors."""
    other = strategy.quote(mirrored(inputs), parameters, grid)
    assert mirror_of(decision.bid) == other.ask
    assert mirror_of(decision.ask) == other.bid
    if decision.reservation is not None:
        assert other.reservation == pytest.approx(1 - decision.reservation)
        assert other.total_spread == pytest.approx(decision.total_spread)


def require_all(strategy: Strategy, parameters: GuardParameters, inputs: QuoteInputs, grid: PriceGrid) -> None:
    decision = strategy.quote(inputs, parameters, grid)
    require_valid_prices(decision, inputs, grid)
    require_sizes_within_limits(decision, inputs, parameters)
    require_push_towards_flat(strategy, parameters, inputs, grid)
    if strategy.has_mirror:
        require_mirror(strategy, parameters, decision, inputs, grid)
    for missing in ("best_bid", "best_ask"):
        one_sided = attrs.evolve(inputs, **{missing: None})  # type: ignore[arg-type]
        assert strategy.quote(one_sided, parameters, grid) == QuoteDecision.nothing("the book is one-sided or empty")


@every_strategy
@settings(max_examples=EXAMPLES)
@given(data=st.data(), case=cases())
def test_every_decision_is_valid_within_its_limits_leans_towards_flat_and_has_its_mirror(
    strategy: Strategy, data: st.DataObject, case: tuple[PriceGrid, QuoteInputs]
) -> None:
    grid, inputs = case
    require_all(strategy, data.draw(strategy.parameters), inputs, grid)


@pytest.mark.long
@every_strategy
@settings(max_examples=EXAMPLES_LONG)
@given(data=st.data(), case=cases())
def test_and_so_is_every_one_of_many_more(
    strategy: Strategy, data: st.DataObject, case: tuple[PriceGrid, QuoteInputs]
) -> None:
    grid, inputs = case
    require_all(strategy, data.draw(strategy.parameters), inputs, grid)
