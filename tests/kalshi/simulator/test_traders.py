"""Traders are no easy money: what a patient quoter earns at the fill, the informed take back in part."""

from __future__ import annotations

from collections import deque

from kalshi.simulator.flow import OrderFlow
from kalshi.simulator.orders import Fill, NewOrder
from kalshi.simulator.regimes import Regime
from kalshi.types import SelfTradePrevention, Side, TimeInForce
from tests.kalshi.simulator.test_flow import LivingWorld

_QUOTE_EVERY_S = 3
_LATER_S = 30


def quoted_edges(seed: int, seconds: int) -> tuple[float, float, int]:
    """Joins both touches of many markets and returns what a contract earned at the fill and half a minute later
    (1/10,000 dollar against the value), and the contracts filled.
    """
    world = LivingWorld(seed)
    markets = [one for one in world.active() if one.event.category not in ("Crypto", "Science and Technology")]
    core, entry = world.exchange.core, world.exchange.services.entry
    account = core.accounts_by_key["me"]
    waiting: deque[tuple[int, Fill, float]] = deque()
    seen, at_once, later, contracts = 0, 0.0, 0.0, 0

    for second in range(0, seconds, _QUOTE_EVERY_S):
        for market in markets:
            quote = market.quote()
            for side, price_e4 in ((Side.BID, quote.bid_e4), (Side.ASK, quote.ask_e4)):
                if quote.bid_e2 and quote.ask_e2:
                    entry.create(
                        account,
                        NewOrder(
                            ticker=market.ticker,
                            side=side,
                            price_e4=price_e4,
                            count_e2=1_000,
                            time_in_force=TimeInForce.GOOD_TILL_CANCELED,
                            self_trade_prevention=SelfTradePrevention.MAKER,
                            expiration_ts_s=world.clock() // 1000 + _QUOTE_EVERY_S,
                        ),
                    )
        for _ in range(_QUOTE_EVERY_S):
            world.run(1)
            fills = world.exchange.truth.fills("me")
            for fill in fills[seen:]:
                waiting.append((second, fill, world.exchange.core.markets[fill.ticker].fair_e4))
            seen = len(fills)
        while waiting and waiting[0][0] <= second - _LATER_S:
            _, fill, then_e4 = waiting.popleft()
            at_once += fill.side.sign * (then_e4 - fill.price_e4) * fill.count_e2 / 100
            later += fill.side.sign * (world.exchange.flow.fair_e4(fill.ticker) - fill.price_e4) * fill.count_e2 / 100
            contracts += fill.count_e2 // 100
    return at_once / contracts, later / contracts, contracts


def test_the_informed_take_back_much_of_what_a_quoter_earns_at_the_fill() -> None:
    at_once, later, contracts = quoted_edges(seed=1, seconds=120)
    assert contracts > 1_000
    assert at_once > 30, "the noise still pays for being served"
    assert later < 0.7 * at_once


def _range_e4(flow: OrderFlow, world: LivingWorld, ticker: str, seconds: int) -> float:
    values = []
    for _ in range(seconds):
        world.run(1)
        values.append(flow.fair_e4(ticker))
    return max(values) - min(values)


def test_a_regime_changes_one_event_and_its_traders_and_leaves_all_others_alone() -> None:
    tapes, ranges = [], []
    for regime in (Regime.QUIET, Regime.CHAOTIC):
        world = LivingWorld()
        flow = world.exchange.flow
        chosen = next(one for one in world.active() if one.event.category == "Politics")
        flow.set_regime(chosen.ticker, regime.value)
        assert flow.regime(chosen.ticker) is regime
        ranges.append(_range_e4(flow, world, chosen.ticker, 30))
        tapes.append(
            {
                market.ticker: [(trade.ts_ms, trade.price_e4, trade.count_e2) for trade in market.history.tape]
                for market in world.active()
                if market.event.ticker != chosen.event.ticker
            }
        )
    assert tapes[0] == tapes[1]
    assert ranges[1] > 3 * ranges[0]


def test_news_moves_the_value_at_once_its_siblings_with_it_and_the_book_soon() -> None:
    world = LivingWorld()
    flow = world.exchange.flow
    chosen = next(one for one in world.active() if one.ticker.startswith("KXFED") and 4_000 < one.fair_e4 < 6_500)
    sibling = next(one for one in world.active() if one.event is chosen.event and one is not chosen)
    before_e4, sibling_e4 = flow.fair_e4(chosen.ticker), flow.fair_e4(sibling.ticker)
    flow.news(chosen.ticker, 1_500)
    assert abs(flow.fair_e4(chosen.ticker) - before_e4 - 1_500) < 1
    assert flow.fair_e4(sibling.ticker) < sibling_e4 - 100
    world.run(25)
    assert chosen.quote().bid_e4 > before_e4 + 700
