"""What selections ask beyond the list of markets: of the Wire reads, of the Ledger what was learned before."""

from __future__ import annotations

import attrs

from actors.runtime.mailbox import ReplySlot
from kalshi.rest_exchange_answers import SeriesFeeChange
from kalshi.rest_market_answers import IncentiveProgram, PublicTrade
from kalshi.types import BookSnapshot, Series
from quant.selection.experience import Learned


@attrs.frozen(kw_only=True)
class ReadIncentives:
    """One page of the liquidity programs that are running."""

    cursor: str = ""


@attrs.frozen(kw_only=True)
class IncentivePage:
    programs: tuple[IncentiveProgram, ...]
    cursor: str


@attrs.frozen(kw_only=True)
class ReadBooks:
    """The whole books of several markets, at most `kalshi.rest_markets.BOOKS_PER_REQUEST_MAX`."""

    tickers: tuple[str, ...]


@attrs.frozen(kw_only=True)
class BooksRead:
    books: tuple[BookSnapshot, ...]


@attrs.frozen(kw_only=True)
class ReadTape:
    """The newest public trades of a market since `min_ts_s`, one page."""

    ticker: str
    min_ts_s: int


@attrs.frozen(kw_only=True)
class TapeRead:
    trades: tuple[PublicTrade, ...]


@attrs.frozen(kw_only=True)
class ReadSeries:
    """One series with its fee terms."""

    ticker: str


@attrs.frozen(kw_only=True)
class SeriesRead:
    series: Series


@attrs.frozen(kw_only=True)
class ReadFeeChanges:
    """The announced changes of the fees of all series that are still to come."""


@attrs.frozen(kw_only=True)
class FeeChangesRead:
    changes: tuple[SeriesFeeChange, ...]


@attrs.frozen(kw_only=True)
class KeepLearned:
    """Store what own fills have taught, in place of what was stored of the same markets and series."""

    learned: Learned


@attrs.frozen(kw_only=True)
class ReadLearned:
    """Ask the Ledger for everything that own fills have taught. The reply is `Learned`."""

    reply: ReplySlot
