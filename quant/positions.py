"""The portfolio: one account per market, fed by the numbered fills, with totals over all of them.

1. Fills carry a dense number. The portfolio holds the last one applied (its watermark) and takes the next one
   only: a number at or below the watermark is a duplicate and changes nothing, a number further ahead is a
   gap, and the caller reads what is missing from the Ledger before anything later is applied. Within a market
   fills are booked in the order of time, not of numbers (`quant.late_fills`).
2. Totals are sums over the open accounts plus what retired ones left, so the books balance over the whole
   life.
3. A settled market is retired by folding it into the retired totals: the table of accounts stays bounded by
   what is held or quoted, and a start needs the fills of those markets alone (`opened`).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence

import attrs

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from quant.accounting import (
    NO_CONTRACTS,
    NO_MONEY,
    AccountingError,
    Mark,
    MarketAccount,
    liquidation_mark_e4,
    mark_value_e6,
    unrealised_e6,
)
from quant.fills import NumberedFill
from quant.late_fills import MarketHistory, book, close
from quant.steps import Steps, slices


class SequenceVerdict(enum.Enum):
    """How a fill's number stands to those that were applied already."""

    NEXT = "next"
    DUPLICATE = "duplicate"
    GAP = "gap"


@attrs.frozen
class FillSequence:
    """A consumer's place in the dense sequence of fills: everything up to `watermark` has been applied."""

    watermark: int = 0

    def verdict(self, fill_seq: int) -> SequenceVerdict:
        """Returns whether `fill_seq` is the next one, known already, or so far ahead that something is
        missing.
        """
        if fill_seq <= self.watermark:
            return SequenceVerdict.DUPLICATE
        return SequenceVerdict.NEXT if fill_seq == self.watermark + 1 else SequenceVerdict.GAP

    def advanced(self) -> FillSequence:
        """Returns the sequence one fill further."""
        return FillSequence(self.watermark + 1)


@attrs.frozen(kw_only=True)
class Totals:
    """Sums over markets, in millionths of a dollar; `realised_e6` is before fees."""

    cash_delta_e6: MoneyE6 = NO_MONEY
    realised_e6: MoneyE6 = NO_MONEY
    fees_e6: MoneyE6 = NO_MONEY
    traded_e2: CountE2 = NO_CONTRACTS
    fills: int = 0

    def plus(self, account: MarketAccount) -> Totals:
        """Returns the totals with one more account in them."""
        return Totals(
            cash_delta_e6=MoneyE6(self.cash_delta_e6 + account.cash_delta_e6),
            realised_e6=MoneyE6(self.realised_e6 + account.realised_e6),
            fees_e6=MoneyE6(self.fees_e6 + account.fees_e6),
            traded_e2=CountE2(self.traded_e2 + account.traded_e2),
            fills=self.fills + account.fills,
        )


@attrs.frozen(kw_only=True)
class Portfolio:
    """Every market's account by ticker, what retired ones left, and how far the fills have been applied."""

    accounts: Mapping[str, MarketAccount] = attrs.field(factory=dict)
    histories: Mapping[str, MarketHistory] = attrs.field(factory=dict)  # of the same markets
    retired: Totals = attrs.field(factory=Totals)
    sequence: FillSequence = attrs.field(factory=FillSequence)

    @property
    def totals(self) -> Totals:
        """Returns the sums over all markets, retired ones included."""
        totals = self.retired
        for account in self.accounts.values():
            totals = totals.plus(account)
        return totals

    @property
    def positions_e2(self) -> dict[str, CountE2]:
        """Returns the markets that are not flat, with their signed positions."""
        return {ticker: account.position_e2 for ticker, account in self.accounts.items() if not account.is_flat}

    def account(self, ticker: str) -> MarketAccount:
        """Returns the market's account, an empty one if there was never a fill."""
        return self.accounts.get(ticker) or MarketAccount(ticker=ticker)


@attrs.frozen(kw_only=True)
class AppliedFills:
    """The portfolio after a delivery: what was applied, and the first missing number if there was a gap."""

    portfolio: Portfolio
    applied: tuple[NumberedFill, ...]
    duplicates: int
    missing_from_seq: int | None

    @property
    def has_gap(self) -> bool:
        return self.missing_from_seq is not None


@attrs.frozen(kw_only=True)
class Valuation:
    """The portfolio at given marks: `mark_value_e6` and `unrealised_e6` of what is open, and the change of
    equity.

    `equity_delta_e6` is cash + mark value, which equals realised + unrealised - fees. `unmarked` names held
    markets without any mark; they are valued at what they cost, so that an unread price looks like neither
    profit nor loss.
    """

    mark_value_e6: MoneyE6
    unrealised_e6: MoneyE6
    equity_delta_e6: MoneyE6
    unmarked: tuple[str, ...]


def apply_fills(portfolio: Portfolio, fills: Iterable[NumberedFill]) -> AppliedFills:
    """Returns the portfolio after numbered fills in any order; stops before the first gap.

    Raises AccountingError.
    """
    applied: list[NumberedFill] = []
    duplicates = 0
    sequence = portfolio.sequence
    accounts, histories = dict(portfolio.accounts), dict(portfolio.histories)
    missing: int | None = None
    for numbered in sorted(fills, key=lambda item: item.fill_seq):
        verdict = sequence.verdict(numbered.fill_seq)
        if verdict is SequenceVerdict.GAP:
            missing = sequence.watermark + 1
            break
        if verdict is SequenceVerdict.DUPLICATE:
            duplicates += 1
            continue
        ticker = numbered.fill.ticker
        history = book(histories.get(ticker) or MarketHistory(before=portfolio.account(ticker)), numbered.fill)
        histories[ticker], accounts[ticker] = history, history.account
        sequence = sequence.advanced()
        applied.append(numbered)
    after = portfolio
    if applied:
        after = attrs.evolve(portfolio, accounts=accounts, histories=histories, sequence=sequence)
    return AppliedFills(portfolio=after, applied=tuple(applied), duplicates=duplicates, missing_from_seq=missing)


def opened(
    retired: Totals,
    fills: Sequence[NumberedFill],
    settlements: Iterable[tuple[str, PriceE4]],
    watermark: int,
) -> Steps[Portfolio]:
    """Returns the portfolio up to `watermark`, in steps: the sums over retired markets, and all fills of the others,
    oldest first, with at what those that have paid out did.

    Raises AccountingError.
    """
    histories: dict[str, MarketHistory] = {}
    for part in slices(fills):
        for numbered in part:
            ticker = numbered.fill.ticker
            history = histories.get(ticker) or MarketHistory(before=MarketAccount(ticker=ticker))
            histories[ticker] = book(history, numbered.fill)
        yield
    for ticker, value_e4 in settlements:
        if ticker in histories:
            histories[ticker] = close(histories[ticker], value_e4, None)
    return Portfolio(
        accounts={ticker: history.account for ticker, history in histories.items()},
        histories=histories,
        retired=retired,
        sequence=FillSequence(watermark),
    )


def settle_market(portfolio: Portfolio, ticker: str, value_e4: PriceE4, payout_e6: MoneyE6 | None = None) -> Portfolio:
    """Returns the portfolio after a market's settlement; a market without an account is left out.

    Raises AccountingError.
    """
    account = portfolio.accounts.get(ticker)
    if account is None:
        return portfolio
    settled = close(portfolio.histories.get(ticker) or MarketHistory(before=account), value_e4, payout_e6)
    return attrs.evolve(
        portfolio,
        accounts={**portfolio.accounts, ticker: settled.account},
        histories={**portfolio.histories, ticker: settled},
    )


def retire(portfolio: Portfolio, ticker: str) -> Portfolio:
    """Returns the portfolio with a flat market folded into the retired totals.

    Raises AccountingError if it is not flat.
    """
    account = portfolio.accounts.get(ticker)
    if account is None:
        return portfolio
    if not account.is_flat:
        raise AccountingError(f"{ticker} still holds {account.position_e2}/100 contracts and cannot be retired")
    accounts = {name: other for name, other in portfolio.accounts.items() if name != ticker}
    histories = {name: other for name, other in portfolio.histories.items() if name != ticker}
    return attrs.evolve(portfolio, accounts=accounts, histories=histories, retired=portfolio.retired.plus(account))


def value(portfolio: Portfolio, marks: Mapping[str, Mark]) -> Valuation:
    """Returns the portfolio at liquidation marks: long at the bid, short at the ask, an empty side at 0 or 1
    dollar.
    """
    worth = unrealised = 0
    unmarked: list[str] = []
    for ticker, account in portfolio.accounts.items():
        if account.is_flat:
            continue
        mark = marks.get(ticker)
        if mark is None:
            unmarked.append(ticker)
            worth += account.open_cost_e6
            continue
        mark_e4 = liquidation_mark_e4(account.position_e2, mark)
        worth += mark_value_e6(account, mark_e4)
        unrealised += unrealised_e6(account, mark_e4)
    return Valuation(
        mark_value_e6=MoneyE6(worth),
        unrealised_e6=MoneyE6(unrealised),
        equity_delta_e6=MoneyE6(portfolio.totals.cash_delta_e6 + worth),
        unmarked=tuple(sorted(unmarked)),
    )
