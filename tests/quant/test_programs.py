"""Each kind of selection, and which parameters and sizes a program quotes with."""

from __future__ import annotations

import pytest

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import MarketStatus
from quant.programs import Listed, Program, SelectionKind, incentive_parameters, select
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.glft import GlftParameters
from quant.quoting.hybrid import HybridParameters
from quant.quoting.strategies import StrategyName
from quant.quoting.touch import TouchParameters
from quant.selection.discovery import Candidate, DiscoveryParameters
from quant.selection.series import ListedMarket

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000


def listed(ticker: str, *, close_days: int = 7, volume: int = 1_000_000, status: str = "active") -> Listed:
    event, series, close_ms = ticker.rpartition("-")[0], ticker.partition("-")[0], NOW_MS + close_days * DAY_MS
    return Listed(
        market=ListedMarket(
            ticker=ticker,
            event_ticker=event,
            series_ticker=series,
            status=MarketStatus(status),
            close_time_ms=close_ms,
            volume_e2=CountE2(volume),
        ),
        candidate=Candidate(
            ticker=ticker,
            event_ticker=event,
            category=series,
            status=MarketStatus(status),
            market_type="binary",
            open_time_ms=NOW_MS - DAY_MS,
            close_time_ms=close_ms,
            yes_bid_e4=PriceE4(4_800),
            yes_ask_e4=PriceE4(5_000),
            yes_bid_size_e2=CountE2(10_000),
            yes_ask_size_e2=CountE2(10_000),
            volume_24h_e2=CountE2(volume),
        ),
    )


UNIVERSE = (
    listed("KXA-26SEP28-X", volume=3_000_000),
    listed("KXA-26SEP28-Y", close_days=0, volume=2_000_000),
    listed("KXB-1-X"),
    listed("KXB-1-Y", status="inactive"),
    listed("KXC-1-X", volume=0),
)


def wanted(program: Program) -> list[str]:
    return [ticker for ticker, _ in select(program, UNIVERSE, NOW_MS, DiscoveryParameters()).wanted]


def test_scored_takes_what_the_score_selects_and_names_why_not_the_rest() -> None:
    selection = select(Program(), UNIVERSE, NOW_MS, DiscoveryParameters())
    refused = {verdict.ticker: verdict.reasons for verdict in selection.verdicts if not verdict.is_selected}
    assert {ticker for ticker, _ in selection.wanted} == {"KXA-26SEP28-X", "KXB-1-X"}
    assert refused.keys() == {"KXA-26SEP28-Y", "KXB-1-Y", "KXC-1-X"}
    assert all(refused.values())
    assert selection.eligible == 2
    chosen = {verdict.ticker: verdict.reasons for verdict in selection.verdicts if verdict.is_selected}
    assert chosen == {"KXA-26SEP28-X": ("its volume is high",), "KXB-1-X": ("its volume is very low",)}


def test_tickers_are_taken_in_their_order_and_what_is_missing_is_named() -> None:
    program = Program(selection=SelectionKind.TICKERS, tickers=("KXC-1-X", "KXNONE-1", "KXB-1-Y", "KXA-26SEP28-X"))
    selection = select(program, UNIVERSE, NOW_MS, DiscoveryParameters())
    assert [ticker for ticker, _ in selection.wanted] == ["KXC-1-X", "KXA-26SEP28-X"]
    scores = [score for _, score in selection.wanted]
    assert scores == sorted(scores, reverse=True)
    refused = {verdict.ticker for verdict in selection.verdicts if not verdict.is_selected}
    assert refused == {"KXNONE-1", "KXB-1-Y"}


def test_events_are_taken_with_all_their_outcomes_that_trade() -> None:
    assert wanted(Program(selection=SelectionKind.EVENTS, events=("KXB-1", "KXA-26SEP28", "KXB-1"))) == [
        "KXB-1-X",
        "KXA-26SEP28-X",
        "KXA-26SEP28-Y",
    ]


def test_a_series_is_taken_where_its_event_is_today() -> None:
    assert wanted(Program(selection=SelectionKind.SERIES, series=("KXA", "KXB"))) == []  # one has closed at this moment
    later = tuple(listed(f"KXA-1-{name}", close_days=0) for name in "XY")
    today = [Listed(market=_closing_later(each.market), candidate=each.candidate) for each in later]
    program = Program(selection=SelectionKind.SERIES, series=("KXA",), series_markets_max=1)
    selection = select(program, today, NOW_MS, DiscoveryParameters())
    assert [ticker for ticker, _ in selection.wanted] == ["KXA-1-X"]


def _closing_later(market: ListedMarket) -> ListedMarket:
    return ListedMarket(
        ticker=market.ticker,
        event_ticker=market.event_ticker,
        series_ticker=market.series_ticker,
        status=market.status,
        close_time_ms=market.close_time_ms + 60_000,
        volume_e2=market.volume_e2,
    )


@pytest.mark.parametrize(
    ("name", "own", "default"),
    [
        (
            StrategyName.AVELLANEDA_STOIKOV,
            AvellanedaStoikovParameters(gamma_per_dollar=0.5),
            AvellanedaStoikovParameters(),
        ),
        (StrategyName.GLFT, GlftParameters(gamma_per_dollar=0.5), GlftParameters()),
        (StrategyName.HYBRID, HybridParameters(base_spread=0.05), HybridParameters()),
        (StrategyName.TOUCH, TouchParameters(replace_interval_s=2.0), TouchParameters()),
    ],
)
def test_a_program_quotes_with_its_own_parameters_or_the_defaults(
    name: StrategyName, own: object, default: object
) -> None:
    assert Program(strategy=name).parameters(AvellanedaStoikovParameters()) == default
    with_own = Program(strategy=name, **{name.value: own})  # type: ignore[arg-type]
    assert with_own.parameters(AvellanedaStoikovParameters()) == own


def test_a_program_of_sessions_is_small_by_default_and_selects_nothing_by_itself() -> None:
    program = Program(selection=SelectionKind.VOLATILITY)
    assert (program.order_size_e2, program.max_position_e2) == (100, 300)
    quoting = program.parameters(AvellanedaStoikovParameters())
    assert quoting == AvellanedaStoikovParameters(horizon_cap_s=300.0, stop_before_close_s=30.0)
    assert wanted(program) == []
    larger = Program(selection=SelectionKind.VOLATILITY, max_position_e2=CountE2(500), strategy=StrategyName.GLFT)
    assert (larger.max_position_e2, larger.order_size_e2) == (500, 100)
    assert isinstance(larger.parameters(AvellanedaStoikovParameters()), GlftParameters)
    assert Program().max_position_e2 is None


@pytest.mark.parametrize(("size_e2", "forecast_e2", "limit_e2"), [(None, 10_000, 20_000), (3_000, 3_000, 20_000)])
def test_a_program_of_rewards_forecasts_the_order_that_it_rests(
    size_e2: int | None, forecast_e2: int, limit_e2: int
) -> None:
    """Selected by a greater order than is quoted, a market would be held and never quoted."""
    size = None if size_e2 is None else CountE2(size_e2)
    program = Program(selection=SelectionKind.INCENTIVES, order_size_e2=size)
    assert program.order_size_e2 == forecast_e2
    assert incentive_parameters(program).order_size_e2 == forecast_e2
    assert program.max_position_e2 == limit_e2
