"""What tests of volatility sessions in the simulated exchange share: a scanner that is played, and who looks on."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing

import attrs
import trio

from actors.messages.control import ControlCommand
from actors.messages.volatility import Direction, MarketRegime, VolatilityEvent
from kalshi.numbers import PriceE4
from kalshi.simulator.settings import SimulatorSettings
from kalshi.types import Side
from ops.life import Life
from ops.settings import DiscoverySettings, Settings
from ops.simulation import KEY_ID, World
from quant.programs import Program, SelectionKind
from quant.sessions.parameters import EntryParameters, ExitParameters, GuardrailParameters, SessionParameters
from quant.signals.regime import Regime, RegimeReason

T = "KXNFLGAME-26SEP27CINGB-CIN"
DELAY_S = 5.0
SETTLED_S = 4.0
LIFE_S = 40.0
WITHDRAWN_WITHIN_S = 1.5
ON_ITS_WAY_S = 0.5  # after the last fill: what was left of the reducing order, until it is cancelled
LOOK_EVERY_S = 0.1
SETTINGS = attrs.evolve(
    Settings(),
    programs={"swings": Program(selection=SelectionKind.VOLATILITY, priority=30)},
    discovery=DiscoverySettings(interval_s=3.0),  # it says the rules of a market that has just been assigned
    sessions=SessionParameters(
        entry=EntryParameters(delay_s=DELAY_S),
        guardrails=GuardrailParameters(time_to_live_s=LIFE_S),
        exits=ExitParameters(unwind_max_s=400.0),
    ),
)
SIMULATED = SimulatorSettings(flow_rate=2.0, listed_series=("KXNFLGAME",))  # a small world, so a fast one


def mid_e4(world: World) -> int:
    engine = world.exchange.core.markets[T].engine
    bid, ask = engine.bids.best_price_e4(), engine.asks.best_price_e4()
    return (5_000 if bid is None else bid) // 2 + (5_000 if ask is None else ask) // 2


@attrs.define(eq=False)
class Scanner:
    """Says every second what a scanner would."""

    world: World
    life: Life
    regime: Regime = Regime.MEAN_REVERTING
    is_over: bool = False
    sigma: float = 0.002
    speaks: bool = True
    close_time_ms: int | None = None  # None: the market's own
    began_s: float = 0.0

    async def run(self) -> None:
        outbox = self.life.switchboard.outbox("volatility_scanner")
        close_time_ms = self.close_time_ms or self.world.exchange.core.markets[T].close_ms
        self.began_s = trio.current_time()
        while True:
            await trio.sleep(1.0)
            if not self.speaks:
                continue
            now_s = trio.current_time()
            outbox.publish(
                MarketRegime(
                    ticker=T,
                    regime=self.regime,
                    reason=RegimeReason.RETURNS_TO_MEAN,
                    is_stable=True,
                    sigma_dollars_per_sqrt_s=self.sigma,
                    mid_e4=PriceE4(mid_e4(self.world)),
                    last_trade_at_s=now_s,
                    judged_at_s=now_s,
                )
            )
            outbox.publish(
                VolatilityEvent(
                    ticker=T,
                    event_id=1,
                    incarnation=1,
                    is_over=self.is_over,
                    reason="volatility fell" if self.is_over else "",
                    jump_e4=None,
                    sigma_dollars_per_sqrt_s=self.sigma,
                    strength=0.5,
                    direction=Direction.NONE,
                    category="sports",
                    event_ticker="",
                    close_time_ms=close_time_ms,
                    began_at_s=self.began_s,
                    said_at_s=now_s,
                )
            )


@attrs.define(eq=False)
class Watcher:
    """What rests in the market and what is held there, by the exchange's own truth, over time."""

    world: World
    rested: list[tuple[float, frozenset[Side], int]] = attrs.field(factory=list)  # time, sides, position

    async def run(self) -> None:
        while True:
            truth = self.world.exchange.truth
            sides = frozenset(order.side for order in truth.resting_orders(KEY_ID) if order.ticker == T)
            self.rested.append((trio.current_time(), sides, self.position_e2()))
            await trio.sleep(LOOK_EVERY_S)

    def position_e2(self) -> int:
        return self.world.exchange.truth.positions(KEY_ID).get(T, 0)

    def first_quote_s(self) -> float:
        return next(at_s for at_s, sides, _ in self.rested if sides)

    def adding_s(self, from_s: float) -> float:
        """For how long something rested that could have taken the position away from flat."""
        found = [
            at_s
            for at_s, sides, position in self.rested
            if at_s >= from_s and any(side.sign * position >= 0 for side in sides)
        ]
        return LOOK_EVERY_S * len(found)


@attrs.frozen
class Stage:
    """A settled bot, the scanner that is played, and who looks on."""

    life: Life
    scanner: Scanner
    watcher: Watcher


@asynccontextmanager
async def settled_bot(world: World, *, close_in_s: float | None = None) -> AsyncIterator[Stage]:
    """Runs a bot whose scanner has just begun to speak; at the end it leaves verified flat."""
    life = world.life()
    scanner, watcher = Scanner(world, life), Watcher(world)
    async with trio.open_nursery() as helpers:
        helpers.start_soon(watcher.run)  # noqa: ASYNC113 - it has run by the end of the sleep below
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)  # noqa: ASYNC113 - the same
            await trio.sleep(SETTLED_S)
            if close_in_s is not None:
                scanner.close_time_ms = world.bot_wall() + round(close_in_s * 1000)
            helpers.start_soon(scanner.run)  # noqa: ASYNC113 - whoever waits for its words waits for seconds
            yield Stage(life, scanner, watcher)
            life.request_stop("the scenario says so")
        helpers.cancel_scope.cancel(reason="the scenario is over")
    assert life.report.verdict == "verified flat"


def sessions(world: World) -> list[tuple[str, str, str, int | None, int]]:
    """Phase, reason, what was left, end and start of each session that the Ledger knows, in order."""
    (path,) = world.folder.glob("*/ledger.sqlite")
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute(
            "SELECT phase, end_reason, left_because, ended_ms, started_ms FROM volatility_sessions ORDER BY started_ms"
        )
        return rows.fetchall()


async def until(condition: Callable[[], bool], within_s: float) -> None:
    """Waits until `condition` holds. Raises AssertionError if it does not in time."""
    for _ in range(round(within_s / LOOK_EVERY_S)):
        if condition():
            return
        await trio.sleep(LOOK_EVERY_S)
    raise AssertionError(f"it did not come true within {within_s:g} s")


async def until_over(world: World, within_s: float) -> None:
    await until(lambda: bool(found := sessions(world)) and found[0][3] is not None, within_s)


async def ask(life: Life, word: str, **arguments: str) -> str:
    return (await life.answer(ControlCommand(word=word, arguments=tuple(arguments.items())))).text
