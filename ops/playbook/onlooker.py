"""Notes while a scenario runs what its end no longer shows: who owned which market, and what rested where."""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec
import trio

from kalshi.simulator.incentive_scoring import SHARE_UNITS
from kalshi.types import Side
from ops.life import Life
from ops.playbook.summary import Seen
from ops.simulation import KEY_ID, WALL_START_MS, AnyRequest, Line, World

LOOK_EVERY_S: Final = 1.0
WIDE_E4: Final = 700
_ORDERS: Final = "/portfolio/events/orders"
_E6_PER_CENTICENT: Final = 100
_SIDES: Final = 2  # of a book, each of which earns its share of a program's pool


class Onlooker:
    """Looks at the bot's picture of itself and at the exchange's truth, once a second."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.owners: dict[str, tuple[str, str]] = {}  # program and strategy by ticker, the newest
        self._sides: dict[str, set[str]] = {}
        self._improved_e4: Counter[int] = Counter()
        self._exits: set[str] = set()
        self._listed: set[str] = set()
        self._rewarded: set[str] = set()
        self._accrued: list[tuple[int, int]] = []
        world.cable.on_request.append(self._request_leaves)

    async def look_on(self, life: Life) -> None:
        """Looks again and again, until cancelled."""
        while True:
            self._look(life)
            await trio.sleep(LOOK_EVERY_S)

    def quoted_sides(self) -> dict[str, frozenset[str]]:
        """Returns the sides on which quotes have rested, by ticker."""
        return {ticker: frozenset(sides) for ticker, sides in self._sides.items()}

    def accrued_at(self, at_ms: int) -> int:
        """Returns what the exchange's own count of the rewards was then, in 1/1,000,000 dollar."""
        return max((one_e6 for one_ms, one_e6 in self._accrued if one_ms <= at_ms), default=0)

    def seen(self) -> Seen:
        """Returns what was noted."""
        fills = self._world.exchange.truth.fills(KEY_ID)
        return Seen(
            listed=frozenset(self._listed),
            rewarded=frozenset(self._rewarded),
            selected=frozenset(self.owners),
            improved_e4=self._improved_e4,
            exits=len(self._exits),
            exit_fills_e2=sum(fill.count_e2 for fill in fills if fill.client_order_id in self._exits),
        )

    def _request_leaves(self, line: Line, request: AnyRequest) -> None:
        if request.method == "POST" and request.url.path.endswith(_ORDERS):
            order = msgspec.json.decode(request.content)
            if order.get("reduce_only"):
                self._exits.add(order["client_order_id"])

    def _look(self, life: Life) -> None:
        exchange = self._world.exchange
        self._listed |= exchange.core.markets.keys()
        now_ms = exchange.core.now_ms()
        self._accrued.append((now_ms, accrued_e6(self._world)))
        self._rewarded |= {
            program.market_ticker
            for program in exchange.services.incentives.programs()
            if program.kind == "liquidity" and program.status(now_ms) == "active"
        }
        if life.snapshot is not None:
            self.owners |= {row.ticker: (row.program, row.strategy) for row in life.snapshot.markets if row.program}
        held = exchange.truth.positions(KEY_ID)
        for order in exchange.truth.resting_orders(KEY_ID):
            self._sides.setdefault(order.ticker, set()).add(order.side.value)
            if order.side is Side.ASK and held.get(order.ticker, 0) > 0:
                self._note_improvement(order.ticker, order.price_e4)

    def _note_improvement(self, ticker: str, price_e4: int) -> None:
        """Counts how far the ask stands inside the best of the others, where their spread is wide."""
        core = self._world.exchange.core
        engine, ours = core.markets[ticker].engine, core.accounts_by_key[KEY_ID].open_orders
        bid = next((one.price_e4 for one in engine.bids.orders() if one.order_id not in ours), None)
        ask = next((one.price_e4 for one in engine.asks.orders() if one.order_id not in ours), None)
        if bid is not None and ask is not None and ask - bid > WIDE_E4:
            self._improved_e4[ask - price_e4] += 1


def accrued_e6(world: World) -> int:
    """Returns what the account has earned of the open programs' pools by the exchange's own snapshots; 1/1,000,000
    dollar. A slow tick takes fewer than one a second: each then stands for longer.
    """
    account_id = world.exchange.core.accounts_by_key[KEY_ID].account_id
    since_ms = world.exchange.core.now_ms() - WALL_START_MS
    return sum(
        program.period_reward_e4
        * _E6_PER_CENTICENT
        * program.shares.get(account_id, 0)
        * since_ms
        // (program.snapshots_taken * _SIDES * SHARE_UNITS * (program.end_ms - program.start_ms))
        for program in world.exchange.services.incentives.programs()
        if program.kind == "liquidity" and program.snapshots_taken
    )
