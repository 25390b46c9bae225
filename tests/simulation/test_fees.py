"""D1.7, C1.22: where makers pay, both fees are within the spread, and a bill that nobody expected is told."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import trio

from actors.runtime.ledger_store.database import reader
from kalshi.simulator.settings import SimulatorSettings
from kalshi.simulator.truth import TruthOrder
from ops.settings import Settings
from ops.simulation import KEY_ID, World, run_world
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from supervisor import build_tree

SERIES = "KXNFLGAME"  # a fee type with maker fees
KNOWN_S = 25.0
LOOK_EVERY_S = 0.5
# Models that would quote closer than their least spread.
THREE_CENTS = AvellanedaStoikovParameters(k_per_dollar=2_000.0, min_total_spread=0.03)
EAGER = AvellanedaStoikovParameters(k_per_dollar=2_000.0, is_fee_floor=False)


def _quotes(orders: Iterable[TruthOrder]) -> list[tuple[int, int]]:
    """The middle and the width of our quotes where both sides rest."""
    by_market: dict[str, list[int]] = {}
    for order in orders:
        by_market.setdefault(order.ticker, []).append(order.price_e4)
    return [(sum(pair) // 2, max(pair) - min(pair)) for pair in by_market.values() if len(pair) == 2]


def _surprises(world: World) -> list[str]:
    (path,) = world.folder.glob("*/ledger.sqlite")
    with reader(path) as db:
        return [text for (text,) in db.execute("SELECT text FROM alerts WHERE code = 'fee_surprise'")]


@attrs.define
class Seen:
    """The middles and widths of our quotes, what was told of fees before and after a change, and makers' fees."""

    quotes: list[tuple[int, int]] = attrs.field(factory=list)
    told_before: list[str] = attrs.field(factory=list)
    told_after: list[str] = attrs.field(factory=list)
    fees_e6: list[int] = attrs.field(factory=list)

    def least_width_e4(self, lowest_e4: int, highest_e4: int) -> int:
        return min(width for middle, width in self.quotes if lowest_e4 <= middle <= highest_e4)


def _seen(quoting: AvellanedaStoikovParameters, *, quoted_s: float, changed_s: float = 0.0) -> Seen:
    seen = Seen()

    async def whole(world: World) -> None:
        life, exchange = world.life(), world.exchange
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(KNOWN_S)
            for _ in range(round(quoted_s / LOOK_EVERY_S)):
                await trio.sleep(LOOK_EVERY_S)
                seen.quotes.extend(_quotes(exchange.truth.resting_orders(KEY_ID)))
            seen.fees_e6 = [fill.fee_e6 for fill in exchange.truth.fills(KEY_ID) if not fill.is_taker]
            seen.told_before = _surprises(world)
            exchange.services.fee_changes.schedule_series(SERIES, "quadratic", 10_000, exchange.clock() + 1_000)
            await trio.sleep(changed_s)
            seen.told_after = _surprises(world)
            life.request_stop("the test is over")

    run_world(
        whole,
        seed=5,
        build_tree=build_tree,
        settings=attrs.evolve(Settings(), quoting=quoting),
        exchange_settings=SimulatorSettings(listed_series=(SERIES,)),
    )
    return seen


def test_both_fees_are_within_the_spread_unless_that_is_switched_off() -> None:
    # At 30 to 70 cents a maker pays 0.37 to 0.44 cents a side.
    assert _seen(THREE_CENTS, quoted_s=40.0).least_width_e4(3_000, 7_000) >= 374
    without = attrs.evolve(THREE_CENTS, is_fee_floor=False)
    assert _seen(without, quoted_s=40.0).least_width_e4(3_000, 7_000) == 300


def test_what_is_billed_is_what_was_expected_until_it_changes_unannounced() -> None:
    seen = _seen(EAGER, quoted_s=50.0, changed_s=40.0)
    assert len(seen.fees_e6) >= 5
    assert min(seen.fees_e6) > 0
    assert seen.told_before == []
    assert "as maker was billed 0 millionths of a dollar, the fee model says" in seen.told_after[0]
