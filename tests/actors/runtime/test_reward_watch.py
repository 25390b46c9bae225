"""The shadow accrues by the terms while we rest in a live book; only receipts are money."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from actors.messages.market import BookCondition, BookView
from actors.messages.money import Record
from actors.runtime.reward_watch import RewardWatch
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Side
from quant.quoting.own_orders import OwnOrder
from quant.rewards.ledger import RewardReceipt
from quant.rewards.terms import LiquidityTerms
from tests.quant.builders import level

START_MS = 1_800_000_000_000
TERMS = LiquidityTerms(
    program_id="P",
    ticker="T",
    start_ms=START_MS,
    end_ms=START_MS + 100_000,
    period_reward_e6=MoneyE6(100_000_000),
    target_e2=CountE2(30_000),
)
PROGRAMS = {"T": (TERMS,)}
OWN = {
    "T": tuple(
        OwnOrder(side=side, price_e4=PriceE4(price_e4), remaining_e2=CountE2(10_000))
        for side, price_e4 in ((Side.BID, 4_800), (Side.ASK, 5_200))
    )
}
# A hundred of ours among four hundred on each side: a quarter of each, so a quarter of the dollar of every second.
BOOK = BookView(
    ticker="T",
    condition=BookCondition.LIVE,
    reason="",
    generation=1,
    sequence=1,
    bids=(level(4_800, 40_000),),
    asks=(level(5_200, 40_000),),
    ts_ms=1,
    published_at_s=0.0,
)


def looked(watch: RewardWatch, seconds: range, own: Any = OWN) -> list[Record]:
    return [row for s in seconds for row in watch.look(PROGRAMS, own, float(s), START_MS + s * 1_000)]


def test_the_shadow_is_our_share_of_the_pool_second_by_second_and_ends_with_the_period() -> None:
    watch = RewardWatch()
    watch.book_seen(BOOK)
    rows = looked(watch, range(110))
    program = watch.ledger.programs["P"]
    assert program.shadow_e6 == pytest.approx(25_000_000)
    assert (program.is_over, program.paid_e6, watch.ledger.booked_e6) == (True, 0, 0)
    assert [dict(row.values)["is_over"] for row in rows] == [0, 1]
    assert dict(rows[-1].values)["shadow_e6"] == 25_000_000


@pytest.mark.parametrize("view", [attrs.evolve(BOOK, condition=BookCondition.STALE), attrs.evolve(BOOK, ticker="U")])
def test_without_a_live_book_nothing_accrues(view: BookView) -> None:
    watch = RewardWatch()
    watch.book_seen(view)
    assert looked(watch, range(5)) == []
    assert watch.ledger.programs == {}


def test_without_orders_nothing_accrues_and_looks_are_a_second_apart() -> None:
    watch = RewardWatch()
    watch.book_seen(BOOK)
    looked(watch, range(5), {})
    assert watch.ledger.programs == {}
    for tenth in range(50, 71):
        watch.look(PROGRAMS, OWN, tenth / 10, START_MS + tenth * 100)
    assert watch.ledger.programs["P"].shadow_e6 == pytest.approx(3 * 250_000)


def test_a_receipt_is_booked_beside_the_shadow() -> None:
    watch = RewardWatch()
    watch.book_seen(BOOK)
    looked(watch, range(4))
    paid = RewardReceipt(receipt_id="r", program_id="P", ticker="T", amount_e6=MoneyE6(7), paid_at_ms=START_MS)
    watch.receipt(paid)
    watch.receipt(paid)
    assert watch.ledger.booked_e6 == 7
    assert watch.ledger.programs["P"].shadow_e6 == pytest.approx(1_000_000)
