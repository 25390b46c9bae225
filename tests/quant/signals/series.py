"""Seeded price series in ticks for the tests of signals: martingales, bounce, Ornstein-Uhlenbeck, trends, jumps."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

TICK = 0.01  # dollars: a cent grid
STEP_E4 = 100


def rounded(value_ticks: float) -> float:
    """The price in ticks as a book shows it."""
    return float(round(value_ticks))


def martingale(rng: random.Random, sigma_ticks: float, count: int, start_ticks: float = 50.0) -> list[float]:
    """A driftless random walk that is not rounded, started at a random place between two ticks."""
    value, values = start_ticks + rng.random(), []
    for _ in range(count):
        values.append(value)
        value += rng.gauss(0.0, sigma_ticks)
    return values


def rounded_martingale(rng: random.Random, sigma_ticks: float, count: int) -> list[float]:
    return [rounded(value) for value in martingale(rng, sigma_ticks, count)]


def bouncing_martingale(rng: random.Random, sigma_ticks: float, noise_ticks: float, count: int) -> list[float]:
    """A random walk seen through independent noise and rounding to half ticks, as mids are."""
    walk = martingale(rng, sigma_ticks, count)
    return [round(2 * (value + rng.gauss(0.0, noise_ticks))) / 2 for value in walk]


def ornstein_uhlenbeck(rng: random.Random, *, half_life: float, stationary_sd: float, count: int) -> list[float]:
    """A rounded Ornstein-Uhlenbeck series around a random place near 50, started in its stationary law."""
    phi = 0.5 ** (1.0 / half_life)
    shock = stationary_sd * math.sqrt(1.0 - phi * phi)
    centre, distance, values = 50.0 + rng.random(), rng.gauss(0.0, stationary_sd), []
    for _ in range(count):
        values.append(rounded(centre + distance))
        distance = phi * distance + rng.gauss(0.0, shock)
    return values


def trend(rng: random.Random, *, sigma_ticks: float, drift_ticks: float, count: int) -> list[float]:
    """A rounded random walk with a constant drift per sample."""
    walk = martingale(rng, sigma_ticks, count)
    return [rounded(value + drift_ticks * index) for index, value in enumerate(walk)]


def momentum(rng: random.Random, *, sigma_ticks: float, persistence: float, count: int) -> list[float]:
    """A rounded walk whose increments carry on: each keeps `persistence` of the one before."""
    value, change, values = 50.0 + rng.random(), 0.0, []
    shock = sigma_ticks * math.sqrt(1.0 - persistence * persistence)
    for _ in range(count):
        values.append(rounded(value))
        change = persistence * change + rng.gauss(0.0, shock)
        value += change
    return values


def seeds(base: int, count: int) -> Iterator[random.Random]:
    """Independent generators that are the same in every run."""
    return (random.Random(base * 1_000_003 + number) for number in range(count))
