"""I10: while everything moves and the write budget is used up, a price crash is exited once, and in time."""

from __future__ import annotations

import json

import httpx
import pytest
import trio

from kalshi.simulator.regimes import Regime
from ops.simulation import KEY_ID, Line, World, run_world
from supervisor import build_tree

TRADED_S = 20.0
FIRST_EXIT_WITHIN_S = 3.0
FLAT_WITHIN_S = 15.0
LOOK_EVERY_S = 0.05


class Exits:
    """Every exit order that left, with its time, and how many quotes left beside them."""

    def __init__(self, world: World, ticker: str) -> None:
        self.sent: list[tuple[float, str, int]] = []
        self.quotes = 0
        self._ticker = ticker
        world.cable.on_request.append(self._request_leaves)

    def _request_leaves(self, line: Line, request: httpx.Request) -> None:
        if request.method != "POST" or not request.content:
            return
        body = json.loads(request.content)
        if not body.get("reduce_only"):
            self.quotes += "price" in body
        elif body["ticker"] == self._ticker:
            self.sent.append((trio.current_time(), body["client_order_id"], round(float(body["count"]) * 100)))


@pytest.mark.long
def test_i10_a_price_crash_under_overload_is_exited_once_and_in_time() -> None:
    async def scenario(world: World) -> None:
        life = world.life()
        exchange = world.exchange
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(TRADED_S)
            held = {ticker: count for ticker, count in exchange.truth.positions(KEY_ID).items() if abs(count) >= 1_000}
            ticker = max(held, key=lambda name: abs(held[name]))
            sign = 1 if held[ticker] > 0 else -1
            exits = Exits(world, ticker)
            for market in exchange.core.markets.values():
                exchange.flow.set_regime(market.ticker, Regime.CHAOTIC)
            began_s = trio.current_time()
            exchange.flow.news(ticker, -sign * 4_000.0)
            sizes: list[int] = []
            while trio.current_time() < began_s + FLAT_WITHIN_S:
                await trio.sleep(LOOK_EVERY_S)
                position_e2 = exchange.truth.positions(KEY_ID).get(ticker, 0)
                if exits.sent:
                    sizes.append(position_e2 * sign)
                    if position_e2 == 0:
                        break
            assert exits.sent, "no exit was sent at all"
            assert exits.sent[0][0] - began_s <= FIRST_EXIT_WITHIN_S
            assert sizes[-1] == 0, "the position was not closed in time"
            assert all(later <= earlier for earlier, later in zip(sizes, sizes[1:], strict=False)), sizes
            assert min(sizes) == 0, "an exit opened a position"
            assert exits.quotes >= 10, "that was no overload"
            life.request_stop("the test is over")
        assert world.resting() == []

    run_world(scenario, seed=21, build_tree=build_tree)
