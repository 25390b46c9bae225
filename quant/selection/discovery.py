"""Scored discovery: which of the exchange's markets are worth quoting, each with the reasons that decided.

1. Filters come first, and a market names every one that it fails, not only the first.
2. What passes is scored: a weighted sum of features, each scaled to 0..1 over the candidates that passed,
   with negative weights for what hurts (spread, nearness of the close).
3. The best are taken, but not all from one corner: an event gives at most `per_event_max` markets, and a
   category at most its fraction of the places while other categories still have candidates. Places that stay
   free afterwards go to the best of those that only the category's fraction had held back. So with a quarter
   per category at least four categories are taken wherever four have a candidate.
4. Equal scores are ordered by ticker, so the same candidates always give the same selection.
5. Activity counts twice. To be scored a market needs recent trades, or the daily volume that stands for them. To be
   quoted it needs `execution_trades_min` of them, and what is not known yet does not pass; such a market keeps its
   score and its place in the order, and who is asked to read more reads the leading ones first.

Volume is counted in contracts: a contract's notional value is one dollar, so "5,000 dollars" are 5,000
contracts.

Source: the design documents' discovery and scorer sections; feature C3.
"""

from __future__ import annotations

import enum
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import attrs

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import MarketStatus
from quant.steps import SLICE, Steps, finished, slices

LEADING_PER_PLACE: Final = 2  # how many lead: enough to fill every place though half of them are held back
_RUN: Final = 1_000  # candidates sorted in one go, a millisecond
_DAY_S: Final = 86_400.0
_HOUR_S: Final = 3_600.0


@attrs.frozen(kw_only=True)
class TimeWindow:
    """How far away a close may be, in seconds."""

    min_s: float
    max_s: float


def _default_windows() -> dict[str, TimeWindow]:
    """Returns the documents' windows: games on their day, rates and coins up to a quarter ahead."""
    return {
        "sports": TimeWindow(min_s=_HOUR_S, max_s=7 * _DAY_S),
        "rates": TimeWindow(min_s=_DAY_S, max_s=90 * _DAY_S),
        "economics": TimeWindow(min_s=_DAY_S, max_s=90 * _DAY_S),
        "crypto": TimeWindow(min_s=_DAY_S, max_s=90 * _DAY_S),
    }


@attrs.frozen(kw_only=True)
class ScoreWeights:
    """What counts how much; the documents' weights."""

    volume_24h: float = 0.30
    recent_volume_1h: float = 0.25
    book_liquidity: float = 0.20
    spread: float = -0.15  # tighter is better
    time_penalty: float = -0.10  # a near close is riskier


@attrs.frozen(kw_only=True)
class DiscoveryParameters:
    """Filters, weights and the shape of the selection."""

    # Half as many again as are quoted: who falls out of the top twenty for a moment keeps its market and unwinds there.
    markets_max: int = 30
    market_types: tuple[str, ...] = ("binary",)
    age_min_s: float = 60.0  # newborn markets have books that mean nothing
    default_window: TimeWindow = TimeWindow(min_s=_DAY_S, max_s=60 * _DAY_S)
    windows: Mapping[str, TimeWindow] = attrs.field(factory=_default_windows)  # by lower-case category
    excluded_categories: frozenset[str] = frozenset({"long-tail-politics", "niche-rankings"})  # illiquid
    volume_24h_min_e2: int = 500_000  # 5,000 contracts; less does not pay for the attention
    recent_window_s: float = 1_800.0  # what "recent" means of trades: the documents' throttle, half an hour
    recent_trades_min: int = 0  # scoring level
    bypass_volume_24h_e2: int = 1_000_000  # 10,000 contracts a day stand for recent trades at the scoring level
    execution_trades_min: int = 0  # to be quoted; the documents ask for 10
    price_min_e4: int = 1_500  # outside 15 to 85 cents a contract is a longshot
    price_max_e4: int = 8_500
    spread_max_e4: int = 1_000  # beyond 10 cents there is no market to make, only one to be picked off in
    per_event_max: int = 4  # outcomes of one event move together
    max_per_category_fraction: float = 0.25  # so that four categories are spanned
    near_close_s: float = _DAY_S  # full time penalty up to here, and none from `far_close_s` on
    far_close_s: float = 60 * _DAY_S
    weights: ScoreWeights = attrs.field(factory=ScoreWeights)


@attrs.frozen(kw_only=True)
class Candidate:
    """One market as the exchange lists it. Prices are None where that side is empty; `recent_trades` if not
    known.

    `block_reason` is anything from outside that rules the market out, such as a toxic history; `held_back` are reasons
    why it may be scored but not quoted now.
    """

    ticker: str
    event_ticker: str
    category: str
    status: MarketStatus
    market_type: str
    open_time_ms: int
    close_time_ms: int
    yes_bid_e4: PriceE4 | None
    yes_ask_e4: PriceE4 | None
    yes_bid_size_e2: CountE2
    yes_ask_size_e2: CountE2
    volume_24h_e2: CountE2
    recent_volume_1h_e2: CountE2 = attrs.field(default=CountE2(0))
    recent_trades: int | None = None
    block_reason: str | None = None
    held_back: tuple[str, ...] = ()


class VolumeBand(enum.StrEnum):
    """The 24-hour volume against that of the other candidates, in quarters."""

    VERY_LOW = "very low"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@attrs.frozen(kw_only=True)
class Verdict:
    """What became of a candidate: `score` is None where a filter refused it; `reasons` is empty where it was
    selected.
    """

    ticker: str
    score: float | None
    reasons: tuple[str, ...]
    volume_band: VolumeBand | None = None


@attrs.frozen(kw_only=True)
class DiscoveryOutcome:
    """The selection, best first, and a verdict for every candidate, in the order in which they came.

    `leading` are the best by score, selected or not: those of whom it is worth knowing more.
    """

    selected: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    leading: tuple[str, ...] = ()


def rank(candidates: tuple[Candidate, ...], now_ms: int, parameters: DiscoveryParameters) -> DiscoveryOutcome:
    """Returns which markets to quote at exchange time `now_ms`, and why the others are not among them.

    A thousand candidates take about ten milliseconds; on an event loop use `ranking`.
    """
    return finished(ranking(candidates, now_ms, parameters))


def ranking(candidates: tuple[Candidate, ...], now_ms: int, parameters: DiscoveryParameters) -> Steps[DiscoveryOutcome]:
    """Does what `rank` does, in steps."""
    candidates = tuple({candidate.ticker: candidate for candidate in candidates}.values())
    refused: dict[str, tuple[str, ...]] = {}
    yield
    for part in slices(candidates):
        refused.update((candidate.ticker, refusals(candidate, now_ms, parameters)) for candidate in part)
        yield
    passed = [candidate for candidate in candidates if not refused[candidate.ticker]]
    yield
    volume = _scaled([candidate.volume_24h_e2 for candidate in passed])
    yield
    scores = yield from _scores(passed, now_ms, parameters)
    yield
    bands: dict[str, VolumeBand] = {}
    for start in range(0, len(passed), SLICE):
        end = start + SLICE
        for candidate, share in zip(passed[start:end], volume[start:end], strict=True):
            bands[candidate.ticker] = _band(share)
        yield
    ordered = yield from _ordered(passed, scores)
    selected, held_back = yield from _select(ordered, parameters)
    verdicts: list[Verdict] = []
    for part in slices(candidates):
        verdicts += (
            Verdict(
                ticker=candidate.ticker,
                score=scores.get(candidate.ticker),
                reasons=refused[candidate.ticker] or held_back.get(candidate.ticker, ()),
                volume_band=bands.get(candidate.ticker),
            )
            for candidate in part
        )
        yield
    leading = tuple(candidate.ticker for candidate in ordered[: LEADING_PER_PLACE * parameters.markets_max])
    return DiscoveryOutcome(selected=selected, verdicts=tuple(verdicts), leading=leading)


def refusals(candidate: Candidate, now_ms: int, parameters: DiscoveryParameters) -> tuple[str, ...]:
    """Returns every filter that the candidate fails, in words; empty where it passes."""
    category = candidate.category.lower()
    window = parameters.windows.get(category, parameters.default_window)
    to_close_s = (candidate.close_time_ms - now_ms) / 1000
    failed = [
        (candidate.block_reason is not None, candidate.block_reason or ""),
        (candidate.status is not MarketStatus.ACTIVE, f"status is {candidate.status}"),
        (candidate.market_type not in parameters.market_types, f"type is {candidate.market_type}"),
        ((now_ms - candidate.open_time_ms) / 1000 < parameters.age_min_s, "opened too recently"),
        (to_close_s < window.min_s, f"closes too soon for {category}"),
        (to_close_s > window.max_s, f"closes too late for {category}"),
        (category in parameters.excluded_categories, f"category {category} is excluded"),
        (candidate.volume_24h_e2 < parameters.volume_24h_min_e2, "24-hour volume is too low"),
        (_has_too_few_trades(candidate, parameters), "too few recent trades"),
    ]
    reasons = tuple(reason for is_failed, reason in failed if is_failed)
    return reasons + _book_refusals(candidate, parameters)


def _has_too_few_trades(candidate: Candidate, parameters: DiscoveryParameters) -> bool:
    if candidate.recent_trades is None or candidate.volume_24h_e2 > parameters.bypass_volume_24h_e2:
        return False
    return candidate.recent_trades < parameters.recent_trades_min


def _not_now(candidate: Candidate, parameters: DiscoveryParameters) -> tuple[str, ...]:
    """Returns why a market that may be scored may not be quoted now."""
    if parameters.execution_trades_min <= 0:
        return candidate.held_back
    if candidate.recent_trades is None:
        return ("its recent trades are not known yet", *candidate.held_back)
    if candidate.recent_trades < parameters.execution_trades_min:
        return ("too few recent trades to be quoted", *candidate.held_back)
    return candidate.held_back


def _book_refusals(candidate: Candidate, parameters: DiscoveryParameters) -> tuple[str, ...]:
    bid, ask = candidate.yes_bid_e4, candidate.yes_ask_e4
    if bid is None or ask is None:
        return ("the book is one-sided or empty",)
    if ask <= bid:
        return ("the book is crossed or locked",)
    reasons = []
    if not parameters.price_min_e4 * 2 <= bid + ask <= parameters.price_max_e4 * 2:
        reasons.append("price is in an extreme band")
    if ask - bid > parameters.spread_max_e4:
        reasons.append("spread is too wide")
    return tuple(reasons)


def _scores(passed: list[Candidate], now_ms: int, parameters: DiscoveryParameters) -> Steps[dict[str, float]]:
    weights = parameters.weights
    features: tuple[tuple[float, Callable[[Candidate], float]], ...] = (
        (weights.volume_24h, lambda candidate: candidate.volume_24h_e2),
        (weights.recent_volume_1h, lambda candidate: candidate.recent_volume_1h_e2),
        (weights.book_liquidity, lambda candidate: candidate.yes_bid_size_e2 + candidate.yes_ask_size_e2),
        (weights.spread, _spread_e4),
    )
    totals: list[float] = []
    for part in slices(passed):
        totals += (weights.time_penalty * time_penalty(item.close_time_ms - now_ms, parameters) for item in part)
        yield
    for weight, feature in features:
        values: list[float] = []
        for part in slices(passed):
            values += map(feature, part)
            yield
        shares = _scaled(values)
        yield
        totals = [total + weight * share for total, share in zip(totals, shares, strict=True)]
        yield
    return {candidate.ticker: total for candidate, total in zip(passed, totals, strict=True)}


def _ordered(passed: list[Candidate], scores: Mapping[str, float]) -> Steps[list[Candidate]]:
    """Returns the candidates by descending score, then by ticker: sorted in runs, which are merged."""

    def key(candidate: Candidate) -> tuple[float, str]:
        return (-scores[candidate.ticker], candidate.ticker)

    runs = []
    for part in slices(passed, _RUN):
        runs.append(sorted(part, key=key))
        yield
    ordered: list[Candidate] = []
    for candidate in heapq.merge(*runs, key=key):
        ordered.append(candidate)
        if len(ordered) % SLICE == 0:
            yield
    return ordered


def _spread_e4(candidate: Candidate) -> float:
    return (candidate.yes_ask_e4 or 0) - (candidate.yes_bid_e4 or 0)


def time_penalty(to_close_ms: int, parameters: DiscoveryParameters) -> float:
    """Returns 1 for a close within `near_close_s`, 0 from `far_close_s` on, and a straight line between."""
    span = parameters.far_close_s - parameters.near_close_s
    return min(1.0, max(0.0, (parameters.far_close_s - to_close_ms / 1000) / span))


def _scaled(values: Iterable[float]) -> list[float]:
    """Returns the values scaled to 0..1 from least to greatest; all zero where they are equal."""
    numbers = list(values)
    least, greatest = min(numbers, default=0), max(numbers, default=0)
    if least == greatest:
        return [0.0] * len(numbers)
    return [(number - least) / (greatest - least) for number in numbers]


def _band(share: float) -> VolumeBand:
    if share < 0.25:
        return VolumeBand.VERY_LOW
    if share < 0.5:
        return VolumeBand.LOW
    return VolumeBand.MEDIUM if share < 0.75 else VolumeBand.HIGH


@attrs.define
class _Places:
    """The places given so far, counted by event and category."""

    parameters: DiscoveryParameters
    taken: set[str] = attrs.field(factory=set)
    of_event: Counter[str] = attrs.field(factory=Counter)
    of_category: Counter[str] = attrs.field(factory=Counter)

    def give(self, candidate: Candidate) -> None:
        self.taken.add(candidate.ticker)
        self.of_event[candidate.event_ticker] += 1
        self.of_category[candidate.category.lower()] += 1

    def refusal(self, candidate: Candidate, *, is_category_capped: bool) -> str | None:
        """Returns why the candidate gets no place beside those given, or None where it gets one."""
        if len(self.taken) >= self.parameters.markets_max:
            return f"not among the best {self.parameters.markets_max}"
        if self.of_event[candidate.event_ticker] >= self.parameters.per_event_max:
            return f"its event has {self.parameters.per_event_max} markets already"
        category_max = max(1, int(self.parameters.markets_max * self.parameters.max_per_category_fraction))
        if is_category_capped and self.of_category[candidate.category.lower()] >= category_max:
            return f"its category has {category_max} markets already"
        return None


def _select(
    ordered: list[Candidate], parameters: DiscoveryParameters
) -> Steps[tuple[tuple[str, ...], dict[str, tuple[str, ...]]]]:
    """Returns the selected tickers, best first, and why each other one was held back."""
    places = _Places(parameters)
    held_back: dict[str, tuple[str, ...]] = {}
    for is_category_capped in (True, False):
        for part in slices(ordered):
            for candidate in part:
                if candidate.ticker in places.taken:
                    continue
                reasons = _not_now(candidate, parameters)
                if not reasons and (reason := places.refusal(candidate, is_category_capped=is_category_capped)):
                    reasons = (reason,)
                if reasons:
                    held_back[candidate.ticker] = reasons
                else:
                    places.give(candidate)
                    held_back.pop(candidate.ticker, None)
            yield
    return tuple(item.ticker for item in ordered if item.ticker in places.taken), held_back
