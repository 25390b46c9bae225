"""Order-flow imbalance: what was added to and taken from the best bid and ask, and how unusual that is.

Each change of the touch adds to the imbalance (Cont, Kukanov and Stoikov 2014): size that came to the bid or left
the ask counts up, the other way round down; a touch that moved counts with its whole old or new size. The signal is
the sum over the last 30 seconds in deviations of such sums, from the mean square of one-second sums: a z that
compares with any market, however deep.

The book must come without own orders, or our own quoting becomes a signal to ourselves. After a gap the last touch
is forgotten; there is no z until a minute has been seen.

Memory: `window_s` sums. Source: the project's strategy reference, section 2 and 5.
"""

from __future__ import annotations

import math

import attrs

from kalshi.types import Level
from quant.signals import forgetting
from quant.values import passing_value


@attrs.frozen(kw_only=True)
class OrderFlowParameters:
    """The window of the signal, and what it is compared with."""

    window_s: int = 30
    half_life_s: float = 300.0  # of the mean square of one-second sums
    warmup_s: int = 60
    gap_max_s: int = 60


@passing_value(kw_only=True)
class Touch:
    """The best bid and ask, without own orders."""

    bid: Level
    ask: Level


@passing_value(kw_only=True)
class OrderFlowState:
    """The sums of the last whole seconds in count_e2, oldest first, and that of the second under way."""

    touch: Touch | None = None
    second: int = 0
    current_e2: int = 0
    sums_e2: tuple[int, ...] = ()
    mean_square: float = 0.0
    seconds_seen: int = 0


def flow_e2(before: Touch, after: Touch) -> int:
    """Returns the imbalance of one change of the touch in count_e2: positive is buying."""
    up = after.bid.count_e2 if after.bid.price_e4 >= before.bid.price_e4 else 0
    up += before.ask.count_e2 if after.ask.price_e4 >= before.ask.price_e4 else 0
    down = before.bid.count_e2 if after.bid.price_e4 <= before.bid.price_e4 else 0
    down += after.ask.count_e2 if after.ask.price_e4 <= before.ask.price_e4 else 0
    return up - down


def observe(state: OrderFlowState, time_s: float, touch: Touch, parameters: OrderFlowParameters) -> OrderFlowState:
    """Returns the state after the touch was this at `time_s` (monotonic seconds); the past changes nothing."""
    if not math.isfinite(time_s):
        return state
    second = math.floor(time_s)
    if state.touch is None or second - state.second > parameters.gap_max_s:
        return OrderFlowState(touch=touch, second=second)
    if second < state.second:
        return state
    if second == state.second and touch == state.touch:
        return state  # most changes of a book leave its touch as it was, and the sum with it
    closed = _closed(state, second, parameters)
    return OrderFlowState(  # written out, since it runs at every change of the book
        touch=touch,
        second=closed.second,
        current_e2=closed.current_e2 + flow_e2(state.touch, touch),
        sums_e2=closed.sums_e2,
        mean_square=closed.mean_square,
        seconds_seen=closed.seconds_seen,
    )


def _closed(state: OrderFlowState, second: int, parameters: OrderFlowParameters) -> OrderFlowState:
    """The state with every second before `second` closed: the one under way, then those without a change."""
    passed = second - state.second
    if passed == 0:
        return state
    sums = (state.current_e2,) + (0,) * (passed - 1)
    mean_square, seen = state.mean_square, state.seconds_seen
    for one in sums:
        seen = forgetting.one_more(seen, parameters.half_life_s)
        mean_square += forgetting.weight_of_one(seen, parameters.half_life_s) * (one * one - mean_square)
    return OrderFlowState(
        touch=state.touch,
        second=second,
        sums_e2=(*state.sums_e2, *sums)[-parameters.window_s :],
        mean_square=mean_square,
        seconds_seen=seen,
    )


def z(state: OrderFlowState, time_s: float, parameters: OrderFlowParameters) -> float | None:
    """Returns the imbalance of the window up to `time_s` in its deviations, or None while too little is known.

    It is None, too, in a book that never changes, and once the touch is older than the gap.
    """
    if not math.isfinite(time_s) or state.seconds_seen < parameters.warmup_s:
        return None
    if state.mean_square <= 0 or time_s - state.second > parameters.gap_max_s:
        return None
    passed = max(0, math.floor(time_s) - state.second)
    kept = max(0, parameters.window_s - passed)
    sums = state.sums_e2[-kept:] if kept else ()
    current = state.current_e2 if passed <= parameters.window_s else 0
    return (sum(sums) + current) / math.sqrt(state.mean_square * parameters.window_s)
