"""Admission: whether a selected market can be quoted now, whatever selected it.

1. Two-sided flow: within the window takers must have traded on both sides. One-sided flow is somebody who knows, and
   a maker who only ever buys. A market without enough trades to tell is refused as quiet, unless the window's least
   number of trades is zero. Where so few trades have been seen that even fair flow is often one-sided by chance, the
   sides are not judged (`sides_judged_from`).
2. A dead book: a side is empty or thinner than its least number of levels, the book is crossed, or nothing, neither a
   trade nor a change of the book, has moved for longer than allowed.
3. About to expire, or expiring later than anybody asked for.

Every failed check is named. What is not known refuses nothing.

Source: features C5 and C6 (throttle without trades, least levels, latest expiry), and the design documents' defaults.
"""

from __future__ import annotations

import math
from typing import Final

import attrs

from kalshi.types import Level

ONE_SIDED: Final = "flow is one-sided"


@attrs.frozen(kw_only=True)
class AdmissionParameters:
    """How much life a market must show."""

    trades_min: int = 2  # within the flow window: fewer say nothing about two sides
    sides_judged_from: int = 2  # trades: at 20, fair flow looks one-sided once in 20,000 times
    minority_share_min: float = 0.1  # of the trades, on the rarer side: one in ten still brings positions back
    no_trades_max_s: float = 1_800.0  # the documents' throttle: half an hour without a trade
    no_change_max_s: float = 600.0  # a book that nobody has touched for ten minutes belongs to nobody
    levels_min: int = 1  # per side, the documents' least
    time_to_close_min_s: float = 600.0  # ten minutes: enter, quote and leave takes that long
    time_to_close_max_s: float = 60 * 86_400.0  # capital bound for more than two months


@attrs.frozen(kw_only=True)
class AdmissionFacts:
    """One market as we see it: best levels first, without our orders; counts are of the flow window.

    A fact is None where it is not known, as right after the start; that refuses nothing.
    """

    seconds_to_close: float
    bids: tuple[Level, ...] | None = None
    asks: tuple[Level, ...] | None = None
    taker_buys: int | None = None
    taker_sells: int | None = None
    last_trade_age_s: float | None = None
    last_change_age_s: float | None = None


def admission_refusals(facts: AdmissionFacts, parameters: AdmissionParameters) -> tuple[str, ...]:
    """Returns every check that the market fails, in words; empty where it may be quoted."""
    return (
        *_flow_refusals(facts, parameters),
        *_book_refusals(facts, parameters),
        *_expiry_refusals(facts, parameters),
    )


def _flow_refusals(facts: AdmissionFacts, parameters: AdmissionParameters) -> tuple[str, ...]:
    if facts.taker_buys is None or facts.taker_sells is None:
        return ()
    total = facts.taker_buys + facts.taker_sells
    if total < parameters.trades_min:
        return ("too few trades",)
    rarer = min(facts.taker_buys, facts.taker_sells)
    if total >= max(1, parameters.sides_judged_from) and rarer < parameters.minority_share_min * total:
        return (ONE_SIDED,)
    return ()


def _book_refusals(facts: AdmissionFacts, parameters: AdmissionParameters) -> tuple[str, ...]:
    reasons = []
    bids, asks = facts.bids, facts.asks
    if bids is not None and asks is not None:
        if not bids or not asks:
            reasons.append("the book is one-sided or empty")
        elif bids[0].price_e4 >= asks[0].price_e4:
            reasons.append("the book is crossed or locked")
        elif min(len(bids), len(asks)) < parameters.levels_min:
            reasons.append(f"a side of the book has fewer than {parameters.levels_min} levels")
    if facts.last_trade_age_s is not None and facts.last_trade_age_s > parameters.no_trades_max_s:
        reasons.append(f"no trade for more than {parameters.no_trades_max_s:g} s")
    if facts.last_change_age_s is not None and facts.last_change_age_s > parameters.no_change_max_s:
        reasons.append(f"the book is dead: no change for more than {parameters.no_change_max_s:g} s")
    return tuple(reasons)


def _expiry_refusals(facts: AdmissionFacts, parameters: AdmissionParameters) -> tuple[str, ...]:
    if math.isnan(facts.seconds_to_close) or facts.seconds_to_close < parameters.time_to_close_min_s:
        return ("about to expire",)
    return ("expires too late",) if facts.seconds_to_close > parameters.time_to_close_max_s else ()
