"""Incentive quotes stand where the program pays most for the risk, and never beyond a limit."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, MoneyE6, PriceE4, complement
from kalshi.types import Level, Side
from quant.quoting.decision import QuoteDecision, QuoteInputs, QuoteTarget
from quant.quoting.incentive import IncentiveFacts, IncentiveParameters, quote
from quant.quoting.placement import PlacementParameters
from quant.rewards.expectation import ExpectationParameters
from quant.rewards.scoring import as_bids
from quant.rewards.terms import RuleChoice
from tests.quant.builders import CENT_GRID, TAPERED_GRID, level
from tests.quant.rewards.builders import HOUR_MS, START_MS, TERMS, with_

PARAMETERS = IncentiveParameters()
# Fills cost nothing: the place is then the scorer's alone.
FREE = attrs.evolve(PARAMETERS, expectation=ExpectationParameters(adverse_selection_per_contract=0.0))
BIDS = (level(4_800, 50_000), level(4_700, 60_000), level(4_600, 60_000))
ASKS = (level(5_200, 50_000), level(5_300, 60_000), level(5_400, 60_000))
INPUTS = QuoteInputs(
    best_bid=BIDS[0],
    best_ask=ASKS[0],
    position_e2=CountE2(0),
    max_position_e2=CountE2(100_000),
    order_size_e2=CountE2(10_000),
    sigma_dollars_per_sqrt_s=0.0,
    seconds_to_close=86_400.0,
)
FACTS = IncentiveFacts(programs=(TERMS,), now_ms=START_MS, other_bids=BIDS, other_asks=ASKS)


def decide(
    parameters: IncentiveParameters = PARAMETERS, facts: IncentiveFacts = FACTS, **changes: object
) -> QuoteDecision:
    return quote(attrs.evolve(INPUTS, **changes), facts, parameters, CENT_GRID)  # type: ignore[arg-type]


def target(price_e4: int, count_e2: int) -> QuoteTarget:
    return QuoteTarget(price_e4=PriceE4(price_e4), count_e2=CountE2(count_e2))


def test_where_fills_cost_nothing_both_sides_join_the_touch_with_the_whole_order() -> None:
    decision = decide(FREE)
    assert (decision.bid, decision.ask) == (target(4_800, 10_000), target(5_200, 10_000))
    assert decision.reasons == ()


def test_where_fills_cost_more_the_quote_stands_farther_back_and_then_nowhere() -> None:
    def costing(dollars: float) -> QuoteDecision:
        expected = ExpectationParameters(adverse_selection_per_contract=dollars)
        return decide(attrs.evolve(PARAMETERS, expectation=expected))

    cheap, dear, dearest = costing(0.001), costing(0.05), costing(10.0)
    assert cheap.bid is not None
    assert dear.bid is not None
    assert dear.bid.price_e4 < cheap.bid.price_e4 <= 4_800
    assert (dearest.bid, dearest.ask) == (None, None)
    assert "bid: the reward does not pay for the risk" in dearest.reasons


def test_a_thin_touch_makes_standing_at_the_reference_as_good_as_at_the_touch() -> None:
    """Depth rule: ten contracts at 48 are no reference, so that 47 earns as much with less risk."""
    bids = (level(4_800, 1_000), level(4_700, 110_000))
    decision = decide(FREE, attrs.evolve(FACTS, other_bids=bids), best_bid=bids[0])
    assert decision.bid is not None
    assert decision.bid.price_e4 == 4_700
    old = attrs.evolve(FACTS, other_bids=bids, programs=(with_(rule_choice=RuleChoice.BEST_BID),))
    under_the_old_rule = decide(FREE, old, best_bid=bids[0])
    assert under_the_old_rule.bid is not None
    assert under_the_old_rule.bid.price_e4 == 4_800


def test_an_order_is_no_larger_than_pays() -> None:
    """Alone at the target the share hardly grows with the size, but the losses do."""
    thin = attrs.evolve(FACTS, programs=(with_(target_e2=CountE2(10_000)),), other_bids=(level(4_800, 10_000),))
    steep = attrs.evolve(
        PARAMETERS,
        depth_steps_max=0,
        expectation=ExpectationParameters(adverse_selection_per_contract=0.1),
    )
    decision = decide(steep, thin, best_bid=thin.other_bids[0], order_size_e2=CountE2(80_000))
    assert decision.bid is not None
    assert 10_000 <= decision.bid.count_e2 < 80_000


@pytest.mark.parametrize("lacking_e2", [10_000, 10_001])
def test_a_side_short_of_the_target_is_filled_up_where_the_order_reaches(lacking_e2: int) -> None:
    bids = (level(4_800, 100_000 - lacking_e2),)
    decision = decide(FREE, attrs.evolve(FACTS, other_bids=bids), best_bid=bids[0])
    if lacking_e2 == 10_000:
        assert decision.bid is not None
        assert decision.bid.count_e2 == 10_000
    else:
        assert (decision.bid, decision.ask) == (None, None)
        assert "a side does not reach the program's target size" in decision.reasons


@pytest.mark.parametrize(("reward_dollars", "is_quoted"), [(40.0, True), (23.9, False)])
def test_a_program_whose_least_payout_is_out_of_reach_is_left_alone(reward_dollars: float, is_quoted: bool) -> None:
    """A sixth of each side at the touch, over the whole hour: twelve times two dollars are just not enough."""
    small = attrs.evolve(FACTS, programs=(with_(period_reward_e6=MoneyE6(int(reward_dollars * 1e6))),))
    shallow = attrs.evolve(FREE, depth_steps_max=0)
    bids, asks = (level(4_800, 110_000),), (level(5_200, 110_000),)
    facts = attrs.evolve(small, other_bids=bids, other_asks=asks)
    decision = decide(shallow, facts, best_bid=bids[0], best_ask=asks[0])
    assert (decision.bid is not None) is is_quoted
    assert (decision.ask is not None) is is_quoted
    enough = decide(shallow, attrs.evolve(facts, accrued_e6=2_000_000.0), best_bid=bids[0], best_ask=asks[0])
    assert enough.bid is not None


def test_where_only_one_side_may_be_quoted_it_must_bring_the_least_payout_alone() -> None:
    bids, asks = (level(4_800, 110_000),), (level(5_200, 110_000),)
    facts = attrs.evolve(FACTS, other_bids=bids, other_asks=asks)
    shallow = attrs.evolve(FREE, depth_steps_max=0)
    book = {"best_bid": bids[0], "best_ask": asks[0], "ask_allowed": False}
    rich = attrs.evolve(facts, programs=(with_(period_reward_e6=MoneyE6(50_000_000)),))
    poor = attrs.evolve(facts, programs=(with_(period_reward_e6=MoneyE6(40_000_000)),))
    assert decide(shallow, rich, **book).bid is not None
    assert decide(shallow, poor, **book).bid is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"best_bid": None}, "the book is one-sided or empty"),
        ({"best_ask": None}, "the book is one-sided or empty"),
        ({"best_bid": level(5_200)}, "the book is crossed or locked"),
        ({"best_bid": level(3_600)}, "the spread of 16 cents is a shock"),
        ({"seconds_to_close": 180.0}, "the market closes within 180 s"),
        ({"seconds_to_close": float("nan")}, "the market closes within 180 s"),
    ],
)
def test_nothing_is_quoted_on_what_is_not_trusted(changes: dict[str, object], reason: str) -> None:
    assert decide(PARAMETERS, FACTS, **changes) == QuoteDecision.nothing(reason)


@pytest.mark.parametrize("now_ms", [START_MS - 1, START_MS + HOUR_MS])
def test_without_a_running_program_nothing_is_quoted(now_ms: int) -> None:
    assert decide(facts=attrs.evolve(FACTS, now_ms=now_ms)) == QuoteDecision.nothing("no liquidity program is running")


@pytest.mark.parametrize(("cents", "is_quoted"), [(5, True), (4, False)])
def test_nobody_adds_to_a_side_that_is_too_cheap(cents: int, is_quoted: bool) -> None:
    bids = (level(cents * 100, 200_000),)
    asks = (level(cents * 100 + 600, 200_000),)
    facts = attrs.evolve(FACTS, other_bids=bids, other_asks=asks)
    decision = decide(FREE, facts, best_bid=bids[0], best_ask=asks[0])
    assert (decision.bid is not None) is is_quoted
    assert decision.ask is not None
    assert ("bid: too cheap a side to add to" in decision.reasons) is not is_quoted


@pytest.mark.parametrize(("position_e2", "adds"), [(49_999, True), (50_000, False)])
def test_at_half_of_the_limit_the_adding_side_ends(position_e2: int, adds: bool) -> None:
    long, short = decide(FREE, position_e2=position_e2), decide(FREE, position_e2=-position_e2)
    assert (long.bid is not None, long.ask is not None) == (adds, True)
    assert (short.bid is not None, short.ask is not None) == (True, adds)


def test_a_position_is_worked_off_at_the_touch_without_any_reward_but_not_turned_over() -> None:
    dear = attrs.evolve(PARAMETERS, expectation=ExpectationParameters(adverse_selection_per_contract=10.0))
    decision = decide(dear, position_e2=3_050)
    assert (decision.bid, decision.ask) == (None, target(5_200, 3_000))
    assert "ask: works off the position without a reward" in decision.reasons
    assert decide(dear, position_e2=-99).bid is None


def test_improving_into_one_gap_from_both_sides_becomes_joining() -> None:
    bids, asks = (level(4_900, 1_000), level(4_800, 110_000)), (level(5_100, 1_000), level(5_200, 110_000))
    eager = attrs.evolve(FREE, placement=PlacementParameters(improve_steps_max=1), depth_steps_max=0)
    decision = decide(eager, attrs.evolve(FACTS, other_bids=bids, other_asks=asks), best_bid=bids[0], best_ask=asks[0])
    assert (decision.bid, decision.ask) == (target(4_900, 10_000), target(5_100, 10_000))


# Properties over all books and positions.

counts = st.lists(st.integers(1, 200_000), min_size=1, max_size=4)


def ladder(grid: PriceGrid, best_e4: int, sizes: list[int], side: Side) -> tuple[Level, ...]:
    """Levels from the best on, one step each, as far as the grid goes."""
    levels: list[Level] = []
    price: PriceE4 | None = PriceE4(best_e4)
    for count_e2 in sizes:
        if price is None:
            break
        levels.append(level(price, count_e2))
        price = grid.step_below(price) if side is Side.BID else grid.step_above(price)
    return tuple(levels)


@settings(max_examples=120, deadline=None)
@given(
    grid=st.sampled_from([CENT_GRID, TAPERED_GRID]),
    bid_at=st.integers(1, 9_998),
    spread=st.integers(1, 1_600),
    sizes=st.tuples(counts, counts),
    position=st.integers(-12_000, 12_000),
    limits=st.tuples(st.integers(0, 10_000), st.none() | st.integers(0, 10_000), st.none() | st.integers(0, 10_000)),
    improve=st.integers(0, 2),
    adverse=st.sampled_from([0.0, 0.004, 0.5]),
    reward=st.integers(1, 1_000_000_000),
    choice=st.sampled_from(RuleChoice),
)
def test_no_quote_ever_crosses_leaves_the_grid_or_passes_a_limit_and_mirrored_inputs_give_mirrored_quotes(
    grid: PriceGrid,
    bid_at: int,
    spread: int,
    sizes: tuple[list[int], list[int]],
    position: int,
    limits: tuple[int, int | None, int | None],
    improve: int,
    adverse: float,
    reward: int,
    choice: RuleChoice,
) -> None:
    best_bid, best_ask = grid.floor(bid_at), grid.ceil(bid_at + spread)
    assume(best_bid is not None and best_ask is not None and best_bid < best_ask)
    assert best_bid is not None
    assert best_ask is not None
    bids, asks = ladder(grid, best_bid, sizes[0], Side.BID), ladder(grid, best_ask, sizes[1], Side.ASK)
    own, long_limit, short_limit = limits
    inputs = QuoteInputs(
        best_bid=bids[0],
        best_ask=asks[0],
        position_e2=CountE2(position),
        max_position_e2=CountE2(own),
        order_size_e2=CountE2(1_000),
        sigma_dollars_per_sqrt_s=0.0,
        max_long_e2=None if long_limit is None else CountE2(long_limit),
        max_short_e2=None if short_limit is None else CountE2(short_limit),
    )
    facts = IncentiveFacts(
        programs=(with_(period_reward_e6=MoneyE6(reward), rule_choice=choice, target_e2=CountE2(20_000)),),
        now_ms=START_MS,
        other_bids=bids,
        other_asks=asks,
    )
    parameters = IncentiveParameters(
        placement=PlacementParameters(improve_steps_max=improve),
        expectation=ExpectationParameters(adverse_selection_per_contract=adverse),
    )
    decision = quote(inputs, facts, parameters, grid)
    if decision.bid is not None:
        assert grid.is_valid(decision.bid.price_e4)
        assert decision.bid.price_e4 < best_ask
        assert 0 < decision.bid.count_e2 <= 1_000
        assert position + decision.bid.count_e2 <= max(0, min(own, own if long_limit is None else long_limit))
    if decision.ask is not None:
        assert grid.is_valid(decision.ask.price_e4)
        assert decision.ask.price_e4 > best_bid
        assert 0 < decision.ask.count_e2 <= 1_000
        assert decision.ask.count_e2 - position <= max(0, min(own, own if short_limit is None else short_limit))
    if decision.bid is not None and decision.ask is not None:
        assert decision.bid.price_e4 < decision.ask.price_e4

    mirrored = quote(_mirrored(inputs), _mirrored_facts(facts), parameters, grid)
    assert _flipped(mirrored.ask) == decision.bid
    assert _flipped(mirrored.bid) == decision.ask


def _mirrored(inputs: QuoteInputs) -> QuoteInputs:
    assert inputs.best_bid is not None
    assert inputs.best_ask is not None
    return attrs.evolve(
        inputs,
        best_bid=as_bids((inputs.best_ask,), Side.ASK)[0],
        best_ask=as_bids((inputs.best_bid,), Side.ASK)[0],
        position_e2=CountE2(-inputs.position_e2),
        max_long_e2=inputs.max_short_e2,
        max_short_e2=inputs.max_long_e2,
    )


def _mirrored_facts(facts: IncentiveFacts) -> IncentiveFacts:
    return attrs.evolve(
        facts, other_bids=as_bids(facts.other_asks, Side.ASK), other_asks=as_bids(facts.other_bids, Side.ASK)
    )


def _flipped(one: QuoteTarget | None) -> QuoteTarget | None:
    return None if one is None else attrs.evolve(one, price_e4=complement(one.price_e4))


@settings(max_examples=60, deadline=None)
@given(
    position=st.integers(-80_000, 80_000),
    sizes=st.tuples(counts, counts),
    adverse=st.sampled_from([0.0, 0.004, 0.02]),
)
def test_the_skew_never_pushes_away_from_flat(
    position: int, sizes: tuple[list[int], list[int]], adverse: float
) -> None:
    bids, asks = ladder(CENT_GRID, 4_800, sizes[0], Side.BID), ladder(CENT_GRID, 5_200, sizes[1], Side.ASK)
    facts = attrs.evolve(FACTS, other_bids=bids, other_asks=asks)
    parameters = attrs.evolve(PARAMETERS, expectation=ExpectationParameters(adverse_selection_per_contract=adverse))
    flat = decide(parameters, facts, best_bid=bids[0], best_ask=asks[0])
    held = decide(parameters, facts, best_bid=bids[0], best_ask=asks[0], position_e2=position)
    lean = 1 if position > 0 else -1
    for side in ("bid", "ask"):
        before, after = getattr(flat, side), getattr(held, side)
        if before is not None and after is not None:
            assert lean * after.price_e4 <= lean * before.price_e4
