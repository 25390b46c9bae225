"""Windows of samples at several spacings, and the one among them at which statistics mean something.

Statistics of a rounded price are only meaningful where the price moves about a tick per sample (`mean_reversion`
says why). How many seconds that takes differs by a factor of a hundred between markets and hours, so each market
keeps a window on each rung of a short ladder of spacings. The rung that speaks is the finest one that is full, on
which sigma * sqrt(spacing) is a tick or more, and on which at most 40 % of the changes are none. Sigma comes from
the two-scale estimate: with bounce in it, the flicker of a dead market would count as movement.

Only one rung speaks at a time: whoever asks them all and takes the first that fires has the sum of their errors.

Memory is bounded by the number of rungs times `changes` + 1 samples.

Source: the project's strategy reference, section 5: a tick per sample, zero share at most 40 %.
"""

from __future__ import annotations

import math

import attrs

from quant.signals.mean_reversion import zero_share


@attrs.frozen(kw_only=True)
class LadderParameters:
    """The rungs, in samples that come in (one a second), finest first."""

    rungs: tuple[int, ...] = (5, 15, 60)  # ten minutes, half an hour and two hours of window
    changes: int = 120
    move_min_ticks: float = 1.0
    zero_share_max: float = 0.4


@attrs.frozen(kw_only=True)
class LadderState:
    """The windows in the order of the rungs, in dollars, and the number of samples since the start."""

    windows: tuple[tuple[float, ...], ...] = ()
    count: int = 0


@attrs.frozen(kw_only=True)
class Rung:
    """The window that speaks, and its spacing in incoming samples."""

    spacing: int
    window: tuple[float, ...]


def add(state: LadderState, sample: float, parameters: LadderParameters) -> LadderState:
    """Returns the windows after one more regular sample in dollars."""
    windows = state.windows or ((),) * len(parameters.rungs)
    grown = tuple(
        (*window[-parameters.changes :], sample) if state.count % rung == 0 else window
        for rung, window in zip(parameters.rungs, windows, strict=True)
    )
    return LadderState(windows=grown, count=state.count + 1)


def is_due(state: LadderState, parameters: LadderParameters) -> bool:
    """Says whether the last sample went into a window, which is when the statistics can have changed."""
    return state.count > 0 and any((state.count - 1) % rung == 0 for rung in parameters.rungs)


def speaking(state: LadderState, sigma_ticks: float, parameters: LadderParameters) -> Rung | None:
    """Returns the rung that speaks at `sigma_ticks` (ticks per sqrt(incoming sample)), or None."""
    for spacing, window in zip(parameters.rungs, state.windows, strict=False):
        is_full = len(window) == parameters.changes + 1
        moves = sigma_ticks * math.sqrt(spacing) >= parameters.move_min_ticks
        if is_full and moves and zero_share(window) <= parameters.zero_share_max:
            return Rung(spacing=spacing, window=window)
    return None
