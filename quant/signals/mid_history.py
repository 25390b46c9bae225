"""The mids of one market over the last minutes, and how far they went: bounded, at regular times.

1. At most one mid per `spacing_s` is kept; the first of each such stretch of time stands for it. What is older than
   `window_s` is forgotten.
2. The move of a window is the greatest rise or fall from an earlier mid to a later one, not the difference of its
   ends: a price that went twelve cents up and came back has moved twelve cents, and that it came back is the point.
3. The net move is the difference of the ends: it says the direction.

All prices are mids in 1/10,000 dollar, which may be halves.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs


@attrs.frozen(kw_only=True)
class HistoryParameters:
    """How much is kept, in seconds."""

    window_s: float = 300.0
    spacing_s: float = 1.0


@attrs.frozen
class Mid:
    """A mid and when it was so (monotonic seconds)."""

    time_s: float
    mid_e4: float


Mids = tuple[Mid, ...]


def add(mids: Mids, time_s: float, mid_e4: float, parameters: HistoryParameters) -> Mids:
    """Returns the mids after one more; what is from the past or from the same stretch of time changes nothing."""
    if mids and time_s < mids[-1].time_s + parameters.spacing_s:
        return mids
    return (*since(mids, time_s - parameters.window_s), Mid(time_s, mid_e4))


def since(mids: Mids, time_s: float) -> Mids:
    """Returns the mids at `time_s` or later."""
    for index, mid in enumerate(mids):
        if mid.time_s >= time_s:
            return mids[index:]
    return ()


def largest_move_e4(mids: Iterable[Mid]) -> float:
    """Returns the greatest rise or fall from an earlier mid to a later one, a fall as a negative number.

    A rise and a fall of the same size give the one that ended later.
    """
    values = [mid.mid_e4 for mid in mids]
    low = high = values[0] if values else 0.0
    move = size = 0.0
    for value in values:  # written out: three hundred of them for every market that has changed
        if value < low:
            low = value
        elif value > high:
            high = value
        if 0 < value - low >= size:
            move = size = value - low
        if 0 < high - value >= size:
            move, size = value - high, high - value
    return move


def net_move_e4(mids: Mids) -> float:
    """Returns the difference of the last mid and the first; 0 for none."""
    return mids[-1].mid_e4 - mids[0].mid_e4 if mids else 0.0


def mean_e4(mids: Mids) -> float | None:
    """Returns the mean of the mids, None for none."""
    return sum(mid.mid_e4 for mid in mids) / len(mids) if mids else None
