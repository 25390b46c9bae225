"""The world that the simulated exchange lists: 16 events over 8 categories, built from a seed and the present time.

It is made so that a discovery finds work at once: most markets are priced between 15 and 85 cents, older than
a minute, busy, and close inside the time windows of their category; a few are not (too thin, too soon, too
extreme), so that a filter has something to reject. Crypto lives on shard 2, everything else on shard 0.
"""

from __future__ import annotations

import random
from typing import Final

import attrs

from kalshi.simulator.listings import Catalogue, EventListing, MarketListing, SeriesListing
from kalshi.simulator.timestamps import ticker_date

_HOUR_MS: Final = 3_600_000
_CRYPTO_SHARD: Final = 2


@attrs.frozen(kw_only=True)
class _Outcome:
    suffix: str
    label: str
    fair_e4: int
    strike: float | None = None


@attrs.frozen(kw_only=True)
class _EventPlan:
    """One event to list. `volume` is dollars of the last day per market; `half_spread_e4` the typical maker's."""

    series: SeriesListing
    suffix: str
    title: str
    closes_in_h: float
    outcomes: tuple[_Outcome, ...]
    exclusive: bool = True
    structure: str = "linear_cent"
    half_spread_e4: int = 150
    trades_per_minute: float = 40.0
    volume: int = 60_000


def _outcomes(*rows: tuple[str, str, int]) -> tuple[_Outcome, ...]:
    return tuple(_Outcome(suffix=suffix, label=label, fair_e4=cents * 100) for suffix, label, cents in rows)


def _ladder(unit: str, *rows: tuple[float, int]) -> tuple[_Outcome, ...]:
    return tuple(
        _Outcome(suffix=f"T{strike:g}", label=f"{strike:,g}{unit} or above", fair_e4=cents * 100, strike=strike)
        for strike, cents in rows
    )


def _series(ticker: str, title: str, category: str, frequency: str, *tags: str) -> SeriesListing:
    return SeriesListing(
        ticker=ticker,
        title=title,
        category=category,
        frequency=frequency,
        tags=tags,
        exchange_index=_CRYPTO_SHARD if category == "Crypto" else 0,
    )


_NHL: Final = _series("KXNHLGAME", "NHL game winner", "Sports", "daily", "Hockey")
_NFL: Final = attrs.evolve(
    _series("KXNFLGAME", "NFL game winner", "Sports", "weekly", "Football"),
    fee_type="quadratic_with_maker_fees",
)


def _sports() -> tuple[_EventPlan, ...]:
    return (
        _EventPlan(
            series=_NHL,
            suffix="{date}BOSNYR",
            title="Boston at New York Rangers",
            closes_in_h=7,
            outcomes=_outcomes(("BOS", "Boston", 46), ("NYR", "New York Rangers", 54)),
            half_spread_e4=100,
            trades_per_minute=70,
            volume=180_000,
        ),
        _EventPlan(
            series=_NHL,
            suffix="{date}COLDAL",
            title="Colorado at Dallas",
            closes_in_h=9,
            outcomes=_outcomes(("COL", "Colorado", 58), ("DAL", "Dallas", 42)),
            trades_per_minute=60,
            volume=140_000,
        ),
        _EventPlan(
            series=_NFL,
            suffix="{date+3}GBDET",
            title="Green Bay at Detroit",
            closes_in_h=80,
            outcomes=_outcomes(("GB", "Green Bay", 37), ("DET", "Detroit", 63)),
            half_spread_e4=100,
            trades_per_minute=70,
            volume=320_000,
        ),
    )


def _crypto() -> tuple[_EventPlan, ...]:
    return (
        _EventPlan(
            series=_series("KXBTCD", "Bitcoin price above", "Crypto", "daily", "BTC"),
            suffix="{date+2}17",
            title="Bitcoin price at 5pm EST",
            closes_in_h=50,
            outcomes=_ladder("", (96_000, 74), (97_000, 58), (98_000, 41), (99_000, 26)),
            exclusive=False,
            structure="tapered_deci_cent",
            trades_per_minute=60,
            volume=240_000,
        ),
        _EventPlan(
            series=_series("KXETHD", "Ethereum price above", "Crypto", "daily", "ETH"),
            suffix="{date+3}17",
            title="Ethereum price at 5pm EST",
            closes_in_h=74,
            outcomes=_ladder("", (3_100, 66), (3_200, 47), (3_300, 29)),
            exclusive=False,
            structure="center_half_edge_deci_cent",
            half_spread_e4=200,
            volume=90_000,
        ),
        _EventPlan(
            series=_series("KXBTC15M", "Bitcoin up or down", "Crypto", "fifteen_min", "BTC"),
            suffix="{date}-NEXT",
            title="Bitcoin up in the next hours",
            closes_in_h=3,
            outcomes=_outcomes(("UP", "Up", 51)),
            structure="deci_cent",
            half_spread_e4=60,
            trades_per_minute=90,
            volume=150_000,
        ),
    )


def _economy() -> tuple[_EventPlan, ...]:
    return (
        _EventPlan(
            series=_series("KXFEDDECISION", "Fed decision", "Economics", "custom", "Interest rates", "Fed"),
            suffix="{date+26}",
            title="Fed decision at the next meeting",
            closes_in_h=26 * 24,
            outcomes=_outcomes(("H0", "Hold", 55), ("C25", "Cut 25bp", 40), ("H25", "Hike 25bp", 4)),
            half_spread_e4=100,
            trades_per_minute=50,
            volume=900_000,
        ),
        _EventPlan(
            series=_series("KXCPIYOY", "Inflation", "Economics", "monthly", "Inflation"),
            suffix="{date+12}",
            title="CPI year over year",
            closes_in_h=12 * 24,
            outcomes=_ladder("%", (2.8, 78), (2.9, 52), (3.0, 27)),
            exclusive=False,
            half_spread_e4=200,
            volume=80_000,
        ),
    )


def _financials() -> tuple[_EventPlan, ...]:
    return (
        _EventPlan(
            series=_series("KXINX", "S&P 500 close", "Financials", "daily", "S&P"),
            suffix="{date+2}H1600",
            title="S&P 500 at the close",
            closes_in_h=49,
            outcomes=_ladder("", (6_900, 69), (6_950, 45), (7_000, 24)),
            exclusive=False,
            half_spread_e4=200,
            volume=110_000,
        ),
        _EventPlan(
            series=_series("KXEURUSD", "EUR/USD close", "Financials", "weekly", "Forex"),
            suffix="{date+5}",
            title="EUR/USD at the end of the week",
            closes_in_h=120,
            outcomes=_ladder("", (1.15, 61), (1.16, 34)),
            exclusive=False,
            half_spread_e4=250,
            trades_per_minute=30,
            volume=45_000,
        ),
    )


def _weather() -> tuple[_EventPlan, ...]:
    return (
        _EventPlan(
            series=_series("KXHIGHNY", "Highest temperature in NYC", "Climate and Weather", "daily", "Temp"),
            suffix="{date+2}",
            title="Highest temperature in NYC",
            closes_in_h=42,
            outcomes=_outcomes(
                ("B49.5", "49 to 50", 22), ("B51.5", "51 to 52", 36), ("B53.5", "53 to 54", 27), ("T54", "55+", 15)
            ),
            volume=70_000,
        ),
        _EventPlan(
            series=_series("KXRAINSEA", "Rain in Seattle", "Climate and Weather", "monthly", "Precipitation"),
            suffix="{date+10}",
            title="Rain in Seattle this month",
            closes_in_h=240,
            outcomes=_ladder(" inches", (5.0, 57), (6.0, 31)),
            exclusive=False,
            half_spread_e4=250,
            trades_per_minute=25,
            volume=40_000,
        ),
    )


def _politics() -> tuple[_EventPlan, ...]:
    return (
        _EventPlan(
            series=_series("KXSENATEVOTE", "Senate vote", "Politics", "custom", "Congress"),
            suffix="{date+30}",
            title="Will the Senate pass the bill?",
            closes_in_h=30 * 24,
            outcomes=_outcomes(("Y", "Passes", 38)),
            half_spread_e4=150,
            volume=130_000,
        ),
        _EventPlan(
            series=_series("KXSPEAKER", "Next Speaker", "Politics", "custom", "Congress"),
            suffix="{date+55}",
            title="Who will be the next Speaker?",
            closes_in_h=55 * 24,
            outcomes=_outcomes(("JEF", "Jeffries", 61), ("JOH", "Johnson", 33), ("OTH", "Somebody else", 6)),
            half_spread_e4=200,
            trades_per_minute=30,
            volume=90_000,
        ),
    )


def _culture() -> tuple[_EventPlan, ...]:
    return (
        _EventPlan(
            series=_series("KXTOPSONG", "Top song", "Entertainment", "weekly", "Music"),
            suffix="{date+6}",
            title="Top song this week",
            closes_in_h=6 * 24,
            outcomes=_outcomes(("ORD", "Ordinary", 44), ("GOL", "Golden", 35), ("MAN", "Manchild", 19)),
            structure="deci_cent",
            half_spread_e4=250,
            volume=55_000,
        ),
        _EventPlan(
            series=_series("KXLAUNCH", "Rocket launches", "Science and Technology", "monthly", "Space"),
            suffix="{date+20}",
            title="Rocket launches this month",
            closes_in_h=20 * 24,
            outcomes=_ladder("", (14, 48)),
            exclusive=False,
            half_spread_e4=300,
            trades_per_minute=4,
            volume=1_500,
        ),
    )


def build_catalogue(rng: random.Random, now_ms: int) -> Catalogue:
    """Returns the listed world as of `now_ms`; the same seed and time give the same one."""
    plans = (*_sports(), *_crypto(), *_economy(), *_financials(), *_weather(), *_politics(), *_culture())
    series = {plan.series.ticker: plan.series for plan in plans}
    return Catalogue(series=tuple(series.values()), events=tuple(_list_event(plan, rng, now_ms) for plan in plans))


def _list_event(plan: _EventPlan, rng: random.Random, now_ms: int) -> EventListing:
    ticker = f"{plan.series.ticker}-{_dated(plan.suffix, now_ms)}"
    hour_ms = (now_ms // _HOUR_MS) * _HOUR_MS
    close_ms = hour_ms + int((plan.closes_in_h + 1) * _HOUR_MS)
    created_ms = now_ms - rng.randrange(36, 120) * _HOUR_MS
    markets = tuple(
        _list_market(plan, outcome, rng, ticker=ticker, created_ms=created_ms, close_ms=close_ms)
        for outcome in plan.outcomes
    )
    return EventListing(
        ticker=ticker,
        series_ticker=plan.series.ticker,
        title=plan.title,
        sub_title=plan.suffix.partition("}")[2],
        category=plan.series.category,
        mutually_exclusive=plan.exclusive and len(markets) > 1,
        strike_ms=close_ms,
        exchange_index=plan.series.exchange_index,
        created_ms=created_ms,
        markets=markets,
    )


def _list_market(
    plan: _EventPlan, outcome: _Outcome, rng: random.Random, *, ticker: str, created_ms: int, close_ms: int
) -> MarketListing:
    # Contracts, not dollars, are what the exchange counts: dollars over the price, give or take a fifth.
    volume_24h_e2 = int(plan.volume * 1_000_000 / outcome.fair_e4 * rng.uniform(0.8, 1.2)) // 100 * 100
    return MarketListing(
        ticker=f"{ticker}-{outcome.suffix}",
        event_ticker=ticker,
        series_ticker=plan.series.ticker,
        title=f"{plan.title}: {outcome.label}?",
        yes_sub_title=outcome.label,
        created_ms=created_ms,
        open_ms=created_ms + 600_000,
        close_ms=close_ms,
        structure=plan.structure,
        exchange_index=plan.series.exchange_index,
        fair_e4=outcome.fair_e4 + rng.randrange(-100, 101),
        half_spread_e4=plan.half_spread_e4,
        trades_per_minute=plan.trades_per_minute,
        volume_e2=volume_24h_e2 * 3,
        volume_24h_e2=volume_24h_e2,
        open_interest_e2=volume_24h_e2 // 200 * 100,
        floor_strike=outcome.strike,
        strike_type="custom" if outcome.strike is None else "greater_or_equal",
    )


def _dated(suffix: str, now_ms: int) -> str:
    head, _, tail = suffix.partition("}")
    days = int(head.partition("+")[2] or "0")
    return ticker_date(now_ms + days * 24 * _HOUR_MS) + tail
