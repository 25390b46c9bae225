"""A session's word: what may be quoted by it, for how long, and how a position is worked off under it."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from quant.quoting.decision import QuoteDecision, QuoteInputs, QuoteTarget
from quant.quoting.directive import Directive, QuoteMode, in_force, reduce_only
from tests.quant.builders import CALM, CENT_GRID, level

QUOTE = Directive(mode=QuoteMode.QUOTE, valid_until_s=10.0, reasons=("a session",))
REDUCE = Directive(mode=QuoteMode.REDUCE_ONLY, valid_until_s=10.0, reasons=("time to live",))
WANTED = QuoteDecision(
    bid=QuoteTarget(price_e4=PriceE4(4_900), count_e2=CountE2(1_000)),
    ask=QuoteTarget(price_e4=PriceE4(5_100), count_e2=CountE2(1_000)),
)


def held(position_e2: int) -> QuoteInputs:
    return attrs.evolve(CALM, position_e2=CountE2(position_e2))


def reduced(position_e2: int, limit_e4: int | None = None, wanted: QuoteDecision = WANTED) -> QuoteDecision:
    directive = attrs.evolve(REDUCE, exit_limit_e4=None if limit_e4 is None else PriceE4(limit_e4))
    return reduce_only(wanted, held(position_e2), directive, CENT_GRID)


def test_a_directive_holds_to_the_end_of_its_time_and_no_longer() -> None:
    assert in_force(QUOTE, 10.0, is_needed=True) is QUOTE
    late = in_force(QUOTE, 10.1, is_needed=True)
    assert (late.mode, late.reasons) == (QuoteMode.FREEZE, ("the session's last word is too old",))
    assert in_force(QUOTE, 10.1, is_needed=False).mode is QuoteMode.QUOTE
    frozen = attrs.evolve(QUOTE, mode=QuoteMode.FREEZE)
    assert in_force(frozen, 9.0, is_needed=False) is frozen
    assert in_force(frozen, 11.0, is_needed=False).mode is QuoteMode.QUOTE


def test_without_any_word_only_a_market_of_sessions_is_frozen() -> None:
    assert in_force(None, 0.0, is_needed=True).mode is QuoteMode.FREEZE
    assert in_force(None, 0.0, is_needed=False).mode is QuoteMode.QUOTE


def test_reducing_leaves_one_side_with_no_more_than_the_position() -> None:
    long, short = reduced(300), reduced(-2_500)
    assert (long.bid, long.ask) == (None, QuoteTarget(price_e4=PriceE4(5_100), count_e2=CountE2(300)))
    assert (short.bid, short.ask) == (QuoteTarget(price_e4=PriceE4(4_900), count_e2=CountE2(2_500)), None)
    assert long.reasons == ("time to live", "only the position is worked off")
    flat = reduced(0)
    assert (flat.bid, flat.ask) == (None, None)


@pytest.mark.parametrize(
    ("position_e2", "limit_e4", "price_e4"),
    [(300, 5_000, 5_100), (300, 5_150, 5_200), (300, 4_000, 5_100), (-300, 5_000, 4_900), (-300, 4_850, 4_800)],
)
def test_the_exit_limit_is_the_worst_price(position_e2: int, limit_e4: int, price_e4: int) -> None:
    decision = reduced(position_e2, limit_e4)
    target = decision.ask if position_e2 > 0 else decision.bid
    assert target is not None
    assert target.price_e4 == price_e4


def test_a_strategy_that_wants_nothing_there_joins_the_best_of_its_side() -> None:
    nothing = QuoteDecision.nothing("it does not care")
    ask, bid = reduced(300, wanted=nothing).ask, reduced(-300, wanted=nothing).bid
    assert (ask and ask.price_e4, bid and bid.price_e4) == (5_200, 4_800)
    alone = attrs.evolve(held(300), best_ask=None)
    assert reduce_only(nothing, alone, REDUCE, CENT_GRID).ask is None


@given(
    st.integers(-3_000, 3_000), st.none() | st.integers(1, 9_999), st.integers(1, 97), st.integers(1, 40), st.booleans()
)
@settings(max_examples=200, deadline=None)
def test_reducing_never_crosses_never_adds_and_never_passes_the_limit(
    position_e2: int, limit_e4: int | None, bid_cents: int, width: int, wants: bool
) -> None:
    ask_cents = min(99, bid_cents + width)
    inputs = attrs.evolve(
        CALM,
        position_e2=CountE2(position_e2),
        best_bid=level(bid_cents * 100),
        best_ask=level(ask_cents * 100),
    )
    wanted = WANTED if wants else QuoteDecision.nothing("no")
    directive = attrs.evolve(REDUCE, exit_limit_e4=None if limit_e4 is None else PriceE4(limit_e4))
    got = reduce_only(wanted, inputs, directive, CENT_GRID)
    assert got.bid is None or (position_e2 < 0 and got.bid.count_e2 <= -position_e2)
    assert got.ask is None or (position_e2 > 0 and got.ask.count_e2 <= position_e2)
    if got.bid is not None:
        assert CENT_GRID.is_valid(got.bid.price_e4)
        assert got.bid.price_e4 < ask_cents * 100
        assert limit_e4 is None or got.bid.price_e4 <= limit_e4
    if got.ask is not None:
        assert CENT_GRID.is_valid(got.ask.price_e4)
        assert got.ask.price_e4 > bid_cents * 100
        assert limit_e4 is None or got.ask.price_e4 >= limit_e4
