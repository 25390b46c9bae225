"""Which markets the volatility scanner watches: a full scan of what is listed, then the most active.

1. Filters come first; a market names every one that it fails. They are those that an event must pass as well, so what
   could never give an event takes no place.
2. What passes is scored by its activity: volume, size at the touch and nearness of the last trade, less the spread.
   The score is absolute, on logarithmic scales, and not relative to the others: so pages can be worked in one by one
   and forgotten, and the same market has the same score in every scan.
3. The best `tracked_max` are watched. Who is watched already has `stay_margin` more: an estimate that took ten minutes
   to warm up is not thrown away for a hair. Equal scores are ordered by ticker.

Volume is counted in contracts: a contract's notional value is a dollar, so the documents' 5,000 dollars are 5,000
contracts. The age of the last trade is known of watched markets only; where it is not known it counts half.

Source: the design documents' volatility scanner section; features C6 and C6.x.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Set
from typing import Final

import attrs

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import MarketStatus, PriceRange

# What counts as full on the scales of the score, in contracts.
VOLUME_FULL: Final = 1_000_000
LIQUIDITY_FULL: Final = 10_000
UNKNOWN_RECENCY: Final = 0.5


@attrs.frozen(kw_only=True)
class ActivityWeights:
    """What counts how much in the activity of a market; the documents name the four and give no figures."""

    volume: float = 0.40
    liquidity: float = 0.25
    recency: float = 0.20
    spread: float = -0.15  # tighter is better


@attrs.frozen(kw_only=True)
class TrackingParameters:
    """The filters, the score and the number of places."""

    tracked_max: int = 200
    stay_margin: float = 0.05  # of a score that runs from about 0 to 0.85
    market_types: tuple[str, ...] = ("binary",)
    excluded_categories: frozenset[str] = frozenset({"sports"})  # jumps there are news, and do not come back
    volume_24h_min_e2: int = 500_000  # 5,000 contracts
    spread_max_e4: int = 1_000
    time_to_close_max_s: float = 86_400.0
    time_to_close_min_s: float = 480.0  # five minutes of a session, and the last three, in which nobody quotes
    no_trades_max_s: float = 1_800.0
    levels_min: int = 1  # per side; more than one needs whole books of every watched market
    weights: ActivityWeights = attrs.field(factory=ActivityWeights)


@attrs.frozen(kw_only=True)
class Listing:
    """One market as the exchange lists it. A price is None where that side is empty, the age where it is not known."""

    ticker: str
    event_ticker: str
    category: str
    status: MarketStatus
    market_type: str
    close_time_ms: int
    yes_bid_e4: PriceE4 | None
    yes_ask_e4: PriceE4 | None
    yes_bid_size_e2: CountE2
    yes_ask_size_e2: CountE2
    volume_24h_e2: CountE2
    price_ranges: tuple[PriceRange, ...]
    last_trade_age_s: float | None = None


@attrs.frozen(kw_only=True)
class Scored:
    """A market that passed the filters."""

    listing: Listing
    score: float


@attrs.frozen(kw_only=True)
class FullScan:
    """A scan under way: the best so far, best first, how many were looked at, and what refused how many of them."""

    best: tuple[Scored, ...] = ()
    looked_at: int = 0
    passed: int = 0
    refused: tuple[tuple[str, int], ...] = ()


@attrs.frozen(kw_only=True)
class PageVerdict:
    """What became of one market in a scan; no reasons where it is among the best so far."""

    ticker: str
    reasons: tuple[str, ...]


def too_many(parameters: TrackingParameters) -> str:
    """Returns the reason of a market that passed and found no place."""
    return f"not among the {parameters.tracked_max} most active"


def refusals(listing: Listing, now_ms: int, parameters: TrackingParameters) -> tuple[str, ...]:
    """Returns every filter that the market fails at exchange time `now_ms`, in words; empty where it may be watched."""
    reasons = []
    if listing.status is not MarketStatus.ACTIVE:
        reasons.append(f"status is {listing.status}")
    if listing.market_type not in parameters.market_types:
        reasons.append(f"type is {listing.market_type}")
    if is_excluded(listing.category, parameters):
        reasons.append("category is excluded")
    if listing.volume_24h_e2 < parameters.volume_24h_min_e2:
        reasons.append("volume of 24 hours is too low")
    if listing.last_trade_age_s is not None and listing.last_trade_age_s > parameters.no_trades_max_s:
        reasons.append("no trade for too long")
    bid_e4, ask_e4 = listing.yes_bid_e4, listing.yes_ask_e4
    if bid_e4 is None or ask_e4 is None or bid_e4 >= ask_e4:
        reasons.append("the book is one-sided, empty or crossed")
    elif ask_e4 - bid_e4 > parameters.spread_max_e4:
        reasons.append("spread is too wide")
    return (*reasons, *close_refusals((listing.close_time_ms - now_ms) / 1000, parameters))


def close_refusals(to_close_s: float, parameters: TrackingParameters) -> tuple[str, ...]:
    """Returns what the time to the close, in seconds, has against a market."""
    if to_close_s > parameters.time_to_close_max_s:
        return ("closes too late",)
    return ("closes too soon",) if to_close_s < parameters.time_to_close_min_s else ()


def is_excluded(category: str, parameters: TrackingParameters) -> bool:
    """Returns whether a category is excluded, in whatever case it is written."""
    return category.lower() in parameters.excluded_categories


def activity(listing: Listing, parameters: TrackingParameters) -> float:
    """Returns the activity of a market that passes the filters: greater is livelier."""
    weights = parameters.weights
    touch_e2 = min(listing.yes_bid_size_e2, listing.yes_ask_size_e2)
    spread_e4 = (listing.yes_ask_e4 or 0) - (listing.yes_bid_e4 or 0)
    return (
        weights.volume * _on_log_scale(listing.volume_24h_e2 / 100, VOLUME_FULL)
        + weights.liquidity * _on_log_scale(touch_e2 / 100, LIQUIDITY_FULL)
        + weights.recency * _recency(listing.last_trade_age_s, parameters.no_trades_max_s)
        + weights.spread * spread_e4 / parameters.spread_max_e4
    )


def add_page(
    scan: FullScan, page: Iterable[Listing], tracked: Set[str], now_ms: int, parameters: TrackingParameters
) -> tuple[FullScan, tuple[PageVerdict, ...]]:
    """Returns the scan after one more page, and what became of its markets and of those that they pushed out."""
    verdicts, passed, counts, looked_at = [], [], Counter(dict(scan.refused)), 0
    for listing in page:
        looked_at += 1
        reasons = refusals(listing, now_ms, parameters)
        if reasons:
            counts[reasons[0]] += 1
            verdicts.append(PageVerdict(ticker=listing.ticker, reasons=reasons))
        else:
            margin = parameters.stay_margin if listing.ticker in tracked else 0.0
            passed.append(Scored(listing=listing, score=activity(listing, parameters) + margin))
    # A market that a moving page shows twice counts once, as it was seen last.
    pool = {scored.listing.ticker: scored for scored in (*scan.best, *passed)}
    ranked = sorted(pool.values(), key=lambda scored: (-scored.score, scored.listing.ticker))
    best, rest = ranked[: parameters.tracked_max], ranked[parameters.tracked_max :]
    before = {scored.listing.ticker for scored in scan.best}
    verdicts += [PageVerdict(ticker=s.listing.ticker, reasons=()) for s in best if s.listing.ticker not in before]
    verdicts += [PageVerdict(ticker=s.listing.ticker, reasons=(too_many(parameters),)) for s in rest]
    done = FullScan(
        best=tuple(best),
        looked_at=scan.looked_at + looked_at,
        passed=scan.passed + len(passed),
        refused=tuple(counts.most_common()),
    )
    return done, tuple(verdicts)


def _on_log_scale(value: float, full: float) -> float:
    return min(1.0, math.log1p(max(0.0, value)) / math.log1p(full))


def _recency(age_s: float | None, no_trades_max_s: float) -> float:
    return UNKNOWN_RECENCY if age_s is None else max(0.0, 1.0 - age_s / no_trades_max_s)
