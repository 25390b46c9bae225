"""I10: while everything moves and the write budget is used up, a price crash is exited once, and in time."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import trio

from kalshi.simulator.regimes import Regime
from ops.simulation import KEY_ID, AnyRequest, Line, World, run_world
from supervisor import build_tree

TRADED_S = 20.0
FIRST_EXIT_WITHIN_S = 3.0
FLAT_WITHIN_S = 20.0  # the makers take some seconds to follow the news
FALLEN_E4 = 2_000  # our entry was a few cents from the touch, and the stop loss is at 15
LOOK_EVERY_S = 0.05


class Exits:
    """Every exit order that left, with its time, and how many quotes left beside them."""

    def __init__(self, world: World, ticker: str) -> None:
        self.sent: list[tuple[float, str, int]] = []
        self.quotes = 0
        self._ticker = ticker
        world.cable.on_request.append(self._request_leaves)

    def _request_leaves(self, line: Line, request: AnyRequest) -> None:
        if request.method != "POST" or not request.content:
            return
        body = json.loads(request.content)
        if not body.get("reduce_only"):
            self.quotes += "price" in body
        elif body["ticker"] == self._ticker:
            self.sent.append((trio.current_time(), body["client_order_id"], round(float(body["count"]) * 100)))


def touch_e4(world: World, ticker: str, sign: int) -> int:
    """The price at which a long (1) or a short (-1) could be closed now; a dollar's end where nobody trades."""
    engine = world.exchange.core.markets[ticker].engine
    best = engine.bids.best_price_e4() if sign > 0 else engine.asks.best_price_e4()
    return best if best is not None else (0 if sign > 0 else 10_000)


async def crash(world: World, ticker: str, sign: int, exits: Exits) -> tuple[float, list[int]]:
    """Lets the price crash; returns when it had fallen, and the position's sizes from the first exit to its end."""
    world.exchange.flow.news(ticker, -sign * 4_000.0)
    before_e4, began_s, fallen_s = touch_e4(world, ticker, sign), trio.current_time(), float("inf")
    sizes: list[int] = []
    while trio.current_time() < began_s + FLAT_WITHIN_S and 0 not in sizes:
        await trio.sleep(LOOK_EVERY_S)
        if sign * (before_e4 - touch_e4(world, ticker, sign)) >= FALLEN_E4:
            fallen_s = min(fallen_s, trio.current_time())
        if exits.sent:
            sizes.append(sign * world.exchange.truth.positions(KEY_ID).get(ticker, 0))
    return fallen_s, sizes


@pytest.mark.long
def test_i10_a_price_crash_under_overload_is_exited_once_and_in_time() -> None:
    async def scenario(world: World) -> None:
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(TRADED_S)
            positions = world.exchange.truth.positions(KEY_ID)
            ticker = max(positions, key=lambda name: abs(positions[name]))
            sign = 1 if positions[ticker] > 0 else -1
            exits = Exits(world, ticker)
            for market in world.exchange.core.markets.values():
                world.exchange.flow.set_regime(market.ticker, Regime.CHAOTIC)
            fallen_s, sizes = await crash(world, ticker, sign, exits)
            assert exits.sent, "no exit was sent at all"
            assert exits.sent[0][0] <= fallen_s + FIRST_EXIT_WITHIN_S
            assert sizes[-1] == 0, "the position was not closed in time, or turned round"
            assert all(later <= earlier for earlier, later in pairwise(sizes)), sizes
            assert exits.quotes >= 10, "that was no overload"
            life.request_stop("the test is over")
        assert world.resting() == []

    run_world(scenario, seed=21, build_tree=build_tree)
