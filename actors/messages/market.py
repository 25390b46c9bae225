"""Market data and market facts on their way to those who decide."""

from __future__ import annotations

import enum

import attrs

from kalshi.fees import FeeSchedule
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import BookSnapshot, Event, Level, Market, PriceRange, Side, Strike
from quant.market_configuration import LiquidityFacts
from quant.rewards.terms import LiquidityTerms

MARKETS_PER_READ = 100  # about 3 kB of address; a page holds a thousand


class BookCondition(enum.StrEnum):
    LIVE = "live"
    STALE = "stale"


@attrs.frozen(kw_only=True)
class BookView:
    """The top of one market's book as published: whole, uncrossed, in sequence; or the word that it is stale.

    `generation` changes with every connection, `sequence` with every applied change; both together name the state of
    the book in which these levels were first seen. It is said again only when one of them changes.
    """

    ticker: str
    condition: BookCondition
    reason: str
    generation: int
    sequence: int
    bids: tuple[Level, ...]  # best first
    asks: tuple[Level, ...]  # best first
    ts_ms: int
    published_at_s: float

    @property
    def best_bid(self) -> Level | None:
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> Level | None:
        return self.asks[0] if self.asks else None


def touch_has_moved(before: BookView, after: BookView) -> bool:
    """Returns whether a view differs in what a plan looks at: the best prices, its condition or its generation."""
    if before.condition is not after.condition or before.generation != after.generation:
        return True
    return _best_e4(before.bids) != _best_e4(after.bids) or _best_e4(before.asks) != _best_e4(after.asks)


def _best_e4(levels: tuple[Level, ...]) -> int | None:
    return levels[0].price_e4 if levels else None


@attrs.frozen(kw_only=True)
class ConnectionHealth:
    """One of the market-data connections."""

    number: int
    connected: bool
    markets: int
    proof_at_s: float
    reconnects: int
    gaps: int
    reason: str


@attrs.frozen(kw_only=True)
class FeedHealth:
    """Proof of life of market data as a whole. `proof_at_s` is when the connection that has been silent for longest,
    of those that are up, was last heard; `silent` are the markets of those that are down.
    """

    connected: bool
    generation: int
    proof_at_s: float
    published_at_s: float
    reconnects: int
    gaps: int
    reason: str
    silent: frozenset[str] = frozenset()
    connections: tuple[ConnectionHealth, ...] = ()


@attrs.frozen(kw_only=True)
class TickerView:
    """The exchange's conflated ticker of one market; zero bid or one-dollar ask mean that side is empty.

    The sizes are those at the touch, None where who made the view was not told.
    """

    ticker: str
    yes_bid_e4: PriceE4
    yes_ask_e4: PriceE4
    last_price_e4: PriceE4 | None  # None where the view was made from a book
    volume_e2: CountE2 | None
    ts_ms: int
    heard_at_s: float
    yes_bid_size_e2: CountE2 | None = None
    yes_ask_size_e2: CountE2 | None = None


@attrs.frozen(kw_only=True)
class TradeSeen:
    """A public trade."""

    ticker: str
    price_e4: PriceE4
    count_e2: CountE2
    taker_side: Side
    ts_ms: int


@attrs.frozen(kw_only=True)
class MarketRules:
    """What must be known of a market before anything may be quoted in it."""

    ticker: str
    event_ticker: str
    series_ticker: str
    category: str
    title: str
    is_tradable: bool
    price_ranges: tuple[PriceRange, ...]
    close_time_ms: int
    exchange_index: int
    mutually_exclusive: bool
    strike: Strike | None = None
    fees: FeeSchedule | None = None  # None where nobody has read them yet


@attrs.frozen(kw_only=True)
class MarketLiquidity:
    """How liquid a market was when it was last listed, for who configures it."""

    ticker: str
    facts: LiquidityFacts


@attrs.frozen(kw_only=True)
class MarketEnded:
    """A market closed, was determined or settled. `settlement_e4` is the YES value once it is known."""

    ticker: str
    kind: str
    settlement_e4: PriceE4 | None


@attrs.frozen(kw_only=True)
class WantedMarkets:
    """The markets that `owner` wants to hear of; the newest statement of an owner replaces its older one.

    Who can do without whole books (prices, sizes at the touch and trades come anyway) says so: they cost the most.
    """

    owner: str
    tickers: tuple[str, ...]
    has_books: bool = True


@attrs.frozen(kw_only=True)
class Claim:
    """A program's wish to quote a market."""

    ticker: str
    score: float
    reasons: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ProgramClaims:
    """All present claims of one program; the newest set replaces the older one and ends at `expires_at_s`."""

    program: str
    priority: int
    claims: tuple[Claim, ...]
    expires_at_s: float


@attrs.frozen(kw_only=True)
class Assignment:
    """One market and the program that may quote it."""

    ticker: str
    program: str
    strategy: str


@attrs.frozen(kw_only=True)
class Assignments:
    """Who may quote which market, whole."""

    assignments: tuple[Assignment, ...]


@attrs.frozen(kw_only=True)
class ProgramTerms:
    """The liquidity programs of one claimed market as they were last read; empty where there is none any more."""

    ticker: str
    programs: tuple[LiquidityTerms, ...]
    heard_at_s: float


@attrs.frozen(kw_only=True)
class DiscoveryReport:
    """What the last discovery run looked at and chose, for people."""

    program: str
    scanned: int
    eligible: int
    selected: tuple[str, ...]
    rejected_by_reason: tuple[tuple[str, int], ...]
    at_ms: int
    rewards_shadow_e6: float = 0.0  # of all programs: what is accruing by our own count; an estimate, in no total
    rewards_booked_e6: MoneyE6 = attrs.field(default=MoneyE6(0))


# -- Reads of market facts, carried out by the Wire. --


@attrs.frozen(kw_only=True)
class ReadEvents:
    """One page of open events with their markets."""

    cursor: str = ""


@attrs.frozen(kw_only=True)
class EventPage:
    events: tuple[Event, ...]
    cursor: str


@attrs.frozen(kw_only=True)
class ReadMarket:
    """One market's facts and touch, for who cannot wait for the socket."""

    ticker: str


@attrs.frozen(kw_only=True)
class ReadMarkets:
    """The facts and touches of several markets at once, at most MARKETS_PER_READ; unknown ones are left out."""

    tickers: tuple[str, ...]


@attrs.frozen(kw_only=True)
class MarketsRead:
    markets: tuple[Market, ...]
    heard_at_s: float


@attrs.frozen(kw_only=True)
class ReadBook:
    """One market's whole book, for who has no socket."""

    ticker: str


@attrs.frozen(kw_only=True)
class BookRead:
    """A book over REST; its `read_time_ms` says when it was made, None where nobody can tell."""

    ticker: str
    book: BookSnapshot


@attrs.frozen(kw_only=True)
class MarketRead:
    market: Market
    heard_at_s: float
