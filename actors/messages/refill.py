"""Refill stakes and the Ledger: what makes their totals and stops outlive their actor and the bot."""

from __future__ import annotations

import attrs

from actors.runtime.mailbox import ReplySlot
from kalshi.numbers import CountE2, MoneyE6
from quant.fills import NumberedFill


@attrs.frozen(kw_only=True)
class OpenStake:
    """Give back a program's stake in one market, or begin it now: fills from here on are its own. The reply is
    `StakeOpened`.
    """

    program: str
    ticker: str
    reply: ReplySlot


@attrs.frozen(kw_only=True)
class StakeOpened:
    """A stake as it is stored, and the market's fills. `state` is empty where nothing but the beginning is."""

    state: str
    opened_seq: int  # the last numbered fill before the stake began
    committed_e2: CountE2
    committed_e6: MoneyE6
    fills: tuple[NumberedFill, ...]  # of the market, since the stake began, oldest first
    bought_e2: CountE2  # all numbered fills of the market's bids, ever
    sold_e2: CountE2  # the same of its asks
    last_seq: int


@attrs.frozen(kw_only=True)
class StoreStake:
    """Keep a stake's state, unless it commits more than the one before and all stakes of the program would together
    pass a maximum; None is no maximum. The reply is `StakeStored`.
    """

    program: str
    ticker: str
    state: str
    committed_e2: CountE2  # filled, or may still be
    committed_e6: MoneyE6
    max_e2: CountE2 | None
    max_e6: MoneyE6 | None
    reply: ReplySlot


@attrs.frozen(kw_only=True)
class StakeStored:
    """Whether it is kept, and what the program's other stakes have committed."""

    is_stored: bool
    others_e2: CountE2
    others_e6: MoneyE6
