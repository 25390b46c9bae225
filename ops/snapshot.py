"""One picture of the whole bot a second, drawn from what the actors publish; feeds table, `status` and console."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import attrs
import trio

from actors.messages.control import ActorRow, MarketRow, QuoteRow, SystemSnapshot, Totals
from actors.messages.lifecycle import Heartbeat
from actors.messages.market import (
    Assignment,
    Assignments,
    BookView,
    ConnectionHealth,
    DiscoveryReport,
    FeedHealth,
    MarketRules,
)
from actors.messages.money import PnlView, PositionView
from actors.messages.orders import PermitView, TargetQuotes, WireHealth, WorkingOrder, WorkingOrders
from actors.messages.sessions import SessionsView
from actors.messages.volatility import MarketRegime, ScannerReport
from actors.runtime.child import ChildState, ChildStatus
from actors.runtime.loop_watch import LoopWatch
from actors.runtime.mailbox import Mailbox, MailboxStatistics
from actors.runtime.seams import Seams
from actors.runtime.switchboard import Outbox, Switchboard
from kalshi.numbers import CountE2, MoneyE6
from kalshi.types import Side

EVERY_S = 1.0
PERMIT_AGE_MAX_S = 2.0  # the desk says it four times a second
REGIME_AGE_MAX_S = 10.0  # the scanner says each every three seconds
_NO_PNL = PnlView(
    cash_e6=MoneyE6(0),
    marks_e6=MoneyE6(0),
    realised_e6=MoneyE6(0),
    unrealised_e6=MoneyE6(0),
    fees_e6=MoneyE6(0),
    fills=0,
    contracts_e2=CountE2(0),
    drift=(),
)


@attrs.define(eq=False)
class SnapshotMaker:
    """Keeps the newest of everything and publishes a SystemSnapshot a second."""

    mailbox: Mailbox
    outbox: Outbox
    switchboard: Switchboard
    seams: Seams
    children: Callable[[], tuple[ChildStatus, ...]]
    loop_watch: LoopWatch | None
    mode: str
    venue: str
    boot: str
    _books: dict[str, BookView] = attrs.field(factory=dict, init=False)
    _rules: dict[str, MarketRules] = attrs.field(factory=dict, init=False)
    _working: dict[str, WorkingOrders] = attrs.field(factory=dict, init=False)
    _targets: dict[str, TargetQuotes] = attrs.field(factory=dict, init=False)
    _positions: dict[str, PositionView] = attrs.field(factory=dict, init=False)
    _beats: dict[str, float] = attrs.field(factory=dict, init=False)
    _quarantined: set[str] = attrs.field(factory=set, init=False)
    _assigned: dict[str, Assignment] = attrs.field(factory=dict, init=False)
    _permit: PermitView | None = attrs.field(default=None, init=False)
    _feed: FeedHealth | None = attrs.field(default=None, init=False)
    _wire: WireHealth | None = attrs.field(default=None, init=False)
    _pnl: PnlView = attrs.field(default=_NO_PNL, init=False)
    _discovery: dict[str, DiscoveryReport] = attrs.field(factory=dict, init=False)
    _sessions: SessionsView | None = attrs.field(default=None, init=False)
    _regimes: dict[str, MarketRegime] = attrs.field(factory=dict, init=False)
    _scanner: ScannerReport | None = attrs.field(default=None, init=False)

    async def run(self) -> None:
        """Publishes until cancelled."""
        began_s = self.seams.now()
        while True:
            # Everything here is the latest of its kind: it may wait unread until a picture is made of it.
            for message in await self.mailbox.receive(timeout_s=0):
                self._take(message)
            self.outbox.publish(self.snapshot(self.seams.now() - began_s))
            await trio.sleep(EVERY_S)

    def _take(self, message: object) -> None:
        match message:
            case BookView():
                self._books[message.ticker] = message
            case MarketRules():
                self._rules[message.ticker] = message
            case WorkingOrders():
                self._working[message.ticker] = message
            case TargetQuotes():
                self._targets[message.ticker] = message
            case PositionView():
                self._positions[message.ticker] = message
            case Heartbeat():
                self._beats[message.actor] = message.at_s
            case Assignments():
                self._assigned = {assignment.ticker: assignment for assignment in message.assignments}
            case PermitView():
                self._permit = message
            case FeedHealth():
                self._feed = message
            case WireHealth():
                self._wire = message
            case PnlView():
                self._pnl = message
            case DiscoveryReport():
                self._discovery[message.program] = message
            case SessionsView():
                self._sessions = message
            case MarketRegime():
                self._regimes[message.ticker] = message
            case ScannerReport():
                self._scanner = message
            case _:
                pass

    def snapshot(self, up_s: float) -> SystemSnapshot:
        """Returns the picture of this moment."""
        loop = self.loop_watch.report() if self.loop_watch is not None else None
        permit = self._permit
        if permit is not None and (silent_s := self.seams.now() - permit.decided_at_s) > PERMIT_AGE_MAX_S:
            reasons = (f"OrderDesk silent for {silent_s:.0f} s",)
            permit = attrs.evolve(permit, may_quote=False, reasons=reasons)
        return SystemSnapshot(
            at_ms=self.seams.wall_ms(),
            up_s=up_s,
            mode=self.mode,
            venue=self.venue,
            boot=self.boot,
            permit="given" if permit is not None and permit.may_quote else "withheld",
            permit_reasons=permit.reasons if permit is not None else ("OrderDesk has not spoken yet",),
            feed=self._feed_text(),
            discovery=self._discovery_text(),
            volatility=self._volatility_text(),
            actors=self._actor_rows(self.children(), self.switchboard.statistics()),
            markets=self._market_rows(),
            totals=self._totals(),
            write_tokens=self._wire.write_tokens if self._wire is not None else 0.0,
            loop_worst_ms=loop.worst_s * 1000 if loop is not None else 0.0,
            loop_blocks=loop.blocks if loop is not None else 0,
            sessions=self._sessions_text(),
        )

    def _feed_text(self) -> str:
        feed = self._feed
        if feed is None:
            return "not started"
        if not feed.connected:
            return feed.reason
        age_s = self.seams.now() - feed.proof_at_s
        text = f"connected, heard {age_s:.1f} s ago, {feed.reconnects} reconnects, {feed.gaps} gaps"
        if len(feed.connections) > 1:
            text += "; " + ", ".join(_connection_text(connection) for connection in feed.connections)
        return text

    def _discovery_text(self) -> str:
        if not self._discovery:
            return "first run under way"
        newest = max(self._discovery.values(), key=lambda report: report.at_ms)
        rewards = ""
        if newest.rewards_shadow_e6 or newest.rewards_booked_e6:
            shadow, booked = newest.rewards_shadow_e6 / 1_000_000, newest.rewards_booked_e6 / 1_000_000
            rewards = f"; rewards: ${booked:.2f} booked, ${shadow:.2f} by our own count"
        runs = "; ".join(
            f"{report.program}: {report.scanned} markets seen, "
            f"{report.eligible} eligible, {len(report.selected)} selected"
            for report in self._discovery.values()
        )
        return runs + rewards

    def _sessions_text(self) -> str:
        view = self._sessions
        if view is None:
            return ""
        texts = [f"{row.ticker} {row.phase}, {(view.at_ms - row.started_ms) / 1000:.0f} s old" for row in view.rows]
        if view.candidates:
            texts.append(f"{len(view.candidates)} about to begin")
        return f"{len(view.rows)} of {view.sessions_max}{': ' if texts else ''}{'; '.join(texts)}"

    def _volatility_text(self) -> str:
        """What the volatility scanner sees; empty where it is off."""
        report, now_s = self._scanner, self.seams.now()
        if report is None:
            return ""
        regimes = Counter(regime.regime.value for regime in self._regimes.values() if _is_fresh(regime, now_s))
        kinds = ", ".join(f"{count} {name}" for name, count in sorted(regimes.items()))
        text = (
            f"{report.watched} of {report.listed} markets watched, {report.streamed} heard; {kinds or 'no regimes yet'}"
        )
        return f"{text}; events: {', '.join(report.events) or 'none'}"

    def _market_rows(self) -> tuple[MarketRow, ...]:
        held = (ticker for ticker, view in self._positions.items() if view.position_e2)
        resting = (ticker for ticker, working in self._working.items() if working.orders)
        tickers = sorted({*self._assigned, *held, *resting})
        return tuple(self._market_row(ticker) for ticker in tickers)

    def _market_row(self, ticker: str) -> MarketRow:
        book, rules, position = self._books.get(ticker), self._rules.get(ticker), self._positions.get(ticker)
        working, target = self._working.get(ticker), self._targets.get(ticker)
        owner = self._assigned.get(ticker)
        orders = working.orders if working is not None else ()
        pnl = position.realised_e6 + position.unrealised_e6 - position.fees_e6 if position is not None else 0
        reasons = (
            *self._standing(ticker),
            *(target.reasons if target is not None else ()),
            *(working.reasons if working is not None else ()),
            *self._regime(ticker),
        )
        return MarketRow(
            ticker=ticker,
            category=rules.category if rules is not None else "",
            condition=book.condition.value if book is not None else "waiting",
            best_bid_e4=book.best_bid.price_e4 if book is not None and book.best_bid else None,
            best_ask_e4=book.best_ask.price_e4 if book is not None and book.best_ask else None,
            own_bid=_own(orders, Side.BID),
            own_ask=_own(orders, Side.ASK),
            position_e2=position.position_e2 if position is not None else CountE2(0),
            pnl_e6=MoneyE6(pnl),
            reasons=tuple(dict.fromkeys(reasons)),
            program=owner.program if owner is not None else "",
            strategy=owner.strategy if owner is not None else "",
        )

    def _standing(self, ticker: str) -> tuple[str, ...]:
        """Why nobody quotes this market at all, where that is so."""
        if f"market:{ticker}" in self._quarantined:
            return ("its actor crashed too often and is quarantined: see `logs root`",)
        if ticker not in self._assigned:
            return ("not assigned: nobody quotes it; a position stays until the stop loss or the market ends it",)
        return ()

    def _regime(self, ticker: str) -> tuple[str, ...]:
        regime = self._regimes.get(ticker)
        if regime is None or not _is_fresh(regime, self.seams.now()):
            return ()
        return (f"regime {regime.regime.value}: {regime.reason.value}",)

    def _actor_rows(
        self, children: tuple[ChildStatus, ...], statistics: Mapping[str, MailboxStatistics]
    ) -> tuple[ActorRow, ...]:
        rows = []
        for child in children:
            if child.state is ChildState.QUARANTINED:
                self._quarantined.add(child.name)
            seen = statistics.get(child.name)
            beat_s = self._beats.get(child.name, child.started_at_s)
            rows.append(
                ActorRow(
                    name=child.name,
                    state=child.state.value,
                    incarnation=child.incarnation,
                    restarts=child.restarts,
                    mailbox_depth=seen.depth if seen is not None else 0,
                    mailbox_peak=seen.peak if seen is not None else 0,
                    idle_s=max(0.0, self.seams.now() - beat_s) if beat_s is not None else 0.0,
                    last_exit=child.last_exit.reason if child.last_exit is not None else "",
                )
            )
            rows += self._actor_rows(child.children, statistics)
        return tuple(rows)

    def _totals(self) -> Totals:
        pnl = self._pnl
        orders = [order for working in self._working.values() for order in working.orders]
        return Totals(
            cash_e6=pnl.cash_e6,
            marks_e6=pnl.marks_e6,
            realised_e6=pnl.realised_e6,
            unrealised_e6=pnl.unrealised_e6,
            fees_e6=pnl.fees_e6,
            pnl_e6=pnl.pnl_e6,
            is_exact=pnl.is_exact,
            fills=pnl.fills,
            contracts_e2=pnl.contracts_e2,
            orders_resting=sum(order.state == "resting" for order in orders),
            orders_unknown=sum(order.state == "unknown" for order in orders),
        )


def _is_fresh(regime: MarketRegime, now_s: float) -> bool:
    return now_s - regime.judged_at_s <= REGIME_AGE_MAX_S


def _own(orders: tuple[WorkingOrder, ...], side: Side) -> QuoteRow | None:
    for order in orders:
        if order.side is side and order.is_quote and order.state == "resting":
            return QuoteRow(price_e4=order.price_e4, remaining_e2=order.remaining_e2)
    return None


def _connection_text(connection: ConnectionHealth) -> str:
    state = "up" if connection.connected else f"down ({connection.reason})"
    return f"connection {connection.number}: {state}, {connection.markets} markets"


def why_not_quoting(snapshot: SystemSnapshot) -> str:
    """Returns what keeps the bot from quoting with exact books; empty where it does."""
    if snapshot.permit != "given":
        return f"permit withheld: {'; '.join(snapshot.permit_reasons)}"
    if not snapshot.totals.is_exact:
        return "the books are not exact"
    is_quoting = any(row.own_bid is not None or row.own_ask is not None for row in snapshot.markets)
    return "" if is_quoting else "nothing is quoted"
