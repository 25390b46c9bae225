"""The six program scenarios: which program, in which world, and what else happens there.

Worlds are small and tick slowly, so that two simulated hours cost a few minutes of a processor. Programs and sizes are
close to the defaults; where a number is pressed, so that two hours show what days would, it says why.
"""

from __future__ import annotations

import random
from typing import Final

import attrs
import trio

from actors.market import MarketParameters
from kalshi.numbers import CountE2, PriceE4
from kalshi.simulator.settings import SimulatorSettings
from kalshi.types import Side
from ops.campaign.blows import PERSONS_CLIENT_ID
from ops.life import Life
from ops.playbook.play import ProgramScenario
from ops.settings import DiscoverySettings, Settings, VolatilityScannerSettings
from ops.simulation import KEY_ID, World
from quant.allocation import AllocationParameters
from quant.programs import Program, SelectionKind
from quant.quoting.refill import EventParameters as RefillEvent
from quant.quoting.refill_state import RepostBase, StakeParameters, StakeSides
from quant.quoting.strategies import StrategyName
from quant.selection.volatility_events import EventParameters as VolatilityEvents
from quant.selection.volatility_tracking import TrackingParameters
from quant.sessions.parameters import EntryParameters, ExitParameters, GuardrailParameters, SessionParameters

TICK_MS: Final = 500
GAMES: Final = "KXNHLGAME"
TODAY: Final = "26SEP21"  # when every simulated world begins
SWINGING: Final = "KXRAINSEA-26OCT-T5"
FED: Final = "KXFEDDECISION-26NOV"
DECIDED: Final = ("C25", "H0", "H25")  # the outcomes of that meeting
HELD: Final = ("KXEURUSD-26SEP2510-T1.15", "KXEURUSD-26SEP2510-T1.16")
HELD_E2: Final = 2_000
ROUND_E2: Final = 1_000
STAKE_MAX_E2: Final = 10_000
REFILL_MAX_E2: Final = 2 * STAKE_MAX_E2  # with the third stake's round only one of the others has room for its own cap
_QUIET: Final = Settings(allocation=AllocationParameters(max_markets_with_orders=6))


def _world(*series: str, flow_rate: float = 0.3) -> SimulatorSettings:
    return SimulatorSettings(listed_series=series, flow_rate=flow_rate, tick_ms=TICK_MS, rolling=False)


def _one_program(name: str, program: Program, settings: Settings = _QUIET) -> Settings:
    return attrs.evolve(settings, programs={name: program})


# -- daily games: found by their series, quoted; a goal turns a position, and a game is played to its end --

_GOAL_AT, _GAME_ENDS_AT = 0.3, 0.6  # of the run: afterwards there is time to be paid
_GOAL_E4: Final = 2_500  # well beyond the stop loss
_GOAL_HELD_E2: Final = 200
_PLAYED_E4: Final = (500, 9_500)  # the goal leaves the market between these


async def _score_a_goal(world: World, life: Life, seconds: float) -> None:
    """Moves a market that is held against the bot, as soon as there is one with room for it."""
    await trio.sleep(seconds * _GOAL_AT)
    while True:
        held = world.exchange.truth.positions(KEY_ID)
        for ticker, count_e2 in sorted(held.items(), key=lambda one: (-abs(one[1]), one[0])):
            jump_e4 = -_GOAL_E4 if count_e2 > 0 else _GOAL_E4
            low_e4, high_e4 = _PLAYED_E4
            if abs(count_e2) >= _GOAL_HELD_E2 and low_e4 <= world.exchange.flow.fair_e4(ticker) + jump_e4 <= high_e4:
                world.exchange.flow.news(ticker, jump_e4)
                return
        await trio.sleep(1.0)


async def _end_a_game(world: World, life: Life, seconds: float) -> None:
    """Closes the first of the games that the bot owns; the exchange settles and pays it by its own timers."""
    await trio.sleep(seconds * _GAME_ENDS_AT)
    markets = world.exchange.core.markets
    assert life.snapshot is not None, "by now it has booted"
    event = min((markets[row.ticker].event.ticker for row in life.snapshot.markets if row.program), default="")
    _close(world, event)


def _close(world: World, event: str) -> None:
    now_ms = world.exchange.core.now_ms()
    for ticker in [ticker for ticker, one in world.exchange.core.markets.items() if one.event.ticker == event]:
        world.exchange.lifecycle.schedule_close(ticker, now_ms)


DAILY_GAMES: Final = ProgramScenario(
    name="daily-games",
    says="the games of today by their series; a goal turns a position, one game ends and is paid",
    settings=_one_program("games", Program(selection=SelectionKind.SERIES, series=(GAMES,))),
    exchange=_world(GAMES),
    parts=(_score_a_goal, _end_a_game),
    shows_after_s=600.0,
)

# -- scored: the default program over a world of several categories --

SCORED: Final = ProgramScenario(
    name="scored",
    says="scored discovery over four categories, a few outcomes of each event",
    settings=attrs.evolve(
        _one_program("scored", Program()),
        discovery=DiscoverySettings(markets_max=8, per_event_max=2, interval_s=20.0),
        allocation=AllocationParameters(max_markets_with_orders=8),
    ),
    exchange=_world("KXNHLGAME", "KXFEDDECISION", "KXETHD", "KXSENATEVOTE", "KXRAINSEA"),
    shows_after_s=300.0,
)

# -- incentives: where a liquidity program runs, by its terms --

INCENTIVES: Final = ProgramScenario(
    name="incentives",
    says="quotes where liquidity is rewarded, both sides, with the shadow accrual",
    settings=_one_program(
        "rewards",
        Program(
            selection=SelectionKind.INCENTIVES,
            strategy=StrategyName.INCENTIVE,
            order_size_e2=CountE2(5_000),
            max_position_e2=CountE2(10_000),
        ),
    ),
    exchange=_world("KXFEDDECISION", "KXSENATEVOTE", "KXSPEAKER"),
    shows_after_s=400.0,
)

# -- volatility: a market that swings and rests, the real scanner, sessions --

_HALF_LIFE_S, _STATIONARY_SD_E4, _STEP_S = 8.0, 500.0, 1.0
_SWINGS_S, _RESTS_S = 1_500.0, 900.0


async def _swing(world: World, life: Life, seconds: float) -> None:
    """Moves the market's hidden value around its home for a while, lets it rest, and so on."""
    flow, rng = world.exchange.flow, random.Random("swings")
    flow.set_regime(SWINGING, "quiet")
    home_e4, distance_e4, kept = flow.fair_e4(SWINGING), 0.0, 0.5 ** (_STEP_S / _HALF_LIFE_S)
    while True:
        is_on = trio.current_time() % (_SWINGS_S + _RESTS_S) < _SWINGS_S
        distance_e4 = kept * distance_e4 + rng.gauss(0.0, _STATIONARY_SD_E4 * (1 - kept**2) ** 0.5)
        flow.news(SWINGING, home_e4 + (distance_e4 if is_on else 0.0) - flow.fair_e4(SWINGING))
        await trio.sleep(_STEP_S)


VOLATILITY: Final = ProgramScenario(
    name="volatility",
    says="sessions that the real scanner begins, each ended and unwound",
    settings=attrs.evolve(
        _one_program("swings", Program(selection=SelectionKind.VOLATILITY, priority=30)),
        volatility_scanner=VolatilityScannerSettings(
            is_enabled=True,
            tracking=TrackingParameters(volume_24h_min_e2=0, time_to_close_max_s=100 * 86_400.0),
            # So that the estimate, which forgets half in five minutes, falls below it within ten minutes of rest.
            events=VolatilityEvents(sigma_min_per_minute=0.05),
        ),
        sessions=SessionParameters(
            entry=EntryParameters(delay_s=5.0),
            guardrails=GuardrailParameters(time_to_live_s=300.0),
            exits=ExitParameters(unwind_max_s=400.0),
        ),
    ),
    exchange=_world("KXRAINSEA", flow_rate=3.0),
    parts=(_swing,),
    shows_after_s=1_800.0,
)

# -- refill: an event of three stakes, each with its cap, and one over all --


def _stake(ticker: str, sides: StakeSides, yes_e4: int, no_e4: int | None = None) -> StakeParameters:
    return StakeParameters(
        ticker=ticker,
        count_e2=CountE2(ROUND_E2),
        sides=sides,
        yes_price_e4=PriceE4(yes_e4),
        no_price_e4=None if no_e4 is None else PriceE4(no_e4),
        repost_base=RepostBase.MARKET_BEST_OFFER,
        off_e4=100,
        max_count_e2=CountE2(STAKE_MAX_E2),
        cooldown_s=0.5,
    )


_DECIDED_AT: Final = 0.8  # of the run


async def _decide(world: World, life: Life, seconds: float) -> None:
    """Ends the event; the exchange settles and pays it by its own timers."""
    await trio.sleep(seconds * _DECIDED_AT)
    _close(world, FED)


REFILL: Final = ProgramScenario(
    name="refill-event",
    says="stakes on the outcomes of an event, refilled up to a stake's cap and the event's, then decided and paid",
    settings=_one_program(
        "stakes",
        Program(
            selection=SelectionKind.TICKERS,
            strategy=StrategyName.REFILL,
            refill=RefillEvent(
                stakes=(
                    _stake(f"{FED}-C25", StakeSides.YES, 3_600),
                    _stake(f"{FED}-H0", StakeSides.BOTH, 5_800, 4_100),
                    _stake(f"{FED}-H25", StakeSides.YES, 500),
                ),
                is_exclusive=False,
                max_count_e2=CountE2(REFILL_MAX_E2),
            ),
        ),
        # A stake's own cap binds, not that of a market.
        attrs.evolve(_QUIET, markets=MarketParameters(max_position_e2=CountE2(20_000))),
    ),
    exchange=_world("KXFEDDECISION"),
    parts=(_decide,),
    shows_after_s=900.0,
)

# -- touch: markets with wide books that the account holds from the start --


_WIDE_HALF_E4: Final = 450  # half a spread: its makers leave nine cents, those of the other market five


def _hold(world: World) -> None:
    """Widens the first book, and buys the inventory before the bot is born as a person would: up to 90 cents."""
    wide = world.exchange.core.markets[HELD[0]]
    wide.listing = attrs.evolve(wide.listing, half_spread_e4=_WIDE_HALF_E4)
    for ticker in HELD:
        world.rest_by_hand(
            ticker, side=Side.BID, price_e4=9_000, count_e2=HELD_E2, client_order_id=f"{PERSONS_CLIENT_ID}{ticker}"
        )


TOUCH: Final = ProgramScenario(
    name="touch-inventory",
    says="works off what it holds from the start by the reactive ask rule, in wide books",
    settings=_one_program(
        "touch",
        Program(
            selection=SelectionKind.TICKERS,
            tickers=HELD,
            strategy=StrategyName.TOUCH,
            order_size_e2=CountE2(500),
            max_position_e2=CountE2(5_000),
        ),
    ),
    exchange=_world("KXEURUSD", flow_rate=1.0),
    before=_hold,
    shows_after_s=300.0,
)

SCENARIOS: Final = {one.name: one for one in (DAILY_GAMES, SCORED, INCENTIVES, VOLATILITY, REFILL, TOUCH)}
