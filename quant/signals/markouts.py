"""Adverse selection: where the mid stood 1, 5, 10 and 60 seconds after each own fill, seen from the fill.

A markout is side * (mid after h seconds - price of the fill), in dollars per contract: negative means that whoever
traded with us knew better.

1. The mid after h seconds is the last one known at that time, and no later one. A fill whose horizon passes without a
   mid younger than `mid_age_max_s` is not measured; it is counted as missed, so that nobody takes silence for good.
2. Fills wait in one queue in order of time. A horizon is settled when the first mid after it (or the clock) comes,
   so every fill costs four steps in all. More than `pending_max` waiting fills drop the oldest, counted as missed.
3. Means are weighted by contracts and forget with the number of fills, not with time: a market that was toxic
   yesterday and did not trade since is still the market that was toxic.
4. `wrong_share` is the documents' test: the share of the fills of the last five minutes that the price moved against.

One state belongs to one market. Source: the project's strategy reference, section 2.2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side


@attrs.frozen(kw_only=True)
class MarkoutParameters:
    """The horizons and the bounds; the horizons ascend."""

    horizons_s: tuple[float, ...] = (1.0, 5.0, 10.0, 60.0)
    half_life_fills: float = 50.0
    pending_max: int = 256  # per horizon
    mid_age_max_s: float = 10.0
    judged_horizon_s: float = 5.0  # of `wrong_share`; one of the horizons
    judged_window_s: float = 300.0
    judged_fills_min: int = 5
    judged_max: int = 256


@attrs.frozen(kw_only=True)
class MarkedFill:
    """An own fill: when (monotonic seconds), which way, at what price and how much."""

    time_s: float
    side: Side
    price_e4: PriceE4
    count_e2: CountE2


@attrs.frozen(kw_only=True)
class HorizonState:
    """What waits for one horizon, and what it has shown; sums are of contracts and dollars, forgetting by fills."""

    pending: tuple[MarkedFill, ...] = ()
    contracts: float = 0.0
    dollars: float = 0.0
    measured: int = 0
    missed: int = 0

    @property
    def mean(self) -> float | None:
        """Dollars per contract, or None before the first measured fill."""
        return self.dollars / self.contracts if self.contracts > 0 else None


@attrs.frozen(kw_only=True)
class Judged:
    """A fill whose judged horizon has passed."""

    time_s: float
    is_wrong: bool


@attrs.frozen(kw_only=True)
class MarkoutState:
    """One state per horizon, in their order, the last mid, and the fills judged lately."""

    horizons: tuple[HorizonState, ...]
    mid: float | None = None
    mid_time_s: float = -math.inf
    judged: tuple[Judged, ...] = ()


def initial(parameters: MarkoutParameters) -> MarkoutState:
    """Returns the state before the first fill."""
    return MarkoutState(horizons=(HorizonState(),) * len(parameters.horizons_s))


def filled(state: MarkoutState, fill: MarkedFill, parameters: MarkoutParameters) -> MarkoutState:
    """Returns the state after an own fill; fills come in order of time."""
    return attrs.evolve(state, horizons=tuple(_waiting(one, fill, parameters) for one in state.horizons))


def _waiting(one: HorizonState, fill: MarkedFill, parameters: MarkoutParameters) -> HorizonState:
    dropped = max(0, len(one.pending) + 1 - parameters.pending_max)
    return attrs.evolve(one, pending=(*one.pending[dropped:], fill), missed=one.missed + dropped)


def observed(state: MarkoutState, time_s: float, mid: float, parameters: MarkoutParameters) -> MarkoutState:
    """Returns the state after the mid became `mid` dollars at `time_s`; the past and what is no number change nothing.

    Horizons that ended before `time_s` are settled at the mid before; one that ends just now at this one.
    """
    if not (math.isfinite(time_s) and math.isfinite(mid)) or time_s < state.mid_time_s:
        return state
    if not any(one.pending for one in state.horizons):  # nearly always: mids are many and fills are few
        return MarkoutState(horizons=state.horizons, mid=mid, mid_time_s=time_s, judged=state.judged)
    before = _settled(state, time_s, parameters, includes_now=False)
    now = MarkoutState(horizons=before.horizons, mid=mid, mid_time_s=time_s, judged=before.judged)
    return _settled(now, time_s, parameters, includes_now=True)


def passed(state: MarkoutState, time_s: float, parameters: MarkoutParameters) -> MarkoutState:
    """Returns the state at `time_s` without a new mid: horizons that ended are settled at the last one."""
    return _settled(state, time_s, parameters, includes_now=False)


def _settled(state: MarkoutState, time_s: float, parameters: MarkoutParameters, *, includes_now: bool) -> MarkoutState:
    dues = [
        _due_count(one.pending, horizon_s, time_s, includes_now=includes_now)
        for horizon_s, one in zip(parameters.horizons_s, state.horizons, strict=True)
    ]
    if not any(dues):
        return state
    horizons, judged = [], state.judged
    for horizon_s, one, due in zip(parameters.horizons_s, state.horizons, dues, strict=True):
        if due and horizon_s == parameters.judged_horizon_s:
            judged = (*judged, *_judgements(state, one.pending[:due], horizon_s, parameters))[-parameters.judged_max :]
        horizons.append(_measured(state, one, due, horizon_s, parameters) if due else one)
    return attrs.evolve(state, horizons=tuple(horizons), judged=judged)


def _due_count(pending: tuple[MarkedFill, ...], horizon_s: float, time_s: float, *, includes_now: bool) -> int:
    count = 0
    for fill in pending:
        due_s = fill.time_s + horizon_s
        if due_s > time_s or (due_s == time_s and not includes_now):
            break
        count += 1
    return count


def _measured(
    state: MarkoutState, one: HorizonState, due: int, horizon_s: float, parameters: MarkoutParameters
) -> HorizonState:
    keep = math.pow(0.5, 1.0 / parameters.half_life_fills)
    contracts, dollars, measured, missed = one.contracts, one.dollars, one.measured, one.missed
    for fill in one.pending[:due]:
        found = _markout(state, fill, horizon_s, parameters)
        if found is None:
            missed += 1
            continue
        size = fill.count_e2 / 100
        contracts, dollars, measured = contracts * keep + size, dollars * keep + size * found, measured + 1
    return HorizonState(
        pending=one.pending[due:], contracts=contracts, dollars=dollars, measured=measured, missed=missed
    )


def _judgements(
    state: MarkoutState, fills: Iterable[MarkedFill], horizon_s: float, parameters: MarkoutParameters
) -> Iterable[Judged]:
    for fill in fills:
        found = _markout(state, fill, horizon_s, parameters)
        if found is not None:
            yield Judged(time_s=fill.time_s, is_wrong=found < 0)


def _markout(state: MarkoutState, fill: MarkedFill, horizon_s: float, parameters: MarkoutParameters) -> float | None:
    is_old = fill.time_s + horizon_s - state.mid_time_s > parameters.mid_age_max_s
    return None if state.mid is None or is_old else fill.side.sign * (state.mid - fill.price_e4 / 10_000)


def wrong_share(state: MarkoutState, time_s: float, parameters: MarkoutParameters) -> float | None:
    """Returns the share of recent fills that the price moved against, or None while there are too few."""
    recent = [one.is_wrong for one in state.judged if time_s - one.time_s <= parameters.judged_window_s]
    return sum(recent) / len(recent) if len(recent) >= parameters.judged_fills_min else None
