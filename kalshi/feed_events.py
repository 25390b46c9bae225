"""What `kalshi.feed` tells its owner: one frozen value per thing that happened on the connection."""

from __future__ import annotations

import attrs

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Order, PriceRange, Side


@attrs.frozen(kw_only=True)
class BookChanged:
    """The book of this market changed and may be read and quoted on; once per market and receive() call."""

    ticker: str


@attrs.frozen(kw_only=True)
class BookStale:
    """The book of this market may not be trusted until the next BookChanged."""

    ticker: str
    reason: str


@attrs.frozen(kw_only=True)
class TickerUpdated:
    """The exchange's own summary of a market, about once a second. It lags the book: never merge the two."""

    ticker: str
    yes_bid_e4: PriceE4
    yes_ask_e4: PriceE4
    yes_bid_size_e2: CountE2
    yes_ask_size_e2: CountE2
    last_price_e4: PriceE4
    volume_e2: CountE2
    ts_ms: int
    open_interest_e2: CountE2 | None = None
    last_trade_e2: CountE2 | None = None
    dollar_volume: int | None = None  # whole dollars, signed
    dollar_open_interest: int | None = None


@attrs.frozen(kw_only=True)
class TradePrinted:
    """A public trade. Block trades do not come from the book: leave them out of price and volume models."""

    ticker: str
    price_e4: PriceE4
    count_e2: CountE2
    taker_side: Side
    ts_ms: int
    is_block: bool
    trade_id: str = ""


@attrs.frozen(kw_only=True)
class FillReported:
    """One of our orders traded."""

    fill: Fill
    subaccount: int | None = None


@attrs.frozen(kw_only=True)
class OrderReported:
    """One of our orders changed."""

    order: Order
    taker_cost_e6: MoneyE6 | None = None
    maker_cost_e6: MoneyE6 | None = None
    taker_fees_e6: MoneyE6 | None = None
    maker_fees_e6: MoneyE6 | None = None
    self_trade_prevention: str | None = None
    created_ms: int | None = None
    subaccount: int | None = None


@attrs.frozen(kw_only=True)
class PositionReported:
    """The exchange's own figure of our position in a market; positive is YES."""

    ticker: str
    position_e2: CountE2
    cost_e6: MoneyE6 | None = None
    realised_e6: MoneyE6 | None = None
    fees_e6: MoneyE6 | None = None
    open_fees_e6: MoneyE6 | None = None  # of what is held now
    volume_e2: CountE2 | None = None
    subaccount: int | None = None


@attrs.frozen(kw_only=True)
class MarketLifecycle:
    """A market was created, opened, halted, moved, determined, settled or put on another grid."""

    ticker: str
    kind: str
    close_time_ms: int | None
    result: str
    settlement_value_e4: PriceE4 | None
    price_ranges: tuple[PriceRange, ...] | None
    open_time_ms: int | None = None
    determined_ms: int | None = None
    settled_ms: int | None = None
    is_deactivated: bool | None = None
    price_level_structure: str | None = None
    exchange_index: int | None = None
    event_ticker: str = ""
    title: str = ""
    yes_sub_title: str = ""
    can_close_early: bool = False
    expected_expiration_ms: int | None = None


@attrs.frozen(kw_only=True)
class EventListed:
    """An event was made; its markets are announced one by one."""

    event_ticker: str
    series_ticker: str
    title: str
    subtitle: str
    is_exclusive: bool  # only one of its markets can pay
    strike_date_ms: int | None
    strike_period: str
    exchange_index: int


@attrs.frozen(kw_only=True)
class EventFeesChanged:
    """The fees of an event are other than its series' from now on; None where the override was cleared."""

    event_ticker: str
    fee_type_override: str | None
    fee_multiplier_override_e4: int | None


@attrs.frozen(kw_only=True)
class GroupReported:
    """One of our order groups was created, triggered, reset, deleted or got another limit."""

    group_id: str
    kind: str
    ts_ms: int
    contracts_limit_e2: CountE2 | None = None  # of "created" and "limit_updated"


@attrs.frozen(kw_only=True)
class GapDetected:
    """The sequence of a subscription is broken; the BookStale events for its books came before this one."""

    channel: str
    sid: int
    expected: int
    found: int


@attrs.frozen(kw_only=True)
class SubscriptionDied:
    """The exchange ended a subscription (error 10 or 25, or an `unsubscribed` nobody asked for)."""

    channel: str
    sid: int
    code: int


@attrs.frozen(kw_only=True)
class FrameMalformed:
    """A frame could not be understood; what it might have changed counts as stale."""

    reason: str
    excerpt: str


@attrs.frozen(kw_only=True)
class UnknownFrame:
    """A frame of a type that this version does not know; counted and ignored."""

    type: str


@attrs.frozen(kw_only=True)
class CommandFailed:
    """The exchange refused one of our commands."""

    id: int
    code: int
    message: str


@attrs.frozen(kw_only=True)
class MarketLimitReached:
    """The exchange takes no more order books on this connection: these markets belong on another one."""

    tickers: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ReconnectNeeded:
    """This connection cannot be repaired from within: close it and open another with a new FeedProtocol."""

    reason: str


FeedEvent = (
    BookChanged
    | BookStale
    | TickerUpdated
    | TradePrinted
    | FillReported
    | OrderReported
    | PositionReported
    | MarketLifecycle
    | EventListed
    | EventFeesChanged
    | GroupReported
    | GapDetected
    | SubscriptionDied
    | FrameMalformed
    | UnknownFrame
    | CommandFailed
    | MarketLimitReached
    | ReconnectNeeded
)
