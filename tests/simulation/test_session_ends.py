"""Every reason for which a volatility session ends, in the whole bot, and what becomes of what it holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio

from ops.life import Life
from ops.simulation import World, run_world
from quant.programs import Program, SelectionKind
from quant.quoting.strategies import StrategyName
from quant.sessions.parameters import KillMode, KillParameters
from quant.signals.regime import Regime
from supervisor import build_tree
from tests.simulation.session_stage import (
    DELAY_S,
    LIFE_S,
    ON_ITS_WAY_S,
    SETTINGS,
    SIMULATED,
    WITHDRAWN_WITHIN_S,
    Scanner,
    T,
    Watcher,
    ask,
    sessions,
    settled_bot,
    until,
    until_over,
)

pytestmark = pytest.mark.long

KILLS = KillParameters(
    modes={"TRENDING": KillMode.SOFT, "CHAOTIC": KillMode.HARD, "NOISE": KillMode.HARD}, require_adverse_selection=False
)
RIVAL = Program(
    selection=SelectionKind.TICKERS, tickers=(T,), strategy=StrategyName.TOUCH, priority=99, is_enabled=False
)
Trigger = Callable[[Scanner, Life], Awaitable[None]]


def scanner_says(**changes: Any) -> Trigger:
    async def trigger(scanner: Scanner, life: Life) -> None:
        for name, value in changes.items():
            setattr(scanner, name, value)

    return trigger


def person_says(word: str, **arguments: str) -> Trigger:
    async def trigger(scanner: Scanner, life: Life) -> None:
        await ask(life, word, **arguments)

    return trigger


async def play(world: World, reason: str, trigger: Trigger, within_s: float) -> tuple[str, Watcher, float]:
    """Lets a session come to a position, then something happen; returns what was left, and when that was."""
    async with settled_bot(world) as stage:
        await until(lambda: stage.watcher.position_e2() != 0, DELAY_S + LIFE_S)
        await trigger(stage.scanner, stage.life)
        at_s = trio.current_time()
        await until_over(world, within_s)
        ((_, said, left, _, _),) = sessions(world)
        assert said == reason
    return left, stage.watcher, at_s


@pytest.mark.parametrize(
    ("reason", "trigger", "within_s"),
    [
        ("volatility ended", scanner_says(is_over=True), 300.0),
        ("low volatility", scanner_says(sigma=0.0001), 300.0),
        ("regime trending", scanner_says(regime=Regime.TRENDING), 60.0),
        ("regime chaotic", scanner_says(regime=Regime.CHAOTIC), 30.0),
        ("another bad regime", scanner_says(regime=Regime.NOISE), 30.0),
        ("regime stale", scanner_says(speaks=False), 45.0),
    ],
)
def test_it_brings_what_it_holds_to_flat(reason: str, trigger: Trigger, within_s: float) -> None:
    async def scenario(world: World) -> None:
        left, watcher, at_s = await play(world, reason, trigger, within_s)
        assert left == ""
        assert watcher.rested[-1][2] == 0
        frozen_s = at_s + 4.0 + 1.0 if reason == "regime stale" else at_s + 1.25
        assert watcher.adding_s(frozen_s + WITHDRAWN_WITHIN_S) <= ON_ITS_WAY_S

    settings = attrs.evolve(SETTINGS, sessions=attrs.evolve(SETTINGS.sessions, regime_kill=KILLS))
    run_world(scenario, seed=5, build_tree=build_tree, settings=settings, exchange_settings=SIMULATED)


@pytest.mark.parametrize(
    ("reason", "trigger"),
    [
        ("killed", person_says("kill-switch", state="on")),
        ("program switched off", person_says("program", name="swings", state="off")),
        ("lost its market", person_says("program", name="rival", state="on")),
    ],
)
def test_it_gives_up_its_market_and_says_what_is_left(reason: str, trigger: Trigger) -> None:
    async def scenario(world: World) -> None:
        left, watcher, at_s = await play(world, reason, trigger, 20.0)
        held = next(position for seen_s, _, position in watcher.rested if seen_s > at_s)
        assert bool(left) is bool(held)

    settings = attrs.evolve(SETTINGS, programs={**SETTINGS.programs, "rival": RIVAL})
    run_world(scenario, seed=5, build_tree=build_tree, settings=settings, exchange_settings=SIMULATED)


async def alone(world: World, within_s: float, close_in_s: float | None = None) -> tuple[str, str]:
    """Lets a session come to its end by itself; returns its reason and what was left."""
    async with settled_bot(world, close_in_s=close_in_s):
        await until_over(world, within_s)
        _, reason, left, _, _ = sessions(world)[0]
    return reason, left


def test_it_ends_before_the_close() -> None:
    async def scenario(world: World) -> None:
        assert await alone(world, 300.0, close_in_s=DELAY_S + 20.0 + 180.0) == ("expiry window", "")

    run_world(scenario, seed=5, build_tree=build_tree, settings=SETTINGS, exchange_settings=SIMULATED)


def test_it_ends_with_its_market() -> None:
    async def scenario(world: World) -> None:
        reason, _ = await alone(world, 60.0, close_in_s=10_000.0)
        assert reason == "market ended"

    closing = attrs.evolve(SIMULATED, close_in_s={T: 30})
    run_world(scenario, seed=5, build_tree=build_tree, settings=SETTINGS, exchange_settings=closing)


def test_it_ends_where_another_program_has_the_market() -> None:
    async def scenario(world: World) -> None:
        assert await alone(world, 40.0) == ("not assigned", "")

    programs = {**SETTINGS.programs, "rival": attrs.evolve(RIVAL, is_enabled=True)}
    settings = attrs.evolve(SETTINGS, programs=programs)
    run_world(scenario, seed=5, build_tree=build_tree, settings=settings, exchange_settings=SIMULATED)
