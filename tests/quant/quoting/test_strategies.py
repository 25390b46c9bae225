"""One decision, whichever strategy a program has chosen, and what is remembered of a market between two of them."""

from __future__ import annotations

import attrs
import pytest

from kalshi.numbers import CountE2, PriceE4
from quant.quoting import avellaneda_stoikov, glft, hybrid, touch
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.decision import QuoteInputs
from quant.quoting.glft import GlftParameters
from quant.quoting.hybrid import Brake, HybridParameters
from quant.quoting.strategies import Memory, StrategyParameters, decide, held_so_far, horizon_cap_s, position_seen
from quant.quoting.touch import TouchParameters
from tests.quant.builders import CENT_GRID, level

BOOK = QuoteInputs(
    best_bid=level(4_600),
    best_ask=level(5_400),
    position_e2=CountE2(0),
    max_position_e2=CountE2(10_000),
    order_size_e2=CountE2(1_000),
    sigma_dollars_per_sqrt_s=0.001,
    seconds_to_close=86_400,
)


@pytest.mark.parametrize(
    ("parameters", "model"),
    [
        (AvellanedaStoikovParameters(), avellaneda_stoikov),
        (GlftParameters(), glft),
        (HybridParameters(), hybrid),
        (TouchParameters(), touch),
    ],
)
def test_the_class_of_the_parameters_chooses_the_model(parameters: StrategyParameters, model: object) -> None:
    _, decision = decide(Memory(), BOOK, parameters, CENT_GRID, 0.0)
    assert decision == model.quote(BOOK, parameters, CENT_GRID)  # type: ignore[attr-defined]
    assert decision.bid is not None
    assert horizon_cap_s(parameters) > 0


def test_touch_remembers_when_a_price_last_changed() -> None:
    memory, _ = decide(Memory(), BOOK, TouchParameters(), CENT_GRID, 0.0)
    moved = attrs.evolve(BOOK, best_bid=level(4_700))
    memory, soon = decide(memory, moved, TouchParameters(), CENT_GRID, 0.4)
    _, later = decide(memory, moved, TouchParameters(), CENT_GRID, 0.6)
    assert (soon.bid and soon.bid.price_e4, later.bid and later.bid.price_e4) == (4_600, 4_700)


def held(memory: Memory, now_s: float) -> QuoteInputs:
    contract_min, excursion = held_so_far(memory, HybridParameters(), now_s)
    return attrs.evolve(BOOK, position_e2=CountE2(1_000), held_contract_min=contract_min, adverse_excursion=excursion)


def test_hybrid_brakes_on_inventory_held_too_long_and_forgets_it_when_flat() -> None:
    """Ten contracts for fifty minutes are the documents' limit."""
    ten = CountE2(1_000)
    memory = position_seen(Memory(), ten, PriceE4(5_000), PriceE4(5_000), 0.0)
    before, after = held(memory, 49 * 60), held(memory, 51 * 60)
    assert Brake.DURATION not in decide(memory, before, HybridParameters(), CENT_GRID, 49 * 60)[1].reasons
    assert Brake.DURATION in decide(memory, after, HybridParameters(), CENT_GRID, 51 * 60)[1].reasons
    flat = position_seen(memory, CountE2(0), None, PriceE4(5_000), 51 * 60)
    assert flat.holding.lots == ()


def test_hybrid_brakes_on_an_excursion_and_holds_until_flat() -> None:
    ten = CountE2(1_000)
    memory = position_seen(Memory(), ten, PriceE4(5_000), PriceE4(4_200), 0.0)
    memory = position_seen(memory, ten, PriceE4(5_000), PriceE4(5_000), 1.0)
    assert Brake.EXCURSION in decide(memory, held(memory, 2.0), HybridParameters(), CENT_GRID, 2.0)[1].reasons


def test_a_turn_of_the_position_begins_a_new_episode() -> None:
    memory = position_seen(Memory(), CountE2(1_000), PriceE4(5_000), PriceE4(4_200), 0.0)
    memory = position_seen(memory, CountE2(-500), PriceE4(5_000), PriceE4(5_000), 10.0)
    assert (memory.holding.position_e2, memory.holding.adverse_e4) == (-500, 0)
