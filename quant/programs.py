"""Trading programs: how each selects its markets, by which strategy it quotes them, how much it may hold.

A program claims markets; allocation gives each market one owner. Selection looks at one reading of the exchange's list
and answers with the tickers it wants, best first, and a verdict for everything that it looked at.

Scores: only those of one program can be compared with each other. An explicit list has the order of the list, from one
downwards, a series that of its volume, incentives their net reward per day and dollar at risk.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from kalshi.numbers import CountE2
from kalshi.types import Level
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.glft import GlftParameters
from quant.quoting.hybrid import HybridParameters
from quant.quoting.incentive import IncentiveParameters
from quant.quoting.maker import QuotedBy
from quant.quoting.refill import EventParameters
from quant.quoting.strategies import StrategyName
from quant.quoting.throttles import ThrottleParameters
from quant.quoting.touch import TouchParameters
from quant.rewards.terms import LiquidityTerms
from quant.selection.admission import ONE_SIDED
from quant.selection.discovery import Candidate, DiscoveryParameters, ranking
from quant.selection.incentives import (
    IncentiveCandidate,
    IncentiveDiscoveryParameters,
    ranking_incentives,
    refusals,
)
from quant.selection.series import (
    ListedMarket,
    Selection,
    SelectionVerdict,
    SeriesParameters,
    select_event,
    select_series_of_today,
    select_tickers,
)
from quant.steps import Steps, finished, slices

BOOK_NOT_READ: Final = "its book was not read: its reward pool is not among the greatest"


class SelectionKind(enum.Enum):
    """How a program finds its markets."""

    SCORED = "scored"  # by the discovery's score over everything that is listed
    TICKERS = "tickers"  # those named
    EVENTS = "events"  # every outcome of the events named
    SERIES = "series"  # those of the series named whose event is today
    INCENTIVES = "incentives"  # those whose liquidity programs pay most per dollar at risk
    VOLATILITY = "volatility"  # those that move and come back, each for a short session


# A session trades within minutes and has to get rid of what it holds: small, and with a short horizon. It freezes
# three minutes before the close by itself; until half a minute before it the strategy may still reduce.
SESSION_DEFAULTS = {
    "order_size_e2": CountE2(100),
    "max_position_e2": CountE2(300),
    "avellaneda_stoikov": AvellanedaStoikovParameters(horizon_cap_s=300.0, stop_before_close_s=30.0),
}
# Rewards are paid by size: a side that does not reach the target earns nothing. A market is selected by the forecast
# for this very order, so that what was selected is quoted.
INCENTIVE_DEFAULTS = {
    "order_size_e2": IncentiveDiscoveryParameters().order_size_e2,
    "max_position_e2": CountE2(2 * IncentiveDiscoveryParameters().order_size_e2),
}
DEFAULTS_BY_SELECTION: Mapping[SelectionKind, Mapping[str, object]] = {
    SelectionKind.VOLATILITY: SESSION_DEFAULTS,
    SelectionKind.INCENTIVES: INCENTIVE_DEFAULTS,
}


@attrs.frozen(kw_only=True)
class Program:
    """One program, as `config.yaml` names it; sizes that are None are those of the section `markets`, or those of
    volatility sessions where it runs them.
    """

    selection: SelectionKind = SelectionKind.SCORED
    tickers: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    series_markets_max: int = 16
    incentives: IncentiveDiscoveryParameters | None = None  # None: the defaults of the discovery
    strategy: StrategyName = StrategyName.AVELLANEDA_STOIKOV
    avellaneda_stoikov: AvellanedaStoikovParameters | None = None  # None: the section `quoting`
    glft: GlftParameters | None = None  # None, here and below: the defaults of the strategy
    hybrid: HybridParameters | None = None
    touch: TouchParameters | None = None
    incentive: IncentiveParameters | None = None
    refill: EventParameters | None = None  # the stakes of the strategy refill; a market without one is not quoted
    throttles: ThrottleParameters | None = None  # None: the section `throttles`
    freezes_on_stale_regime: bool = False
    order_size_e2: CountE2 | None = None
    max_position_e2: CountE2 | None = None
    priority: int = 10
    is_enabled: bool = True
    is_configured_per_market: bool = True  # sizes and parameters are fitted to each market, within those above

    def __attrs_post_init__(self) -> None:
        for name, value in DEFAULTS_BY_SELECTION.get(self.selection, {}).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)  # frozen, and not made yet

    @property
    def listed_tickers(self) -> tuple[str, ...]:
        """The markets that it names: its own list, or those of its stakes."""
        return self.tickers or tuple(stake.ticker for stake in (self.refill or EventParameters()).stakes)

    def parameters(self, default: AvellanedaStoikovParameters) -> QuotedBy | EventParameters:
        """Returns the parameters of the program's strategy; `default` are those of Avellaneda-Stoikov without any."""
        match self.strategy:
            case StrategyName.AVELLANEDA_STOIKOV:
                return self.avellaneda_stoikov or default
            case StrategyName.GLFT:
                return self.glft or GlftParameters()
            case StrategyName.HYBRID:
                return self.hybrid or HybridParameters()
            case StrategyName.TOUCH:
                return self.touch or TouchParameters()
            case StrategyName.INCENTIVE:
                return self.incentive or IncentiveParameters()
            case StrategyName.REFILL:
                return self.refill or EventParameters()


@attrs.frozen(kw_only=True)
class Book:
    """The whole book of a market without our own orders, best levels first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@attrs.frozen(kw_only=True)
class Listed:
    """One market in both views that selections take, and what the one by incentives knows besides.

    `book` is None where it was not read.
    """

    market: ListedMarket
    candidate: Candidate
    programs: tuple[LiquidityTerms, ...] = ()
    book: Book | None = None
    adverse_selection_per_contract: float | None = None  # dollars, of our own fills


@attrs.frozen(kw_only=True)
class ProgramSelection:
    """What a program wants now: tickers with scores, best first, and a verdict for everything it looked at.

    `leading` are the markets of whom it is worth knowing more, selected or not.
    """

    wanted: tuple[tuple[str, float], ...]
    eligible: int  # those that no filter refused, whether or not there was room for them
    verdicts: tuple[SelectionVerdict, ...]
    leading: tuple[str, ...] = ()


def select(program: Program, listed: Iterable[Listed], now_ms: int, discovery: DiscoveryParameters) -> ProgramSelection:
    """Returns what `program` selects of `listed` at exchange time `now_ms`."""
    return finished(selecting(program, tuple(listed), now_ms, discovery))


def selecting(
    program: Program, listed: tuple[Listed, ...], now_ms: int, discovery: DiscoveryParameters
) -> Steps[ProgramSelection]:
    """Does what `select` does, in steps."""
    match program.selection:
        case SelectionKind.SCORED:
            candidates = tuple(each.candidate for each in listed)
            yield
            return (yield from _scored(candidates, now_ms, discovery))
        case SelectionKind.INCENTIVES:
            return (yield from _by_incentives(program, listed, now_ms))
        case SelectionKind.TICKERS:
            return _in_order(listed, select_tickers((each.market for each in listed), program.listed_tickers))
        case SelectionKind.EVENTS:
            markets = tuple(each.market for each in listed)
            return _in_order(listed, *(select_event(markets, event) for event in dict.fromkeys(program.events)))
        case SelectionKind.SERIES:
            markets = tuple(each.market for each in listed)
            return _in_order(
                listed,
                *(
                    select_series_of_today(
                        markets,
                        now_ms,
                        SeriesParameters(series_ticker=series, markets_max=program.series_markets_max),
                    )
                    for series in dict.fromkeys(program.series)
                ),
            )
        case SelectionKind.VOLATILITY:
            return ProgramSelection(wanted=(), eligible=0, verdicts=())  # the session manager claims for it


def concerns(program: Program, market: ListedMarket) -> bool:
    """Returns whether the selection of `program` looks at the market at all."""
    match program.selection:
        case SelectionKind.SCORED | SelectionKind.INCENTIVES:
            return True
        case SelectionKind.TICKERS:
            return market.ticker in program.listed_tickers
        case SelectionKind.EVENTS:
            return market.event_ticker in program.events
        case SelectionKind.SERIES:
            return market.series_ticker in program.series
        case SelectionKind.VOLATILITY:
            return False  # the session manager claims for it


def incentive_parameters(program: Program) -> IncentiveDiscoveryParameters:
    """Returns how a program selects by incentives: what is forecast is the order that it would rest."""
    parameters = program.incentives or IncentiveDiscoveryParameters()
    if program.order_size_e2 is None:
        return parameters
    return attrs.evolve(parameters, order_size_e2=program.order_size_e2)


def incentive_candidate(each: Listed) -> IncentiveCandidate:
    """Returns the market as the discovery of incentives takes it; without a book by the touch in the list.

    Rewards are paid for resting, so that a quiet market is as good as any; only one-sided flow refuses it.
    """
    one_sided = ONE_SIDED if ONE_SIDED in each.candidate.held_back else None
    book = each.book or _touch(each.candidate)
    return IncentiveCandidate(
        ticker=each.market.ticker,
        event_ticker=each.market.event_ticker,
        status=each.market.status,
        close_time_ms=each.market.close_time_ms,
        programs=each.programs,
        bids=book.bids,
        asks=book.asks,
        adverse_selection_per_contract=each.adverse_selection_per_contract,
        block_reason=each.candidate.block_reason or one_sided,
    )


def _touch(candidate: Candidate) -> Book:
    bid, ask = candidate.yes_bid_e4, candidate.yes_ask_e4
    return Book(
        bids=() if bid is None else (Level(price_e4=bid, count_e2=candidate.yes_bid_size_e2),),
        asks=() if ask is None else (Level(price_e4=ask, count_e2=candidate.yes_ask_size_e2),),
    )


def _by_incentives(program: Program, listed: tuple[Listed, ...], now_ms: int) -> Steps[ProgramSelection]:
    parameters = incentive_parameters(program)
    unread: dict[str, tuple[str, ...]] = {}
    for part in slices(listed):
        for each in part:
            if each.book is None:
                refused = refusals(incentive_candidate(each), now_ms, parameters)
                unread[each.market.ticker] = refused or (BOOK_NOT_READ,)
        yield
    known = tuple(incentive_candidate(each) for each in listed if each.book is not None)
    outcome = yield from ranking_incentives(known, now_ms, parameters)
    forecasts = {verdict.ticker: verdict.forecast for verdict in outcome.verdicts if verdict.forecast is not None}
    selected = set(outcome.selected)
    of_known = (
        SelectionVerdict(ticker=verdict.ticker, is_selected=verdict.ticker in selected, reasons=verdict.reasons)
        for verdict in outcome.verdicts
    )
    of_unread = (
        SelectionVerdict(ticker=ticker, is_selected=False, reasons=reasons) for ticker, reasons in unread.items()
    )
    return ProgramSelection(
        wanted=tuple((ticker, forecasts[ticker].net_per_dollar_day) for ticker in outcome.selected),
        eligible=len(forecasts),
        verdicts=(*of_known, *of_unread),
        leading=tuple(candidate.ticker for candidate in known),
    )


def _scored(candidates: tuple[Candidate, ...], now_ms: int, parameters: DiscoveryParameters) -> Steps[ProgramSelection]:
    outcome = yield from ranking(candidates, now_ms, parameters)
    scores = {verdict.ticker: verdict.score or 0.0 for verdict in outcome.verdicts}
    yield
    selected = set(outcome.selected)
    verdicts: list[SelectionVerdict] = []
    for part in slices(outcome.verdicts):
        verdicts += (
            SelectionVerdict(
                ticker=verdict.ticker,
                is_selected=verdict.ticker in selected,
                reasons=verdict.reasons or (f"its volume is {verdict.volume_band}",),
            )
            for verdict in part
        )
        yield
    return ProgramSelection(
        wanted=tuple((ticker, scores[ticker]) for ticker in outcome.selected),
        eligible=sum(verdict.score is not None for verdict in outcome.verdicts),
        verdicts=tuple(verdicts),
        leading=outcome.leading,
    )


def _in_order(listed: tuple[Listed, ...], *selections: Selection) -> ProgramSelection:
    """Returns selections of what is listed, one after the other, scored by their order from one downwards."""
    known = {each.market.ticker for each in listed}
    tickers = tuple(dict.fromkeys(ticker for selection in selections for ticker in selection.selected))
    verdicts = tuple(verdict for selection in selections for verdict in selection.verdicts)
    return ProgramSelection(
        wanted=tuple((ticker, 1.0 - place / len(tickers)) for place, ticker in enumerate(tickers)),
        eligible=len(tickers),
        verdicts=verdicts,
        leading=tuple(dict.fromkeys(verdict.ticker for verdict in verdicts if verdict.ticker in known)),
    )
