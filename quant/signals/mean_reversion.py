"""Does a series come back? Statistics of one window of regular samples, in any unit.

Prices on a grid of ticks look mean-reverting without being so: rounding adds noise that reverts at once. A
driftless martingale of 0.3 ticks per sample has a lag-1 correlation of -0.28 and a variance ratio of 0.5, so the
usual rules (correlation below -0.1, ratio below 0.8) fire in every slow market. Nor does a regression help alone:
a pure walk of n samples shows a "half-life" of about n / 6. Hence, to be called mean-reverting, a window must

1. be sampled so sparsely that the price moves a tick per sample (see `sample_ladder`),
2. have a variance ratio below the 5 % quantile of the rounded martingale of the same length,
3. have a Dickey-Fuller t below the 5 % critical value, and
4. a half-life of less than a tenth of the window.

Rejected: Hurst's R/S (biased upwards on white noise, and of little power at these lengths), Roll's spread.

Source: the project's strategy reference, section 5; Lo and MacKinlay 1988; Dickey and Fuller 1979.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import attrs


@attrs.frozen(kw_only=True)
class MeanReversionParameters:
    """The limits of the tests; `variance_ratio_max` belongs to the length of the window (here 120 changes)."""

    ratio_lag: int = 10
    variance_ratio_max: float = 0.47
    dickey_fuller_max: float = -2.86
    half_life_share_max: float = 0.1


@attrs.frozen(kw_only=True)
class DickeyFuller:
    """The regression of each change on the level before: its t, and the half-life in samples (inf without one)."""

    t: float
    half_life_samples: float


@attrs.frozen(kw_only=True)
class WindowStatistics:
    """What one window says; `drift` is the mean change in standard deviations of one change."""

    changes: int
    variance_ratio: float
    dickey_fuller: DickeyFuller
    drift: float


def statistics_of(values: Sequence[float], parameters: MeanReversionParameters) -> WindowStatistics | None:
    """Returns the statistics of a window, or None where it is too short or did not move."""
    ratio = variance_ratio(values, parameters.ratio_lag)
    regression = dickey_fuller(values)
    if ratio is None or regression is None:
        return None
    changes = len(values) - 1
    return WindowStatistics(
        changes=changes,
        variance_ratio=ratio,
        dickey_fuller=regression,
        drift=(values[-1] - values[0]) / changes / math.sqrt(_variance_of_changes(values)),
    )


def is_mean_reverting(found: WindowStatistics, parameters: MeanReversionParameters) -> bool:
    """Says whether all three statistics speak for a return, beyond what a rounded martingale shows."""
    return (
        found.variance_ratio < parameters.variance_ratio_max
        and found.dickey_fuller.t < parameters.dickey_fuller_max
        and found.dickey_fuller.half_life_samples < parameters.half_life_share_max * found.changes
    )


def variance_ratio(values: Sequence[float], lag: int) -> float | None:
    """Returns the variance of changes over `lag` samples against `lag` times that over one: 1 for a walk.

    Overlapping and unbiased; None where the window holds less than two lags or did not move.
    """
    changes = len(values) - 1
    if changes < 2 * lag:
        return None
    one = _variance_of_changes(values)
    if one <= 0:
        return None
    mean = (values[-1] - values[0]) / changes
    squares = sum((after - before - lag * mean) ** 2 for before, after in zip(values, values[lag:], strict=False))
    return squares / (lag * (changes - lag + 1) * (1 - lag / changes)) / one


def lag_one_correlation(values: Sequence[float]) -> float | None:
    """Returns the correlation of each change with the next; None where nothing moved."""
    changes = [after - before for before, after in pairwise(values)]
    mean = sum(changes) / max(1, len(changes))
    squares = sum((change - mean) ** 2 for change in changes)
    if squares <= 0:
        return None
    return sum((before - mean) * (after - mean) for before, after in pairwise(changes)) / squares


def zero_share(values: Sequence[float]) -> float:
    """Returns the share of changes that are none; 1 for an empty window."""
    changes = len(values) - 1
    return 1.0 if changes < 1 else sum(before == after for before, after in pairwise(values)) / changes


def dickey_fuller(values: Sequence[float]) -> DickeyFuller | None:
    """Returns the test for a unit root with a constant; None where the level or the change never varies."""
    count = len(values) - 1
    if count < 3:
        return None
    levels = values[:-1]
    level_mean = sum(levels) / count
    change_mean = (values[-1] - values[0]) / count
    level_squares = sum((level - level_mean) ** 2 for level in levels)
    if level_squares <= 0:
        return None
    pairs = list(pairwise(values))
    slope = sum((before - level_mean) * (after - before - change_mean) for before, after in pairs) / level_squares
    residuals = sum((after - before - change_mean - slope * (before - level_mean)) ** 2 for before, after in pairs)
    if residuals <= 0:
        return None
    error = math.sqrt(residuals / (count - 2) / level_squares)
    return DickeyFuller(t=slope / error, half_life_samples=_half_life(1.0 + slope))


def _half_life(persistence: float) -> float:
    """Samples until half of a deviation is gone: none at all where the next sample is past the mean."""
    if persistence <= 0:
        return 0.0
    return math.inf if persistence >= 1 else -math.log(2) / math.log(persistence)


def _variance_of_changes(values: Sequence[float]) -> float:
    changes = len(values) - 1
    mean = (values[-1] - values[0]) / changes
    return sum((after - before - mean) ** 2 for before, after in pairwise(values)) / (changes - 1)
