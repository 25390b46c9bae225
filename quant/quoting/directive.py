"""A directive: how much of its strategy a market maker may use now, by the word of the program that owns its market.

1. FREEZE: nothing rests. REDUCE_ONLY: only the side that works the position off, with no more than the position.
2. In REDUCE_ONLY an exit limit is the worst price at which the order may rest: the strategy's price, moved to the
   limit where it is worse, and never into the other side's touch. A strategy that wants nothing there, for whatever
   reason, joins the best of its side: leaving is not a matter of taste. Only a one-sided book has no place to join.
3. A directive past its time says nothing. A market that may only be quoted on somebody's word (a session's) is then
   frozen, as it is before the first one; any other is quoted as always.
"""

from __future__ import annotations

import enum

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from quant.quoting.decision import QuoteDecision, QuoteInputs, QuoteTarget


class QuoteMode(enum.StrEnum):
    """How much of its strategy a market maker may use."""

    QUOTE = "quote"
    FREEZE = "freeze"  # nothing rests, the position stays
    REDUCE_ONLY = "reduce_only"  # only the side that brings the position nearer to flat, with no more than it


@attrs.frozen(kw_only=True)
class Directive:
    """One directive; times are monotonic seconds."""

    mode: QuoteMode
    valid_until_s: float
    exit_limit_e4: PriceE4 | None = None
    reasons: tuple[str, ...] = ()


_QUOTE = Directive(mode=QuoteMode.QUOTE, valid_until_s=0.0)
_UNHEARD = Directive(mode=QuoteMode.FREEZE, valid_until_s=0.0, reasons=("no session speaks for this market",))
_EXPIRED = Directive(mode=QuoteMode.FREEZE, valid_until_s=0.0, reasons=("the session's last word is too old",))


def in_force(directive: Directive | None, now_s: float, *, is_needed: bool) -> Directive:
    """Returns the directive to act on at `now_s` (rule 3); `is_needed` says that quoting takes somebody's word."""
    if directive is not None and now_s <= directive.valid_until_s:
        return directive
    if not is_needed:
        return _QUOTE
    return _UNHEARD if directive is None else _EXPIRED


def reduce_only(wanted: QuoteDecision, inputs: QuoteInputs, directive: Directive, grid: PriceGrid) -> QuoteDecision:
    """Returns what of a strategy's decision works the position off, within the directive's limit (rule 2)."""
    reasons = (*directive.reasons, "only the position is worked off")
    if inputs.position_e2 == 0:
        return QuoteDecision.nothing(*reasons, "there is no position")
    side = Side.ASK if inputs.position_e2 > 0 else Side.BID
    price_e4 = _exit_price(side, wanted, inputs, directive, grid)
    if price_e4 is None:
        return QuoteDecision.nothing(*reasons, "nobody quotes where the position could be worked off")
    target = QuoteTarget(price_e4=price_e4, count_e2=CountE2(abs(inputs.position_e2)))
    return attrs.evolve(
        wanted,
        bid=target if side is Side.BID else None,
        ask=target if side is Side.ASK else None,
        reasons=reasons,
    )


def _exit_price(
    side: Side, wanted: QuoteDecision, inputs: QuoteInputs, directive: Directive, grid: PriceGrid
) -> PriceE4 | None:
    own, other = (inputs.best_ask, inputs.best_bid) if side is Side.ASK else (inputs.best_bid, inputs.best_ask)
    target = wanted.ask if side is Side.ASK else wanted.bid
    if target is None and own is None:
        return None
    price_e4 = target.price_e4 if target is not None else (own.price_e4 if own is not None else PriceE4(0))
    limit_e4 = directive.exit_limit_e4
    if side is Side.ASK:
        least = [price_e4] if limit_e4 is None else [price_e4, limit_e4]
        least += [] if other is None else [PriceE4(other.price_e4 + 1)]
        return grid.ceil(max(least))
    most = [price_e4] if limit_e4 is None else [price_e4, limit_e4]
    most += [] if other is None else [PriceE4(other.price_e4 - 1)]
    return grid.floor(min(most))
