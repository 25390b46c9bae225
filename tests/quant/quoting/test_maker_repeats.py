"""A decision is repeated where nothing that it depends on has changed, and made again wherever something has."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, Side
from quant.quoting import maker as module
from quant.quoting.directive import Directive, QuoteMode
from quant.quoting.glft import GlftParameters
from quant.quoting.hybrid import HybridParameters
from quant.quoting.maker import REPEATED_FOR_S, Limits, Maker, QuotedBy
from quant.quoting.own_orders import OwnOrder
from quant.quoting.touch import TouchParameters
from tests.quant.builders import CENT_GRID, level
from tests.quant.quoting.test_maker import (
    ASKS,
    BIDS,
    CLOSE_MS,
    DEEP,
    DEEP_ASKS,
    PARAMETERS,
    at,
    incentive_maker,
    maker,
)
from tests.quant.rewards.builders import TERMS

DEEPER = (BIDS[0], level(4_700, 61_000))
THIN_E2 = PARAMETERS.throttles.thin_depth_e2


@pytest.mark.parametrize(
    "strategy", [PARAMETERS.strategy, GlftParameters(), HybridParameters(), TouchParameters()], ids=repr
)
def test_behind_the_touch_nothing_is_decided_anew_for_a_while(strategy: QuotedBy) -> None:
    made = maker(attrs.evolve(PARAMETERS, strategy=strategy))
    first = at(made, 0.0)
    assert at(made, REPEATED_FOR_S - 0.01, bids=DEEPER) is first
    assert at(made, REPEATED_FOR_S, bids=DEEPER) is not first


@pytest.mark.parametrize(
    "book",
    [
        ((level(4_800, 49_900), BIDS[1]), ASKS),
        ((level(4_900, 100), *BIDS), ASKS),
        (BIDS, (level(5_100, 100), *ASKS)),
        (BIDS, ASKS[1:]),
    ],
)
def test_at_the_touch_everything_is(book: tuple[tuple[Level, ...], tuple[Level, ...]]) -> None:
    made = maker()
    first = at(made, 0.0)
    assert at(made, 0.1, *book) is not first


def test_so_is_what_makes_the_book_thin_and_what_ends_that() -> None:
    made = maker()
    touch = (level(4_800, 100),)
    deep = at(made, 0.0, bids=(*touch, level(4_700, THIN_E2)))
    thin = at(made, 0.1, bids=(*touch, level(4_700, THIN_E2 - 200)))
    assert thin is not deep
    assert at(made, 0.2, bids=(*touch, level(4_700, THIN_E2 - 300))) is thin
    assert at(made, 0.3, bids=(*touch, level(4_700, THIN_E2))) is not thin


def test_a_book_without_others_ends_the_repetition() -> None:
    made = maker()
    first = at(made, 0.0)
    at(made, 0.1, bids=())
    assert at(made, 0.2) is not first


FACTS: dict[str, Callable[[Maker], None]] = {
    "rules": lambda made: made.rules_seen(CENT_GRID, CLOSE_MS, "Economics", is_tradable=True, maker_fee_rate=0.07),
    "position": lambda made: made.position_seen(CountE2(500), PriceE4(5_000), PriceE4(5_000), 0.1),
    "orders": lambda made: made.orders_seen(
        (OwnOrder(side=Side.BID, price_e4=PriceE4(4_600), remaining_e2=CountE2(1)),)
    ),
    "limits": lambda made: made.limits_seen(Limits(closed_sides=(Side.BID,))),
    "fill": lambda made: made.filled(Side.BID, PriceE4(4_800), CountE2(100), 0.1),
    "directive": lambda made: made.directed(Directive(mode=QuoteMode.FREEZE, valid_until_s=9.0)),
}


@pytest.mark.parametrize("fact", FACTS)
def test_every_fact_is_a_reason_to_decide_anew(fact: str) -> None:
    made = maker()
    first = at(made, 0.0)
    FACTS[fact](made)
    assert at(made, 0.1) is not first


def test_risk_that_says_the_same_again_is_none() -> None:
    made = maker()
    made.limits_seen(Limits(max_long_e2=CountE2(500)))
    first = at(made, 0.0)
    made.limits_seen(Limits(max_long_e2=CountE2(500)))
    assert at(made, 0.1) is first


BOOKS = st.lists(
    st.tuples(st.integers(1, 40_000), st.integers(1, 40_000), st.floats(0.01, 0.4)), min_size=2, max_size=12
)


@given(books=BOOKS)
def test_incentive_quoting_looks_at_all_depth_and_never_repeats(books: list[tuple[int, int, float]]) -> None:
    """Two makers, of which one may not repeat anything at all, decide and count alike at every book."""
    one, other = incentive_maker(TERMS), incentive_maker(TERMS)
    for each in (one, other):
        each.orders_seen((OwnOrder(side=Side.BID, price_e4=DEEP[-1].price_e4, remaining_e2=CountE2(1)),))
    now_s = 0.0
    for nearer, farther, passed_s in books:
        now_s += passed_s
        bids = (DEEP[0], level(DEEP[0].price_e4 - 100, nearer), level(DEEP[0].price_e4 - 200, farther))
        decided = at(one, now_s, bids, DEEP_ASKS)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "REPEATED_FOR_S", 0.0)
            assert decided == at(other, now_s, bids, DEEP_ASKS)
        assert one.accrued_e6 == other.accrued_e6
