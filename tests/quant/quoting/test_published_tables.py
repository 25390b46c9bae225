"""The bot's own reservation price and spread reproduce the tables of Avellaneda and Stoikov (2008).

The quotes depend on inventory and time only, so the table of half-spreads is filled by calling the bot's
function for every (q, t); the paths then run on that table (published_setup has the conventions). "Symmetric"
quotes the time-average spread of the inventory strategy around the mid.
"""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import numpy as np
import pytest

from quant.quoting.avellaneda_stoikov import reservation_and_spread
from tests.quant.quoting.published_setup import (
    DT,
    MID,
    PATHS,
    SIGMA,
    STANDARD_ERRORS,
    STEPS,
    Floats,
    K,
    exact_moments,
    quoted_distances,
    simulate,
)


@attrs.frozen
class Exact:
    """Moments by forward recursion over the inventory, without sampling error."""

    gamma: float
    strategy: str
    avg_spread: float
    profit: float
    std_profit: float
    std_final_q: float


ROWS = (
    Exact(0.1, "inventory", 1.4917704227514235, 64.89254308561922, 6.543152441954345, 2.9267912626202404),
    Exact(0.1, "symmetric", 1.4917704227514235, 68.2227593055781, 13.455753288439778, 8.399443582978977),
    Exact(0.01, "inventory", 1.3490085437337158, 68.3996276449461, 8.960560658474368, 5.212538440789327),
    Exact(0.01, "symmetric", 1.3490085437337158, 68.66612044446876, 13.677464686411101, 8.71166196474938),
    Exact(1.0, "inventory", 3.0316512475319812, 31.454501789176604, 4.837919292805346, 1.6413928741124946),
    Exact(1.0, "symmetric", 3.0316512475319812, 43.68528965319808, 10.733211535981159, 5.171369698772216),
)


def standard_error_of_std(sample: Floats) -> float:
    centred = sample - sample.mean()
    variance, fourth = float(np.mean(centred**2)), float(np.mean(centred**4))
    return float(np.sqrt((fourth - variance**2) / len(sample)) / (2 * np.sqrt(variance)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.strategy}-gamma-{row.gamma}")
def test_a_published_row_comes_out_of_the_bots_own_function(row: Exact) -> None:
    bids, asks = quoted_distances(
        lambda inventory, left: reservation_and_spread(MID, inventory, row.gamma, SIGMA, K, left)
    )
    average_spread = float(
        np.mean([reservation_and_spread(MID, 0, row.gamma, SIGMA, K, 1.0 - step * DT)[1] for step in range(STEPS)])
    )
    if row.strategy == "symmetric":
        bids = asks = np.full_like(bids, average_spread / 2)
    assert exact_moments(bids, asks) == pytest.approx((row.profit, row.std_profit**2), rel=1e-6)
    profit, inventory = simulate(bids, asks, seed=20081119)
    assert average_spread == pytest.approx(row.avg_spread, rel=1e-9)
    assert abs(profit.mean() - row.profit) <= STANDARD_ERRORS * row.std_profit / np.sqrt(PATHS)
    assert abs(inventory.mean()) <= STANDARD_ERRORS * row.std_final_q / np.sqrt(PATHS)
    assert abs(profit.std() - row.std_profit) <= STANDARD_ERRORS * standard_error_of_std(profit)
    assert abs(inventory.std() - row.std_final_q) <= STANDARD_ERRORS * standard_error_of_std(inventory)


def test_the_exact_values_above_are_those_of_the_reference() -> None:
    reference = Path(__file__).resolve().parents[3] / ".." / "shared" / "reference" / "as_tables.json"
    if not reference.exists():
        pytest.skip("the shared reference folder is not beside this repository")
    for row, given in zip(ROWS, json.loads(reference.read_text())["rows"], strict=True):
        exact = given["exact"]
        assert (row.gamma, row.strategy) == (given["gamma"], given["strategy"])
        assert (row.avg_spread, row.profit) == (exact["avg_spread"], exact["profit"])
        assert (row.std_profit, row.std_final_q) == (exact["std_profit"], exact["std_final_q"])
