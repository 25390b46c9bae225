"""Stop loss, trailing stop, failsafe and take profit of one position: from its entry and the touch to the exit that is
wanted, or none.

1. Profit and loss per contract are judged at the touch on which the position would be closed: the bid for a
   long, the ask for a short. With nobody on that side there is nothing to exit into, and no exit is wanted
   yet.
2. A very wide book is no evidence: for a moment after a sweep the touch is anywhere. There the mid must have
   passed a threshold of the same kind, loss or gain, as well; an absent other side counts as 0 or 1 dollar there.
3. A price without fresh proof of life decides nothing (`is_stale`); the caller reads a new one instead.
4. The limit of the exit is the touch worsened by the slippage allowance, on the grid, never more than the
   allowance. The order that carries it is immediate-or-cancel and reduce-only; what did not fill is asked for
   again.
5. The size is the whole position.
6. A trailing stop follows the best profit since the position was opened, from `trailing_from_e4_per_contract` on.
7. The failsafe looks at the money of the whole position at its worst, whatever a contract has lost: once passed, it
   holds until the position is flat, also when the price comes back meanwhile.
8. Where a person wants a position closed no threshold is asked for, and no book is too wide: the slippage limit
   alone stands.
9. What a position has been through (`Excursion`) belongs to one way from flat to flat, which the fill that began it
   names, and ends with it. It is stored, so that whoever starts anew goes on with it.

Source: features G2; the design documents' ticker cache (a price counts for 60 s).
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import ONE_DOLLAR_E4, CountE2, MoneyE6, PriceE4
from kalshi.types import Side
from quant.accounting import Mark


class ExitReason(enum.StrEnum):
    """Which threshold was passed."""

    STOP_LOSS = "stop loss"
    TRAILING = "trailing stop"
    FAILSAFE = "worst loss of the position"
    TAKE_PROFIT = "take profit"
    FLATTEN = "a person wants it flat"


_GAIN: Final = ExitReason.TAKE_PROFIT  # the one that is no loss


@attrs.frozen(kw_only=True)
class StopLossParameters:
    """Thresholds per contract in 1/10,000 dollar; None switches that half off."""

    # 15 cents: a hundred contracts lose $15, and a market that moved so far has news that our quotes do not
    # have.
    stop_loss_e4_per_contract: int | None = 1_500
    # 20 cents: what is left to win from there is less than what can be lost again.
    take_profit_e4_per_contract: int | None = 2_000
    # How much of the best profit may be given back, once it was as high as the second says. Off by default: a market
    # maker takes profits by quoting.
    trailing_e4_per_contract: int | None = None
    trailing_from_e4_per_contract: int = 500
    # Fifty dollars: at the default sizes the stop loss comes long before; it is for positions that grew beyond them.
    failsafe_loss_e6: MoneyE6 | None = MoneyE6(50_000_000)
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
    loss_e6: MoneyE6  # at the touch, negative for a gain


@attrs.frozen(kw_only=True)
class Excursion:
    """The best touch and the worst loss in money of a position since it was opened.

    The touch and not a profit: more contracts at today's price change the average entry, and give nothing back.
    """

    sign: int = 0  # 1 for a long, -1 for a short
    best_touch_e4: int | None = None
    worst_e6: MoneyE6 = MoneyE6(0)


@attrs.frozen(kw_only=True)
class SeenExcursion:
    """What was seen of one market's position since `opened_seq`, the number of the fill that began it."""

    ticker: str
    opened_seq: int | None
    excursion: Excursion = Excursion()

    def of(self, opened_seq: int | None) -> Excursion:
        """Returns what was seen of the position that this fill began: nothing, where it is another one."""
        return self.excursion if opened_seq == self.opened_seq else Excursion()


def is_stale(age_s: float, parameters: StopLossParameters) -> bool:
    """Returns whether a price of this age may no longer decide anything; an age that is no number may not
    either.
    """
    return not age_s <= parameters.price_max_age_s


def seen(
    excursion: Excursion,
    position_e2: int,
    average_entry_e4: int,
    price: Mark,
    age_s: float,
    parameters: StopLossParameters,
) -> Excursion:
    """Returns what the position has been through, with this touch; one that proves nothing changes nothing."""
    sign = (position_e2 > 0) - (position_e2 < 0)
    before = excursion if sign == excursion.sign else Excursion(sign=sign)
    touch = _touch(position_e2, price)
    if touch is None or is_stale(age_s, parameters) or _spread_e4(price) > parameters.wide_spread_e4:
        return before
    profit_e4 = sign * (touch - average_entry_e4)
    loss_e6 = MoneyE6(-profit_e4 * abs(position_e2))
    best = touch if before.best_touch_e4 is None else sign * max(sign * before.best_touch_e4, sign * touch)
    if best == before.best_touch_e4 and loss_e6 <= before.worst_e6:
        return before
    return Excursion(sign=sign, best_touch_e4=best, worst_e6=max(before.worst_e6, loss_e6))


def decide(
    position_e2: int,
    average_entry_e4: int,
    price: Mark,
    age_s: float,
    parameters: StopLossParameters,
    grid: PriceGrid,
    excursion: Excursion = Excursion(),
    *,
    is_flattening: bool = False,
) -> ExitWanted | None:
    """Returns the exit that the position wants at this touch, or None.

    `average_entry_e4` is the YES entry price, for a short position too. `age_s` is the time since proof of
    life. `excursion` is that of this position, this touch included (`seen`). `is_flattening` says that a person wants
    it closed.
    """
    touch = _touch(position_e2, price)
    if touch is None or is_stale(age_s, parameters):
        return None
    sign = 1 if position_e2 > 0 else -1
    profit_e4 = sign * (touch - average_entry_e4)
    reason = _passed(touch, sign, average_entry_e4, excursion, parameters)
    if reason is not None and _spread_e4(price) > parameters.wide_spread_e4:
        at_mid = _passed(sum(_ends(price)) / 2, sign, average_entry_e4, excursion, parameters)
        is_borne_out = at_mid is not None and (at_mid is _GAIN) is (reason is _GAIN)
        reason = reason if is_borne_out else None
    if is_flattening:
        reason = ExitReason.FLATTEN
    elif reason in (None, _GAIN) and _is_failsafe_passed(excursion, parameters):
        reason = ExitReason.FAILSAFE
    if reason is None:
        return None
    side = Side.ASK if position_e2 > 0 else Side.BID
    return ExitWanted(
        side=side,
        count_e2=CountE2(abs(position_e2)),
        limit_price_e4=exit_limit(side, touch, parameters.slippage_e4, grid),
        reason=reason,
        loss_e6=MoneyE6(-profit_e4 * abs(position_e2)),
    )


def _touch(position_e2: int, price: Mark) -> PriceE4 | None:
    """Returns the price on which the position would be closed; None where nobody is, or nothing is held."""
    if position_e2 == 0:
        return None
    return price.bid_e4 if position_e2 > 0 else price.ask_e4


def _ends(price: Mark) -> tuple[int, int]:
    bid_e4, ask_e4 = price.bid_e4, price.ask_e4
    return (0 if bid_e4 is None else bid_e4), (ONE_DOLLAR_E4 if ask_e4 is None else ask_e4)


def _spread_e4(price: Mark) -> int:
    bid_e4, ask_e4 = _ends(price)
    return ask_e4 - bid_e4


def _passed(
    price_e4: float, sign: int, average_entry_e4: int, excursion: Excursion, parameters: StopLossParameters
) -> ExitReason | None:
    """Returns which threshold a contract has passed at this price."""
    profit_e4 = sign * (price_e4 - average_entry_e4)
    stop, take = parameters.stop_loss_e4_per_contract, parameters.take_profit_e4_per_contract
    trailing, best = parameters.trailing_e4_per_contract, excursion.best_touch_e4
    if stop is not None and profit_e4 <= -stop:
        return ExitReason.STOP_LOSS
    if trailing is not None and best is not None:
        is_armed = sign * (best - average_entry_e4) >= parameters.trailing_from_e4_per_contract
        if is_armed and sign * (best - price_e4) >= trailing:
            return ExitReason.TRAILING
    return _GAIN if take is not None and profit_e4 >= take else None


def _is_failsafe_passed(excursion: Excursion, parameters: StopLossParameters) -> bool:
    limit_e6 = parameters.failsafe_loss_e6
    return limit_e6 is not None and excursion.worst_e6 >= limit_e6


def exit_limit(side: Side, touch_e4: PriceE4, slippage_e4: int, grid: PriceGrid) -> PriceE4:
    """Returns the worst acceptable price of an exit: rounded towards the touch, and the grid's end where the allowance
    passes it.
    """
    if side is Side.ASK:
        return grid.ceil(max(touch_e4 - slippage_e4, grid.lowest)) or grid.highest
    return grid.floor(min(touch_e4 + slippage_e4, grid.highest)) or grid.lowest
