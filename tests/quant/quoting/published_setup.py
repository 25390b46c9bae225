"""The simulation that Avellaneda and Stoikov published (2008), for any quotes that depend on inventory and time only.

Conventions: fills are independent per side with probability min(1, A exp(-k delta) dt), a negative delta is allowed,
and the mid moves by +-sigma sqrt(dt) after the fills.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

PATHS, STEPS, DT, SIGMA, K, A, MID = 20_000, 200, 0.005, 2.0, 1.5, 140.0, 100.0
INVENTORY_MAX = 60  # seven standard deviations of the widest row
STANDARD_ERRORS = 4.0

Floats = npt.NDArray[np.float64]


def quoted_distances(model: Callable[[int, float], tuple[float, float]]) -> tuple[Floats, Floats]:
    """Returns the distances of bid and ask from the mid for every (t, q).

    `model` gives the reservation price and the total spread for an inventory and a time left.
    """
    bids, asks = np.empty((STEPS, 2 * INVENTORY_MAX + 1)), np.empty((STEPS, 2 * INVENTORY_MAX + 1))
    for step in range(STEPS):
        for column, inventory in enumerate(range(-INVENTORY_MAX, INVENTORY_MAX + 1)):
            reservation, spread = model(inventory, 1.0 - step * DT)
            bids[step, column] = MID - (reservation - spread / 2)
            asks[step, column] = reservation + spread / 2 - MID
    return bids, asks


def simulate(bids: Floats, asks: Floats, seed: int) -> tuple[Floats, Floats]:
    """Returns final wealth and final inventory of every path."""
    rng = np.random.default_rng(seed)
    mid, cash = np.full(PATHS, MID), np.zeros(PATHS)
    inventory = np.zeros(PATHS, dtype=np.int64)
    for step in range(STEPS):
        column = np.clip(inventory + INVENTORY_MAX, 0, 2 * INVENTORY_MAX)
        bid_distance, ask_distance = bids[step, column], asks[step, column]
        is_bought = rng.random(PATHS) < np.minimum(1.0, A * np.exp(-K * bid_distance) * DT)
        is_sold = rng.random(PATHS) < np.minimum(1.0, A * np.exp(-K * ask_distance) * DT)
        cash += is_sold * (mid + ask_distance) - is_bought * (mid - bid_distance)
        inventory += is_bought.astype(np.int64) - is_sold.astype(np.int64)
        mid += SIGMA * np.sqrt(DT) * np.where(rng.random(PATHS) < 0.5, 1.0, -1.0)
    return cash + inventory * mid, inventory.astype(np.float64)


def exact_moments(bids: Floats, asks: Floats) -> tuple[float, float]:
    """Returns mean and variance of the final wealth without sampling error.

    What is earned at the fills depends on the path of the inventory only, and the mid moves independently of it, so
    a forward recursion over the inventory gives the first, and sigma^2 dt times the sum of E[q^2] adds the second.
    """
    inventory = np.arange(-INVENTORY_MAX, INVENTORY_MAX + 1, dtype=np.float64)
    probability = (inventory == 0).astype(np.float64)
    first, second = np.zeros_like(probability), np.zeros_like(probability)  # E[X 1q], E[X^2 1q] of earnings X
    held_variance = 0.0
    for step in range(STEPS):
        bought = np.minimum(1.0, A * np.exp(-K * bids[step]) * DT)
        sold = np.minimum(1.0, A * np.exp(-K * asks[step]) * DT)
        branches = (
            ((1 - bought) * (1 - sold), 0.0 * bids[step], 0),
            (bought * (1 - sold), bids[step], 1),
            ((1 - bought) * sold, asks[step], -1),
            (bought * sold, bids[step] + asks[step], 0),
        )
        next_probability, next_first, next_second = (np.zeros_like(probability) for _ in range(3))
        for chance, earned, move in branches:
            next_probability += np.roll(chance * probability, move)
            next_first += np.roll(chance * (first + earned * probability), move)
            next_second += np.roll(chance * (second + 2 * earned * first + earned**2 * probability), move)
        probability, first, second = next_probability, next_first, next_second
        held_variance += SIGMA**2 * DT * float(np.sum(probability * inventory**2))
    mean = float(first.sum())
    return mean, float(second.sum()) - mean**2 + held_variance
