"""Fills, positions, limits and money."""

from __future__ import annotations

import attrs

from actors.runtime.mailbox import ReplySlot
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Balance, ExchangePosition, Fill, Order, Side
from quant.episodes import Episode
from quant.fills import NumberedFill
from quant.loss_latch import LossLatch
from quant.positions import Totals
from quant.stop_loss import SeenExcursion

FILL_TAPE_LENGTH = 256  # consumers that missed more than this read the Ledger


@attrs.frozen(kw_only=True)
class PrivateFillSeen:
    """The exchange streamed one of the account's fills."""

    fill: Fill


@attrs.frozen(kw_only=True)
class RecordFills:
    """Number these fills and keep them; those already kept stay as they are. The reply is `FillsRecorded`."""

    fills: tuple[Fill, ...]
    source: str
    reply: ReplySlot


@attrs.frozen(kw_only=True)
class FillsRecorded:
    new: int
    last_seq: int


@attrs.frozen(kw_only=True)
class FillTape:
    """The newest numbered fills. A consumer whose watermark is older than the first one here reads the Ledger."""

    last_seq: int
    fills: tuple[NumberedFill, ...]
    # REST pages up to this exchange time have been worked in completely: fills before it are all numbered.
    complete_to_ms: int
    # Another number than before: a fill has come for a retired market, which counts among the others again. Who holds
    # sums over retired markets begins anew (`ReadBooks`).
    opened: int = 0


@attrs.frozen(kw_only=True)
class ReadNumberedFills:
    """Ask the Ledger for fills after `after_seq`. The reply is a tuple of NumberedFill, oldest first."""

    after_seq: int
    reply: ReplySlot


@attrs.frozen(kw_only=True)
class ReadFillMark:
    """Ask the Ledger how far REST had been worked in when it was last told. The reply is a `FillMark`."""

    reply: ReplySlot


@attrs.frozen(kw_only=True)
class FillMark:
    """Every fill up to `complete_to_ms` is numbered, zero: nothing is known; `seen` are the newest (order_id, fill_id),
    oldest first.
    """

    complete_to_ms: int
    seen: tuple[tuple[str, str], ...]


@attrs.frozen(kw_only=True)
class JoinFills:
    """The order's client id, for those of its fills that came without one."""

    ticker: str
    order_id: str
    client_order_id: str


@attrs.frozen(kw_only=True)
class FillsComplete:
    """REST has been read: every fill up to `complete_to_ms` is with the Ledger."""

    complete_to_ms: int
    polls: int


@attrs.frozen(kw_only=True)
class PositionView:
    """One market's position and its money. `watermark` is the newest fill_seq that it counts, `opened_seq` the one that
    left flat.
    """

    ticker: str
    position_e2: CountE2
    average_entry_e4: PriceE4 | None
    realised_e6: MoneyE6
    unrealised_e6: MoneyE6
    fees_e6: MoneyE6
    mark_e4: PriceE4 | None
    watermark: int
    opened_seq: int | None = None


@attrs.frozen(kw_only=True)
class ReadBooks:
    """Ask the Ledger for what a consumer of fills begins with. The reply is `Books`."""

    reply: ReplySlot


@attrs.frozen(kw_only=True)
class Books:
    """Everything up to `last_seq`: the fills of the markets that are not retired, oldest first, at what those of them
    that have paid out did, the sums over the retired ones, and the episodes that were open. `opened` is as in
    `FillTape`.
    """

    fills: tuple[NumberedFill, ...]
    settlements: tuple[tuple[str, PriceE4], ...]  # ticker, value in 1/10,000 dollar
    retired: Totals
    last_seq: int
    opened: int
    episodes: tuple[tuple[str, Episode], ...] = ()  # with their tickers


@attrs.frozen(kw_only=True)
class RetireMarket:
    """Keep a market that is over as these sums: its fills are not needed at a start any more. Sums that are not those
    of all its fills are left out, for a fill has come meanwhile.
    """

    ticker: str
    totals: Totals


@attrs.frozen(kw_only=True)
class KeepExcursion:
    """Store what the stop loss has seen of a position, in place of what was stored before."""

    seen: SeenExcursion

    @property
    def ticker(self) -> str:
        return self.seen.ticker


@attrs.frozen(kw_only=True)
class ReadExcursions:
    """Ask the Ledger for what was stored last of each market. The reply is a tuple of SeenExcursion."""

    reply: ReplySlot


@attrs.frozen(kw_only=True)
class KeepLossLatch:
    """Store what risk counts losses from, in place of what was stored before."""

    latch: LossLatch


@attrs.frozen(kw_only=True)
class ReadLossLatch:
    """Ask the Ledger for what was stored last. The reply is `LossLatch`."""

    reply: ReplySlot


@attrs.frozen(kw_only=True)
class MarketCap:
    """How far a market's position may go: at most `max_long_e2` up and `max_short_e2` (positive) down."""

    ticker: str
    max_long_e2: CountE2
    max_short_e2: CountE2
    reasons: tuple[str, ...]
    closed_sides: tuple[Side, ...] = ()  # nothing may rest there, not even what would reduce


@attrs.frozen(kw_only=True)
class RiskView:
    """Caps and halts with a lease: past `lease_until_s` nothing may be quoted on their word."""

    lease_until_s: float
    is_halted: bool
    reasons: tuple[str, ...]
    caps: tuple[MarketCap, ...]
    cash_available_e6: tuple[tuple[int, MoneyE6], ...]  # by shard, before our resting orders
    watermark: int


@attrs.frozen(kw_only=True)
class PnlView:
    """The books, whole: `equity change = cash + marks = realised + unrealised - fees`, exact."""

    cash_e6: MoneyE6
    marks_e6: MoneyE6
    realised_e6: MoneyE6
    unrealised_e6: MoneyE6
    fees_e6: MoneyE6
    fills: int
    contracts_e2: CountE2
    drift: tuple[str, ...]  # markets whose position differs from the exchange's

    @property
    def pnl_e6(self) -> MoneyE6:
        return MoneyE6(self.realised_e6 + self.unrealised_e6 - self.fees_e6)

    @property
    def is_exact(self) -> bool:
        return self.pnl_e6 == self.cash_e6 + self.marks_e6


# -- Reads of money, carried out by the Wire. --


@attrs.frozen(kw_only=True)
class ReadFills:
    """One page of the account's fills, newest first; `is_historical` asks for those that left the live list."""

    cursor: str = ""
    min_ts_s: int | None = None
    is_historical: bool = False


@attrs.frozen(kw_only=True)
class FillPage:
    as_of_ms: int
    fills: tuple[Fill, ...]
    cursor: str


@attrs.frozen(kw_only=True)
class ReadCutoff:
    """From when on the live lists have everything."""


@attrs.frozen(kw_only=True)
class CutoffRead:
    """Fills before `fills_ms` (Unix milliseconds) are in the historical list."""

    fills_ms: int


@attrs.frozen(kw_only=True)
class ReadOrder:
    """One order of the account by its exchange id, whatever its state."""

    order_id: str


@attrs.frozen(kw_only=True)
class OrderRead:
    """The order, None where the exchange no longer lists it."""

    order_id: str
    order: Order | None


@attrs.frozen(kw_only=True)
class ReadAccount:
    """Balance and positions together, with the time up to which both are complete."""


@attrs.frozen(kw_only=True)
class AccountRead:
    as_of_ms: int
    balance: Balance
    positions: tuple[ExchangePosition, ...]


@attrs.frozen(kw_only=True)
class Record:
    """A row for the Ledger: the table it belongs to and its values."""

    table: str
    values: tuple[tuple[str, str | int | float | None], ...]


@attrs.frozen(kw_only=True)
class MarketVerdict:
    """What a program's selection said of one market, and why."""

    ticker: str
    is_selected: bool
    reasons: tuple[str, ...]


@attrs.frozen(kw_only=True)
class RecordVerdicts:
    """Verdicts of one program's run that differ from those of its run before, for the Ledger."""

    program: str
    verdicts: tuple[MarketVerdict, ...]
    at_ms: int
