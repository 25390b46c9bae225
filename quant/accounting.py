"""The books of one market: lots, cash, realised profit and fees, exact to the last millionth of a dollar.

A market has one book: buying NO at 1 - x is selling YES at x. So a position is one signed number of YES
contracts, and its lots are YES-equivalents: a long lot was bought at its YES price, a short lot sold at its
YES price.

1. Cash moves exactly as the exchange moves it. A bid closes NO contracts first (each releases 1 - p) and
   opens YES with the rest (each costs p); an ask closes YES first (each brings p) and opens NO with the rest
   (each costs 1 - p). The fee of a fill is cash too.
2. Profit is realised first in, first out, before fees; fees stand in their own total.
3. A long contract is worth the mark m, a short one (a NO contract, fully paid) 1 - m.
4. Settlement is an exit of everything at the settled value, paid in whole cents. What that rounding gives or
   takes is realised profit. A fill that is heard of after the settlement is booked and settled at once at the
   same value.
5. In every state and for every mark: cash + mark value == realised + unrealised - fees. It holds by
   construction, is tested as a property, and `identity_gap_e6` lets a running program assert it (invariant
   I6).

Rejected: average cost instead of first in, first out. The exchange shows average cost, but then a partial
close leaves a price that is no integer, and the identity would hold only up to rounding.

Sources: Kalshi collateral and netting pages of October 2026; the FIFO rule of the project's strategy
reference.
"""

from __future__ import annotations

from typing import Final

import attrs

from kalshi.numbers import ONE_CENT_E4, ONE_DOLLAR_E4, CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Side

# A settlement is paid in whole cents: one cent in millionths of a dollar.
PAYOUT_UNIT_E6: Final = ONE_CENT_E4 * 100

NO_CONTRACTS: Final = CountE2(0)
NO_MONEY: Final = MoneyE6(0)


class AccountingError(ValueError):
    """A fill or settlement that cannot be: no contracts, a price outside 0 to 1 dollar, another market's."""


@attrs.frozen(kw_only=True)
class Lot:
    """Contracts that were opened together: `count_e2` is positive, the account's sign says long or short."""

    count_e2: CountE2
    price_e4: PriceE4


@attrs.frozen(kw_only=True)
class MarketAccount:
    """What one market did to us: the open lots (oldest first, all of one sign) and the running totals."""

    ticker: str
    position_e2: CountE2 = NO_CONTRACTS  # signed: + YES, - NO
    lots: tuple[Lot, ...] = ()
    cash_delta_e6: MoneyE6 = NO_MONEY
    realised_e6: MoneyE6 = NO_MONEY  # before fees
    fees_e6: MoneyE6 = NO_MONEY
    traded_e2: CountE2 = NO_CONTRACTS
    fills: int = 0
    settled_value_e4: PriceE4 | None = None

    @property
    def is_flat(self) -> bool:
        return self.position_e2 == 0

    @property
    def is_settled(self) -> bool:
        return self.settled_value_e4 is not None

    @property
    def open_value_e6(self) -> MoneyE6:
        """Returns the sum of entry price times count over the open lots, on the YES leg, never negative."""
        return MoneyE6(sum(lot.price_e4 * lot.count_e2 for lot in self.lots))

    @property
    def open_cost_e6(self) -> MoneyE6:
        """Returns the cash that the open position has bound, which is the most that it can lose."""
        if self.position_e2 >= 0:
            return self.open_value_e6
        return MoneyE6(-self.position_e2 * ONE_DOLLAR_E4 - self.open_value_e6)

    @property
    def average_entry_e4(self) -> PriceE4 | None:
        """Returns the average YES entry price of the open lots, rounded to the nearest 1/10,000 dollar; None
        if flat.
        """
        size = abs(self.position_e2)
        return PriceE4((2 * self.open_value_e6 + size) // (2 * size)) if size else None


@attrs.frozen(kw_only=True)
class Mark:
    """The best bid and ask that a market is valued at; None where that side of the book is empty."""

    bid_e4: PriceE4 | None
    ask_e4: PriceE4 | None


def liquidation_mark_e4(position_e2: int, mark: Mark) -> PriceE4:
    """Returns the YES price at which the position could be closed now: long at the bid, short at the ask.

    With nobody to trade with, a long is worth nothing (0) and a short owes the whole dollar. Last trades are
    never used.
    """
    if position_e2 > 0:
        return PriceE4(0) if mark.bid_e4 is None else mark.bid_e4
    return ONE_DOLLAR_E4 if mark.ask_e4 is None else mark.ask_e4


def mark_value_e6(account: MarketAccount, mark_e4: PriceE4) -> MoneyE6:
    """Returns what the open position is worth at the YES price `mark_e4`: never negative, the position is
    paid for.
    """
    if account.position_e2 >= 0:
        return MoneyE6(account.position_e2 * mark_e4)
    return MoneyE6(-account.position_e2 * (ONE_DOLLAR_E4 - mark_e4))


def unrealised_e6(account: MarketAccount, mark_e4: PriceE4) -> MoneyE6:
    """Returns the profit, before fees, that closing everything at the YES price `mark_e4` would realise."""
    sign = 1 if account.position_e2 >= 0 else -1
    return MoneyE6(account.position_e2 * mark_e4 - sign * account.open_value_e6)


def identity_gap_e6(account: MarketAccount, mark_e4: PriceE4) -> MoneyE6:
    """Returns cash + mark value - (realised + unrealised - fees), zero unless the books are broken."""
    held = account.cash_delta_e6 + mark_value_e6(account, mark_e4)
    earned = account.realised_e6 + unrealised_e6(account, mark_e4) - account.fees_e6
    return MoneyE6(held - earned)


def apply_fill(account: MarketAccount, fill: Fill) -> MarketAccount:
    """Returns the account after `fill`.

    The caller applies each fill once. Raises AccountingError for an impossible one.
    """
    _require_possible(account, fill)
    closing = min(int(fill.count_e2), max(0, -fill.side.sign * account.position_e2))
    lots, realised = _close(account.lots, closing, fill.price_e4, _sign(account.position_e2))
    opening = fill.count_e2 - closing
    booked = attrs.evolve(
        account,
        position_e2=CountE2(account.position_e2 + fill.side.sign * fill.count_e2),
        lots=_open(lots, opening, fill.price_e4),
        cash_delta_e6=MoneyE6(account.cash_delta_e6 + _cash_flow(fill, closing, opening) - fill.fee_e6),
        realised_e6=MoneyE6(account.realised_e6 + realised),
        fees_e6=MoneyE6(account.fees_e6 + fill.fee_e6),
        traded_e2=CountE2(account.traded_e2 + fill.count_e2),
        fills=account.fills + 1,
    )
    if booked.settled_value_e4 is None:
        return booked
    return _pay_out(booked, booked.settled_value_e4, settlement_payout_e6(booked, booked.settled_value_e4))


def settlement_payout_e6(account: MarketAccount, value_e4: PriceE4) -> MoneyE6:
    """Returns what the exchange pays when the market settles at `value_e4` dollars a YES contract, in whole
    cents.

    The exchange says "rounded to whole cents" without a direction; half a cent goes up here. Only a scalar
    value can need rounding at all: yes and no pay whole dollars, so even 1/100 contract pays a whole cent.
    """
    exact = mark_value_e6(account, value_e4)
    return MoneyE6((exact + PAYOUT_UNIT_E6 // 2) // PAYOUT_UNIT_E6 * PAYOUT_UNIT_E6)


def settle(account: MarketAccount, value_e4: PriceE4, payout_e6: MoneyE6 | None = None) -> MarketAccount:
    """Returns the account after settlement at `value_e4` (yes 10,000, no 0, scalar between): flat and final.

    `payout_e6` is the amount that the exchange reported, where it did; else it is computed. Settling again at
    the same value changes nothing. Raises AccountingError for a value outside 0 to 1 dollar or a second,
    different one.
    """
    if not 0 <= value_e4 <= ONE_DOLLAR_E4:
        raise AccountingError(f"{account.ticker} cannot settle at {value_e4}/10,000 dollar, only from 0 to 1 dollar")
    if account.settled_value_e4 is not None:
        if account.settled_value_e4 == value_e4:
            return account
        raise AccountingError(
            f"{account.ticker} has settled at {account.settled_value_e4}, so it cannot settle at {value_e4}"
        )
    return _pay_out(account, value_e4, settlement_payout_e6(account, value_e4) if payout_e6 is None else payout_e6)


def _require_possible(account: MarketAccount, fill: Fill) -> None:
    if fill.ticker != account.ticker:
        raise AccountingError(f"a fill of {fill.ticker} was applied to the account of {account.ticker}")
    if fill.count_e2 <= 0:
        raise AccountingError(f"fill {fill.fill_id} has {fill.count_e2}/100 contracts, which cannot be")
    if not 0 <= fill.price_e4 <= ONE_DOLLAR_E4:
        raise AccountingError(f"fill {fill.fill_id} has the price {fill.price_e4}/10,000 dollar, which cannot be")


def _sign(position_e2: int) -> int:
    return (position_e2 > 0) - (position_e2 < 0)


def _cash_flow(fill: Fill, closing_e2: int, opening_e2: int) -> int:
    """Returns the cash that the fill moves before its fee: closing brings in, opening pays."""
    no_price_e4 = ONE_DOLLAR_E4 - fill.price_e4
    if fill.side is Side.BID:
        return closing_e2 * no_price_e4 - opening_e2 * fill.price_e4
    return closing_e2 * fill.price_e4 - opening_e2 * no_price_e4


def _close(lots: tuple[Lot, ...], closing_e2: int, price_e4: PriceE4, sign: int) -> tuple[tuple[Lot, ...], int]:
    """Returns the lots left after closing `closing_e2` contracts, oldest first, and the profit that this
    realises.
    """
    realised = 0
    for index, lot in enumerate(lots):
        taken = min(closing_e2, int(lot.count_e2))
        realised += sign * taken * (price_e4 - lot.price_e4)
        closing_e2 -= taken
        if taken < lot.count_e2:
            rest = attrs.evolve(lot, count_e2=CountE2(lot.count_e2 - taken))
            return (rest, *lots[index + 1 :]), realised
    return (), realised


def _open(lots: tuple[Lot, ...], opening_e2: int, price_e4: PriceE4) -> tuple[Lot, ...]:
    """Returns the lots with `opening_e2` contracts added, in one lot with the newest where the price is the
    same.
    """
    if opening_e2 == 0:
        return lots
    if lots and lots[-1].price_e4 == price_e4:
        return (*lots[:-1], Lot(count_e2=CountE2(lots[-1].count_e2 + opening_e2), price_e4=price_e4))
    return (*lots, Lot(count_e2=CountE2(opening_e2), price_e4=price_e4))


def _pay_out(account: MarketAccount, value_e4: PriceE4, payout_e6: MoneyE6) -> MarketAccount:
    """Returns the account flat: profit at the settled value, plus what the payout differs from the exact
    value.
    """
    rounding = payout_e6 - mark_value_e6(account, value_e4)
    return attrs.evolve(
        account,
        position_e2=CountE2(0),
        lots=(),
        cash_delta_e6=MoneyE6(account.cash_delta_e6 + payout_e6),
        realised_e6=MoneyE6(account.realised_e6 + unrealised_e6(account, value_e4) + rounding),
        settled_value_e4=value_e4,
    )
