"""What a decision costs: from a market's book view to the quotes that are wanted, for every strategy.

The views are those of seeded frames through the real feed protocol. Each goes into the market maker as a batch of its
mailbox does, and what it wants comes out into the desk's mailbox: own orders taken out, volatility, inputs, strategy,
target. Only the wait between two decisions is left out. Refill is driven by hand in the same surroundings, for its
actor waits for the Ledger. Incentive quoting answers most updates with what it has decided a moment ago; what it costs
to ask anew has a row of its own, and no limit.

Times are the machine's, and the strategies take turns so that their ratios mean something. Calls and bytecodes of one
decision belong to no machine: compare those.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Final

import attrs

from actors.market import MarketMaker, MarketParameters
from actors.messages.market import BookCondition, BookView, MarketRules, ProgramTerms
from actors.messages.money import PositionView
from actors.messages.orders import QuoteTarget, TargetQuotes, WorkingOrder, WorkingOrders
from actors.messages.table import CHANNELS
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.mailbox import Mailbox
from actors.runtime.seams import Seams, real_seams
from actors.runtime.switchboard import Switchboard
from kalshi.feed import FeedProtocol
from kalshi.feed_events import BookChanged
from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Level, PriceRange, Side
from ops.bench_frames import make_frames, tickers
from quant.quoting import incentive
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.decision import QuoteDecision, QuoteInputs
from quant.quoting.glft import GlftParameters
from quant.quoting.hybrid import HybridParameters
from quant.quoting.maker import MakerParameters, QuotedBy
from quant.quoting.own_orders import OwnOrder, others_levels
from quant.quoting.refill import refill
from quant.quoting.refill_state import StakeParameters, StakeState
from quant.quoting.touch import TouchParameters
from quant.rewards.terms import DEPTH_RULE_FROM_MS, LiquidityTerms

SEED: Final = 20_261_126
VIEWS: Final = 400
ROUNDS: Final = 7
COUNTED: Final = 200  # decisions whose calls and bytecodes are counted
LIMIT_US: Final = 60.0  # what a decision may cost at the median

_LEVELS: Final = 5
FRAMES_PER_VIEW: Final = 60
_DECIDE_EVERY_S: Final = 0.05  # as a market maker waits between two decisions
_TICKER: Final = tickers()[0]
_RANGES: Final = (PriceRange(start_e4=PriceE4(0), end_e4=PriceE4(10_000), step_e4=PriceE4(50)),)
_START_MS: Final = DEPTH_RULE_FROM_MS + 86_400_000
_HOUR_MS: Final = 3_600_000
_MODELS: Final[dict[str, QuotedBy]] = {
    "avellaneda_stoikov": AvellanedaStoikovParameters(),
    "glft": GlftParameters(),
    "hybrid": HybridParameters(),
    "touch": TouchParameters(),
    "incentive": incentive.IncentiveParameters(),
}
ASKED_ANEW: Final = "incentive anew"

Decide = Callable[[BookView], object]


@attrs.frozen(kw_only=True)
class Cost:
    """What one strategy's decisions cost; `median_us` is that of its best round, `p99_us` that of all of them."""

    median_us: float
    p99_us: float
    calls: float
    bytecodes: float


class _Clock:
    """Time that passes only between decisions, so that every run decides the same."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def seams(self) -> Seams:
        def now() -> float:
            return self.now_s

        def wall_ms() -> int:
            return _START_MS + int(self.now_s * 1000)

        return attrs.evolve(real_seams(SEED), now=now, wall_ms=wall_ms)


def book_views(count: int = VIEWS) -> list[BookView]:
    """Returns the views of one market, one per changed touch: most strategies decide nothing on other changes."""
    feed = FeedProtocol(lambda: 0.0)
    feed.subscribe("orderbook_delta", tickers())
    feed.outbox()
    views: list[BookView] = []
    touch: tuple[Level | None, Level | None] = (None, None)
    for frame in make_frames(SEED, FRAMES_PER_VIEW * count):
        events = feed.receive((frame,))
        if any(isinstance(event, BookChanged) and event.ticker == _TICKER for event in events):
            tracked = feed.books[_TICKER]
            before, touch = touch, (tracked.book.best_bid(), tracked.book.best_ask())
            if touch == before:
                continue
            views.append(
                BookView(
                    ticker=_TICKER,
                    condition=BookCondition.LIVE,
                    reason="",
                    generation=1,
                    sequence=tracked.sequence,
                    bids=tracked.book.levels(Side.BID, _LEVELS),
                    asks=tracked.book.levels(Side.ASK, _LEVELS),
                    ts_ms=tracked.last_ts_ms,
                    published_at_s=0.0,
                )
            )
    return views[:count]


def _rules() -> MarketRules:
    return MarketRules(
        ticker=_TICKER,
        event_ticker="",
        series_ticker="",
        category="",
        title="",
        is_tradable=True,
        price_ranges=_RANGES,
        close_time_ms=_START_MS + 6 * _HOUR_MS,
        exchange_index=0,
        mutually_exclusive=False,
    )


def _working(view: BookView) -> WorkingOrders:
    """Both our orders, each at the second price of its side."""
    return WorkingOrders(
        ticker=_TICKER,
        orders=tuple(
            WorkingOrder(
                client_order_id=side.value,
                side=side,
                price_e4=levels[1].price_e4,
                remaining_e2=CountE2(min(1_000, levels[1].count_e2)),
                state="resting",
                is_quote=True,
            )
            for side, levels in ((Side.BID, view.bids), (Side.ASK, view.asks))
        ),
    )


def _position() -> PositionView:
    return PositionView(
        ticker=_TICKER,
        position_e2=CountE2(1_500),
        average_entry_e4=PriceE4(5_000),
        mark_e4=PriceE4(5_000),
        realised_e6=MoneyE6(0),
        unrealised_e6=MoneyE6(0),
        fees_e6=MoneyE6(0),
        watermark=1,
    )


def _market_maker(parameters: QuotedBy, first: BookView) -> Decide:
    """Returns a market maker as a function; the desk's mailbox takes what it wants."""
    clock = _Clock()
    seams = clock.seams()
    switchboard = Switchboard(CHANNELS, seams.now)
    for receiver in ("order_desk", "ledger"):
        switchboard.mailbox(receiver)
    name = f"market:{_TICKER}"
    mailbox = Mailbox(name, (), seams.now, 1)
    outbox = switchboard.outbox(name)
    context = ChildContext(name=name, incarnation=1, mailbox=mailbox, outbox=outbox, seams=seams, log=silent_log(name))
    sizes = MarketParameters()
    maker_parameters = MakerParameters(
        strategy=parameters, order_size_e2=sizes.order_size_e2, max_position_e2=sizes.max_position_e2
    )
    maker = MarketMaker(context, _TICKER, "bench", maker_parameters)

    def hand(batch: tuple[object, ...]) -> None:
        clock.now_s += _DECIDE_EVERY_S
        maker.turn(batch)

    programs = ProgramTerms(ticker=_TICKER, programs=(_TERMS,), heard_at_s=clock.now_s)
    hand((_rules(), _position(), _working(first), programs))
    return lambda view: hand((view,))


# -- the strategies that are driven by hand --


def _inputs(view: BookView, own: tuple[OwnOrder, ...]) -> tuple[QuoteInputs, incentive.IncentiveFacts]:
    bids, asks = others_levels(view.bids, own, Side.BID), others_levels(view.asks, own, Side.ASK)
    inputs = QuoteInputs(
        best_bid=bids[0],
        best_ask=asks[0],
        position_e2=CountE2(1_500),
        max_position_e2=CountE2(100_000),
        order_size_e2=CountE2(10_000),
        sigma_dollars_per_sqrt_s=0.001,
        seconds_to_close=6 * 3_600.0,
    )
    facts = incentive.IncentiveFacts(programs=(_TERMS,), now_ms=_START_MS, other_bids=bids, other_asks=asks)
    return inputs, facts


_TERMS: Final = LiquidityTerms(
    program_id="bench",
    ticker=_TICKER,
    start_ms=_START_MS - _HOUR_MS,
    end_ms=_START_MS + 12 * _HOUR_MS,
    period_reward_e6=MoneyE6(400_000_000),
    target_e2=CountE2(300_000),
)


def _incentive(first: BookView) -> Decide:
    parameters, grid, own = incentive.IncentiveParameters(), PriceGrid(_RANGES), _working(first).as_own()

    def decide(view: BookView) -> object:
        inputs, facts = _inputs(view, own)
        return _as_target(incentive.quote(inputs, facts, parameters, grid), view)

    return decide


def _refill(first: BookView) -> Decide:
    parameters = StakeParameters(
        ticker=_TICKER, count_e2=CountE2(10_000), yes_price_e4=PriceE4(4_500), no_price_e4=PriceE4(4_500)
    )
    grid, own, state = PriceGrid(_RANGES), _working(first).as_own(), StakeState(ticker=_TICKER)

    def decide(view: BookView) -> object:
        nonlocal state
        inputs, facts = _inputs(view, own)
        step = refill(inputs, state, facts.now_ms, parameters, grid)
        state = step.state
        return _as_target(step.decision, view)

    return decide


def _as_target(decision: QuoteDecision, view: BookView) -> TargetQuotes:
    bid, ask = decision.bid, decision.ask
    return TargetQuotes(
        ticker=view.ticker,
        bid=None if bid is None else QuoteTarget(price_e4=bid.price_e4, count_e2=bid.count_e2),
        ask=None if ask is None else QuoteTarget(price_e4=ask.price_e4, count_e2=ask.count_e2),
        reasons=decision.reasons,
        generation=view.generation,
        sequence=view.sequence,
        incarnation=1,
        decided_at_s=0.0,
    )


def deciders(first: BookView) -> dict[str, Decide]:
    """Returns every strategy as a function from a view to what is wanted then."""
    makers = {name: _market_maker(parameters, first) for name, parameters in _MODELS.items()}
    return {**makers, "refill": _refill(first), ASKED_ANEW: _incentive(first)}


# -- measuring --


def measure_decisions(rounds: int = ROUNDS, views: int = VIEWS, counted: int = COUNTED) -> dict[str, Cost]:
    """Returns what each strategy's decisions cost; the strategies take turns."""
    seen = book_views(views)
    strategies = deciders(seen[0])
    times_us: dict[str, list[list[float]]] = {name: [] for name in strategies}
    for _ in range(rounds):
        for name, decide in strategies.items():
            times_us[name].append([_timed_us(decide, view) for view in seen])
    return {
        name: Cost(
            median_us=min(statistics.median(times) for times in times_us[name]),
            p99_us=statistics.quantiles([time_us for times in times_us[name] for time_us in times], n=100)[98],
            calls=_count(decide, seen[:counted], "call", "c_call") / len(seen[:counted]),
            bytecodes=_count(decide, seen[:counted], "opcode") / len(seen[:counted]),
        )
        for name, decide in strategies.items()
    }


def _timed_us(decide: Decide, view: BookView) -> float:
    # The thread's own time: a busy machine takes this process off the processor in the middle of decisions.
    started_ns = time.thread_time_ns()
    decide(view)
    return (time.thread_time_ns() - started_ns) / 1000


def _count(decide: Decide, views: Sequence[BookView], *kinds: str) -> int:
    """Returns how many events of these kinds the interpreter reports while the views are decided on."""
    count = 0

    def saw(_: FrameType, event: str, __: Any) -> None:
        nonlocal count
        count += event in kinds

    def traced(frame: FrameType, event: str, argument: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        saw(frame, event, argument)
        return traced

    if "opcode" in kinds:
        before = sys.gettrace()
        sys.settrace(traced)
        try:
            _all(decide, views)
        finally:
            sys.settrace(before)
    else:
        sys.setprofile(saw)
        try:
            _all(decide, views)
        finally:
            sys.setprofile(None)
    return count


def _all(decide: Decide, views: Sequence[BookView]) -> None:
    for view in views:
        decide(view)


def report_decisions(costs: dict[str, Cost]) -> list[str]:
    """Returns the lines to print about decisions."""
    least_us = min(cost.median_us for cost in costs.values())
    lines = [f"decisions: book view in to quotes out, at most {LIMIT_US:.0f} us at the median"]
    for name, cost in costs.items():
        verdict = "" if name == ASKED_ANEW else "holds" if cost.median_us <= LIMIT_US else "TOO SLOW"
        lines.append(
            f"  {name:<20} {cost.median_us:>6.1f} us {verdict:<8} p99 {cost.p99_us:>6.1f} us, "
            f"{cost.calls:>5,.0f} calls, {cost.bytecodes:>6,.0f} bytecodes, ratio {cost.median_us / least_us:.2f}"
        )
    return lines


def main() -> None:
    print("\n".join(report_decisions(measure_decisions())))


if __name__ == "__main__":
    main()
