"""The strategies that a market may be quoted by: one decision, whichever of them a program has chosen.

A strategy is its parameters: their class says which one. What it remembers of a market between two decisions is a
value that its caller keeps (`Memory`) and gives back with the next one; a market maker that starts anew begins with an
empty one. Strategies that need more than a book, a position and a volatility have callers of their own: incentive
quoting (`quant.quoting.incentive_beat`) and refill (`quant.quoting.refill_maker`).
"""

from __future__ import annotations

import enum
from typing import assert_never

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from quant.quoting import avellaneda_stoikov, glft, hybrid, touch
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.decision import QuoteDecision, QuoteInputs
from quant.quoting.glft import GlftParameters
from quant.quoting.holding import Holding, contract_minutes, filled, marked
from quant.quoting.hybrid import HybridParameters
from quant.quoting.touch import Pace, TouchParameters

StrategyParameters = AvellanedaStoikovParameters | GlftParameters | HybridParameters | TouchParameters


class StrategyName(enum.Enum):
    """How a program names its strategy."""

    AVELLANEDA_STOIKOV = "avellaneda_stoikov"
    GLFT = "glft"
    HYBRID = "hybrid"
    TOUCH = "touch"
    INCENTIVE = "incentive"
    REFILL = "refill"


@attrs.frozen(kw_only=True)
class Memory:
    """What a market's strategy knows beyond the present moment."""

    holding: Holding = attrs.field(factory=Holding)
    pace: Pace = attrs.field(factory=Pace)


def position_seen(
    memory: Memory, position_e2: CountE2, average_entry_e4: PriceE4 | None, mark_e4: PriceE4 | None, now_s: float
) -> Memory:
    """Returns the memory after the position was seen at `now_s` (monotonic): its age and its excursions go on.

    Fills between two looks count as one of their sum. A position that was there before the first look is as old as
    that look.
    """
    holding, moved_e2 = memory.holding, position_e2 - memory.holding.position_e2
    if moved_e2:
        holding = filled(holding, Side.BID if moved_e2 > 0 else Side.ASK, CountE2(abs(moved_e2)), now_s)
    if average_entry_e4 is not None and mark_e4 is not None:
        holding = marked(holding, average_entry_e4, mark_e4)
    return memory if holding is memory.holding else attrs.evolve(memory, holding=holding)


def held_so_far(memory: Memory, parameters: StrategyParameters, now_s: float) -> tuple[float, float]:
    """Returns `held_contract_min` and `adverse_excursion` of `QuoteInputs` at `now_s`; zeros where nobody asks."""
    if not isinstance(parameters, HybridParameters) or not memory.holding.lots:
        return 0.0, 0.0  # a flat market has no age and no excursion
    return contract_minutes(memory.holding, now_s), memory.holding.adverse_excursion


def decide(
    memory: Memory, inputs: QuoteInputs, parameters: StrategyParameters, grid: PriceGrid, now_s: float
) -> tuple[Memory, QuoteDecision]:
    """Returns what should rest at `now_s` (monotonic) on `grid`, and what is to be remembered of it.

    The inputs carry what `held_so_far` says of the memory.
    """
    match parameters:
        case AvellanedaStoikovParameters():
            return memory, avellaneda_stoikov.quote(inputs, parameters, grid)
        case GlftParameters():
            return memory, glft.quote(inputs, parameters, grid)
        case HybridParameters():
            return memory, hybrid.quote(inputs, parameters, grid)
        case TouchParameters():
            wanted = touch.quote(inputs, parameters, grid)
            pace, decision = touch.paced(memory.pace, wanted, inputs, now_s, parameters)
            return (memory if pace == memory.pace else attrs.evolve(memory, pace=pace)), decision
        case _:
            assert_never(parameters)


def horizon_cap_s(parameters: StrategyParameters) -> float:
    """Returns over how many seconds at most the strategy looks ahead; infinite where it does not say."""
    match parameters:
        case AvellanedaStoikovParameters() | GlftParameters():
            return parameters.horizon_cap_s
        case HybridParameters() | TouchParameters():
            return float("inf")
        case _:
            assert_never(parameters)
