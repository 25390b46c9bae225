"""What risk hands out can be used up all at once without passing a cap, and what halts, halts everything."""

from __future__ import annotations

from functools import reduce

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kalshi.numbers import MoneyE6
from kalshi.types import Balance, Fill, Side, Strike, StrikeKind
from quant.accounting import Mark, MarketAccount, apply_fill
from quant.exposure import event_exposure_e6, event_reach_e6
from quant.loss_latch import LossLatch
from quant.positions import Portfolio
from quant.risk import MarketFacts, MarketLimits, RiskAssessment, RiskParameters, assess
from tests.quant.builders import ask, bid, fill, holding, mark

DOLLAR = 1_000_000
RICH = Balance(total_e6=MoneyE6(10_000 * DOLLAR), by_shard_e6=((0, MoneyE6(10_000 * DOLLAR)),), updated_ts_s=0)
PARAMETERS = RiskParameters()
EVEN = mark(5_000, 5_000)


def facts(
    event: str = "E",
    category: str = "Sports",
    *,
    is_exclusive: bool = False,
    strike: Strike | None = None,
    close_time_ms: int = 0,
) -> MarketFacts:
    return MarketFacts(
        event_ticker=event,
        category=category,
        is_exclusive=is_exclusive,
        strike=strike,
        close_time_ms=close_time_ms,
    )


def above(floor: float, figure: str = "E") -> Strike:
    return Strike(figure=figure, kind=StrikeKind.GREATER, floor=floor)


def judge(
    portfolio: Portfolio | None = None,
    marks: dict[str, Mark] | None = None,
    markets: dict[str, MarketFacts] | None = None,
    *,
    balances: Balance | None = RICH,
    parameters: RiskParameters = PARAMETERS,
    latch: LossLatch | None = None,
    day: int = 1,
    drifted: frozenset[str] = frozenset(),
) -> RiskAssessment:
    return assess(
        portfolio=portfolio or Portfolio(),
        marks={"M": EVEN} if marks is None else marks,
        markets={"M": facts()} if markets is None else markets,
        balances=balances,
        parameters=parameters,
        latch=latch or LossLatch(),
        day=day,
        drifted=drifted,
    )


def limits_of(assessment: RiskAssessment, ticker: str = "M") -> MarketLimits:
    return assessment.limits[ticker]


# Limits.


def test_a_flat_market_may_hold_what_its_cap_buys_up_to_the_position_limit() -> None:
    limits = limits_of(judge())
    assert (limits.max_long_e2, limits.max_short_e2) == (20_000, 20_000)
    assert (limits.bid_allowed, limits.ask_allowed, limits.reasons) == (True, True, ())
    dear = limits_of(judge(marks={"M": mark(7_900, 8_000)}))
    assert dear.max_long_e2 == 100 * DOLLAR // 8_000
    assert dear.max_short_e2 == 20_000  # a NO contract costs 21 cents: the position limit holds


@pytest.mark.parametrize("marks", [{}, {"M": mark(None, None)}, {"M": mark(0, 10_000)}])
def test_without_prices_a_contract_counts_as_a_whole_dollar(marks: dict[str, Mark]) -> None:
    limits = limits_of(judge(marks=marks))
    assert (limits.max_long_e2, limits.max_short_e2) == (10_000, 10_000)


def test_a_position_leaves_only_the_rest_of_the_cap_and_may_be_reversed_with_what_closing_releases() -> None:
    limits = limits_of(judge(holding(bid(5_000, 15_000))))
    assert (limits.max_long_e2, limits.max_short_e2) == (20_000, 20_000)
    small = attrs.evolve(PARAMETERS, per_market_cap_e6=80 * DOLLAR)
    limits = limits_of(judge(holding(ask(5_000, 15_000)), parameters=small))
    assert (limits.max_short_e2, limits.max_long_e2) == (16_000, 16_000)


def test_at_the_cap_only_reducing_is_allowed_and_the_reason_says_which_cap() -> None:
    tight = attrs.evolve(PARAMETERS, per_market_cap_e6=50 * DOLLAR)
    limits = limits_of(judge(holding(bid(5_000, 10_000)), parameters=tight))
    assert (limits.max_long_e2, limits.max_short_e2) == (10_000, 0)
    assert (limits.bid_allowed, limits.ask_allowed) == (False, True)
    assert limits.reasons == ("nothing left to add: market cap",)


def test_a_position_beyond_the_limit_is_never_taken_from_us_only_not_added_to() -> None:
    limits = limits_of(judge(holding(ask(9_900, 30_000)), {"M": mark(9_900, 9_910)}))
    assert limits.max_short_e2 == 30_000
    assert (limits.bid_allowed, limits.ask_allowed) == (True, False)


def test_what_a_shared_cap_has_left_is_divided_between_its_markets() -> None:
    markets = {name: facts() for name in "ABCD"}
    assessment = judge(marks=dict.fromkeys("ABCD", EVEN), markets=markets)
    assert {limits.max_long_e2 for limits in assessment.limits.values()} == {10_000}  # $200 / 4 at 50 cents


def test_a_categorys_own_cap_counts_over_the_default() -> None:
    capped = attrs.evolve(PARAMETERS, category_caps_e6={"sports": 10 * DOLLAR})
    assert limits_of(judge(parameters=capped)).max_long_e2 == 2_000


def test_the_cash_of_a_markets_shard_is_a_cap() -> None:
    elsewhere = {"M": attrs.evolve(facts(), exchange_index=2)}
    limits = limits_of(judge(markets=elsewhere))
    assert limits.max_long_e2 == 0
    assert limits.reasons == ("nothing left to add: cash on shard 2 cap",)


def test_hedged_exclusive_outcomes_leave_more_of_the_events_cap_than_the_same_positions_alone() -> None:
    shorts = holding(ask(6_000, 20_000, ticker="A"), ask(6_000, 20_000, ticker="B"))
    marks = {"A": mark(6_000, 6_100), "B": mark(6_000, 6_100)}
    exclusive = judge(shorts, marks, {name: facts(is_exclusive=True) for name in "AB"})
    independent = judge(shorts, marks, {name: facts() for name in "AB"})
    assert limits_of(exclusive, "A").max_long_e2 > 0
    assert limits_of(independent, "A").max_long_e2 > 0
    tight = attrs.evolve(PARAMETERS, event_cap_e6=100 * DOLLAR)
    assert limits_of(judge(shorts, marks, {n: facts() for n in "AB"}, parameters=tight), "A").max_long_e2 == 0
    hedged = judge(shorts, marks, {n: facts(is_exclusive=True) for n in "AB"}, parameters=tight)
    assert limits_of(hedged, "A").max_long_e2 > 0


@pytest.mark.parametrize(
    ("strike", "close_time_ms", "left_dollars"),
    [
        (above(4_100), 0, 140),  # one of the two is lost at most: above 4,100 is above 4,000
        (None, 0, 80),
        (above(4_100, figure="E-OTHER"), 0, 80),
        (above(4_100), 1, 80),  # closes at another time, when the figure is another one
    ],
)
def test_a_short_above_a_long_of_one_ladder_leaves_more_of_the_events_cap(
    strike: Strike | None, close_time_ms: int, left_dollars: int
) -> None:
    held = holding(bid(6_000, 10_000, ticker="A"), ask(4_000, 10_000, ticker="B"))
    marks = dict.fromkeys("ABC", mark(4_900, 5_000))
    markets = {"A": facts(strike=above(4_000)), "B": facts(strike=strike, close_time_ms=close_time_ms), "C": facts()}
    limits = judge(held, marks, markets)
    assert limits_of(limits, "C").max_long_e2 == left_dollars * DOLLAR // 3 // 5_000


def test_what_the_one_position_of_an_event_releases_may_be_spent_on_its_reversal() -> None:
    small = attrs.evolve(PARAMETERS, event_cap_e6=60 * DOLLAR)
    marks = dict.fromkeys("AB", EVEN)
    ladder = {"A": facts(strike=above(4_000)), "B": facts(strike=above(4_100))}
    one, both = holding(bid(5_000, 4_000, ticker="A")), [bid(5_000, 4_000, ticker="A"), ask(5_000, 4_000, ticker="B")]
    assert limits_of(judge(one, marks, ladder, parameters=small), "A").max_short_e2 == (20 + 20) * DOLLAR // 5_000
    assert limits_of(judge(holding(*both), marks, ladder, parameters=small), "A").max_short_e2 == 20 * DOLLAR // 5_000


def test_a_held_market_without_a_mark_may_only_be_reduced() -> None:
    limits = limits_of(judge(holding(bid(5_000, 100)), {}))
    assert (limits.bid_allowed, limits.ask_allowed) == (False, True)
    assert limits.reasons == ("no mark for a held market",)


def test_a_market_that_drifted_quotes_nothing_and_the_others_go_on() -> None:
    markets = {"M": facts(), "N": facts("F", "Crypto")}
    assessment = judge(marks={"M": EVEN, "N": EVEN}, markets=markets, drifted=frozenset({"M"}))
    assert (limits_of(assessment).bid_allowed, limits_of(assessment).ask_allowed) == (False, False)
    assert limits_of(assessment).reasons == ("position differs from the exchange's",)
    assert limits_of(assessment, "N").bid_allowed
    assert not assessment.halt


# Halts.


def test_the_daily_loss_trips_at_its_limit_and_stays_tripped_until_it_is_released() -> None:
    lost = holding(bid(5_000, 40_000))
    start = judge(lost, {"M": EVEN})
    assert not start.halt
    below = judge(lost, {"M": mark(4_501, 4_600)}, latch=start.latch)
    assert (below.halt, below.daily_loss_e6) == (False, 499 * 40_000)
    tight = attrs.evolve(PARAMETERS, daily_loss_limit_e6=500 * 40_000)
    tripped = judge(lost, {"M": mark(4_500, 4_600)}, latch=below.latch, parameters=tight)
    assert tripped.halt
    assert tripped.reasons == ("daily loss of $20.00 reached the limit of $20.00",)
    assert (limits_of(tripped).bid_allowed, limits_of(tripped).ask_allowed) == (False, False)
    recovered = judge(lost, {"M": EVEN}, latch=tripped.latch, parameters=tight, day=2)
    assert recovered.halt
    assert not judge(lost, {"M": EVEN}, latch=recovered.latch.released(), parameters=tight, day=2).halt


def test_a_new_day_counts_from_its_own_start() -> None:
    held = holding(bid(5_000, 10_000))
    first = judge(held, {"M": EVEN})
    evening = judge(held, {"M": mark(4_000, 4_100)}, latch=first.latch)
    second = judge(held, {"M": mark(4_000, 4_100)}, latch=evening.latch, day=2)
    assert (evening.daily_loss_e6, second.daily_loss_e6, second.latch.day) == (10_000_000, 0, 2)


def test_a_missing_mark_after_a_restart_cannot_trip_the_latch() -> None:
    held = holding(bid(5_000, 40_000))
    tight = attrs.evolve(PARAMETERS, daily_loss_limit_e6=1)
    first = judge(held, {"M": EVEN}, parameters=tight)
    assert not judge(held, {}, latch=first.latch, parameters=tight).halt


def test_a_balance_below_the_floor_halts_and_ends_when_it_is_back() -> None:
    poor = attrs.evolve(RICH, total_e6=MoneyE6(999 * DOLLAR))
    assessment = judge(balances=poor)
    assert assessment.halt
    assert assessment.reasons == ("balance $999.00 is below the floor of $1,000.00",)
    assert not judge(latch=assessment.latch).halt


def test_an_unknown_balance_stops_quoting() -> None:
    assessment = judge(balances=None)
    assert (assessment.halt, assessment.reasons) == (True, ("the balance is not known",))


def test_the_total_exposure_is_what_all_positions_cost() -> None:
    assert judge(holding(bid(3_000, 100), ask(3_000, 100, ticker="N"))).total_exposure_e6 == 1_000_000


# Every limit handed out may be used up at the same instant.

TICKERS = "ABCDEF"
MARKETS = {name: facts(f"E{n // 2}", ("sports", "crypto")[n % 2]) for n, name in enumerate(TICKERS)}


@settings(max_examples=300)
@given(
    history=st.lists(
        st.builds(
            fill,
            side=st.sampled_from(Side),
            price_e4=st.integers(1, 9_999),
            count_e2=st.integers(1, 4_000),
            ticker=st.sampled_from(TICKERS),
        ),
        max_size=10,
    ),
    prices=st.tuples(*[st.integers(1, 9_999)] * len(TICKERS)),
    ways=st.tuples(*[st.sampled_from(Side)] * len(TICKERS)),
)
def test_using_up_every_limit_at_once_passes_no_cap_that_was_not_passed_before(
    history: list[Fill], prices: tuple[int, ...], ways: tuple[Side, ...]
) -> None:
    parameters = RiskParameters(
        per_market_cap_e6=30 * DOLLAR,
        event_cap_e6=40 * DOLLAR,
        default_category_cap_e6=70 * DOLLAR,
        global_budget_e6=100 * DOLLAR,
    )
    before = holding(*history)
    marks = {name: mark(price, price) for name, price in zip(TICKERS, prices, strict=True)}
    limits = judge(before, marks, MARKETS, parameters=parameters).limits
    after = {name: before.account(name) for name in TICKERS}
    for name, price, way in zip(TICKERS, prices, ways, strict=True):
        wanted = limits[name].max_long_e2 if way is Side.BID else -limits[name].max_short_e2
        count = way.sign * (wanted - before.account(name).position_e2)
        if count > 0:
            after[name] = apply_fill(after[name], fill(way, price, count, ticker=name))

    def cost(accounts: list[MarketAccount]) -> int:
        return sum(account.open_cost_e6 for account in accounts)

    def holds(names: list[str], cap: int) -> bool:
        return cost([after[n] for n in names]) <= max(cap, cost([before.account(n) for n in names]))

    assert all(holds([name], parameters.per_market_cap_e6) for name in TICKERS)
    assert holds(list(TICKERS), parameters.global_budget_e6)
    for field, cap in (
        ("event_ticker", parameters.event_cap_e6),
        ("category", parameters.default_category_cap_e6),
    ):
        for key in sorted({getattr(item, field) for item in MARKETS.values()}):
            assert holds([name for name, item in MARKETS.items() if getattr(item, field) == key], cap)


@given(
    history=st.lists(
        st.builds(fill, side=st.sampled_from(Side), price_e4=st.integers(1, 9_999), count_e2=st.integers(1, 50_000)),
        max_size=6,
    )
)
def test_the_position_that_is_held_is_always_within_its_limits(history: list[Fill]) -> None:
    limits = limits_of(judge(holding(*history)))
    position = reduce(apply_fill, history, MarketAccount(ticker="M")).position_e2
    assert -limits.max_short_e2 <= position <= limits.max_long_e2


LADDER = [
    {"A": facts(strike=above(1)), "B": facts(strike=above(2)), "C": facts(strike=above(3))},
    {"A": facts(strike=above(1)), "B": facts(strike=above(1)), "C": facts()},
    {
        "A": facts(strike=Strike(figure="E", kind=StrikeKind.BETWEEN, floor=1, cap=2)),
        "B": facts(strike=Strike(figure="E", kind=StrikeKind.BETWEEN, floor=2, cap=3)),
        "C": facts(strike=Strike(figure="E", kind=StrikeKind.LESS, cap=2)),
    },
    {"A": facts(strike=above(1)), "B": facts(strike=above(2)), "C": facts(strike=above(1, figure="E-OTHER"))},
]
EXCLUSIVE = {name: facts(is_exclusive=True) for name in "ABC"}
CONTRADICTED = {name: attrs.evolve(one, is_exclusive=True) for name, one in LADDER[1].items()}


@example(  # two that cannot both be lost: one is given up, and the other made as large as its limit allows
    history=[fill(Side.ASK, 4_000, 3_000, ticker="A"), fill(Side.ASK, 4_000, 3_000, ticker="B")],
    prices=(4_000, 4_000, 4_000),
    ways=(0, -1, 0),
    markets=EXCLUSIVE,
)
@example(
    history=[fill(Side.BID, 6_000, 3_000, ticker="A"), fill(Side.ASK, 4_000, 3_000, ticker="B")],
    prices=(4_000, 4_000, 4_000),
    ways=(-1, -1, 0),
    markets=LADDER[0],
)
@settings(max_examples=400)
@given(
    history=st.lists(
        st.builds(
            fill,
            side=st.sampled_from(Side),
            price_e4=st.integers(1, 9_999),
            count_e2=st.integers(1, 2_000),
            ticker=st.sampled_from("ABC"),
        ),
        max_size=6,
    ),
    prices=st.tuples(*[st.integers(1, 9_999)] * 3),
    ways=st.tuples(*[st.sampled_from((-1, 0, 1))] * 3),
    markets=st.sampled_from([EXCLUSIVE, *LADDER, CONTRADICTED]),
)
def test_i8_closing_and_reversing_legs_of_a_hedge_passes_no_event_cap(
    history: list[Fill], prices: tuple[int, ...], ways: tuple[int, ...], markets: dict[str, MarketFacts]
) -> None:
    cap, is_exclusive = 20 * DOLLAR, markets["A"].is_exclusive
    before = holding(*history)
    accounts = [before.account(name) for name in "ABC"]
    reach = event_reach_e6([markets[one.ticker].with_account(one) for one in accounts], is_exclusive=is_exclusive)
    marks = {name: mark(price, price) for name, price in zip("ABC", prices, strict=True)}
    limits = judge(before, marks, markets, parameters=attrs.evolve(PARAMETERS, event_cap_e6=cap)).limits
    after = []
    for account, price, way in zip(accounts, prices, ways, strict=True):
        limit = limits[account.ticker]
        wanted = {1: limit.max_long_e2, 0: 0, -1: -limit.max_short_e2}[way]
        change = wanted - account.position_e2
        side = Side.BID if change > 0 else Side.ASK
        traded = account if change == 0 else apply_fill(account, fill(side, price, abs(change), ticker=account.ticker))
        after.append(markets[account.ticker].with_account(traded))
    assert event_exposure_e6(after, is_exclusive=is_exclusive) <= max(cap, reach)
