"""Trading programs: how each selects its markets, by which strategy it quotes them, how much it may hold.

A program claims markets; allocation gives each market one owner. Selection looks at one reading of the exchange's list
and answers with the tickers it wants, best first, and a verdict for everything that it looked at.

Scores: only those of one program can be compared with each other. An explicit list has the order of the list, from one
downwards, a series that of its volume.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import attrs

from kalshi.numbers import CountE2
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.glft import GlftParameters
from quant.quoting.hybrid import HybridParameters
from quant.quoting.strategies import StrategyName, StrategyParameters
from quant.quoting.touch import TouchParameters
from quant.selection.discovery import Candidate, DiscoveryParameters, rank
from quant.selection.series import (
    ListedMarket,
    Selection,
    SelectionVerdict,
    SeriesParameters,
    select_event,
    select_series_of_today,
    select_tickers,
)


class SelectionKind(enum.Enum):
    """How a program finds its markets."""

    SCORED = "scored"  # by the discovery's score over everything that is listed
    TICKERS = "tickers"  # those named
    EVENTS = "events"  # every outcome of the events named
    SERIES = "series"  # those of the series named whose event is today
    VOLATILITY = "volatility"  # those that move and come back, each for a short session


# A session trades within minutes and has to get rid of what it holds: small, and with a short horizon. It freezes
# three minutes before the close by itself; until half a minute before it the strategy may still reduce.
SESSION_DEFAULTS = {
    "order_size_e2": CountE2(100),
    "max_position_e2": CountE2(300),
    "avellaneda_stoikov": AvellanedaStoikovParameters(horizon_cap_s=300.0, stop_before_close_s=30.0),
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
    strategy: StrategyName = StrategyName.AVELLANEDA_STOIKOV
    avellaneda_stoikov: AvellanedaStoikovParameters | None = None  # None: the section `quoting`
    glft: GlftParameters | None = None  # None, here and below: the defaults of the strategy
    hybrid: HybridParameters | None = None
    touch: TouchParameters | None = None
    order_size_e2: CountE2 | None = None
    max_position_e2: CountE2 | None = None
    priority: int = 10
    is_enabled: bool = True

    def __attrs_post_init__(self) -> None:
        if self.selection is SelectionKind.VOLATILITY:
            for name, value in SESSION_DEFAULTS.items():
                if getattr(self, name) is None:
                    object.__setattr__(self, name, value)  # frozen, and not made yet

    def parameters(self, default: AvellanedaStoikovParameters) -> StrategyParameters:
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


@attrs.frozen(kw_only=True)
class Listed:
    """One market in both views that selections take."""

    market: ListedMarket
    candidate: Candidate


@attrs.frozen(kw_only=True)
class ProgramSelection:
    """What a program wants now: tickers with scores, best first, and a verdict for everything it looked at."""

    wanted: tuple[tuple[str, float], ...]
    eligible: int  # those that no filter refused, whether or not there was room for them
    verdicts: tuple[SelectionVerdict, ...]


def select(program: Program, listed: Iterable[Listed], now_ms: int, discovery: DiscoveryParameters) -> ProgramSelection:
    """Returns what `program` selects of `listed` at exchange time `now_ms`."""
    listed = tuple(listed)
    markets = tuple(each.market for each in listed)
    match program.selection:
        case SelectionKind.SCORED:
            return _scored(tuple(each.candidate for each in listed), now_ms, discovery)
        case SelectionKind.TICKERS:
            return _in_order(select_tickers(markets, program.tickers))
        case SelectionKind.EVENTS:
            return _in_order(*(select_event(markets, event) for event in dict.fromkeys(program.events)))
        case SelectionKind.SERIES:
            return _in_order(
                *(
                    select_series_of_today(
                        markets,
                        now_ms,
                        SeriesParameters(series_ticker=series, markets_max=program.series_markets_max),
                    )
                    for series in dict.fromkeys(program.series)
                )
            )
        case SelectionKind.VOLATILITY:
            return ProgramSelection(wanted=(), eligible=0, verdicts=())  # the session manager claims for it


def _scored(candidates: tuple[Candidate, ...], now_ms: int, parameters: DiscoveryParameters) -> ProgramSelection:
    outcome = rank(candidates, now_ms, parameters)
    scores = {verdict.ticker: verdict.score or 0.0 for verdict in outcome.verdicts}
    selected = set(outcome.selected)
    return ProgramSelection(
        wanted=tuple((ticker, scores[ticker]) for ticker in outcome.selected),
        eligible=sum(verdict.score is not None for verdict in outcome.verdicts),
        verdicts=tuple(
            SelectionVerdict(ticker=verdict.ticker, is_selected=verdict.ticker in selected, reasons=verdict.reasons)
            for verdict in outcome.verdicts
        ),
    )


def _in_order(*selections: Selection) -> ProgramSelection:
    """Returns selections one after the other, scored by their order from one downwards."""
    tickers = tuple(dict.fromkeys(ticker for selection in selections for ticker in selection.selected))
    return ProgramSelection(
        wanted=tuple((ticker, 1.0 - place / len(tickers)) for place, ticker in enumerate(tickers)),
        eligible=len(tickers),
        verdicts=tuple(verdict for selection in selections for verdict in selection.verdicts),
    )
