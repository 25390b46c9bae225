"""The figures of a trace once more, not as `ops.backtest` does it: by lists, fractions and repetition."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import attrs

from ops.backtest.trace import Began, Filled, Line, OrderSeen, Touched

HORIZONS_S = (1, 5, 10, 60)
MID_AGE_MAX_MS = 10_000


@attrs.frozen(kw_only=True)
class PlainFigures:
    fills: int
    filled_e2: int
    max_position_e2: int
    pnl_e6: Fraction
    spread_e6: Fraction
    fees_e6: int
    max_drawdown_e6: Fraction
    open_ms: int
    quoted_ms: int
    both_ms: int
    markouts: tuple[tuple[Fraction, Fraction, int, int], ...]  # dollars, contracts, measured, missed


def plain_figures(trace: Sequence[Line]) -> PlainFigures:
    """Returns the figures of a whole trace, each computed from all of its lines."""
    began = trace[0]
    assert isinstance(began, Began)
    fills = [(place, line) for place, line in enumerate(trace) if isinstance(line, Filled)]
    passive = [line for _, line in fills if not line.is_taker]
    seconds = [_milliseconds(trace, began, at_ms) for at_ms in _moments(trace, began)]
    return PlainFigures(
        fills=len(passive),
        filled_e2=sum(line.count_e2 for line in passive),
        max_position_e2=max((abs(_held(trace, place, line.ticker)) for place, line in fills), default=0),
        pnl_e6=equity(trace, began, len(trace)),
        spread_e6=sum((edge(trace, began, place, line) for place, line in fills), Fraction()),
        fees_e6=sum(line.fee_e6 for _, line in fills),
        max_drawdown_e6=_drawdown([equity(trace, began, place) for place in range(len(trace) + 1)]),
        open_ms=sum(one[0] for one in seconds),
        quoted_ms=sum(one[1] for one in seconds),
        both_ms=sum(one[2] for one in seconds),
        markouts=tuple(markout(trace, began, passive, horizon_s * 1_000) for horizon_s in HORIZONS_S),
    )


def edge(trace: Sequence[Line], began: Began, place: int, line: Filled) -> Fraction:
    """What the fill at `place` gained on the mid before it, in millionths of a dollar."""
    return _signed(line) * (_mid(trace, began, place, line.ticker) - line.price_e4)


def _signed(line: Filled) -> int:
    return line.count_e2 if line.side == "bid" else -line.count_e2


def _held(trace: Sequence[Line], place: int, ticker: str) -> int:
    """The position after the line at `place`."""
    return sum(_signed(line) for line in trace[: place + 1] if isinstance(line, Filled) and line.ticker == ticker)


def _mids(trace: Sequence[Line], began: Began, ticker: str) -> list[tuple[int, int]]:
    """Every mid, doubled, with its time."""
    return [
        (line.at_ms, line.bid_e4 + line.ask_e4)
        for line in trace
        if isinstance(line, Touched) and line.ticker == ticker and line.at_ms < began.close_ms[ticker]
        if line.bid_e4 is not None and line.ask_e4 is not None
    ]


def _mid(trace: Sequence[Line], began: Began, place: int, ticker: str) -> Fraction:
    return Fraction(_mids(trace[:place], began, ticker)[-1][1], 2)


def equity(trace: Sequence[Line], began: Began, place: int) -> Fraction:
    """Cash and marks before the line at `place`."""
    fills = [line for line in trace[:place] if isinstance(line, Filled)]
    cash = Fraction(sum(-_signed(line) * line.price_e4 - line.fee_e6 for line in fills))
    tickers = {line.ticker for line in fills}
    return cash + sum(_held(trace, place - 1, one) * _mid(trace, began, place, one) for one in tickers)


def _drawdown(equities: Sequence[Fraction]) -> Fraction:
    return max(max(equities[: place + 1]) - equity for place, equity in enumerate(equities))


def markout(
    trace: Sequence[Line], began: Began, fills: Sequence[Filled], horizon_ms: int
) -> tuple[Fraction, Fraction, int, int]:
    dollars, contracts, measured = Fraction(), Fraction(), 0
    mids = {ticker: _mids(trace, began, ticker) for ticker in began.close_ms}
    for fill in fills:
        due_ms = fill.at_ms + horizon_ms
        known = [(at_ms, bid_ask_e4) for at_ms, bid_ask_e4 in mids[fill.ticker] if at_ms <= due_ms]
        if not known or due_ms - known[-1][0] > MID_AGE_MAX_MS or due_ms >= trace[-1].at_ms:
            continue
        measured += 1
        contracts += Fraction(fill.count_e2, 100)
        dollars += Fraction(_signed(fill), 100) * (Fraction(known[-1][1], 2) - fill.price_e4) / 10_000
    return dollars, contracts, measured, len(fills) - measured


def _moments(trace: Sequence[Line], began: Began) -> list[tuple[str, int, int]]:
    """Every stretch of time between two lines, for each market until its close."""
    times = sorted({line.at_ms for line in trace})
    return [
        (ticker, start_ms, min(end_ms, close_ms))
        for ticker, close_ms in began.close_ms.items()
        for start_ms, end_ms in pairwise(times)
        if start_ms < close_ms
    ]


def _milliseconds(trace: Sequence[Line], began: Began, stretch: tuple[str, int, int]) -> tuple[int, int, int]:
    ticker, start_ms, end_ms = stretch
    before = [line for line in trace if line.at_ms <= start_ms]
    touches = [line for line in before if isinstance(line, Touched) and line.ticker == ticker]
    if not touches or touches[-1].bid_e4 is None or touches[-1].ask_e4 is None:
        return 0, 0, 0
    last = {line.order_id: line for line in before if isinstance(line, OrderSeen) and line.ticker == ticker}
    sides = {line.side for line in last.values() if line.remaining_e2 and not line.is_exit}
    length_ms = end_ms - start_ms
    return length_ms, length_ms if sides else 0, length_ms if len(sides) == 2 else 0
