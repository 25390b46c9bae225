"""What the exchange talks about, as the bot sees it: frozen values with integers inside.

These classes are the client's answers and the vocabulary that `quant` shares. Names follow the exchange's own words
where it has one; the legacy words (`action`, yes/no `side`) are translated away at the wire: a bid buys YES, an ask
sells YES, prices are always YES prices.

Source: Kalshi order direction page, October 2026; `CreateOrderV2Request` of spec 3.34.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

from kalshi.numbers import CountE2, MoneyE6, PriceE4, complement


class Side(enum.StrEnum):
    """Which way an order goes on the YES leg."""

    BID = "bid"
    ASK = "ask"

    @property
    def opposite(self) -> Side:
        return Side.ASK if self is Side.BID else Side.BID

    @property
    def sign(self) -> int:
        """+1 for a bid, which adds YES contracts, -1 for an ask."""
        return 1 if self is Side.BID else -1

    def outcome_price(self, price_e4: PriceE4) -> PriceE4:
        """Returns a price of the YES leg as one of the outcome that this side buys (an ask buys NO), or back."""
        return price_e4 if self is Side.BID else complement(price_e4)


# The same members as globals: what every decision and every delta of a book looks at. Until Python 3.12 an attribute of
# an enumeration costs a tenth of a microsecond, its metaclass having a `__getattr__`.
BID: Final = Side.BID
ASK: Final = Side.ASK


class TimeInForce(enum.StrEnum):
    GOOD_TILL_CANCELED = "good_till_canceled"
    IMMEDIATE_OR_CANCEL = "immediate_or_cancel"
    FILL_OR_KILL = "fill_or_kill"


class SelfTradePrevention(enum.StrEnum):
    TAKER_AT_CROSS = "taker_at_cross"
    MAKER = "maker"


class OrderStatus(enum.StrEnum):
    RESTING = "resting"
    CANCELED = "canceled"
    EXECUTED = "executed"


class MarketStatus(enum.StrEnum):
    INITIALIZED = "initialized"
    ACTIVE = "active"
    INACTIVE = "inactive"
    CLOSED = "closed"
    DETERMINED = "determined"
    DISPUTED = "disputed"
    AMENDED = "amended"
    FINALIZED = "finalized"
    UNKNOWN = "unknown"  # a word this version does not know: never tradable


@attrs.frozen(kw_only=True)
class PriceRange:
    """One stretch of a market's price grid: from `start_e4` up to `end_e4` in steps of `step_e4`."""

    start_e4: PriceE4
    end_e4: PriceE4
    step_e4: PriceE4


class StrikeKind(enum.StrEnum):
    """How a market's bounds say at which figures it settles yes."""

    GREATER = "greater"  # than the floor
    GREATER_OR_EQUAL = "greater_or_equal"
    LESS = "less"  # than the cap
    LESS_OR_EQUAL = "less_or_equal"
    BETWEEN = "between"  # floor and cap, both within


@attrs.frozen(kw_only=True)
class Strike:
    """A market that asks where a figure lies. Markets of one event and one `figure` ask for the same one."""

    figure: str
    kind: StrikeKind
    floor: float | None = None
    cap: float | None = None


@attrs.frozen(kw_only=True)
class Series:
    ticker: str
    title: str
    category: str
    fee_type: str
    fee_multiplier_e4: int  # 10_000 is a multiplier of one
    exchange_index: int = 0


@attrs.frozen(kw_only=True)
class Market:
    ticker: str
    event_ticker: str
    status: MarketStatus
    market_type: str
    title: str
    open_time_ms: int
    close_time_ms: int
    created_time_ms: int
    yes_bid_e4: PriceE4
    yes_ask_e4: PriceE4
    yes_bid_size_e2: CountE2
    yes_ask_size_e2: CountE2
    last_price_e4: PriceE4
    volume_e2: CountE2
    volume_24h_e2: CountE2
    open_interest_e2: CountE2
    price_ranges: tuple[PriceRange, ...]
    result: str = ""
    settlement_value_e4: PriceE4 | None = None
    exchange_index: int = 0
    fee_waiver_until_ms: int | None = None  # no trade fee until then, where it is in the future
    strike: Strike | None = None  # None where nothing is known of the figures at which it settles yes


@attrs.frozen(kw_only=True)
class Event:
    ticker: str
    series_ticker: str
    title: str
    category: str
    mutually_exclusive: bool
    markets: tuple[Market, ...] = ()
    fee_type_override: str | None = None
    fee_multiplier_override_e4: int | None = None
    exchange_index: int = 0


@attrs.frozen(kw_only=True)
class Level:
    price_e4: PriceE4
    count_e2: CountE2


@attrs.frozen(kw_only=True)
class BookSnapshot:
    """A full book on the YES leg: bids best first (descending), asks best first (ascending)."""

    ticker: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    read_time_ms: int | None = None  # from Date/Age headers of the answer, where it came over REST


@attrs.frozen(kw_only=True)
class ShardStatus:
    """One shard (`exchange_index`) of the exchange."""

    exchange_index: int
    description: str
    exchange_active: bool
    trading_active: bool
    transfers_active: bool


@attrs.frozen(kw_only=True)
class ExchangeStatus:
    """Whether anything works, and whether trading does; on shard 0, and on each where they are listed."""

    exchange_active: bool
    trading_active: bool
    estimated_resume_time: str | None = None
    shards: tuple[ShardStatus, ...] = ()


@attrs.frozen(kw_only=True)
class BucketLimits:
    """One token bucket: how fast it refills and how much it holds, in tokens."""

    refill_per_s: float
    capacity: float


@attrs.frozen(kw_only=True)
class AccountLimits:
    usage_tier: str
    read: BucketLimits
    write: BucketLimits


@attrs.frozen(kw_only=True)
class Balance:
    """Cash by shard; `total_e6` is the sum."""

    total_e6: MoneyE6
    by_shard_e6: tuple[tuple[int, MoneyE6], ...]
    updated_ts_s: int


@attrs.frozen(kw_only=True)
class ExchangePosition:
    ticker: str
    position_e2: CountE2  # signed: + YES, - NO
    market_exposure_e6: MoneyE6
    realized_pnl_e6: MoneyE6
    fees_paid_e6: MoneyE6
    exchange_index: int = 0


@attrs.frozen(kw_only=True)
class Fill:
    """One execution of one of our orders. `side` is what it did on the YES leg; `fee_e6` is the net fee billed."""

    fill_id: str
    order_id: str
    ticker: str
    side: Side
    price_e4: PriceE4  # YES price
    count_e2: CountE2
    fee_e6: MoneyE6
    is_taker: bool
    ts_ms: int
    exchange_index: int = 0
    client_order_id: str | None = None  # on the socket only; REST fills carry none
    post_position_e2: CountE2 | None = None  # on the socket only


@attrs.frozen(kw_only=True)
class Order:
    """One of our orders as the exchange lists or streams it. `remaining_e2` is zero once it is no longer resting."""

    order_id: str
    client_order_id: str
    ticker: str
    side: Side
    status: OrderStatus
    price_e4: PriceE4  # YES limit
    initial_e2: CountE2
    filled_e2: CountE2
    remaining_e2: CountE2
    order_group_id: str | None = None
    expiration_ts_s: int | None = None
    last_update_ms: int = 0
    exchange_index: int = 0
    reason: str | None = None  # last_update_reason, where it is given


@attrs.frozen(kw_only=True)
class CreateOrder:
    """A create request. `expiration_ts_s` only with good_till_canceled; `reduce_only` only with immediate_or_cancel."""

    ticker: str
    client_order_id: str
    side: Side
    price_e4: PriceE4
    count_e2: CountE2
    time_in_force: TimeInForce
    self_trade_prevention: SelfTradePrevention
    exchange_index: int
    post_only: bool = False
    reduce_only: bool = False
    cancel_order_on_pause: bool = True
    order_group_id: str | None = None
    expiration_ts_s: int | None = None


@attrs.frozen(kw_only=True)
class AmendOrder:
    """An amend request. `total_count_e2` is already filled + wanted resting, as the exchange counts it."""

    order_id: str
    ticker: str
    side: Side
    price_e4: PriceE4
    total_count_e2: CountE2
    exchange_index: int
    expiration_ts_s: int | None = None  # None keeps the present one


@attrs.frozen(kw_only=True)
class DecreaseOrder:
    order_id: str
    ticker: str
    reduce_to_e2: CountE2
    exchange_index: int


@attrs.frozen(kw_only=True)
class CancelOrder:
    order_id: str
    ticker: str
    exchange_index: int


@attrs.frozen(kw_only=True)
class CreateAck:
    """201: the order was taken. It rests if `remaining_e2` is positive, else it filled or died at once."""

    order_id: str
    client_order_id: str
    filled_e2: CountE2
    remaining_e2: CountE2
    ts_ms: int


@attrs.frozen(kw_only=True)
class AmendAck:
    order_id: str
    remaining_e2: CountE2 | None
    filled_e2: CountE2 | None
    ts_ms: int


@attrs.frozen(kw_only=True)
class CancelAck:
    order_id: str
    reduced_by_e2: CountE2
    ts_ms: int


@attrs.frozen(kw_only=True)
class DecreaseAck:
    order_id: str
    remaining_e2: CountE2
    ts_ms: int


@attrs.frozen(kw_only=True)
class ItemRejection:
    """One refused item of a batch that as a whole was answered 200 or 201."""

    code: str
    message: str


@attrs.frozen(kw_only=True)
class OrderGroup:
    group_id: str
    is_auto_cancel_enabled: bool
    contracts_limit_e2: CountE2 | None
    exchange_index: int
    order_ids: tuple[str, ...] = ()
