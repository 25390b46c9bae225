"""A stake is posted, posted again when filled, and stops at its caps, over restarts and over a whole event."""

from __future__ import annotations

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, MoneyE6, PriceE4, complement
from kalshi.types import Level, Side
from quant.quoting.decision import QuoteInputs, QuoteTarget
from quant.quoting.refill import EventParameters, RefillAlert, RefillStep, SharedRoom, refill, shared_room
from quant.quoting.refill_state import (
    LegState,
    RepostBase,
    StakeParameters,
    StakeSides,
    StakeState,
    applied,
    resumed,
)
from tests.quant.builders import CENT_GRID, TAPERED_GRID, fill, level

NOW = 1_800_000_000_000
STAKE = StakeParameters(
    ticker="M",
    count_e2=CountE2(100_000),
    sides=StakeSides.YES,
    yes_price_e4=PriceE4(4_500),
    reload_fraction=0.75,
)
BOTH = attrs.evolve(STAKE, sides=StakeSides.BOTH, no_price_e4=PriceE4(4_000))
NEW = StakeState(ticker="M")
INPUTS = QuoteInputs(
    best_bid=level(4_600),
    best_ask=level(5_100),
    position_e2=CountE2(0),
    max_position_e2=CountE2(10_000_000),
    order_size_e2=CountE2(100),
    sigma_dollars_per_sqrt_s=0.0,
)


def step(
    state: StakeState,
    stake: StakeParameters = STAKE,
    *,
    at_s: float = 0.0,
    inputs: QuoteInputs = INPUTS,
    room: SharedRoom = SharedRoom(),  # noqa: B008 - frozen
) -> RefillStep:
    return refill(inputs, state, NOW + int(at_s * 1000), stake, CENT_GRID, room)


def filled(
    state: StakeState,
    count_e2: int,
    *,
    price_e4: int = 4_500,
    side: Side = Side.BID,
    at_s: float = 60.0,
    stake: StakeParameters = STAKE,
) -> StakeState:
    """The state after the next fill, at a YES price."""
    one = fill(side, price_e4, count_e2, ts_ms=NOW + int(at_s * 1000))
    return applied(state, one, state.last_fill_number + 1, stake)


def after_first_round(stake: StakeParameters = STAKE, *, at_s: float = 60.0, price_e4: int = 4_500) -> StakeState:
    return filled(step(NEW, stake).state, stake.count_e2, price_e4=price_e4, at_s=at_s, stake=stake)


def target(price_e4: int, count_e2: int) -> QuoteTarget:
    return QuoteTarget(price_e4=PriceE4(price_e4), count_e2=CountE2(count_e2))


# Rounds.


def test_the_first_round_rests_at_the_forms_price_with_the_whole_count() -> None:
    first = step(NEW)
    assert (first.decision.bid, first.decision.ask) == (target(4_500, 100_000), None)
    assert first.alerts == ()
    assert step(first.state, at_s=5.0).decision == first.decision


@pytest.mark.parametrize(
    ("sides", "bid", "ask"),
    [
        (StakeSides.YES, target(4_500, 100_000), None),
        (StakeSides.NO, None, target(6_000, 100_000)),
        (StakeSides.BOTH, target(4_500, 100_000), target(6_000, 100_000)),
    ],
)
def test_yes_is_a_bid_and_no_an_ask(sides: StakeSides, bid: QuoteTarget | None, ask: QuoteTarget | None) -> None:
    decision = step(NEW, attrs.evolve(BOTH, sides=sides)).decision
    assert (decision.bid, decision.ask) == (bid, ask)


def test_a_leg_without_a_price_is_left_out() -> None:
    assert step(NEW, attrs.evolve(BOTH, yes_price_e4=None)).decision.bid is None


def test_a_partly_filled_round_rests_on_at_its_price() -> None:
    state = filled(step(NEW).state, 40_000)
    assert step(state, at_s=61.0).decision.bid == target(4_500, 60_000)


def test_a_filled_round_is_posted_again_with_its_percentage_of_the_original() -> None:
    second = step(after_first_round(), at_s=61.0)
    assert second.decision.bid == target(4_500, 75_000)
    third = step(filled(second.state, 75_000, at_s=120.0), at_s=121.0)
    assert third.decision.bid == target(4_500, 75_000)


@pytest.mark.parametrize(("fraction", "reload_e2"), [(0.0, None), (0.0009, None), (0.001, 100), (0.7555, 75_500)])
def test_a_reload_is_of_whole_contracts_or_none(fraction: float, reload_e2: int | None) -> None:
    stake = attrs.evolve(STAKE, reload_fraction=fraction)
    again = step(after_first_round(stake), stake, at_s=61.0)
    assert (again.decision.bid.count_e2 if again.decision.bid else None) == reload_e2
    assert ("bid: nothing is to be reloaded" in again.decision.reasons) is (reload_e2 is None)


@pytest.mark.parametrize(
    ("base", "off_e4", "price_e4"),
    [
        (RepostBase.PREVIOUS_FILL, 0, 4_500),
        (RepostBase.PREVIOUS_FILL, 200, 4_300),
        (RepostBase.PREVIOUS_FILL, -100, 4_600),
        (RepostBase.MARKET_MEAN, 0, 4_800),  # 48.5 goes down
        (RepostBase.MARKET_MEAN, 100, 4_700),
        (RepostBase.MARKET_BEST_OFFER, 0, 5_000),  # 51 would take: a step inside
        (RepostBase.MARKET_BEST_OFFER, 300, 4_800),
    ],
)
def test_a_later_round_takes_its_price_from_the_base(base: RepostBase, off_e4: int, price_e4: int) -> None:
    stake = attrs.evolve(STAKE, repost_base=base, off_e4=off_e4)
    assert step(after_first_round(stake), stake, at_s=61.0).decision.bid == target(price_e4, 75_000)


@pytest.mark.parametrize(
    ("base", "own_price_e4"),
    [(RepostBase.PREVIOUS_FILL, 4_000), (RepostBase.MARKET_MEAN, 5_100), (RepostBase.MARKET_BEST_OFFER, 5_400)],
)
def test_the_no_leg_takes_prices_of_its_own_outcome(base: RepostBase, own_price_e4: int) -> None:
    """Bid 46, ask 51: NO costs between 49 and 54; its mean of 51.5 goes down to 51."""
    stake = attrs.evolve(BOTH, sides=StakeSides.NO, repost_base=base)
    state = filled(step(NEW, stake).state, 100_000, side=Side.ASK, price_e4=6_000, stake=stake)
    again = step(state, stake, at_s=61.0)
    assert again.state.no.price_e4 == own_price_e4
    assert again.decision.ask is not None
    assert again.decision.ask.price_e4 == max(10_000 - own_price_e4, 4_700)


def test_a_round_keeps_its_price_while_the_market_moves() -> None:
    stake = attrs.evolve(STAKE, repost_base=RepostBase.MARKET_MEAN)
    second = step(after_first_round(stake), stake, at_s=61.0)
    moved = attrs.evolve(INPUTS, best_bid=level(5_000), best_ask=level(5_500))
    assert step(second.state, stake, at_s=90.0, inputs=moved).decision.bid == target(4_800, 75_000)


def test_a_base_that_the_market_does_not_give_is_waited_for() -> None:
    stake = attrs.evolve(STAKE, repost_base=RepostBase.MARKET_MEAN)
    empty = attrs.evolve(INPUTS, best_bid=None)
    waiting = step(after_first_round(stake), stake, at_s=61.0, inputs=empty)
    assert waiting.decision.bid is None
    assert "bid: there is no price for market_mean now" in waiting.decision.reasons
    assert step(waiting.state, stake, at_s=62.0).decision.bid is not None


def test_the_first_round_needs_no_market() -> None:
    empty = attrs.evolve(INPUTS, best_bid=None, best_ask=None)
    decision = step(NEW, BOTH, inputs=empty).decision
    assert (decision.bid, decision.ask) == (target(4_500, 100_000), target(6_000, 100_000))


@pytest.mark.parametrize(("bound_e4", "is_posted"), [(4_300, True), (4_301, False)])
def test_a_price_under_the_bounds_is_not_posted(bound_e4: int, is_posted: bool) -> None:
    stake = attrs.evolve(STAKE, off_e4=200, price_min_e4=PriceE4(bound_e4))
    again = step(after_first_round(stake), stake, at_s=61.0)
    assert (again.decision.bid is not None) is is_posted
    assert ("bid: 43 cents are outside of the stake's bounds" in again.decision.reasons) is not is_posted


@pytest.mark.parametrize(("bound_e4", "is_posted"), [(4_700, True), (4_699, False)])
def test_a_price_over_the_bounds_is_not_posted(bound_e4: int, is_posted: bool) -> None:
    stake = attrs.evolve(STAKE, off_e4=-200, price_max_e4=PriceE4(bound_e4))
    assert (step(after_first_round(stake), stake, at_s=61.0).decision.bid is not None) is is_posted


@pytest.mark.parametrize(
    ("filled_at_s", "decided_at_s", "is_posted"),
    [(2.0, 31.9, False), (2.0, 32.0, True), (2.1, 2.2, True)],
)
def test_after_a_fast_fill_the_leg_waits(filled_at_s: float, decided_at_s: float, is_posted: bool) -> None:
    again = step(after_first_round(at_s=filled_at_s), at_s=decided_at_s)
    assert (again.decision.bid is not None) is is_posted
    assert ("bid: cooling down after a fast fill" in again.decision.reasons) is not is_posted


@pytest.mark.parametrize(("at_s", "is_posted"), [(99.9, True), (100.0, False)])
def test_a_stake_ends_when_it_expires(at_s: float, is_posted: bool) -> None:
    stake = attrs.evolve(STAKE, expires_at_ms=NOW + 100_000)
    assert (step(NEW, stake, at_s=at_s).decision.bid is not None) is is_posted


# Caps.


@pytest.mark.parametrize(("max_e2", "is_posted"), [(175_000, True), (174_999, False)])
def test_a_round_that_would_pass_max_shares_is_skipped_with_one_alert(max_e2: int, is_posted: bool) -> None:
    stake = attrs.evolve(STAKE, max_count_e2=CountE2(max_e2))
    again = step(after_first_round(stake), stake, at_s=61.0)
    assert (again.decision.bid is not None) is is_posted
    alert = RefillAlert(ticker="M", reason="max shares of the stake reached")
    assert again.alerts == (() if is_posted else (alert,))
    assert step(again.state, stake, at_s=62.0).alerts == ()


@pytest.mark.parametrize(("max_e6", "is_posted"), [(787_500_000, True), (787_499_999, False)])
def test_a_round_that_would_pass_max_dollars_is_skipped_with_an_alert(max_e6: int, is_posted: bool) -> None:
    """1,000 at 45 cents are spent; 750 more cost 337.50 dollars."""
    stake = attrs.evolve(STAKE, max_money_e6=MoneyE6(max_e6))
    again = step(after_first_round(stake), stake, at_s=61.0)
    assert (again.decision.bid is not None) is is_posted
    assert [alert.reason for alert in again.alerts] == ([] if is_posted else ["max dollars of the stake reached"])


def test_both_legs_share_the_cap_and_what_rests_counts() -> None:
    stake = attrs.evolve(BOTH, max_count_e2=CountE2(199_999))
    first = step(NEW, stake)
    assert first.decision.bid == target(4_500, 100_000)
    assert first.decision.ask is None
    assert "ask: stopped, max shares of the stake reached" in first.decision.reasons


def test_stops_totals_and_alerts_survive_a_restart() -> None:
    stake = attrs.evolve(STAKE, max_count_e2=CountE2(100_000))
    stopped = step(after_first_round(stake), stake, at_s=61.0)
    assert len(stopped.alerts) == 1
    restored = msgspec.json.decode(msgspec.json.encode(stopped.state), type=StakeState)
    assert restored == stopped.state
    again = step(restored, stake, at_s=9_999.0)
    assert (again.decision.bid, again.alerts) == (None, ())
    assert (again.state.filled_e2, again.state.spent_e6) == (100_000, 450_000_000)


def test_a_fill_told_again_after_a_restart_counts_once() -> None:
    state = after_first_round()
    assert applied(state, fill(Side.BID, 4_500, 100_000), 1, STAKE) is state
    assert applied(state, fill(Side.BID, 4_500, 100), 2, STAKE).filled_e2 == 100_100


def test_a_fill_of_another_market_is_refused() -> None:
    with pytest.raises(ValueError, match="OTHER"):
        applied(NEW, fill(Side.BID, 4_500, 100, ticker="OTHER"), 1, STAKE)


def test_a_stopped_stake_goes_on_when_a_person_raises_the_cap() -> None:
    stake = attrs.evolve(STAKE, max_count_e2=CountE2(100_000))
    stopped = step(after_first_round(stake), stake, at_s=61.0).state
    raised = attrs.evolve(stake, max_count_e2=CountE2(175_000))
    assert step(stopped, raised, at_s=62.0).decision.bid is None
    going_on = step(resumed(stopped), raised, at_s=62.0)
    assert going_on.decision.bid == target(4_500, 75_000)
    assert going_on.state.filled_e2 == 100_000


# Both outcomes and whole events.


def test_legs_that_reposting_moved_into_each_other_leave_the_older_one() -> None:
    old_yes = LegState(rounds=2, remaining_e2=CountE2(100), price_e4=PriceE4(4_900), posted_at_ms=NOW - 5)
    young_no = LegState(rounds=2, remaining_e2=CountE2(100), price_e4=PriceE4(5_100), posted_at_ms=NOW - 4)
    empty = attrs.evolve(INPUTS, best_bid=None, best_ask=None)
    older = step(StakeState(ticker="M", yes=old_yes, no=young_no), BOTH, inputs=empty).decision
    assert (older.bid, older.ask) == (target(4_900, 100), None)
    assert "both outcomes together would cost the dollar that they pay" in older.reasons
    same_age = StakeState(ticker="M", yes=old_yes, no=attrs.evolve(young_no, posted_at_ms=NOW - 5))
    neither = step(same_age, BOTH, inputs=empty).decision
    assert (neither.bid, neither.ask) == (None, None)


def test_every_stake_of_an_event_is_posted_and_its_caps_count_them_all() -> None:
    stakes = tuple(attrs.evolve(STAKE, ticker=ticker, yes_price_e4=PriceE4(3_000)) for ticker in "ABC")
    event = EventParameters(stakes=stakes, is_exclusive=True, max_count_e2=CountE2(250_000))
    states = {ticker: StakeState(ticker=ticker) for ticker in "ABC"}
    alerts: list[RefillAlert] = []
    for stake in stakes:
        room = shared_room(event, states, stake.ticker)
        done = step(states[stake.ticker], stake, room=room)
        states[stake.ticker] = done.state
        alerts += done.alerts
    assert [states[ticker].yes.remaining_e2 for ticker in "ABC"] == [100_000, 100_000, 0]
    assert alerts == [RefillAlert(ticker="C", reason="max shares of the event reached")]


@pytest.mark.parametrize(("max_e6", "posted"), [(900_000_000, 2), (899_999_999, 1)])
def test_the_dollars_of_an_event_are_capped_over_its_stakes(max_e6: int, posted: int) -> None:
    stakes = tuple(attrs.evolve(STAKE, ticker=ticker) for ticker in "AB")
    event = EventParameters(stakes=stakes, max_money_e6=MoneyE6(max_e6))
    states = {ticker: StakeState(ticker=ticker) for ticker in "AB"}
    for stake in stakes:
        states[stake.ticker] = step(states[stake.ticker], stake, room=shared_room(event, states, stake.ticker)).state
    assert sum(state.yes.rounds for state in states.values()) == posted


@pytest.mark.parametrize(("third_e4", "is_refused"), [(3_999, False), (4_000, True)])
def test_buying_all_exclusive_outcomes_for_a_dollar_is_refused(third_e4: int, is_refused: bool) -> None:
    prices = {"A": 3_000, "B": 3_000, "C": third_e4}
    stakes = tuple(attrs.evolve(STAKE, ticker=t, yes_price_e4=PriceE4(price)) for t, price in prices.items())
    assert EventParameters(stakes=stakes).stakes == stakes
    if is_refused:
        with pytest.raises(ValueError, match="exclusive"):
            EventParameters(stakes=stakes, is_exclusive=True)
    else:
        EventParameters(stakes=stakes, is_exclusive=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"no_price_e4": PriceE4(5_500)},
        {"price_min_e4": PriceE4(9_901)},
        {"count_e2": CountE2(99)},
        {"reload_fraction": -0.1},
    ],
)
def test_a_form_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"M|must be"):
        attrs.evolve(BOTH, **changes)  # type: ignore[arg-type]


def test_a_market_stands_in_an_event_once() -> None:
    with pytest.raises(ValueError, match="one stake"):
        EventParameters(stakes=(STAKE, STAKE))


def test_a_crossed_book_is_not_quoted() -> None:
    crossed = step(NEW, inputs=attrs.evolve(INPUTS, best_bid=level(5_100)))
    assert (crossed.decision.bid, crossed.state) == (None, NEW)


# Properties over books, fills and forms.

prices = st.integers(1, 99).map(lambda cents: PriceE4(cents * 100))
events = st.lists(
    st.tuples(
        st.sampled_from([Side.BID, Side.ASK]),
        st.integers(1, 3_000),  # how much of the resting order is filled
        st.integers(0, 60_000),  # ms until then
        st.integers(1, 9_900),  # the best bid
        st.integers(1, 1_500),  # and how far the ask is from it
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=80, deadline=None)
@given(
    grid=st.sampled_from([CENT_GRID, TAPERED_GRID]),
    yes=prices,
    no=prices,
    count=st.integers(100, 3_000),
    reload=st.floats(0, 2),
    base=st.sampled_from(RepostBase),
    cents_off=st.integers(-500, 500),
    caps=st.tuples(st.integers(100, 9_000), st.integers(1, 40_000_000)),
    limits=st.tuples(st.integers(0, 4_000), st.none() | st.integers(0, 4_000)),
    steps=events,
)
def test_no_order_crosses_leaves_the_grid_or_passes_a_limit_or_a_cap(
    grid: PriceGrid,
    yes: PriceE4,
    no: PriceE4,
    count: int,
    reload: float,
    base: RepostBase,
    cents_off: int,
    caps: tuple[int, int],
    limits: tuple[int, int | None],
    steps: list[tuple[Side, int, int, int, int, bool]],
) -> None:
    if yes + no >= 10_000:
        yes, no = PriceE4(min(yes, 4_900)), PriceE4(min(no, 4_900))
    stake = StakeParameters(
        ticker="M",
        count_e2=CountE2(count),
        yes_price_e4=yes,
        no_price_e4=no,
        reload_fraction=reload,
        repost_base=base,
        off_e4=cents_off,
        max_count_e2=CountE2(caps[0]),
        max_money_e6=MoneyE6(caps[1]),
    )
    state, position, now_ms = NEW, 0, NOW
    own_limit, risk_limit = limits
    limit = own_limit if risk_limit is None else min(own_limit, risk_limit)
    for number, (side, taken, later_ms, bid_at, wide, is_two_sided) in enumerate(steps, start=1):
        best_bid, best_ask = grid.floor(bid_at), grid.ceil(bid_at + wide)
        has_both = best_bid is not None and best_ask is not None and best_bid < best_ask
        inputs = attrs.evolve(
            INPUTS,
            best_bid=level(best_bid) if best_bid is not None and is_two_sided and has_both else None,
            best_ask=level(best_ask) if best_ask is not None and has_both else None,
            position_e2=CountE2(position),
            max_position_e2=CountE2(own_limit),
            max_long_e2=None if risk_limit is None else CountE2(risk_limit),
            max_short_e2=None if risk_limit is None else CountE2(risk_limit),
        )
        done = refill(inputs, state, now_ms, stake, grid)
        _check(done, inputs, grid, position, limit)
        state = done.state
        assert state.committed_e2 <= caps[0]
        assert state.committed_e6 <= caps[1]
        resting = done.decision.bid if side is Side.BID else done.decision.ask
        now_ms += later_ms
        if resting is not None:
            size = min(taken, resting.count_e2)
            position += size if side is Side.BID else -size
            state = applied(state, fill(side, resting.price_e4, size, ts_ms=now_ms), number, stake)
            assert state.filled_e2 <= caps[0]
            assert state.spent_e6 <= caps[1]


def _check(done: RefillStep, inputs: QuoteInputs, grid: PriceGrid, position: int, limit: int) -> None:
    bid, ask = done.decision.bid, done.decision.ask
    if bid is not None:
        assert grid.is_valid(bid.price_e4)
        assert inputs.best_ask is None or bid.price_e4 < inputs.best_ask.price_e4
        assert 0 < bid.count_e2 <= done.state.yes.remaining_e2
        assert position + bid.count_e2 <= max(0, limit)
    if ask is not None:
        assert grid.is_valid(ask.price_e4)
        assert inputs.best_bid is None or ask.price_e4 > inputs.best_bid.price_e4
        assert 0 < ask.count_e2 <= done.state.no.remaining_e2
        assert ask.count_e2 - position <= max(0, limit)
    if bid is not None and ask is not None:
        assert bid.price_e4 < ask.price_e4


@settings(max_examples=60, deadline=None)
@given(
    yes=st.integers(1, 49).map(lambda cents: PriceE4(cents * 100)),
    no=st.integers(1, 49).map(lambda cents: PriceE4(cents * 100)),
    base=st.sampled_from(RepostBase),
    cents_off=st.integers(-5, 5),
    bid_at=st.integers(1, 90),
    wide=st.integers(1, 9),
    position=st.integers(-3_000, 3_000),
    filled_yes=st.integers(0, 2_000),
    filled_no=st.integers(0, 2_000),
)
def test_a_mirrored_stake_in_a_mirrored_book_gives_mirrored_quotes(
    yes: PriceE4,
    no: PriceE4,
    base: RepostBase,
    cents_off: int,
    bid_at: int,
    wide: int,
    position: int,
    filled_yes: int,
    filled_no: int,
) -> None:
    stake = StakeParameters(
        ticker="M",
        count_e2=CountE2(2_000),
        yes_price_e4=yes,
        no_price_e4=no,
        repost_base=base,
        off_e4=cents_off * 100,
    )
    flipped_stake = attrs.evolve(stake, yes_price_e4=no, no_price_e4=yes)
    bid, ask = level(bid_at * 100), level((bid_at + wide) * 100)
    plain = attrs.evolve(
        INPUTS, best_bid=bid, best_ask=ask, position_e2=CountE2(position), max_position_e2=CountE2(2_500)
    )
    mirrored = attrs.evolve(plain, best_bid=_mirror(ask), best_ask=_mirror(bid), position_e2=CountE2(-position))
    one, other = step(NEW, stake, inputs=plain), step(NEW, flipped_stake, inputs=mirrored)
    _assert_mirrored(one, other)
    state, flipped = one.state, other.state
    for side, opposite, price, size in (
        (Side.BID, Side.ASK, yes, filled_yes),
        (Side.ASK, Side.BID, complement(no), filled_no),
    ):
        if size:
            state = filled(state, size, price_e4=price, side=side, stake=stake)
            flipped = filled(flipped, size, price_e4=complement(price), side=opposite, stake=flipped_stake)
    _assert_mirrored(
        step(state, stake, inputs=plain, at_s=61.0), step(flipped, flipped_stake, inputs=mirrored, at_s=61.0)
    )


def _mirror(one: Level) -> Level:
    return level(complement(one.price_e4), one.count_e2)


def _assert_mirrored(one: RefillStep, other: RefillStep) -> None:
    for mine, theirs in ((one.decision.bid, other.decision.ask), (one.decision.ask, other.decision.bid)):
        assert (mine is None) is (theirs is None)
        if mine is not None and theirs is not None:
            assert mine == target(complement(theirs.price_e4), theirs.count_e2)
