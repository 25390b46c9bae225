"""Refill quoting: an order at a person's price, posted again when it is filled, until a cap says stop.

1. The first round of a leg rests at the form's price; a later one at its base less the cents off: the price of the
   leg's last fill, the market's mean (rounded down), or the market's best offer of that outcome. A round keeps its
   price until it is filled, and with it its place in the queue.
2. A price outside of the stake's bounds or off every grid price is not posted; a price between grid prices goes down,
   so that rounding never pays more. The best offer itself would take: an order stays a step inside the other side's
   touch, whatever the base.
3. A round that would bring filled and resting together over a cap is not posted, the leg stops, and one alert per cap
   is given. So no cap is ever passed, not even by fills on their way. The event's caps count every stake of it.
4. After a round that was filled within `fast_fill_s` the leg waits for `cooldown_s`.
5. Both legs together must leave something of the dollar that a pair pays: where reposting has moved them into each
   other, the younger one is withheld (both, where they are of one age).
6. Position limits and risk's hold through quant.quoting.sizing, with neutral bands, no buffer and no haircut: the
   figures are a person's own, and fractions are left to rest.

Source: feature D4; the design documents' per-stake form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import ONE_DOLLAR_E4, CountE2, MoneyE6, PriceE4, complement, notional
from kalshi.types import Side
from quant.quoting.decision import QuoteDecision, QuoteInputs, QuoteTarget
from quant.quoting.price_bands import PriceBandParameters
from quant.quoting.refill_state import LegState, RepostBase, StakeParameters, StakeState
from quant.quoting.sizing import SizingParameters, sizes

_SIZING: Final = SizingParameters(
    position_buffer=0.0,
    size_step_e2=1,
    order_min_e2=1,
    long_dated_factor=1.0,
    price_bands=PriceBandParameters(soft_edge=0.0, hard_edge=0.0),
)
# Sizing asks for a price only to find its band, and there is none.
_ANY_PRICE: Final = 0.5


@attrs.frozen(kw_only=True)
class EventParameters:
    """Several stakes under one name, and caps over all of them; None is no cap.

    `is_exclusive` says that at most one of the markets can settle YES. Raises ValueError for a market that stands in it
    twice, and for buying YES of exclusive outcomes for a dollar or more together.
    """

    stakes: tuple[StakeParameters, ...] = ()
    is_exclusive: bool = False
    max_count_e2: CountE2 | None = None
    max_money_e6: MoneyE6 | None = None

    def __attrs_post_init__(self) -> None:
        if len({stake.ticker for stake in self.stakes}) < len(self.stakes):
            raise ValueError("a market may have one stake in an event")
        bought = [price for stake in self.stakes if (price := stake.first_price_e4(Side.BID)) is not None]
        if self.is_exclusive and len(bought) > 1 and sum(bought) >= ONE_DOLLAR_E4:
            raise ValueError("YES of exclusive outcomes must cost less together than the dollar that one of them pays")


@attrs.frozen(kw_only=True)
class SharedRoom:
    """What the event's caps leave to one stake, over filled and resting; None is no cap."""

    count_e2: int | None = None
    money_e6: int | None = None


@attrs.frozen(kw_only=True)
class RefillAlert:
    """Something that a person is to be told once."""

    ticker: str
    reason: str


@attrs.frozen(kw_only=True)
class RefillStep:
    """What should rest, the state to keep and to store, and what a person is to be told."""

    decision: QuoteDecision
    state: StakeState
    alerts: tuple[RefillAlert, ...] = ()


def shared_room(event: EventParameters, states: Mapping[str, StakeState], ticker: str) -> SharedRoom:
    """Returns what the event's caps leave to the stake of `ticker` beside all the others."""
    others = [state for state in states.values() if state.ticker != ticker]
    count, money = event.max_count_e2, event.max_money_e6
    return SharedRoom(
        count_e2=None if count is None else count - sum(state.committed_e2 for state in others),
        money_e6=None if money is None else money - sum(state.committed_e6 for state in others),
    )


def refill(
    inputs: QuoteInputs,
    state: StakeState,
    now_ms: int,
    parameters: StakeParameters,
    grid: PriceGrid,
    room: SharedRoom = SharedRoom(),
) -> RefillStep:
    """Returns what should rest for a stake at exchange time `now_ms`, and its state after that.

    `inputs.order_size_e2` plays no part: the size is the stake's.
    """
    best_bid, best_ask = inputs.best_bid, inputs.best_ask
    if best_bid is not None and best_ask is not None and best_bid.price_e4 >= best_ask.price_e4:
        return RefillStep(decision=QuoteDecision.nothing("the book is crossed or locked"), state=state)
    if parameters.expires_at_ms is not None and now_ms >= parameters.expires_at_ms:
        return RefillStep(decision=QuoteDecision.nothing("the stake has expired"), state=state)
    before = state.alerted
    reasons: list[str] = []
    for side in Side:
        leg = state.leg(side)
        if parameters.first_price_e4(side) is None:
            continue
        if leg.remaining_e2 == 0:
            state, reason = _opened(side, state, inputs, now_ms, parameters, grid, room)
            reasons += [] if reason is None else [f"{side}: {reason}"]
    targets: dict[Side, QuoteTarget | None] = {}
    for side in Side:
        targets[side], why = _resting(side, state.leg(side), inputs, parameters, grid)
        reasons += why
    bid, ask = _apart(targets[Side.BID], targets[Side.ASK], state, reasons)
    return RefillStep(
        decision=QuoteDecision(bid=bid, ask=ask, reasons=tuple(reasons)),
        state=state,
        alerts=tuple(
            RefillAlert(ticker=state.ticker, reason=reason) for reason in state.alerted if reason not in before
        ),
    )


def _opened(
    side: Side,
    state: StakeState,
    inputs: QuoteInputs,
    now_ms: int,
    parameters: StakeParameters,
    grid: PriceGrid,
    room: SharedRoom,
) -> tuple[StakeState, str | None]:
    """Returns the state with a new round of the leg, or why there is none."""
    leg = state.leg(side)
    if leg.stop_reason is not None:
        return state, f"stopped, {leg.stop_reason}"
    count_e2 = parameters.count_e2 if leg.rounds == 0 else parameters.reload_count_e2()
    if count_e2 == 0:
        return state, "nothing is to be reloaded"
    if now_ms < leg.cooldown_until_ms:
        return state, "cooling down after a fast fill"
    price_e4 = _round_price(side, leg, inputs, parameters, grid)
    if price_e4 is None:
        return state, f"there is no price for {parameters.repost_base.value} now"
    if not parameters.price_min_e4 <= price_e4 <= parameters.price_max_e4:
        return state, f"{price_e4 / 100:g} cents are outside of the stake's bounds"
    cap = _cap_passed(state, count_e2, notional(price_e4, count_e2), parameters, room)
    if cap is not None:
        stopped = state.with_leg(side, attrs.evolve(leg, stop_reason=cap))
        alerted = stopped.alerted if cap in stopped.alerted else (*stopped.alerted, cap)
        return attrs.evolve(stopped, alerted=alerted), f"stopped, {cap}"
    opened = attrs.evolve(leg, rounds=leg.rounds + 1, remaining_e2=count_e2, price_e4=price_e4, posted_at_ms=now_ms)
    return state.with_leg(side, opened), None


def _round_price(
    side: Side, leg: LegState, inputs: QuoteInputs, parameters: StakeParameters, grid: PriceGrid
) -> PriceE4 | None:
    """Returns the outcome's price for the next round, on the grid, or None where the market gives none."""
    if leg.rounds == 0:
        first = parameters.first_price_e4(side)
        return None if first is None else _floor(side, first, grid)
    base = _base(side, leg, inputs, parameters.repost_base)
    if base is not None and parameters.repost_base is RepostBase.MARKET_MEAN:
        base = _floor(side, base, grid)
    return None if base is None else _floor(side, base - parameters.off_e4, grid)


def _base(side: Side, leg: LegState, inputs: QuoteInputs, base: RepostBase) -> int | None:
    own, other = (inputs.best_bid, inputs.best_ask) if side is Side.BID else (inputs.best_ask, inputs.best_bid)
    match base:
        case RepostBase.PREVIOUS_FILL:
            return leg.last_fill_price_e4
        case RepostBase.MARKET_BEST_OFFER:
            return None if other is None else side.outcome_price(other.price_e4)
        case RepostBase.MARKET_MEAN:
            if own is None or other is None:
                return None
            return (side.outcome_price(own.price_e4) + side.outcome_price(other.price_e4)) // 2


def _floor(side: Side, own_price_e4: int, grid: PriceGrid) -> PriceE4 | None:
    """Returns the outcome's price on the grid, never above the one given."""
    if side is Side.BID:
        return grid.floor(own_price_e4)
    above = grid.ceil(ONE_DOLLAR_E4 - own_price_e4)
    return None if above is None else complement(above)


def _cap_passed(
    state: StakeState, count_e2: CountE2, money_e6: MoneyE6, parameters: StakeParameters, room: SharedRoom
) -> str | None:
    """Returns the cap that another round would pass, or None."""
    total_e2, total_e6 = state.committed_e2 + count_e2, state.committed_e6 + money_e6
    if parameters.max_count_e2 is not None and total_e2 > parameters.max_count_e2:
        return "max shares of the stake reached"
    if parameters.max_money_e6 is not None and total_e6 > parameters.max_money_e6:
        return "max dollars of the stake reached"
    if room.count_e2 is not None and total_e2 > room.count_e2:
        return "max shares of the event reached"
    if room.money_e6 is not None and total_e6 > room.money_e6:
        return "max dollars of the event reached"
    return None


def _resting(
    side: Side, leg: LegState, inputs: QuoteInputs, parameters: StakeParameters, grid: PriceGrid
) -> tuple[QuoteTarget | None, list[str]]:
    """Returns the order of the leg's present round, inside the other side's touch and the limits."""
    if leg.remaining_e2 == 0 or leg.price_e4 is None:
        return None, []
    price_e4 = _inside(side, side.outcome_price(leg.price_e4), inputs, grid)
    if price_e4 is None or side.outcome_price(price_e4) < parameters.price_min_e4:
        return None, [f"{side}: no valid price on the grid inside the touch"]
    amount = sizes(attrs.evolve(inputs, order_size_e2=leg.remaining_e2), _ANY_PRICE, _SIZING)
    count_e2 = amount.bid_e2 if side is Side.BID else amount.ask_e2
    reasons = [reason for reason in amount.reasons if reason.startswith(f"{side}:")]
    return (QuoteTarget(price_e4=price_e4, count_e2=count_e2) if count_e2 else None), reasons


def _inside(side: Side, price_e4: PriceE4, inputs: QuoteInputs, grid: PriceGrid) -> PriceE4 | None:
    """Returns the YES price moved away from the other side's touch where it would meet it."""
    if side is Side.BID:
        if inputs.best_ask is None:
            return price_e4
        below = grid.step_below(inputs.best_ask.price_e4)
        return None if below is None else min(price_e4, below)
    if inputs.best_bid is None:
        return price_e4
    above = grid.step_above(inputs.best_bid.price_e4)
    return None if above is None else max(price_e4, above)


def _apart(
    bid: QuoteTarget | None, ask: QuoteTarget | None, state: StakeState, reasons: list[str]
) -> tuple[QuoteTarget | None, QuoteTarget | None]:
    """Returns the two orders without the younger one where they would meet (rule 5)."""
    if bid is None or ask is None or bid.price_e4 < ask.price_e4:
        return bid, ask
    reasons.append("both outcomes together would cost the dollar that they pay")
    if state.yes.posted_at_ms == state.no.posted_at_ms:
        return None, None
    return (bid, None) if state.yes.posted_at_ms < state.no.posted_at_ms else (None, ask)
