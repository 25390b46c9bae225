"""Incentive quoting at a slower beat, and the shadow accrual of what it would have earned.

Weighing prices and sizes against a program costs more than any other strategy, and rewards are counted by the second:

1. The question is asked anew when the touch, the depth or the program changed, at most every `ask_every_s`; a changed
   position or limit asks at once, and so does a touch that has come to meet what is wanted.
2. In between the last answer stands, for `ASK_AGAIN_S` at most.
3. Once a second the orders that rest are scored by each running program's own rule; the sums are only a forecast, kept
   beside the books. A market maker that starts anew begins with nothing accrued.
"""

from __future__ import annotations

import math

import attrs

from kalshi.grid import PriceGrid
from kalshi.types import Level, Side
from quant.quoting import incentive
from quant.quoting.decision import QuoteDecision, QuoteInputs
from quant.quoting.incentive import IncentiveFacts, IncentiveParameters
from quant.quoting.own_orders import OwnOrder, own_levels
from quant.rewards.accrual import Accrual, accrued_e6, observe
from quant.rewards.scoring import score_snapshot
from quant.rewards.terms import LiquidityTerms

SCORE_EVERY_S = 1.0
ASK_AGAIN_S = 5.0  # time and accruals change what must still be earned
PROGRAMS_MAX = 16  # of one market; the newest terms are kept


@attrs.frozen(kw_only=True)
class IncentiveMemory:
    """The last answer, what it was given to, and the accruals by program."""

    answer: QuoteDecision | None = None
    asked_s: float = -math.inf
    asked_about: tuple[object, ...] = ()
    urgent: tuple[object, ...] = ()
    scored_s: float = -math.inf
    accruals: tuple[Accrual, ...] = ()


@attrs.frozen(kw_only=True)
class MarketDepth:
    """Levels of others, best first, our orders, and exchange time."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    own: tuple[OwnOrder, ...]
    now_ms: int


def decide(
    memory: IncentiveMemory,
    inputs: QuoteInputs,
    depth: MarketDepth,
    programs: tuple[LiquidityTerms, ...],
    parameters: IncentiveParameters,
    grid: PriceGrid,
    now_s: float,
) -> tuple[IncentiveMemory, QuoteDecision]:
    """Returns what should rest for the programs at `now_s` (monotonic), and what is to be remembered."""
    if now_s - memory.scored_s >= SCORE_EVERY_S:
        memory = attrs.evolve(memory, scored_s=now_s, accruals=_scored(memory.accruals, depth, programs))
    urgent = (inputs.position_e2, inputs.max_long_e2, inputs.max_short_e2, inputs.bid_allowed, inputs.ask_allowed)
    running = tuple(terms for terms in programs if terms.is_running(depth.now_ms))
    about = (depth.bids, depth.asks, running)
    answer = memory.answer
    if answer is not None and urgent == memory.urgent and not _is_met(answer, inputs):
        since_s = now_s - memory.asked_s
        is_due = since_s >= parameters.ask_every_s and about != memory.asked_about
        if not is_due and since_s < ASK_AGAIN_S:
            return memory, answer
    facts = IncentiveFacts(
        programs=programs,
        now_ms=depth.now_ms,
        other_bids=depth.bids,
        other_asks=depth.asks,
        accrued_e6=total_accrued_e6(memory, programs),
    )
    answer = incentive.quote(inputs, facts, parameters, grid)
    return attrs.evolve(memory, answer=answer, asked_s=now_s, asked_about=about, urgent=urgent), answer


def total_accrued_e6(memory: IncentiveMemory, programs: tuple[LiquidityTerms, ...]) -> float:
    """Returns the shadow accrual of these programs in 1/1,000,000 dollar."""
    terms = {each.program_id: each for each in programs}
    return sum(
        accrued_e6(accrual, terms[accrual.program_id]) for accrual in memory.accruals if accrual.program_id in terms
    )


def _scored(
    accruals: tuple[Accrual, ...], depth: MarketDepth, programs: tuple[LiquidityTerms, ...]
) -> tuple[Accrual, ...]:
    known = {accrual.program_id: accrual for accrual in accruals}
    own_bids, own_asks = own_levels(depth.own, Side.BID), own_levels(depth.own, Side.ASK)
    for terms in programs:
        if terms.is_running(depth.now_ms):
            score = score_snapshot(depth.bids, depth.asks, own_bids, own_asks, terms)
            before = known.get(terms.program_id, Accrual(program_id=terms.program_id))
            known[terms.program_id] = observe(before, score, depth.now_ms, terms)
    return tuple(known.values())[-PROGRAMS_MAX:]


def _is_met(answer: QuoteDecision, inputs: QuoteInputs) -> bool:
    """Says whether the other side's touch has come to what is wanted, or is gone."""
    bid, ask = inputs.best_bid, inputs.best_ask
    if bid is None or ask is None:
        return True
    crosses_ask = answer.bid is not None and answer.bid.price_e4 >= ask.price_e4
    return crosses_ask or (answer.ask is not None and answer.ask.price_e4 <= bid.price_e4)
