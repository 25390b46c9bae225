"""The closed form of Gueant, Lehalle and Fernandez-Tapia beats Avellaneda-Stoikov where the latter was published.

What counts is mean - gamma / 2 variance of the final wealth. Both run in the set-up of Avellaneda and Stoikov (2008),
each on a table filled by the bot's own function. The exact values come without sampling error from a recursion and are
those of the reference within its rounding; the simulated ones lie within four standard errors of them.
"""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from quant.quoting import avellaneda_stoikov, glft
from tests.quant.quoting.published_setup import (
    MID,
    PATHS,
    SIGMA,
    STANDARD_ERRORS,
    A,
    Floats,
    K,
    exact_moments,
    quoted_distances,
    simulate,
)


@attrs.frozen
class Published:
    """Mean - gamma / 2 variance of both, and how far the reference has rounded them."""

    gamma: float
    closed_form: float
    avellaneda_stoikov: float
    rounding: float


ROWS = (Published(0.1, 65.15, 62.75, 0.005), Published(1.0, 48.1, 19.8, 0.05))


def closed_form(gamma: float) -> tuple[Floats, Floats]:
    terms = glft.coefficients(gamma, K, A, 1.0)
    return quoted_distances(lambda inventory, _: glft.reservation_and_spread(MID, inventory, SIGMA, 1.0, terms))


def with_horizon(gamma: float) -> tuple[Floats, Floats]:
    return quoted_distances(
        lambda inventory, left: avellaneda_stoikov.reservation_and_spread(MID, inventory, gamma, SIGMA, K, left)
    )


def exact_value(distances: tuple[Floats, Floats], gamma: float) -> float:
    mean, variance = exact_moments(*distances)
    return mean - gamma / 2 * variance


def simulated_value(distances: tuple[Floats, Floats], gamma: float, seed: int) -> tuple[float, float]:
    """Returns mean - gamma / 2 variance over the paths, and its standard error (delta method)."""
    profit, _ = simulate(*distances, seed=seed)
    centred = profit - profit.mean()
    influence = centred - gamma / 2 * centred**2
    return float(profit.mean() - gamma / 2 * profit.var()), float(influence.std() / np.sqrt(PATHS))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"gamma-{row.gamma}")
def test_the_closed_form_beats_the_older_one_by_the_published_figures(row: Published) -> None:
    newer, older = closed_form(row.gamma), with_horizon(row.gamma)
    assert exact_value(newer, row.gamma) == pytest.approx(row.closed_form, abs=row.rounding * 1.001)
    assert exact_value(older, row.gamma) == pytest.approx(row.avellaneda_stoikov, abs=row.rounding * 1.001)
    newer_value, newer_error = simulated_value(newer, row.gamma, seed=20131105)
    older_value, older_error = simulated_value(older, row.gamma, seed=20081119)
    assert abs(newer_value - row.closed_form) <= STANDARD_ERRORS * newer_error + row.rounding
    assert abs(older_value - row.avellaneda_stoikov) <= STANDARD_ERRORS * older_error + row.rounding
    error = float(np.hypot(newer_error, older_error))
    advantage = row.closed_form - row.avellaneda_stoikov
    assert abs(newer_value - older_value - advantage) <= STANDARD_ERRORS * error + 2 * row.rounding
    assert newer_value - older_value > 10 * error


def test_with_hardly_any_aversion_both_are_equal() -> None:
    gamma = 0.01
    assert exact_value(closed_form(gamma), gamma) == pytest.approx(exact_value(with_horizon(gamma), gamma), abs=0.1)
    newer_value, newer_error = simulated_value(closed_form(gamma), gamma, seed=20131105)
    older_value, older_error = simulated_value(with_horizon(gamma), gamma, seed=20081119)
    assert abs(newer_value - older_value) <= STANDARD_ERRORS * float(np.hypot(newer_error, older_error))
