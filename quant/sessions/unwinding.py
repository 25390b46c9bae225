"""How a session that has ended its quoting gets rid of what it holds, without being forced at the worst moment.

    passive   nothing rests any more; a small position goes at the touch at once, a larger one waits for the price to
              come back and is then reduced by resting orders, never farther than the slippage limit from the touch
              at which the session ended
    soft      reducing quotes at once, for a limited time; then hard
    hard      out now, as far as the slippage limit from the present touch, again and again

1. Only a regime that kills hard turns another way into the hard one, and a soft exit that took too long. Stale
   regimes do not: a scanner may well have stopped looking at a market whose event is over.
2. It is over once nothing was held and nothing rested for SETTLED_S: the last fill may be heard of a moment later
   than the end of its order.
3. It is over as well when nothing more can or may be done: the market ended or belongs to another program, a person
   switched the program off or killed the bot (exits that are under way go on then), or `unwind_max_s` has passed.
   What is left is then handed to a person and to the stop loss.

Source: the documents' passive exit.
"""

from __future__ import annotations

from typing import Final

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from quant.quoting.directive import QuoteMode
from quant.sessions.facts import MarketSeen, Moment
from quant.sessions.guardrails import Ending, ExitStyle, regime_kill
from quant.sessions.parameters import ExitParameters, SessionParameters
from quant.sessions.session import ExitWish, Phase, Session, Wish
from quant.stop_loss import exit_limit

SETTLED_S: Final = 1.0
_FIRST_PHASE = {
    ExitStyle.PASSIVE: Phase.WAITING,
    ExitStyle.SOFT: Phase.SOFT_EXIT,
    ExitStyle.HARD: Phase.HARD_EXIT,
}


def begin(session: Session, ending: Ending, moment: Moment) -> Session:
    """Returns the session on its way out; it must not be one that ends at once."""
    leaving = attrs.evolve(
        session,
        end_reason=ending.reason,
        unwinding_since_s=moment.now_s,
        reference_e4=moment.market(session.ticker).touch_e4,
        flat_since_s=None,
    )
    return leaving.to(_FIRST_PHASE[ending.style], moment.now_s)


def go_on(session: Session, moment: Moment, parameters: SessionParameters) -> Session:
    """Returns an unwinding session one moment later, with what it wants of its market now."""
    market, now_s = moment.market(session.ticker), moment.now_s
    is_flat = moment.are_positions_known and not market.position_e2 and not market.has_orders
    session = attrs.evolve(
        session,
        reference_e4=market.touch_e4 if session.reference_e4 is None else session.reference_e4,
        had_market=session.had_market or market.owner == moment.program,
        flat_since_s=(now_s if session.flat_since_s is None else session.flat_since_s) if is_flat else None,
    )
    phase = _next_phase(session, market, moment, parameters)
    reason = f"session ends ({session.end_reason}): {phase}"
    return attrs.evolve(session.to(phase, now_s, reason), wish=_wish(session, phase, market, parameters.exits))


def _next_phase(session: Session, market: MarketSeen, moment: Moment, parameters: SessionParameters) -> Phase:
    exits, lasted_s = parameters.exits, moment.now_s - session.phase_since_s
    kill = regime_kill(session, market, moment.now_s, parameters)
    if kill is not None and kill.style is ExitStyle.HARD:
        return Phase.HARD_EXIT
    match session.phase:
        case Phase.SOFT_EXIT if lasted_s >= exits.soft_exit_max_s:
            return Phase.HARD_EXIT
        case Phase.WAITING if 0 < abs(market.position_e2) < exits.small_below_e2:
            return Phase.CLOSING
        case Phase.WAITING | Phase.CLOSING if lasted_s >= exits.reversion_wait_s:
            return Phase.REDUCING
        case phase:
            return phase


def is_settled(session: Session, now_s: float) -> bool:
    """Says whether nothing has been held and nothing has rested for long enough."""
    return session.flat_since_s is not None and now_s - session.flat_since_s >= SETTLED_S


def why_given_up(session: Session, moment: Moment, parameters: SessionParameters) -> str:
    """Returns why an unwinding session must let go of its market as it is; empty while it need not."""
    market = moment.market(session.ticker)
    is_exiting = session.phase in (Phase.HARD_EXIT, Phase.CLOSING)
    since_s = moment.now_s if session.unwinding_since_s is None else session.unwinding_since_s
    lasted_s = moment.now_s - since_s
    if market.has_ended:
        return "the market ended"
    # After a restart another program may have it for a moment, until our claim is heard.
    is_expected_back = not session.had_market and lasted_s < parameters.guardrails.assignment_wait_s
    if market.owner not in (moment.program, None) and not is_expected_back:
        return f"the market belongs to {market.owner} now"
    if not moment.is_on and not is_exiting:
        return "the program was switched off"
    if moment.is_killed and not is_exiting:
        return "the kill switch is on"
    if lasted_s >= parameters.exits.unwind_max_s:
        return f"it could not be closed within {parameters.exits.unwind_max_s:g} s"
    return ""


def _wish(session: Session, phase: Phase, market: MarketSeen, exits: ExitParameters) -> Wish:
    position_e2, grid = market.position_e2, market.grid
    if not position_e2 or grid is None or session.reference_e4 is None:
        return Wish()
    side = Side.ASK if position_e2 > 0 else Side.BID
    worst_e4 = exit_limit(side, session.reference_e4, exits.slippage_e4, grid)
    match phase:
        case Phase.SOFT_EXIT | Phase.REDUCING:
            return Wish(mode=QuoteMode.REDUCE_ONLY, exit_limit_e4=worst_e4)
        case Phase.CLOSING if market.touch_e4 is not None and _is_within(side, market.touch_e4, worst_e4):
            return _exit(side, position_e2, market.touch_e4, 0, grid)
        case Phase.HARD_EXIT if market.touch_e4 is not None:
            return _exit(side, position_e2, market.touch_e4, exits.slippage_e4, grid)
        case _:
            return Wish()


def _is_within(side: Side, price_e4: PriceE4, worst_e4: PriceE4) -> bool:
    return price_e4 >= worst_e4 if side is Side.ASK else price_e4 <= worst_e4


def _exit(side: Side, position_e2: CountE2, touch_e4: PriceE4, slippage_e4: int, grid: PriceGrid) -> Wish:
    limit_e4 = exit_limit(side, touch_e4, slippage_e4, grid)
    return Wish(exit=ExitWish(side=side, count_e2=CountE2(abs(position_e2)), limit_e4=limit_e4))
