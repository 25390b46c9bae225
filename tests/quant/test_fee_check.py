"""The fee model explains what was billed, and a wrong rate, role or multiplier is told."""

from __future__ import annotations

import attrs

from kalshi.fees import FeeSchedule
from kalshi.types import Fill, Side
from quant.fee_check import FRESH_MS, UNHEARD_FILLS, FeeWatch, fee_surprise
from tests.quant.builders import fill

QUADRATIC = FeeSchedule("quadratic", 10_000)


def taken(price_e4: int, count_e2: int, fee_e6: int) -> Fill:
    return attrs.evolve(fill(Side.BID, price_e4, count_e2, fee_e6=fee_e6), is_taker=True)


def test_the_recorded_bills_are_explained() -> None:
    assert fee_surprise(taken(5_200, 100, 17_500), QUADRATIC, 0) == ""
    assert fee_surprise(taken(9_900, 100, 700), QUADRATIC, 0) == ""


def test_a_maker_billed_as_taker_a_wrong_multiplier_and_a_negative_fee_are_told() -> None:
    as_maker = attrs.evolve(taken(5_200, 100, 17_500), is_taker=False)
    assert "as maker was billed 17500" in fee_surprise(as_maker, QUADRATIC, 0)
    assert "says 8636 to 8836" in fee_surprise(taken(5_200, 100, 17_500), FeeSchedule("quadratic", 5_000), 1)
    assert fee_surprise(taken(5_200, 100, -1), FeeSchedule("quadratic", 0), 9) != ""


def test_a_surprise_is_told_once_a_market_until_its_fees_change() -> None:
    watch, dear = FeeWatch(), taken(5_200, 100, 30_000)
    assert "says 16472 to 17572" in watch.seen(dear, QUADRATIC, 0)
    assert watch.seen(dear, QUADRATIC, 0) == ""
    assert watch.seen(attrs.evolve(dear, ticker="ELSEWHERE"), QUADRATIC, 0) != ""
    assert watch.seen(dear, FeeSchedule("quadratic", 5_000), 0) != ""


def test_what_is_not_known_is_not_judged_and_neither_is_an_old_fill() -> None:
    watch, dear = FeeWatch(), taken(5_200, 100, 30_000)
    assert watch.seen(dear, None, 0) == ""
    assert watch.seen(dear, QUADRATIC, FRESH_MS + 1) == ""
    assert watch.seen(dear, QUADRATIC, FRESH_MS) != ""


def test_an_order_may_have_more_fills_than_the_watch_has_heard_of() -> None:
    bill = 17_472 - 100 * (UNHEARD_FILLS + 1)
    assert FeeWatch().seen(taken(5_200, 100, bill), QUADRATIC, 0) != ""
    watch = FeeWatch()
    assert watch.seen(taken(5_200, 100, 17_500), QUADRATIC, 0) == ""
    assert watch.seen(taken(5_200, 100, bill), QUADRATIC, 0) == ""
