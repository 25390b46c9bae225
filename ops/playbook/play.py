"""Plays one program scenario: a world, the whole bot, whoever else acts in it, and an onlooker.

The campaign's Watch looks on as well: no invariant may break. Nothing waits for a real clock, so that one scenario,
seed and length give one trace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import msgspec
import trio

from actors.order_desk import OrderDesk
from actors.runtime.exit_guard import ExitReport
from kalshi.simulator.settings import SimulatorSettings
from kalshi.types import Side
from ops.campaign.books import books_differ
from ops.campaign.seed import with_desk
from ops.campaign.trace import Trace
from ops.campaign.watch import Watch
from ops.life import BuildTree, Life
from ops.playbook.summary import Seen, Summary, by_program, read_ledger
from ops.settings import Settings
from ops.simulation import KEY_ID, AnyRequest, Line, World, run_world

LOOK_EVERY_S: Final = 1.0
BOOKED_WITHIN_S: Final = 30.0  # a settlement is found by reading its market, which takes its time
WIDE_E4: Final = 700
_ORDERS: Final = "/portfolio/events/orders"

Part = Callable[[World, Life, float], Awaitable[None]]  # the length of the run in seconds is the last


@attrs.frozen(kw_only=True)
class ProgramScenario:
    """A kind of program, the world that it is shown in, and who else acts there."""

    name: str
    says: str
    settings: Settings
    exchange: Callable[[float], SimulatorSettings]  # by the length of the run in seconds
    before: Callable[[World], None] = lambda world: None
    parts: tuple[Part, ...] = ()


def play(scenario: ProgramScenario, build_tree: BuildTree, *, seed: int, seconds: float) -> Summary:
    """Runs the scenario for `seconds` of simulated time and returns what happened."""
    desks: list[OrderDesk] = []
    result = run_world(
        lambda world: _Play(world, scenario, desks, seed, seconds).run(),
        seed=seed,
        build_tree=with_desk(build_tree, desks),
        settings=scenario.settings,
        exchange_settings=scenario.exchange(seconds),
    )
    assert isinstance(result, Summary)
    return result


class _Play:
    """The conductor of one run."""

    def __init__(
        self, world: World, scenario: ProgramScenario, desks: list[OrderDesk], seed: int, seconds: float
    ) -> None:
        self._world, self._scenario, self._seed, self._seconds = world, scenario, seed, seconds
        self._trace = Trace(trio.current_time)
        self._watch = Watch(world, self._trace)
        self._watch.orders = lambda: desks[-1].orders if desks else None
        self._selected: set[str] = set()
        self._owners: dict[str, tuple[str, str]] = {}
        self._sides: dict[str, set[str]] = {}
        self._largest_e2: dict[str, int] = {}
        self._improved_e4: Counter[int] = Counter()
        self._statuses: set[str] = set()
        self._exits = 0
        self._listed: set[str] = set()
        world.cable.on_request.append(self._request_leaves)

    async def run(self) -> Summary:
        world = self._world
        self._scenario.before(world)
        life = world.life(on_lifecycle=self._watch.hear)
        async with trio.open_nursery() as helpers:
            helpers.start_soon(self._watch.look_on)
            helpers.start_soon(self._look_on, life)
            for part in self._scenario.parts:
                helpers.start_soon(part, world, life, self._seconds)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(life.run)
                await trio.sleep(self._seconds)
                differs = await self._books_differ(life)
                life.request_stop("the scenario is over")
            self._watch.look()
            helpers.cancel_scope.cancel(reason="the scenario is over")
        return self._summary(life.report, differs)

    async def _books_differ(self, life: Life) -> str:
        differs = "it has not booted"
        for _ in range(round(BOOKED_WITHIN_S / LOOK_EVERY_S)):
            if life.snapshot is not None and not (differs := books_differ(life.snapshot, self._world)):
                break
            await trio.sleep(LOOK_EVERY_S)
        return differs

    def _request_leaves(self, line: Line, request: AnyRequest) -> None:
        if request.method == "POST" and request.url.path.endswith(_ORDERS):
            self._exits += bool(msgspec.json.decode(request.content).get("reduce_only"))

    async def _look_on(self, life: Life) -> None:
        while True:
            self._look(life)
            await trio.sleep(LOOK_EVERY_S)

    def _look(self, life: Life) -> None:
        truth, markets = self._world.exchange.truth, self._world.exchange.core.markets
        self._listed |= markets.keys()
        if life.snapshot is not None:
            self._owners |= {row.ticker: (row.program, row.strategy) for row in life.snapshot.markets if row.program}
        held = truth.positions(KEY_ID)
        for order in truth.resting_orders(KEY_ID):
            ticker = order.ticker
            self._sides.setdefault(ticker, set()).add(order.side.value)
            self._largest_e2[ticker] = max(self._largest_e2.get(ticker, 0), order.remaining_e2)
            if order.side is Side.ASK and held.get(ticker, 0) > 0:
                self._note_improvement(ticker, order.price_e4, order.order_id)
        self._statuses |= {f"{ticker}: {markets[ticker].status.value}" for ticker in self._owners if ticker in markets}

    def _note_improvement(self, ticker: str, price_e4: int, order_id: str) -> None:
        """Counts how far the ask stands inside the best of the others, where their spread is wide."""
        engine, account = self._world.exchange.core.markets[ticker].engine, self._world.exchange.core.accounts_by_key
        ours = account[KEY_ID].open_orders
        bid = next((one.price_e4 for one in engine.bids.orders() if one.order_id not in ours), None)
        ask = next((one.price_e4 for one in engine.asks.orders() if one.order_id not in ours), None)
        if bid is not None and ask is not None and ask - bid > WIDE_E4:
            self._improved_e4[ask - price_e4] += 1

    def _summary(self, report: ExitReport, differs: str) -> Summary:
        world, watch, truth = self._world, self._watch, self._world.exchange.truth
        ledger = read_ledger(world.folder)
        owners = {ticker: program for ticker, (program, _) in self._owners.items()} | ledger.owners
        results, unexplained_e6 = by_program(world, owners)
        fills = truth.fills(KEY_ID)
        positions = world.exchange.core.accounts_by_key[KEY_ID].positions
        return Summary(
            name=self._scenario.name,
            seed=self._seed,
            simulated_s=trio.current_time(),
            listed=len(self._listed),
            seen=Seen(
                selected=frozenset(self._owners),
                owners=dict(sorted(self._owners.items())),
                sides={ticker: frozenset(sides) for ticker, sides in sorted(self._sides.items())},
                largest_e2=dict(sorted(self._largest_e2.items())),
                improved_e4=self._improved_e4,
                exits=self._exits,
                ends=tuple(sorted(self._statuses)),
            ),
            refusals=ledger.refusals,
            commands=watch.commands,
            fills=len(fills),
            contracts_e2=sum(fill.count_e2 for fill in fills),
            positions_e2=truth.positions(KEY_ID),
            session_ends=tuple((reason, left) for reason, left, ended in ledger.sessions if ended is not None),
            session_open=sum(ended is None for _, _, ended in ledger.sessions),
            volatility_events=ledger.volatility_events,
            alerts=tuple(sorted(Counter(code for code, _ in ledger.alerts).items())),
            alert_texts=tuple(text for _, text in ledger.alerts),
            reward_shadow_e6=ledger.shadow_e6,
            reward_paid_e6=ledger.paid_e6,
            by_program=results,
            unexplained_e6=unexplained_e6,
            books_differ=differs,
            settled=tuple(sorted(ticker for ticker, position in positions.items() if position.is_settled)),
            restarts=watch.restarts.total(),
            verdict=report.verdict,
            violations=tuple(watch.violations),
            trace_lines=self._trace.lines,
            trace_hash=self._trace.digest(),
        )
