"""Stop loss and take profit of one position: from its entry and the touch to the exit that is wanted, or
none.

1. Profit and loss per contract are judged at the touch on which the position would be closed: the bid for a
   long, the ask for a short. With nobody on that side there is nothing to exit into, and no exit is wanted
   yet.
2. A very wide book is no evidence: for a moment after a sweep the touch is anywhere. There the mid must have
   passed the threshold as well, where an absent other side counts as 0 or 1 dollar.
3. A price without fresh proof of life decides nothing (`is_stale`); the caller reads a new one instead.
4. The limit of the exit is the touch worsened by the slippage allowance, on the grid, never more than the
   allowance. The order that carries it is immediate-or-cancel and reduce-only; what did not fill is asked for
   again.
5. The size is the whole position.

Source: features G2; the design documents' ticker cache (a price counts for 60 s).
"""

from __future__ import annotations

import enum

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import ONE_DOLLAR_E4, CountE2, PriceE4
from kalshi.types import Side
from quant.accounting import Mark


class ExitReason(enum.StrEnum):
    """Which threshold was passed."""

    STOP_LOSS = "stop loss"
    TAKE_PROFIT = "take profit"


@attrs.frozen(kw_only=True)
class StopLossParameters:
    """Thresholds per contract in 1/10,000 dollar; None switches that half off."""

    # 15 cents: a hundred contracts lose $15, and a market that moved so far has news that our quotes do not
    # have.
    stop_loss_e4_per_contract: int | None = 1_500
    # 20 cents: what is left to win from there is less than what can be lost again.
    take_profit_e4_per_contract: int | None = 2_000
    price_max_age_s: float = 60.0  # age since proof of life of the connection, so a quiet market is fresh
    slippage_e4: int = 300  # three cents beyond the touch: most books are that deep for our sizes
    wide_spread_e4: int = 1_500  # beyond 15 cents the touch alone proves nothing, see rule 2


@attrs.frozen(kw_only=True)
class ExitWanted:
    """An order that would close the position: immediate-or-cancel, reduce-only, no worse than
    `limit_price_e4`.
    """

    side: Side
    count_e2: CountE2
    limit_price_e4: PriceE4
    reason: ExitReason


def is_stale(age_s: float, parameters: StopLossParameters) -> bool:
    """Returns whether a price of this age may no longer decide anything; an age that is no number may not
    either.
    """
    return not age_s <= parameters.price_max_age_s


def decide(
    position_e2: int,
    average_entry_e4: int,
    price: Mark,
    age_s: float,
    parameters: StopLossParameters,
    grid: PriceGrid,
) -> ExitWanted | None:
    """Returns the exit that the position wants at this touch, or None.

    `average_entry_e4` is the YES entry price, for a short position too. `age_s` is the time since proof of
    life.
    """
    touch = price.bid_e4 if position_e2 > 0 else price.ask_e4
    if position_e2 == 0 or touch is None or is_stale(age_s, parameters):
        return None
    sign = 1 if position_e2 > 0 else -1
    reason = _passed(sign * (touch - average_entry_e4), parameters)
    bid = 0 if price.bid_e4 is None else price.bid_e4
    ask = ONE_DOLLAR_E4 if price.ask_e4 is None else price.ask_e4
    if ask - bid > parameters.wide_spread_e4:
        at_mid = _passed(sign * ((bid + ask) / 2 - average_entry_e4), parameters)
        reason = reason if at_mid is reason else None
    if reason is None:
        return None
    side = Side.ASK if position_e2 > 0 else Side.BID
    return ExitWanted(
        side=side,
        count_e2=CountE2(abs(position_e2)),
        limit_price_e4=exit_limit(side, touch, parameters.slippage_e4, grid),
        reason=reason,
    )


def _passed(profit_e4: float, parameters: StopLossParameters) -> ExitReason | None:
    stop, take = parameters.stop_loss_e4_per_contract, parameters.take_profit_e4_per_contract
    if stop is not None and profit_e4 <= -stop:
        return ExitReason.STOP_LOSS
    return ExitReason.TAKE_PROFIT if take is not None and profit_e4 >= take else None


def exit_limit(side: Side, touch_e4: PriceE4, slippage_e4: int, grid: PriceGrid) -> PriceE4:
    """Returns the worst acceptable price of an exit: rounded towards the touch, and the grid's end where the allowance
    passes it.
    """
    if side is Side.ASK:
        return grid.ceil(max(touch_e4 - slippage_e4, grid.lowest)) or grid.highest
    return grid.floor(min(touch_e4 + slippage_e4, grid.highest)) or grid.lowest
