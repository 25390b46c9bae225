"""Incentive discovery: which markets' liquidity programs are worth resting for, per dollar at risk.

1. Filters come first, and a market names every one that it fails: the exchange's status, the close, no running
   program, a book that cannot be quoted, a price where bids are longshots, whatever blocks it from outside.
2. What passes is forecast at one order of `order_size_e2` joining each touch: reward of both sides after the haircut,
   adverse selection, and the money bound by both orders, which is all that they can lose
   (quant.rewards.expectation). A market whose two sides do not reach the target with that, or which would not bring
   the least payout by the end of its period, is refused: under a dollar everything is forfeited.
3. The rank is net reward per day per dollar at risk. What does not net more than `net_per_dollar_day_min` is refused.
4. The best are taken, an event giving at most `per_event_max` markets. Equal ranks are ordered by ticker.
5. A whole book costs a read, so that not everybody's is read: `shortlist` names those with the greatest pools per hour
   of all that pass the filters by the touch in the exchange's list.

A market's own measured markouts, where there are any, take the place of the general adverse selection.

Source: feature C4; strategy notes on how liquidity programs are farmed, and on what they paid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import attrs

from kalshi.numbers import CountE2, PriceE4, complement
from kalshi.types import Level, MarketStatus, Side
from quant.rewards.expectation import (
    HOUR_S,
    ExpectationParameters,
    SideBook,
    countable,
    expectation,
    hourly_pool_e6,
    shortfall_e2,
)
from quant.rewards.scoring import as_bids
from quant.rewards.terms import LiquidityTerms
from quant.steps import Steps, finished, slices

_FORECASTS: Final = 10  # forecasts in one go, about a millisecond
_DAY_H: Final = 24.0
_E4_PER_CENT: Final = 100


@attrs.frozen(kw_only=True)
class IncentiveDiscoveryParameters:
    """Filters, the order that is forecast, and the shape of the selection."""

    markets_max: int = 20  # as many as may have orders at all
    per_event_max: int = 4  # outcomes of one event move together
    order_size_e2: CountE2 = attrs.field(default=CountE2(10_000))  # a hundred contracts a side: about $100 bound
    time_to_close_min_s: float = HOUR_S  # an hour: rewards need time, and the last fills lose most
    time_left_min_s: float = 600.0  # of the period: a cheap program's last minutes never clear the least payout
    projected_payout_min_e6: int = 2_000_000  # two dollars: twice the least payout
    price_min_e4: int = 500  # either outcome under five cents is a longshot
    spread_max_e4: int = 1_500  # beyond 15 cents there is no market
    net_per_dollar_day_min: float = 0.0
    books_max: int = 100  # whole books looked at in one run: one request
    expectation: ExpectationParameters = attrs.field(factory=ExpectationParameters)


@attrs.frozen(kw_only=True)
class IncentiveCandidate:
    """One market with its programs and a snapshot of its book without our orders, levels best first.

    `adverse_selection_per_contract` is what our own fills here lost, in dollars; None before there are any.
    """

    ticker: str
    event_ticker: str
    status: MarketStatus
    close_time_ms: int
    programs: tuple[LiquidityTerms, ...]
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    adverse_selection_per_contract: float | None = None
    block_reason: str | None = None


@attrs.frozen(kw_only=True)
class IncentiveForecast:
    """What one order on each side is expected to do, in 1/1,000,000 dollar."""

    reward_per_day_e6: float  # after the haircut
    adverse_per_day_e6: float
    at_risk_e6: int
    payout_by_end_e6: float  # by the terms, without the haircut

    @property
    def net_per_dollar_day(self) -> float:
        """The net reward per day on each dollar bound."""
        return (self.reward_per_day_e6 - self.adverse_per_day_e6) / self.at_risk_e6


@attrs.frozen(kw_only=True)
class IncentiveVerdict:
    """What became of a candidate: `forecast` is None where a filter refused it; `reasons` empty where selected."""

    ticker: str
    reasons: tuple[str, ...]
    forecast: IncentiveForecast | None = None


@attrs.frozen(kw_only=True)
class IncentiveOutcome:
    """The selection, best first, and a verdict for every candidate, in the order in which they came."""

    selected: tuple[str, ...]
    verdicts: tuple[IncentiveVerdict, ...]


def rank_incentives(
    candidates: tuple[IncentiveCandidate, ...], now_ms: int, parameters: IncentiveDiscoveryParameters
) -> IncentiveOutcome:
    """Returns which markets to rest in at exchange time `now_ms`, and why the others are not among them."""
    return finished(ranking_incentives(candidates, now_ms, parameters))


def ranking_incentives(
    candidates: tuple[IncentiveCandidate, ...], now_ms: int, parameters: IncentiveDiscoveryParameters
) -> Steps[IncentiveOutcome]:
    """Does what `rank_incentives` does, in steps."""
    candidates = tuple({candidate.ticker: candidate for candidate in candidates}.values())
    verdicts: dict[str, IncentiveVerdict] = {}
    for part in slices(candidates, _FORECASTS):
        verdicts.update((candidate.ticker, _judged(candidate, now_ms, parameters)) for candidate in part)
        yield
    passed = [candidate for candidate in candidates if not verdicts[candidate.ticker].reasons]
    passed.sort(key=lambda candidate: (-_rank(verdicts[candidate.ticker]), candidate.ticker))
    selected: list[str] = []
    of_event: Counter[str] = Counter()
    for candidate in passed:
        reason = None
        if len(selected) >= parameters.markets_max:
            reason = f"not among the best {parameters.markets_max}"
        elif of_event[candidate.event_ticker] >= parameters.per_event_max:
            reason = f"its event has {parameters.per_event_max} markets already"
        if reason is None:
            selected.append(candidate.ticker)
            of_event[candidate.event_ticker] += 1
        else:
            verdicts[candidate.ticker] = attrs.evolve(verdicts[candidate.ticker], reasons=(reason,))
    return IncentiveOutcome(selected=tuple(selected), verdicts=tuple(verdicts.values()))


def shortlist(
    candidates: Iterable[IncentiveCandidate], now_ms: int, parameters: IncentiveDiscoveryParameters
) -> tuple[str, ...]:
    """Returns the tickers whose whole books are worth reading, the greatest pool per hour first."""
    return finished(shortlisting(tuple(candidates), now_ms, parameters))


def shortlisting(
    candidates: tuple[IncentiveCandidate, ...], now_ms: int, parameters: IncentiveDiscoveryParameters
) -> Steps[tuple[str, ...]]:
    """Does what `shortlist` does, in steps."""
    pools: dict[str, float] = {}
    for part in slices(candidates):
        for candidate in part:
            if not refusals(candidate, now_ms, parameters):
                running = (terms for terms in candidate.programs if terms.is_running(now_ms))
                pools[candidate.ticker] = sum(hourly_pool_e6(terms) for terms in running)
        yield
    return tuple(sorted(pools, key=lambda ticker: (-pools[ticker], ticker))[: parameters.books_max])


def refusals(candidate: IncentiveCandidate, now_ms: int, parameters: IncentiveDiscoveryParameters) -> tuple[str, ...]:
    """Returns every filter that the candidate fails, in words; empty where a forecast is worth making."""
    running = tuple(terms for terms in candidate.programs if terms.is_running(now_ms))
    return _refusals(candidate, running, now_ms, parameters)


def _rank(verdict: IncentiveVerdict) -> float:
    return verdict.forecast.net_per_dollar_day if verdict.forecast is not None else 0.0


def _judged(candidate: IncentiveCandidate, now_ms: int, parameters: IncentiveDiscoveryParameters) -> IncentiveVerdict:
    running = tuple(terms for terms in candidate.programs if terms.is_running(now_ms))
    refused = _refusals(candidate, running, now_ms, parameters)
    if refused:
        return IncentiveVerdict(ticker=candidate.ticker, reasons=refused)
    forecast = _forecast(candidate, running, now_ms, parameters)
    reasons = []
    if not _reaches_target(candidate, running, parameters):
        reasons.append("a side does not reach the program's target size")
    if forecast.payout_by_end_e6 < parameters.projected_payout_min_e6:
        reasons.append("the least payout is out of reach")
    if forecast.net_per_dollar_day <= parameters.net_per_dollar_day_min:
        reasons.append("the reward does not pay for the risk")
    return IncentiveVerdict(ticker=candidate.ticker, reasons=tuple(reasons), forecast=forecast)


def _refusals(
    candidate: IncentiveCandidate,
    running: tuple[LiquidityTerms, ...],
    now_ms: int,
    parameters: IncentiveDiscoveryParameters,
) -> tuple[str, ...]:
    """Returns every filter that the candidate fails, in words; empty where it passes."""
    to_close_s = (candidate.close_time_ms - now_ms) / 1000
    left_s = min(((terms.end_ms - now_ms) / 1000 for terms in running), default=0.0)
    failed = [
        (candidate.block_reason is not None, candidate.block_reason or ""),
        (candidate.status is not MarketStatus.ACTIVE, f"status is {candidate.status}"),
        (to_close_s < parameters.time_to_close_min_s, "closes too soon"),
        (not running, "no liquidity program is running"),
        (bool(running) and left_s < parameters.time_left_min_s, "the program ends too soon"),
    ]
    reasons = tuple(reason for is_failed, reason in failed if is_failed)
    return reasons + _book_refusals(candidate, parameters)


def _book_refusals(candidate: IncentiveCandidate, parameters: IncentiveDiscoveryParameters) -> tuple[str, ...]:
    if not candidate.bids or not candidate.asks:
        return ("the book is one-sided or empty",)
    bid, ask = candidate.bids[0].price_e4, candidate.asks[0].price_e4
    if ask <= bid:
        return ("the book is crossed or locked",)
    reasons = []
    if bid < parameters.price_min_e4 or complement(ask) < parameters.price_min_e4:
        reasons.append(f"an outcome is under {parameters.price_min_e4 // _E4_PER_CENT} cents")
    if ask - bid > parameters.spread_max_e4:
        reasons.append("spread is too wide")
    return tuple(reasons)


def _forecast(
    candidate: IncentiveCandidate,
    running: tuple[LiquidityTerms, ...],
    now_ms: int,
    parameters: IncentiveDiscoveryParameters,
) -> IncentiveForecast:
    expected = parameters.expectation
    if candidate.adverse_selection_per_contract is not None:
        lost = max(0.0, candidate.adverse_selection_per_contract)  # fills that gained are no reason to rest more
        expected = attrs.evolve(expected, adverse_selection_per_contract=lost)
    size = parameters.order_size_e2
    reward = adverse = payout = 0.0
    at_risk = 0
    for side, levels in ((Side.BID, candidate.bids), (Side.ASK, candidate.asks)):
        others = as_bids(countable(levels, running), side)
        price: PriceE4 = others[0].price_e4
        at_risk += price * size
        for terms in running:
            one = expectation(SideBook(others=others, programs=(terms,)), price, size, expected)
            reward += one.reward_per_hour_e6
            payout += one.nominal_per_hour_e6 * (terms.end_ms - now_ms) / 1000 / HOUR_S
        adverse += expectation(SideBook(others=others, programs=()), price, size, expected).adverse_per_hour_e6
    return IncentiveForecast(
        reward_per_day_e6=reward * _DAY_H,
        adverse_per_day_e6=adverse * _DAY_H,
        at_risk_e6=at_risk,
        payout_by_end_e6=payout,
    )


def _reaches_target(
    candidate: IncentiveCandidate, running: tuple[LiquidityTerms, ...], parameters: IncentiveDiscoveryParameters
) -> bool:
    lacking = (shortfall_e2(levels, running) for levels in (candidate.bids, candidate.asks))
    return all(missing <= parameters.order_size_e2 for missing in lacking)
