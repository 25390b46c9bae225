"""What a schedule does to a living process short of ending it: hold up its actors, fill its disk, step its clock, and
let a person trade on its account.

The disk is filled for real where that can be done: the journal's file is made to lead to `/dev/full`, where every write
fails with "no space left". SQLite reads its file as well, so for the Ledger the refusal is made where its writes are
handed to a thread.
"""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Final

import trio

from kalshi.simulator.orders import Order, Reason
from kalshi.simulator.refusals import Refused
from kalshi.types import MarketStatus, Side
from ops.campaign.faults import BotFault
from ops.control import SlowActor, StallActor
from ops.full_disk import FullDisk
from ops.life import Life
from ops.simulation import World

PERSONS_CLIENT_ID: Final = "a-person-"
# Where a person's order rests for long: nobody sells at one cent or buys at 99.
_FAR_PRICES_E4: Final = {Side.BID: 100, Side.ASK: 9_900}
# What ends a person's order without anybody's doing.
_ENDS: Final = frozenset({Reason.TRADE, Reason.CLOSE, Reason.HALT, Reason.EXPIRY})


class Blows:
    """Carries out the faults that a process is to survive; `rng` chooses what the schedule leaves open."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._nursery: trio.Nursery
        self._rng = rng
        self._persons_orders: list[Order] = []
        self._steps_in_force = 0
        self._disk, self._fillings_in_force = FullDisk(), 0
        self._ending, self._is_over = trio.Event(), trio.Event()

    def strike(self, life: Life, folder: Path, fault: BotFault) -> None:
        """Begins one fault; what must end again does so by itself."""
        match fault.kind:
            case "actor_kill":
                self._kill(life, fault.actor)
            case "actor_stall" | "actor_slow":
                self._hold_up(life, fault)
            case "journal_full":
                self._nursery.start_soon(self._fill_journal, folder, fault.lasts_s)
            case "ledger_full":
                self._nursery.start_soon(self._fill_ledger, fault.lasts_s)
            case "clock_step":
                self._nursery.start_soon(self._step_clock, fault)
            case "persons_order":
                self._place_persons_order()
            case _:
                raise AssertionError(f"{fault.kind} is no blow")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Lets what was begun last as long as it is to, until `end`."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await self._ending.wait()
            self._nursery.cancel_scope.cancel(reason="the safety phase is over")
        self._is_over.set()

    async def end(self) -> None:
        """Ends what still lasts, and returns once it has."""
        self._ending.set()
        await self._is_over.wait()

    @property
    def clock_is_off(self) -> bool:
        """Whether the bot's clock has been stepped and not been set right yet."""
        return self._steps_in_force > 0

    def touched_persons_orders(self) -> list[str]:
        """Returns the ids of a person's orders that somebody cancelled, each once (I28)."""
        gone = [order for order in self._persons_orders if order.order_id not in self._world.exchange.core.open_orders]
        self._persons_orders = [order for order in self._persons_orders if order not in gone]
        return [order.order_id for order in gone if order.reason not in _ENDS]

    # -- actors --

    def _kill(self, life: Life, name: str) -> None:
        if found := self._actor(life, name):
            life.kill_actor(found)

    def _hold_up(self, life: Life, fault: BotFault) -> None:
        name = self._actor(life, fault.actor)
        if fault.kind == "actor_stall":
            life.hold_up(StallActor(name=name, seconds=fault.lasts_s))
        else:
            life.hold_up(SlowActor(name=name, each_s=fault.amount, seconds=fault.lasts_s))

    def _actor(self, life: Life, name: str) -> str:
        """Returns the actor of that name; for "market" one of those that live, or nothing."""
        if name != "market":
            return name
        rows = life.snapshot.actors if life.snapshot is not None else ()
        names = [row.name for row in rows if row.name.startswith("market:")]
        return self._rng.choice(names) if names else ""

    # -- disks --

    async def _fill_journal(self, folder: Path, lasts_s: float) -> None:
        self._fillings_in_force += 1
        self._disk.fill(partial(_is_journal_in, folder))
        try:
            await trio.sleep(lasts_s)
        finally:
            self._fillings_in_force -= 1
            if self._fillings_in_force == 0:  # one that overlaps another finds the file full, and must not see room
                self._disk.make_room()

    async def _fill_ledger(self, lasts_s: float) -> None:
        self._world.ledger_is_full = True
        try:
            await trio.sleep(lasts_s)
        finally:
            self._world.ledger_is_full = False

    # -- the clock, and people --

    async def _step_clock(self, fault: BotFault) -> None:
        by_ms = round(fault.amount * 1000)
        self._world.bot_wall.step_ms(by_ms)
        self._steps_in_force += 1
        try:
            await trio.sleep(fault.lasts_s)
        finally:
            self._world.bot_wall.step_ms(-by_ms)
            self._steps_in_force -= 1

    def _place_persons_order(self) -> None:
        core = self._world.exchange.core
        markets = [market for market in core.markets.values() if market.status is MarketStatus.ACTIVE]
        market, side = self._rng.choice(markets), self._rng.choice(tuple(Side))
        try:
            order = self._world.rest_by_hand(
                market.ticker,
                side=side,
                price_e4=_FAR_PRICES_E4[side],
                client_order_id=f"{PERSONS_CLIENT_ID}{len(self._persons_orders)}-{core.now_ms()}",
            )
        except Refused:
            return  # the exchange is paused: the person tries no second time
        self._persons_orders.append(order)


def _is_journal_in(folder: Path, path: Path) -> bool:
    return path.is_relative_to(folder.resolve()) and path.name.startswith("journal-")
