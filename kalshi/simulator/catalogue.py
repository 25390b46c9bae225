"""The world that the simulated exchange lists: events built from the plans of its series, now and as time goes on.

`WorldBuilder.boot` lists everything that is open or announced at a moment: some seventy markets of eight
categories by default, several times as many with the extra plans. After that `Rolling` asks it for the events
that fall due. An event depends on the seed, its own name and (for coins) the price at its listing, and on
nothing else, so the order of listing does not matter.

It is made so that a discovery finds work at once: most markets are priced between 15 and 85 cents, older than
a minute, busy, and close inside the time windows of their category; a few are not (too thin, too soon, too
extreme), so that a filter has something to reject.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import attrs

from kalshi.simulator.fair_values import COIN_STEP, FairValues, coin_chance_e4
from kalshi.simulator.listings import Catalogue, EventListing, MarketListing, SeriesListing
from kalshi.simulator.series_plans import DAY_MS, CoinStrikes, Figure, Game, Outcome, Plan, Race, all_plans
from kalshi.simulator.timestamps import MONTHS, new_york

# Copies of an extra plan beyond these would list the same thing twice; the largest world stands at two.
SCALE_MAX: Final = 2
_EXTRA_STRIKES: Final = 2
_FAIR_JITTER_E4: Final = 100


class WorldBuilder:
    """Makes events of the plans; `scale` 1 is the light world, 2 has the extra plans too; `only` names series."""

    def __init__(self, seed: int, fairs: FairValues, scale: int = 1, only: tuple[str, ...] = ()) -> None:
        if not 1 <= scale <= SCALE_MAX:
            raise ValueError(f"the scale of the world is 1 to {SCALE_MAX}, not {scale}")
        plans = tuple(plan for plan in all_plans() if scale > 1 or not plan.is_extra)
        unknown = set(only) - {plan.series.ticker for plan in plans}
        if unknown:
            raise ValueError(f"the world of scale {scale} has no series {', '.join(sorted(unknown))}")
        self._seed = seed
        self._fairs = fairs
        self.plans = tuple(_scaled(plan, scale) for plan in plans if not only or plan.series.ticker in only)

    def series(self) -> tuple[SeriesListing, ...]:
        """Returns every series that will ever be listed."""
        return tuple({plan.series.ticker: plan.series for plan in self.plans}.values())

    def boot(self, now_ms: int) -> Catalogue:
        """Returns what is listed at that moment."""
        events = tuple(
            self.event(plan, close_ms, now_ms) for plan in self.plans for close_ms in due_closes(plan, now_ms)
        )
        return Catalogue(series=self.series(), events=events)

    def event(self, plan: Plan, close_ms: int, now_ms: int) -> EventListing:
        """Returns the event of the plan that closes then, as listed at `now_ms`."""
        day = new_york(close_ms)
        teams = _pair(plan.content, self._seed, plan.series.ticker, day) if isinstance(plan.content, Game) else ()
        ticker = f"{plan.series.ticker}-{_dated(plan.suffix, day, ''.join(code for code, _ in teams))}"
        rng = random.Random(f"{self._seed}:{ticker}:listing")
        title = plan.title.replace("%g", " at ".join(name for _, name in teams))
        open_ms = close_ms - plan.opens_before_ms
        outcomes = self._outcomes(plan, rng, teams, open_ms, close_ms, now_ms)
        market = _MarketMaker(plan=plan, event_ticker=ticker, title=title, close_ms=close_ms, now_ms=now_ms, rng=rng)
        markets = tuple(market.listing(outcome) for outcome in outcomes)
        return EventListing(
            ticker=ticker,
            series_ticker=plan.series.ticker,
            title=title,
            sub_title=day.strftime("%b %d, %Y"),
            category=plan.series.category,
            mutually_exclusive=isinstance(plan.content, Race | Game) and len(markets) > 1,
            strike_ms=close_ms,
            exchange_index=plan.series.exchange_index,
            created_ms=markets[0].created_ms,
            markets=markets,
            coin=plan.content.coin if isinstance(plan.content, CoinStrikes) else "",
            volatility=plan.volatility,
            fee_type_override=plan.fee_type_override,
            fee_multiplier_override_e4=plan.fee_multiplier_override_e4,
        )

    def _outcomes(
        self,
        plan: Plan,
        rng: random.Random,
        teams: tuple[tuple[str, str], ...],
        open_ms: int,
        close_ms: int,
        now_ms: int,
    ) -> tuple[Outcome, ...]:
        match plan.content:
            case Race() | Figure():
                return plan.content.outcomes(rng)
            case Game():
                favourite_e4 = rng.randrange(3_400, 6_600)
                fairs = (favourite_e4, 10_000 - favourite_e4)
                return tuple(
                    Outcome(suffix=code, label=name, fair_e4=fair)
                    for (code, name), fair in zip(teams, fairs, strict=True)
                )
            case CoinStrikes(count=0):
                return (self._up_or_down(plan.content.coin, rng, open_ms, close_ms, now_ms),)
            case CoinStrikes():
                return tuple(self._coin_strikes(plan.content, close_ms, now_ms))

    def _up_or_down(self, coin: str, rng: random.Random, open_ms: int, close_ms: int, now_ms: int) -> Outcome:
        minute = new_york(close_ms).minute
        if open_ms > now_ms:
            # The strike is the price at the opening, which nobody knows yet.
            return Outcome(suffix=f"{minute:02d}", label="Up", fair_e4=5_000)
        price = self._fairs.coin(coin).price
        strike = round(price * math.exp(COIN_STEP * math.sqrt((now_ms - open_ms) / 1000) * rng.gauss(0, 1)), 2)
        fair_e4 = round(coin_chance_e4(price, strike, (close_ms - now_ms) / 1000))
        return Outcome(suffix=f"{minute:02d}", label="Up", fair_e4=fair_e4, strike=strike)

    def _coin_strikes(self, content: CoinStrikes, close_ms: int, now_ms: int) -> Iterator[Outcome]:
        price = self._fairs.coin(content.coin).price
        unit = _round_unit(price * content.spacing_share)
        middle = round(price / unit) * unit
        for index in range(content.count):
            strike = round(middle + unit * (index - (content.count - 1) // 2), 6)
            fair_e4 = round(coin_chance_e4(price, strike, (close_ms - now_ms) / 1000))
            yield Outcome(suffix=f"T{strike:g}", label=f"${strike:,g} or above", fair_e4=fair_e4, strike=strike)


@attrs.frozen(kw_only=True)
class _MarketMaker:
    """Writes the listings of one event's markets."""

    plan: Plan
    event_ticker: str
    title: str
    close_ms: int
    now_ms: int
    rng: random.Random

    def listing(self, outcome: Outcome) -> MarketListing:
        plan = self.plan
        open_ms = self.close_ms - plan.opens_before_ms
        # A market has had the share of a day's trade that it has been open for, give or take a fifth.
        age = min(1.0, max(0, self.now_ms - open_ms) / DAY_MS)
        life = min(1.0, plan.opens_before_ms / DAY_MS)
        day_e2 = int(plan.volume * (age / life) * self.rng.uniform(0.8, 1.2)) * 100
        fair_e4 = 5_000 if outcome.fair_e4 is None else outcome.fair_e4
        if outcome.strike is None and isinstance(plan.content, Race):
            fair_e4 += self.rng.randrange(-_FAIR_JITTER_E4, _FAIR_JITTER_E4 + 1)
        return MarketListing(
            ticker=f"{self.event_ticker}-{outcome.suffix}",
            event_ticker=self.event_ticker,
            series_ticker=plan.series.ticker,
            title=f"{self.title}: {outcome.label}?",
            yes_sub_title=outcome.label,
            created_ms=open_ms - plan.listed_before_ms,
            open_ms=open_ms,
            close_ms=self.close_ms,
            structure=plan.structure,
            exchange_index=plan.series.exchange_index,
            fair_e4=min(max(fair_e4, 100), 9_900),
            half_spread_e4=plan.half_spread_e4,
            trades_per_minute=plan.trades_per_minute,
            volume_e2=day_e2 * max(1, min(3, (self.now_ms - open_ms) // DAY_MS)),
            volume_24h_e2=day_e2,
            open_interest_e2=day_e2 // 200 * 100,
            floor_strike=outcome.strike,
            fee_waiver_until_ms=None if plan.fee_waiver_ms is None else open_ms + plan.fee_waiver_ms,
            strike_type="custom" if isinstance(plan.content, Race | Game) else "greater_or_equal",
            maker_size=plan.maker_size,
            taker_size=plan.taker_size,
            look_scale=plan.look_scale,
        )


def due_closes(plan: Plan, now_ms: int) -> Iterator[int]:
    """Yields the closes whose events are listed at that moment, soonest first."""
    close_ms = plan.cycle.next_close(now_ms)
    while listed_ms(plan, close_ms) <= now_ms:
        yield close_ms
        close_ms = plan.cycle.next_close(close_ms)


def listed_ms(plan: Plan, close_ms: int) -> int:
    """Returns when the event of the plan that closes then is listed."""
    return close_ms - plan.opens_before_ms - plan.listed_before_ms


def build_catalogue(seed: int, now_ms: int, scale: int = 1) -> Catalogue:
    """Returns the world as it is listed at that moment; the same arguments give the same one."""
    return WorldBuilder(seed, FairValues(seed), scale).boot(now_ms)


def _scaled(plan: Plan, scale: int) -> Plan:
    content = plan.content
    if scale > 1 and isinstance(content, Figure | CoinStrikes) and 2 <= content.count <= 3:
        return attrs.evolve(plan, content=attrs.evolve(content, count=content.count * _EXTRA_STRIKES))
    return plan


def _round_unit(rough: float) -> float:
    """Returns the nearest of 1, 2, 2.5 and 5 times a power of ten, as strikes are spaced."""
    power = 10.0 ** math.floor(math.log10(rough))
    return min((power * step for step in (1, 2, 2.5, 5, 10)), key=lambda unit: abs(unit - rough))


def _pair(game: Game, seed: int, series: str, day: datetime) -> tuple[tuple[str, str], ...]:
    teams = list(game.teams)
    random.Random(f"{seed}:{series}:{day:%Y%m%d}:pairs").shuffle(teams)
    return tuple(teams[2 * game.slot : 2 * game.slot + 2])


def _dated(suffix: str, day: datetime, teams: str) -> str:
    month = f"{day.year % 100:02d}{MONTHS[day.month - 1]}"
    facts = {
        "%d": f"{month}{day.day:02d}",
        "%h": f"{day.hour:02d}",
        "%m": f"{day.minute:02d}",
        "%y": month,
        "%g": teams,
    }
    for mark, text in facts.items():
        suffix = suffix.replace(mark, text)
    return suffix
