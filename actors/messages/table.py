"""The channels, all of them: what may travel from whom to whom, and what happens when the receiver is slow.

BLOCK edges form a directed graph without a cycle (a test draws it), so the whole can never wait for itself (I12).
LATEST keeps one slot per key, SAMPLE drops its oldest and counts.
"""

from __future__ import annotations

from typing import Any

from actors.messages.control import SystemSnapshot
from actors.messages.lifecycle import Alert, Heartbeat, KillMarket, ReleaseLossLatch, StopWanted, Switches
from actors.messages.market import (
    Assignments,
    BookView,
    DiscoveryReport,
    FeedHealth,
    MarketEnded,
    MarketLiquidity,
    MarketRules,
    ProgramClaims,
    ProgramTerms,
    TickerView,
    TradeSeen,
    WantedMarkets,
    touch_has_moved,
)
from actors.messages.money import (
    FillsComplete,
    FillTape,
    JoinFills,
    KeepExcursion,
    KeepLossLatch,
    PnlView,
    PositionView,
    PrivateFillSeen,
    ReadBooks,
    ReadExcursions,
    ReadFillMark,
    ReadLossLatch,
    ReadNumberedFills,
    Record,
    RecordFills,
    RecordVerdicts,
    RetireMarket,
    RiskView,
)
from actors.messages.orders import (
    ExitClaim,
    ExitStatus,
    FeedRead,
    GroupSeen,
    PermitView,
    PrivateOrderSeen,
    ReadRequest,
    TargetQuotes,
    WireCommand,
    WireHealth,
    WorkingOrders,
)
from actors.messages.refill import OpenStake, StoreStake
from actors.messages.selection import KeepLearned, ReadLearned
from actors.messages.sessions import ReadOpenSessions, RecordSession, SessionsView
from actors.messages.volatility import MarketRegime, QuoteDirective, ScannerReport, VolatilityEvent
from actors.runtime.channels import ChannelSpec, Policy
from actors.runtime.lifecycle import ActorExited, ActorStarted

MARKETS_MAX = 2_000  # keys of one per-market channel; far above max_markets_with_orders, below any memory trouble
ACTORS_MAX = 2_100
_READERS = ("order_desk", "fill_reconciler", "portfolio_risk", "discovery", "stop_loss", "volatility_scanner")
_ACTORS = (
    "ledger",
    "order_desk",
    "fill_reconciler",
    "portfolio_risk",
    "stop_loss",
    "feed",
    "discovery",
    "allocation",
    "market_supervisor",
    "market",
    "session_manager",
    "volatility_scanner",
)


def _ticker(message: Any) -> str:
    return str(message.ticker)


def _latest(
    message: type,
    senders: tuple[str, ...],
    receivers: tuple[str, ...],
    *,
    keyed: bool = False,
    quiet_to: tuple[str, ...] = (),
) -> ChannelSpec:
    return ChannelSpec(
        message=message,
        policy=Policy.LATEST,
        bound=MARKETS_MAX if keyed else 1,
        senders=senders,
        receivers=receivers,
        key=_ticker if keyed else None,
        quiet_to=quiet_to,
    )


def _block(message: type, bound: int, senders: tuple[str, ...], receivers: tuple[str, ...]) -> ChannelSpec:
    return ChannelSpec(
        message=message, policy=Policy.BLOCK, bound=bound, senders=senders, receivers=receivers, key=None
    )


def _sample(message: type, bound: int, senders: tuple[str, ...], receivers: tuple[str, ...]) -> ChannelSpec:
    return ChannelSpec(
        message=message, policy=Policy.SAMPLE, bound=bound, senders=senders, receivers=receivers, key=None
    )


def _lifecycle(message: type) -> ChannelSpec:
    return ChannelSpec(
        message=message,
        policy=Policy.LATEST,
        bound=ACTORS_MAX,
        senders=("supervision",),
        receivers=("order_desk",),
        key=lambda event: str(event.name),
    )


CHANNELS: tuple[ChannelSpec, ...] = (
    # Market data: conflated, so a slow market neither slows the feed nor acts on an old book.
    # The desk plans by the touch alone, and most changes of a book leave that as it was.
    ChannelSpec(
        message=BookView,
        policy=Policy.LATEST,
        bound=MARKETS_MAX,
        senders=("feed",),
        receivers=("market", "order_desk", "portfolio_risk", "snapshot", "discovery", "volatility_scanner"),
        key=_ticker,
        quiet_to=("discovery",),
        quiet_unless_moved_to=("order_desk",),
        has_moved=touch_has_moved,
    ),
    _latest(
        TickerView,
        ("feed",),
        ("stop_loss", "portfolio_risk", "discovery", "volatility_scanner"),
        keyed=True,
        quiet_to=("discovery",),
    ),
    _latest(
        FeedHealth,
        ("feed",),
        ("order_desk", "stop_loss", "snapshot", "volatility_scanner"),
        quiet_to=("order_desk",),
    ),
    _sample(TradeSeen, 256, ("feed",), ("market", "volatility_scanner")),
    _latest(
        MarketEnded,
        ("feed", "discovery"),
        ("portfolio_risk", "discovery", "order_desk", "session_manager", "volatility_scanner"),
        keyed=True,
    ),
    # What moves. The scanner hears its own events, so that a new life of it ends those of the last one.
    _latest(
        MarketRegime,
        ("volatility_scanner",),
        ("snapshot", "session_manager", "market_supervisor"),
        keyed=True,
        quiet_to=("session_manager", "market_supervisor"),
    ),
    _latest(
        VolatilityEvent,
        ("volatility_scanner",),
        ("volatility_scanner", "session_manager", "market_supervisor"),
        keyed=True,
        quiet_to=("market_supervisor",),
    ),
    _latest(ScannerReport, ("volatility_scanner",), ("snapshot",)),
    # Private events may be dropped by nobody but the feed; REST makes good what was.
    _sample(PrivateFillSeen, 1_024, ("feed",), ("fill_reconciler",)),
    _sample(PrivateOrderSeen, 1_024, ("feed",), ("order_desk",)),
    _sample(GroupSeen, 64, ("feed",), ("order_desk",)),
    # Which markets, and whose.
    _latest(
        MarketRules,
        ("discovery",),
        ("market", "market_supervisor", "order_desk", "portfolio_risk", "stop_loss", "snapshot", "session_manager"),
        keyed=True,
        quiet_to=("market_supervisor", "session_manager"),
    ),
    _latest(MarketLiquidity, ("discovery",), ("market_supervisor",), keyed=True, quiet_to=("market_supervisor",)),
    _latest(ProgramTerms, ("discovery",), ("market",), keyed=True),
    ChannelSpec(
        message=WantedMarkets,
        policy=Policy.LATEST,
        bound=16,
        senders=("allocation", "portfolio_risk", "volatility_scanner"),
        receivers=("feed",),
        key=lambda message: str(message.owner),
    ),
    ChannelSpec(
        message=ProgramClaims,
        policy=Policy.LATEST,
        bound=64,
        senders=("discovery", "session_manager"),
        receivers=("allocation",),
        key=lambda message: str(message.program),
    ),
    _latest(
        Assignments,
        ("allocation",),
        ("market_supervisor", "portfolio_risk", "order_desk", "discovery", "snapshot", "session_manager"),
    ),
    ChannelSpec(
        message=DiscoveryReport,
        policy=Policy.LATEST,
        bound=64,
        senders=("discovery",),
        receivers=("snapshot",),
        key=lambda message: str(message.program),
    ),
    # Volatility sessions.
    _latest(QuoteDirective, ("session_manager",), ("market",), keyed=True),
    _latest(SessionsView, ("session_manager",), ("snapshot",)),
    _block(RecordSession, 64, ("session_manager",), ("ledger",)),
    _block(ReadOpenSessions, 4, ("session_manager",), ("ledger",)),
    # Quotes and orders.
    _latest(TargetQuotes, ("market",), ("order_desk", "snapshot"), keyed=True),
    _latest(
        WorkingOrders,
        ("order_desk",),
        ("market", "snapshot", "portfolio_risk", "discovery", "session_manager", "volatility_scanner"),
        keyed=True,
        quiet_to=("discovery", "session_manager"),
    ),
    _latest(PermitView, ("order_desk",), ("wire", "snapshot")),
    # Each claimant has a slot of its own: whose claim counts is the desk's to say.
    ChannelSpec(
        message=ExitClaim,
        policy=Policy.LATEST,
        bound=MARKETS_MAX,
        senders=("stop_loss", "session_manager"),
        receivers=("order_desk",),
        key=lambda claim: f"{claim.claimant}:{claim.ticker}",
    ),
    _latest(ExitStatus, ("order_desk",), ("stop_loss", "snapshot"), keyed=True),
    _block(WireCommand, 256, ("order_desk",), ("wire",)),
    _block(ReadRequest, 64, _READERS, ("wire",)),
    _sample(FeedRead, 64, ("feed",), ("wire",)),
    _latest(WireHealth, ("wire",), ("order_desk", "snapshot", "feed"), quiet_to=("order_desk",)),
    # Money.
    _block(RecordFills, 64, ("fill_reconciler",), ("ledger",)),
    _block(ReadFillMark, 4, ("fill_reconciler",), ("ledger",)),
    _block(JoinFills, 64, ("fill_reconciler",), ("ledger",)),
    _block(ReadNumberedFills, 64, ("order_desk", "portfolio_risk"), ("ledger",)),
    _block(OpenStake, 64, ("market",), ("ledger",)),
    _block(StoreStake, 64, ("market",), ("ledger",)),
    _latest(FillsComplete, ("fill_reconciler",), ("ledger",)),
    _latest(
        FillTape,
        ("ledger",),
        ("order_desk", "portfolio_risk", "snapshot", "discovery", "market", "session_manager"),
        quiet_to=("discovery", "market", "session_manager"),
    ),
    _latest(
        PositionView,
        ("portfolio_risk",),
        ("market", "stop_loss", "snapshot", "discovery", "session_manager", "records"),
        keyed=True,
        quiet_to=("discovery", "session_manager", "records"),
    ),
    _latest(
        RiskView,
        ("portfolio_risk",),
        ("order_desk", "snapshot", "market", "session_manager"),
        quiet_to=("market", "session_manager"),
    ),
    _latest(PnlView, ("portfolio_risk",), ("snapshot",)),
    _block(RecordVerdicts, 4, ("discovery", "session_manager", "volatility_scanner"), ("ledger",)),
    _block(KeepLearned, 16, ("discovery",), ("ledger",)),
    _block(ReadLearned, 4, ("discovery",), ("ledger",)),
    _latest(KeepLossLatch, ("portfolio_risk",), ("ledger",)),
    _latest(KeepExcursion, ("stop_loss",), ("ledger",), keyed=True, quiet_to=("ledger",)),
    _block(ReadExcursions, 4, ("stop_loss",), ("ledger",)),
    _block(ReadBooks, 4, ("order_desk", "portfolio_risk"), ("ledger",)),
    _block(RetireMarket, 256, ("portfolio_risk",), ("ledger",)),
    _block(ReadLossLatch, 4, ("portfolio_risk",), ("ledger",)),
    _block(
        Record,
        1_024,
        ("discovery", "market", "market_supervisor", "order_desk", "portfolio_risk", "records", "volatility_scanner"),
        ("ledger",),
    ),
    # Life.
    ChannelSpec(
        message=Heartbeat,
        policy=Policy.LATEST,
        bound=ACTORS_MAX,
        senders=_ACTORS,
        receivers=("order_desk", "desk_watch", "snapshot", "service_watch"),
        key=lambda message: str(message.actor),
        quiet_to=("order_desk",),
    ),
    _lifecycle(ActorStarted),
    _lifecycle(ActorExited),
    _sample(Alert, 256, (*_ACTORS, "wire", "outer"), ("records",)),
    _latest(StopWanted, _ACTORS, ("outer",)),
    _sample(KillMarket, 16, ("outer",), ("market_supervisor",)),
    _sample(ReleaseLossLatch, 4, ("outer",), ("portfolio_risk",)),
    _latest(Switches, ("outer",), ("order_desk", "stop_loss", "snapshot", "discovery", "session_manager", "records")),
    _latest(SystemSnapshot, ("snapshot",), ("outer", "records")),
)
