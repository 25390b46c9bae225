"""What each series lists: how often, what the outcomes are, and who trades there.

A plan makes one event per close of its cycle. Volumes are contracts of a usual day per market; `opens_before_ms` is the
life of a market, so that series with long lives have several events open at once. Plans marked `is_extra` are
left out of the light world that the bot starts by default.
"""

from __future__ import annotations

import math
import random
from typing import Final

import attrs

from kalshi.simulator.cycles import Cycle, Every, daily, monthly, weekdays, weekly
from kalshi.simulator.listings import SeriesListing

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
_SHARDS_BY_CATEGORY: Final = {"Crypto": 2, "Commodities": 2}
_SHARD_3_TAGS: Final = frozenset({"Tennis", "Baseball", "Basketball"})


@attrs.frozen(kw_only=True)
class Outcome:
    """One market of an event to come. `fair_e4` None means that the coin's price says it."""

    suffix: str
    label: str
    fair_e4: int | None = None
    strike: float | None = None


@attrs.frozen(kw_only=True)
class Race:
    """Fixed outcomes with their usual shares; each event shakes them a little."""

    rows: tuple[tuple[str, str, int], ...]

    def outcomes(self, rng: random.Random) -> tuple[Outcome, ...]:
        weights = [share * rng.uniform(0.8, 1.25) for _, _, share in self.rows]
        total = sum(weights)
        return tuple(
            Outcome(suffix=suffix, label=label, fair_e4=round(10_000 * weight / total))
            for (suffix, label, _), weight in zip(self.rows, weights, strict=True)
        )


@attrs.frozen(kw_only=True)
class Figure:
    """A figure against strikes around `middle`, `spacing` apart; the outcome's spread is about two spacings."""

    middle: float
    spacing: float
    count: int
    unit: str = ""

    def outcomes(self, rng: random.Random) -> tuple[Outcome, ...]:
        shift = rng.uniform(-0.25, 0.25)
        rows = []
        for index in range(self.count):
            steps = index - (self.count - 1) / 2
            strike = round(self.middle + self.spacing * steps, 4)
            fair = random_normal_share((shift - steps) * 0.55)
            label = f"{strike:,g}{self.unit} or above"
            rows.append(Outcome(suffix=f"T{strike:g}", label=label, fair_e4=fair, strike=strike))
        return tuple(rows)


@attrs.frozen(kw_only=True)
class CoinStrikes:
    """Strikes around a coin's price, `spacing_share` of it apart, as round numbers; none means up or down."""

    coin: str
    spacing_share: float = 0.0
    count: int = 0


@attrs.frozen(kw_only=True)
class Game:
    """Two teams of a league; `slot` is the game of the day, so that no team plays twice."""

    teams: tuple[tuple[str, str], ...]
    slot: int


Content = Race | Figure | CoinStrikes | Game


def random_normal_share(deviation: float) -> int:
    """Returns a steep but never extreme chance for a strike that lies so many deviations below the middle."""
    return round(10_000 / (1 + math.exp(-1.7 * deviation)))


@attrs.frozen(kw_only=True)
class Plan:
    """One series and how its events come."""

    series: SeriesListing
    cycle: Cycle
    suffix: str  # of the event: %d date, %h hour, %m minute, %y month, %g teams
    title: str
    content: Content
    opens_before_ms: int
    listed_before_ms: int = 10 * MINUTE_MS  # how long a market is initialized before it opens
    structure: str = "linear_cent"
    half_spread_e4: int = 150
    trades_per_minute: float = 20.0
    volume: int = 100_000
    volatility: float = 1.0
    maker_size: float = 1.0
    taker_size: float = 1.0
    look_scale: float = 1.8
    fee_type_override: str | None = None
    fee_multiplier_override_e4: int | None = None
    fee_waiver_ms: int | None = None  # how long after its opening a market takes no fee
    is_extra: bool = False


def _series(
    ticker: str,
    title: str,
    category: str,
    frequency: str,
    *tags: str,
    fee_type: str = "quadratic",
    fee_e4: int = 10_000,
) -> SeriesListing:
    shard = 3 if _SHARD_3_TAGS & set(tags) else _SHARDS_BY_CATEGORY.get(category, 0)
    return SeriesListing(
        ticker=ticker,
        title=title,
        category=category,
        frequency=frequency,
        tags=tags,
        exchange_index=shard,
        fee_type=fee_type,
        fee_multiplier_e4=fee_e4,
    )


_NHL_TEAMS: Final = (
    ("BOS", "Boston"), ("NYR", "New York Rangers"), ("COL", "Colorado"), ("DAL", "Dallas"), ("TOR", "Toronto"),
    ("MTL", "Montreal"), ("EDM", "Edmonton"), ("VGK", "Vegas"), ("FLA", "Florida"), ("TBL", "Tampa Bay"),
    ("CAR", "Carolina"), ("WPG", "Winnipeg"),
)  # fmt: skip
_NFL_TEAMS: Final = (
    ("GB", "Green Bay"), ("DET", "Detroit"), ("KC", "Kansas City"), ("BUF", "Buffalo"), ("PHI", "Philadelphia"),
    ("SF", "San Francisco"), ("BAL", "Baltimore"), ("CIN", "Cincinnati"),
)  # fmt: skip
_NBA_TEAMS: Final = (
    ("LAL", "Los Angeles L"), ("BOS", "Boston"), ("DEN", "Denver"), ("OKC", "Oklahoma City"), ("NYK", "New York"),
    ("MIL", "Milwaukee"), ("MIA", "Miami"), ("GSW", "Golden State"), ("PHX", "Phoenix"), ("CLE", "Cleveland"),
    ("MIN", "Minnesota"), ("DAL", "Dallas"),
)  # fmt: skip
_PLAYERS: Final = (
    ("ALC", "Alcaraz"), ("SIN", "Sinner"), ("DJO", "Djokovic"), ("ZVE", "Zverev"), ("MED", "Medvedev"),
    ("FRI", "Fritz"), ("RUN", "Rune"), ("SHE", "Shelton"),
)  # fmt: skip
_NHL: Final = _series("KXNHLGAME", "NHL game winner", "Sports", "daily", "Hockey")
_NBA: Final = _series("KXNBAGAME", "NBA game winner", "Sports", "daily", "Basketball")
_NFL: Final = _series(
    "KXNFLGAME", "NFL game winner", "Sports", "weekly", "Football", fee_type="quadratic_with_maker_fees"
)
_ATP: Final = _series("KXATPMATCH", "ATP match winner", "Sports", "daily", "Tennis")


def _game(series: SeriesListing, teams: tuple[tuple[str, str], ...], slot: int, cycle: Cycle, **more: object) -> Plan:
    facts: dict[str, object] = {
        "opens_before_ms": 2 * DAY_MS,
        "half_spread_e4": 100,
        "trades_per_minute": 40.0,
        "volume": 300_000,
        "volatility": 1.5,
        **more,
    }
    return Plan(
        series=series,
        cycle=cycle,
        suffix="%d%g",
        title="%g",
        content=Game(teams=teams, slot=slot),
        **facts,  # type: ignore[arg-type]
    )


def _sports() -> tuple[Plan, ...]:
    return (
        _game(_NHL, _NHL_TEAMS, 0, daily(22)),
        _game(_NHL, _NHL_TEAMS, 1, daily(23, 30)),
        _game(_NFL, _NFL_TEAMS, 0, weekly(6, 23), opens_before_ms=9 * DAY_MS, volume=800_000),
        *(_game(_NHL, _NHL_TEAMS, slot, daily(21 + slot % 3, 15), is_extra=True) for slot in range(2, 6)),
        *(
            _game(_NFL, _NFL_TEAMS, slot, weekly(6, 17), opens_before_ms=9 * DAY_MS, is_extra=True)
            for slot in (1, 2, 3)
        ),
        *(_game(_NBA, _NBA_TEAMS, slot, daily(21 + slot % 3, 45), is_extra=True) for slot in range(6)),
        *(_game(_ATP, _PLAYERS, slot, daily(12 + 2 * slot), is_extra=True) for slot in range(4)),
    )


def _quarter(coin: str, name: str, *, is_extra: bool = False) -> Plan:
    """Sizes, rates and widths here are those of the recorded KXBTC15M runs (see ops/calibration.py)."""
    return Plan(
        series=_series(f"KX{coin}15M", f"{name} up or down", "Crypto", "fifteen_min", coin),
        cycle=Every(period_ms=15 * MINUTE_MS),
        suffix="%d%h%m",
        title=f"{name} price up in the next 15 minutes",
        content=CoinStrikes(coin=coin),
        opens_before_ms=15 * MINUTE_MS,
        listed_before_ms=15 * MINUTE_MS,
        structure="tapered_deci_cent",
        half_spread_e4=22,
        trades_per_minute=150.0,
        volume=500_000,
        maker_size=40.0,
        taker_size=27.0,
        look_scale=0.3,
        is_extra=is_extra,
    )


def _coin_day(coin: str, name: str, spacing: float, count: int, structure: str, **more: object) -> Plan:
    facts: dict[str, object] = {"opens_before_ms": 3 * DAY_MS, "volume": 250_000, **more}
    return Plan(
        series=_series(f"KX{coin}D", f"{name} price above", "Crypto", "daily", coin),
        cycle=daily(17),
        suffix="%d%h",
        title=f"{name} price at 5pm EST",
        content=CoinStrikes(coin=coin, spacing_share=spacing, count=count),
        structure=structure,
        **facts,  # type: ignore[arg-type]
    )


def _coin_hour(coin: str, name: str, spacing: float, count: int, *, is_extra: bool = False) -> Plan:
    return Plan(
        series=_series(f"KX{coin}H", f"{name} price this hour", "Crypto", "hourly", coin),
        cycle=Every(period_ms=HOUR_MS),
        suffix="%d%h",
        title=f"{name} price at the end of the hour",
        content=CoinStrikes(coin=coin, spacing_share=spacing, count=count),
        opens_before_ms=HOUR_MS,
        structure="center_half_edge_deci_cent",
        half_spread_e4=100,
        is_extra=is_extra,
    )


def _crypto() -> tuple[Plan, ...]:
    return (
        _quarter("BTC", "Bitcoin"),
        _quarter("ETH", "Ethereum"),
        _coin_hour("BTC", "Bitcoin", 0.003, 3),
        _coin_day("BTC", "Bitcoin", 0.012, 3, "tapered_deci_cent", trades_per_minute=35.0),
        _coin_day("ETH", "Ethereum", 0.015, 2, "center_half_edge_deci_cent", half_spread_e4=200),
        *(_quarter(coin, coin, is_extra=True) for coin in ("SOL", "XRP", "DOGE")),
        _coin_hour("ETH", "Ethereum", 0.003, 6, is_extra=True),
        _coin_hour("SOL", "Solana", 0.004, 6, is_extra=True),
        _coin_day("SOL", "Solana", 0.015, 6, "center_quint_edge_deci_cent", is_extra=True),
        _coin_day("XRP", "XRP", 0.015, 6, "center_half_edge_quint_cent", is_extra=True),
        _coin_day("DOGE", "Dogecoin", 0.015, 6, "center_whole_edge_half_cent", is_extra=True),
    )


def _economy() -> tuple[Plan, ...]:
    meeting = monthly(16, 14, (1, 3, 5, 6, 7, 9, 11, 12))
    fed = _series("KXFEDDECISION", "Fed decision", "Economics", "custom", "Interest rates", "Fed")
    cpi = _series("KXCPIYOY", "Inflation", "Economics", "monthly", "Inflation")
    jobs = _series("KXPAYROLLS", "Jobs report", "Economics", "monthly", "Jobs")
    gdp = _series("KXGDP", "GDP growth", "Economics", "custom", "GDP")
    return (
        Plan(
            series=fed,
            cycle=meeting,
            suffix="%y",
            title="Fed decision",
            content=Race(rows=(("H0", "Hold", 55), ("C25", "Cut 25bp", 38), ("H25", "Hike 25bp", 7))),
            opens_before_ms=75 * DAY_MS,
            half_spread_e4=100,
            trades_per_minute=40.0,
            volume=900_000,
            volatility=0.6,
        ),
        Plan(
            series=cpi,
            cycle=monthly(12, 8),
            suffix="%y",
            title="CPI year over year",
            content=Figure(middle=2.9, spacing=0.1, count=3, unit="%"),
            opens_before_ms=45 * DAY_MS,
            half_spread_e4=200,
            volatility=0.8,
        ),
        Plan(
            series=jobs,
            cycle=monthly(5, 8),
            suffix="%y",
            title="Jobs added",
            content=Figure(middle=90_000, spacing=25_000, count=8),
            opens_before_ms=45 * DAY_MS,
            half_spread_e4=200,
            is_extra=True,
        ),
        Plan(
            series=gdp,
            cycle=monthly(29, 8, (1, 4, 7, 10)),
            suffix="%y",
            title="GDP growth",
            content=Figure(middle=2.1, spacing=0.4, count=8, unit="%"),
            opens_before_ms=110 * DAY_MS,
            half_spread_e4=200,
            is_extra=True,
        ),
    )


def _index(ticker: str, title: str, middle: float, spacing: float, count: int, *, is_extra: bool = False) -> Plan:
    return Plan(
        series=_series(ticker, f"{title} close", "Financials", "daily", title, fee_e4=5_000),
        cycle=weekdays(16),
        suffix="%dH%h00",
        title=f"{title} at the close",
        content=Figure(middle=middle, spacing=spacing, count=count),
        opens_before_ms=4 * DAY_MS,
        half_spread_e4=200,
        volatility=1.2,
        is_extra=is_extra,
    )


def _financials() -> tuple[Plan, ...]:
    return (
        _index("KXINX", "S&P 500", 6_950, 40, 3),
        _index("KXNASDAQ100", "Nasdaq 100", 25_300, 150, 8, is_extra=True),
        Plan(
            series=_series("KXEURUSD", "EUR/USD close", "Financials", "weekly", "Forex"),
            cycle=weekly(4, 10),
            suffix="%d%h",
            title="EUR/USD at the end of the week",
            content=Figure(middle=1.155, spacing=0.01, count=2),
            opens_before_ms=10 * DAY_MS,
            half_spread_e4=250,
            trades_per_minute=15.0,
            volume=45_000,
        ),
        Plan(
            series=_series("KXWTI", "Oil price", "Commodities", "daily", "Oil"),
            cycle=weekdays(14),
            suffix="%d",
            title="WTI oil price",
            content=Figure(middle=61.5, spacing=0.8, count=8),
            opens_before_ms=4 * DAY_MS,
            half_spread_e4=200,
            is_extra=True,
        ),
    )


_CITIES: Final = (
    ("KXHIGHCHI", "Chicago", 41), ("KXHIGHMIA", "Miami", 79), ("KXHIGHAUS", "Austin", 68),
    ("KXHIGHLAX", "Los Angeles", 70),     ("KXHIGHDEN", "Denver", 48), ("KXHIGHPHIL", "Philadelphia", 50),
)  # fmt: skip


def _temperature(ticker: str, city: str, middle: int, brackets: int, *, is_extra: bool = False) -> Plan:
    low = middle - brackets + 2
    rows = [(f"B{low + 2 * step}.5", f"{low + 2 * step}° to {low + 2 * step + 1}°") for step in range(brackets - 1)]
    rows.append((f"T{low + 2 * (brackets - 1)}", f"{low + 2 * (brackets - 1)}° or above"))
    shares = {4: (24, 34, 27, 15), 6: (9, 21, 28, 22, 13, 7)}[brackets]
    return Plan(
        series=_series(ticker, f"Highest temperature in {city}", "Climate and Weather", "daily", "Daily temperature"),
        cycle=daily(23, 59),
        suffix="%d",
        title=f"Highest temperature in {city}",
        content=Race(rows=tuple((*row, share) for row, share in zip(rows, shares, strict=True))),
        opens_before_ms=2 * DAY_MS + 14 * HOUR_MS,
        volume=70_000,
        trades_per_minute=15.0,
        is_extra=is_extra,
    )


def _weather() -> tuple[Plan, ...]:
    return (
        _temperature("KXHIGHNY", "NYC", 51, 4),
        *(_temperature(ticker, city, middle, 6, is_extra=True) for ticker, city, middle in _CITIES),
        Plan(
            series=_series("KXRAINSEA", "Rain in Seattle", "Climate and Weather", "monthly", "Precipitation"),
            cycle=monthly(28, 23),
            suffix="%y",
            title="Rain in Seattle this month",
            content=Figure(middle=5.5, spacing=1.0, count=2, unit=" inches"),
            opens_before_ms=45 * DAY_MS,
            half_spread_e4=250,
            trades_per_minute=15.0,
            volume=40_000,
        ),
    )


def _politics() -> tuple[Plan, ...]:
    speaker = (("JEF", "Jeffries", 58), ("JOH", "Johnson", 34), ("OTH", "Somebody else", 8))
    return (
        Plan(
            series=_series("KXSENATEVOTE", "Senate vote", "Politics", "custom", "Congress"),
            cycle=monthly(20, 18),
            suffix="%d",
            title="Will the Senate pass the bill?",
            content=Race(rows=(("Y", "Passes", 38), ("N", "Fails", 62))),
            opens_before_ms=50 * DAY_MS,
            volume=130_000,
        ),
        Plan(
            series=_series("KXSPEAKER", "Next Speaker", "Politics", "custom", "Congress"),
            cycle=monthly(3, 12, (1, 3, 5, 7, 9, 11)),
            suffix="%y",
            title="Who will be the next Speaker?",
            content=Race(rows=speaker),
            opens_before_ms=80 * DAY_MS,
            half_spread_e4=200,
            trades_per_minute=20.0,
            volatility=0.6,
        ),
        Plan(
            series=_series("KXAPPROVAL", "Approval rating", "Politics", "weekly", "Polls"),
            cycle=weekly(4, 11),
            suffix="%d",
            title="Approval rating",
            content=Figure(middle=43.5, spacing=0.6, count=8, unit="%"),
            opens_before_ms=15 * DAY_MS,
            is_extra=True,
        ),
    )


def _culture() -> tuple[Plan, ...]:
    songs = (("ORD", "Ordinary", 42), ("GOL", "Golden", 36), ("MAN", "Manchild", 22))
    return (
        Plan(
            series=_series("KXTOPSONG", "Top song", "Entertainment", "weekly", "Music"),
            cycle=weekly(1, 12),
            suffix="%d",
            title="Top song this week",
            content=Race(rows=songs),
            opens_before_ms=12 * DAY_MS,
            structure="deci_cent",
            half_spread_e4=250,
            volume=55_000,
            fee_multiplier_override_e4=5_000,
        ),
        Plan(
            series=_series("KXRT", "Tomatometer", "Entertainment", "weekly", "Movies"),
            cycle=weekly(4, 10),
            suffix="%d",
            title="Critics' score of the film of the week",
            content=Figure(middle=78, spacing=5, count=6),
            opens_before_ms=15 * DAY_MS,
            half_spread_e4=250,
            is_extra=True,
        ),
        Plan(
            series=_series("KXLAUNCH", "Rocket launches", "Science and Technology", "monthly", "Space"),
            cycle=monthly(28, 22),
            suffix="%y",
            title="Rocket launches this month",
            content=Figure(middle=14, spacing=1, count=1),
            opens_before_ms=40 * DAY_MS,
            half_spread_e4=300,
            trades_per_minute=4.0,
            volume=1_500,
            fee_waiver_ms=30 * DAY_MS,
        ),
    )


def all_plans() -> tuple[Plan, ...]:
    """Returns every plan, the extra ones too."""
    return (*_sports(), *_crypto(), *_economy(), *_financials(), *_weather(), *_politics(), *_culture())
