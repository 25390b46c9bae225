"""Every quoting strategy with random parameters, and the random markets that they all are tried on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import strategies as st

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level
from quant.quoting import avellaneda_stoikov, glft, hybrid, touch
from quant.quoting.avellaneda_stoikov import InventoryAversion
from quant.quoting.decision import QuoteDecision, QuoteInputs
from quant.quoting.placement import PlacementParameters
from quant.quoting.settlement_skew import SettlementSkewParameters
from quant.quoting.sizing import SizingParameters
from quant.quoting.touch import ReactiveSide
from tests.quant.builders import CENT_GRID, DECICENT_GRID, TAPERED_GRID, level

Quote = Callable[[QuoteInputs, Any, PriceGrid], QuoteDecision]

ORDER_MAX_E2 = 2_000
HELD_MAX_E2 = 12_000
GRIDS = st.sampled_from([CENT_GRID, DECICENT_GRID, TAPERED_GRID])

# Whole groups are drawn from a few, as each single draw costs more than a decision.
GUARDS: dict[str, st.SearchStrategy[Any]] = {
    "spread_shock": st.sampled_from([0.05, 0.15, 0.15, 1.0]),
    "stop_before_close_s": st.sampled_from([0.0, 180.0]),
    "sizing": st.sampled_from([SizingParameters(position_buffer=buffer) for buffer in (0.0, 0.05, 0.5)]),
}
FRAME: dict[str, st.SearchStrategy[Any]] = {
    **GUARDS,
    "min_total_spread": st.sampled_from([0.0001, 0.01]) | st.floats(0.0001, 0.05),
    "max_total_spread": st.sampled_from([0.0001, 0.10, 0.5]),
    "asymmetric_widening": st.sampled_from([0.0, 0.5, 4.0]),
    "settlement": st.sampled_from(
        [
            SettlementSkewParameters(),
            SettlementSkewParameters(is_enabled=False),
            SettlementSkewParameters(gamma_per_dollar=1.0, takeover_min_s=3_600.0),
        ]
    ),
    "placement": st.sampled_from([PlacementParameters(improve_steps_max=steps) for steps in (0, 1, 5)]),
}


@attrs.frozen(kw_only=True)
class Strategy:
    """A strategy by name: how it decides, what its parameters may be, and where it is asymmetric by rule."""

    name: str
    quote: Quote
    parameters: st.SearchStrategy[Any]
    has_mirror: bool = True


STRATEGIES = (
    Strategy(
        name="avellaneda-stoikov",
        quote=avellaneda_stoikov.quote,
        parameters=st.builds(
            avellaneda_stoikov.AvellanedaStoikovParameters,
            gamma_per_dollar=st.floats(1e-4, 10),
            k_per_dollar=st.floats(1, 1_000),
            horizon_cap_s=st.floats(1, 86_400),
            inventory_aversion=st.sampled_from(InventoryAversion),
            **FRAME,
        ),
    ),
    Strategy(
        name="glft",
        quote=glft.quote,
        parameters=st.builds(
            glft.GlftParameters,
            gamma_per_dollar=st.floats(1e-4, 10),
            k_per_dollar=st.floats(1, 1_000),
            fills_per_s=st.floats(1e-6, 10),
            horizon_cap_s=st.floats(1, 86_400),
            **FRAME,
        ),
    ),
    Strategy(
        name="hybrid",
        quote=hybrid.quote,
        parameters=st.builds(
            hybrid.HybridParameters,
            base_spread=st.floats(0.0001, 0.2),
            skew_at_limit=st.floats(0, 0.2),
            duration_limit_contract_min=st.floats(1, 5_000),
            mae_failsafe=st.floats(0.001, 0.5),
            **FRAME,
        ),
    ),
    Strategy(name="touch", quote=touch.quote, parameters=st.builds(touch.TouchParameters, **GUARDS)),
    # The documents' rule to the letter: the ask always reacts and the bid never does, so there is no mirror.
    Strategy(
        name="touch-asks-only",
        quote=touch.quote,
        parameters=st.builds(touch.TouchParameters, reactive_side=st.just(ReactiveSide.ASK), **GUARDS),
        has_mirror=False,
    ),
)


@st.composite
def inputs_on(draw: st.DrawFn, grid: PriceGrid) -> QuoteInputs:
    """A two-sided book on `grid` with a position, limits and a life; crossed and shocked books included."""
    prices = st.integers(1, 9_999).map(lambda price_e4: grid.floor(price_e4) or grid.lowest)
    # Hypothesis leans to the ends of a range, where books are crossed, in a hard band or without room: so the middle
    # of each choice is named.
    best_bid = draw(st.sampled_from([1_800, 3_000, 4_900, 5_000, 6_500]) | prices)
    near = st.sampled_from([200, 100, 1, 300, 301, 400, 700, 701, 1_500]).map(
        lambda spread: grid.ceil(min(best_bid + spread, 9_999)) or grid.highest
    )
    best_ask = draw(near | near | near | near | near | prices)
    counts = st.integers(1, 10**6)
    risk_limits = st.sampled_from([None, None, None, CountE2(0), CountE2(450), CountE2(10_000)])
    return QuoteInputs(
        best_bid=level(best_bid, draw(counts)),
        best_ask=level(best_ask, draw(counts)),
        position_e2=CountE2(draw(st.sampled_from([0, 0, 300, -300]) | st.integers(-HELD_MAX_E2, HELD_MAX_E2))),
        max_position_e2=CountE2(draw(st.sampled_from([10_000, 50_000, 10_000, 1_000, 0]))),
        order_size_e2=CountE2(draw(st.sampled_from([1_000, 150, ORDER_MAX_E2, 0]))),
        sigma_dollars_per_sqrt_s=draw(st.floats(0, 0.05)),
        seconds_to_close=draw(st.sampled_from([240.0, 900.0, 60.0, 5_000.0, 86_400.0, 1e7])),
        max_long_e2=draw(risk_limits),
        max_short_e2=draw(risk_limits),
        bid_allowed=draw(st.sampled_from([True, True, True, True, True, False])),
        ask_allowed=draw(st.sampled_from([True, True, True, True, True, False])),
        maker_fee_per_contract=draw(st.sampled_from([0.0, 0.0044])),
        held_contract_min=draw(st.just(0.0) | st.floats(0, 10_000)),
        adverse_excursion=draw(st.just(0.0) | st.floats(0, 1)),
    )


def mirrored(inputs: QuoteInputs) -> QuoteInputs:
    """The same market seen from the NO leg: prices from the other end of the dollar, sides and signs exchanged."""

    def other(side: Level | None) -> Level | None:
        return None if side is None else attrs.evolve(side, price_e4=PriceE4(10_000 - side.price_e4))

    return attrs.evolve(
        inputs,
        best_bid=other(inputs.best_ask),
        best_ask=other(inputs.best_bid),
        position_e2=CountE2(-inputs.position_e2),
        max_long_e2=inputs.max_short_e2,
        max_short_e2=inputs.max_long_e2,
        bid_allowed=inputs.ask_allowed,
        ask_allowed=inputs.bid_allowed,
    )
